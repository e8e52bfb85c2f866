# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What is told to an amphora of a distributor's own.

All other actions are those of every amphora (controller/amphora/tasks.py).

Layer: controller.
"""

from dataclasses import dataclass

from oslo_log import log as logging

from octavia_anycast.controller.amphora.amphora_records import AmphoraRecords
from octavia_anycast.controller.amphora.tasks import DOERS, agents_of
from octavia_anycast.model.actions import (
    AmphoraAction,
    BootAmphora,
    SetAgentState,
)
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ObservedCluster,
    ServiceType,
)
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.errors import Retryable

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DistributorJob(AmphoraRecords):
    """What these tasks work with."""

    of: Distributor
    seen: ObservedCluster

    @property
    def owner(self) -> str:
        """The distributor, for logs."""
        return f"distributor {self.of.id}"

    @property
    def distributor(self) -> Distributor:
        """The distributor, whose own they are."""
        return self.of

    @property
    def observed(self) -> ObservedCluster:
        """What was seen of its own amphorae."""
        return self.seen

    def new_record(self, action: BootAmphora) -> AmphoraRecord:
        """One of the distributor's own."""
        return AmphoraRecord(
            id=action.amphora_id,
            load_balancer_id=None,
            distributor_id=self.of.id,
            service_type=ServiceType.DISTRIBUTOR,
            status=AmphoraStatus.BOOTING,
            status_since=self.world.now(),
        )


def carry_out(job: DistributorJob, action: AmphoraAction) -> tuple[str, ...]:
    """Carry out one action; it goes without nothing.

    :raises AnycastError: if it did not work; nothing is half recorded.
    """
    if isinstance(action, SetAgentState):
        _set_agent_state(job, action)
    else:
        DOERS[type(action)](job, action)
    return ()


def _set_agent_state(job: DistributorJob, action: SetAgentState) -> None:
    record = job.record(action.amphora_id)
    if record.lb_network_ip is None:
        raise Retryable(f"Amphora {record.id} has no address yet.")
    agents_of(job, record.id).put_state(
        record.id, record.lb_network_ip, action.state
    )
    if record.is_replacing:
        job.update(record.id, is_replacing=False)
    LOG.info(
        "Amphora %s of %s was told (%s): %s paths, revision %s.",
        record.id,
        job.owner,
        action.why,
        len(action.state.vips),
        action.state.revision,
    )
