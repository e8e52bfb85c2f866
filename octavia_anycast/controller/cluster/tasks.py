# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What each action does: one function per action, idempotent.

Layer: controller. A record is written before the thing is made, so that
whatever a killed controller left is found by the next look. What amphorae
refuse is in the database, so another controller can go on: it begins an
unfinished search again, which changes nothing in any amphora.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from oslo_log import log as logging

from octavia_anycast.controller.amphora.tasks import DOERS
from octavia_anycast.controller.engine.job import Job, short
from octavia_anycast.controller.notifier import Change
from octavia_anycast.controller.ports import World
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.model.actions import (
    Action,
    ConfigureHaproxy,
    EnsureServerGroup,
    FindCulprits,
    PlugFrontend,
    PlugMemberNetworks,
    PrepareLoadBalancer,
    RefuseListeners,
    RemoveLoadBalancer,
    ScaleCluster,
    SetRole,
)
from octavia_anycast.model.cluster import AmphoraRecord
from octavia_anycast.model.errors import (
    Conflict,
    ContentRefused,
    Retryable,
    SecretUnread,
)
from octavia_anycast.model.wire import FRONTEND_INTERFACE

LOG = logging.getLogger(__name__)


def carry_out(job: Job, action: Action) -> tuple[str, ...]:
    """Carry out one action; return sentences about what it left out.

    :raises AnycastError: if it did not work; nothing is half recorded.
    """
    return _DOERS[type(action)](job, action) or ()


def _scale(job: Job, action: ScaleCluster) -> None:
    """Record the new size.

    :raises Conflict: the cluster's user changed it meanwhile.
    """
    seen = job.cluster
    assert seen is not None

    def record(session: Any) -> None:
        stored = clusters.lock(session, seen.load_balancer_id)
        if stored is None or (
            stored.size,
            stored.autoscale,
            stored.is_enabled,
        ) != (seen.size, seen.autoscale, seen.is_enabled):
            raise Conflict("The cluster was changed meanwhile.")
        clusters.update(
            session,
            seen.load_balancer_id,
            size=replace(stored.size, desired=action.size),
            scaled_at=job.world.now(),
            scaling_reason=short(action.reason),
        )

    job.transact(record)
    LOG.info("Load balancer %s is %s.", action.load_balancer_id, action.reason)


def _prepare(job: Job, action: PrepareLoadBalancer) -> tuple[str, ...]:
    tree = job.tree
    records = [a.record for a in job.observed.amphorae]
    prepared = job.world.network.prepare(tree, records)
    for amphora_id in prepared.without_port:
        LOG.warning(
            "Amphora %s of load balancer %s is to be replaced: its front-end "
            "port is not there any more.",
            amphora_id,
            tree.id,
        )
        job.update(amphora_id, failover_wanted=True)
    job.transact(
        lambda session: clusters.update(
            session, tree.id, config_revision=action.revision
        )
    )
    return prepared.lacks


def _ensure_group(job: Job, action: EnsureServerGroup) -> None:
    job.world.compute.ensure_group(job.tree)


def _remove(job: Job, action: RemoveLoadBalancer) -> None:
    remove_load_balancer(job.world, job.tree)


def remove_load_balancer(world: World, tree: Any) -> None:
    """Remove what is left of a load balancer; Octavia's row goes last.

    Whoever sees it as DELETED may at once delete what it used: its
    distributor, for one. So the cluster's row goes before. If the controller
    stops in between, the load balancer is still PENDING_DELETE, and the next
    look, which finds no cluster, comes here again.

    :raises Retryable: something did not work; come again.
    """
    world.network.remove(tree)
    world.compute.remove_group(tree)
    with world.database.transaction() as session:
        amphorae.purge_of(session, tree.id)
        clusters.delete(session, tree.id)
    if not world.statuses.delete(tree):
        raise Retryable(f"Load balancer {tree.id} changed meanwhile.")
    world.notifier.changed(tree.id, Change.DELETE)
    LOG.info("Load balancer %s is deleted.", tree.id)


def _plug_frontend(job: Job, action: PlugFrontend) -> None:
    record = job.record(action.amphora_id)
    port_id, frontend = job.world.network.plug_frontend(
        job.tree, record, action
    )
    job.update(
        action.amphora_id,
        frontend_port_id=port_id,
        frontend_interface=FRONTEND_INTERFACE,
        frontend=frontend,
    )
    LOG.info(
        "Amphora %s of %s has the front-end addresses %s.",
        action.amphora_id,
        job.owner,
        ", ".join(str(a.ip_address) for a in frontend.addresses),
    )


def _plug_members(job: Job, action: PlugMemberNetworks) -> None:
    record = job.record(action.amphora_id)
    _ensure_members(job, record, action.network_ids)
    unused = set(record.member_network_ids) - set(action.network_ids)
    job.world.network.unplug_members(record, sorted(unused))
    job.update(action.amphora_id, member_network_ids=action.network_ids)


def _ensure_members(
    job: Job, record: AmphoraRecord, network_ids: tuple[str, ...]
) -> None:
    """Plug what the agent does not have; its plug call takes seconds."""
    world, tree = job.world, job.tree
    for port in world.network.plug_members(tree, record, network_ids):
        if not world.haproxy.has_addresses(record, port):
            world.haproxy.plug_network(record, port)
    world.memory.told_subnets(record.id, tree.member_subnet_ids)


def _extend_members(job: Job, record: AmphoraRecord) -> None:
    """Give a plugged network the addresses of further members' subnets.

    Each process checks this once, and when the subnets change.
    """
    wanted = job.tree.member_subnet_ids
    if job.world.memory.member_subnets(record.id) != wanted:
        _ensure_members(job, record, record.member_network_ids)


def _configure(job: Job, action: ConfigureHaproxy) -> None:
    record = job.record(action.amphora_id)
    before = job.seen(action.amphora_id)
    if before is not None and before.record.member_network_ids:
        _extend_members(job, record)
    peers = [seen.record for seen in map(job.seen, action.peer_ids) if seen]
    try:
        job.world.haproxy.push(
            job.tree, record, peers, left_out_ids=action.left_out_ids
        )
    except ContentRefused as e:
        _record_refusal(job, record, action.revision, e)
        raise
    except SecretUnread as e:
        _record_unread(job, record, action.revision, e)
        raise
    job.update(
        action.amphora_id,
        refused_revision="",
        partial_revision="",
        unread_listener_ids=(),
        lacking_listener_ids=action.left_out_ids,
        applied_revision=action.revision,
        peer_amphora_ids=action.peer_ids,
        applied_at=job.world.now(),
        is_replacing=False,
    )
    LOG.info(
        "Amphora %s of %s holds configuration %.12s.",
        action.amphora_id,
        job.owner,
        action.revision,
    )


def _record_refusal(
    job: Job, record: AmphoraRecord, revision: str, error: ContentRefused
) -> None:
    """Record that this amphora refused this configuration, and why."""
    is_again = record.refused_revision == revision
    job.update(
        record.id,
        refused_revision=revision,
        refused_at=job.world.now(),
        refusal=short(error.sentence),
        refusal_count=record.refusal_count + 1 if is_again else 1,
        refuses_anything=False,
    )


def _record_unread(
    job: Job, record: AmphoraRecord, revision: str, error: SecretUnread
) -> None:
    """Record which listeners wait for secrets that cannot be read."""
    changes = {
        "refused_revision": "",
        "partial_revision": revision,
        "unread": short(error),
        "unread_listener_ids": error.unread_ids,
        "lacking_listener_ids": error.lacking_ids,
    }
    if any(getattr(record, name) != value for name, value in changes.items()):
        job.update(record.id, **changes)


def _find_culprits(job: Job, action: FindCulprits) -> None:
    """Find the objects that the amphora refuses, and show them as ERROR.

    :raises Retryable: the amphora could not be reached or failed.
    """
    record, tree = job.record(action.amphora_id), job.tree
    peers = [seen.record for seen in map(job.seen, action.peer_ids) if seen]
    found = job.world.haproxy.find_culprits(
        tree, record, peers, left_out_ids=action.left_out_ids
    )
    if found.refuses_anything:
        job.update(record.id, refuses_anything=True)
        return
    if not found.culprits:
        # It takes it now: the refusal was of something that has passed.
        job.update(record.id, refused_revision="")
        return
    _leave_out(job, found.culprits)


def _refuse_listeners(job: Job, action: RefuseListeners) -> None:
    _leave_out(job, dict.fromkeys(action.listener_ids, action.sentence))


def _leave_out(job: Job, culprits: Mapping[str, str]) -> None:
    """Record why objects are left out, and show them as ERROR."""
    _record_culprits(job, culprits)
    if job.world.statuses.refuse(job.tree, culprits.keys()):
        for identifier, sentence in culprits.items():
            LOG.error(
                "Load balancer %s: %s is refused and left out: %s",
                job.tree.id,
                identifier,
                sentence,
            )


def _record_culprits(job: Job, culprits: Mapping[str, str]) -> None:
    tree = job.tree

    def record(session: Any) -> None:
        cluster = clusters.lock(session, tree.id)
        if cluster is None:
            return
        kept = {
            identifier: sentence
            for identifier, sentence in cluster.refusals.items()
            if identifier in tree.left_out_ids
        }
        new = {
            identifier: short(f"{identifier} is refused: {sentence}")
            for identifier, sentence in culprits.items()
        }
        clusters.update(session, tree.id, refusals=kept | new)

    job.transact(record)


def _set_role(job: Job, action: SetRole) -> None:
    since = job.world.now() if action.is_spare else None
    job.update(action.amphora_id, spare_since=since)
    LOG.info(
        "Amphora %s of %s %s.",
        action.amphora_id,
        job.owner,
        "stands by" if action.is_spare else "serves",
    )


_DOERS: dict[type, Callable[[Job, Any], tuple[str, ...] | None]] = {
    **DOERS,
    ScaleCluster: _scale,
    PrepareLoadBalancer: _prepare,
    EnsureServerGroup: _ensure_group,
    RemoveLoadBalancer: _remove,
    PlugFrontend: _plug_frontend,
    PlugMemberNetworks: _plug_members,
    ConfigureHaproxy: _configure,
    FindCulprits: _find_culprits,
    RefuseListeners: _refuse_listeners,
    SetRole: _set_role,
}
