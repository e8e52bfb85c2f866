# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/octavia/amphorae/ID/drain``: one amphora out of service, and back.

Nothing is sent from here: a mark in the amphora's row is what the controller
acts upon (ADR 0078).
"""

from datetime import UTC, datetime
from typing import Any

from octavia.api.v2.controllers import base
from octavia.common import constants
from oslo_log import log as logging
from pecan import request
from wsmeext import pecan as wsme_pecan

from octavia_anycast.api import faults, policies, resource
from octavia_anycast.api.amphora.below_amphora import BelowAmphora
from octavia_anycast.api.drain import requests
from octavia_anycast.api.drain.requests import DrainLimits
from octavia_anycast.api.drain.schema import (
    DRAIN,
    options_from,
    response_of,
)
from octavia_anycast.model.cluster import AmphoraRecord
from octavia_anycast.model.errors import Conflict

LOG = logging.getLogger(__name__)


class DrainController(BelowAmphora):
    """The drain of one amphora of ours; made for a single request."""

    limits: DrainLimits

    @wsme_pecan.wsexpose(DRAIN.one_type, status_code=200)
    def get(self) -> Any:
        """Show how far it is, and what is left."""
        with faults.translated(), self._database.transaction() as session:
            self._authorize(session, policies.GET_DRAIN)
            return self._answer(session, self._listed.record)

    @resource.takes(DRAIN, status=202)
    def put(self, drain_: Any = None) -> Any:
        """Ask for it; idempotent."""
        record = self._listed.record
        with faults.translated(), self._database.transaction() as session:
            self._authorize(session, policies.PUT_DRAIN)
            options = options_from(drain_)
            requests.served_by(record)
            self._check_load_balancer(record.load_balancer_id)
            record = requests.ask(
                session, record, options, self.limits, datetime.now(UTC)
            )
            self._record_request(session)
            answer = self._answer(session, record)
        LOG.info(
            "Amphora %s of load balancer %s is to drain until %s.",
            record.id,
            record.load_balancer_id,
            record.drain_deadline,
        )
        return answer

    @wsme_pecan.wsexpose(None, status_code=204)
    def delete(self) -> None:
        """Take it back: the amphora announces again."""
        record = self._listed.record
        with faults.translated(), self._database.transaction() as session:
            self._authorize(session, policies.DELETE_DRAIN)
            requests.served_by(record)
            self._check_load_balancer(record.load_balancer_id)
            requests.take_back(session, record)
            self._record_request(session)
        LOG.info(
            "Amphora %s of load balancer %s is not to drain.",
            record.id,
            record.load_balancer_id,
        )

    def _answer(self, session: Any, record: AmphoraRecord) -> Any:
        return DRAIN.one(
            response_of(
                record,
                requests.last_report(session, record),
                self.limits.timeout,
            )
        )


class StockDrainController(base.BaseController):
    """The same of one of Octavia's own: a sentence why not."""

    RBAC_TYPE = constants.RBAC_AMPHORA

    def __init__(self, parent: base.BaseController, amphora_id: str) -> None:
        # Not Octavia's constructor, which loads plug-ins: they are shared.
        self.__dict__.update(vars(parent))
        self._id = amphora_id

    @wsme_pecan.wsexpose(DRAIN.one_type, status_code=200)
    def get(self) -> Any:
        """Refuse."""
        self._refuse(policies.GET_DRAIN)

    @resource.takes(DRAIN, status=202)
    def put(self, drain_: Any = None) -> Any:
        """Refuse."""
        self._refuse(policies.PUT_DRAIN)

    @wsme_pecan.wsexpose(None, status_code=204)
    def delete(self) -> None:
        """Refuse."""
        self._refuse(policies.DELETE_DRAIN)

    def _refuse(self, action: str) -> None:
        """Say 409, or 404 if there is no such amphora at all."""
        context = request.context["octavia_context"]
        self._auth_validate_action(context, context.project_id, action)
        with context.session.begin():
            self._get_db_amp(context.session, self._id, show_deleted=False)
        with faults.translated():
            raise Conflict(
                f"Amphora {self._id} belongs to another provider than "
                "anycast: only one of several that announce the same VIP "
                "can be drained."
            )
