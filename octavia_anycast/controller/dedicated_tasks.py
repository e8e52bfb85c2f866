# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What each action does to an amphora of a distributor's own; idempotent.

As for those of clusters, a record is written before its thing is made.

Layer: controller.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from oslo_log import log as logging

from octavia_anycast.controller.amphora_records import AmphoraRecords, short
from octavia_anycast.controller.tasks import check_brake, delete_amphora
from octavia_anycast.db import amphorae, registrations
from octavia_anycast.model.actions import (
    AllocateAmphora,
    AmphoraAction,
    BootAmphora,
    DeleteAmphora,
    FailAmphora,
    SetAgentState,
    StartLeaving,
    UpdateAgent,
)
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ServiceType,
)
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.errors import AnycastError, Retryable

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DistributorJob(AmphoraRecords):
    """What these tasks work with."""

    distributor: Distributor

    def log(self, amphora_id: str, what: str) -> None:
        """Tell of a change of state."""
        LOG.info(
            "Amphora %s of distributor %s %s.",
            amphora_id,
            self.distributor.id,
            what,
        )


def carry_out(job: DistributorJob, action: AmphoraAction) -> None:
    """Carry out one action.

    :raises AnycastError: if it did not work; nothing is half recorded.
    """
    _DOERS[type(action)](job, action)


def _boot(job: DistributorJob, action: BootAmphora) -> None:
    world, now = job.world, job.world.now()
    drive = world.files.build(action.first_state, now)
    zone = action.zone.availability_zone
    record = AmphoraRecord(
        id=action.amphora_id,
        load_balancer_id=None,
        distributor_id=job.distributor.id,
        service_type=ServiceType.DISTRIBUTOR,
        status=AmphoraStatus.BOOTING,
        status_since=now,
        availability_zone=zone,
        cert_expiration=drive.cert_expiration,
        is_replacing=action.is_replacement,
    )

    def create(session: Any) -> None:
        if action.is_replacement:
            check_brake(world, session)
        amphorae.create(session, record)
        registrations.register(
            session,
            record.id,
            load_balancer_id="",
            distributor_id=job.distributor.id,
            speaker_ids=[speaker.id for speaker in job.distributor.speakers],
        )

    job.transact(create)
    try:
        server_id = world.compute.build(None, record.id, zone, drive)
    except AnycastError as e:
        job.update(record.id, status=AmphoraStatus.ERROR, reason=short(e))
        raise
    job.update(record.id, compute_id=server_id)
    job.log(record.id, f"boots as server {server_id} in zone {zone}")


def _allocate(job: DistributorJob, action: AllocateAmphora) -> None:
    job.update(
        action.amphora_id,
        status=AmphoraStatus.ALLOCATED,
        lb_network_ip=action.lb_network_ip,
        compute_host=action.compute_host,
    )
    job.log(
        action.amphora_id,
        f"has the management address {action.lb_network_ip}",
    )


def _set_agent_state(job: DistributorJob, action: SetAgentState) -> None:
    record = job.record(action.amphora_id)
    if record.lb_network_ip is None:
        raise Retryable(f"Amphora {record.id} has no address yet.")
    job.world.agents.put_state(record.id, record.lb_network_ip, action.state)
    if record.is_replacing:
        job.update(record.id, is_replacing=False)
    job.log(
        record.id,
        f"was told ({action.why}): {len(action.state.vips)} paths, "
        f"revision {action.state.revision}",
    )


def _update_agent(job: DistributorJob, action: UpdateAgent) -> None:
    record = job.record(action.amphora_id)
    job.world.haproxy.update_agent(
        record, job.world.files.agent_configuration(record.id)
    )
    job.update(record.id, agent_update_wanted=False)
    job.log(record.id, "has its configuration anew")


def _start_leaving(job: DistributorJob, action: StartLeaving) -> None:
    job.update(
        action.amphora_id,
        leaving_since=job.world.now(),
        reason=short(action.reason),
    )
    job.log(action.amphora_id, f"leaves: {action.reason}")


def _fail(job: DistributorJob, action: FailAmphora) -> None:
    job.update(
        action.amphora_id,
        status=AmphoraStatus.ERROR,
        reason=short(action.reason),
    )
    job.log(action.amphora_id, f"failed: {action.reason}")


def _delete(job: DistributorJob, action: DeleteAmphora) -> None:
    record = job.record(action.amphora_id)
    if record.status is AmphoraStatus.DELETED:
        return
    job.update(
        record.id,
        status=AmphoraStatus.PENDING_DELETE,
        reason=short(action.reason),
    )
    delete_amphora(job.world, record)
    job.log(record.id, f"is deleted: {action.reason}")


_DOERS: dict[type, Callable[[DistributorJob, Any], None]] = {
    BootAmphora: _boot,
    AllocateAmphora: _allocate,
    SetAgentState: _set_agent_state,
    UpdateAgent: _update_agent,
    StartLeaving: _start_leaving,
    FailAmphora: _fail,
    DeleteAmphora: _delete,
}
