# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Why a BGP session is down, by the daemon's words and by what else is known.

One row for each cause: how it is recognised, what is said, what to type. The
commands are FRR's; other routers have the same settings by other names.

Layer: planning. Pure.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from octavia_anycast.model.bgp import Peer, SessionState, Speaker
from octavia_anycast.model.wire import SessionReport
from octavia_anycast.planning.doctor.seen import Step
from octavia_anycast.planning.doctor.steps import (
    configure,
    in_cloud,
    on_router,
    vtysh,
)

_RECEIVED = re.compile(r"received", re.I)
# RFC 4271, section 4.5, and RFC 4486: code and subcode of a NOTIFICATION, as
# ExaBGP writes them, or the words of BIRD.
_BAD_AS = re.compile(r"\(2, ?2\)|bad peer as|asn in open|bad remote as", re.I)
_HOLD_TIME = re.compile(r"\(2, ?6\)|unacceptable hold time", re.I)
_EXPIRED = re.compile(r"\(4, ?0\)|hold timer expired", re.I)
_PREFIXES = re.compile(
    r"\(6, ?1\)|maximum number of prefixes|prefix limit", re.I
)
_SHUTDOWN = re.compile(
    r"\(6, ?2\)|\(6, ?3\)|administrative(ly)? (shutdown|down)"
    r"|peer de-?configured",
    re.I,
)
_REJECTED = re.compile(r"\(6, ?5\)|connection rejected", re.I)
_REFUSED = re.compile(r"connection refused|errno 111", re.I)
_BFD = re.compile(r"bfd", re.I)
_DRIVER = re.compile(r"^(exabgp|bird) refuses it:")
_AFTER_TCP = (
    SessionState.OPEN_SENT,
    SessionState.OPEN_CONFIRM,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A session that is down.

    ``source``: the address that the amphora speaks from. ``ttl_drops``: the
    amphora's kernel dropped so many segments for their TTL; None: not known.
    ``is_up_elsewhere``: other amphorae have a session with this peer.
    """

    speaker: Speaker
    peer: Peer
    session: SessionReport
    source: str
    ttl_drops: int | None = None
    is_up_elsewhere: bool = False

    @property
    def error(self) -> str:
        """The daemon's last words."""
        return self.session.error


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A cause; the first one that fits is told."""

    fits: Callable[[Ended], bool]
    sentence: Callable[[Ended], str]
    steps: Callable[[Ended], Iterator[Step]]


def cause_of(ended: Ended) -> Cause:
    """Say why a session is down; the last cause fits always."""
    return next(cause for cause in CAUSES if cause.fits(ended))


def _says(pattern: re.Pattern[str]) -> Callable[[Ended], bool]:
    return lambda ended: bool(pattern.search(ended.error))


def _set_peer(ended: Ended, option: str) -> Step:
    return in_cloud(
        f"openstack loadbalancer bgp peer set {ended.peer.id} {option} --wait"
    )


def _neighbour(ended: Ended) -> Step:
    """See the router's own last words."""
    return vtysh(ended.peer, f"show bgp neighbors {ended.source}")


# -- the AS numbers do not fit ---------------------------------------------


def _bad_as_sentence(ended: Ended) -> str:
    peer, speaker = ended.peer, ended.speaker
    if _RECEIVED.search(ended.error):
        return (
            f"the router refuses our AS: it expects another one than "
            f"{speaker.local_as} from {ended.source}"
        )
    return (
        f"the router is not in AS {peer.remote_as}, which the BGP peer's "
        "remote_as says"
    )


def _bad_as_steps(ended: Ended) -> Iterator[Step]:
    if _RECEIVED.search(ended.error):
        yield vtysh(ended.peer, "show running-config bgpd")
        yield configure(
            ended.peer, f"neighbor GROUP remote-as {ended.speaker.local_as}"
        )
        return
    yield vtysh(ended.peer, "show bgp summary")
    yield _set_peer(ended, "--remote-as AS-OF-THE-ROUTER")


# -- the hold time is refused ----------------------------------------------


def _hold_sentence(ended: Ended) -> str:
    who = "the router refuses" if _RECEIVED.search(ended.error) else "refused:"
    return (
        f"{who} the hold time: the BGP peer's is {ended.peer.hold_time} s, "
        "and the router asks for more than that, or has less than 3"
    )


def _hold_steps(ended: Ended) -> Iterator[Step]:
    hold = ended.peer.hold_time
    yield vtysh(ended.peer, "show running-config bgpd")
    yield configure(
        ended.peer,
        "no bgp minimum-holdtime",
        f"neighbor GROUP timers {max(1, hold // 3)} {hold}",
    )
    yield _set_peer(ended, "--hold-time SECONDS-THAT-THE-ROUTER-TAKES")


# -- TTL security ----------------------------------------------------------


def _is_ttl(ended: Ended) -> bool:
    if ended.ttl_drops:
        return True
    is_open = ended.session.state in _AFTER_TCP or _EXPIRED.search(ended.error)
    return bool(is_open) and not ended.is_up_elsewhere


def _ttl_sentence(ended: Ended) -> str:
    hops = ended.peer.ttl_hops
    ours = (
        "the BGP peer has no ttl_hops"
        if hops is None
        else f"the BGP peer has ttl_hops {hops}"
    )
    seen = (
        f"the amphora dropped {ended.ttl_drops} segments of the last minute "
        "for their TTL"
        if ended.ttl_drops
        else "TCP comes up, and what is sent then does not arrive"
    )
    return f"TTL security (RFC 5082) does not fit: {ours}; {seen}"


def _ttl_steps(ended: Ended) -> Iterator[Step]:
    hops = ended.peer.ttl_hops
    command = f"neighbor GROUP ttl-security hops {hops or 1}"
    yield vtysh(ended.peer, "show running-config bgpd")
    yield configure(ended.peer, command if hops else f"no {command}")
    yield _set_peer(ended, "--ttl-hops HOPS-OF-THE-ROUTER")


# -- what the router does not want -----------------------------------------


def _prefixes_steps(ended: Ended) -> Iterator[Step]:
    yield _neighbour(ended)
    yield configure(
        ended.peer,
        f"address-family ipv{ended.peer.peer_ip.version} unicast",
        "neighbor GROUP maximum-prefix 1000",
    )
    yield vtysh(ended.peer, f"clear bgp {ended.source}")


def _shutdown_steps(ended: Ended) -> Iterator[Step]:
    yield _neighbour(ended)
    yield configure(ended.peer, "no neighbor GROUP shutdown")


def _range_steps(ended: Ended) -> Iterator[Step]:
    prefix = f"{ended.source}/{ended.peer.peer_ip.max_prefixlen}"
    yield vtysh(ended.peer, "show running-config bgpd")
    yield configure(ended.peer, f"bgp listen range {prefix} peer-group GROUP")


def _listen_steps(ended: Ended) -> Iterator[Step]:
    port = ended.peer.peer_port
    yield on_router(ended.peer, f"ss -tln sport = :{port}")
    yield _set_peer(ended, "--peer-port PORT-OF-THE-ROUTER")


def _bfd_steps(ended: Ended) -> Iterator[Step]:
    yield vtysh(ended.peer, "show bfd peers")
    yield vtysh(ended.peer, "show bfd peers counters")


def _driver_steps(ended: Ended) -> Iterator[Step]:
    yield in_cloud(f"openstack loadbalancer bgp peer show {ended.peer.id}")


def _expired_steps(ended: Ended) -> Iterator[Step]:
    yield _neighbour(ended)
    yield on_router(ended.peer, f"ping -c 3 -s 1400 -M do {ended.source}")


# -- no answer to TCP ------------------------------------------------------


def _silence_sentence(ended: Ended) -> str:
    peer = ended.peer
    where = f"{peer.peer_ip} port {peer.peer_port}"
    if peer.password is None and peer.auth_type is None:
        most = (
            "the router may ask for an MD5 password, which the BGP peer does "
            "not have"
        )
    else:
        most = "most often the MD5 password is another one on the router"
    others = (
        ""
        if ended.is_up_elsewhere
        else ", the router is down, or its TTL security does not fit"
    )
    return (
        f"TCP to {where} gets no answer: {most}; or TCP {peer.peer_port} is "
        f"filtered on the way{others}"
    )


def _silence_steps(ended: Ended) -> Iterator[Step]:
    peer = ended.peer
    yield on_router(
        peer,
        "nstat -az TcpExtTCPMD5Failure TcpExtTCPMD5NotFound "
        "TcpExtTCPMD5Unexpected",
    )
    yield on_router(peer, f"ss -tlni sport = :{peer.peer_port}")
    yield configure(ended.peer, "neighbor GROUP password PASSWORD")
    yield _set_peer(ended, "--password-prompt")
    yield on_router(
        peer,
        f"tcpdump -ni any host {ended.source} and tcp port {peer.peer_port}",
    )


CAUSES: tuple[Cause, ...] = (
    Cause(
        fits=_says(_DRIVER),
        sentence=lambda e: "the amphora's BGP daemon refuses this peer",
        steps=_driver_steps,
    ),
    Cause(fits=_says(_BAD_AS), sentence=_bad_as_sentence, steps=_bad_as_steps),
    Cause(fits=_says(_HOLD_TIME), sentence=_hold_sentence, steps=_hold_steps),
    Cause(
        fits=_says(_PREFIXES),
        sentence=lambda e: "the router's limit of prefixes is exceeded",
        steps=_prefixes_steps,
    ),
    Cause(
        fits=_says(_SHUTDOWN),
        sentence=lambda e: "the session is shut down on the router",
        steps=_shutdown_steps,
    ),
    Cause(
        fits=_says(_REJECTED),
        sentence=lambda e: (
            f"the router rejects connections of {e.source}: no listen range "
            "has this address, or the limit of dynamic neighbours is reached"
        ),
        steps=_range_steps,
    ),
    Cause(
        fits=_says(_REFUSED),
        sentence=lambda e: (
            f"nothing listens on {e.peer.peer_ip} port {e.peer.peer_port}: "
            "the router's bgpd does not run, or has another port"
        ),
        steps=_listen_steps,
    ),
    Cause(fits=_is_ttl, sentence=_ttl_sentence, steps=_ttl_steps),
    Cause(
        fits=_says(_BFD),
        sentence=lambda e: "BFD took the session down: its packets get lost",
        steps=_bfd_steps,
    ),
    Cause(
        fits=lambda e: (
            e.session.state in _AFTER_TCP or bool(_EXPIRED.search(e.error))
        ),
        sentence=lambda e: (
            "TCP comes up and the hold time runs out: large packets may get "
            "lost on the way, or the router is overloaded"
        ),
        steps=_expired_steps,
    ),
    Cause(
        fits=lambda e: True, sentence=_silence_sentence, steps=_silence_steps
    ),
)
