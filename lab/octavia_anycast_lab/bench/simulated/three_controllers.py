# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""How three controllers divide a thousand load balancers.

The hash ring of tooz decides, whichever service keeps the group. What else
three controllers are measured by, ``make test-ha`` prints.
"""

from octavia_anycast_lab.bench import result, world
from octavia_anycast_lab.bench.simulated import (
    thousand,
)

CONTROLLERS = 3
SHARES = result.Question(
    name="three_controllers_largest_share_over_mean",
    unit="ratio",
    expected="1.03-1.08: a hash ring with 1,024 points for each member, and "
    "the luck of 1,000 load balancers",
    target=result.Target(quantity="ours", limit=1.1),
)


def measure(lab: world.World) -> tuple[result.Result, ...]:
    """New controllers and load balancers each time; a second."""
    before = result.load()
    runs = [thousand.divide(CONTROLLERS) for _ in range(lab.runs)]
    shares = SHARES.answer(runs, before)
    lab.say(f"three controllers: largest share {shares.ours:.3f} of the mean")
    return (shares,)
