# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A controller of the lab's real amphorae, and of simulated ones beside them.

``python -m octavia_anycast_lab.bench.simulated.beside_controller OUTPUT ORDER
OCTAVIA-ARGUMENTS``: all is real but for the amphorae of one load balancer and
of its copies, which are fakes. ORDER is :class:`Order` as JSON. OUTPUT is
written when all of these are looked after: an empty object, or an ``error``.
It ends when OUTPUT.end is there, and takes the copies with it.
"""

import dataclasses
import json
import os
import pathlib
import signal
import sys
import threading
import time
import traceback
import typing

import sqlalchemy
from octavia.common import config as octavia_config
from oslo_config import cfg

from octavia_anycast import options
from octavia_anycast.cmd import controller
from octavia_anycast.controller.ports import World
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.engine import Database
from octavia_anycast.db.models import Amphora
from octavia_anycast.testing.fakes.fake_cloud import FakeFiles
from octavia_anycast_lab.bench.simulated import (
    clones,
)
from octavia_anycast_lab.bench.simulated.live_cloud import (
    LiveCloud,
    OneAtATime,
)

_CONVERGE_SECONDS = 180.0
_COPY_SECONDS = 180.0
# Of what is simulated: the first looks after its copies are made.
_SETTLE_SECONDS = 10.0
_NEVER_SECONDS = 86_400.0
HEARTBEAT_SECONDS = 3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Which load balancer is simulated, how many with its copies.

    ``size``: amphorae of each.
    """

    template_id: str
    count: int
    size: int


class Simulated:
    """Knows which ids belong to load balancers that are simulated."""

    def __init__(self, database: Database, template_id: str) -> None:
        self._database = database
        self._load_balancer_ids = {template_id}
        self._known: dict[str, bool] = {}

    def add(self, load_balancer_id: str) -> None:
        """One more of them."""
        self._load_balancer_ids.add(load_balancer_id)

    def is_about(self, argument: object) -> bool:
        """Whether an argument is one of them, or an amphora of theirs."""
        ids = (
            [argument]
            if isinstance(argument, str)
            else [
                getattr(argument, name, None)
                for name in ("load_balancer_id", "amphora_id", "id")
            ]
        )
        return any(self._has(id_) for id_ in ids if isinstance(id_, str))

    def _has(self, id_: str) -> bool:
        if id_ in self._load_balancer_ids:
            return True
        if id_ not in self._known:
            owner = self._owner(id_)
            if owner is None:
                return False
            self._known[id_] = owner in self._load_balancer_ids
        return self._known[id_]

    def _owner(self, id_: str) -> str | None:
        """The load balancer of an amphora, or of a server."""
        with self._database.transaction() as session:
            return session.scalar(
                sqlalchemy.select(Amphora.load_balancer_id).where(
                    sqlalchemy.or_(
                        Amphora.id == id_, Amphora.compute_id == id_
                    )
                )
            )


class Beside:
    """Passes a call on to the fake if it is about what is simulated."""

    def __init__(
        self, real: object, fake: object, simulated: Simulated
    ) -> None:
        self._real, self._fake = real, fake
        self._simulated = simulated

    def __getattr__(self, name: str) -> typing.Any:
        real = getattr(self._real, name)
        if not callable(real):
            return real

        def call(*arguments: typing.Any, **named: typing.Any) -> typing.Any:
            every = (*arguments, *named.values())
            if any(self._simulated.is_about(one) for one in every):
                return getattr(self._fake, name)(*arguments, **named)
            return real(*arguments, **named)

        return call


def _populate(
    world: World, cloud: LiveCloud, simulated: Simulated, order: Order
) -> clones.Clones:
    """Copy the one that is simulated once it has converged.

    :raises TimeoutError: not all of them were looked at.
    """
    _await(
        lambda: len(cloud.announcers(order.template_id)) >= order.size,
        _CONVERGE_SECONDS,
        "not all amphorae of the first one announce",
    )
    time.sleep(_SETTLE_SECONDS)
    copies = clones.Clones(world, cloud, order.template_id)
    copies.make(order.count - 1, simulated.add)
    _await(
        lambda: len(cloud.asked) >= order.count * order.size,
        _COPY_SECONDS,
        "not all copies were looked at",
    )
    time.sleep(_SETTLE_SECONDS)
    return copies


def _await(
    condition: typing.Callable[[], bool], seconds: float, complaint: str
) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            raise TimeoutError(complaint)
        time.sleep(0.2)


def _write_beats(
    path: pathlib.Path, cloud: LiveCloud, stop: threading.Event
) -> None:
    """Keep a file with who sends heartbeats, and what these say."""
    while not stop.wait(0.5):
        draft = path.with_suffix(".new")
        draft.write_text("\n".join(cloud.beating()), "utf-8")
        draft.replace(path)


def _serve(
    world: World,
    cloud: LiveCloud,
    simulated: Simulated,
    order: Order,
    output: pathlib.Path,
) -> None:
    """Make the copies, say so, wait for the end, end the process."""
    copies: clones.Clones | None = None
    found: dict[str, str] = {}
    try:
        copies = _populate(world, cloud, simulated, order)
    except Exception as error:  # noqa: BLE001 - whoever waits has to hear
        traceback.print_exc()
        found = {"error": f"{type(error).__name__}: {error}"}
    draft = output.with_suffix(".draft")
    draft.write_text(json.dumps(found), "utf-8")
    draft.replace(output)
    end = pathlib.Path(f"{output}.end")
    while not end.exists():
        time.sleep(0.2)
    if copies is not None:
        copies.remove_patiently()
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Run the daemon with what is simulated beside it."""
    output = pathlib.Path(sys.argv[1])
    order = Order(**json.loads(sys.argv[2]))
    octavia_config.init(sys.argv[3:])
    octavia_config.setup_logging(cfg.CONF)
    read = options.read(cfg.CONF)
    settings = dataclasses.replace(
        read,
        # The defaults of the product, not the lab's hurry.
        policy=dataclasses.replace(read.policy, dead_after=15.0),
        resync_interval=10.0,
        heartbeat_interval=HEARTBEAT_SECONDS,
        # The real cloud has no ports of copies: they would be replaced.
        sweep_interval=_NEVER_SECONDS,
    )
    world = controller.make_world(settings)
    with world.database.transaction() as session:
        # Its secrets hang on the load balancer's id: copies would differ.
        clusters.update(session, order.template_id, flow_rescue=False)
    cloud = LiveCloud(world.database)
    simulated = Simulated(world.database, order.template_id)
    fake = OneAtATime(cloud)

    def beside(real: object, other: object = fake) -> typing.Any:
        return Beside(real, other, simulated)

    world = dataclasses.replace(
        world,
        compute=beside(world.compute),
        network=beside(world.network),
        haproxy=beside(world.haproxy),
        agents=beside(world.agents),
        fast_agents=beside(world.fast_agents),
        files=beside(world.files, FakeFiles()),
    )
    stop = threading.Event()
    beats = pathlib.Path(f"{output}.ids")
    for target, arguments in (
        (_serve, (world, cloud, simulated, order, output)),
        (_write_beats, (beats, cloud, stop)),
    ):
        threading.Thread(target=target, args=arguments, daemon=True).start()
    controller.run(world, settings)
    stop.set()


if __name__ == "__main__":
    main()
