# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/octavia/amphorae``: Octavia's amphorae and ours together.

What concerns one of Octavia's is Octavia's code, unchanged. What concerns
one of ours becomes a mark in its row, which the controller acts upon: no
message leaves here, and the load balancer stays as it is (ADR 0054, 0078).
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Self

from octavia.api.v2.controllers import amphora as stock
from octavia.common import constants, exceptions
from pecan import expose

from octavia_anycast import log_lines
from octavia_anycast.api import drain
from octavia_anycast.api.amphora import pages
from octavia_anycast.api.amphora.schema import (
    AMPHORA,
    CALLS,
    CALLS_OF_CONFIG,
    CALLS_OF_FAILOVER,
    CALLS_OF_STATISTICS,
    STATISTICS,
    of_count,
    of_ours,
    of_stock,
    with_vip,
)
from octavia_anycast.api.declaration import faults, listing, resource
from octavia_anycast.db import drains
from octavia_anycast.db.amphora import (
    amphora_listing,
    amphora_statistics,
    amphorae,
)
from octavia_anycast.db.amphora.amphora_listing import ListedAmphora
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.engine import Database
from octavia_anycast.model.cluster import AmphoraRecord
from octavia_anycast.model.errors import Conflict
from octavia_anycast.octavia_adapter.amphora import stock_amphorae
from octavia_anycast.options import Settings


class BelowAmphora(resource.Controller):
    """A part of one amphora of ours."""

    _listed: ListedAmphora

    @classmethod
    def of(cls, parent: Any, listed: ListedAmphora) -> Self:
        """Make one for a single request."""
        made = cls.below(parent, listed.record.id)
        made._listed = listed
        return made

    def _check(self, session: Any, method: str) -> None:
        """Ask the policy, as Octavia, for the project of the load balancer."""
        cluster = clusters.get(session, self._load_balancer_id or "")
        self._authorize(method, cluster.project_id if cluster else None)

    @property
    def _load_balancer_id(self) -> str | None:
        """None: a dedicated amphora of a distributor."""
        return self._listed.record.load_balancer_id

    def _record_request(self, session: Any) -> None:
        if self._load_balancer_id is not None:
            clusters.record_request(
                session, self._load_balancer_id, log_lines.request_id()
            )


class FailoverController(BelowAmphora):
    """``/failover``: another amphora takes its place."""

    CALLS = CALLS_OF_FAILOVER

    def put(self) -> None:
        """Request it; the new one serves before the old one leaves.

        The load balancer is PENDING_UPDATE until the old one is gone.
        """
        with self._transaction() as session:
            self._check(session, "put")
            clusters.require_managed(session, self._load_balancer_id or "")
        # The mark is committed first: without a lock it is carried out, but
        # a lock without a mark would show a failover that never happens.
        with self._locked_load_balancer(), self._transaction() as session:
            amphorae.update(
                session, self._listed.record.id, failover_wanted=True
            )
            self._record_request(session)
        resource.log_accepted(f" of load balancer {self._load_balancer_id}")

    @contextmanager
    def _locked_load_balancer(self) -> Iterator[None]:
        """Make it PENDING_UPDATE, unless the block fails.

        :raises ImmutableObject: it is neither ACTIVE nor ERROR.
        """
        if self._load_balancer_id is None:
            yield
            return
        with self._octavia_transaction() as session:
            self._get_db_lb(
                session, self._load_balancer_id, show_deleted=False
            )
            self.repositories.load_balancer.set_status_for_failover(
                session,
                self._load_balancer_id,
                status=constants.PENDING_UPDATE,
                raise_exception=True,
            )
            yield


class ConfigController(BelowAmphora):
    """``/config``: its agent gets its configuration again."""

    CALLS = CALLS_OF_CONFIG

    def put(self) -> None:
        """Request it."""
        with self._transaction() as session:
            self._check(session, "put")
            amphorae.update(
                session, self._listed.record.id, agent_update_wanted=True
            )
            self._record_request(session)
        resource.log_accepted()


class StatsController(BelowAmphora):
    """``/stats``: its counters, for each listener."""

    CALLS = CALLS_OF_STATISTICS

    def get(self) -> Any:
        """Show them; the list is empty before the first heartbeat."""
        self._authorize("get", self._context.project_id)
        with self._transaction() as session:
            counts = amphora_statistics.list_for(
                session, self._listed.record.id
            )
        return STATISTICS.list([of_count(self._listed, c) for c in counts])


class DrainController(BelowAmphora):
    """``/drain``: take it out of service, and back."""

    CALLS = drain.CALLS

    def get(self) -> Any:
        """Show its progress, and what is left."""
        with self._transaction() as session:
            self._check(session, "get")
            return self._answer(session, self._listed.record)

    def put(self, drain_: Any = None) -> Any:
        """Request it; idempotent."""
        record = self._listed.record
        with self._transaction() as session:
            self._check(session, "put")
            options = drain.options_from(drain_)
            self._check_load_balancer(drains.served_by(record))
            record = drains.ask(
                session,
                record,
                self._settings.drain_limits,
                datetime.now(UTC),
                options.timeout,
            )
            self._record_request(session)
            answer = self._answer(session, record)
        resource.log_accepted(
            f" of load balancer {record.load_balancer_id}: "
            f"deadline {record.drain_deadline}"
        )
        return answer

    def delete(self) -> None:
        """Undo it: the amphora announces again."""
        record = self._listed.record
        with self._transaction() as session:
            self._check(session, "delete")
            self._check_load_balancer(drains.served_by(record))
            drains.take_back(session, record)
            self._record_request(session)
        resource.log_accepted(f" of load balancer {record.load_balancer_id}")

    def _answer(self, session: Any, record: AmphoraRecord) -> Any:
        stored = drains.last_report(session, record)
        return drain.DRAIN.one(
            drain.response_of(
                record, stored, self._settings.policy.drain_timeout
            )
        )

    def _check_load_balancer(self, load_balancer_id: str) -> None:
        """Refuse one that is being deleted: nobody would act upon it."""
        with self._octavia_transaction() as session:
            row = self._get_db_lb(
                session, load_balancer_id, show_deleted=False
            )
            status = row.provisioning_status
        if status == constants.PENDING_DELETE:
            raise exceptions.LBPendingStateError(
                state=status, id=load_balancer_id
            )


class StockDrainController(resource.Controller):
    """``/drain`` of one of Octavia's own amphorae: refused, with a reason."""

    CALLS = drain.CALLS

    def get(self) -> Any:
        """Refuse."""
        self._refuse("get")

    def put(self, drain_: Any = None) -> Any:
        """Refuse."""
        self._refuse("put")

    def delete(self) -> None:
        """Refuse."""
        self._refuse("delete")

    def _refuse(self, method: str) -> None:
        """Answer 409, or 404 if no such amphora exists."""
        self._authorize(method, self._context.project_id)
        with self._octavia_transaction() as session:
            self._get_db_amp(session, self._id, show_deleted=False)
        with faults.translated():
            raise Conflict(
                f"Amphora {self._id} belongs to another provider than "
                "anycast: only one of several that announce the same VIP "
                "can be drained."
            )


_DRAIN = "drain"
_BELOW: dict[str, type[BelowAmphora]] = {
    "failover": FailoverController,
    "config": ConfigController,
    "stats": StatsController,
    _DRAIN: DrainController,
}


class AmphoraeController(resource.Controller, stock.AmphoraController):
    """The collection and its members."""

    CALLS = CALLS

    def __init__(self, database: Database, settings: Settings) -> None:
        super().__init__()
        self._database, self._settings = database, settings

    def get_one(self, id: str, fields: Any = None) -> Any:
        """Show one."""
        listed = self._find(id)
        with self._octavia_transaction() as session:
            if listed is None:
                row = self._get_db_amp(session, id, show_deleted=False)
            self._authorize("get_one", self._context.project_id)
            if listed is None:
                shown = of_stock(row)
            else:
                served = {listed.record.load_balancer_id or ""}
                vips = stock_amphorae.vips_of(session, served)
                shown = with_vip(of_ours(listed), vips)
        return AMPHORA.one(self._selected([shown], fields)[0])

    def get_all(self, fields: Any = None) -> Any:
        """List them, oldest first if not asked otherwise."""
        self._authorize("get_all", self._context.project_id)
        wanted = listing.without_tags(listing.requested())
        with (
            self._transaction() as session,
            self._octavia_transaction() as octavias,
        ):
            shown = pages.page(octavias, session, wanted)
        links = listing.links(wanted, [one.id for one in shown])
        return AMPHORA.list(self._selected(shown, fields), links)

    def delete(self, id: str) -> None:
        """Delete what is left of one that failed."""
        listed = self._find(id)
        if listed is None:
            inspect.unwrap(stock.AmphoraController.delete)(self, id)
            return
        self._authorize("delete", self._context.project_id)
        with self._transaction() as session:
            amphorae.request_deletion(session, id, datetime.now(UTC))
            clusters.record_request(
                session,
                listed.record.load_balancer_id or "",
                log_lines.request_id(),
            )
        resource.log_accepted()

    @expose()
    def _lookup(self, amphora_id: str, *remainder: str) -> Any:
        part = remainder[0] if remainder else ""
        if part in _BELOW:
            listed = self._find(amphora_id)
            if listed is not None:
                return _BELOW[part].of(self, listed), remainder[1:]
            if part == _DRAIN:
                kind = StockDrainController
                return kind.below(self, amphora_id), remainder[1:]
        return super()._lookup(amphora_id, *remainder)

    def _find(self, amphora_id: str) -> ListedAmphora | None:
        with self._transaction() as session:
            return amphora_listing.get(session, amphora_id)
