# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``octavia-anycast-controller``: the daemon.

Layer: cmd. Reads the configuration, makes every collaborator, and hands
them on; the only place with the wall clock.
"""

import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from octavia.common import config as octavia_config
from oslo_config import cfg
from oslo_db.exception import DBError
from oslo_log import log as logging

from octavia_anycast import log_lines, options
from octavia_anycast.agent_client.amphora_client import AmphoraClient, Timeout
from octavia_anycast.agent_client.knocking import Knocking
from octavia_anycast.cmd import controller_metrics
from octavia_anycast.controller import relay, shared_clock
from octavia_anycast.controller.amphora.rotation import Rotation
from octavia_anycast.controller.at_rest import AtRest
from octavia_anycast.controller.cluster.reconciler import ClusterReconciler
from octavia_anycast.controller.cluster.report import Reporter
from octavia_anycast.controller.cluster.spare_knocks import SpareKnocks
from octavia_anycast.controller.cluster.spare_monitor import SpareMonitor
from octavia_anycast.controller.dedicated import DedicatedAmphorae
from octavia_anycast.controller.distributor.distributor_lifecycle import (
    STATUS_SECONDS,
    STATUSES,
    DistributorLifecycle,
)
from octavia_anycast.controller.engine.coordination import Coordination
from octavia_anycast.controller.engine.daemon import Daemon
from octavia_anycast.controller.engine.work_queue import Reconciler
from octavia_anycast.controller.fleet.changes import FleetChanges
from octavia_anycast.controller.fleet.zone_drains import ZoneDrains
from octavia_anycast.controller.heartbeat import HeartbeatReceiver
from octavia_anycast.controller.housekeeping.housekeeping import (
    Purge,
    Recurring,
    chores,
)
from octavia_anycast.controller.housekeeping.sweep import Sweep
from octavia_anycast.controller.memory import HeartbeatStore
from octavia_anycast.controller.notifier import QueuedNotifier
from octavia_anycast.controller.ports import World
from octavia_anycast.controller.shared_clock import ClockExchange, SharedClock
from octavia_anycast.db import schema
from octavia_anycast.db.engine import Database
from octavia_anycast.log_lines import CarryingExecutor
from octavia_anycast.model.errors import (
    AnycastError,
    InvalidRequest,
    Retryable,
)
from octavia_anycast.model.wire import PORT_OFFSET
from octavia_anycast.octavia_adapter import notifications
from octavia_anycast.octavia_adapter.amphora import heartbeats
from octavia_anycast.octavia_adapter.amphora.amphora_files import (
    AmphoraFiles,
    agents_authority,
)
from octavia_anycast.octavia_adapter.amphora.amphora_haproxy import (
    AmphoraHaproxy,
)
from octavia_anycast.octavia_adapter.cloud.answer_limit import limit_answers
from octavia_anycast.octavia_adapter.cloud.compute import Compute
from octavia_anycast.octavia_adapter.cloud.network import Network
from octavia_anycast.octavia_adapter.load_balancer.load_balancers import (
    OctaviaLoadBalancers,
)
from octavia_anycast.octavia_adapter.load_balancer.rows import VipHolders
from octavia_anycast.octavia_adapter.load_balancer.statistics import (
    OctaviaStatistics,
)
from octavia_anycast.octavia_adapter.load_balancer.statuses import (
    OctaviaStatuses,
)
from octavia_anycast.octavia_adapter.secrets import FernetCipher, derived_key

LOG = logging.getLogger(__name__)
# A heartbeat counts for so many intervals: of several controllers, each gets
# only every n-th.
STALE_AFTER_INTERVALS = 10
START_AGAIN_SECONDS = 2.0
# Many threads that wait for the database share one interpreter with a few that
# compute. With the five milliseconds of Python each answer waited as long, and
# heartbeats were lost in the socket (ADR 0089).
SWITCH_SECONDS = 0.0005
# The purpose of a key.
CLOCKS = "clocks of controllers"


def main() -> int:
    """Run until SIGTERM or SIGINT; a second one changes nothing."""
    try:
        settings = configure(sys.argv[1:])
        logging.getLogger("octavia_anycast").logger.setLevel(
            "DEBUG" if cfg.CONF.debug else "INFO"
        )
        clock = SharedClock(utc_now)
        made = replace(_await_world(settings), now=clock.now)
        world = _notifying(controller_metrics.metered(made))
        run(world, settings, clock)
    except InvalidRequest as e:
        print(f"[anycast] {e}", file=sys.stderr)  # noqa: T201
        return 2
    except (cfg.Error, schema.TablesTooOld) as e:
        print(e, file=sys.stderr)  # noqa: T201
        return 2
    return 0


def configure(arguments: list[str], **overrides: Any) -> options.Settings:
    """Read octavia.conf and set up logging, as Octavia's services do.

    :param overrides: options of the section DEFAULT
    :raises InvalidRequest: a setting contradicts another, or its range.
    """
    octavia_config.init(arguments)
    for name, value in overrides.items():
        cfg.CONF.set_override(name, value)
    octavia_config.setup_logging(cfg.CONF)
    log_lines.set_up(cfg.CONF)
    return options.read(cfg.CONF)


def _notifying(world: World) -> World:
    """Give the world a notifier, if notifications are to go anywhere."""
    sender = notifications.sender()
    return replace(world, notifier=QueuedNotifier(sender)) if sender else world


def _await_world(settings: options.Settings) -> World:
    """Make the world, again and again until the services answer.

    :raises InvalidRequest: a setting cannot be.
    :raises TablesTooOld: a migration is missing.
    """
    while True:
        try:
            with _database(settings).transaction() as session:
                schema.require(session)
            return make_world(settings)
        except (InvalidRequest, schema.TablesTooOld):
            raise
        except (AnycastError, DBError) as e:
            LOG.warning(
                "The controller cannot start yet, and tries again: %s", e
            )
            time.sleep(START_AGAIN_SECONDS)


def _database(settings: options.Settings) -> Database:
    return Database(settings.connection or cfg.CONF.database.connection)


def make_world(settings: options.Settings) -> World:
    """Make every collaborator from the configuration."""
    limit_answers(cfg.CONF)
    load_balancers = OctaviaLoadBalancers()
    connect, patience = settings.agent_connect_timeout, settings.agent_timeout
    fast = settings.spare_watch_timeout
    return World(
        database=_database(settings),
        cipher=FernetCipher(),
        load_balancers=load_balancers,
        vip_holders=VipHolders(),
        statuses=OctaviaStatuses(),
        haproxy=AmphoraHaproxy(
            load_balancers.model_of, timeout=settings.configure_timeout
        ),
        compute=Compute(
            image_tag=settings.amp_image_tag, flavor_id=settings.amp_flavor_id
        ),
        network=Network(
            load_balancers.model_of,
            settings.frontend_security_groups,
            opens_rescue_port=settings.flow_rescue,
        ),
        files=AmphoraFiles(
            heartbeat_controllers=settings.heartbeat_controllers,
            heartbeat_interval=settings.heartbeat_interval,
        ),
        agents=make_agents(settings),
        # A kernel that lives answers at once, speakerd from its memory.
        speakerds=_agents(
            connect, patience, 2 * patience, port_offset=PORT_OFFSET
        ),
        # An agent that is busy is not lost.
        fast_agents=_agents(fast, 2 * fast, 4 * fast),
        statistics=OctaviaStatistics(),
        settings=settings,
        rescue_key=derived_key("flow rescue"),
        metrics_authority=agents_authority(),
        now=utc_now,
        at_rest=AtRest(
            interval=settings.heartbeat_interval,
            controllers=max(1, len(settings.heartbeat_controllers)),
            # With the first heartbeat after it, it would be older.
            confirm=settings.report_interval - settings.beat_interval,
        ),
    )


def make_agents(settings: options.Settings) -> AmphoraClient:
    """Make what calls the agents of the amphorae.

    An agent answers one call at a time; a GET may queue.
    """
    connect, patience = settings.agent_connect_timeout, settings.agent_timeout
    return _agents(connect, patience, 2 * patience + 1)


def _agents(
    connect: float, handshake: float, read: float, *, port_offset: int = 0
) -> AmphoraClient:
    return AmphoraClient(
        ca_file=cfg.CONF.haproxy_amphora.server_ca,
        client_cert_file=cfg.CONF.haproxy_amphora.client_cert,
        port=cfg.CONF.haproxy_amphora.bind_port + port_offset,
        timeout=Timeout(
            connect_seconds=connect,
            handshake_seconds=handshake,
            read_seconds=read,
        ),
    )


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def run(
    world: World, settings: options.Settings, clock: SharedClock | None = None
) -> None:
    """Run the threads; return after a signal, when all have ended.

    :param clock: the one that the world has, if controllers share it
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    store = HeartbeatStore(
        stale_after=STALE_AFTER_INTERVALS * settings.heartbeat_interval
    )
    coordination = _coordination(settings)
    threads = settings.workers * settings.action_workers
    with (
        CarryingExecutor(threads, "observe") as observers,
        CarryingExecutor(threads, "apply") as appliers,
        ExitStack() as stack,
    ):
        reporter = Reporter(world, store)
        clusters = ClusterReconciler(
            world,
            reporter,
            observe_executor=observers,
            apply_executor=appliers,
            holds=coordination.holds,
            look_at=lambda load_balancer_id: daemon.look_at(load_balancer_id),
        )
        others = _others(world, observers, coordination, lambda: daemon)
        workers = stack.enter_context(
            CarryingExecutor(
                sum(one.kind.threads for one in (clusters, *others)),
                "reconcile",
            )
        )
        daemon = Daemon(
            clusters,
            others,
            coordination=coordination,
            workers=workers,
            poll_interval=settings.poll_interval,
            meter=world.meter,
        )
        beside = _beside(world, store, reporter, coordination, daemon)
        _stop_on_signals(daemon)
        if _join(coordination, daemon):
            _run_beside(daemon, *_exchanges(settings, clock), *beside)
    coordination.stop()
    LOG.info("The controller has stopped.")


def _coordination(settings: options.Settings) -> Coordination:
    """Return what tells others where this controller receives heartbeats."""
    return Coordination(
        settings.coordination_url, receives_at=_own_address(settings)
    )


def _own_address(settings: options.Settings) -> str:
    return relay.own_address(
        settings.heartbeat_controllers,
        settings.heartbeat_bind_ip,
        settings.heartbeat_bind_port,
    )


def _exchanges(
    settings: options.Settings, clock: SharedClock | None
) -> tuple[ClockExchange, ...]:
    """What asks other controllers for the time."""
    own = _own_address(settings)
    if clock is None or not own:
        return ()
    others = settings.heartbeat_controllers
    return (ClockExchange(clock, derived_key(CLOCKS), others, own),)


def _join(coordination: Coordination, daemon: Daemon) -> bool:
    """Join the controllers, again and again until that works.

    :returns: False if the daemon is to stop instead
    """
    while not daemon.is_stopping():
        try:
            coordination.start()
        except Retryable as e:
            LOG.warning(
                "The controller cannot begin to work yet, and tries again: %s",
                e,
            )
            time.sleep(START_AGAIN_SECONDS)
        else:
            return True
    return False


def _stop_on_signals(daemon: Daemon) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: daemon.stop())


class _Beside(Protocol):
    """What runs in threads of its own, beside the daemon."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


def _beside(
    world: World,
    store: HeartbeatStore,
    reporter: Reporter,
    coordination: Coordination,
    daemon: Daemon,
) -> tuple[_Beside, ...]:
    clocks_key = derived_key(CLOCKS)
    receiver = HeartbeatReceiver(
        world,
        store,
        heartbeats.read,
        wake=daemon.wake,
        look_at=daemon.look_at,
        count=reporter.count_at_rest,
        relay=relay.HeartbeatRelay(
            world,
            lambda key: relay.parsed(coordination.owner_receives_at(key)),
        ),
        tell_time=lambda datagram: shared_clock.answer(
            datagram, clocks_key, utc_now()
        ),
    )
    assert world.fast_agents is not None
    spare_monitor = SpareMonitor(
        world, world.fast_agents, daemon.wake_at_once, coordination.owns
    )
    knocks = SpareKnocks(
        spare_monitor,
        Knocking(
            port=cfg.CONF.haproxy_amphora.bind_port + PORT_OFFSET,
            patience=world.settings.spare_watch_timeout,
        ),
        world.settings.spare_watch_timeout,
    )
    servers = controller_metrics.servers(
        world, coordination, daemon, receiver, spare_monitor
    )
    notifier = world.notifier
    notifiers = (notifier,) if isinstance(notifier, QueuedNotifier) else ()
    # First: listeners are not added while a thread asks the database.
    timers = controller_metrics.timers(world)
    return *timers, receiver, spare_monitor, knocks, *servers, *notifiers


def _run_beside(daemon: Daemon, *others: _Beside) -> None:
    with ExitStack() as stack:
        for other in others:
            other.start()
            stack.callback(other.stop)
        daemon.run()


def _others(
    world: World,
    observers: Executor,
    coordination: Coordination,
    daemon: Callable[[], Daemon],
) -> tuple[Reconciler, ...]:
    """All that is reconciled beside clusters."""
    return (
        *_distributors(world, observers, coordination),
        ZoneDrains(world),
        FleetChanges(world, Rotation(world, coordination.lock).rotate),
        *_housekeeping(world, coordination, daemon),
    )


def _distributors(
    world: World, observers: Executor, coordination: Coordination
) -> tuple[Reconciler, ...]:
    """Distributors, their own amphorae, and their operating statuses."""
    lifecycle = DistributorLifecycle(world)
    return (
        lifecycle,
        DedicatedAmphorae(world, observers, coordination.holds),
        Recurring(STATUSES, STATUS_SECONDS, lifecycle.report),
    )


def _housekeeping(
    world: World, coordination: Coordination, daemon: Callable[[], Daemon]
) -> tuple[Recurring, ...]:
    """The chores; they tell the daemon, which is made with them."""
    return chores(
        world.settings,
        purge=Purge(world),
        rotation=Rotation(
            world, coordination.lock, lambda: daemon().is_stopping()
        ),
        sweep=Sweep(world),
    )


if __name__ == "__main__":
    sys.exit(main())
