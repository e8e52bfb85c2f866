# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/bgp-speakers`` and, below one, the peers registered with it.

Each change is one of the speaker's distributor, which has to be valid with
it, and goes to PENDING_UPDATE.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from octavia.common import constants

from octavia_anycast.api.bgp.peer import REFERENCE, REFERENCES, PeerReference
from octavia_anycast.api.declaration import bodies, calls, resource
from octavia_anycast.api.declaration.calls import Call, ours
from octavia_anycast.api.declaration.fields import (
    CREATED_AT,
    ID,
    INTEGER,
    UPDATED_AT,
    UUID,
    Field,
    Kind,
    Resource,
    between,
    list_of,
    nested,
    one_of,
)
from octavia_anycast.db.distributor import (
    distributors,
    lifecycle,
    peers,
    speakers,
)
from octavia_anycast.db.models import new_id
from octavia_anycast.db.passwords import WithoutPasswords
from octavia_anycast.db.registration import registering
from octavia_anycast.model.bgp import (
    ASN_MAX,
    Asn,
    Peer,
    Speaker,
    SpeakerDriver,
    check_asn,
)
from octavia_anycast.model.errors import Conflict, InvalidRequest

# The drivers that the amphora's agent has.
DRIVERS = frozenset((SpeakerDriver.EXABGP, SpeakerDriver.BIRD))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerChange:
    """What of a speaker can be changed; ``driver`` null: the fitting one."""

    local_as: int
    driver: SpeakerDriver | None = None

    def __post_init__(self) -> None:
        check_asn("local_as", self.local_as)
        if self.driver is not None:
            check_driver("driver", self.driver)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerRequest(SpeakerChange):
    """A new speaker of a distributor, with existing peers."""

    distributor_id: str
    ip_version: int
    peers: tuple[PeerReference, ...] = ()


def check_driver(name: str, driver: SpeakerDriver) -> None:
    """Refuse a driver that no agent has.

    :raises InvalidRequest: naming the field.
    """
    if driver not in DRIVERS:
        raise InvalidRequest(name, f"this release has no {driver} driver")


def fitting_driver(bfd_of_peers: Iterable[Any]) -> SpeakerDriver:
    """The driver where none is chosen: BIRD where a peer has BFD."""
    has_bfd = any(bfd is not None for bfd in bfd_of_peers)
    return SpeakerDriver.BIRD if has_bfd else SpeakerDriver.EXABGP


def _peers(*references: str) -> Field:
    asked = nested(REFERENCE, PeerReference, *references)
    kind = replace(REFERENCES, asked=list_of(asked).asked)
    return kind("The peers that are registered with it.")


_OWN = {
    "id": ID,
    "ip_version": Kind(wsme=int, schema={"type": "integer", "enum": [4, 6]})(
        "The IP version of its sessions' transport. A session carries "
        "VIPs of both families."
    ),
    "local_as": INTEGER("The AS number of the amphorae.", between(1, ASN_MAX)),
    "driver": one_of(*SpeakerDriver)(
        "The program in the amphora that speaks BGP; the same for all "
        "speakers of a distributor. Default: that of the other speakers; "
        "without any, bird where a peer has BFD, else exabgp.",
        {"enum": sorted(DRIVERS)},
    ),
}
# A speaker within its distributor.
OWN_SPEAKER = Resource(
    name="OwnSpeaker",
    fields={**_OWN, "peers": _peers("PeerReference", "PeerRequest")},
)
SPEAKER = Resource(
    name="Speaker",
    title="BGP speaker",
    logged=("local_as", "driver"),
    root="bgp_speaker",
    plural="bgp_speakers",
    at="speaker.",
    filters=speakers.COLUMNS,
    fields={
        "distributor_id": UUID(
            "The distributor that it belongs to.", at="distributor_id"
        ),
        "created_at": CREATED_AT,
        "updated_at": UPDATED_AT,
        **_OWN,
        "peers": _peers("PeerReference"),
    },
)
SCHEMAS = {
    "Speaker": SPEAKER.answer(),
    "SpeakerRequest": SPEAKER.request(SpeakerRequest),
    "SpeakerChange": SPEAKER.change(SpeakerChange),
}
PATH = "/v2/lbaas/bgp-speakers"
CALLS = calls.collection(SPEAKER, PATH, constants.RULE_API_READ)
_ONE_PEER = f"{PATH}/{{bgp_speaker_id}}/bgp-peers/{{bgp_peer_id}}"
CALLS_OF_PEERS = {
    "put": Call(
        "PUT",
        _ONE_PEER,
        "registerPeer",
        "Register a BGP peer with a BGP speaker; idempotent",
        ours("bgp-speaker:put_peer"),
        SPEAKER,
        (400, 404, 409),
    ),
    "delete": Call(
        "DELETE",
        _ONE_PEER,
        "unregisterPeer",
        "Unregister a BGP peer from a BGP speaker; the peer remains",
        ours("bgp-speaker:delete_peer"),
        faults=(404, 409),
    ),
}


class RegistrationsController(resource.Collection):
    """``/v2/lbaas/bgp-speakers/ID/bgp-peers/ID``."""

    OF = SPEAKER
    CALLS = CALLS_OF_PEERS
    ROWS = speakers

    def put(self, id: str) -> Any:
        """Register a peer; idempotent."""
        self._check("put", id)
        with self._transaction() as session:
            _register(session, self._id, id)
            shown = SPEAKER.shown(speakers.get(session, self._id))
        resource.log_accepted(resource.said(SPEAKER, shown))
        return SPEAKER.one(shown)

    def _delete(self, session: Any, id: str) -> None:
        distributor_id = _locked_distributor(session, self._id)
        speakers.unregister(session, self._id, id)
        _check_left(session, distributor_id, "peer")
        lifecycle.begin_update(session, [distributor_id])


class SpeakersController(resource.Collection):
    """The collection and its members."""

    OF = SPEAKER
    CALLS = CALLS
    ROWS = speakers
    BELOW = {"bgp-peers": RegistrationsController}

    def _create(self, session: Any, body: Any) -> Any:
        wanted = bodies.read(SPEAKER, SpeakerRequest, body)
        distributor_id = wanted.distributor_id
        if not distributors.exists(session, distributor_id):
            raise InvalidRequest(
                "distributor_id", f"there is no distributor {distributor_id}"
            )
        known = peers.find(session, [peer.id for peer in wanted.peers])
        lifecycle.lock(session, [distributor_id])
        others = distributors.show(session, distributor_id).distributor
        speaker = _speaker(wanted, known, others.speakers)
        with resource.keeping_whole(session, [distributor_id]):
            # Its peers exist already: nothing is encrypted.
            speakers.create(
                session, distributor_id, speaker, WithoutPasswords()
            )
        registering.check_driver(session, distributor_id)
        lifecycle.begin_update(session, [distributor_id])
        return speakers.get(session, speaker.id)

    def _update(self, session: Any, id: str, body: Any) -> None:
        """Change its AS, or the driver of all speakers beside it."""
        record = speakers.get(session, id)
        given = bodies.under(SPEAKER, body)
        change = bodies.changed(SPEAKER, SpeakerChange, given, record)
        lifecycle.lock(session, [record.distributor_id])
        driver = change.driver or fitting_driver(
            peer.bfd
            for speaker in distributors.show(
                session, record.distributor_id
            ).distributor.speakers
            for peer in speaker.peers
        )
        stored = record.speaker
        if (change.local_as, driver) == (stored.local_as, stored.driver):
            return
        with resource.keeping_whole(session, [record.distributor_id]):
            speakers.update(
                session, id, local_as=change.local_as, driver=driver
            )
        registering.check_driver(session, record.distributor_id)
        lifecycle.begin_update(session, [record.distributor_id])

    def _delete(self, session: Any, id: str) -> None:
        distributor_id = _locked_distributor(session, id)
        speakers.delete(session, id)
        _check_left(session, distributor_id, "speaker")
        lifecycle.begin_update(session, [distributor_id])


def _speaker(
    wanted: SpeakerRequest, known: dict[str, Peer], others: tuple[Speaker, ...]
) -> Speaker:
    """Make a new speaker.

    :param known: the existing ones among its peers, peer_id -> peer
    :param others: the distributor's other speakers, which share a driver
    :raises InvalidRequest: a peer does not exist.
    """
    for index, reference in enumerate(wanted.peers):
        if reference.id not in known:
            raise bodies.no_peer(f"peers[{index}].id", reference.id)
    own = tuple(known[reference.id] for reference in wanted.peers)
    shared = others[0].driver if others else fitting_driver(p.bfd for p in own)
    return Speaker(
        id=new_id(),
        ip_version=wanted.ip_version,
        local_as=Asn(wanted.local_as),
        driver=wanted.driver or shared,
        peers=own,
    )


def _register(session: Any, speaker_id: str, peer_id: str) -> None:
    found = speakers.get(session, speaker_id)
    if any(peer.id == peer_id for peer in found.speaker.peers):
        return
    lifecycle.lock(session, [found.distributor_id])
    with resource.keeping_whole(session, [found.distributor_id]):
        speakers.register(session, speaker_id, peer_id)
    lifecycle.begin_update(session, [found.distributor_id])


def _locked_distributor(session: Any, speaker_id: str) -> str:
    distributor_id = speakers.get(session, speaker_id).distributor_id
    lifecycle.lock(session, [distributor_id])
    return distributor_id


def _check_left(session: Any, distributor_id: str, what: str) -> None:
    """Keep load balancers announced: some peer has to be left.

    The session of a speaker carries both families, whatever its own.

    :raises Conflict: if no peer is left to which their VIPs are announced.
    """
    shown = distributors.show(session, distributor_id)
    users = shown.counts.load_balancers
    if users and not any(s.peers for s in shown.distributor.speakers):
        raise Conflict(
            f"It is the last BGP {what} of distributor {distributor_id}, "
            f"which {users} load balancer(s) use."
        )
