# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``octavia.distributor.drivers: l3_bgp``, the blueprint's driver.

Octavia's interface is subflows of TaskFlow. Each of these calls the function
that the API or the controller calls for the same, and writes the rows that it
writes: it checks and decides nothing itself. The next reconcile carries it
out (ADR 0057). Load it with ``invoke_args=(world,)``.

Layer: controller.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from oslo_log import log as logging
from taskflow.flow import Flow
from taskflow.patterns import linear_flow
from taskflow.task import FunctorTask, Task
from taskflow.types.failure import Failure

from octavia_anycast.controller.distributor.distributor_lifecycle import (
    remove,
    settle,
)
from octavia_anycast.controller.ports import World
from octavia_anycast.db import drains
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.distributor import external_vips
from octavia_anycast.db.registration import amphora_registrations, registering
from octavia_anycast.model.cluster import AmphoraRecord
from octavia_anycast.model.errors import AnycastError, NotFound
from octavia_anycast.model.registration import AmphoraRegistration, ExternalVip
from octavia_anycast.octavia_adapter.distributor_driver import (
    DistributorDriver,
)

LOG = logging.getLogger(__name__)
Do = Callable[..., Any]


class RowChange(Task):
    """One transaction as a task; a revert is another one.

    :param do: is given the session and what the task requires; raises what
        the API refuses
    :param undo: is given the session, the distributor's id and what ``do``
        returned
    """

    def __init__(
        self,
        world: World,
        do: Do,
        undo: Do | None,
        requires: tuple[str, ...],
        provides: str | None,
    ) -> None:
        super().__init__(
            name=f"l3_bgp: {do.__name__} {provides or ''}",
            provides=provides,
            requires=requires,
            revert_requires=requires,
        )
        self._world, self._do, self._undo = world, do, undo
        self._wanted = requires

    def execute(self, **given: Any) -> Any:
        """Write the rows."""
        with self._world.database.transaction() as session:
            return self._do(session, *(given[name] for name in self._wanted))

    def revert(self, result: Any, flow_failures: Any, **given: Any) -> None:
        """Take it back; after a refusal there is nothing to take back."""
        if self._undo is None or isinstance(result, Failure):
            return
        try:
            with self._world.database.transaction() as session:
                self._undo(session, given["distributor_id"], result)
        except AnycastError as e:
            LOG.warning("%s is not taken back: %s", self.name, e)


class L3BgpDistributorDriver(DistributorDriver):
    """The fabric is the distributor; amphorae tell it by BGP."""

    def __init__(self, world: World) -> None:
        self._world = world

    def get_create_distributor_subflow(self) -> Flow:
        """Requires ``load_balancer``, provides ``distributor_id``.

        The provider has chosen it when it recorded the load balancer.
        """
        return self._flow(
            _distributor_of,
            requires=("load_balancer",),
            provides="distributor_id",
        ).add(FunctorTask(self._settle, name="l3_bgp: settle"))

    def get_delete_distributor_subflow(self) -> Flow:
        """Requires ``distributor_id``."""
        return _empty().add(FunctorTask(self._remove, name="l3_bgp: remove"))

    def get_add_vip_subflow(self) -> Flow:
        """Nothing: each reconcile announces the VIPs of Octavia's rows.

        ``vip_alg`` and ``vip_persistence`` say nothing here: the fabric's
        ECMP has its own.
        """
        return _empty()

    def get_remove_vip_subflow(self) -> Flow:
        """Nothing: a VIP that is no row of Octavia's is not announced."""
        return _empty()

    def get_register_amphorae_subflow(self) -> Flow:
        """Requires ``distributor_id`` and ``amphorae``: none is to drain."""
        return self._flow(_stay, _drain_as_before, "amphorae")

    def get_drain_amphorae_subflow(self) -> Flow:
        """Requires ``distributor_id`` and ``amphorae``."""
        return self._flow(self._drain_all, _drain_as_before, "amphorae")

    def get_unregister_amphorae_subflow(self) -> Flow:
        """Requires ``distributor_id`` and ``amphorae``: a drain of 0 s."""
        return self._flow(self._withdraw_all, _drain_as_before, "amphorae")

    # What follows is in the blueprint and not in Octavia's interface.

    def get_register_vip_subflow(self) -> Flow:
        """Requires ``distributor_id`` and ``external_vip``."""
        return self._flow(
            self._register_vip, external_vips.unregister, "external_vip"
        )

    def get_unregister_vip_subflow(self) -> Flow:
        """Requires ``distributor_id`` and ``external_vip``."""
        return self._flow(_end_vip, None, "external_vip")

    def get_list_vips_subflow(self) -> Flow:
        """Requires ``distributor_id``, provides ``external_vips``."""
        return self._flow(
            external_vips.of_distributor, provides="external_vips"
        )

    def get_register_amphora_subflow(self) -> Flow:
        """Requires ``distributor_id`` and ``registration``."""
        return self._flow(
            self._register, amphora_registrations.unregister, "registration"
        )

    def get_unregister_amphora_subflow(self) -> Flow:
        """Requires ``distributor_id`` and ``registration``."""
        return self._flow(_end_registration, None, "registration")

    def get_drain_amphora_subflow(self) -> Flow:
        """Requires ``distributor_id`` and ``registration``."""
        return self._flow(
            self._drain, amphora_registrations.restore_drain, "registration"
        )

    def get_list_amphorae_subflow(self) -> Flow:
        """Requires ``distributor_id``, provides ``registrations``."""
        return self._flow(
            amphora_registrations.of_distributor, provides="registrations"
        )

    def _flow(
        self,
        do: Do,
        undo: Do | None = None,
        *what: str,
        requires: tuple[str, ...] = ("distributor_id",),
        provides: str | None = None,
    ) -> Flow:
        return _empty().add(
            RowChange(self._world, do, undo, (*requires, *what), provides)
        )

    def _settle(self, distributor_id: str) -> None:
        settle(self._world, distributor_id)

    def _remove(self, distributor_id: str) -> None:
        remove(self._world, distributor_id)

    def _drain_all(
        self, session: Any, _: str, wanted: Any, timeout: float | None = None
    ) -> list[AmphoraRecord]:
        before = _records(session, wanted)
        limits, now = self._world.settings.drain_limits, self._world.now()
        for record in before:
            drains.ask(session, record, limits, now, timeout)
        return before

    def _withdraw_all(
        self, session: Any, distributor_id: str, wanted: Any
    ) -> list[AmphoraRecord]:
        return self._drain_all(session, distributor_id, wanted, timeout=0)

    def _register_vip(
        self, session: Any, distributor_id: str, vip: ExternalVip
    ) -> str:
        made = registering.register_vip(
            session, self._world.vip_holders, distributor_id, vip
        )
        return made.vip.id

    def _register(
        self, session: Any, distributor_id: str, wanted: AmphoraRegistration
    ) -> str:
        made = registering.register_amphora(
            session, self._world.vip_holders, distributor_id, wanted
        )
        return made.registration.id

    def _drain(
        self, session: Any, distributor_id: str, wanted: AmphoraRegistration
    ) -> AmphoraRegistration:
        before = amphora_registrations.get(session, distributor_id, wanted.id)
        limits, now = self._world.settings.drain_limits, self._world.now()
        registering.drain_amphora(
            session, distributor_id, wanted.id, limits, now
        )
        return before.registration


def _empty() -> Flow:
    return linear_flow.Flow("l3_bgp")


def _distributor_of(session: Any, load_balancer: Any) -> str:
    cluster = clusters.get(session, load_balancer.id)
    if cluster is None:
        raise NotFound("Cluster", load_balancer.id)
    return cluster.distributor_id


def _records(session: Any, wanted: Any) -> list[AmphoraRecord]:
    """The records of Octavia's objects, in the order of ids: no deadlock."""
    found = []
    for amphora_id in sorted(amphora.id for amphora in wanted):
        record = amphorae.get(session, amphora_id)
        if record is None:
            raise NotFound("Amphora", amphora_id)
        found.append(record)
    return found


def _stay(session: Any, _: str, wanted: Any) -> list[AmphoraRecord]:
    before = _records(session, wanted)
    for record in before:
        drains.take_back(session, record)
    return before


def _drain_as_before(
    session: Any, _: str, before: list[AmphoraRecord]
) -> None:
    for record in before:
        drains.restore(session, record)


def _end_vip(session: Any, distributor_id: str, vip: ExternalVip) -> None:
    with suppress(NotFound):  # it is unregistered already
        external_vips.unregister(session, distributor_id, vip.id)


def _end_registration(
    session: Any, distributor_id: str, wanted: AmphoraRegistration
) -> None:
    with suppress(NotFound):  # it is unregistered already
        amphora_registrations.unregister(session, distributor_id, wanted.id)
