# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Bodies of requests: strict documents that become the domain's types.

WSME would read "3", 3.9 and true as integers, and would repeat a whole body,
passwords included, in its complaint. So bodies are read by the codec of the
agent contract: the dataclasses of the model, and those here, are the schema,
and a complaint names the path of the field, such as
``speakers[0].peers[1].hold_time``.

A PUT is partial: what is given is laid over what is stored, and the whole is
read like the body of a POST.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar

from octavia_anycast.model import codec
from octavia_anycast.model.bgp import (
    Asn,
    IPAddress,
    Peer,
    Speaker,
    SpeakerDriver,
    check_asn,
    check_range,
)
from octavia_anycast.model.distributor import (
    DEDICATED_MAX,
    Distributor,
    DistributorType,
    Zone,
)
from octavia_anycast.model.errors import InvalidRequest, check_name, check_text
from octavia_anycast.model.registration import ExternalVip

DISTRIBUTOR = "distributor"
PEER = "bgp_peer"
SPEAKER = "bgp_speaker"
VIP = "vip"
# The drivers that the amphora's agent has.
DRIVERS = frozenset((SpeakerDriver.EXABGP, SpeakerDriver.BIRD))
T = TypeVar("T")


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
            _check_zone(f"zones[{index}]", zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributorRequest(DistributorChange):
    """A new distributor.

    A peer of a speaker is either a new one, with all its attributes but
    ``id``, or ``{"id": ...}`` of one that is there.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerReference:
    """A peer that is there."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerChange:
    """What of a speaker can be changed.

    ``driver`` null: the one that fits, see :func:`fitting_driver`.
    """

    local_as: int
    driver: SpeakerDriver | None = None

    def __post_init__(self) -> None:
        check_asn("local_as", self.local_as)
        if self.driver is not None:
            check_driver("driver", self.driver)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerRequest(SpeakerChange):
    """A new speaker of a distributor, with peers that are there."""

    distributor_id: str
    ip_version: int
    peers: tuple[PeerReference, ...] = ()

    def __post_init__(self) -> None:
        SpeakerChange.__post_init__(self)
        check_id("distributor_id", self.distributor_id)

    def to_model(
        self, known: Mapping[str, Peer], others: SpeakerDriver | None
    ) -> Speaker:
        """Make the speaker.

        :param known: the peers that there are, peer_id -> peer
        :param others: the driver of the distributor's other speakers, which
            is this one's if it names none
        :raises InvalidRequest: if it names another one.
        """
        for index, reference in enumerate(self.peers):
            if reference.id not in known:
                raise no_peer(f"peers[{index}].id", reference.id)
        peers = tuple(known[reference.id] for reference in self.peers)
        return Speaker(
            id=new_id(),
            ip_version=self.ip_version,
            local_as=Asn(self.local_as),
            driver=self.driver or others or fitting_driver(peers),
            peers=peers,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VipRequest:
    """An external VIP; ``peer_id`` null: it is for all peers."""

    vip_address: IPAddress
    next_hop: IPAddress
    peer_id: str | None = None

    def __post_init__(self) -> None:
        if self.peer_id is not None:
            check_id("peer_id", self.peer_id)


def external_vip(body: Any) -> ExternalVip:
    """Read the body of a POST of an external VIP; it gets an id.

    :raises InvalidRequest: with the path of the offending field.
    """
    request = codec.read(VipRequest, under(VIP, body))
    return ExternalVip(
        id=new_id(),
        vip_ip=request.vip_address,
        nexthop_ip=request.next_hop,
        peer_id=request.peer_id,
    )


def under(root: str, body: Any) -> Any:
    """What the body's root element holds.

    :raises InvalidRequest: if that is not all of the body.
    """
    if not isinstance(body, dict) or set(body) != {root}:
        raise InvalidRequest(
            root, "the body is not an object with this one attribute"
        )
    return body[root]


def new_peer(body: Any) -> Peer:
    """Read the body of a POST of a peer; it gets an id.

    :raises InvalidRequest: with the path of the offending field.
    """
    return codec.read(Peer, _with_id(under(PEER, body), ""))


def changed_peer(body: Any, stored: Peer) -> tuple[Peer, bool]:
    """Read the body of a PUT of a peer.

    :param stored: what it is, with anything in the place of its password
    :raises InvalidRequest: with the path of the offending field.
    :return: what it becomes, and whether the password is a new one
    """
    given = under(PEER, body)
    if isinstance(given, dict):
        if "id" in given:
            raise _unknown("id")
        if given.get("auth_type", "") is None:
            given = {"password": None, **given}
    peer = merged(Peer, given, codec.to_document(stored))
    return peer, "password" in given


def referenced_peers(body: Any) -> set[str]:
    """The ids of peers that the body of a distributor refers to."""
    document = body.get(DISTRIBUTOR) if isinstance(body, dict) else None
    return {
        peer["id"]
        for _, peer in _peers_in(document)
        if _is_reference(peer) and isinstance(peer["id"], str)
    }


def distributor_from(body: Any, known: Mapping[str, Peer]) -> Distributor:
    """Read the body of a POST of a distributor; all of it gets ids.

    :param known: the peers that it refers to, as far as they are there
    :raises InvalidRequest: with the path of the offending field.
    """
    document = _with_driver(_with_ids(under(DISTRIBUTOR, body), known))
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


def merged(kind: type[T], given: Any, stored: dict[str, Any]) -> T:
    """Lay what is given over what is stored; null means the default.

    :raises InvalidRequest: with the path of the offending field.
    """
    if not isinstance(given, dict):
        return codec.read(kind, given)  # which says that it is no object
    defaults = {
        f.name: codec.to_document(f.default)
        for f in fields(kind)  # type: ignore[arg-type]
        if f.default is not MISSING
    }
    reset = {
        name: defaults[name]
        for name, value in given.items()
        if value is None and name in defaults
    }
    return codec.read(kind, stored | given | reset)


def fitting_driver(peers: Iterable[Peer]) -> SpeakerDriver:
    """The driver where none is chosen: BIRD where a peer has BFD."""
    return _fitting(any(peer.bfd is not None for peer in peers))


def _fitting(has_bfd: bool) -> SpeakerDriver:
    return SpeakerDriver.BIRD if has_bfd else SpeakerDriver.EXABGP


def check_driver(name: str, driver: SpeakerDriver) -> None:
    """Refuse a driver that no agent has.

    :raises InvalidRequest: naming the field.
    """
    if driver not in DRIVERS:
        raise InvalidRequest(
            name, f"there is no {driver} driver in this release"
        )


def check_is_named(name: str) -> None:
    """Refuse a distributor without a name: users choose it by that.

    :raises InvalidRequest: naming the field.
    """
    if not name.strip():
        raise InvalidRequest("name", "a distributor needs a name")


def check_id(name: str, value: str) -> None:
    """Check that it is a UUID as Octavia writes them.

    :raises InvalidRequest: naming the field.
    """
    try:
        is_id = str(uuid.UUID(value)) == value.lower()
    except ValueError:
        is_id = False
    if not is_id:
        raise InvalidRequest(name, f"{value!r} is not a UUID")


def no_peer(name: str, peer_id: object) -> InvalidRequest:
    """The complaint about a reference to nothing."""
    return InvalidRequest(name, f"there is no BGP peer {peer_id!r}")


def new_id() -> str:
    """Make an identifier as Octavia does."""
    return str(uuid.uuid4())


def _check_zone(path: str, zone: Zone) -> None:
    if zone.frontend_network_id is not None:
        check_id(f"{path}.frontend_network_id", zone.frontend_network_id)
    for subnet_id in zone.frontend_subnet_ids:
        check_id(f"{path}.frontend_subnet_ids", subnet_id)


def _unknown(path: str) -> InvalidRequest:
    return InvalidRequest(path, "unknown attribute")


def _is_reference(peer: Any) -> bool:
    return isinstance(peer, dict) and set(peer) == {"id"}


def _peers_in(document: Any) -> Iterator[tuple[str, Any]]:
    """(path, peer) of what looks like peers of speakers, whatever it is."""
    speakers = document.get("speakers") if isinstance(document, dict) else ()
    for i, speaker in enumerate(_listed(speakers)):
        peers = speaker.get("peers") if isinstance(speaker, dict) else ()
        for j, peer in enumerate(_listed(peers)):
            yield f"speakers[{i}].peers[{j}]", peer


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _with_ids(document: Any, known: Mapping[str, Peer]) -> Any:
    """Write out peers that are referred to; give ids to what is new.

    What is not of the right type stays as it is: the codec says so.
    """
    if not isinstance(document, dict) or not _listed(document.get("speakers")):
        return document
    peers = {
        path: _written_out(path, peer, known)
        for path, peer in _peers_in(document)
    }
    speakers = []
    for i, speaker in enumerate(document["speakers"]):
        whole = _with_id(speaker, f"speakers[{i}].")
        if isinstance(whole, dict) and _listed(whole.get("peers")):
            whole["peers"] = [
                peers[f"speakers[{i}].peers[{j}]"]
                for j in range(len(whole["peers"]))
            ]
        speakers.append(whole)
    return document | {"speakers": speakers}


def _with_driver(document: Any) -> Any:
    """Give speakers that name no driver that of the others, or one that fits.

    The speakers of a distributor share one.
    """
    if not isinstance(document, dict):
        return document
    speakers = _listed(document.get("speakers"))
    named = [
        speaker["driver"]
        for speaker in speakers
        if isinstance(speaker, dict) and "driver" in speaker
    ]
    has_bfd = any(
        isinstance(peer, dict) and peer.get("bfd") is not None
        for _, peer in _peers_in(document)
    )
    driver = named[0] if named else _fitting(has_bfd).value
    if not speakers:
        return document
    return document | {
        "speakers": [
            {"driver": driver, **speaker}
            if isinstance(speaker, dict)
            else speaker
            for speaker in speakers
        ]
    }


def _written_out(path: str, peer: Any, known: Mapping[str, Peer]) -> Any:
    if not _is_reference(peer):
        return _with_id(peer, f"{path}.")
    peer_id = peer["id"]
    if not isinstance(peer_id, str) or peer_id not in known:
        raise no_peer(f"{path}.id", peer_id)
    return codec.to_document(known[peer_id])


def _with_id(document: Any, prefix: str) -> Any:
    if not isinstance(document, dict):
        return document
    if "id" in document:
        raise _unknown(f"{prefix}id")
    return document | {"id": new_id()}
