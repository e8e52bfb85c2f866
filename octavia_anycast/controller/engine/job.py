# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The job: what each task of a plan works with.

Layer: controller.
"""

from dataclasses import dataclass

from octavia_anycast.controller.amphora.amphora_records import AmphoraRecords
from octavia_anycast.controller.cluster.observe import Observation
from octavia_anycast.model.actions import BootAmphora
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ObservedCluster,
)
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.load_balancer import LoadBalancerTree


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
    def distributor(self) -> Distributor:
        """The distributor of the cluster."""
        return self.observation.desired.distributor

    @property
    def tree(self) -> LoadBalancerTree:
        """The load balancer."""
        return self.observation.tree

    def new_record(self, action: BootAmphora) -> AmphoraRecord:
        """One of the cluster's.

        Until it first announces, nobody else is given what it has.
        """
        now = self.world.now()
        return AmphoraRecord(
            id=action.amphora_id,
            load_balancer_id=action.load_balancer_id,
            status=AmphoraStatus.BOOTING,
            status_since=now,
            generation=action.generation,
            speakers_changed_at=now,
        )

    @property
    def load_balancer_id(self) -> str:
        """The load balancer's id."""
        return self.observation.tree.id
