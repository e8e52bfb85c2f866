# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which amphorae a fleet change concerns, and where it stands with them.

Layer: planning. Pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from octavia_anycast.model.cluster import AmphoraStatus
from octavia_anycast.model.fleet.change import (
    ChangeKind,
    FleetAmphora,
    FleetChange,
    Health,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What is known of all amphorae of load balancers.

    ``amphorae``: DELETED ones too, if they failed since the change began.
    ``health``: of those whose load balancers the change works on.
    ``unmanaged``: load balancers whose cluster manager is off. ``silent``:
    amphorae whose agents have said nothing for some time; certificates only.
    """

    amphorae: tuple[FleetAmphora, ...] = ()
    health: Mapping[str, Health] = field(default_factory=dict)
    unmanaged: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetProgress:
    """Amphorae by where the change stands with them.

    ``waiting``: to be replaced; ``held``: in a cluster that nobody manages,
    drained, or of an image that is not known, so not yet.
    """

    replaced: int = 0
    under_way: int = 0
    waiting: int = 0
    held: int = 0


def due(change: FleetChange, fleet: Fleet) -> tuple[FleetAmphora, ...]:
    """Those that are to be replaced and are not yet being so."""
    new_images = _new_images(change, fleet.amphorae)
    return tuple(
        one
        for one in fleet.amphorae
        if one.status is AmphoraStatus.ALLOCATED
        and one.load_balancer_id is not None
        and not is_new(change, one)
        and one.leaving_since is None
        and one.fleet_change_id != change.id
        and not one.failover_wanted
        and _is_meant(change, one, new_images)
    )


def is_left(change: FleetChange, fleet: Fleet) -> bool:
    """Whether any is to be replaced, or boots from what was before."""
    return bool(due(change, fleet)) or any(
        one.status is AmphoraStatus.BOOTING
        and one.load_balancer_id is not None
        and one.leaving_since is None
        and not is_new(change, one)
        for one in fleet.amphorae
    )


def is_new(change: FleetChange, one: FleetAmphora) -> bool:
    """Whether it was booted since the change began; no clock says that."""
    return one.fleet_revision >= change.revision


def _is_meant(
    change: FleetChange, one: FleetAmphora, new_images: frozenset[str]
) -> bool:
    if change.kind is ChangeKind.CERTIFICATE:
        return True  # one that has a new one counts as new itself
    if change.kind is ChangeKind.HOST:
        return one.compute_host == change.compute_host
    return one.image_id is None or one.image_id not in new_images


def _new_images(
    change: FleetChange, amphorae: Iterable[FleetAmphora]
) -> frozenset[str]:
    """The images that boot now: flavors may name several tags.

    One that is not known (empty, of a server from a volume) is none of them.
    """
    return frozenset(
        one.image_id
        for one in amphorae
        if one.image_id and is_new(change, one)
    )


def is_held(change: FleetChange, fleet: Fleet, one: FleetAmphora) -> bool:
    """Whether nothing can be done with it now."""
    if change.kind is ChangeKind.CERTIFICATE:
        # It needs neither a manager nor to be in service, but an answer.
        return one.id in fleet.silent
    is_unknown = change.kind is ChangeKind.IMAGE and one.image_id is None
    return (
        is_unknown
        or one.load_balancer_id in fleet.unmanaged
        or one.drain_wanted_since is not None
    )


def under_way(change: FleetChange, fleet: Fleet) -> tuple[FleetAmphora, ...]:
    """Those that are being replaced."""
    return tuple(
        one
        for one in fleet.amphorae
        if one.fleet_change_id == change.id and one.is_there
    )


def progress(change: FleetChange, fleet: Fleet) -> FleetProgress:
    """Count amphorae by where the change stands with them."""
    wanted = due(change, fleet)
    held = sum(is_held(change, fleet, one) for one in wanted)
    return FleetProgress(
        replaced=sum(_is_done(change, one) for one in fleet.amphorae),
        under_way=len(under_way(change, fleet)),
        waiting=len(wanted) - held,
        held=held,
    )


def soaking(change: FleetChange, fleet: Fleet) -> int:
    """How many canaries under way have a new amphora that serves."""
    if change.is_proven:
        return 0
    return sum(
        one.stand_in_wanted and one.drained_at is not None
        for one in under_way(change, fleet)
    )


def _is_done(change: FleetChange, one: FleetAmphora) -> bool:
    if change.kind is ChangeKind.CERTIFICATE:
        return one.is_there and is_new(change, one)
    return one.fleet_change_id == change.id and not one.is_there
