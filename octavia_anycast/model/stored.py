# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What an older release stored and this one refuses.

An object that exists is valid. The exception are the distributors, speakers,
peers and zones that are read to be shown, changed or deleted: a release may
check more strictly than the last one, and an operator has to see what is
refused in order to correct it. Nothing that is made here may reach an amphora.

Layer: model. Pure.
"""

from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields, replace
from functools import partial
from typing import Any, Protocol, TypeVar

from octavia_anycast.model.bgp import Asn, Peer, Speaker
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.errors import InvalidRequest

PEER = "BGP peer"
SPEAKER = "BGP speaker"
ZONE = "zone of distributor"
DISTRIBUTOR = "distributor"
# In the place of an AS that is refused, to check the rest.
_ANY_AS = Asn(64_512)
T = TypeVar("T")


class Make(Protocol):
    """How an object of the model is made of what is stored."""

    def __call__(self, kind: type[T], /, **values: Any) -> T:
        """Make one."""


def checked(kind: type[T], /, **values: Any) -> T:
    """Make a valid object.

    :raises InvalidRequest: naming the field.
    """
    return kind(**values)


def unchecked(kind: type[T], /, **values: Any) -> T:
    """Make an object as it is stored, whatever its checks say."""
    made = object.__new__(kind)
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name in values:
            value = values[field.name]
        else:
            assert field.default is not MISSING, field.name
            value = field.default
        object.__setattr__(made, field.name, value)
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """Why a stored row is refused now; ``field`` is an attribute of it."""

    kind: str
    id: str
    field: str
    reason: str


def about_peer(peer: Peer) -> Iterator[Complaint]:
    """What is refused of a peer by itself; at most one complaint."""

    def check() -> None:
        replace(peer, bfd=peer.bfd and replace(peer.bfd))

    yield from _refusal(PEER, peer.id, check)


def about_distributor(distributor: Distributor) -> Iterator[Complaint]:
    """What is refused of a distributor with all that it has.

    Contradictions are looked for among the parts that are valid by
    themselves; the complaint names the later part.
    """
    speakers = []
    for speaker in distributor.speakers:
        sound, complaints = _sound_speaker(speaker)
        yield from complaints
        speakers.append(sound)
    zones = []
    for zone in distributor.zones:
        complaints = list(
            _refusal(ZONE, distributor.id, partial(replace, zone))
        )
        yield from complaints
        if not complaints:
            zones.append(zone)
    own = list(
        _refusal(
            DISTRIBUTOR,
            distributor.id,
            lambda: replace(distributor, speakers=(), zones=()),
        )
    )
    yield from own
    if not own:
        yield from _refusal(
            DISTRIBUTOR,
            distributor.id,
            lambda: replace(
                distributor, speakers=tuple(speakers), zones=tuple(zones)
            ),
        )


def _sound_speaker(speaker: Speaker) -> tuple[Speaker, list[Complaint]]:
    complaints = list(
        _refusal(SPEAKER, speaker.id, lambda: replace(speaker, peers=()))
    )
    local_as = _ANY_AS if complaints else speaker.local_as
    peers: tuple[Peer, ...] = ()
    for peer in speaker.peers:
        wanted = (*peers, peer)
        found = list(about_peer(peer)) or list(
            _refusal(
                PEER,
                peer.id,
                partial(replace, speaker, local_as=local_as, peers=wanted),
            )
        )
        complaints += found
        if not found:
            peers = wanted
    return unchecked(
        Speaker,
        id=speaker.id,
        ip_version=speaker.ip_version,
        local_as=local_as,
        driver=speaker.driver,
        peers=peers,
    ), complaints


def _refusal(
    kind: str, row_id: str, check: Callable[[], object]
) -> Iterator[Complaint]:
    try:
        check()
    except InvalidRequest as e:
        attribute = e.field.rpartition(".")[2]
        yield Complaint(kind=kind, id=row_id, field=attribute, reason=e.reason)
