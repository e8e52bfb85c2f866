# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the planner would do for load balancers now; it is not done.

``python plan_now.py --config-file ...`` in the control namespace reads ids of
load balancers, one a line, and answers each with a JSON list of actions. It
works with the controller's own collaborators: the real rows, agents and
compute.
"""

import json
import sys
from concurrent.futures import Executor, ThreadPoolExecutor

from octavia.common import config
from oslo_config import cfg

from octavia_anycast import options
from octavia_anycast.cmd import controller
from octavia_anycast.controller.cluster.observe import Observer
from octavia_anycast.controller.ports import World
from octavia_anycast.model.errors import AnycastError
from octavia_anycast.planning.cluster.plan import plan


def actions(
    world: World, executor: Executor, load_balancer_id: str
) -> list[str]:
    """Observe and plan once."""
    tree = world.load_balancers.read(load_balancer_id)
    seen = Observer(world, executor).observe(tree)
    return [
        repr(action) for action in plan(seen.desired, seen.observed, seen.now)
    ]


def main(arguments: list[str]) -> None:
    """Answer until the input ends."""
    config.init(arguments)
    world = controller.make_world(options.read(cfg.CONF))
    with ThreadPoolExecutor(4) as executor:
        for line in sys.stdin:
            try:
                found = actions(world, executor, line.strip())
            except AnycastError as error:
                found = [repr(error)]
            print(json.dumps(found), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
