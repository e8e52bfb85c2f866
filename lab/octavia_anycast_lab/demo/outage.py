# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""One amphora dies under traffic: what the fabric and the API show, when."""

import contextlib
import dataclasses
import time

from octavia_anycast_lab import (
    clients,
    http_probe,
    hypervisor,
    observe,
    rest,
    settings,
    traffic_record,
)
from octavia_anycast_lab.demo import cluster, context

RATE_PER_SECOND = 100.0
_BEFORE_SECONDS = 2.0
_AFTER_SECONDS = 3.0
_HEAL_SECONDS = 120.0
_LOOK_SECONDS = 0.1


@dataclasses.dataclass(slots=True, kw_only=True)
class Outage:
    """What was measured; times are seconds since the epoch."""

    killed_at: float
    shrunk_at: float | None = None
    grown_at: float | None = None
    paths_left: int = 0
    provisioning: set[str] = dataclasses.field(default_factory=set)
    operating: list[str] = dataclasses.field(default_factory=list)
    records: dict[int, tuple[traffic_record.Record, ...]] = dataclasses.field(
        default_factory=dict
    )

    def split(
        self, version: int
    ) -> tuple[traffic_record.Window, traffic_record.Window]:
        """Requests until the fabric had noticed, and all later ones.

        A request that was on its way when the path went belongs to the
        first part.
        """
        border = self.shrunk_at or float("inf")
        early = [r for r in self.records[version] if r.start <= border]
        late = [r for r in self.records[version] if r.start > border]
        return traffic_record.window(early), traffic_record.window(late)


def kill(
    stage: context.Stage, subject: context.Subject, victim: cluster.Amphora
) -> Outage:
    """Cut an amphora's power under traffic, watch until it is replaced.

    :raises TimeoutError: the paths did not shrink, or did not grow again.
    """
    with contextlib.ExitStack() as stack:
        streams = {
            vip.version: stack.enter_context(
                clients.streaming(
                    stage.lab, stage.registry, _target(vip), RATE_PER_SECOND
                )
            )
            for vip in subject.vips
        }
        time.sleep(_BEFORE_SECONDS)
        machines = hypervisor.Hypervisor(stage.lab)
        outage = Outage(killed_at=time.time())
        machines.kill(victim.instance.id, hypervisor.Loss.POWER)
        stage.screen.say(f"t =  0.0 s  {victim.label} has lost its power")
        _watch(stage, subject, outage, victim.addresses)
        time.sleep(_AFTER_SECONDS)
        outage.records = {
            version: stream.stop() for version, stream in streams.items()
        }
    return outage


def _watch(
    stage: context.Stage,
    subject: context.Subject,
    outage: Outage,
    lost: frozenset[settings.Address],
) -> None:
    deadline = time.monotonic() + _HEAL_SECONDS
    while outage.grown_at is None:
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"paths of {subject.size} amphorae: not within "
                f"{_HEAL_SECONDS:.0f} s of the kill"
            )
        _look_at_fabric(stage, subject, outage, lost)
        _look_at_api(stage, subject, outage)
        time.sleep(_LOOK_SECONDS)


def _look_at_fabric(
    stage: context.Stage,
    subject: context.Subject,
    outage: Outage,
    lost: frozenset[settings.Address],
) -> None:
    held = [
        observe.announcers(stage.lab, context.prefix(vip))
        for vip in subject.vips
    ]
    counts = ", ".join(
        f"{len(hops)} for IPv{vip.version}"
        for vip, hops in zip(subject.vips, held, strict=True)
    )
    if outage.shrunk_at is None:
        if not any(hops & lost for hops in held):
            outage.shrunk_at = time.time()
            outage.paths_left = min(len(hops) for hops in held)
            _event(stage, outage, f"the leaves dropped its paths: {counts}")
    elif all(len(hops) >= subject.size for hops in held):
        outage.grown_at = time.time()
        _event(stage, outage, f"the replacement announces: {counts}")


def _look_at_api(
    stage: context.Stage, subject: context.Subject, outage: Outage
) -> None:
    path = f"/v2/lbaas/loadbalancers/{subject.id}"
    seen = stage.tenant.get(rest.LOAD_BALANCER, path)["loadbalancer"]
    outage.provisioning.add(seen["provisioning_status"])
    operating = seen["operating_status"]
    if outage.operating and outage.operating[-1] != operating:
        _event(stage, outage, f"its operating status is {operating}")
    if not outage.operating or outage.operating[-1] != operating:
        outage.operating.append(operating)


def _event(stage: context.Stage, outage: Outage, text: str) -> None:
    seconds = time.time() - outage.killed_at
    stage.screen.say(f"t = {seconds:4.1f} s  {text}")


def _target(vip: settings.Address) -> http_probe.Target:
    return http_probe.Target(address=str(vip), port=80)
