# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What is on the machine, in Neutron and in the database, counted.

Taken before the load balancer is made and after it was deleted: whatever
differs is left of it. Nothing is asked of our own controller.
"""

import collections.abc
import dataclasses
import typing

import pymysql

from octavia_anycast_lab import deployment, settings
from octavia_anycast_lab.amphora import hypervisor
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.host import cgroup, netns

_NEUTRON = ("ports", "security-groups")
# The row of a deleted load balancer says DELETED until Octavia's housekeeping
# purges it; by their foreign keys these go with it, not before. Events tell
# of what is gone: they stay until our own purge.
EVENTS = "anycast_event"
# Of no load balancer: an operator asked for something of many; and the rows
# that controllers take turns with.
OF_THE_FLEET = (
    "anycast_zone_drain",
    "anycast_fleet_change",
    "anycast_fleet_revision",
    "anycast_turn",
)
KEPT_UNTIL_PURGED = frozenset(("vip", "additional_vip", EVENTS))
_OWNER = "load_balancer_id"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Kind of thing -> the ids of those which exist."""

    things: collections.abc.Mapping[str, frozenset[str]]

    def since(self, earlier: "Survey") -> dict[str, frozenset[str]]:
        """Kind -> ids which are here now and were not then."""
        return {
            kind: ids - earlier.things.get(kind, frozenset())
            for kind, ids in self.things.items()
        }


def take(plane: deployment.Deployment, api: rest.Api) -> Survey:
    """Look everywhere where something of a load balancer can be."""
    machines = hypervisor.Hypervisor(plane.lab)
    things = {
        "containers": frozenset(i.id for i in machines.instances()),
        "processes in containers": frozenset(
            str(pid) for pid in cgroup.pids(cgroup.path(plane.lab.name))
        ),
        "network namespaces": frozenset(_namespaces(plane.lab)),
    }
    return Survey(things={**things, **in_services(plane, api)})


def in_services(
    plane: deployment.Deployment, api: rest.Api
) -> dict[str, frozenset[str]]:
    """What Neutron and our tables have, whatever the amphorae are."""
    things = {}
    for kind in _NEUTRON:
        answer = api.get(rest.NETWORK, f"/v2.0/{kind}")
        (items,) = answer.values()
        things[f"Neutron {kind.replace('-', ' ')}"] = frozenset(
            item["id"] for item in items if not _is_of_project(kind, item)
        )
    with reading(plane) as cursor:
        things["rows in our tables"] = frozenset(_own_rows(cursor))
    return things


def rows_of(
    plane: deployment.Deployment, load_balancer_id: str
) -> dict[str, int]:
    """Table -> rows which carry that load balancer's id, in all tables."""
    found = {}
    with reading(plane) as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.columns"
            " WHERE table_schema = 'octavia' AND column_name = %s",
            (_OWNER,),
        )
        tables = [str(row[0]) for row in cursor.fetchall()]
        for table in tables:
            cursor.execute(
                f"SELECT COUNT(*) FROM `{table}` WHERE {_OWNER} = %s",
                (load_balancer_id,),
            )
            count = int(cursor.fetchone()[0])
            if count:
                found[table] = count
    return found


def status_of(
    plane: deployment.Deployment, load_balancer_id: str
) -> str | None:
    """What Octavia's own row of a load balancer says, None without one."""
    with reading(plane) as cursor:
        cursor.execute(
            "SELECT provisioning_status FROM load_balancer WHERE id = %s",
            (load_balancer_id,),
        )
        row = cursor.fetchone()
    return None if row is None else str(row[0])


def reading(plane: deployment.Deployment) -> typing.Any:
    """A cursor on Octavia's database, for a ``with`` block."""
    return _Reading(plane)


class _Reading:
    """One short read-only look into MariaDB."""

    def __init__(self, plane: deployment.Deployment) -> None:
        self._connection = pymysql.connect(
            unix_socket=str(plane.database_socket),
            user="root",
            database="octavia",
            autocommit=True,
        )

    def __enter__(self) -> typing.Any:
        return self._connection.cursor()

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def _is_of_project(kind: str, item: rest.Body) -> bool:
    """Neutron gives each project a default group at its first request."""
    return kind == "security-groups" and item["name"] == "default"


def _namespaces(lab: settings.Lab) -> list[str]:
    prefix = lab.namespace("amp-")
    directory = netns.path(prefix).parent
    return [p.name for p in directory.iterdir() if p.name.startswith(prefix)]


def _own_rows(cursor: typing.Any) -> list[str]:
    """``table: key`` of each row that is to go with a load balancer."""
    left_out = ("anycast_alembic_version", EVENTS, *OF_THE_FLEET)
    cursor.execute(
        "SELECT table_name, GROUP_CONCAT(column_name) "
        "FROM information_schema.columns WHERE table_schema = 'octavia' "
        "AND table_name LIKE 'anycast\\_%%' AND column_key = 'PRI' "
        "AND table_name NOT IN %s GROUP BY table_name",
        (left_out,),
    )
    found = []
    for table, columns in cursor.fetchall():
        keys = ", ".join(f"`{name}`" for name in str(columns).split(","))
        cursor.execute(f"SELECT {keys} FROM `{table}`")
        found += [f"{table}: {row}" for row in cursor.fetchall()]
    return found
