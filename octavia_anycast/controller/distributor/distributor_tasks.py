# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Tasks of distributors: what the l3_bgp driver's subflows are made of.

The controller's own lifecycle of distributors runs the same ones. What they
do to amphorae are actions of the planner's kind, carried out by
:mod:`.apply` as any plan is.

Layer: controller. ``execute`` can be run again; ``revert`` never raises.
"""

import uuid
from collections.abc import Collection
from typing import Any

from oslo_log import log as logging
from taskflow import task
from taskflow.types.failure import Failure

from octavia_anycast.controller.ports import World
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.distributor import distributors, lifecycle
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.errors import (
    AnycastError,
    Conflict,
    NotFound,
    Retryable,
)

LOG = logging.getLogger(__name__)
UNSETTLED = (
    lifecycle.PENDING_CREATE,
    lifecycle.PENDING_UPDATE,
    lifecycle.ERROR,
)


class DistributorTask(task.Task):
    """A task with the world; its name is its class's."""

    def __init__(self, world: World, **options: Any) -> None:
        super().__init__(name=type(self).__name__, **options)
        self._world = world

    def _settle(
        self,
        distributor_id: str,
        status: str,
        reason: str,
        expected: Collection[str],
    ) -> None:
        """Write the status down, in a revert: what goes wrong is logged."""
        try:
            with self._world.database.transaction() as session:
                lifecycle.settle(
                    session,
                    distributor_id,
                    provisioning_status=status,
                    status_reason=reason,
                    expected=expected,
                )
        except AnycastError as e:
            LOG.warning("Distributor %s stays as it is: %s", distributor_id, e)


class AllocateDistributor(DistributorTask):
    """Find the distributor of a load balancer, or make an empty one.

    The cluster's own, else the default one. One that is made here has no
    peers until somebody registers some; a revert takes it away again.
    """

    default_provides = "distributor_id"

    def execute(self, load_balancer: Any) -> str:
        """Find or make it; returns its id."""
        with self._world.database.transaction() as session:
            cluster = clusters.get(session, load_balancer.id)
            if cluster is not None:
                return cluster.distributor_id
            default = distributors.default_id(session)
            if default is not None:
                return default
            made = Distributor(
                id=str(uuid.uuid5(uuid.NAMESPACE_OID, load_balancer.id)),
                name=f"of load balancer {load_balancer.id}",
                provisioning_status=lifecycle.PENDING_CREATE,
                operating_status="OFFLINE",
            )
            if not distributors.exists(session, made.id):
                distributors.create(session, made, self._world.cipher)
            return made.id

    def revert(self, result: Any, load_balancer: Any, **_: Any) -> None:
        """Remove what was made, as far as nobody uses it."""
        made = str(uuid.uuid5(uuid.NAMESPACE_OID, load_balancer.id))
        if isinstance(result, Failure) or result != made:
            return
        try:
            with self._world.database.transaction() as session:
                lifecycle.remove(session, made)
        except AnycastError as e:
            LOG.warning("Distributor %s is left behind: %s", made, e)


class CheckDistributor(DistributorTask):
    """See that a distributor can work: zones, networks, passwords."""

    def execute(self, distributor_id: str) -> None:
        """Check it.

        :raises Permanent: it cannot work; says why.
        :raises Retryable: a service did not answer.
        """
        with self._world.database.transaction() as session:
            # Decrypts each password: a lost key shows here.
            distributor = distributors.get(
                session, distributor_id, self._world.cipher
            )
        if distributor is None:
            raise NotFound("Distributor", distributor_id)
        for zone in distributor.zones:
            if zone.availability_zone is not None:
                self._world.compute.check_zone(zone.availability_zone)
            self._world.network.check_frontend(
                zone.frontend_network_id, zone.frontend_subnet_ids
            )

    def revert(
        self, distributor_id: str, flow_failures: Any, **_: Any
    ) -> None:
        """Show it as ERROR with the reason; what may pass stays PENDING."""
        for failure in flow_failures.values():
            if failure.check(Retryable) or not failure.check(AnycastError):
                LOG.warning("Distributor %s: %s", distributor_id, failure)
                continue
            LOG.warning(
                "Distributor %s is in ERROR: %s",
                distributor_id,
                failure.exception_str,
            )
            self._settle(
                distributor_id,
                lifecycle.ERROR,
                failure.exception_str,
                UNSETTLED,
            )


class ActivateDistributor(DistributorTask):
    """Show a distributor as ACTIVE: load balancers may use it.

    :param expected: the status that it was read with; one that somebody
        changes meanwhile is left as it is
    """

    def __init__(
        self, world: World, expected: Collection[str] = UNSETTLED
    ) -> None:
        super().__init__(world)
        self._expected = expected

    def execute(self, distributor_id: str) -> None:
        """Settle it."""
        with self._world.database.transaction() as session:
            is_settled = lifecycle.settle(
                session,
                distributor_id,
                provisioning_status=lifecycle.ACTIVE,
                status_reason="",
                expected=self._expected,
            )
        if is_settled:
            LOG.info("Distributor %s is ACTIVE.", distributor_id)


class RemoveDistributor(DistributorTask):
    """Delete a distributor's rows; one that is in use stays."""

    def execute(self, distributor_id: str) -> None:
        """Delete it; one that is gone is deleted already.

        :raises Conflict: a load balancer uses it.
        """
        try:
            with self._world.database.transaction() as session:
                lifecycle.remove(session, distributor_id)
        except NotFound:
            return
        LOG.info("Distributor %s is deleted.", distributor_id)

    def revert(
        self, result: Any, distributor_id: str, flow_failures: Any, **_: Any
    ) -> None:
        """It goes on serving, with the reason why it could not go."""
        for failure in flow_failures.values():
            if failure.check(Conflict):
                self._settle(
                    distributor_id,
                    lifecycle.ACTIVE,
                    failure.exception_str,
                    (lifecycle.PENDING_DELETE, lifecycle.ERROR),
                )
