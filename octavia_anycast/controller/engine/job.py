# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The job: what each task of a plan works with.

Layer: controller.
"""

from dataclasses import dataclass

from octavia_anycast.controller.amphora.amphora_records import AmphoraRecords
from octavia_anycast.controller.cluster.observe import Observation
from octavia_anycast.model.cluster import ObservedCluster


@dataclass(frozen=True, slots=True)
class Job(AmphoraRecords):
    """What a task works with: the world, and what was observed."""

    observation: Observation

    @property
    def owner(self) -> str:
        """The load balancer, for logs."""
        return f"load balancer {self.load_balancer_id}"

    @property
    def observed(self) -> ObservedCluster:
        """What was seen of its amphorae."""
        return self.observation.observed

    @property
    def load_balancer_id(self) -> str:
        """The load balancer's id."""
        return self.observation.tree.id
