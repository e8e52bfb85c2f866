# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Events of one look: where it differs from what the last look told.

What was told is kept in the rows of amphorae and clusters, and written in the
transaction that writes the events. So any controller goes on where another
one stopped, and nothing is told twice.

A subject that changes again and again makes at most ``CHANGES_MAX`` events in
``WINDOW_SECONDS``. The changes after these are counted, and the first look
after the window tells how many there were.

Layer: planning. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from octavia_anycast.model.bgp import IPAddress, Peer, SessionState
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ClusterRecord,
    DrainState,
    drain_of,
)
from octavia_anycast.model.monitoring.event import (
    CAUSE_LENGTH,
    Event,
    EventKind,
    Mark,
    Owner,
    Told,
)
from octavia_anycast.model.wire import (
    GateReport,
    GateState,
    ProbeVerdict,
    Report,
    SessionReport,
)
from octavia_anycast.planning.amphora.assessment import (
    Assessment,
    Group,
    is_announcing,
    is_announcing_any,
)

WINDOW_SECONDS = 600.0
CHANGES_MAX = 6
SESSION = "session:"
PHASE = "phase"
UP, DOWN, REFUSED = "up", "down", "refused"
OPEN, CLOSED = "open", "closed"
DELETED = "deleted"
CREATION = "creation"
_CREATIONS = {"PENDING_CREATE": "wanted", "ACTIVE": "done"}
# The other states say nothing: a gate that begins anew goes through them.
_GATES = {
    GateState.UP: OPEN,
    GateState.FALLING: OPEN,
    GateState.DISABLED: OPEN,
    GateState.DOWN: CLOSED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """The state in which one subject is seen now; empty: not known.

    ``kind``: of the event that tells so; None: it is remembered and not told.
    ``is_usual``: an amphora begins in this state, so it is told only of one
    that was in another. ``quiet_after``: the state from which it is not told.
    """

    subject: str
    state: str
    kind: EventKind | None
    cause: str = ""
    is_usual: bool = False
    quiet_after: str = ""
    peer_id: str | None = None
    peer_ip: IPAddress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What is to be written: events, and what is told now.

    ``told``: amphora_id -> subject -> mark, of those where it changed;
    ``owner_told``: the same of the load balancer; None: it did not change.
    """

    events: tuple[Event, ...] = ()
    told: dict[str, dict[str, Mark]] = field(default_factory=dict)
    owner_told: dict[str, Mark] | None = None

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.events or self.told or self.owner_told is not None)


def news_of(
    owner: Owner,
    group: Group,
    cluster: ClusterRecord | None = None,
    *,
    status: str = "",
    reason: str = "",
) -> News:
    """Say what happened since the last look.

    :param cluster: the row as it was read; None: a distributor's own
    :param status: the operating status of now, and its reason
    """
    events: list[Event] = []
    told: dict[str, dict[str, Mark]] = {}
    owner_told = None
    if cluster is not None:
        found = _Teller(
            Event(kind=EventKind.STATUS, at=group.now, owner=owner)
        )
        owner_told = found.tell(
            cluster.told, of_cluster(cluster, status, reason)
        )
        events += found.events
    for member in group.members:
        record = member.amphora.record
        found = _Teller(_about(record, owner, group.now))
        changed = found.tell(
            record.told,
            of_amphora(group, member),
            is_known=record.was_configured,
            held=_sessions_held(member.amphora.report),
        )
        events += found.events
        if changed is not None:
            told[record.id] = changed
    return News(events=in_order(events), told=told, owner_told=owner_told)


def deletion_of(
    owner: Owner, record: AmphoraRecord, reason: str, now: datetime
) -> Event:
    """The event of an amphora that is deleted."""
    before = (record.told or {}).get(PHASE)
    return replace(
        _about(record, owner, now),
        from_state=before.state if before else "",
        to_state=DELETED,
        cause=_stored(reason),
    )


def in_order(events: list[Event]) -> tuple[Event, ...]:
    """Give each its own microsecond, so that the order is kept."""
    return tuple(
        replace(event, at=event.at + timedelta(microseconds=index))
        for index, event in enumerate(events)
    )


def _about(record: AmphoraRecord, owner: Owner, now: datetime) -> Event:
    return Event(
        kind=EventKind.AMPHORA_PHASE,
        at=now,
        owner=owner,
        amphora_id=record.id,
        availability_zone=record.availability_zone,
    )


class _Teller:
    """Compares what is seen of one amphora or cluster with what was told.

    :param about: an event that has what all of them have
    """

    def __init__(self, about: Event) -> None:
        self._about = about
        self.events: list[Event] = []

    def tell(
        self,
        before: Told,
        sights: tuple[Sight, ...],
        *,
        is_known: bool = False,
        held: frozenset[str] | None = None,
    ) -> dict[str, Mark] | None:
        """Add the events; return what is told now, or None: as before.

        :param is_known: it is older than the telling: of what was never told
            nothing is news
        :param held: the subjects of all sessions that it has; None: not known
        """
        is_first = before is None and is_known
        marks = dict(before or {})
        for sight in sights:
            mark = marks.get(sight.subject)
            if not sight.state:
                continue
            if mark is None:
                marks[sight.subject] = Mark(sight.state)
                if not (is_first or sight.is_usual):
                    self._add(sight, "")
            elif _is_same(mark.state, sight.state):
                marks[sight.subject] = self._settled(mark, sight)
            else:
                marks[sight.subject] = self._changed(mark, sight)
        if held is not None:
            for subject in self._gone(marks, held):
                del marks[subject]
        return None if marks == before else marks

    def _changed(self, mark: Mark, sight: Sight) -> Mark:
        if sight.kind is None or mark.state == sight.quiet_after:
            return mark._replace(state=sight.state)
        if self._is_over(mark):
            self._add(sight, mark.state, mark.missed)
            return Mark(sight.state, self._about.at.timestamp(), 1)
        if mark.told >= CHANGES_MAX:
            return mark._replace(state=sight.state, missed=mark.missed + 1)
        self._add(sight, mark.state)
        return mark._replace(state=sight.state, told=mark.told + 1)

    def _settled(self, mark: Mark, sight: Sight) -> Mark:
        """Tell of the changes that were not told, once the window is over."""
        if not mark.missed or not self._is_over(mark):
            return mark
        self._add(sight, "", mark.missed - 1)
        return Mark(mark.state)

    def _is_over(self, mark: Mark) -> bool:
        return self._about.at.timestamp() - mark.since >= WINDOW_SECONDS

    def _gone(self, marks: dict[str, Mark], held: frozenset[str]) -> list[str]:
        """The sessions of peers that it does not have any more."""
        gone = [s for s in marks if s.startswith(SESSION) and s not in held]
        for subject in gone:
            if marks[subject].state == UP:
                peer_id = subject.removeprefix(SESSION)
                self._add(
                    Sight(
                        subject=subject,
                        state=DOWN,
                        kind=EventKind.SESSION_DOWN,
                        cause="this is no peer of the amphora any more",
                        peer_id=peer_id,
                    ),
                    UP,
                )
        return gone

    def _add(self, sight: Sight, before: str, missed: int = 0) -> None:
        if sight.kind is None:
            return
        cause = sight.cause
        if missed:
            cause = f"{missed} changes before this one were not told; {cause}"
        self.events.append(
            replace(
                self._about,
                kind=sight.kind,
                from_state=_shown(before),
                to_state=_shown(sight.state),
                cause=_stored(cause.rstrip("; ")),
                peer_id=sight.peer_id,
                peer_ip=sight.peer_ip,
                change_count=1 + missed,
            )
        )


def _stored(text: str) -> str:
    """A cause as the database takes it, whatever an agent said."""
    return text.encode("utf-8", "replace").decode()[:CAUSE_LENGTH]


def _is_same(before: str, now: str) -> bool:
    """Whether nothing changed; a daemon may forget why a session is down."""
    return before == now or (before, now) == (REFUSED, DOWN)


def _shown(state: str) -> str:
    return DOWN if state == REFUSED else state


def _sessions_held(report: Report | None) -> frozenset[str] | None:
    """The subjects of its sessions; None: not known.

    An agent that began anew reports none until its BGP daemon answers, and
    the daemon has them all the while.
    """
    if report is None or not report.are_speakers_loaded:
        return None
    return frozenset(f"{SESSION}{s.peer_id}" for s in report.sessions)


def of_amphora(group: Group, member: Assessment) -> tuple[Sight, ...]:
    """What there is to tell of an amphora."""
    record, report = member.amphora.record, member.amphora.report
    sights = [
        _phase(member),
        _spare(record),
        _drain(group, record, report),
        Sight(
            subject="failover",
            state="wanted" if record.failover_wanted else "none",
            kind=EventKind.FAILOVER if record.failover_wanted else None,
            cause="this amphora is to be replaced",
            is_usual=not record.failover_wanted,
        ),
    ]
    if report is not None:
        sights += [_gate(report.gate), _announced(group, member, report)]
        sights += _sessions(group, report)
    return tuple(sights)


def _phase(member: Assessment) -> Sight:
    """The phase; of one whose deletion is tried again it stays."""
    record = member.amphora.record
    is_told = record.status is AmphoraStatus.PENDING_DELETE and PHASE in (
        record.told or {}
    )
    return Sight(
        subject=PHASE,
        state="" if is_told else member.phase.value,
        kind=EventKind.AMPHORA_PHASE,
        cause=member.reason or record.reason or _booting(record),
    )


def _booting(record: AmphoraRecord) -> str:
    return "it replaces another amphora" if record.is_replacing else ""


def _spare(record: AmphoraRecord) -> Sight:
    is_spare = record.spare_since is not None
    return Sight(
        subject="spare",
        state="spare" if is_spare else "serving",
        kind=EventKind.SPARE_READY if is_spare else EventKind.SPARE_TAKEN,
        cause="it stands by" if is_spare else "it serves",
        is_usual=not is_spare,
    )


_DRAIN_KINDS = {
    DrainState.DRAINING: EventKind.DRAIN_BEGIN,
    DrainState.DRAINED: EventKind.DRAIN_END,
    DrainState.NONE: EventKind.DRAIN_END,
}


def _drain(
    group: Group, record: AmphoraRecord, report: Report | None
) -> Sight:
    drain = drain_of(record, group.desired.policy.drain_timeout)
    state = drain.state if drain else DrainState.NONE
    is_leaving = record.leaving_since is not None
    cause = record.reason if is_leaving else "its drain was asked for"
    if state is DrainState.NONE:
        cause = "it is in service again"
    elif report is not None:
        left = sum(report.connections.values())
        cause = f"{cause}; {left} connections are open"
    return Sight(
        subject="drain",
        state=state.value,
        kind=_DRAIN_KINDS.get(state),
        cause=cause,
        is_usual=state is DrainState.NONE,
        # What did not begin does not end.
        quiet_after=DrainState.PENDING if state is DrainState.NONE else "",
    )


def _gate(gate: GateReport) -> Sight:
    state = _GATES.get(gate.state, "")
    is_open = state == OPEN
    return Sight(
        subject="gate",
        state=state,
        kind=EventKind.GATE_OPEN if is_open else EventKind.GATE_CLOSED,
        cause="; ".join(_evidence(gate)),
        is_usual=not is_open,
    )


def _evidence(gate: GateReport) -> Iterator[str]:
    """The reason of a gate, and the probes that are not in it."""
    if gate.reason:
        yield gate.reason
    for found in gate.evidence:
        if found.verdict is ProbeVerdict.BAD and (
            not found.value or found.value not in gate.reason
        ):
            yield f"{found.probe}: {found.value}"


def _announced(group: Group, member: Assessment, report: Report) -> Sight:
    """Its paths; none is not known until its BGP daemon answers."""
    desired, amphora = group.desired, member.amphora
    is_seen = is_announcing if desired.vips else is_announcing_any
    is_there = is_seen(desired, amphora)
    state = "announced" if is_there else "withdrawn"
    return Sight(
        subject="paths",
        state=state if is_there or report.are_speakers_loaded else "",
        kind=EventKind.AMPHORA_ANNOUNCED
        if is_there
        else EventKind.AMPHORA_WITHDRAWN,
        cause="" if is_there else _why_not(report),
        is_usual=not is_there,
    )


def _why_not(report: Report) -> str:
    """The reasons that its paths have, each once."""
    reasons = dict.fromkeys(p.reason for p in report.paths if p.reason)
    return "; ".join(reasons)


def _sessions(group: Group, report: Report) -> Iterator[Sight]:
    """Its sessions with peers that there are; an agent may name any."""
    peers = {
        peer.id: peer
        for speaker in group.desired.distributor.speakers
        for peer in speaker.peers
    }
    for session in report.sessions:
        if session.peer_id in peers:
            yield _session(session, peers[session.peer_id])


def _session(session: SessionReport, peer: Peer) -> Sight:
    """A session; one that is down is told if it was up or says why."""
    is_up = session.state is SessionState.ESTABLISHED
    state = UP if is_up else REFUSED if session.error else DOWN
    if session.state is SessionState.UNKNOWN:
        state = ""
    return Sight(
        subject=f"{SESSION}{session.peer_id}",
        state=state,
        kind=EventKind.SESSION_UP if is_up else EventKind.SESSION_DOWN,
        cause=session.error
        or ("" if is_up else f"the session is {session.state}"),
        is_usual=state == DOWN,
        peer_id=peer.id,
        peer_ip=peer.peer_ip,
    )


def was_never_active(cluster: ClusterRecord) -> bool:
    """Whether its creation was seen, and no end of it."""
    mark = (cluster.told or {}).get(CREATION)
    return mark is not None and mark.state == "wanted"


def of_cluster(
    cluster: ClusterRecord, status: str, reason: str
) -> tuple[Sight, ...]:
    """What there is to tell of a load balancer."""
    request = f" by request {cluster.request_id}" if cluster.request_id else ""
    return (
        Sight(
            subject="size",
            state=str(cluster.size.desired),
            kind=EventKind.SCALE,
            cause=cluster.scaling_reason or f"its size was changed{request}",
            is_usual=True,
        ),
        Sight(
            subject="failover",
            state=str(cluster.failover_generation),
            kind=EventKind.FAILOVER,
            cause=f"the failover of all its amphorae was asked for{request}",
            is_usual=True,
        ),
        Sight(
            subject="status",
            state=status,
            kind=EventKind.STATUS,
            cause=reason,
            is_usual=True,
        ),
        Sight(
            subject=CREATION,
            state=_CREATIONS.get(cluster.provisioning_status, ""),
            kind=None,
            is_usual=True,
        ),
    )
