# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The two columns of the table of events: our cluster, and ACTIVE_STANDBY.

Both in one lab with the same members and client. The peer is built, watched
and repaired by Octavia's unmodified worker and health manager, from an image
of the same packages without our elements; two amphorae with keepalived share
a VIP in rack 1's front-end subnet.
"""

import abc
import collections.abc
import contextlib
import dataclasses
import enum
import json

from octavia_anycast_lab import settings
from octavia_anycast_lab.amphora import hypervisor, machine
from octavia_anycast_lab.api import distributors, rest
from octavia_anycast_lab.bench import world
from octavia_anycast_lab.cloud import database
from octavia_anycast_lab.fabric import frr, observe
from octavia_anycast_lab.host import process
from octavia_anycast_lab.traffic import clients, http_probe

SIZE = 4
STANDBY_SIZE = 2
DISTRIBUTOR = "bench-bird"
BFD = {"min_tx_ms": 100, "min_rx_ms": 100, "multiplier": 3}
TOPOLOGY = "[controller_worker]\nloadbalancer_topology = ACTIVE_STANDBY\n"
KEEPALIVED = "octavia-keepalived.service"
INNER_NAMESPACE = "amphora-haproxy"
_SETTLED_SECONDS = 300.0


class Peering(enum.StrEnum):
    """Over which network our amphorae peer with the leaves."""

    MANAGEMENT = "management"
    FRONT_END = "frontend"


_PROBES = 50


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Column(abc.ABC):
    """One load balancer under events."""

    lab: world.World
    balancer: world.LoadBalancer

    @property
    def machines(self) -> hypervisor.Hypervisor:
        """All instances of the lab."""
        return hypervisor.Hypervisor(self.lab.lab)

    @property
    def vip(self) -> settings.Address:
        """Where the client asks: the IPv4 VIP."""
        return self.balancer.vips[0]

    @property
    def target(self) -> http_probe.Target:
        """What the client asks."""
        return http_probe.Target(
            address=str(self.vip), port=world.PORT, timeout_seconds=5.0
        )

    @property
    def haproxy(self) -> str:
        """The systemd unit of its HAProxy, in each amphora."""
        return f"haproxy-{self.balancer.id}.service"

    @abc.abstractmethod
    def amphorae(self) -> collections.abc.Mapping[str, machine.Instance]:
        """Amphora id -> instance, of those which have power."""

    @abc.abstractmethod
    def victim(self) -> str:
        """The id of the amphora to which the event happens."""

    @abc.abstractmethod
    def is_whole(self) -> bool:
        """True if all of its amphorae do what they are there for."""

    def settle(self) -> None:
        """Wait until it is whole, ACTIVE, and answers without a failure."""

        def is_settled() -> bool:
            status = self.lab.status(self.balancer)["provisioning_status"]
            return status == "ACTIVE" and self.is_whole() and self._answers()

        process.wait_until(
            is_settled,
            _SETTLED_SECONDS,
            f"load balancer {self.balancer.id} whole",
            0.5,
        )

    def await_whole(self) -> None:
        """Wait until it is whole, whatever its client sees."""
        process.wait_until(
            self.is_whole,
            _SETTLED_SECONDS,
            f"load balancer {self.balancer.id} whole",
            0.2,
        )

    def inside(self, amphora_id: str, *argv: str) -> str:
        """What a command in an amphora prints.

        :raises RuntimeError: it failed.
        """
        done = self.machines.execute(self.amphorae()[amphora_id], argv)
        if done.returncode != 0:
            raise RuntimeError(f"{argv} in {amphora_id}: {done.stderr}")
        return done.stdout

    def _answers(self) -> bool:
        records = clients.shares(self.lab.lab, self.target, _PROBES, 10)
        return not any(record.is_bad for record in records)

    def _rows(self, query: str) -> list[list[str]]:
        text = database.query(self.lab.plane, "octavia", query)
        return [line.split("\t") for line in text.splitlines()]

    def _powered(
        self, rows: collections.abc.Iterable[collections.abc.Sequence[str]]
    ) -> dict[str, machine.Instance]:
        """Amphora id -> instance, out of rows of amphora and instance ids."""
        found = {}
        for amphora_id, compute_id in rows:
            with contextlib.suppress(hypervisor.InstanceNotFound):
                instance = self.machines.get(compute_id)
                if self.machines.is_running(instance):
                    found[amphora_id] = instance
        return found


class Cluster(Column):
    """Ours: four amphorae which announce with BIRD, BFD at 3 x 100 ms."""

    def amphorae(self) -> collections.abc.Mapping[str, machine.Instance]:
        """See the base class."""
        return self._powered(
            self._rows(
                "SELECT id, compute_id FROM anycast_amphora"
                f" WHERE load_balancer_id = '{self.balancer.id}'"
                " AND status != 'DELETED' AND compute_id IS NOT NULL"
            )
        )

    def victim(self) -> str:
        """Any: all of them serve."""
        return min(self.amphorae())

    def is_whole(self) -> bool:
        """True if the leaves use a path to each amphora for each VIP."""
        return len(self.amphorae()) == SIZE and all(
            len(observe.announcers(self.lab.lab, f"{v}/{v.max_prefixlen}"))
            == SIZE
            for v in self.balancer.vips
        )


class Standby(Column):
    """The peer: MASTER and BACKUP."""

    def amphorae(self) -> collections.abc.Mapping[str, machine.Instance]:
        """See the base class."""
        return self._powered(
            self._rows(
                "SELECT id, compute_id FROM amphora"
                f" WHERE load_balancer_id = '{self.balancer.id}'"
                " AND status = 'ALLOCATED' AND compute_id IS NOT NULL"
            )
        )

    def victim(self) -> str:
        """The one which holds the VIP now."""
        return self.holders()[0]

    def holders(self) -> list[str]:
        """Ids of amphorae which hold the VIP: one, unless they are cut."""
        found = []
        for amphora_id, instance in self.amphorae().items():
            done = self.machines.execute(
                instance,
                ["ip", "-j", "address", "show"],
                namespace=INNER_NAMESPACE,
            )
            links = json.loads(done.stdout or "[]")
            held = {a["local"] for link in links for a in link["addr_info"]}
            if str(self.vip) in held:
                found.append(amphora_id)
        return found

    def is_whole(self) -> bool:
        """True if one holds the VIP, and another one stands by."""
        amphorae = self.amphorae()
        return (
            len(amphorae) == STANDBY_SIZE
            and all(self._stands_ready(i) for i in amphorae.values())
            and len(self.holders()) == 1
        )

    def _stands_ready(self, instance: machine.Instance) -> bool:
        done = self.machines.execute(
            instance, ["systemctl", "is-active", KEEPALIVED, self.haproxy]
        )
        return done.stdout.split() == ["active", "active"]


@contextlib.contextmanager
def standing(
    lab: world.World,
    more: str = "",
    peering: Peering = Peering.MANAGEMENT,
) -> collections.abc.Iterator[tuple[Cluster, Standby]]:
    """Both columns, whole, for the time of a block.

    ``more``: further sections of the peer's octavia.conf.
    """
    with (
        lab.stock(f"{TOPOLOGY}{more}"),
        distributor(lab, peering) as distributor_id,
        contextlib.ExitStack() as made,
    ):
        ours = Cluster(
            lab=lab,
            balancer=lab.create(
                SIZE, "bench-events", distributor_id=distributor_id
            ),
        )
        made.callback(lab.delete, ours.balancer)
        peer = Standby(
            lab=lab, balancer=lab.create(None, "bench-active-standby")
        )
        made.callback(lab.delete, peer.balancer)
        for column in (ours, peer):
            lab.await_active(column.balancer)
            column.settle()
        yield ours, peer


@contextlib.contextmanager
def distributor(
    lab: world.World,
    peering: Peering = Peering.MANAGEMENT,
    bfd: collections.abc.Mapping[str, int] = BFD,
) -> collections.abc.Iterator[str]:
    """The id of one with BIRD and BFD; the leaves are as fast meanwhile."""
    name = f"{DISTRIBUTOR}-{peering}"
    body = distributors.body(lab.api, name)
    body["distributor"]["is_default"] = False
    distributors.speak_bird(body, bfd)
    if peering is Peering.FRONT_END:
        distributors.over_front_ends(body)
    frr.set_bfd_interval(lab.lab, bfd["min_tx_ms"])
    found = distributors.find(lab.api, name)
    if found is None:
        found = lab.api.request(
            "POST", rest.LOAD_BALANCER, distributors.PATH, body
        )["distributor"]
    try:
        yield str(found["id"])
    finally:
        distributors.delete(lab.api, str(found["id"]))
        frr.set_bfd_interval(lab.lab, frr.BFD_INTERVAL_MS)
