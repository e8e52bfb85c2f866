# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""How long until full size after an amphora lost its power, by default.

The lab's control planes are in a hurry; here both have the timers of their
defaults: heartbeats, what counts as silence, pauses between looks.
"""

import collections.abc
import contextlib
import time

from octavia_anycast_lab import deployment
from octavia_anycast_lab.bench import result, world
from octavia_anycast_lab.bench.events import columns
from octavia_anycast_lab.cloud import controller

QUESTION = result.Question(
    name="full_size_restored",
    unit="s",
    expected="11-13 s: 5 s of silence, for Nova says that the server is "
    "stopped, and a boot; the peer 80-105 s: 60 s of silence, two boots' "
    "worth of pauses",
    target=result.Target(quantity="ours", limit=15.0),
)
OURS = """[anycast]
heartbeat_interval = 3
resync_interval = 10
session_patience = 60
agent_timeout = 5
dead_after = 15
gate_timeout = 60
boot_timeout = 600
"""
PEER = """[health_manager]
heartbeat_interval = 10
heartbeat_timeout = 60
health_check_interval = 3
[controller_worker]
amp_active_retries = 30
amp_active_wait_sec = 10
[haproxy_amphora]
connection_max_retries = 120
connection_retry_interval = 5
"""


def measure(lab: world.World) -> tuple[result.Result, ...]:
    """Ours and the peer lose an amphora in turn."""
    before = result.load()
    runs = []
    with _defaults(lab), columns.standing(lab, PEER) as (ours, peer):
        for turn in range(lab.runs):
            found = result.Run(ours=_restored(ours), peer=_restored(peer))
            lab.say(f"run {turn + 1}: {found.ours:.0f} s, {found.peer:.0f} s")
            runs.append(found)
    return (QUESTION.answer(runs, before),)


def _restored(column: columns.Column) -> float:
    """Seconds from the loss of power until it is whole without the lost."""
    column.settle()
    victim = column.victim()
    instance = column.amphorae()[victim]
    began = time.monotonic()
    column.machines.kill(instance.id)
    column.await_whole()
    return time.monotonic() - began


@contextlib.contextmanager
def _defaults(lab: world.World) -> collections.abc.Iterator[None]:
    """Our controller with the timers of the product."""
    path = lab.plane.config_dir / "octavia-defaults.conf"
    deployment.write_private(path, OURS)
    controller.stop(lab.registry)
    controller.start(lab.plane, lab.registry, (path,))
    try:
        yield
    finally:
        controller.stop(lab.registry)
        controller.start(lab.plane, lab.registry)
