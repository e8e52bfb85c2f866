# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Copies of a converged load balancer: its rows, and its machines.

A thousand made one after the other through the API, and converged one by
one, take over an hour, of which nothing is measured. So one is made and
converges as ever; the others are its rows with other names and addresses. A
controller that finds nothing to be done for a copy says that it is right;
``idle_controller`` holds it to that.
"""

import collections.abc
import dataclasses
import hashlib
import ipaddress
import json
import re
import traceback
import typing
import uuid

import sqlalchemy
from octavia.db import repositories

from octavia_anycast.controller.ports import World
from octavia_anycast.model import codec
from octavia_anycast.octavia_adapter.load_balancer import (
    data_model,
    load_balancers,
    rows,
)
from octavia_anycast.planning.amphora.agent_state import router_id
from octavia_anycast.testing.fakes.fake_cloud import FakeCloud
from octavia_anycast.testing.fakes.fake_machine import Machine

_Rows = list[dict[str, typing.Any]]
# Tables with the column that says whose a row is; parents first.
_OF_OCTAVIA = (
    ("load_balancer", "id"),
    ("vip", "load_balancer_id"),
    ("additional_vip", "load_balancer_id"),
    ("pool", "load_balancer_id"),
    ("listener", "load_balancer_id"),
    ("member", "pool_id"),
    ("listener_statistics", "listener_id"),
)
_OURS = (
    ("anycast_cluster", "load_balancer_id"),
    ("anycast_amphora", "load_balancer_id"),
)
_AT_ONCE = 1000
_REMOVALS = 3
# Of addresses for the VIPs of copies: RFC 1918's, RFC 3849's.
_FIRST = {
    4: int(ipaddress.IPv4Address("10.64.0.0")),
    6: int(ipaddress.IPv6Address("2001:db8:64::")),
}


@dataclasses.dataclass(slots=True)
class Clones:
    """Makes copies of one load balancer, and removes them."""

    world: World
    cloud: FakeCloud
    template_id: str
    _tables: dict[str, sqlalchemy.Table] = dataclasses.field(
        default_factory=dict
    )
    _made: list[str] = dataclasses.field(default_factory=list)

    def make(
        self,
        count: int,
        announce: collections.abc.Callable[[str], None] = lambda _: None,
    ) -> None:
        """Make them; the controller sees all of them at once.

        :param announce: is told the id of each, before
        """
        self._reflect()
        found = self._closure(
            (*_OF_OCTAVIA, *self._our_tables()), [self.template_id]
        )
        machines = self.cloud.of(self.template_id)
        names = _names(found, machines)
        revision = str(found["anycast_cluster"][0]["config_revision"])
        configuration = self._configuration()
        copies: dict[str, _Rows] = {name: [] for name in found}
        for number in range(1, count + 1):
            named = Names(names, number)
            named.add(revision, _hash(named.text(configuration)))
            self._made.append(named.text(self.template_id))
            announce(self._made[-1])
            self.cloud.security_groups.add(self._made[-1])
            self.cloud.server_groups.add(self._made[-1])
            for machine in machines:
                copy = _copied(machine, named)
                self.cloud.machines[copy.server_id] = copy
            for name, some in found.items():
                copies[name] += [named.row(row) for row in some]
        self._insert(copies)

    def remove(self) -> None:
        """Delete their rows; nobody may work on them any more."""
        for tables in (_OF_OCTAVIA, self._our_tables()):
            found = self._closure(tables, self._made)
            with self.world.database.transaction() as session:
                for name, column in reversed(tables):
                    table = self._tables[name]
                    values = {row[column] for row in found[name]}
                    session.execute(
                        sqlalchemy.delete(table).where(
                            table.c[column].in_(values)
                        )
                    )

    def remove_patiently(self) -> None:
        """Remove them; the controller may just add a row to one of them."""
        for _ in range(_REMOVALS):
            try:
                self.remove()
            except Exception:  # noqa: BLE001 - the process has to end
                traceback.print_exc()
            else:
                return

    def _reflect(self) -> None:
        metadata = sqlalchemy.MetaData()
        metadata.reflect(self.world.database.engine())
        self._tables = dict(metadata.tables)

    def _our_tables(self) -> tuple[tuple[str, str], ...]:
        """Those of amphorae have their id in a column of one name."""
        below = sorted(
            name
            for name, table in self._tables.items()
            if name.startswith("anycast_") and "amphora_id" in table.c
        )
        return (*_OURS, *((name, "amphora_id") for name in below))

    def _closure(
        self,
        tables: collections.abc.Iterable[tuple[str, str]],
        load_balancer_ids: collections.abc.Iterable[str],
    ) -> dict[str, _Rows]:
        """The rows of load balancers: table -> rows."""
        ids = set(load_balancer_ids)
        found: dict[str, _Rows] = {}
        with self.world.database.transaction() as session:
            for name, column in tables:
                table = self._tables[name]
                found[name] = [
                    dict(row._mapping)
                    for row in session.execute(
                        sqlalchemy.select(table).where(
                            table.c[column].in_(ids)
                        )
                    )
                ]
                ids |= {row["id"] for row in found[name] if row.get("id")}
        return found

    def _insert(self, found: dict[str, _Rows]) -> None:
        with self.world.database.transaction() as session:
            for name, some in found.items():
                for start in range(0, len(some), _AT_ONCE):
                    session.execute(
                        sqlalchemy.insert(self._tables[name]),
                        some[start : start + _AT_ONCE],
                    )

    def _configuration(self) -> str:
        """What the revision is the hash of."""
        repository = repositories.LoadBalancerRepository()
        with rows.transaction() as session:
            model = repository.get(session, id=self.template_id)
        load_balancers.snapshot(model)  # which leaves out what is going
        return data_model.configuration_text(model)


class Names:
    """Old name -> the name of copy ``number``."""

    def __init__(
        self, names: collections.abc.Iterable[str], number: int
    ) -> None:
        self._new = {name: _renew(name, number) for name in names}
        self._pattern = _pattern(self._new)

    def add(self, old: str, new: str) -> None:
        """Know one more."""
        self._new[old] = new
        self._pattern = _pattern(self._new)

    def text(self, text: str) -> str:
        """A text with all names replaced."""
        return self._new.get(text) or self._pattern.sub(
            lambda found: self._new[found[0]], text
        )

    def row(self, row: dict[str, typing.Any]) -> dict[str, typing.Any]:
        """The copy's row."""
        return {
            column: self.text(value) if isinstance(value, str) else value
            for column, value in row.items()
        }


def _pattern(names: collections.abc.Iterable[str]) -> re.Pattern[str]:
    """Any of the names, but no beginning of a longer address."""
    some = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    return re.compile(rf"(?:{some})(?![0-9a-f])")


def _renew(name: str, number: int) -> str:
    """A new name; ids keep their order, which the revision depends on."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        new = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name} {number}"))
        return name[:8] + new[8:]
    return str(type(address)(_FIRST[address.version] + number))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _names(
    found: dict[str, _Rows], machines: collections.abc.Iterable[Machine]
) -> set[str]:
    """All that is the load balancer's alone."""
    every = (row for some in found.values() for row in some)
    names = {str(row["id"]) for row in every if row.get("id")}
    for name in ("vip", "additional_vip"):
        names |= {str(row["ip_address"]) for row in found[name]}
        names |= {str(row["port_id"]) for row in found[name]}
    for machine in machines:
        names |= {machine.server_id, str(machine.frontend_port)}
    return names - {"None"}


def _copied(machine: Machine, named: Names) -> Machine:
    """The machine with the state of the copy's amphora."""
    text = named.text(json.dumps(codec.to_document(machine.state)))
    state = codec.desired_state_from(json.loads(text))
    return dataclasses.replace(
        machine,
        server_id=named.text(machine.server_id),
        amphora_id=named.text(machine.amphora_id),
        state=dataclasses.replace(
            state, router_id=router_id(state.amphora_id)
        ),
        frontend_port=named.text(str(machine.frontend_port)),
        revision=named.text(str(machine.revision)),
        sockets=frozenset(
            (ipaddress.ip_address(named.text(str(address))), port)
            for address, port in machine.sockets
        ),
        member_networks=set(machine.member_networks),
        peers=frozenset(named.text(peer) for peer in machine.peers),
        configurations=[],
    )
