# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the calls below one amphora of ours have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from octavia.api.v2.controllers import base
from octavia.common import constants, exceptions
from pecan import request

from octavia_anycast import log_lines
from octavia_anycast.db.amphora.amphora_listing import ListedAmphora
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.engine import Database


class BelowAmphora(base.BaseController):
    """Something of one amphora of ours; made for a single request."""

    RBAC_TYPE = constants.RBAC_AMPHORA

    def __init__(
        self,
        parent: base.BaseController,
        database: Database,
        listed: ListedAmphora,
    ) -> None:
        # Not Octavia's constructor, which loads plug-ins: they are shared.
        self.__dict__.update(vars(parent))
        self._database = database
        self._listed = listed

    def _authorize(self, session: Any, action: str) -> None:
        """As Octavia: for the project of the load balancer."""
        context = request.context["octavia_context"]
        load_balancer_id = self._listed.record.load_balancer_id or ""
        cluster = clusters.get(session, load_balancer_id)
        self._auth_validate_action(
            context, cluster.project_id if cluster else None, action
        )

    def _record_request(self, session: Any) -> None:
        """Have the controller's lines bear this request.

        A distributor's own amphora has no load balancer.
        """
        load_balancer_id = self._listed.record.load_balancer_id
        if load_balancer_id is not None:
            clusters.record_request(
                session, load_balancer_id, log_lines.request_id()
            )

    @contextmanager
    def _locked_load_balancer(
        self, load_balancer_id: str | None
    ) -> Iterator[None]:
        """Make it PENDING_UPDATE, unless the block fails.

        A distributor's own amphora has none.

        :raises ImmutableObject: it is neither ACTIVE nor ERROR.
        """
        if load_balancer_id is None:
            yield
            return
        context = request.context["octavia_context"]
        with context.session.begin():
            self._get_db_lb(
                context.session, load_balancer_id, show_deleted=False
            )
            self.repositories.load_balancer.set_status_for_failover(
                context.session,
                load_balancer_id,
                status=constants.PENDING_UPDATE,
                raise_exception=True,
            )
            yield

    def _check_load_balancer(self, load_balancer_id: str | None) -> None:
        """See that it is there to stay: else nobody would act upon it."""
        context = request.context["octavia_context"]
        with context.session.begin():
            row = self._get_db_lb(
                context.session, load_balancer_id, show_deleted=False
            )
            status = row.provisioning_status
        if status == constants.PENDING_DELETE:
            raise exceptions.LBPendingStateError(
                state=status, id=load_balancer_id
            )
