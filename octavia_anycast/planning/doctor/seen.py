# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the doctor saw, and what it says of it.

Layer: planning. Pure. Whoever asks the database, the agents and the cloud
fills :class:`Seen`; what he could not ask is None there, and a check says
then that it does not know. That is no fault.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from octavia_anycast.model.bgp import Peer, Speaker
from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.wire import MachineReport, Report, SessionReport


class Severity(StrEnum):
    """How bad it is."""

    OK = "ok"
    UNKNOWN = "unknown"  # it could not be found out
    WARNING = "warning"  # it serves, and may not go on to
    ERROR = "error"  # traffic is lost, or would be


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a statement is about; None: it is not about one."""

    distributor_id: str | None = None
    load_balancer_id: str | None = None
    amphora_id: str | None = None
    peer_id: str | None = None


NOTHING = Subject()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something to do: where, and the command or the sentence."""

    place: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a check says of one thing that it looked at.

    ``summary``: what is wrong, or why it is not known, in a sentence.
    """

    severity: Severity
    subject: Subject
    summary: str = ""
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenAmphora:
    """An amphora as recorded, and what its agent said last.

    ``beat_at``: its last heartbeat; None: there was none. ``report`` None:
    there is none, or none that can be read. ``answered_at``: when the agent
    made the report, and counted what is counted in it (None: at
    ``reported_at``); ``reported_at``: when it last said, maybe in a heartbeat,
    that the rest of it is still so.
    ``error``: why its agent does not answer now, of one that was asked.
    """

    record: AmphoraRecord
    distributor_id: str
    beat_at: datetime | None = None
    reported_at: datetime | None = None
    answered_at: datetime | None = None
    report: Report | None = None
    error: str = ""

    @property
    def id(self) -> str:
        """The amphora's id."""
        return self.record.id

    @property
    def subject(self) -> Subject:
        """What is said of it is about this."""
        return Subject(
            distributor_id=self.distributor_id,
            load_balancer_id=self.record.load_balancer_id,
            amphora_id=self.id,
        )

    @property
    def name(self) -> str:
        """What a sentence calls it."""
        zone = self.record.availability_zone
        return f"amphora {self.id}" + (f" in zone {zone}" if zone else "")

    @property
    def made_at(self) -> datetime | None:
        """When its agent made the report; None: there is none."""
        return self.answered_at or self.reported_at

    def age_when_told(self, since: datetime | None) -> float:
        """How old was what it told when it did; infinite: it never was."""
        if since is None or self.made_at is None:
            return float("inf")
        return (self.made_at - since).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Opening:
    """Packets that a security group lets in; ``protocol`` as tcp, udp, sctp.

    ``is_among_members``: from ports that have the same group, and not from
    everywhere. ``why``: what needs it.
    """

    protocol: str
    port: int
    ip_version: int
    is_among_members: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenGroup:
    """The security group of a load balancer's front ends.

    ``missing``: what it is to let in and does not. ``id`` None: there is no
    such group.
    """

    load_balancer_id: str
    distributor_id: str
    name: str
    id: str | None
    missing: tuple[Opening, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From when on something is wrong; seconds.

    :param report_stale_after: an older report says nothing any more
    :param silent_after: as long without a heartbeat is too long
    :param settled_after: an amphora that was configured so long ago has its
        sessions
    :param certificate_left: a certificate that ends sooner should have been
        replaced
    :param skew_max: clocks may differ by that; a look takes a while, too
    :param heartbeat_port: UDP
    """

    report_stale_after: float = 57.0
    silent_after: float = 7.5
    settled_after: float = 60.0
    certificate_left: float = 1_123_200.0
    skew_max: float = 30.0
    heartbeat_port: int = 5556


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All that was seen at one time.

    ``has_default``: whether some distributor is the default one. ``groups``
    None: the network service was not asked, for ``why_no_groups``.
    """

    now: datetime
    distributors: tuple[Distributor, ...]
    amphorae: tuple[SeenAmphora, ...] = ()
    has_default: bool | None = None
    groups: tuple[SeenGroup, ...] | None = None
    why_no_groups: str = ""
    limits: Limits = Limits()

    def age(self, since: datetime | None) -> float:
        """Seconds since then; infinite: it never was."""
        if since is None:
            return float("inf")
        return (self.now - since).total_seconds()

    def in_use(self) -> Iterator[SeenAmphora]:
        """The amphorae that are to serve: up, configured, not on their way."""
        for amphora in self.amphorae:
            record = amphora.record
            if (
                record.status is AmphoraStatus.ALLOCATED
                and record.leaving_since is None
                and (record.was_configured or record.distributor_id)
            ):
                yield amphora

    def settled(self) -> Iterator[SeenAmphora]:
        """Those of them that have had the time to get their sessions."""
        for amphora in self.in_use():
            record = amphora.record
            began = max(
                record.status_since,
                record.speakers_changed_at or record.status_since,
            )
            if self.age(began) >= self.limits.settled_after:
                yield amphora

    def said(self, amphora: SeenAmphora) -> Report | None:
        """Its report, if it is not too old."""
        if self.age(amphora.reported_at) > self.limits.report_stale_after:
            return None
        return amphora.report

    def machine(self, amphora: SeenAmphora) -> MachineReport | None:
        """What its agent says of the machine; an older agent does not."""
        report = self.said(amphora)
        return report.machine if report is not None else None

    def peerings(
        self,
    ) -> Iterator[tuple[SeenAmphora, Speaker, Peer, SessionReport | None]]:
        """Each session that there is to be, with what its agent says of it.

        Only of amphorae that have the peers that the distributor has now, as
        far as they say.
        """
        by_id = {one.id: one for one in self.distributors}
        for amphora in self.settled():
            distributor = by_id.get(amphora.distributor_id)
            report = self.said(amphora)
            if distributor is None or report is None:
                continue
            sessions = {one.peer_id: one for one in report.sessions}
            record = amphora.record
            for speaker in distributor.speakers:
                for peer in speaker.peers:
                    if peer.selects(
                        record.availability_zone, record.compute_host
                    ):
                        yield amphora, speaker, peer, sessions.get(peer.id)


def ok(subject: Subject) -> Statement:
    """There is nothing wrong with it."""
    return Statement(severity=Severity.OK, subject=subject)


def unknown(subject: Subject, why: str) -> Statement:
    """It could not be found out."""
    return Statement(severity=Severity.UNKNOWN, subject=subject, summary=why)


def wrong(
    subject: Subject,
    summary: str,
    steps: Iterable[Step],
    severity: Severity = Severity.ERROR,
) -> Statement:
    """Something is wrong with it."""
    return Statement(
        severity=severity,
        subject=subject,
        summary=summary,
        steps=tuple(steps),
    )


def short(seconds: float) -> str:
    """A length of time for a sentence."""
    for unit, length in (("days", 86_400), ("hours", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
