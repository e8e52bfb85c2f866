# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A zone drain: what is refused, and which amphorae are asked to drain.

Layer: planning. Pure. Here is what concerns many load balancers. When an
amphora that was asked to drain may do so is decided in the look at its own
cluster, or at its distributor, by what is seen there at that moment
(:mod:`octavia_anycast.planning.amphora.draining`): so the last announcer of a
VIP stays, whatever is asked for here.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    DrainLimits,
)
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.errors import Conflict, InvalidRequest
from octavia_anycast.model.fleet.zone_drain import (
    Holder,
    Place,
    Progress,
    ZoneDrain,
    ZoneDrainRequest,
)
from octavia_anycast.model.registration import ExternalVip
from octavia_anycast.planning.amphora.draining import obstacle, wish
from octavia_anycast.planning.amphora.placement import candidate_zones

# How many load balancers and distributors a refusal names.
NAMED_MAX = 10
BY_OPERATOR = "an operator ended it"
# So long an amphora may take to announce again before its stand-in goes.
RETURN_SECONDS = 600.0
NO_MARKS: Mapping[str, Any] = {
    "draining_since": None,
    "drained_at": None,
    "finishing_since": None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An amphora as our tables know it.

    ``announced``: the VIPs that its last report says it announces; of a
    distributor's own the external ones, ``expected``: all that it has peers
    for, ``has_paths``: whether it announces any path. ``is_fresh``: whether
    that report is of now. ``could_serve``: its health gate was UP, so that it
    could announce. ``fleet_revision``: that of the fleet when it was booted.
    """

    record: AmphoraRecord
    fleet_revision: int = 0
    announced: frozenset[IPAddress] = frozenset()
    expected: frozenset[IPAddress] = frozenset()
    has_paths: bool = False
    is_fresh: bool = False
    could_serve: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingCluster:
    """A cluster, or a distributor with its own, as our tables know it.

    With all its amphorae. ``external_vips``: those of the distributor, if
    these amphorae are its own.
    """

    holder: Holder
    minimum: int
    distributor: Distributor
    amphorae: tuple[Standing, ...]
    is_managed: bool = True
    frontend_network_id: str | None = None
    frontend_subnet_id: str | None = None
    external_vips: tuple[ExternalVip, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """All that is known where a zone drain is asked for.

    ``in_place``: ids of the amphorae that are at the place. ``places``: names
    of all places of this kind; ``active``: the zone drains that have not
    ended. ``taken``: amphora -> the zone drain at whose place it is, of those
    that do not end, whether it is marked already or not.
    ``peer_zones``: BGP peer -> the only availability zone of its amphorae.
    ``is_everywhere``: the place is a peer of all amphorae of its speakers.
    """

    clusters: tuple[StandingCluster, ...] = ()
    in_place: frozenset[str] = frozenset()
    places: frozenset[str] = frozenset()
    active: tuple[ZoneDrain, ...] = ()
    taken: Mapping[str, str] = field(default_factory=dict)
    peer_zones: Mapping[str, str] = field(default_factory=dict)
    is_everywhere: bool = False


def check(wanted: ZoneDrainRequest, known: Known) -> None:
    """Refuse what cannot be, beforehand.

    :raises InvalidRequest: there is no such place.
    :raises Conflict: it is drained already, or too little would be left.
    """
    place = wanted.place
    kind, name = named(place)
    if name not in known.places:
        there = ", ".join(sorted(known.places)[:NAMED_MAX]) or "none"
        raise InvalidRequest(
            kind, f"there is no {place}; those there are: {there}"
        )
    _check_overlap(place, known)
    taken = {named(drain.place) for drain in known.active}
    left = {one for one in known.places if (kind, one) not in taken} - {name}
    if kind == "availability_zone" and not left:
        raise Conflict(
            f"The {place} cannot be drained: it is the only one that is not "
            "drained."
        )
    if not wanted.force:
        _check_elsewhere(wanted, known)
        avoided = avoided_zones(known.active, place, known.peer_zones)
        _check_capacity(wanted, known, avoided)


def _check_elsewhere(wanted: ZoneDrainRequest, known: Known) -> None:
    """See that there is a place beside this one, if others are to boot."""
    if not wanted.boot_elsewhere:
        return
    if known.is_everywhere:
        raise Conflict(
            f"boot_elsewhere: the {wanted.place} has no availability zone and "
            "no compute host: whatever boots has it as its peer, too."
        )
    if wanted.compute_host is not None and known.places == {
        wanted.compute_host
    }:
        raise Conflict(
            f"boot_elsewhere: the {wanted.place} is the only one that has "
            "amphorae. If others could have some, ask with force."
        )


def _check_overlap(place: Place, known: Known) -> None:
    by_id = {drain.id: drain for drain in known.active}
    for drain in known.active:
        if drain.place == place:
            raise Conflict(
                f"The {place} is drained already, by zone drain {drain.id} "
                f"until {_utc(drain.expires_at)}: end that first."
            )
    for cluster in known.clusters:
        for one in cluster.amphorae:
            record = one.record
            other = by_id.get(
                record.zone_drain_id or known.taken.get(record.id, "")
            )
            if one.record.id in known.in_place and other is not None:
                raise Conflict(
                    f"Zone drains overlap: amphora {one.record.id} at the "
                    f"{place} is drained with the {other.place}, by zone "
                    f"drain {other.id} until {_utc(other.expires_at)}."
                )


def _check_capacity(
    wanted: ZoneDrainRequest, known: Known, avoided: frozenset[str]
) -> None:
    found = {
        cluster.holder: why
        for cluster in known.clusters
        if (
            why := shortage(
                cluster,
                known.in_place,
                avoided,
                boot_elsewhere=wanted.boot_elsewhere,
                taken=known.taken,
                place=wanted.place,
            )
        )
    }
    if found:
        said = [
            f"{_in_words(one)} ({why})" for one, why in sorted(found.items())
        ]
        other_ways = "Scale them out, or ask with boot_elsewhere, or"
        raise Conflict(
            f"The {wanted.place} cannot be drained: {_count(found)} would "
            f"lack capacity: {_some(said)}. "
            f"{'Ask' if wanted.boot_elsewhere else other_ways} with force, "
            "which keeps in service what cannot be missed."
        )


def shortage(
    cluster: StandingCluster,
    in_place: Collection[str],
    avoided: frozenset[str],
    *,
    boot_elsewhere: bool,
    taken: Collection[str] = (),
    place: Place | None = None,
) -> str:
    """Why a cluster cannot do without its amphorae there; empty: it can.

    :param taken: amphorae at the places of other zone drains
    :param place: the place that is drained
    """
    going = [
        one
        for one in cluster.amphorae
        if one.record.id in in_place
        and one.record.status is AmphoraStatus.ALLOCATED
        and (one.announced or one.has_paths)
    ]
    if not going:
        return ""
    vips = frozenset[IPAddress]().union(*(one.announced for one in going))
    if boot_elsewhere:
        return _why_not_elsewhere(cluster, avoided) or _why_only_there(
            cluster, vips, avoided, place
        )
    # Of paths alone nobody asks which: who has any announces all of them.
    others = {
        one.record.id: vips if one.could_serve else one.announced
        for one in cluster.amphorae
        if one.record.id not in in_place
        and one.record.id not in taken
        and _stays(one)
        and (vips or one.has_paths)
    }
    return obstacle("", {"": vips, **others}, cluster.minimum).replace(
        "it is the only one of its cluster in service",
        "none of its other amphorae is in service",
    )


def _why_not_elsewhere(
    cluster: StandingCluster, avoided: frozenset[str]
) -> str:
    if not cluster.is_managed:
        return "its cluster manager is off (enabled is false): none boots"
    if not avoided or has_other_zone(cluster, avoided):
        return ""
    return "its amphorae may boot in no other availability zone"


def _why_only_there(
    cluster: StandingCluster,
    vips: Collection[IPAddress],
    avoided: frozenset[str],
    place: Place | None,
) -> str:
    """Which external VIP one that boots elsewhere might have no peer for.

    Where it boots is not known yet: it may be any of the zones.
    """
    host = place.compute_host if place is not None else None
    peer_id = place.peer_id if place is not None else None
    peers = [
        peer
        for speaker in cluster.distributor.speakers
        for peer in speaker.peers
        if peer.id != peer_id and (host is None or peer.compute_host != host)
    ]
    by_zone = [
        {
            peer.id
            for peer in peers
            if peer.selects(zone.availability_zone, peer.compute_host)
        }
        for zone in candidate_zones(cluster)
        if zone.availability_zone not in avoided
    ]
    for vip in cluster.external_vips:
        if vip.vip_ip not in vips:
            continue
        if vip.peer_id and not all(vip.peer_id in ids for ids in by_zone):
            return (
                f"{vip.vip_ip} is for BGP peer {vip.peer_id} alone, which an "
                "amphora elsewhere might not have"
            )
        if not all(by_zone):
            return f"an amphora elsewhere might have no peer for {vip.vip_ip}"
    return ""


def has_other_zone(cluster: StandingCluster, avoided: frozenset[str]) -> bool:
    """Whether its amphorae may boot where nothing is drained."""
    return any(
        zone.availability_zone not in avoided
        for zone in candidate_zones(cluster)
    )


def _stays(one: Standing) -> bool:
    """Whether it goes on to serve, or takes over: a spare does."""
    record = one.record
    return (
        record.status is AmphoraStatus.ALLOCATED
        and record.leaving_since is None
        and record.drain_wanted_since is None
        and one.is_fresh
    )


def avoided_zones(
    active: Iterable[ZoneDrain],
    place: Place | None = None,
    peer_zones: Mapping[str, str] | None = None,
) -> frozenset[str]:
    """Where no amphora boots: the zones that are drained.

    :param place: one that is drained as well
    :param peer_zones: BGP peer -> the only zone whose amphorae have it
    """
    places = [d.place for d in active if d.end_wanted_at is None]
    if place is not None:
        places.append(place)
    zones = [
        one.availability_zone or (peer_zones or {}).get(one.peer_id or "")
        for one in places
    ]
    return frozenset(zone for zone in zones if zone)


def marks(
    drain: ZoneDrain,
    cluster: StandingCluster,
    in_place: Collection[str],
    limits: DrainLimits,
    now: datetime,
    *,
    avoided: frozenset[str] = frozenset(),
    is_everywhere: bool = False,
) -> dict[str, dict[str, Any]]:
    """amphora_id -> the fields that ask for its drain; idempotent.

    What an operator drained himself stays his. One that came there after the
    zone drain was asked for gets no stand-in: it may be one itself.
    """
    may_boot = (
        drain.boot_elsewhere
        and not is_everywhere
        and not _why_not_elsewhere(cluster, avoided)
    )
    found: dict[str, dict[str, Any]] = {}
    for one in cluster.amphorae:
        record = one.record
        if (
            record.id not in in_place
            or record.status is not AmphoraStatus.ALLOCATED
            or record.leaving_since is not None
            or record.drain_wanted_since is not None
        ):
            continue
        is_old = one.fleet_revision < drain.revision
        found[record.id] = {
            **NO_MARKS,
            **wish(record, drain.timeout, limits, now),
            "zone_drain_id": drain.id,
            "stand_in_wanted": may_boot
            and is_old
            and not _why_only_there(
                cluster, one.announced, avoided, drain.place
            ),
        }
    return found


def taken_back(record: AmphoraRecord) -> dict[str, Any]:
    """The fields that have it announce again; one that leaves goes on.

    Its stand-in stays meanwhile: of those that are one too many, whoever does
    not announce would go first.
    """
    if record.leaving_since is not None:
        return released()
    found: dict[str, Any] = {
        **NO_MARKS,
        "drain_wanted_since": None,
        "drain_deadline": None,
    }
    return found if record.stand_in_wanted else found | released()


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenBack:
    """amphora_id -> fields that change; ``is_over``: none is its then."""

    changes: Mapping[str, Mapping[str, Any]]
    is_over: bool


def given_back(
    drain: ZoneDrain, cluster: StandingCluster, *, is_late: bool
) -> GivenBack:
    """Go on with the end of a zone drain in one cluster; idempotent.

    :param is_late: amphorae had their time to announce again
    """
    changes: dict[str, Mapping[str, Any]] = {}
    is_over = True
    for one in cluster.amphorae:
        record = one.record
        if record.zone_drain_id != drain.id:
            continue
        if _step(record) == "returning":
            if is_late or is_back(cluster, record.id):
                changes[record.id] = released()
            else:
                is_over = False
            continue
        changes[record.id] = taken_back(record)
        is_over = is_over and "zone_drain_id" in changes[record.id]
    return GivenBack(changes=changes, is_over=is_over)


def released() -> dict[str, Any]:
    """The fields that end its part in a zone drain."""
    return {"zone_drain_id": None, "stand_in_wanted": False}


def is_back(cluster: StandingCluster, amphora_id: str) -> bool:
    """Whether it announces again what the others do.

    Of a distributor's own each has the VIPs of its peers.
    """
    if cluster.holder.distributor_id:
        return all(
            one.expected <= one.announced
            for one in cluster.amphorae
            if one.record.id == amphora_id
        )
    announced = {one.record.id: one.announced for one in cluster.amphorae}
    own = announced.pop(amphora_id, frozenset())
    return all(vips <= own for vips in announced.values())


def progress(records: Iterable[AmphoraRecord]) -> Progress:
    """Count amphorae of a zone drain by where their drains stand."""
    counts = Counter(_step(record) for record in records)
    return Progress(**counts)


def _step(record: AmphoraRecord) -> str:
    if record.drain_wanted_since is None and record.leaving_since is None:
        return "returning"
    if record.drained_at is not None:
        return "drained"
    return "draining" if record.draining_since is not None else "waiting"


def time_is_over(drain: ZoneDrain) -> str:
    """Why it ends by itself, in a sentence."""
    return f"its time was over at {_utc(drain.expires_at)}"


def named(place: Place) -> tuple[str, str]:
    """(attribute, value) of a place."""
    if place.availability_zone is not None:
        return "availability_zone", place.availability_zone
    if place.compute_host is not None:
        return "compute_host", place.compute_host
    return "peer_id", place.peer_id or ""


def _some(said: Sequence[str]) -> str:
    more = len(said) - NAMED_MAX
    text = ", ".join(said[:NAMED_MAX])
    return f"{text} and {more} more" if more > 0 else text


def _in_words(holder: Holder) -> str:
    """A load balancer by its id alone: there may be many."""
    return holder.load_balancer_id or str(holder)


def _count(found: Collection[Holder]) -> str:
    """Such as "2 load balancers and 1 distributor"."""
    balancers = sum(1 for holder in found if holder.load_balancer_id)
    counts = (
        (balancers, "load balancer"),
        (len(found) - balancers, "distributor"),
    )
    return " and ".join(
        f"{count} {noun}{'' if count == 1 else 's'}"
        for count, noun in counts
        if count
    )


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
