# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/distributors``; below one ``paths``, ``vips``, ``amphorae``.

What is asked for is stored with a status PENDING_*; the controller does it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from octavia.common import constants, exceptions, validate
from oslo_utils import strutils

from octavia_anycast.api.bgp.peer import SHORT
from octavia_anycast.api.bgp.speaker import (
    OWN_SPEAKER,
    check_driver,
    fitting_driver,
)
from octavia_anycast.api.declaration import bodies, calls, faults, resource
from octavia_anycast.api.declaration.fields import (
    CREATED_AT,
    FLAG,
    ID,
    INTEGER,
    TEXT,
    UPDATED_AT,
    Resource,
    between,
    list_of,
    nested,
    one_of,
)
from octavia_anycast.api.event import DistributorEventsController
from octavia_anycast.api.external_vip import VipsController
from octavia_anycast.api.path import PathsController
from octavia_anycast.api.registration import AmphoraRegistrationsController
from octavia_anycast.db.distributor import (
    distributors,
    external_vips,
    lifecycle,
    peers,
)
from octavia_anycast.db.distributor.distributors import DistributorRecord
from octavia_anycast.db.models import new_id
from octavia_anycast.db.registration import amphora_registrations
from octavia_anycast.model import codec
from octavia_anycast.model.bgp import Peer, Speaker, check_range
from octavia_anycast.model.distributor import (
    DEDICATED_MAX,
    Distributor,
    DistributorType,
    Zone,
)
from octavia_anycast.model.errors import (
    Conflict,
    InvalidRequest,
    check_name,
    check_text,
)
from octavia_anycast.octavia_adapter.secrets import FernetCipher

PROVISIONING = one_of(*lifecycle.PENDING, constants.ACTIVE, constants.ERROR)
OPERATING = one_of(
    constants.ONLINE, constants.DEGRADED, constants.ERROR, constants.OFFLINE
)
ZONE = Resource(
    name="Zone",
    fields={
        "availability_zone": TEXT.or_null(
            "The Nova availability zone; null for the anonymous zone.", SHORT
        ),
        "frontend_network_id": TEXT.or_null(
            "The network of the amphorae's front ends; null for the VIP's "
            "own.",
            {"format": "uuid"},
        ),
        "frontend_subnet_ids": list_of(TEXT, format="uuid")(
            "The subnets of that network to choose from; empty: Neutron "
            "chooses one per IP version."
        ),
    },
)
DISTRIBUTOR = Resource(
    name="Distributor",
    title="distributor",
    logged=("name", "provisioning_status"),
    root="distributor",
    plural="distributors",
    at="distributor.",
    filters=distributors.COLUMNS,
    fields={
        "id": ID,
        "name": TEXT("A name; it need not be unique.", SHORT),
        "description": TEXT("A description for its readers.", SHORT),
        "distributor_type": one_of(*DistributorType)(
            "How its amphorae announce VIPs: by BGP."
        ),
        "provisioning_status": PROVISIONING(
            "PENDING_* while the controller carries out a change; then "
            "ACTIVE, or ERROR with a status_reason."
        ),
        "operating_status": OPERATING(
            "ONLINE: every BGP session of its amphorae is established, or it "
            "has none; DEGRADED: some are; ERROR: none is; OFFLINE: it is "
            "disabled or new."
        ),
        "status_reason": TEXT(
            "The reason for its statuses; empty if nothing is wrong."
        ),
        "enabled": FLAG(
            "Whether new load balancers may use it; existing ones are not "
            "affected.",
            at="distributor.is_enabled",
        ),
        "is_default": FLAG(
            "Whether load balancers that name no distributor use it; at most "
            "one distributor is the default."
        ),
        "speakers": list_of(nested(OWN_SPEAKER, Speaker))(
            "The BGP speakers: one per IP version at most."
        ),
        "zones": list_of(nested(ZONE, Zone))(
            "The zones for amphorae, each availability zone once. Without "
            "zones there is an anonymous one, whose front-end network is "
            "that of the VIP."
        ),
        "dedicated_count": INTEGER(
            "How many dedicated amphorae it has. They serve no load "
            "balancer; they announce its external VIPs and the amphorae "
            "registered with it.",
            between(0, DEDICATED_MAX),
        ),
        "load_balancer_count": INTEGER(
            "How many load balancers use it.", at="counts.load_balancers"
        ),
        "amphora_count": INTEGER(
            "How many amphorae serve these load balancers, or are dedicated.",
            at="counts.amphorae",
        ),
        "vip_count": INTEGER(
            "How many different VIPs they have, its external VIPs included.",
            at="counts.vips",
        ),
        "created_at": CREATED_AT,
        "updated_at": UPDATED_AT,
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributorChange:
    """What of a distributor can be changed."""

    name: str = ""
    description: str = ""
    enabled: bool = True
    is_default: bool = False
    zones: tuple[Zone, ...] = ()
    dedicated_count: int = 0

    def __post_init__(self) -> None:
        check_name("name", self.name)
        check_text("description", self.description)
        check_range("dedicated_count", self.dedicated_count, 0, DEDICATED_MAX)
        for index, zone in enumerate(self.zones):
            path = f"zones[{index}].frontend"
            if zone.frontend_network_id is not None:
                bodies.check_id(f"{path}_network_id", zone.frontend_network_id)
            for subnet_id in zone.frontend_subnet_ids:
                bodies.check_id(f"{path}_subnet_ids", subnet_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributorRequest(DistributorChange):
    """A new distributor.

    A peer of a speaker is either a new one, with all its attributes but
    ``id``, or ``{"id": ...}`` of an existing one.
    """

    name: str
    distributor_type: DistributorType = DistributorType.L3_BGP
    speakers: tuple[Speaker, ...] = ()

    def __post_init__(self) -> None:
        # Not super(): the class that slots make is not the one it knows.
        DistributorChange.__post_init__(self)
        check_is_named(self.name)
        for index, speaker in enumerate(self.speakers):
            check_driver(f"speakers[{index}].driver", speaker.driver)


def check_is_named(name: str) -> None:
    """Refuse a distributor without a name, by which users choose it.

    :raises InvalidRequest: naming the field.
    """
    if not name.strip():
        raise InvalidRequest("name", "a distributor needs a name")


SCHEMAS = {
    "Distributor": DISTRIBUTOR.answer(),
    "DistributorRequest": DISTRIBUTOR.request(DistributorRequest),
    "DistributorChange": DISTRIBUTOR.change(DistributorChange),
}
CALLS = calls.collection(
    DISTRIBUTOR,
    "/v2/lbaas/distributors",
    constants.RULE_API_READ,
    faults=(400, 404, 409),
    query=[
        calls.query(
            "cascade",
            "Whether to delete its external VIPs and registrations of "
            "amphorae, too, and those of its peers that no other speaker "
            "uses.",
            {"type": "boolean", "default": False},
        )
    ],
)


def referenced_peers(body: Any) -> set[str]:
    """The ids of existing peers that a body refers to."""
    document = body.get(DISTRIBUTOR.root) if isinstance(body, dict) else None
    return {
        peer["id"]
        for speaker in _listed(document, "speakers")
        for peer in _listed(speaker, "peers")
        if _is_reference(peer) and isinstance(peer["id"], str)
    }


def distributor_from(body: Any, known: Mapping[str, Peer]) -> Distributor:
    """Read the body of a POST; the distributor and its parts get ids.

    :param known: those of the referenced peers that exist, peer_id -> peer
    :raises InvalidRequest: with the path of the offending field.
    """
    document = _completed(bodies.under(DISTRIBUTOR, body), known)
    request = codec.read(DistributorRequest, document)
    return Distributor(
        id=new_id(),
        name=request.name,
        description=request.description,
        distributor_type=request.distributor_type,
        is_enabled=request.enabled,
        is_default=request.is_default,
        speakers=request.speakers,
        zones=request.zones,
        dedicated_count=request.dedicated_count,
    )


def _completed(document: Any, known: Mapping[str, Peer]) -> Any:
    """Complete the speakers: ids, existing peers, and the driver.

    The speakers of a distributor share a driver: one that names none has
    that of the others, or the fitting one.
    """
    speakers = [
        _with_peers(f"speakers[{index}].", speaker, known)
        for index, speaker in enumerate(_listed(document, "speakers"))
    ]
    if not speakers:
        return document
    objects = [one for one in speakers if isinstance(one, dict)]
    named = [one["driver"] for one in objects if "driver" in one]
    fitting = fitting_driver(
        peer.get("bfd")
        for speaker in objects
        for peer in _listed(speaker, "peers")
        if isinstance(peer, dict)
    )
    driver = named[0] if named else fitting.value
    return document | {
        "speakers": [
            {"driver": driver, **one} if isinstance(one, dict) else one
            for one in speakers
        ]
    }


def _with_peers(prefix: str, speaker: Any, known: Mapping[str, Peer]) -> Any:
    peers = [
        _written_out(f"{prefix}peers[{index}].", peer, known)
        for index, peer in enumerate(_listed(speaker, "peers"))
    ]
    whole = bodies.with_id(speaker, prefix)
    return whole | {"peers": peers} if peers else whole


def _written_out(prefix: str, peer: Any, known: Mapping[str, Peer]) -> Any:
    """A new peer with its id, or the attributes of an existing one."""
    if not _is_reference(peer):
        return bodies.with_id(peer, prefix)
    peer_id = peer["id"]
    if not isinstance(peer_id, str) or peer_id not in known:
        raise bodies.no_peer(f"{prefix}id", peer_id)
    return codec.to_document(known[peer_id])


def _is_reference(peer: Any) -> bool:
    return isinstance(peer, dict) and set(peer) == {"id"}


def _listed(document: Any, name: str) -> list[Any]:
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, list) else []


class DistributorsController(resource.Collection):
    """The collection and its members."""

    OF = DISTRIBUTOR
    CALLS = CALLS
    ROWS = distributors
    BELOW = {
        "paths": PathsController,
        "events": DistributorEventsController,
        "vips": VipsController,
        "amphorae": AmphoraRegistrationsController,
    }

    def _get(self, session: Any, id: str) -> DistributorRecord:
        return distributors.show(session, id)

    def _prepare(self, body: Any, id: str | None = None) -> Any:
        """Ask Neutron for new networks, before the transaction.

        :return: the new distributor, or the body of a PUT
        """
        if id is None:
            wanted = self._wanted(body)
            _check_networks(wanted.zones)
            return wanted
        with self._transaction() as session:
            before = distributors.show(session, id)
            change = _changed(body, before)
        if change.zones != before.distributor.zones:
            _check_networks(change.zones)
        return body

    def _wanted(self, body: Any) -> Distributor:
        peer_ids = referenced_peers(body)
        known = {}
        if peer_ids:
            with self._transaction() as session:
                known = peers.find(session, peer_ids)
        with faults.translated():
            return replace(
                distributor_from(body, known),
                provisioning_status=lifecycle.PENDING_CREATE,
                operating_status=constants.OFFLINE,
            )

    def _create(self, session: Any, body: Any) -> DistributorRecord:
        return distributors.create(session, body, FernetCipher())

    def _update(self, session: Any, id: str, body: Any) -> None:
        lifecycle.lock(session, [id])
        record = distributors.show(session, id)
        before = record.distributor
        change = _changed(body, record)
        with resource.keeping_whole(session, [id]):
            distributors.update(
                session,
                id,
                name=change.name,
                description=change.description,
                is_enabled=change.enabled,
                zones=change.zones,
                dedicated_count=change.dedicated_count,
            )
        if not change.dedicated_count:
            _check_announces_nothing(session, id)
        if change.is_default != before.is_default:
            distributors.set_default(session, id, change.is_default)
        if (change.enabled, change.zones) != (before.is_enabled, before.zones):
            lifecycle.begin_update(session, [id])

    def delete(self, id: str, cascade: Any = "false") -> None:
        """Delete one that no load balancer uses."""
        self._check("delete", id)
        with self._transaction() as session:
            lifecycle.begin_delete(session, id, with_peers=_is_true(cascade))
        resource.log_accepted()


def _is_true(cascade: str) -> bool:
    try:
        is_true: bool = strutils.bool_from_string(cascade, strict=True)
    except ValueError as e:
        raise InvalidRequest(
            "cascade", f"{cascade!r} is neither true nor false"
        ) from e
    return is_true


def _changed(body: Any, record: DistributorRecord) -> DistributorChange:
    given = bodies.under(DISTRIBUTOR, body)
    change = bodies.changed(DISTRIBUTOR, DistributorChange, given, record)
    if change.name != record.distributor.name:
        check_is_named(change.name)
    return change


def _check_announces_nothing(session: Any, id: str) -> None:
    """Check that nothing is left without an amphora that announces it."""
    for held, what in (
        (external_vips.count(session, id), "external VIP(s)"),
        (
            amphora_registrations.count(session, id),
            "registration(s) of amphorae",
        ),
    ):
        if held:
            raise Conflict(
                f"dedicated_count: {held} {what} need an amphora that "
                "announces them; unregister them first."
            )


def _check_networks(zones: tuple[Zone, ...]) -> None:
    for zone in zones:
        if zone.frontend_network_id is None:
            continue
        for subnet_id in zone.frontend_subnet_ids or (None,):
            try:
                validate.network_exists_optionally_contains_subnet(
                    zone.frontend_network_id, subnet_id
                )
            except exceptions.InvalidSubresource as e:
                raise exceptions.ValidationException(
                    detail=f"zones: {e.msg}"
                ) from e
