# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The doctor names what is planted in the lab, and is silent on a healthy one.

Faults are planted in leaf1, in its networks, in one amphora and in the cloud,
and the doctor is asked as an operator asks.
"""

import logging
import shlex
import subprocess

import losses
import planting
import pytest
from octavia_anycast_lab import shell
from octavia_anycast_lab.cloud import controller
from planted import FAULTS, NAME, Fault, await_named, await_silence
from planting import Scene

LOG = logging.getLogger(__name__)
pytestmark = pytest.mark.lab


def test_a_healthy_lab_is_silent(scene: Scene) -> None:
    """By what the API knows, and by the agents themselves."""
    await_silence(scene)
    done = manage(scene, "doctor", NAME)
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = done.stdout.splitlines()
    assert "0 are wrong" in line


def manage(scene: Scene, *words: str) -> "subprocess.CompletedProcess[str]":
    """``octavia-anycast-manage``, as on the controller's host."""
    plane = scene.bench.plane
    argv = ["octavia-anycast-manage", *controller.config_arguments(plane)]
    return subprocess.run(
        shell.command_line(plane, [*argv, *words]),
        env=dict(shell.environment(plane)),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_planted_is_named(scene: Scene, name: str) -> None:
    fault = FAULTS[name]
    traffic = losses.stream(scene.bench, scene.balancer)
    stream = traffic.__enter__() if fault.under_load else None
    try:
        with fault.plant(scene):
            row = await_named(scene, fault)
    finally:
        if stream is not None:
            traffic.__exit__(None, None, None)
    commands = " ".join(step["command"] for step in row["steps"])
    LOG.info("%s: %s\n%s", name, row["summary"], commands)
    assert fault.command in commands
    assert (row["severity"] == "warning") is fault.is_warning
    await_silence(scene)


def test_the_doctors_command_opens_the_port(scene: Scene) -> None:
    """What is printed is typed, as it is, and the doctor is silent."""
    fault = Fault(
        plant=planting.closed_port,
        check="security-groups",
        words=("does not let in TCP 80 over IPv4 (listener web)",),
        command="openstack security group rule create",
    )
    with fault.plant(scene):
        row = await_named(scene, fault)
    assert scene.balancer.id in row["summary"]
    for step in row["steps"]:
        program, *words = shlex.split(step["command"])
        assert program == "openstack"
        scene.bench.openstack(*words, cloud="admin")
    await_silence(scene)
