# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The lifecycle of distributors: rows in PENDING_* are the work queue.

A change reaches the amphorae by the reconciles of their load balancers; here
is only watched how far it has come. :func:`settle` and :func:`remove` are
subflows of the l3_bgp driver, too.

Layer: controller. What a status is, planning/distributors.py decides.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from oslo_log import log as logging

from octavia_anycast.controller.engine.work_queue import Kind, Result
from octavia_anycast.controller.ports import World
from octavia_anycast.db import dedicated
from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.db.dedicated import Standing
from octavia_anycast.db.distributor import distributors, lifecycle
from octavia_anycast.db.distributor.lifecycle import Unsettled
from octavia_anycast.db.passwords import WithoutPasswords
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.errors import (
    AnycastError,
    Conflict,
    NotFound,
    Permanent,
    Retryable,
)
from octavia_anycast.model.stored import unchecked
from octavia_anycast.planning.amphora.failures import are_hopeless, remarks
from octavia_anycast.planning.cluster.status import shortened
from octavia_anycast.planning.distributors import (
    ReportedAmphora,
    RolloutPatience,
    RolloutStatus,
    operating_status,
    rollout_verdict,
)

LOG = logging.getLogger(__name__)
# A report that is older than so many resyncs, or heartbeats where these come
# less often, is of an amphora out of reach.
STALE_RESYNCS = 3
STALE_SECONDS = 15.0
THREADS = 2
ERROR_SECONDS = 15.0  # until the next look at one in ERROR
STATUS_SECONDS = 5.0
# Statuses were not written for a while: a start, or no database.
_AWAY = timedelta(seconds=1.5 * STATUS_SECONDS)
_EVER = datetime.min.replace(tzinfo=UTC)
STATUSES = "distributor-statuses"
UNSETTLED = (
    lifecycle.PENDING_CREATE,
    lifecycle.PENDING_UPDATE,
    lifecycle.ERROR,
)


class DistributorLifecycle:
    """Brings distributors out of PENDING_*; the caller holds the lock."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pending_since: dict[str, datetime] = {}
        self._seen: dict[str, Unsettled] = {}
        self._reported_at: datetime | None = None
        self._there_since: datetime | None = None

    @property
    def kind(self) -> Kind:
        return Kind(noun="distributor", threads=THREADS, resync=ERROR_SECONDS)

    def pending(self, wake: Callable[[str], None]) -> Mapping[str, str]:
        """distributor_id -> PENDING_* or ERROR of those to be looked at.

        One query, more with a change. Every controller wakes its own load
        balancers when a distributor changes; one looks how far the change
        has come.
        """
        with self._world.database.transaction() as session:
            found = lifecycle.unsettled(session)
        for distributor_id, now in found.items():
            if _is_changed(self._seen.get(distributor_id), now):
                for load_balancer_id in self._users(distributor_id):
                    wake(load_balancer_id)
        self._seen = found
        return {i: _version(now) for i, now in found.items()}

    def _users(self, distributor_id: str) -> list[str]:
        with self._world.database.transaction() as session:
            records = amphorae.list_registered(session, distributor_id)
        return sorted({r.load_balancer_id or "" for r in records} - {""})

    def reconcile(self, distributor_id: str) -> Result:
        with self._world.database.transaction() as session:
            # As stored: one that is refused now is to be deleted, too.
            shown = distributors.get(
                session, distributor_id, WithoutPasswords(), unchecked
            )
        if shown is None or self._bring_on(shown):
            self._pending_since.pop(distributor_id, None)
        if shown is None:
            return Result(is_gone=True, is_settled=True)
        is_failed = shown.provisioning_status == lifecycle.ERROR
        return Result(retry_after_seconds=ERROR_SECONDS if is_failed else 0.0)

    def _bring_on(self, shown: Distributor) -> bool:
        distributor_id = shown.id
        with self._world.database.transaction() as session:
            standing = dedicated.standing(session, distributor_id)
            has_amphorae = dedicated.has_amphorae(session, distributor_id)
        if standing.is_going and not has_amphorae:  # its own go first
            _succeeds(remove, self._world, distributor_id)
        elif standing.is_new:
            self._settle(shown)
        elif self._fails_for_good(shown, standing) or standing.is_going:
            return False
        elif shown.provisioning_status != lifecycle.ACTIVE:
            return self._update(shown)
        return True

    def _fails_for_good(self, shown: Distributor, standing: Standing) -> bool:
        """Show as ERROR what fails for good with amphorae of its own."""
        world = self._world
        is_over = are_hopeless(
            standing.failures, world.now(), world.settings.patience
        )
        if is_over:
            words = map(shortened, remarks(standing.failures))
            self._fail(shown, "; ".join(words))
        return is_over

    def report(self) -> None:
        """Write the operating statuses that changed; five queries."""
        now = self._world.now()
        stale = self._stale_before(now)
        with self._world.database.transaction() as session:
            counts = reports.session_counts(session, stale)
            wanted = dedicated.wanted(session)
            own = dedicated.counts_with_session(session, stale)
            for found in lifecycle.statuses(session):
                counted = counts.get(found.id)
                status, reason = operating_status(
                    is_enabled=found.is_enabled,
                    session_count=counted.total if counted else 0,
                    established_count=counted.established if counted else 0,
                    own_wanted=wanted.get(found.id, 0),
                    own_count=own.get(found.id, 0),
                )
                if found.provisioning_status != lifecycle.ACTIVE:
                    reason = found.status_reason
                if (status, reason) != (
                    found.operating_status,
                    found.status_reason,
                ):
                    lifecycle.settle(
                        session,
                        found.id,
                        operating_status=status,
                        status_reason=reason,
                        expected=(found.provisioning_status,),
                    )
                    LOG.info("Distributor %s is %s.", found.id, status)
        self._reported_at = now

    def _stale_before(self, now: datetime) -> datetime:
        """Since when a report has to be to count.

        Whoever tells of silence has to have been there for as long. After a
        start, and after the database was away, what is stored counts until
        agents had the time to report again.
        """
        last, stale = self._reported_at, timedelta(seconds=self._stale_seconds)
        if last is None or now - last > _AWAY or self._there_since is None:
            self._there_since = now
        return _EVER if now - self._there_since < stale else now - stale

    @property
    def _stale_seconds(self) -> float:
        interval = self._world.settings.news_interval
        return max(STALE_SECONDS, STALE_RESYNCS * interval)

    def _update(self, shown: Distributor) -> bool:
        """Check what was changed, and watch it reach the amphorae."""
        now = self._world.now()
        since = self._pending_since.setdefault(shown.id, now)
        distributor, reported = self._read(shown.id)
        if distributor is None:
            return False
        verdict = rollout_verdict(
            distributor,
            reported,
            now,
            pending_since=since,
            patience=RolloutPatience(
                session=self._world.settings.policy.session_patience,
                report=self._stale_seconds,
            ),
        )
        if verdict.status is RolloutStatus.PENDING:
            return False
        if verdict.status is RolloutStatus.ERROR:
            self._fail(shown, verdict.reason)
            return False
        return self._settle(shown)

    def _settle(self, shown: Distributor) -> bool:
        expected = (shown.provisioning_status,)
        return _succeeds(settle, self._world, shown.id, expected)

    def _read(
        self, distributor_id: str
    ) -> tuple[Distributor | None, list[ReportedAmphora]]:
        """The distributor, and its amphorae with their reports.

        With a password that cannot be decrypted, or anything that this
        release refuses, it is shown as ERROR.
        """
        with self._world.database.transaction() as session:
            try:
                distributor = distributors.get(
                    session, distributor_id, self._world.cipher
                )
            except Permanent as e:
                lifecycle.settle(
                    session,
                    distributor_id,
                    provisioning_status=lifecycle.ERROR,
                    status_reason=str(e),
                    expected=UNSETTLED,
                )
                return None, []
            records = amphorae.list_registered(session, distributor_id)
            given = {
                stored.amphora_id: stored
                for stored in reports.list_for_distributor(
                    session, distributor_id
                )
            }
        return distributor, [
            ReportedAmphora(
                record=record,
                report=given[record.id].report if record.id in given else None,
                reported_at=(
                    given[record.id].reported_at
                    if record.id in given
                    else None
                ),
            )
            for record in records
        ]

    def _fail(self, shown: Distributor, reason: str) -> None:
        is_new = shown.provisioning_status != lifecycle.ERROR
        if not is_new and shown.status_reason == reason:
            return
        expected = (shown.provisioning_status,)
        _show(self._world, shown.id, lifecycle.ERROR, reason, expected)
        if is_new:
            LOG.error("Distributor %s is in ERROR: %s", shown.id, reason)


def _is_changed(seen: Unsettled | None, now: Unsettled) -> bool:
    """Whether load balancers may have to be told of something.

    A change may be settled, and the next one made, between two notices; and
    one may end in ERROR before the first.
    """
    if now.provisioning_status == lifecycle.PENDING_UPDATE:
        return now != seen
    is_known = seen is not None and (
        seen.provisioning_status == now.provisioning_status
    )
    return now.provisioning_status == lifecycle.ERROR and not is_known


def _version(now: Unsettled) -> str:
    """What changes with each change; a new reason of an ERROR is none."""
    if now.provisioning_status != lifecycle.PENDING_UPDATE:
        return now.provisioning_status
    return f"{now.provisioning_status} {now.updated_at}"


def settle(
    world: World, distributor_id: str, expected: Collection[str] = UNSETTLED
) -> None:
    """See that a distributor can work, and show it as ACTIVE or ERROR.

    :param expected: the statuses that it may have; one that somebody changes
        meanwhile is left as it is
    :raises Permanent: it cannot work; says why.
    :raises Retryable: a service did not answer; nothing is shown.
    """
    try:
        _check(world, distributor_id)
    except Retryable as e:
        LOG.warning("Distributor %s: %s", distributor_id, e)
        raise
    except AnycastError as e:
        LOG.warning("Distributor %s is in ERROR: %s", distributor_id, e)
        _show(world, distributor_id, lifecycle.ERROR, str(e), UNSETTLED)
        raise
    if _show(world, distributor_id, lifecycle.ACTIVE, "", expected):
        LOG.info("Distributor %s is ACTIVE.", distributor_id)


def remove(world: World, distributor_id: str) -> None:
    """Delete a distributor's rows; one that is gone is deleted already.

    :raises Conflict: a load balancer uses it: it goes on serving.
    """
    try:
        with world.database.transaction() as session:
            lifecycle.remove(session, distributor_id)
    except NotFound:
        return
    except Conflict as e:
        expected = (lifecycle.PENDING_DELETE, lifecycle.ERROR)
        _show(world, distributor_id, lifecycle.ACTIVE, str(e), expected)
        raise
    LOG.info("Distributor %s is deleted.", distributor_id)


def _check(world: World, distributor_id: str) -> None:
    with world.database.transaction() as session:
        # Decrypts each password: a lost key shows here.
        distributor = distributors.get(session, distributor_id, world.cipher)
    if distributor is None:
        raise NotFound("Distributor", distributor_id)
    for zone in distributor.zones:
        if zone.availability_zone is not None:
            world.compute.check_zone(zone.availability_zone)
        world.network.check_frontend(
            zone.frontend_network_id, zone.frontend_subnet_ids
        )


def _show(
    world: World,
    distributor_id: str,
    status: str,
    reason: str,
    expected: Collection[str],
) -> bool:
    with world.database.transaction() as session:
        return lifecycle.settle(
            session,
            distributor_id,
            provisioning_status=status,
            status_reason=reason,
            expected=expected,
        )


def _succeeds(change: Callable[..., None], *arguments: Any) -> bool:
    """Whether a change is made; what was refused is shown by it.

    :raises Retryable: it may work later.
    """
    try:
        change(*arguments)
    except Retryable:
        raise
    except AnycastError as e:
        LOG.debug("Distributor %s: %s", arguments[1], e)
        return False
    return True
