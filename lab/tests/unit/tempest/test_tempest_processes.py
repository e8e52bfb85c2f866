# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Classes of tests are shared out by their size, none twice or split."""

import json
import re

from octavia_anycast_lab.tempest import processes

SIZES = {"m.A": 3, "m.B": 9, "m.C": 1, "m.AB": 8, "n.D": 4}
TESTS = [
    f"{name}.test_{n}" for name, size in SIZES.items() for n in range(size)
]


def test_large_classes_have_a_process_of_their_own() -> None:
    shares = processes.shared_out(TESTS, 3)
    assert shares == [["m.B"], ["m.AB"], ["n.D", "m.A", "m.C"]]


def test_there_are_no_more_processes_than_classes() -> None:
    shares = processes.shared_out(TESTS, 8)
    assert sorted(shares) == [[name] for name in sorted(SIZES)]
    assert processes.shared_out([], 8) == []


def test_each_test_is_one_workers() -> None:
    workers = json.loads(processes.worker_file(processes.shared_out(TESTS, 2)))
    for test in TESTS:
        took = [
            worker
            for worker in workers
            if any(re.search(one, f"{test}[id-1]") for one in worker["worker"])
        ]
        assert len(took) == 1
