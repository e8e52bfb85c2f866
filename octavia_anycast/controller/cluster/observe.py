# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Observe: everything that a plan is made from, read once.

Layer: controller. No database transaction is open while an agent or the
compute service is asked.
"""

from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from octavia_anycast import log_lines
from octavia_anycast.controller.amphora.look import (
    STALE_SECONDS,
    AmphoraObserver,
    with_silence,
)
from octavia_anycast.controller.cluster.caches import DistributorCache, needed
from octavia_anycast.controller.cluster.load_meter import LoadMeter
from octavia_anycast.controller.ports import World
from octavia_anycast.db import heartbeat
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import claims, clusters
from octavia_anycast.model.cluster import (
    ActionFailure,
    AmphoraRecord,
    BootFailure,
    ClusterPolicy,
    ClusterRecord,
    DesiredCluster,
    ObservedAmphora,
    ObservedCluster,
    ReplacementClaim,
)
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.errors import Retryable
from octavia_anycast.model.load_balancer import LoadBalancerTree
from octavia_anycast.planning.amphora.claims import FRESH
from octavia_anycast.planning.amphora.failures import OBSERVE, carried_on
from octavia_anycast.planning.amphora.gate_choice import chosen_gate
from octavia_anycast.planning.amphora.placement import frontend_networks
from octavia_anycast.planning.cluster.rescue import secrets_at
from octavia_anycast.planning.heartbeat import Reception, trouble

_PENDING_CREATE = "PENDING_CREATE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One load balancer as wanted and as seen at ``now``."""

    now: datetime
    tree: LoadBalancerTree
    cluster: ClusterRecord
    desired: DesiredCluster
    observed: ObservedCluster


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """What our tables say of a load balancer."""

    cluster: ClusterRecord
    distributor: Distributor
    amphorae: tuple[AmphoraRecord, ...]
    heard: dict[str, datetime]
    beats: dict[str, datetime]
    failures: tuple[BootFailure, ...]


class Observer:
    """Observes one load balancer at a time; safe for several threads."""

    def __init__(self, world: World, executor: Executor) -> None:
        self._world = world
        self._executor = executor
        self._distributors = DistributorCache(world.cipher)
        self._amphorae = AmphoraObserver(world)
        self._meter = LoadMeter(world)

    def forget(self, load_balancer_id: str) -> None:
        """Forget a load balancer that is gone."""
        self._meter.forget(load_balancer_id)

    def look_on(self, load_balancer_id: str) -> ObservedCluster:
        """Ask the agents, while a plan is carried out."""
        with self._world.database.transaction() as session:
            records = amphorae.list_for(session, load_balancer_id)
            heard = heartbeat.last_updates(session, [r.id for r in records])
        seen = self._executor.map(
            lambda record: self._amphorae.look(
                record, heard.get(record.id), is_under_way=True
            ),
            records,
        )
        return ObservedCluster(amphorae=tuple(seen))

    def observe(self, tree: LoadBalancerTree) -> Observation | None:
        """Observe a load balancer; None if it has no cluster row.

        :raises Retryable: the database or network service did not answer.
        """
        began = self._world.now()
        rows = self._rows(tree, began)
        if rows is None:
            return None
        if rows.cluster.is_deletion_wanted and tree.is_in_error:
            tree = replace(tree, is_deletion_wanted=True)
        seen = tuple(
            self._executor.map(
                lambda record: self._amphorae.look(
                    record,
                    rows.heard.get(record.id),
                    tree=tree,
                    is_watched=rows.cluster.spare_count > 0,
                ),
                rows.amphorae,
            )
        )
        desired, lacks = self._desired(tree, rows)
        now = self._world.now()  # asking took time
        if (now - began).total_seconds() > STALE_SECONDS:
            latest = self._heard_again(rows)
            seen = tuple(with_silence(s, latest.heard, now) for s in seen)
        else:
            latest = rows
        under_way, waiting = self._replacements(rows, seen, now)
        observed = ObservedCluster(
            amphorae=tuple(self._with_heartbeats(s, latest) for s in seen),
            recent_failures=rows.failures,
            replacements_under_way=under_way,
            claims=waiting,
            prepared_revision=rows.cluster.config_revision,
            failures=(
                *(f for f in rows.cluster.failures if f.action != OBSERVE),
                *carried_on(rows.cluster.failures, lacks),
            ),
        )
        load = self._meter.measure(desired, observed, now)
        return Observation(
            now=now,
            tree=tree,
            cluster=rows.cluster,
            desired=desired,
            observed=replace(observed, load=load),
        )

    def _replacements(
        self, rows: _Rows, seen: tuple[ObservedAmphora, ...], now: datetime
    ) -> tuple[int, tuple[ReplacementClaim, ...]]:
        """Count replacements in the cloud, and read who waits for them.

        None, unasked, if all is well here.
        """
        wanted = rows.cluster.size.desired + rows.cluster.spare_count
        is_whole = len(seen) == wanted and all(
            amphora.report is not None
            and not amphora.record.failover_wanted
            and amphora.record.generation == rows.cluster.failover_generation
            for amphora in seen
        )
        if is_whole:
            return 0, ()
        boot_timeout = self._world.settings.policy.boot_timeout
        with self._world.database.transaction() as session:
            under_way = amphorae.replacements_under_way(
                session, now - timedelta(seconds=boot_timeout)
            )
            return under_way, claims.fresh(session, now - FRESH)

    def _rows(self, tree: LoadBalancerTree, now: datetime) -> _Rows | None:
        memory = self._world.settings.policy.failure_memory
        load_balancer_id = tree.id
        with self._world.database.transaction() as session:
            cluster = clusters.get(session, load_balancer_id)
            if cluster is None:
                return None
            log_lines.bear_request(cluster.request_id)
            distributor_id = cluster.distributor_id
            distributor = needed(
                lambda: self._distributors.get(session, distributor_id),
                distributor_id,
                is_going=tree.is_being_deleted
                or (cluster.is_deletion_wanted and tree.is_in_error),
            )
            records = amphorae.list_for(session, load_balancer_id)
            last = heartbeat.last_heard(session, [r.id for r in records])
            return _Rows(
                cluster=cluster,
                distributor=distributor,
                amphorae=tuple(records),
                heard=last.updates,
                beats=last.beats,
                failures=tuple(
                    amphorae.failures_since(
                        session,
                        load_balancer_id,
                        now - timedelta(seconds=memory),
                    )
                ),
            )

    def _heard_again(self, rows: _Rows) -> _Rows:
        """Read anew who was heard of, after others were waited for."""
        ids = [record.id for record in rows.amphorae]
        with self._world.database.transaction() as session:
            last = heartbeat.last_heard(session, ids)
        return replace(rows, heard=last.updates, beats=last.beats)

    def _desired(
        self, tree: LoadBalancerTree, rows: _Rows
    ) -> tuple[DesiredCluster, list[ActionFailure]]:
        cluster = rows.cluster
        desired = DesiredCluster(
            load_balancer_id=tree.id,
            is_deleted=tree.is_being_deleted,
            is_enabled=tree.is_enabled,
            is_managed=cluster.is_enabled,
            is_new=tree.provisioning_status == _PENDING_CREATE,
            spare_count=cluster.spare_count,
            cooldown_seconds=cluster.cooldown_seconds,
            autoscale=cluster.autoscale,
            scaled_at=cluster.scaled_at,
            is_autoscaled=bool(cluster.scaling_reason),
            vips=tree.vips,
            revision=tree.revision,
            listeners=tree.listeners,
            lvs_listener_ids=tree.lvs_listener_ids,
            has_stick_tables=tree.has_stick_tables,
            refusals=tuple(
                sentence
                for identifier, sentence in sorted(cluster.refusals.items())
                if identifier in tree.left_out_ids
            ),
            member_network_ids=(),
            size=cluster.size,
            distributor=rows.distributor,
            frontend_network_id=cluster.frontend_network_id,
            frontend_subnet_id=cluster.frontend_subnet_id,
            failover_generation=cluster.failover_generation,
            rescue_secrets=self._rescue_secrets(tree)
            if cluster.flow_rescue
            else (),
            metrics_authority=self._world.metrics_authority
            if tree.has_metrics_listener
            else "",
            policy=self._policy(tree),
        )
        networks, lacks = self._member_networks(tree, desired, rows)
        return replace(desired, member_network_ids=networks), lacks

    def _rescue_secrets(self, tree: LoadBalancerTree) -> tuple[str, ...]:
        """Return the secrets of flow rescue; none where it is off."""
        world = self._world
        if not world.settings.flow_rescue:
            return ()
        return secrets_at(world.rescue_key, tree.id, world.now())

    def _policy(self, tree: LoadBalancerTree) -> ClusterPolicy:
        policy = self._world.settings.policy
        return replace(
            policy,
            gate=chosen_gate(policy.gate, tree.flavor),
            peer_group_size=int(
                tree.flavor.get("peer_group_size", policy.peer_group_size)
            ),
            drain_timeout=float(
                tree.flavor.get("drain_timeout", policy.drain_timeout)
            ),
        )

    def _member_networks(
        self, tree: LoadBalancerTree, desired: DesiredCluster, rows: _Rows
    ) -> tuple[tuple[str, ...], list[ActionFailure]]:
        """Return the networks to plug, without front ends.

        A subnet that is gone is left out: its members are not reached
        anyway. While the network service does not answer, the amphorae keep
        the networks that they have.
        """
        if tree.is_being_deleted or not tree.member_subnet_ids:
            return (), []
        frontends = frontend_networks(desired)
        try:
            found = self._world.network.networks_of(tree.member_subnet_ids)
        except Retryable as e:
            known = {n for r in rows.amphorae for n in r.member_network_ids}
            return tuple(sorted(known)), [self._lack(str(e))]
        lacks = [
            self._lack(f"Subnet {gone} of members could not be found", True)
            for gone in found.gone_subnet_ids
        ]
        networks = tuple(n for n in found.network_ids if n not in frontends)
        return networks, lacks

    def _lack(self, reason: str, is_gone: bool = False) -> ActionFailure:
        return ActionFailure(
            action=OBSERVE,
            reason=reason,
            since=self._world.now(),
            is_refused=is_gone,
            is_aside=is_gone,
        )

    def _with_heartbeats(
        self, seen: ObservedAmphora, rows: _Rows
    ) -> ObservedAmphora:
        record, world = seen.record, self._world
        if seen.report is None or record.lb_network_ip is None:
            return seen
        now = world.now()
        patience = timedelta(seconds=world.settings.policy.dead_after)
        refusals = world.refusals
        found = trouble(
            record,
            Reception(
                last_at=rows.beats.get(record.id),
                port=world.settings.heartbeat_bind_port,
                refusal=refusals.why(
                    str(record.lb_network_ip), now - 2 * patience
                ),
                listening_since=refusals.listening_since,
                receiver_error=refusals.receiver_error,
                is_any_received=refusals.first_at is not None,
            ),
            now,
            patience,
        )
        return replace(seen, heartbeat_trouble=found) if found else seen
