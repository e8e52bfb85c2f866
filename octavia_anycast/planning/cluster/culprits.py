# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Culprits: which objects a refused configuration is refused for.

Layer: planning. Pure; a trial is a function given in. First the refusal's
own words are taken, which mostly name a line and so an object. Where they do
not, halving finds the object: one trial per doubling of the objects.

Only what the change has brought is suspected at first, then every object.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

# Of one search: ten objects found by halving among 1,000. A search that ends
# so goes on when the rest is refused again.
TRIALS_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """An object below a load balancer; ``kind`` as in Octavia's statuses."""

    kind: str
    id: str
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One sentence of a refusal, and the ids it may be about.

    ``about``: the smallest object first.
    """

    sentence: str
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a search found: id -> sentence.

    ``refuses_anything``: the amphora refuses even a configuration without
    any object, so no object is to blame.
    """

    culprits: Mapping[str, str] = field(default_factory=dict)
    refuses_anything: bool = False


# Of the ids that are left out -> the alerts; none: it would be taken.
Trial = Callable[[frozenset[str]], Sequence[Alert]]


class _Search:
    """One search; counts its trials and remembers what was found."""

    def __init__(self, trial: Trial, suspects: Sequence[Suspect]) -> None:
        self._trial = trial
        self._suspects = suspects
        self._count = 0
        self.found: dict[str, str] = {}

    def alerts(self, left_out: Sequence[str] = ()) -> Sequence[Alert]:
        """What is refused without what was found, and without these."""
        self._count += 1
        return self._trial(frozenset((*self.found, *left_out)))

    @property
    def is_over(self) -> bool:
        """Whether it has taken too many trials already."""
        return self._count >= TRIALS_MAX

    def run(self, suspects: Sequence[Suspect]) -> Sequence[Alert]:
        """Find those of these suspects that are to blame.

        :returns: what is refused still, whatever of them is left out
        """
        ids = [suspect.id for suspect in suspects]
        alerts = self.alerts()
        while alerts and not self.is_over:
            rest = [one for one in ids if one not in self.found]
            # A line says more than what the change has brought.
            named = self._named(alerts, rest) or self._named(alerts)
            if not named:
                if not rest or self.alerts(rest):
                    return alerts
                named = self._halve(rest, alerts)
            self.found |= named
            alerts = self.alerts()
        return alerts

    def _named(
        self, alerts: Sequence[Alert], ids: Sequence[str] | None = None
    ) -> dict[str, str]:
        """The smallest of these objects of each alert; the first one counts.

        Alerts that follow from another one name what that one is about.
        """
        if ids is None:
            ids = [one.id for one in self._suspects]
        known = frozenset(ids) - self.found.keys()
        found: dict[str, str] = {}
        for alert in alerts:
            suspect = next((x for x in alert.about if x in known), None)
            if suspect is not None:
                found.setdefault(suspect, alert.sentence)
        return found

    def _halve(
        self, ids: list[str], alerts: Sequence[Alert]
    ) -> dict[str, str]:
        """The first one without which those before it are taken.

        Without all of them it is taken, with all of them it is not.
        """
        low, high = 0, len(ids)
        while high - low > 1 and not self.is_over:
            middle = (low + high) // 2
            seen = self.alerts(ids[middle:])
            if seen:
                high, alerts = middle, seen
            else:
                low = middle
        return {ids[high - 1]: alerts[0].sentence}


def find(suspects: Sequence[Suspect], trial: Trial) -> Findings:
    """Find the objects without which the configuration is taken.

    :param suspects: parents first, so that an object is tried with what it
        hangs on
    """
    search = _Search(trial, suspects)
    alerts = search.run([one for one in suspects if one.is_new])
    if not alerts:
        return Findings(culprits=search.found)
    everything = [one.id for one in suspects]
    if search.alerts(everything):
        return Findings(refuses_anything=True)
    search.run(suspects)
    return Findings(culprits=search.found)
