# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What a stream of new connections lost: counted, not timed.

A lost packet shows as a SYN that nobody answered, so that the client's kernel
sent it again; the connection may still come about, by another amphora, so a
failed request alone would not show it. Each connection of the stream says it
of itself (TCP_INFO). The counter of the namespace is not used: it counts the
connections of other programs, too.
"""

import collections
import contextlib
import dataclasses
import types
from collections.abc import Iterator, Mapping, Sequence

from cluster_bench import Balancer, Bench
from octavia_anycast_lab.host import process
from octavia_anycast_lab.traffic import clients, http_probe, traffic_record

RATE = 30.0
# Longer than a round of chaos that takes all of its time to converge.
_LONGEST_SECONDS = 600.0
_ROUTE_CHANGE = frozenset(
    (traffic_record.Outcome.UNREACHABLE, traffic_record.Outcome.RESET)
)
_LATE_MS = 200
_RESETS_OF_A_CHANGE = 2


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """``failed``: outcome -> requests; ``vanished``: lost SYNs.

    ``late``: the requests that took more than 0.2 s, as (seconds after the
    first one, milliseconds): with a failed test it shows which packet it was.
    """

    total: int
    failed: Mapping[traffic_record.Outcome, int]
    vanished: int
    late: tuple[tuple[float, int], ...] = ()

    @classmethod
    def of(cls, records: Sequence[traffic_record.Record]) -> "Losses":
        """Count what these requests lost, by start."""
        outcomes = collections.Counter(r.outcome for r in records)
        del outcomes[traffic_record.Outcome.OK]
        return cls(
            total=len(records),
            failed=types.MappingProxyType(outcomes),
            vanished=sum(r.lost_syns for r in records),
            late=tuple(
                (round(r.start - records[0].start, 2), int(r.duration_ms))
                for r in records
                if r.duration_ms > _LATE_MS
            ),
        )

    @property
    def is_nothing(self) -> bool:
        """True if every packet and request came through."""
        return not self.failed and not self.vanished

    @property
    def is_planned_change_only(self) -> bool:
        """True if every packet came through, and next to every request.

        Plain ECMP hashes anew when the set of next hops changes: a connection
        that is open in that instant reaches another amphora, which resets it.
        At 30 connections a second, each open for milliseconds, a change of
        next hops meets one now and then.
        """
        return (
            not self.vanished
            and self.failed.keys() <= {traffic_record.Outcome.RESET}
            and sum(self.failed.values()) <= _RESETS_OF_A_CHANGE
        )

    @property
    def is_change_of_routes_only(self) -> bool:
        """True if nothing vanished, and little failed, as routes move.

        A leaf that loses its only path, without a warning, answers with
        "unreachable" until the spines know; a connection that another
        amphora gets in the middle is reset.
        """
        return self.is_brief and self.failed.keys() <= _ROUTE_CHANGE

    @property
    def is_brief(self) -> bool:
        """True if nothing vanished, and what failed was soon over."""
        return not self.vanished and sum(self.failed.values()) <= RATE / 2

    @property
    def is_refused_at_most(self) -> bool:
        """As when routes move, and a dead HAProxy's kernel refuses."""
        allowed = {*_ROUTE_CHANGE, traffic_record.Outcome.REFUSED}
        return self.is_brief and self.failed.keys() <= allowed


class Stream:
    """A stream of new connections to the IPv4 VIP."""

    def __init__(self, generator: clients.Generator) -> None:
        self._generator = generator

    def records(self) -> Sequence[traffic_record.Record]:
        """Every request until now."""
        return self._generator.records()

    def end(self) -> Losses:
        """Stop it, once half a second's worth has really flowed."""
        process.wait_until(
            lambda: len(self._generator.records()) > RATE / 2,
            30.0,
            "a stream of requests",
        )
        return Losses.of(self._generator.stop())


@contextlib.contextmanager
def stream(
    bench: Bench, balancer: Balancer, longest_seconds: float = _LONGEST_SECONDS
) -> Iterator[Stream]:
    """Traffic for the length of a block."""
    target = http_probe.Target(address=balancer.v4, port=80)
    with clients.streaming(
        bench.lab, bench.registry, target, RATE, longest_seconds
    ) as generator:
        yield Stream(generator)
