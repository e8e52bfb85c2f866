# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What there is in the cloud and in the tables, and what of it is orphaned.

Times are aware datetimes in UTC. Things are named as Octavia and we name
them; a name alone proves nothing, because stock Octavia names its own so
too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import AmphoraRecord, ClusterRecord


class OrphanKind(StrEnum):
    """What is orphaned, in the order in which it is removed."""

    AMPHORA = "amphora"
    SERVER = "server"
    PORT = "port"
    SECURITY_GROUP = "security_group"
    CLUSTER = "cluster"
    PATH = "path"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A server, port or security group whose name says what it is for.

    One of ``amphora_id`` and ``load_balancer_id`` is what the name says.
    ``is_named_by_us``: nobody but this project gives such names.
    ``created_at`` None: the service does not say.
    """

    id: str
    amphora_id: str | None = None
    load_balancer_id: str | None = None
    is_named_by_us: bool = False
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncedPath:
    """A path that an agent reported: in the fabric, or on its way there."""

    amphora_id: str
    vip_ip: IPAddress

    @property
    def id(self) -> str:
        """Its name in reports."""
        return f"{self.vip_ip} of {self.amphora_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """Octavia's own rows, as far as they tell whose something is.

    ``live`` and ``deleted``: ids of our provider's load balancers, by
    whether they are DELETED; ``vips``: the addresses of the live ones.
    ``stock_amphorae``: ids in Octavia's own table of amphorae.
    ``with_own_vip_port``: live ones whose VIP port Octavia made.
    """

    live: frozenset[str] = frozenset()
    deleted: frozenset[str] = frozenset()
    vips: Mapping[str, frozenset[IPAddress]] = field(default_factory=dict)
    stock_amphorae: frozenset[str] = frozenset()
    with_own_vip_port: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """All that the sweep looks at.

    The things are listed before the rows are read: as a row is written
    before its thing is made, whatever is listed has its row in here.
    ``amphorae`` has the DELETED ones too. ``external_vips``: amphora_id ->
    registered addresses that belong to no load balancer.
    """

    clusters: tuple[ClusterRecord, ...] = ()
    amphorae: tuple[AmphoraRecord, ...] = ()
    octavia: Census = field(default_factory=Census)
    servers: tuple[Seen, ...] = ()
    ports: tuple[Seen, ...] = ()
    security_groups: tuple[Seen, ...] = ()
    paths: tuple[AnnouncedPath, ...] = ()
    external_vips: Mapping[str, frozenset[IPAddress]] = field(
        default_factory=dict
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """One thing that belongs to nothing.

    ``since``: it exists, and has no owner, since then at the latest; None
    if nobody can tell. ``is_ours`` False: no row of anybody knows it; only
    reported, never removed.
    """

    kind: OrphanKind
    id: str
    reason: str
    since: datetime | None
    amphora_id: str | None = None
    load_balancer_id: str | None = None
    is_ours: bool = True

    @property
    def key(self) -> tuple[str, str]:
        """What it is known by."""
        return self.kind.value, self.id


class Outcome(StrEnum):
    """What became of a finding of a chore."""

    FOUND = "found"  # a dry run: nothing was touched
    DONE = "done"
    YOUNG = "young"  # not long enough an orphan yet
    FOREIGN = "foreign"  # maybe not ours: never touched
    BUSY = "busy"  # somebody else is at it right now
    SILENT = "silent"  # its agent does not answer: nothing was touched
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A line of the sweep's report."""

    orphan: Orphan
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate with its key; ``pem`` holds a secret.

    ``pem`` is the certificate and then the private key, as Octavia's agent
    keeps them in one file.
    """

    pem: str = field(repr=False)
    serial: int
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Whose certificates to replace: those due, or all with ``is_forced``."""

    is_forced: bool = False
    load_balancer_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """A line of the rotation's report.

    ``expires_at``: of the certificate that it has after it.
    """

    amphora_id: str
    load_balancer_id: str | None
    expires_at: datetime | None
    outcome: Outcome
    detail: str = ""
