# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the planner would do for a load balancer now; it is not done.

``python plan_now.py LOAD_BALANCER_ID --config-file ...`` in the control
namespace, with the controller's own collaborators: the real rows, agents
and compute. Prints one action a line, nothing if the load balancer has
converged.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

from octavia.common import config
from oslo_config import cfg

from octavia_anycast import options
from octavia_anycast.cmd import controller
from octavia_anycast.controller.observe import Observer
from octavia_anycast.planning.plan import plan


def main(load_balancer_id: str, arguments: list[str]) -> None:
    """Observe and plan once."""
    config.init(arguments)
    world = controller.make_world(options.read(cfg.CONF))
    tree = world.load_balancers.read(load_balancer_id)
    with ThreadPoolExecutor(4) as executor:
        seen = Observer(world, executor).observe(tree)
    for action in plan(seen.desired, seen.observed, seen.now):
        print(action)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
