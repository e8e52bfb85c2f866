# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""One amphora dies under traffic: what the fabric and the API show, when.

It loses its power; or all of its links swallow every frame, and nobody's link
goes down: then only BFD notices (or, without it, the hold time).
"""

import collections.abc
import dataclasses
import json
import re
import time

from octavia_anycast_lab import faults, settings
from octavia_anycast_lab.amphora import cluster, hypervisor
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.demo import context, load
from octavia_anycast_lab.demo.screen import Clock
from octavia_anycast_lab.fabric import frr
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.traffic import traffic_record

_BEFORE_SECONDS = 1.0
_AFTER_SECONDS = 2.0
_HEAL_SECONDS = 120.0
_NOTICED_SECONDS = 30.0
_LOOK_SECONDS = 0.1


@dataclasses.dataclass(slots=True, kw_only=True)
class Outage:
    """What was measured; times are seconds since the epoch.

    ``verdict``: why the leaf ended its session with the amphora. ``owned``:
    how many of the connections that were held open it had.
    """

    shrunk_at: float
    paths_left: int
    owned: int
    verdict: str
    seen: load.Seen
    provisioning: set[str] = dataclasses.field(default_factory=set)

    def split(
        self, version: int
    ) -> tuple[traffic_record.Window, traffic_record.Window]:
        """Requests until the fabric had noticed, and all later ones.

        A request that was on its way when the path went belongs to the
        first part.
        """
        records = self.seen.records[version]
        early = [r for r in records if r.start <= self.shrunk_at]
        late = [r for r in records if r.start > self.shrunk_at]
        return traffic_record.window(early), traffic_record.window(late)


def kill(
    stage: context.Stage, subject: context.Subject, victim: cluster.Amphora
) -> Outage:
    """Cut an amphora's power under traffic, watch until it is replaced.

    :raises TimeoutError: the paths did not shrink, or did not grow again.
    """
    machines = hypervisor.Hypervisor(stage.lab)
    watch = _Watch(stage, subject, victim)
    with load.flowing(stage, subject) as traffic:
        watch.begin(
            traffic,
            f"{victim.label} has lost its power",
            lambda: machines.kill(victim.instance.id, hypervisor.Loss.POWER),
        )
        watch.await_shrunk()
        watch.await_grown()
        time.sleep(_AFTER_SECONDS)
        return watch.end(traffic)


def silence(
    stage: context.Stage, subject: context.Subject, victim: cluster.Amphora
) -> Outage:
    """Let all links of an amphora swallow every frame, under traffic.

    It stays like that; somebody else waits until it is replaced.

    :raises TimeoutError: the paths did not shrink.
    """
    watch = _Watch(stage, subject, victim)
    with load.flowing(stage, subject) as traffic:
        watch.begin(
            traffic,
            f"the links of {victim.label} swallow all frames",
            lambda: _swallow(stage.lab, victim),
        )
        watch.await_shrunk()
        time.sleep(_AFTER_SECONDS)
        return watch.end(traffic)


def links_up(victim: cluster.Amphora) -> int:
    """How many links of an amphora have a carrier at their far end."""
    found = [
        netns.run(
            nic.wire.namespace, ["ip", "-j", "link", "show", "dev", nic.tap]
        )
        for nic in victim.instance.nics
    ]
    return sum(
        "LOWER_UP" in json.loads(done.stdout)[0]["flags"] for done in found
    )


def _swallow(lab: settings.Lab, victim: cluster.Amphora) -> None:
    for nic in victim.instance.nics:
        role = nic.wire.namespace.removeprefix(lab.namespace_prefix)
        faults.silence_bridge_port(lab, role, nic.tap)


class _Watch:
    """Looks at the leaves and the API, and says what it sees."""

    def __init__(
        self,
        stage: context.Stage,
        subject: context.Subject,
        victim: cluster.Amphora,
    ) -> None:
        self._stage = stage
        self._subject = subject
        self._victim = victim
        self._said_before = len(self._verdicts())
        self._provisioning: set[str] = set()
        self._operating = ""
        self._shrunk_at = 0.0
        self._paths_left = 0
        self._owned = 0

    def begin(
        self,
        traffic: load.Load,
        what: str,
        happen: collections.abc.Callable[[], None],
    ) -> None:
        """Let it happen, after a moment in which nothing does."""
        self._look_at_api()
        time.sleep(_BEFORE_SECONDS)
        traffic.take()
        machines = hypervisor.Hypervisor(self._stage.lab)
        self._owned = traffic.held_by(machines, self._victim.instance)
        self._clock = Clock(self._stage.screen)
        happen()
        self._clock.say(what)

    def await_shrunk(self) -> None:
        """Until no leaf uses a path to the victim; looks at nothing else."""
        process.wait_until(
            lambda: not any(h & self._victim.addresses for h in self._hops()),
            _NOTICED_SECONDS,
            f"no leaf that uses a path to {self._victim.label}",
            0.0,
        )
        self._shrunk_at = time.time()
        self._paths_left = min(map(len, self._hops()))
        self._clock.say(f"the leaves dropped its paths: {self._counts()}")

    def await_grown(self) -> None:
        """Until the leaves use as many paths as before."""

        def is_grown() -> bool:
            self._look_at_api()
            return all(len(h) >= self._subject.size for h in self._hops())

        process.wait_until(
            is_grown,
            _HEAL_SECONDS,
            f"paths of {self._subject.size} amphorae after the loss",
            _LOOK_SECONDS,
        )
        self._clock.say(f"the replacement announces: {self._counts()}")

    def end(self, traffic: load.Load) -> Outage:
        """Stop the load; what was seen."""
        self._look_at_api()
        seen = traffic.stop()
        return Outage(
            shrunk_at=self._shrunk_at,
            paths_left=self._paths_left,
            owned=self._owned,
            verdict=next(
                iter(self._verdicts()[self._said_before :]), "nothing"
            ),
            seen=seen,
            provisioning=self._provisioning,
        )

    def _hops(self) -> list[frozenset[settings.Address]]:
        return context.next_hops(self._stage, self._subject)

    def _counts(self) -> str:
        return ", ".join(
            f"{len(hops)} for IPv{vip.version}"
            for vip, hops in zip(self._subject.vips, self._hops(), strict=True)
        )

    def _look_at_api(self) -> None:
        path = f"/v2/lbaas/loadbalancers/{self._subject.id}"
        seen = self._stage.tenant.get(rest.LOAD_BALANCER, path)["loadbalancer"]
        self._provisioning.add(seen["provisioning_status"])
        operating = seen["operating_status"]
        if self._operating not in ("", operating):
            self._clock.say(f"its operating status is {operating}")
        self._operating = operating

    def _verdicts(self) -> list[str]:
        """Why the leaf ended sessions with the victim, as it wrote itself."""
        neighbor = re.escape(str(self._victim.management))
        home = frr.directory(self._stage.lab, self._victim.leaf.name)
        return re.findall(
            rf"%NOTIFICATION: sent to neighbor {neighbor} \S+ \((.*?)\)",
            (home / "bgpd.log").read_text("utf-8"),
        )
