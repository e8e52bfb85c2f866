# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The amphorae of a distributor's own: observe, plan, apply, report.

Layer: controller. What is to be done, planning/dedicated.py decides. The
caller holds the lock.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from octavia_anycast.controller.amphora import event_log
from octavia_anycast.controller.amphora.agent_reports import AgentReports
from octavia_anycast.controller.amphora.drained_zones import planned
from octavia_anycast.controller.amphora.look import (
    STALE_SECONDS,
    AmphoraObserver,
    with_silence,
)
from octavia_anycast.controller.cluster.apply import Outcome, apply_plan
from octavia_anycast.controller.cluster.caches import needed
from octavia_anycast.controller.cluster.reconciler import result_of, until_done
from octavia_anycast.controller.engine.fence import Fence
from octavia_anycast.controller.engine.job import Job
from octavia_anycast.controller.engine.meanwhile import meanwhile
from octavia_anycast.controller.engine.work_queue import (
    STEAL_AFTER_SECONDS,
    Kind,
    Result,
)
from octavia_anycast.controller.ports import World
from octavia_anycast.controller.registration import (
    RegisteredPaths,
    record_confirmed,
)
from octavia_anycast.db import dedicated, epochs, heartbeat
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.distributor import distributors, external_vips
from octavia_anycast.model.actions import Action
from octavia_anycast.model.cluster import (
    ActionFailure,
    AmphoraRecord,
    ObservedAmphora,
    ObservedCluster,
)
from octavia_anycast.model.errors import AnycastError
from octavia_anycast.model.monitoring.event import Owner
from octavia_anycast.model.registration import ExternalVip
from octavia_anycast.model.wire import VipState
from octavia_anycast.planning.amphora.failures import carried_on, unobserved
from octavia_anycast.planning.dedicated import (
    Dedicated,
    DesiredDistributor,
    boot_failures,
    confirmed_paths,
    is_complete,
    plan_dedicated,
    with_held,
)
from octavia_anycast.planning.events import news_of


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """What our tables say; ``observed`` has no amphorae yet."""

    desired: DesiredDistributor
    records: tuple[AmphoraRecord, ...]
    heard: dict[str, datetime]
    observed: ObservedCluster
    epoch: int | None


class DedicatedAmphorae:
    """Looks after the amphorae of distributors' own.

    :param holds: whether a lock is surely still held, by its name
    """

    def __init__(
        self,
        world: World,
        executor: Executor,
        holds: Callable[[str], bool] = lambda name: True,
    ) -> None:
        self._world = world
        self._holds = holds
        self._executor = executor
        self._observer = AmphoraObserver(world)
        # distributor_id -> its VIPs of a revision, for they may be many.
        self._vips: dict[str, tuple[int, tuple[ExternalVip, ...]]] = {}
        self._registered = RegisteredPaths(world)
        # amphora_id -> the paths that were written down as announced by it.
        self._confirmed: dict[str, tuple[VipState, ...]] = {}
        self._agent_reports = AgentReports(world)
        self._rows_seen: Mapping[str, str] = {}

    @property
    def kind(self) -> Kind:
        settings = self._world.settings
        resync = settings.resync_interval
        return Kind(
            noun="the amphorae of distributor",
            label="dedicated amphorae",
            lock_prefix="dedicated-",
            threads=settings.workers,
            resync=resync,
            steal_after=STEAL_AFTER_SECONDS + resync,
        )

    def pending(self, wake: Callable[[str], None]) -> Mapping[str, str]:
        """distributor_id -> what changes when there is something to do.

        Three queries, or ten if any amphora is registered.
        """
        with self._world.database.transaction() as session:
            return self._registered.row_versions(session, self._world.now())

    def has_news(self) -> bool:
        """Whether a user has changed a distributor since the last call.

        One query, at each poll.
        """
        with self._world.database.transaction() as session:
            rows = dedicated.distributor_versions(session)
        before, self._rows_seen = self._rows_seen, rows
        return rows != before

    def reconcile(self, distributor_id: str) -> Result:
        return until_done(lambda: self._round(distributor_id))

    def _round(self, distributor_id: str) -> Result:
        try:
            rows = self._rows(distributor_id)
            if rows is None:
                return Result()
            observed = self._look(rows)
        except AnycastError as e:
            self._record_unobserved(distributor_id, e)
            raise
        group = Dedicated(rows.desired, observed, self._world.now())
        fence = self._fence(distributor_id)
        fence.require_lock()
        self._report(rows, group)
        actions = planned(self._world, partial(_plan, rows.desired, group))
        if not actions or rows.epoch is None:
            job = Job(self._world, group.desired, observed)
        else:
            fence.begin(rows.epoch)
            job = Job(self._world, group.desired, observed, fence=fence)
        with meanwhile(lambda: self._look_on(distributor_id)):
            outcomes = apply_plan(job, actions, self._executor)
        fence.require()
        failures = self._record(group, outcomes)
        if actions:
            return result_of(outcomes, failures, self._world.now())
        return Result(is_settled=is_complete(group))

    def _fence(self, distributor_id: str) -> Fence:
        lock = f"{self.kind.lock_prefix}{distributor_id}"
        return Fence(
            self._world.database,
            epochs.DISTRIBUTOR,
            distributor_id,
            what=f"the amphorae of distributor {distributor_id}",
            holds=lambda: self._holds(lock),
        )

    def _rows(self, distributor_id: str) -> _Rows | None:
        """Read them; None for one that is not ready to be worked on."""
        now = self._world.now()
        policy = self._world.settings.policy
        memory = timedelta(seconds=policy.failure_memory)
        with self._world.database.transaction() as session:
            standing = dedicated.standing(session, distributor_id)
            if standing.is_new:
                return None
            revision = standing.vips_revision
            records = amphorae.list_dedicated(session, distributor_id)
            return _Rows(
                desired=DesiredDistributor(
                    distributor=needed(
                        lambda: distributors.get(
                            session, distributor_id, self._world.cipher
                        ),
                        distributor_id,
                        is_going=standing.is_going,
                    ),
                    is_deleted=standing.is_going,
                    external_vips=self._read_vips(
                        session, distributor_id, revision
                    ),
                    paths=self._registered.read(session, now).get(
                        distributor_id, ()
                    ),
                    revision=str(revision),
                    policy=policy,
                ),
                records=tuple(records),
                heard=heartbeat.last_updates(session, [r.id for r in records]),
                epoch=standing.epoch,
                observed=ObservedCluster(
                    recent_failures=tuple(
                        amphorae.failures_since(
                            session,
                            distributor_id,
                            now - memory,
                            is_dedicated=True,
                        )
                    ),
                    replacements_under_way=amphorae.replacements_under_way(
                        session, now - timedelta(seconds=policy.boot_timeout)
                    ),
                    failures=standing.failures,
                ),
            )

    def _read_vips(
        self, session: Any, distributor_id: str, revision: int
    ) -> tuple[ExternalVip, ...]:
        kept = self._vips.get(distributor_id)
        if kept is None or kept[0] != revision:
            found = external_vips.of_distributor(session, distributor_id)
            kept = self._vips[distributor_id] = revision, found
        return kept[1]

    def _look_on(self, distributor_id: str) -> None:
        """Record what the agents report while a plan is carried out."""
        with self._world.database.transaction() as session:
            records = amphorae.list_dedicated(session, distributor_id)
        seen = self._executor.map(
            lambda record: self._observer.look(
                record, None, is_under_way=True
            ),
            records,
        )
        self._agent_reports.record_answers(
            _owner(distributor_id),
            ObservedCluster(amphorae=tuple(seen)),
            self._world.now(),
        )

    def _look(self, rows: _Rows) -> ObservedCluster:
        began = self._world.now()
        seen = tuple(
            self._executor.map(
                lambda record: self._observer.look(
                    record, rows.heard.get(record.id)
                ),
                rows.records,
            )
        )
        now = self._world.now()
        if (now - began).total_seconds() > STALE_SECONDS:
            ids = [record.id for record in rows.records]
            with self._world.database.transaction() as session:
                heard = heartbeat.last_updates(session, ids)
            seen = tuple(with_silence(one, heard, now) for one in seen)
        return replace(
            rows.observed,
            amphorae=tuple(with_held(amphora, now) for amphora in seen),
        )

    def _record(
        self, group: Dedicated, outcomes: tuple[Outcome, ...]
    ) -> tuple[ActionFailure, ...]:
        before = group.observed.failures
        boots = boot_failures(group)
        others = carried_on(before, (f for o in outcomes for f in o.failures))
        # The rows of failed boots know more than the last try.
        told = {failure.action for failure in boots}
        found = tuple(
            dict.fromkeys(
                (*boots, *(f for f in others if f.action not in told))
            )
        )
        self._write(group.desired.distributor.id, before, found)
        return found

    def _record_unobserved(
        self, distributor_id: str, error: AnycastError
    ) -> None:
        """Show that a distributor could not even be observed.

        :raises Retryable: the database does not answer, either.
        """
        with self._world.database.transaction() as session:
            before = dedicated.standing(session, distributor_id).failures
        found = carried_on(before, [unobserved(error, self._world.now())])
        self._write(distributor_id, before, found)

    def _write(
        self,
        distributor_id: str,
        before: tuple[ActionFailure, ...],
        found: tuple[ActionFailure, ...],
    ) -> None:
        if found != before:
            with self._world.database.transaction() as session:
                dedicated.record_failures(session, distributor_id, found)

    def _report(self, rows: _Rows, group: Dedicated) -> None:
        desired, seen = group.desired, group.observed.amphorae
        confirmed = self._confirmations(desired, seen)
        news = news_of(Owner(distributor_id=desired.distributor.id), group)

        def write(session: Any) -> None:
            for amphora_id, paths in sorted(confirmed.items()):
                record_confirmed(session, amphora_id, paths)
            _write_held(session, rows, seen)
            event_log.write(session, news)

        owner = _owner(desired.distributor.id)
        self._agent_reports.record(owner, group, write)
        self._confirmed |= confirmed
        event_log.tell(self._world, news.events)

    def _confirmations(
        self, desired: DesiredDistributor, seen: tuple[ObservedAmphora, ...]
    ) -> dict[str, tuple[VipState, ...]]:
        """amphora_id -> the paths that it confirms, where it has any."""
        found = {}
        for amphora in seen:
            before = self._confirmed.get(amphora.record.id)
            if not desired.paths and before == ():
                continue  # the digest of thousands of VIPs is not for free
            paths = confirmed_paths(desired, amphora)
            if paths is not None:
                found[amphora.record.id] = paths
        return found


def _plan(
    desired: DesiredDistributor,
    group: Dedicated,
    avoided_zones: frozenset[str],
) -> tuple[Action, ...]:
    if avoided_zones:
        desired = replace(desired, avoided_zones=avoided_zones)
        group = Dedicated(desired, group.observed, group.now)
    return plan_dedicated(group)


def _owner(distributor_id: str) -> str:
    return f"distributor {distributor_id}"


def _write_held(
    session: Any, rows: _Rows, seen: tuple[ObservedAmphora, ...]
) -> None:
    """Record which revision each holds, where that is news."""
    for before, amphora in zip(rows.records, seen, strict=True):
        record = amphora.record
        if record.applied_revision != before.applied_revision:
            amphorae.update(
                session,
                record.id,
                applied_revision=record.applied_revision,
                applied_at=record.applied_at,
            )
