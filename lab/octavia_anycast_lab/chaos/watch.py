# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Watch the fabric while faults happen: what may never be, not even then.

The client's leaf must have a route in its kernel as long as one amphora is
healthy, and amphorae announce VIPs only: read from the routers. No amphora is
booted twice: read from the hypervisor. No load balancer waits longer than is
stated: read from Octavia's tables.
"""

import collections.abc
import ipaddress
import subprocess
import threading
import time
import typing

from octavia_anycast_lab import deployment, settings
from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab.amphora import hypervisor
from octavia_anycast_lab.cloud import controller, database
from octavia_anycast_lab.fabric import frr, observe
from octavia_anycast_lab.ha import controllers

_INTERVAL_SECONDS = 0.1
# A client of the database is a process: not at each look.
_STATUS_SECONDS = 1.0
# A change in the lab takes seconds, some rounds hold it up for a minute. What
# is stuck is seen long before ``error_after``.
STATED_SECONDS = 180.0
# id of a load balancer -> its provisioning status; None: nobody can work now
Statuses = collections.abc.Mapping[str, str] | None
# Name of an amphora -> ids of its servers.
Servers = dict[str, set[str]]
_CLIENT_LEAF = next(leaf.name for leaf in settings.LEAVES if leaf.rack is None)


class Watcher:
    """Looks again and again for the length of a ``with`` block."""

    def __init__(
        self,
        lab: settings.Lab,
        vips: collections.abc.Iterable[settings.Address],
        allowed: collections.abc.Iterable[settings.Network],
        statuses: collections.abc.Callable[[], Statuses],
    ) -> None:
        self._lab = lab
        self._prefixes = tuple(map(ipaddress.ip_network, vips))
        self._allowed = frozenset(allowed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._machines = hypervisor.Hypervisor(lab)
        self._servers: Servers = {}
        self._statuses = statuses
        self._waits = Waits(STATED_SECONDS)
        self._statuses_due = 0.0
        self.looks = 0
        self.violations: set[str] = set()

    def __enter__(self) -> typing.Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_INTERVAL_SECONDS):
            try:
                self.violations.update(self.look())
            except Exception as error:  # noqa: BLE001 - not to be blind
                self.violations.add(f"cannot look: {error!r}")
            self.looks += 1

    def look(self) -> list[str]:
        """What is wrong now."""
        instances = self._machines.instances()
        found = doubles(self._servers, [(i.name, i.id) for i in instances])
        now = time.monotonic()
        if now >= self._statuses_due:
            self._statuses_due = now + _STATUS_SECONDS
            found += self._waits.note(self._statuses(), now)
        found += [
            f"{_CLIENT_LEAF} has no route to {prefix}"
            for prefix in self._prefixes
            if not observe.fib(self._lab, _CLIENT_LEAF, prefix)
        ]
        for leaf in settings.RACK_LEAVES:
            for family in ("ipv4", "ipv6"):
                command = f"show bgp {family} unicast json"
                try:
                    answer = frr.show(self._lab, leaf.name, command)
                except frr.RouterError:
                    continue  # it is down: that may be the fault
                found += [
                    f"{leaf.name} has {prefix} from an amphora"
                    for prefix in foreign(answer, self._allowed)
                ]
        return found

    @property
    def seen(self) -> frozenset[str]:
        """All servers that were there at some time."""
        return frozenset().union(*self._servers.values())


class Waits:
    """Since when load balancers are PENDING (invariant 8).

    The seconds in which nobody could work are nobody's failure.
    """

    def __init__(self, stated_seconds: float) -> None:
        self._stated_seconds = stated_seconds
        self._since: dict[tuple[str, str], float] = {}

    def note(self, statuses: Statuses, now: float) -> list[str]:
        """Those that wait for too long by now."""
        pending = {
            (identifier, status)
            for identifier, status in (statuses or {}).items()
            if status.startswith("PENDING_")
        }
        self._since = {each: self._since.get(each, now) for each in pending}
        return [
            f"load balancer {identifier} is {status} for longer than is stated"
            for (identifier, status), since in sorted(self._since.items())
            if now - since > self._stated_seconds
        ]


def statuses(plane: deployment.Deployment) -> Statuses:
    """Of all load balancers, as long as there are database and controller."""
    registry = registry_lib.Registry(plane.lab.run_dir)
    if controller.pid_of(registry) is None and not controllers.is_any_alive(
        plane, registry
    ):
        return None
    try:
        rows = database.query(
            plane,
            "octavia",
            "SELECT id, provisioning_status FROM load_balancer",
        )
    except (database.DatabaseError, subprocess.SubprocessError):
        return None
    found = (line.split("\t") for line in rows.splitlines())
    return {identifier: status for identifier, status in found}


def doubles(
    servers: Servers, found: collections.abc.Iterable[tuple[str, str]]
) -> list[str]:
    """Amphorae for which more than one server was ever made.

    ``servers`` is what was seen before, and learns what is ``found``: pairs
    of an amphora's name and its server's id.
    """
    for name, server_id in found:
        servers.setdefault(name, set()).add(server_id)
    return [
        f"{name} was booted {len(ids)} times"
        for name, ids in servers.items()
        if len(ids) > 1
    ]


def foreign(
    answer: collections.abc.Mapping[str, typing.Any],
    allowed: collections.abc.Collection[settings.Network],
) -> list[str]:
    """Prefixes that amphorae announce and may not.

    ``answer``: what FRR says to ``show bgp ... unicast json``.
    """
    return [
        prefix
        for prefix, paths in answer.get("routes", {}).items()
        if ipaddress.ip_network(prefix) not in allowed
        and any(_is_amphora(path.get("path", "")) for path in paths)
    ]


def _is_amphora(as_path: str) -> bool:
    return as_path.split()[:1] == [str(settings.AMPHORA_AS)]
