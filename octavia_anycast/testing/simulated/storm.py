# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Many clusters that share one limit of replacements, as after a rack's loss.

Each is a :class:`World`. What the database tells them of one another, how many
replacements are under way and who waits, is kept here.
"""

import random
from dataclasses import dataclass, field

from octavia_anycast.model.actions import BootAmphora
from octavia_anycast.model.cluster import ReplacementClaim
from octavia_anycast.planning.amphora.assessment import Cluster
from octavia_anycast.planning.amphora.claims import FRESH, claim_of
from octavia_anycast.planning.amphora.scaling import boots
from octavia_anycast.testing.simulated.simulation import World


@dataclass(slots=True)
class Storm:
    """Clusters by their names.

    ``booted``: who booted a replacement, in that order. ``most``: so many
    were under way at most. ``stopped``: nobody looks after these.
    """

    worlds: dict[str, World]
    booted: list[str] = field(default_factory=list)
    most: int = 0
    stopped: set[str] = field(default_factory=set)
    claims: dict[str, ReplacementClaim] = field(default_factory=dict)
    _replacing: dict[str, set[str]] = field(default_factory=dict)
    _order: random.Random = field(default_factory=lambda: random.Random(7))

    @property
    def under_way(self) -> int:
        """How many replacements are not configured yet."""
        return sum(map(len, self._replacing.values()))

    def waiting(self) -> set[str]:
        """Who has a claim that counts."""
        now = max(world.now for world in self.worlds.values())
        return {
            name
            for name, claim in self.claims.items()
            if now - claim.asked_at <= FRESH
        }

    def kill(self, name: str, count: int) -> None:
        """Servers of a cluster are gone, and the compute service says so."""
        guests = self.worlds[name].guests
        for amphora_id in sorted(guests)[:count]:
            guests[amphora_id].is_dead = True
            guests[amphora_id].is_dead_known = True

    def is_whole(self, name: str) -> bool:
        """Whether all that are wanted announce."""
        world = self.worlds[name]
        return len(world.announcers()) == world.desired.size.desired

    def run(self, seconds: int) -> None:
        """Each is looked at once a second, in some order."""
        for _ in range(seconds):
            names = sorted(self.worlds)
            self._order.shuffle(names)
            for name in names:
                if name in self.stopped:
                    continue
                self._look(name)
                self.most = max(self.most, self.under_way)

    def _look(self, name: str) -> None:
        world = self.worlds[name]
        world.replacements_elsewhere = self.under_way
        fresh = self.waiting()
        world.claims = tuple(self.claims[other] for other in fresh)
        self._claim(name, world)
        for action in world.step():
            if isinstance(action, BootAmphora) and action.is_replacement:
                self.booted.append(name)
                self._replacing.setdefault(name, set()).add(action.amphora_id)
        revision = world.desired.revision
        self._replacing[name] = {
            amphora_id
            for amphora_id in self._replacing.get(name, ())
            if (guest := world.guests.get(amphora_id)) is not None
            and not guest.is_dead
            and guest.configured != revision
        }

    def _claim(self, name: str, world: World) -> None:
        cluster = Cluster(world.desired, world.observe(), world.now)
        held = boots(cluster).held
        if held:
            self.claims[name] = claim_of(cluster, held)
        else:
            self.claims.pop(name, None)
