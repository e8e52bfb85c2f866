# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The job: what each task of a plan works with.

Layer: controller.
"""

from dataclasses import dataclass

from octavia_anycast.controller.amphora_records import AmphoraRecords
from octavia_anycast.controller.observe import Observation


@dataclass(frozen=True, slots=True)
class Job(AmphoraRecords):
    """What a task works with: the world, and what was observed."""

    observation: Observation

    @property
    def load_balancer_id(self) -> str:
        """The load balancer's id."""
        return self.observation.tree.id
