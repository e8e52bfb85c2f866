# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which faults happen together, in which order: all of it from a seed."""

import collections.abc
import dataclasses
import random


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One or two faults; ``delay_seconds`` lies between their beginnings."""

    number: int
    names: tuple[str, ...]
    victim: int
    delay_seconds: float = 0.0

    @property
    def label(self) -> str:
        """How it is called in reports."""
        return f"{self.number}:{'+'.join(self.names)}"


def draw(
    seed: int, names: collections.abc.Sequence[str], rounds: int
) -> tuple[Round, ...]:
    """Each fault alone, in random order, then random pairs of two.

    The same seed and names give the same rounds; fewer rounds are the first
    of more. ``victim`` is a number to be taken modulo the cluster's size.

    :raises ValueError: fewer than two names, or fewer than one round.
    """
    if len(set(names)) < 2 or rounds < 1:
        raise ValueError(f"{len(names)} faults in {rounds} rounds")
    source = random.Random(seed)
    alone = sorted(names)
    source.shuffle(alone)
    drawn = []
    for number in range(rounds):
        pair = source.sample(sorted(names), 2)
        chosen = alone[number : number + 1] or pair
        drawn.append(
            Round(
                number=number,
                names=tuple(chosen),
                victim=source.randrange(2**16),
                delay_seconds=round(source.uniform(0.0, 2.0), 2),
            )
        )
    return tuple(drawn)


def choose(
    wanted: str, names: collections.abc.Collection[str]
) -> tuple[Round, ...]:
    """Rounds as they are written: ``a,b+c`` is a alone, then b with c.

    :raises ValueError: no such fault, or none at all.
    """
    chosen = []
    for number, word in enumerate(wanted.split(",")):
        together = tuple(name.strip() for name in word.split("+"))
        unknown = [name for name in together if name not in names]
        if unknown:
            raise ValueError(
                f"no such fault: {', '.join(unknown)}; there are"
                f" {', '.join(sorted(names))}"
            )
        chosen.append(Round(number=number, names=together, victim=number))
    return tuple(chosen)
