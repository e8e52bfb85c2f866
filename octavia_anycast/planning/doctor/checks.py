# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""All checks, and what comes out of them.

A new check is a function of :class:`Seen` that yields a statement for each
thing that it looked at, and a line in ``CHECKS``. Its name is the anchor of
its section in the guide.

Layer: planning. Pure.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from octavia_anycast.planning.doctor import (
    amphorae,
    cloud,
    frontends,
    sessions,
    traffic,
)
from octavia_anycast.planning.doctor.seen import (
    NOTHING,
    Seen,
    Severity,
    Statement,
    Step,
    Subject,
)

Check = Callable[[Seen], Iterator[Statement]]
GUIDE = "doctor.html"
# In the order in which they are shown: what explains others comes first.
CHECKS: dict[str, Check] = {
    "default-distributor": cloud.default_distributor,
    "agents": amphorae.agents,
    "bgp-sessions": sessions.sessions,
    "address-families": sessions.families,
    "bfd": sessions.bfd,
    "gateways": frontends.gateways,
    "mtu": frontends.mtus,
    "shares": traffic.shares,
    "heartbeats": amphorae.heartbeats,
    "security-groups": cloud.security_groups,
    "certificates": amphorae.certificates,
    "clocks": amphorae.clocks,
    "images": amphorae.images,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one check found of one thing, or of all that are well.

    ``count``: of how many things it speaks.
    """

    check: str
    severity: Severity
    subject: Subject
    count: int = 1
    summary: str = ""
    steps: tuple[Step, ...] = ()

    @property
    def reference(self) -> str:
        """The section of the operator guide."""
        return f"{GUIDE}#{self.check}"

    @property
    def remedy(self) -> str:
        """What to do, a line for each step."""
        return "\n".join(
            f"on the {step.place}: {step.command}" for step in self.steps
        )


def examine(seen: Seen) -> tuple[Result, ...]:
    """Run all checks.

    What is wrong is told one by one; what is well, or not known, once for
    each check and distributor.
    """
    return tuple(
        result
        for name, check in CHECKS.items()
        for result in _results(name, check(seen))
    )


def _results(name: str, said: Iterator[Statement]) -> Iterator[Result]:
    counted: dict[tuple[Severity, str | None], list[Statement]] = {}
    for one in said:
        if one.severity in (Severity.WARNING, Severity.ERROR):
            yield Result(
                check=name,
                severity=one.severity,
                subject=one.subject,
                summary=one.summary,
                steps=one.steps,
            )
        else:
            key = one.severity, one.subject.distributor_id
            counted.setdefault(key, []).append(one)
    for (severity, distributor_id), found in counted.items():
        yield Result(
            check=name,
            severity=severity,
            subject=Subject(distributor_id=distributor_id)
            if distributor_id
            else NOTHING,
            count=len(found),
            summary=found[0].summary,
        )
