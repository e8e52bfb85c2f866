# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The health gate: a transition table fed with samples.

========  ==================  =================  ========================
state     GOOD                BAD                UNKNOWN
========  ==================  =================  ========================
INIT      RISING              DOWN               stays, then DOWN
RISING    RISING; UP after    DOWN               stays, then DOWN
          rise_count
UP        UP                  FALLING            stays, then DOWN
FALLING   UP                  FALLING; DOWN      stays, then DOWN
                              after fall_count
DOWN      RISING              DOWN               DOWN
DISABLED  RISING              DOWN               stays, then DOWN
========  ==================  =================  ========================

A fatal BAD (HAProxy's process is gone) leads to DOWN from every state at
once. UNKNOWN (the probe itself cannot tell) holds the last verdict for
``unknown_hold_ms`` and then fails; each subject has a time of its own, for
listeners are restarted one after the other. NOTHING_TO_SERVE leads to
DISABLED.
PARTIAL (all that ever was served is served, something new is not) takes no
route away and lets no new one out: INIT stays; a gate that was UP since
HAProxy last died goes on or comes back as with GOOD, because HAProxy pauses
its sockets while it tries a configuration that it cannot load; any other is
DOWN.
UP and FALLING let VIPs be announced: a single bad sample changes no route.

The evidence is what each probe saw, and since when. A figure is kept as it
was when the reason was first given: a report that changed with every sample
would be written to the database each time.

Layer: agent. Pure: no clock, no I/O.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from octavia_anycast.model.wire import (
    GateSettings,
    GateState,
    Probe,
    ProbeReport,
)
from octavia_anycast.model.wire import ProbeVerdict as Verdict

__all__ = ["Gate", "Sample", "Verdict", "initial", "step"]

# From good to bad.
_ORDER = (Verdict.GOOD, Verdict.PARTIAL, Verdict.UNKNOWN, Verdict.BAD)
_PASSING = frozenset({GateState.UP, GateState.FALLING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at the data path; ``reason`` says why it is not GOOD.

    ``measured``: the figure behind it, which may be another at each look.
    ``subject``: of what it is not known, where that is one of several.
    """

    verdict: Verdict
    reason: str = ""
    is_fatal: bool = False
    measured: str = ""
    probe: Probe | None = None
    subject: str = ""


GOOD = Sample(verdict=Verdict.GOOD)


def bad(reason: str, *, measured: str = "", is_fatal: bool = False) -> Sample:
    """Make a sample: what is served is lost."""
    return Sample(
        verdict=Verdict.BAD,
        reason=reason,
        measured=measured,
        is_fatal=is_fatal,
    )


def partial(reason: str) -> Sample:
    """Make a sample: what was served is, something new is not."""
    return Sample(verdict=Verdict.PARTIAL, reason=reason)


def unknown(reason: str, *, subject: str = "") -> Sample:
    """Make a sample: the probe cannot tell."""
    return Sample(verdict=Verdict.UNKNOWN, reason=reason, subject=subject)


def worst(samples: Iterable[Sample]) -> Sample:
    """The sample that decides; GOOD if there is none."""
    return max(
        samples,
        key=lambda sample: (_ORDER.index(sample.verdict), sample.is_fatal),
        default=GOOD,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The gate's state; ``count`` of samples in a row, RISING or FALLING.

    ``unknown_since``: subject -> when it was first unknown, since the last
    sample that was not UNKNOWN.
    """

    state: GateState
    since: datetime
    reason: str
    count: int = 0
    unknown_since: Mapping[str, datetime] = field(default_factory=dict)
    # False until the first verdict: what the speaker announces is left
    # alone, so that a restart of the agent is not a withdrawal.
    has_decided: bool = False
    # UP since HAProxy last died or had nothing to serve.
    has_passed: bool = False

    @property
    def is_passing(self) -> bool:
        """Whether VIPs may be announced."""
        return self.state in _PASSING


def initial(now: datetime) -> Gate:
    """Make a gate before its first sample."""
    return Gate(state=GateState.INIT, since=now, reason="no sample yet")


def step(
    gate: Gate, settings: GateSettings, sample: Sample, now: datetime
) -> Gate:
    """Feed one sample."""
    if sample.verdict is Verdict.UNKNOWN:
        return _hold(gate, settings, sample, now)
    gate = replace(gate, unknown_since={})
    if sample.verdict is Verdict.NOTHING_TO_SERVE:
        gate = replace(gate, has_passed=False)
        return _move(gate, GateState.DISABLED, sample.reason, now)
    if sample.verdict is Verdict.GOOD:
        return _rise(gate, settings, "every probe passes", now)
    if sample.verdict is Verdict.PARTIAL and gate.state is GateState.INIT:
        return replace(gate, reason=sample.reason)
    if sample.verdict is Verdict.PARTIAL and gate.has_passed:
        return _rise(gate, settings, sample.reason, now)
    if sample.is_fatal:
        gate = replace(gate, has_passed=False)
    return _fall(gate, settings, sample, now)


def _rise(
    gate: Gate, settings: GateSettings, verdict: str, now: datetime
) -> Gate:
    if gate.state in _PASSING:
        return _move(gate, GateState.UP, verdict, now)
    count = gate.count + 1 if gate.state is GateState.RISING else 1
    if count >= settings.rise_count:
        return _move(gate, GateState.UP, verdict, now)
    reason = f"{count} of {settings.rise_count} good samples"
    return _move(gate, GateState.RISING, reason, now, count)


def _fall(
    gate: Gate, settings: GateSettings, sample: Sample, now: datetime
) -> Gate:
    if gate.state not in _PASSING or sample.is_fatal:
        return _move(gate, GateState.DOWN, sample.reason, now)
    count = gate.count + 1 if gate.state is GateState.FALLING else 1
    if count >= settings.fall_count:
        return _move(gate, GateState.DOWN, sample.reason, now)
    return _move(gate, GateState.FALLING, sample.reason, now, count)


def _hold(
    gate: Gate, settings: GateSettings, sample: Sample, now: datetime
) -> Gate:
    since = gate.unknown_since.get(sample.subject, now)
    held = timedelta(milliseconds=settings.unknown_hold_ms)
    if gate.state is GateState.DOWN or now - since >= held:
        reason = f"unknown for too long: {sample.reason}"
        gate = _move(gate, GateState.DOWN, reason, now)
    else:
        gate = replace(gate, reason=f"unknown: {sample.reason}")
    known = {**gate.unknown_since, sample.subject: since}
    return replace(gate, unknown_since=known)


def _move(
    gate: Gate, state: GateState, reason: str, now: datetime, count: int = 0
) -> Gate:
    is_verdict = state in (GateState.UP, GateState.DOWN, GateState.DISABLED)
    return replace(
        gate,
        state=state,
        reason=reason,
        count=count,
        since=gate.since if state is gate.state else now,
        has_decided=gate.has_decided or is_verdict,
        has_passed=gate.has_passed or state is GateState.UP,
    )


def noted(
    before: tuple[ProbeReport, ...],
    looks: Mapping[Probe, Sample],
    now: datetime,
) -> tuple[ProbeReport, ...]:
    """Bring the evidence up to date with what each probe says now.

    Of a probe that is missing in ``looks`` there is no evidence.
    """
    known = {report.probe: report for report in before}
    return tuple(
        _noted(known.get(probe), probe, looks[probe], now)
        for probe in Probe
        if probe in looks
    )


def _noted(
    known: ProbeReport | None, probe: Probe, look: Sample, now: datetime
) -> ProbeReport:
    value = f"{look.reason} ({look.measured})" if look.measured else ""
    if known is None or known.verdict is not look.verdict:
        return ProbeReport(
            probe=probe,
            verdict=look.verdict,
            value=value or look.reason,
            since=now,
        )
    if _has_reason(known, look):
        return known
    return replace(known, value=value or look.reason)


def _has_reason(known: ProbeReport, look: Sample) -> bool:
    if not look.measured:
        return known.value == look.reason
    return known.value.startswith(f"{look.reason} (")


def told(sample: Sample, evidence: tuple[ProbeReport, ...]) -> Sample:
    """The deciding sample, whose reason says which probe and since when."""
    for report in evidence:
        if report.probe is sample.probe and report.value:
            since = report.since.isoformat(timespec="milliseconds")
            return replace(
                sample, reason=f"{report.probe}: {report.value}, since {since}"
            )
    return sample
