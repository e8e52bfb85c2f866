# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``octavia-anycast-manage db``, ``status``, ``distributor``, ``export``.

Layer: cmd. They need our tables alone, and do not import Octavia.
"""

from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from octavia_anycast.cmd.tables import NONE, Row, age, say, show, show_json
from octavia_anycast.db import heartbeat, schema
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.distributor import distributors, peers
from octavia_anycast.db.engine import Database
from octavia_anycast.db.passwords import WithoutPasswords
from octavia_anycast.db.registration import registrations
from octavia_anycast.model import codec, stored
from octavia_anycast.model.bgp import Peer
from octavia_anycast.model.cluster import AmphoraRecord
from octavia_anycast.model.errors import Permanent

_CLUSTER_HEADER = (
    "LOAD BALANCER",
    "DISTRIBUTOR",
    "SIZE",
    "PROVISIONING",
    "OPERATING",
    "REASON",
)
_AMPHORA_HEADER = (
    "AMPHORA",
    "LOAD BALANCER",
    "STATUS",
    "SINCE",
    "ZONE",
    "MANAGEMENT",
    "FRONT END",
    "HEARTBEAT",
)
# kind of row -> the command that changes it
_CURES = {
    stored.PEER: "openstack loadbalancer bgp peer set {}",
    stored.SPEAKER: "openstack loadbalancer bgp speaker set {}",
    stored.ZONE: "openstack loadbalancer distributor set {}",
    stored.DISTRIBUTOR: "openstack loadbalancer distributor set {}",
}


def upgrade(database: Database) -> None:
    """Bring our tables to the version of this release.

    :raises Permanent: they are those of a newer one.
    """
    version = schema.version(database.engine())
    _refuse_newer(version)
    schema.upgrade(database.engine())
    before, after = version.current, version.head
    say(
        f"The tables are at version {after}."
        if before == after
        else f"The tables went from version {before or 'none'} to {after}."
    )


def current(database: Database) -> None:
    """Print the version."""
    version = schema.version(database.engine())
    say(f"{version.current or 'none'} (this release: {version.head})")


def check(database: Database) -> None:
    """Compare the tables with what this release needs.

    :raises Permanent: if they differ.
    """
    version = schema.version(database.engine())
    _refuse_newer(version)
    if version.is_older:
        raise schema.TablesTooOld(version)
    differences = schema.differences(database.engine())
    if differences:
        raise Permanent(f"the tables differ from the models: {differences}")
    say(f"The tables are at version {version.head}, as this release needs.")


def _refuse_newer(version: schema.Version) -> None:
    if version.is_newer:
        raise Permanent(
            f"the tables are at version {version.current}, this release has "
            f"migrations up to {version.head}: run the "
            "octavia-anycast-manage of the newer release"
        )


def status(database: Database) -> None:
    """Show clusters and amphorae, two tables."""
    now = datetime.now(UTC)
    with database.transaction() as session:
        records = clusters.list_all(session)
        members = amphorae.list_all(session)
        heard = heartbeat.last_beats(session, [a.id for a in members])
    show(
        _CLUSTER_HEADER,
        (
            (
                record.load_balancer_id,
                record.distributor_id,
                f"{_count(members, record.load_balancer_id)}"
                f"/{record.size.desired} (min {record.size.minimum})",
                record.provisioning_status,
                record.operating_status,
                record.reason or NONE,
            )
            for record in records
        ),
    )
    say("")
    show(
        _AMPHORA_HEADER,
        (_amphora_row(a, heard.get(a.id), now) for a in members),
    )


def distributor_list(database: Database) -> None:
    """List the distributors with their speakers."""
    with database.transaction() as session:
        found = distributors.list_all(session, WithoutPasswords())
        used = distributors.counts_of(session, [d.id for d in found])
    show(
        ("DISTRIBUTOR", "NAME", "DEFAULT", "AS", "DRIVER", "PEERS", "USERS"),
        (
            (
                d.id,
                d.name or NONE,
                "yes" if d.is_default else "no",
                ", ".join(sorted({str(s.local_as) for s in d.speakers}))
                or NONE,
                d.speakers[0].driver if d.speakers else NONE,
                sum(len(speaker.peers) for speaker in d.speakers),
                used[d.id].load_balancers,
            )
            for d in found
        ),
    )


def distributor_check(database: Database) -> None:
    """List values of distributors that are stored and now refused.

    :raises Permanent: if there is one.
    """
    with database.transaction() as session:
        profiles = peers.list_stored(session)
        found = distributors.list_all(session, WithoutPasswords())
    complaints = dict.fromkeys(
        (
            *(c for peer in profiles for c in stored.about_peer(peer)),
            *(c for one in found for c in stored.about_distributor(one)),
        )
    )
    if not complaints:
        say(
            f"{len(found)} distributors and {len(profiles)} BGP peers are "
            "stored, and this release accepts all of them."
        )
        return
    show(
        ("WHAT", "ID", "ATTRIBUTE", "REASON", "WHAT TO DO"),
        (
            (c.kind, c.id, c.field, c.reason, _CURES[c.kind].format(c.id))
            for c in complaints
        ),
    )
    raise Permanent(
        f"this release refuses {len(complaints)} stored value(s): load "
        "balancers of these distributors are left as they are, without "
        "replacements, until the values are changed"
    )


def export(database: Database) -> None:
    """Print all our records as JSON, without passwords."""
    with database.transaction() as session:
        found = distributors.list_all(session, WithoutPasswords())
        members = amphorae.list_all(session)
        state = {
            "distributors": [_without_passwords(d) for d in found],
            "clusters": [
                codec.to_document(c) for c in clusters.list_all(session)
            ],
            "amphorae": [
                codec.to_document(a)
                | {
                    "announced": [
                        codec.to_document(vip)
                        for vip in registrations.list_vips(session, a.id)
                    ]
                }
                for a in members
            ],
        }
    show_json(state)


def _count(members: Iterable[AmphoraRecord], load_balancer_id: str) -> int:
    return sum(a.load_balancer_id == load_balancer_id for a in members)


def _amphora_row(
    record: AmphoraRecord, heard: datetime | None, now: datetime
) -> Row:
    frontend = record.frontend
    return (
        record.id,
        record.load_balancer_id or NONE,
        record.status,
        age(record.status_since, now),
        record.availability_zone or NONE,
        record.lb_network_ip or NONE,
        ",".join(str(a.ip_address) for a in frontend.addresses)
        if frontend
        else NONE,
        age(heard, now) if heard else "never",
    )


def _without_passwords(distributor: Any) -> Any:
    document = codec.to_document(distributor)
    for speaker, known in zip(
        document["speakers"], distributor.speakers, strict=True
    ):
        speaker["peers"] = [_attributes(peer) for peer in known.peers]
    return document


def _attributes(peer: Peer) -> dict[str, Any]:
    """All but the password; a document for agents lacks some defaults."""
    return {
        f.name: codec.to_document(getattr(peer, f.name))
        for f in fields(peer)
        if f.name != codec.PASSWORD
    }
