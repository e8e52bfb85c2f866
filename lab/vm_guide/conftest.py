# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Fixtures of the install guide on virtual machines (``make test-vm-guide``).

The lab is one of its own, as Octavia is made one without us in it.
"""

import collections.abc
import contextlib
import os
import pathlib
import sys

import pytest
from octavia_anycast_lab import deployment
from octavia_anycast_lab.progress import Progress
from octavia_anycast_lab.registry import Registry
from octavia_anycast_lab.vm import down, up
from octavia_anycast_lab.vm import settings as vm_settings

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "tests"))

from host import Host

TEST_LAB = "oavmg"
_KEEP = "OA_LAB_KEEP"


@pytest.fixture(scope="session")
def host() -> collections.abc.Iterator[Host]:
    """The controller host, with an Octavia that works and nothing of ours."""
    assert os.geteuid() == 0, "the VM lab needs root (network namespaces)"
    lab = vm_settings.lab(
        os.environ.get(vm_settings.LAB_ENVIRONMENT, TEST_LAB)
    )
    up.require_machine()
    with contextlib.ExitStack() as stack:
        if not os.environ.get(_KEEP):
            stack.callback(down.down, lab, Progress())
        plane: deployment.Deployment = up.up(lab, Progress())
        made = Host(plane=plane, registry=Registry(lab.run_dir))
        made.start()
        yield made
