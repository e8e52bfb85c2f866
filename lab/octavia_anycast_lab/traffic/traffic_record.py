# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What load generators record, and what follows from it; pure.

One JSON object a line: times are seconds since the epoch, durations
milliseconds.
"""

import collections
import collections.abc
import dataclasses
import enum
import json
import typing


class Outcome(enum.StrEnum):
    """How one request ended."""

    OK = "ok"
    REFUSED = "refused"
    RESET = "reset"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    BAD_STATUS = "bad-status"
    INCOMPLETE = "incomplete"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One request: ``member`` is who answered (header X-Member).

    ``lost_syns``: how often its connection's SYN was lost, also if it was
    given up in the end; ``lost_packets``: that, and lost packets that the
    client sent later. They are counted, as a slow machine makes a request late
    and loses nothing. ``port`` is the client's, where a connection is held;
    None if the request got none.
    """

    start: float
    duration_ms: float
    outcome: Outcome
    status: int | None = None
    member: str | None = None
    flow: int | None = None
    lost_syns: int = 0
    lost_packets: int = 0
    port: int | None = None

    @property
    def is_bad(self) -> bool:
        """True if it failed or a packet of the client was lost."""
        return self.outcome is not Outcome.OK or self.lost_packets > 0

    def to_json(self) -> str:
        """One line, without its end."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "Record":
        """:raises ValueError: not a record."""
        fields: dict[str, typing.Any] = json.loads(line)
        fields["outcome"] = Outcome(fields["outcome"])
        return cls(**fields)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When requests were bad: from the first's start to the last's start."""

    total: int
    bad: int
    first_start: float | None
    last_start: float | None

    @property
    def seconds(self) -> float:
        """Length; 0.0 for none or one bad request: read ``bad`` too."""
        if self.first_start is None or self.last_start is None:
            return 0.0
        return self.last_start - self.first_start


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A set of requests: member -> count, outcome -> count."""

    total: int
    members: collections.abc.Mapping[str, int]
    outcomes: collections.abc.Mapping[str, int]

    @property
    def ok(self) -> int:
        """How many were answered as expected."""
        return self.outcomes.get(Outcome.OK, 0)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FlowSummary:
    """Long-lived connections: how many, and which broke."""

    flows: int
    broken: frozenset[int]
    requests: int


def parse(text: str) -> tuple[Record, ...]:
    """Records of a file, by start; a last line torn by a kill is left out."""
    complete = text[: text.rfind("\n") + 1]
    found = [Record.from_json(line) for line in complete.splitlines()]
    return tuple(sorted(found, key=lambda record: record.start))


def window(records: collections.abc.Iterable[Record]) -> Window:
    """The window of requests that failed or lost a packet."""
    everything = tuple(records)
    starts = [record.start for record in everything if record.is_bad]
    return Window(
        total=len(everything),
        bad=len(starts),
        first_start=min(starts, default=None),
        last_start=max(starts, default=None),
    )


def summarize(records: collections.abc.Iterable[Record]) -> Summary:
    """Counts by member and by outcome."""
    everything = tuple(records)
    return Summary(
        total=len(everything),
        members=dict(
            collections.Counter(r.member for r in everything if r.member)
        ),
        outcomes=dict(collections.Counter(r.outcome for r in everything)),
    )


def summarize_flows(
    records: collections.abc.Iterable[Record],
) -> FlowSummary:
    """Which long-lived connections broke: one failed request is enough.

    A flow that could not even be opened counts as broken.
    """
    everything = tuple(r for r in records if r.flow is not None)
    return FlowSummary(
        flows=len({record.flow for record in everything}),
        broken=frozenset(
            record.flow
            for record in everything
            if record.flow is not None and record.outcome is not Outcome.OK
        ),
        requests=len(everything),
    )
