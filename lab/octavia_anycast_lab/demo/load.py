# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""New connections all along, and some that are held open: what they saw.

Each answer is handed out once: what happens next is judged by what ends
after it began.
"""

import collections
import collections.abc
import contextlib
import dataclasses

from octavia_anycast_lab import settings
from octavia_anycast_lab.amphora import hypervisor, machine, sockets
from octavia_anycast_lab.demo import context
from octavia_anycast_lab.demo.screen import Screen
from octavia_anycast_lab.host import process
from octavia_anycast_lab.traffic import clients, http_probe, traffic_record

RATE_PER_SECOND = 100.0
FLOWS = 100
_FLOW_INTERVAL_SECONDS = 0.5
_LONGEST_SECONDS = 600.0
_PORT = 80


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What ended in a stretch of time.

    ``records``: IP version -> new connections. ``held_before`` connections
    were open when it began, and ``broken`` of them broke in it.
    """

    records: collections.abc.Mapping[int, tuple[traffic_record.Record, ...]]
    held_before: int
    broken: int

    @property
    def outcomes(self) -> collections.Counter[traffic_record.Outcome]:
        """How the new connections failed -> how many; all versions."""
        found = collections.Counter(
            record.outcome
            for records in self.records.values()
            for record in records
        )
        del found[traffic_record.Outcome.OK]
        return found

    @property
    def total(self) -> int:
        """How many new connections there were, over all versions."""
        return sum(map(len, self.records.values()))


class Load:
    """Generators which run; see ``flowing``."""

    def __init__(
        self,
        streams: collections.abc.Mapping[int, clients.Generator],
        held: clients.Generator,
    ) -> None:
        self._streams = streams
        self._held = held
        self._known: set[traffic_record.Record] = set()
        self._left = FLOWS

    def take(self) -> Seen:
        """What has ended since it was asked last."""
        return self._seen(
            {v: s.records() for v, s in self._streams.items()},
            self._held.records(),
        )

    def held_by(
        self, machines: hypervisor.Hypervisor, instance: machine.Instance
    ) -> int:
        """How many of those that are held open an amphora has."""
        ports = {r.flow: r.port for r in self._held.records()}
        return sum(
            c.vip_port == _PORT and c.client_port in ports.values()
            for c in sockets.established(machines, instance)
        )

    def stop(self) -> Seen:
        """End the load; what has ended since it was asked last.

        :raises RuntimeError: a stream of new connections had ended before.
        """
        new = {v: s.stop() for v, s in self._streams.items()}
        # It ends by itself once all of its connections are broken.
        process.stop(
            self._held.registry, self._held.label, self._held.grace_seconds
        )
        return self._seen(new, self._held.records())

    def _seen(
        self,
        new: collections.abc.Mapping[int, tuple[traffic_record.Record, ...]],
        held: tuple[traffic_record.Record, ...],
    ) -> Seen:
        before, known = self._left, self._known
        broken = traffic_record.summarize_flows(held).broken
        self._left = FLOWS - len(broken)
        self._known = set().union(*new.values())
        return Seen(
            records={
                version: tuple(r for r in records if r not in known)
                for version, records in new.items()
            },
            held_before=before,
            broken=before - self._left,
        )


@contextlib.contextmanager
def flowing(
    stage: context.Stage, subject: context.Subject
) -> collections.abc.Iterator[Load]:
    """Load for the length of a block, stopped even if that fails."""
    lab, registry = stage.lab, stage.registry
    with contextlib.ExitStack() as stack:
        streams: dict[int, clients.Generator] = {}
        for vip in subject.vips:
            stream = clients.start_stream(
                lab, registry, _target(vip), RATE_PER_SECOND, _LONGEST_SECONDS
            )
            stack.callback(
                process.stop, registry, stream.label, stream.grace_seconds
            )
            streams[vip.version] = stream
        held = clients.start_keepalive(
            lab,
            registry,
            _target(subject.vips[0]),
            FLOWS,
            _LONGEST_SECONDS,
            _FLOW_INTERVAL_SECONDS,
        )
        stack.callback(process.stop, registry, held.label, held.grace_seconds)
        yield Load(streams, held)


def explain(on: Screen) -> None:
    """Say what flows."""
    on.say(
        f"{RATE_PER_SECOND:.0f} new connections/s over IPv4 and as many over "
        f"IPv6, all along; {FLOWS} more are held open"
    )


def show_failed(on: Screen, seen: Seen) -> None:
    """Say how many new connections were not answered as expected."""
    on.say(
        f"of {seen.total} new connections {sum(seen.outcomes.values())} failed"
    )


def show_held(on: Screen, seen: Seen) -> None:
    """Say what became of the connections which are held open."""
    on.say(
        f"of {seen.held_before} connections which were held open "
        f"{seen.broken} broke"
    )


def show(on: Screen, seen: Seen) -> None:
    """What a change cost: the window is from first to last bad request."""
    rows = []
    for version, records in sorted(seen.records.items()):
        window = traffic_record.window(records)
        failed = window.total - traffic_record.summarize(records).ok
        rows.append(
            (
                f"IPv{version}",
                window.total,
                failed,
                window.bad - failed,
                f"{window.seconds:.2f} s",
            )
        )
    on.table(
        ("", "requests", "failed", "lost a packet", "first to last"), rows
    )
    show_held(on, seen)


def _target(vip: settings.Address) -> http_probe.Target:
    return http_probe.Target(address=str(vip), port=_PORT)
