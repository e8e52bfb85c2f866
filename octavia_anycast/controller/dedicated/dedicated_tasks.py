# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What each action does to an amphora of a distributor's own; idempotent.

As for those of clusters, a record is written before its thing is made.

Layer: controller.
"""

from dataclasses import dataclass
from typing import Any

from oslo_log import log as logging

from octavia_anycast.controller.amphora.amphora_records import AmphoraRecords
from octavia_anycast.controller.cluster.tasks import (
    COMMON_DOERS,
    agents_of,
    build,
    check_brake,
)
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.registration import registrations
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

    distributor: Distributor
    seen: ObservedCluster

    @property
    def owner(self) -> str:
        """The distributor, for logs."""
        return f"distributor {self.distributor.id}"

    @property
    def observed(self) -> ObservedCluster:
        """What was seen of its own amphorae."""
        return self.seen


def carry_out(job: DistributorJob, action: AmphoraAction) -> tuple[str, ...]:
    """Carry out one action; it goes without nothing.

    :raises AnycastError: if it did not work; nothing is half recorded.
    """
    match action:
        case BootAmphora():
            _boot(job, action)
        case SetAgentState():
            _set_agent_state(job, action)
        case _:
            COMMON_DOERS[type(action)](job, action)
    return ()


def _boot(job: DistributorJob, action: BootAmphora) -> None:
    world, now = job.world, job.world.now()
    drive = world.files.build(action.first_state, now)
    record = AmphoraRecord(
        id=action.amphora_id,
        load_balancer_id=None,
        distributor_id=job.distributor.id,
        service_type=ServiceType.DISTRIBUTOR,
        status=AmphoraStatus.BOOTING,
        status_since=now,
        availability_zone=action.zone.availability_zone,
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
    build(job, action, drive, None)


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
