# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Heartbeats: what an amphora says of HAProxy, unasked, every few seconds."""

from dataclasses import dataclass, field
from enum import StrEnum

# So many intervals without one: something is wrong with the amphora.
MISSED_HEARTBEATS = 2.5
# What is ours in the document of a heartbeat, and in there the digest and what
# failed, by listener.
OURS, DIGEST, FAILED = "anycast", "report", "failed"


class Refusal(StrEnum):
    """Why a datagram is not taken for a heartbeat, as a phrase."""

    WRONG_KEY = "it is signed with another heartbeat_key, or not at all"
    NOT_A_HEARTBEAT = "it is signed with our key and is no heartbeat"
    UNKNOWN = "it is of an amphora that is not one of ours (any more)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerBeat:
    """One listener on one amphora.

    The counters are what was added since the amphora's last heartbeat;
    ``active_connections`` is the number now. ``failed_requests``: answers
    with 5xx, or connections for which no member was reached; None: its image
    is older, or it is a listener of UDP or SCTP.
    """

    listener_id: str
    status: str
    bytes_in: int = 0
    bytes_out: int = 0
    total_connections: int = 0
    request_errors: int = 0
    failed_requests: int | None = None
    active_connections: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolBeat:
    """One pool on one amphora; ``members``: member_id -> HAProxy's word."""

    pool_id: str
    status: str
    members: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """What one amphora said at one time.

    ``report_digest``: of what its agent's report would say; empty: its image
    is older, or its agent would not answer.
    """

    amphora_id: str
    listeners: tuple[ListenerBeat, ...] = ()
    pools: tuple[PoolBeat, ...] = ()
    report_digest: str = ""

    def health(self) -> tuple[object, ...]:
        """The part that statuses are made of, without the counters."""
        return (
            tuple((x.listener_id, x.status) for x in self.listeners),
            tuple(
                (p.pool_id, p.status, tuple(sorted(p.members.items())))
                for p in self.pools
            ),
        )
