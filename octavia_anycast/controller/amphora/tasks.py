# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What each action does to an amphora, whoever it works for; idempotent.

Layer: controller. A record is written before the thing is made, so that
whatever a killed controller left is found by the next look.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from oslo_log import log as logging

from octavia_anycast.controller.amphora import event_log
from octavia_anycast.controller.engine.job import Job, short
from octavia_anycast.controller.meter import Boot
from octavia_anycast.controller.ports import Agents, World
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.monitoring import events
from octavia_anycast.db.registration import registrations
from octavia_anycast.model.actions import (
    AllocateAmphora,
    BootAmphora,
    DeleteAmphora,
    FailAmphora,
    FinishConnections,
    SetAgentState,
    StartLeaving,
    UpdateAgent,
)
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ConfigDrive,
    DrainMark,
)
from octavia_anycast.model.errors import (
    AnycastError,
    Conflict,
    NoRoom,
    Overtaken,
    Permanent,
    Retryable,
)
from octavia_anycast.model.monitoring.event import Event
from octavia_anycast.model.wire import Intent, VipState
from octavia_anycast.planning.events import deletion_of

LOG = logging.getLogger(__name__)
LISTED_VIPS_MAX = 8  # more of them are counted in a log line


def _boot(job: Job, action: BootAmphora) -> None:
    drive = job.world.files.build(action.first_state, job.world.now())
    record = replace(
        job.new_record(action), cert_expiration=drive.cert_expiration
    )
    distributor = job.desired.distributor

    def create(session: Any) -> None:
        if action.is_replacement:
            _check_limit(job.world, session)
        amphorae.create(session, record)
        registrations.register(
            session,
            record.id,
            load_balancer_id=record.load_balancer_id or "",
            distributor_id=distributor.id,
            speaker_ids=[speaker.id for speaker in distributor.speakers],
        )

    job.transact(create)
    _build(job, action, drive)


def _build(job: Job, action: BootAmphora, drive: ConfigDrive) -> None:
    """Have a server built for an amphora that is recorded.

    :raises AnycastError: it is not; the record says so.
    """
    zone = action.zone.availability_zone
    job.check()
    try:
        server_id = job.world.compute.build(
            job.tree, action.amphora_id, zone, drive
        )
    except AnycastError as e:
        job.update(
            action.amphora_id,
            status=AmphoraStatus.ERROR,
            reason=short(e),
            is_refused=isinstance(e, Permanent),
            is_invalid=isinstance(e, Permanent) and not isinstance(e, NoRoom),
        )
        is_refused = isinstance(e, Permanent)
        job.world.meter.boot(Boot.REFUSED if is_refused else Boot.UNORDERED)
        raise
    _record_server(job, action.amphora_id, server_id)
    job.world.meter.boot(Boot.ORDERED)
    LOG.info(
        "Amphora %s of %s boots as server %s in zone %s.",
        action.amphora_id,
        job.owner,
        server_id,
        zone,
    )


def _record_server(job: Job, amphora_id: str, server_id: str) -> None:
    """Record the server that was ordered.

    Whoever has taken over gives up an amphora without a server, so nobody
    would look after this one.

    :raises Overtaken: another controller has taken over; the server goes.
    """
    try:
        job.update(amphora_id, compute_id=server_id)
    except Overtaken:
        job.world.compute.delete(amphora_id, server_id)
        raise


def _check_limit(world: World, session: Any) -> None:
    """See that no other controller took the last place meanwhile.

    :raises Conflict: it did; there is one again when an amphora is done.
    """
    policy = world.settings.policy
    since = world.now() - timedelta(seconds=policy.boot_timeout)
    under_way = amphorae.replacements_under_way(session, since, is_locked=True)
    if under_way >= policy.replacement_limit:
        world.meter.boot(Boot.HELD)
        raise Conflict(
            f"{under_way} replacements are under way in the cloud, and there "
            f"may be {policy.replacement_limit} (replacement_limit)."
        )


def _allocate(job: Job, action: AllocateAmphora) -> None:
    job.update(
        action.amphora_id,
        status=AmphoraStatus.ALLOCATED,
        lb_network_ip=action.lb_network_ip,
        compute_host=action.compute_host,
        image_id=action.image_id,
    )
    LOG.info(
        "Amphora %s of %s has the management address %s.",
        action.amphora_id,
        job.owner,
        action.lb_network_ip,
    )


def _set_agent_state(job: Job, action: SetAgentState) -> None:
    record = job.record(action.amphora_id)
    if record.lb_network_ip is None:
        raise Retryable(f"Amphora {record.id} has no address yet.")
    if job.tree is not None:
        _register_vips(job, record.id, action)
    if action.is_transition:
        job.update(record.id, speakers_changed_at=job.world.now())
    _agents_of(job, record.id).put_state(
        record.id, record.lb_network_ip, action.state
    )
    if action.drain is not None:
        # Afterwards: what is not recorded is told once more.
        _mark_drain(job, record, action.drain)
    if job.tree is None and record.is_replacing:
        job.update(record.id, is_replacing=False)
    LOG.info(
        "Amphora %s of %s was told (%s): %s.",
        record.id,
        job.owner,
        action.why,
        _in_words(action.state.vips),
    )


def _in_words(vips: tuple[VipState, ...]) -> str:
    if len(vips) > LISTED_VIPS_MAX:
        return f"{len(vips)} paths"
    return ", ".join(f"{v.vip_ip} {v.intent}" for v in vips) or "no VIP"


def _agents_of(job: Job, amphora_id: str) -> Agents:
    """Whom to tell: speakerd itself where the agent did not answer."""
    seen, world = job.seen(amphora_id), job.world
    is_mute = seen is not None and seen.is_agent_mute
    return world.speakerds if is_mute and world.speakerds else world.agents


def _mark_drain(job: Job, record: AmphoraRecord, mark: DrainMark) -> None:
    def record_it(session: Any) -> None:
        is_wanted = amphorae.mark_drain(
            session,
            record.id,
            mark,
            wanted_since=record.drain_wanted_since,
            now=job.world.now(),
        )
        if not is_wanted:
            LOG.info(
                "The drain of amphora %s of %s was taken back meanwhile.",
                record.id,
                job.owner,
            )

    job.transact(record_it)
    seen = job.seen(record.id)
    left = sum(seen.report.connections.values()) if seen and seen.report else 0
    if mark is DrainMark.ENDED and left:
        LOG.info(
            "The drain of amphora %s of %s is over with %d established "
            "connections left: they break now.",
            record.id,
            job.owner,
            left,
        )


def _register_vips(job: Job, amphora_id: str, action: SetAgentState) -> None:
    """Record what the amphora may announce, before it is told to.

    What a distributor's own announce is recorded when they confirm it.
    """
    announced = [
        registrations.AnnouncedVip(
            vip_ip=vip.vip_ip,
            nexthop_ip=vip.nexthop_ip,
            load_balancer_id=vip.load_balancer_id,
        )
        for vip in action.state.vips
        if vip.intent is not Intent.WITHDRAW
    ]
    job.transact(
        lambda session: registrations.replace_vips(
            session, amphora_id, announced
        )
    )


def _update_agent(job: Job, action: UpdateAgent) -> None:
    record = job.record(action.amphora_id)
    job.world.haproxy.update_agent(
        record, job.world.files.agent_configuration(record.id)
    )
    job.update(record.id, agent_update_wanted=False)
    LOG.info(
        "The agent of amphora %s of %s was given its configuration again.",
        record.id,
        job.owner,
    )


def _finish_connections(job: Job, action: FinishConnections) -> None:
    """Ask for it once; if HAProxy refuses, they stay until the deadline."""
    record = job.record(action.amphora_id)
    try:
        job.world.haproxy.finish_connections(job.tree, record)
    except Permanent as e:
        LOG.warning(
            "The connections of amphora %s of %s are not ended early: %s",
            record.id,
            job.owner,
            e,
        )
    job.update(record.id, finishing_since=job.world.now())


def _start_leaving(job: Job, action: StartLeaving) -> None:
    job.update(
        action.amphora_id,
        leaving_since=job.world.now(),
        reason=short(action.reason),
    )
    LOG.info(
        "Amphora %s of %s leaves: %s.",
        action.amphora_id,
        job.owner,
        action.reason,
    )


def _fail(job: Job, action: FailAmphora) -> None:
    job.update(
        action.amphora_id,
        status=AmphoraStatus.ERROR,
        reason=short(action.reason),
        is_refused=action.is_refused,
    )
    job.world.meter.boot(Boot.FAILED)
    LOG.warning(
        "Amphora %s of %s failed: %s.",
        action.amphora_id,
        job.owner,
        action.reason,
    )


def _delete(job: Job, action: DeleteAmphora) -> None:
    record = job.record(action.amphora_id)
    if record.status is AmphoraStatus.DELETED:
        return
    job.update(
        record.id,
        status=AmphoraStatus.PENDING_DELETE,
        reason=short(action.reason),
    )
    deletion = deletion_of(
        job.event_owner, record, action.reason, job.world.now()
    )
    delete_amphora(job.world, record, deletion)
    LOG.info(
        "Amphora %s of %s is deleted: %s.", record.id, job.owner, action.reason
    )


def delete_amphora(
    world: World, record: AmphoraRecord, deletion: Event | None = None
) -> None:
    """Delete server, ports and registrations; the record last.

    :param deletion: the event that tells so
    :raises Retryable: something did not work; come again.
    """
    told = () if deletion is None else (deletion,)
    world.memory.forget(record.id)
    world.compute.delete(record.id, record.compute_id)
    world.network.release(record)
    with world.database.transaction() as session:
        amphorae.mark_deleted(session, record.id, world.now())
        events.add(session, told)
    event_log.tell(world, told)


DOERS: dict[type, Callable[[Job, Any], None]] = {
    BootAmphora: _boot,
    AllocateAmphora: _allocate,
    UpdateAgent: _update_agent,
    FinishConnections: _finish_connections,
    StartLeaving: _start_leaving,
    SetAgentState: _set_agent_state,
    FailAmphora: _fail,
    DeleteAmphora: _delete,
}
