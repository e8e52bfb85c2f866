# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""One life of a controller, in a test: real rows, real flows, a fake cloud.

What is real: Octavia's rows and our reading and settling of them, our
tables, the planner, the TaskFlow graphs. What is not: machines and time.
"""

from typing import Any

from octavia_anycast import log_lines
from octavia_anycast.controller.cluster.reconciler import ClusterReconciler
from octavia_anycast.controller.cluster.report import Reporter
from octavia_anycast.controller.dedicated import DedicatedAmphorae
from octavia_anycast.controller.distributor.distributor_driver import (
    L3BgpDistributorDriver,
)
from octavia_anycast.controller.distributor.distributor_lifecycle import (
    DistributorLifecycle,
)
from octavia_anycast.controller.engine.work_queue import Result
from octavia_anycast.controller.housekeeping.sweep import Sweep
from octavia_anycast.controller.memory import HeartbeatStore
from octavia_anycast.controller.meter import NO_METER, Meter
from octavia_anycast.controller.notifier import NO_NOTIFIER, Notifier
from octavia_anycast.controller.ports import World
from octavia_anycast.log_lines import CarryingExecutor
from octavia_anycast.model.errors import AnycastError
from octavia_anycast.octavia_adapter.load_balancer.load_balancers import (
    OctaviaLoadBalancers,
)
from octavia_anycast.octavia_adapter.load_balancer.rows import VipHolders
from octavia_anycast.octavia_adapter.load_balancer.statuses import (
    OctaviaStatuses,
)
from octavia_anycast.octavia_adapter.secrets import FernetCipher, derived_key
from octavia_anycast.options import Settings
from octavia_anycast.testing.fakes.fake_cloud import Died, FakeCloud, FakeFiles

STEP_SECONDS = 1.0
# Who signs amphorae's certificates, here.
AUTHORITY = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"


class MortalStatuses(OctaviaStatuses):
    """Octavia's rows, written by a process that may die at any call."""

    def __init__(self, cloud: FakeCloud) -> None:
        super().__init__()
        self._cloud = cloud

    def __getattribute__(self, name: str) -> Any:
        if name in ("settle", "fail", "refuse", "delete", "set_operating"):
            self._cloud.step(name)
        return super().__getattribute__(name)


class ControllerProcess:
    """A reconciler with its threads; end it with :meth:`stop`.

    :param compute: another compute service than the fake cloud's
    """

    def __init__(
        self,
        cloud: FakeCloud,
        settings: Settings,
        meter: Meter = NO_METER,
        *,
        compute: Any = None,
        notifier: Notifier = NO_NOTIFIER,
    ) -> None:
        self._cloud = cloud
        self.errors: list[Exception] = []
        self.load_balancers = OctaviaLoadBalancers()
        self.store = HeartbeatStore(stale_after=30)
        self.files = FakeFiles(cloud.clock)
        self.world = World(
            database=cloud.database,
            cipher=FernetCipher(),
            load_balancers=self.load_balancers,
            vip_holders=VipHolders(),
            statuses=MortalStatuses(cloud),
            haproxy=cloud,
            compute=compute or cloud,
            network=cloud,
            files=self.files,
            agents=cloud,
            speakerds=cloud.speakerds,
            statistics=cloud,
            settings=settings,
            rescue_key=derived_key("flow rescue"),
            metrics_authority=AUTHORITY,
            now=cloud.clock,
            meter=meter,
            notifier=notifier,
        )
        # One thread each: SQLite has one writer.
        self._observers = CarryingExecutor(1)
        self._appliers = CarryingExecutor(1)
        self._reconciler = ClusterReconciler(
            self.world,
            Reporter(self.world, self.store),
            observe_executor=self._observers,
            apply_executor=self._appliers,
        )
        self.distributors = DistributorLifecycle(self.world)
        self.dedicated = DedicatedAmphorae(self.world, self._observers)
        self.driver = L3BgpDistributorDriver(self.world)
        self.sweep = Sweep(self.world)

    def reconcile(self, load_balancer_id: str) -> Result | None:
        """One look; None if the process died or it did not work."""
        try:
            with log_lines.kept():
                return self._reconciler.reconcile(load_balancer_id)
        except (AnycastError, Died) as e:
            self.errors.append(e)
            return None

    def run(self, load_balancer_id: str, seconds: float = 60) -> bool:
        """Look again and again, while time passes, until it is settled.

        :returns: False if it was not within ``seconds``
        """
        for _ in range(int(seconds / STEP_SECONDS)):
            result = self.reconcile(load_balancer_id)
            if self._cloud.is_dead:
                return False
            if result and result.is_settled and not result.did_something:
                return True
            self._cloud.pass_time(STEP_SECONDS)
        return False

    def stop(self) -> None:
        """End the threads."""
        self._observers.shutdown()
        self._appliers.shutdown()
