# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Events: what happened to load balancers, distributors and their amphorae.

An event is made where a look differs from what the last look told
(:class:`Mark`). Layer: model. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from octavia_anycast.model.bgp import IPAddress

CAUSE_LENGTH = 1024


class EventKind(StrEnum):
    """What happened."""

    AMPHORA_PHASE = "amphora.phase"  # it boots, serves, is lost, is deleted
    AMPHORA_ANNOUNCED = "amphora.announced"  # the fabric has its paths
    AMPHORA_WITHDRAWN = "amphora.withdrawn"  # the fabric has not all of them
    SESSION_UP = "session.up"
    SESSION_DOWN = "session.down"
    GATE_OPEN = "gate.open"
    GATE_CLOSED = "gate.closed"
    DRAIN_BEGIN = "drain.begin"
    DRAIN_END = "drain.end"
    SPARE_READY = "spare.ready"
    SPARE_TAKEN = "spare.taken"
    FAILOVER = "failover"
    SCALE = "scale"
    STATUS = "status"  # the operating status of the load balancer
    ZONE_DRAIN = "zone.drain"  # it began, ended
    FLEET_CHANGE = "fleet.change"  # it began, halted, ended


# BGP and the fleet are the operator's: a load balancer's user is not shown
# these at all.
OPERATORS_KINDS = (
    EventKind.SESSION_UP,
    EventKind.SESSION_DOWN,
    EventKind.ZONE_DRAIN,
    EventKind.FLEET_CHANGE,
)
# Words of other services, of probes, and why an amphora is to leave: a user is
# not shown the cause.
OPERATORS_CAUSES = (
    EventKind.AMPHORA_PHASE,
    EventKind.AMPHORA_ANNOUNCED,
    EventKind.AMPHORA_WITHDRAWN,
    EventKind.GATE_OPEN,
    EventKind.GATE_CLOSED,
    EventKind.DRAIN_BEGIN,
    EventKind.DRAIN_END,
)


class Mark(NamedTuple):
    """What was told last of one subject, such as the gate of an amphora.

    ``state``: in which it was. ``since``: when the present window of changes
    began (seconds of the epoch; 0: there is none), ``told``: how many of its
    changes are events, ``missed``: how many are not.
    """

    state: str
    since: float = 0.0
    told: int = 0
    missed: int = 0


# subject -> what was told of it; None: nothing was ever told
Told = Mapping[str, Mark] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """To whom an event belongs.

    ``load_balancer_id`` and ``project_id`` are None for a distributor's own
    amphorae, and for what concerns many load balancers.
    """

    distributor_id: str
    load_balancer_id: str | None = None
    project_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened; ``change_count``: for how many changes."""

    kind: EventKind
    at: datetime
    owner: Owner
    from_state: str = ""
    to_state: str = ""
    cause: str = ""
    amphora_id: str | None = None
    availability_zone: str | None = None
    peer_id: str | None = None
    peer_ip: IPAddress | None = None
    change_count: int = 1
