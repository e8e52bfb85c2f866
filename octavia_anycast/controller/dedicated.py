# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The amphorae of a distributor's own: observe, plan, apply, report.

Layer: controller. What is to be done, planning/dedicated.py decides. The
caller holds the lock.
"""

from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from oslo_log import log as logging

from octavia_anycast.controller.agent_reports import gist
from octavia_anycast.controller.dedicated_tasks import (
    DistributorJob,
    carry_out,
)
from octavia_anycast.controller.observe import Observer
from octavia_anycast.controller.ports import World
from octavia_anycast.controller.registered import (
    RegisteredPaths,
    record_confirmed,
)
from octavia_anycast.db import (
    amphorae,
    dedicated,
    distributors,
    external_vips,
    health,
    lifecycle,
    reports,
)
from octavia_anycast.model.actions import AmphoraAction
from octavia_anycast.model.cluster import AmphoraRecord, ObservedAmphora
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.errors import AnycastError, Permanent
from octavia_anycast.model.external_vip import ExternalVip
from octavia_anycast.model.wire import VipState
from octavia_anycast.planning.dedicated import (
    DesiredDistributor,
    confirmed_paths,
    is_complete,
    plan_dedicated,
)

LOG = logging.getLogger(__name__)
ROUNDS_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """What our tables say."""

    desired: DesiredDistributor
    records: tuple[AmphoraRecord, ...]
    heard: dict[str, datetime]
    failures: tuple[datetime, ...]
    replacements_under_way: int


class DedicatedAmphorae:
    """Looks after the amphorae of distributors' own."""

    def __init__(self, world: World, executor: Executor) -> None:
        self._world = world
        self._executor = executor
        self._observer = Observer(world, executor)
        # distributor_id -> its VIPs of a revision, for they may be many.
        self._vips: dict[str, tuple[int, tuple[ExternalVip, ...]]] = {}
        self._registered = RegisteredPaths(world)
        # amphora_id -> the paths that were written down as announced by it.
        self._confirmed: dict[str, tuple[VipState, ...]] = {}
        # amphora_id -> what was written of its report, and when.
        self._written: dict[str, tuple[object, datetime]] = {}

    def marks(self) -> dict[str, str]:
        """distributor_id -> what changes when there is something to do."""
        with self._world.database.transaction() as session:
            return self._registered.marks(session, self._world.now())

    def reconcile(self, distributor_id: str) -> bool:
        """Bring one distributor as far as it gets; whether it is settled.

        :raises AnycastError: if it could not even be observed.
        """
        for _ in range(ROUNDS_MAX):
            rows = self._rows(distributor_id)
            if rows is None:
                return False
            seen = self._look(rows)
            now = self._world.now()
            self._report(rows.desired, seen, now)
            actions = plan_dedicated(
                rows.desired,
                seen,
                rows.failures,
                now,
                replacements_under_way=rows.replacements_under_way,
            )
            if not actions:
                return is_complete(rows.desired, seen, now)
            if not self._apply(rows.desired.distributor, actions):
                return False
        return False

    def _distributor(self, session: Any, distributor_id: str) -> Distributor:
        """It; without anything, if only the deletion of its own is left.

        :raises Permanent: it cannot be read.
        """
        leaving = Distributor(
            id=distributor_id, provisioning_status=lifecycle.PENDING_DELETE
        )
        try:
            found = distributors.get(
                session, distributor_id, self._world.cipher
            )
        except Permanent:
            mark = distributors.mark(session, distributor_id)
            if mark and mark.provisioning_status != lifecycle.PENDING_DELETE:
                raise
            return leaving
        # None: restored from a backup, for instance. None may be left.
        return found or leaving

    def _rows(self, distributor_id: str) -> _Rows | None:
        """Read them; None for one that is not ready to be worked on."""
        now = self._world.now()
        policy = self._world.settings.policy
        memory = timedelta(seconds=policy.failure_memory)
        with self._world.database.transaction() as session:
            distributor = self._distributor(session, distributor_id)
            status = distributor.provisioning_status
            if status == lifecycle.PENDING_CREATE:
                return None
            revision = dedicated.vips_revision(session, distributor_id)
            records = amphorae.list_dedicated(session, distributor_id)
            return _Rows(
                desired=DesiredDistributor(
                    distributor=distributor,
                    is_deleted=status == lifecycle.PENDING_DELETE,
                    vips=self._read_vips(session, distributor_id, revision),
                    paths=self._registered.read(session, now).get(
                        distributor_id, ()
                    ),
                    vips_revision=revision,
                    policy=policy,
                ),
                records=tuple(records),
                heard=health.last_updates(session, [r.id for r in records]),
                failures=tuple(
                    amphorae.dedicated_failures_since(
                        session, distributor_id, now - memory
                    )
                ),
                replacements_under_way=amphorae.replacements_under_way(
                    session, now - timedelta(seconds=policy.boot_timeout)
                ),
            )

    def _read_vips(
        self, session: object, distributor_id: str, revision: int
    ) -> tuple[ExternalVip, ...]:
        kept = self._vips.get(distributor_id)
        if kept is None or kept[0] != revision:
            found = external_vips.of_distributor(session, distributor_id)  # type: ignore[arg-type]
            kept = self._vips[distributor_id] = revision, found
        return kept[1]

    def _look(self, rows: _Rows) -> tuple[ObservedAmphora, ...]:
        return tuple(
            self._executor.map(
                lambda record: self._observer.look(record, rows.heard),
                rows.records,
            )
        )

    def _apply(
        self, distributor: Distributor, actions: tuple[AmphoraAction, ...]
    ) -> bool:
        """Carry it out, one amphora beside the other; whether all worked."""
        job = DistributorJob(self._world, distributor)
        by_amphora = [
            list(group)
            for _, group in groupby(
                sorted(actions, key=lambda a: a.amphora_id),
                key=lambda a: a.amphora_id,
            )
        ]
        done = self._executor.map(
            lambda some: _carry_out_all(job, some), by_amphora
        )
        return all(list(done))

    def _report(
        self,
        desired: DesiredDistributor,
        seen: tuple[ObservedAmphora, ...],
        now: datetime,
    ) -> None:
        """Keep what the agents said, for the API and the statuses."""
        interval = timedelta(seconds=self._world.settings.report_interval)
        news = {}
        for amphora in seen:
            if amphora.report is None:
                continue
            content = gist(amphora.report)
            before = self._written.get(amphora.record.id)
            if (
                before is None
                or before[0] != content
                or now - before[1] >= interval
            ):
                news[amphora.record.id] = content, amphora.report
        confirmed = self._confirmations(desired, seen)
        with self._world.database.transaction() as session:
            for amphora in seen:
                if amphora.report is not None:
                    health.touch(session, amphora.record.id, now)
            for amphora_id, (_, report) in sorted(news.items()):
                reports.save(session, amphora_id, report, now)
            for amphora_id, paths in sorted(confirmed.items()):
                record_confirmed(session, amphora_id, paths)
        self._confirmed |= confirmed
        for amphora_id, (content, _) in news.items():
            self._written[amphora_id] = content, now

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


def _carry_out_all(job: DistributorJob, actions: list[AmphoraAction]) -> bool:
    """In order; the first one that does not work ends it."""
    for action in actions:
        try:
            carry_out(job, action)
        except AnycastError as e:
            LOG.warning(
                "%s of amphora %s of distributor %s: %s",
                type(action).__name__,
                action.amphora_id,
                job.distributor.id,
                e,
            )
            return False
        except Exception:
            LOG.exception(
                "%s of amphora %s", type(action).__name__, action.amphora_id
            )
            return False
    return True
