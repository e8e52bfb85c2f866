# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The demonstration as a visitor runs it: it judges itself."""

import collections.abc
import subprocess
import sys

import pytest
from octavia_anycast_lab import deployment
from octavia_anycast_lab.api import distributors, rest
from octavia_anycast_lab.demo import client, screen, story

pytestmark = pytest.mark.lab

LINES_MAX = 240
COLUMNS_MAX = 100
LIMIT_SECONDS = 900.0


@pytest.fixture(autouse=True)
def _nothing_left(
    cloud: deployment.Deployment,
) -> collections.abc.Iterator[None]:
    """Other tests want none of what it leaves, least of all if it fails."""
    yield
    story.remove(
        rest.Api(plane=cloud), rest.Api(plane=cloud, cloud=client.TENANT)
    )


def _demo(lab: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "octavia_anycast_lab.demo", "--lab", lab],
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


def test_the_demonstration_keeps_what_it_states(
    cloud: deployment.Deployment,
) -> None:
    done = _demo(cloud.lab.name)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) <= LINES_MAX
    assert max(map(len, lines)) <= COLUMNS_MAX
    assert max(map(len, lines)) >= screen.WIDTH
    assert "Traceback" not in done.stdout + done.stderr
    # It leaves a distributor for the visitor.
    assert distributors.find(rest.Api(plane=cloud)) is not None
