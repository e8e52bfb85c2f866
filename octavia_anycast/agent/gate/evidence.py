# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What each probe of the health gate saw, and since when; pure functions.

A figure is kept as it was when the reason was first given: a report that
changed with every sample would be written to the database each time.

Layer: agent.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from octavia_anycast.agent.gate.gate import Sample
from octavia_anycast.model.wire import Probe, ProbeReport

Looks = Mapping[Probe, Sample]


def noted(
    before: tuple[ProbeReport, ...], looks: Looks, now: datetime
) -> tuple[ProbeReport, ...]:
    """Bring the evidence up to date with one look at everything.

    :param looks: probe -> what it says; one that is missing was not looked
        at, and there is no evidence of it
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
                sample,
                reason=f"{report.probe}: {report.value}, since {since}",
            )
    return sample
