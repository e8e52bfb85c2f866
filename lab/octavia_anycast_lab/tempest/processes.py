# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which process runs which tests. Pure.

The tests of a class share what its set-up makes, so a process has all of them.
stestr alone deals out classes without a look at their size: of Octavia's, five
have nine of ten tests, and two of those in one process make a run longer by
half.
"""

import collections
import json
from collections.abc import Iterable


def shared_out(tests: Iterable[str], count: int) -> list[list[str]]:
    """The classes of each process, the largest first to the least laden.

    :param tests: dotted names
    :param count: of processes; no more than there are classes
    """
    sizes = collections.Counter(test.rpartition(".")[0] for test in tests)
    shares: list[list[str]] = [[] for _ in range(min(count, len(sizes)))]
    loads = [0] * len(shares)
    for name, size in sorted(sizes.items(), key=lambda one: (-one[1], one[0])):
        least = loads.index(min(loads))
        shares[least].append(name)
        loads[least] += size
    return shares


def worker_file(shares: Iterable[Iterable[str]]) -> str:
    """The text of stestr's file of workers: YAML, of which JSON is a part."""
    return json.dumps(
        [
            {"worker": [rf"^{name}\.[^.]*$" for name in share]}
            for share in shares
        ]
    )
