# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""One amphora dies under traffic: what the fabric and the API show, when."""

import collections.abc
import contextlib
import dataclasses
import time
import typing

from octavia_anycast_lab import (
    clients,
    http_probe,
    hypervisor,
    observe,
    rest,
    settings,
    traffic_record,
)
from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab.demo import cluster

RATE_PER_SECOND = 100.0
_BEFORE_SECONDS = 2.0
_AFTER_SECONDS = 3.0
_HEAL_SECONDS = 120.0
_LOOK_SECONDS = 0.1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where it happens: the load balancer and its VIPs."""

    lab: settings.Lab
    api: rest.Api
    load_balancer_id: str
    vips: tuple[settings.Address, ...]
    size: int


@dataclasses.dataclass(slots=True, kw_only=True)
class Outage:
    """What was measured; times are seconds since the epoch."""

    killed_at: float
    shrunk_at: float | None = None
    grown_at: float | None = None
    paths_left: int = 0
    provisioning: set[str] = dataclasses.field(default_factory=set)
    operating: list[tuple[float, str]] = dataclasses.field(
        default_factory=list
    )
    records: dict[int, tuple[traffic_record.Record, ...]] = dataclasses.field(
        default_factory=dict
    )

    def since(self, moment: float | None) -> float:
        """Seconds from the kill to a moment that was seen."""
        return float("nan") if moment is None else moment - self.killed_at

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
    scene: Scene,
    victim: cluster.Amphora,
    registry: registry_lib.Registry,
    tell: collections.abc.Callable[[str], None],
) -> Outage:
    """Cut an amphora's power under traffic, watch until it is replaced.

    :raises TimeoutError: the paths did not shrink, or did not grow again.
    """
    with contextlib.ExitStack() as stack:
        streams = {
            vip.version: stack.enter_context(
                clients.streaming(
                    scene.lab, registry, _target(vip), RATE_PER_SECOND
                )
            )
            for vip in scene.vips
        }
        time.sleep(_BEFORE_SECONDS)
        machines = hypervisor.Hypervisor(scene.lab)
        # The links go before the processes do, and the moment before both.
        outage = Outage(killed_at=time.time())
        machines.kill(victim.instance.id, hypervisor.Loss.POWER)
        tell(f"t = 0.0 s    {victim.label} has lost its power")
        _watch(scene, outage, victim.addresses, tell)
        time.sleep(_AFTER_SECONDS)
        outage.records = {
            version: stream.stop() for version, stream in streams.items()
        }
    return outage


def _watch(
    scene: Scene,
    outage: Outage,
    lost: frozenset[settings.Address],
    tell: collections.abc.Callable[[str], None],
) -> None:
    deadline = time.monotonic() + _HEAL_SECONDS
    while outage.grown_at is None:
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"paths of {scene.size} amphorae: not within "
                f"{_HEAL_SECONDS:.0f} s of the kill"
            )
        _look_at_fabric(scene, outage, lost, tell)
        _look_at_api(scene, outage, tell)
        time.sleep(_LOOK_SECONDS)


def _look_at_fabric(
    scene: Scene,
    outage: Outage,
    lost: frozenset[settings.Address],
    tell: collections.abc.Callable[[str], None],
) -> None:
    held = [observe.announcers(scene.lab, _prefix(v)) for v in scene.vips]
    if outage.shrunk_at is None:
        if not any(hops & lost for hops in held):
            outage.shrunk_at = time.time()
            outage.paths_left = min(len(hops) for hops in held)
            tell(
                f"t = {outage.since(outage.shrunk_at):.1f} s    the leaves "
                f"have dropped its paths: {_counts(scene, held)}"
            )
    elif all(len(hops) >= scene.size for hops in held):
        outage.grown_at = time.time()
        tell(
            f"t = {outage.since(outage.grown_at):.1f} s    the replacement "
            f"announces: {_counts(scene, held)}"
        )


def _look_at_api(
    scene: Scene,
    outage: Outage,
    tell: collections.abc.Callable[[str], None],
) -> None:
    seen = status(scene.api, scene.load_balancer_id)
    outage.provisioning.add(seen["provisioning_status"])
    operating = seen["operating_status"]
    if not outage.operating or outage.operating[-1][1] != operating:
        outage.operating.append((time.time(), operating))
        if len(outage.operating) > 1:
            tell(
                f"t = {outage.since(time.time()):.1f} s    the load "
                f"balancer's operating status is {operating}"
            )


def status(api: rest.Api, load_balancer_id: str) -> dict[str, typing.Any]:
    """The load balancer as its tenant sees it."""
    path = f"/v2/lbaas/loadbalancers/{load_balancer_id}"
    return dict(api.get(rest.LOAD_BALANCER, path)["loadbalancer"])


def _target(vip: settings.Address) -> http_probe.Target:
    return http_probe.Target(address=str(vip), port=80)


def _prefix(vip: settings.Address) -> str:
    return f"{vip}/{vip.max_prefixlen}"


def _counts(scene: Scene, held: list[frozenset[settings.Address]]) -> str:
    return ", ".join(
        f"{len(hops)} for IPv{vip.version}"
        for vip, hops in zip(scene.vips, held, strict=True)
    )
