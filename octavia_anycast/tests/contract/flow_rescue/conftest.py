# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The bench of three members."""

import os
import shutil

import pytest

from octavia_anycast.agent.flow_rescue.loader import OBJECT_PATH
from octavia_anycast.tests.contract.flow_rescue.rescue_bench import RescueBench


def missing():
    """Why the real program cannot run here."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for tool in ("ip", "tc", "nsenter"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    if not os.path.exists(OBJECT_PATH):
        return "flow_rescue.bpf.o is not built: make bpf"
    return None


@pytest.fixture
def make_bench(tmp_path):
    """Make a bench of so many members."""
    if reason := missing():
        if os.environ.get("CI") or os.environ.get("OA_LAB_REQUIRED"):
            pytest.fail(reason)
        pytest.skip(reason)
    made = []

    def make(count=3, **options):
        made.append(RescueBench(str(tmp_path), count, **options))
        made[-1].build()
        return made[-1]

    yield make
    for bench in made:
        bench.close()


@pytest.fixture
def bench(make_bench):
    """Three members that do not rescue yet."""
    return make_bench()
