# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``octavia.distributor.drivers: l3_bgp``, the blueprint's driver.

Octavia's interface is subflows of TaskFlow; these are made of the tasks that
the controller itself runs. Load it with ``invoke_args=(world, executor)``:
it needs what the controller needs. Whoever runs a subflow holds the locks.

Layer: controller.
"""

from collections.abc import Collection
from concurrent.futures import Executor
from typing import Any

from taskflow.flow import Flow
from taskflow.patterns import linear_flow

from octavia_anycast.controller.cluster.observe import Observer
from octavia_anycast.controller.distributor.distributor_amphorae import (
    AnnounceVip,
    Means,
    RegisterAmphorae,
    ReleaseAmphorae,
)
from octavia_anycast.controller.distributor.distributor_tasks import (
    UNSETTLED,
    ActivateDistributor,
    AllocateDistributor,
    CheckDistributor,
    RemoveDistributor,
)
from octavia_anycast.controller.distributor.distributor_vips import (
    RegisterVip,
    UnregisterVip,
)
from octavia_anycast.controller.ports import World
from octavia_anycast.controller.registration.distributor_registrations import (
    DrainAmphora,
    ListRegistrations,
    ListVips,
    RegisterAmphora,
    UnregisterAmphora,
)
from octavia_anycast.model.wire import Intent
from octavia_anycast.octavia_adapter.distributor_driver import (
    DistributorDriver,
)


class L3BgpDistributorDriver(DistributorDriver):
    """The fabric is the distributor; amphorae tell it by BGP."""

    def __init__(self, world: World, executor: Executor) -> None:
        self._world = world
        self._means = Means(world, Observer(world, executor), executor)

    def get_create_distributor_subflow(self) -> Flow:
        """Requires ``load_balancer``, provides ``distributor_id``."""
        return _flow(
            "create distributor",
            AllocateDistributor(self._world),
            self.get_settle_distributor_subflow(),
        )

    def get_settle_distributor_subflow(
        self, expected: Collection[str] = UNSETTLED
    ) -> Flow:
        """Requires ``distributor_id``: of one whose row is there already.

        The second half of its creation, which the controller runs.
        """
        return _flow(
            "settle distributor",
            CheckDistributor(self._world),
            ActivateDistributor(self._world, expected),
        )

    def get_delete_distributor_subflow(self) -> Flow:
        """Requires ``distributor_id``."""
        return _flow("delete distributor", RemoveDistributor(self._world))

    def get_add_vip_subflow(self) -> Flow:
        """Requires ``distributor_id`` and ``vip``.

        ``vip_alg`` and ``vip_persistence`` say nothing here: the fabric's
        ECMP has its own.
        """
        return _flow("add VIP", AnnounceVip(self._means, is_wanted=True))

    def get_remove_vip_subflow(self) -> Flow:
        """Requires ``distributor_id`` and ``vip``."""
        return _flow("remove VIP", AnnounceVip(self._means, is_wanted=False))

    def get_register_vip_subflow(self) -> Flow:
        """Requires ``distributor_id`` and ``external_vip``.

        Not in Octavia's interface; the blueprint has it as a call to the
        amphora.
        """
        return _flow("register VIP", RegisterVip(self._world))

    def get_unregister_vip_subflow(self) -> Flow:
        """Requires ``distributor_id`` and ``external_vip``."""
        return _flow("unregister VIP", UnregisterVip(self._world))

    def get_list_vips_subflow(self) -> Flow:
        """Requires ``distributor_id``, provides ``external_vips``."""
        return _flow("list VIPs", ListVips(self._world))

    def get_register_amphora_subflow(self) -> Flow:
        """Requires ``distributor_id`` and ``registration``.

        With a distributor that has amphorae of its own; this one and the
        next three are not in Octavia's interface either.
        """
        return _flow("register amphora", RegisterAmphora(self._world))

    def get_unregister_amphora_subflow(self) -> Flow:
        """Requires ``distributor_id`` and ``registration``."""
        return _flow("unregister amphora", UnregisterAmphora(self._world))

    def get_drain_amphora_subflow(self) -> Flow:
        """Requires ``distributor_id`` and ``registration``."""
        return _flow("drain amphora", DrainAmphora(self._world))

    def get_list_amphorae_subflow(self) -> Flow:
        """Requires ``distributor_id``, provides ``registrations``."""
        return _flow("list amphorae", ListRegistrations(self._world))

    def get_register_amphorae_subflow(self) -> Flow:
        """Requires ``distributor_id`` and ``amphorae``."""
        return _flow("register amphorae", RegisterAmphorae(self._means))

    def get_drain_amphorae_subflow(self) -> Flow:
        """Requires ``distributor_id`` and ``amphorae``."""
        return _flow(
            "drain amphorae",
            ReleaseAmphorae(self._means, intent=Intent.DRAIN),
        )

    def get_unregister_amphorae_subflow(self) -> Flow:
        """Requires ``distributor_id`` and ``amphorae``."""
        return _flow(
            "unregister amphorae",
            ReleaseAmphorae(self._means, intent=Intent.WITHDRAW),
        )


def _flow(name: str, *items: Any) -> Flow:
    flow: Flow = linear_flow.Flow(f"l3_bgp: {name}")
    flow.add(*items)
    return flow
