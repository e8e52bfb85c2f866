# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Stock Octavia on the same database, network and compute: undisturbed.

It shows that nothing of ours had to be patched into Octavia, and that the
lab is one: an unmodified worker builds an amphora that serves.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence

import pytest
from octavia_anycast_lab import cleanup, deployment, settings, shell
from octavia_anycast_lab.cloud import stock
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.registry import Registry

pytestmark = pytest.mark.lab

NAME = "stock-single"
ACTIVE_SECONDS = 120.0


@pytest.fixture(scope="module")
def stock_octavia(
    cloud: deployment.Deployment,
) -> Iterator[deployment.Deployment]:
    with stock.running(cloud, Registry(cloud.lab.run_dir)):
        yield cloud


def _openstack(plane: deployment.Deployment, *arguments: str) -> str:
    done = subprocess.run(
        shell.command_line(plane, ["openstack", *arguments]),
        env={**shell.environment(plane), "OS_CLOUD": stock.CLOUD},
        capture_output=True,
        text=True,
        timeout=ACTIVE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _create(plane: deployment.Deployment, *words: str) -> None:
    _openstack(plane, "loadbalancer", *words, "--wait")


def _get(plane: deployment.Deployment, address: str) -> Sequence[str]:
    client = plane.lab.namespace(settings.CLIENT)
    url = f"http://{address}/"
    wanted = "%{http_code} %header{x-member}"
    argv = ["curl", "-s", "-m", "3", "-o", "/dev/null", "-w", wanted, url]
    return netns.run(client, argv, check=False).stdout.split()


def test_a_single_load_balancer_of_stock_octavia(
    stock_octavia: deployment.Deployment,
) -> None:
    plane = stock_octavia
    registry = Registry(plane.lab.run_dir)
    before = cleanup.namespaces(plane.lab, registry)
    subnet = "fe-rack1-v4"
    _create(
        *(plane, "create", "--name", NAME, "--provider", stock.PROVIDER),
        *("--vip-subnet-id", subnet),
    )
    _create(
        *(plane, "listener", "create", "--name", "l", NAME),
        *("--protocol", "HTTP", "--protocol-port", "80"),
    )
    _create(
        *(plane, "pool", "create", "--name", "p", "--listener", "l"),
        *("--protocol", "HTTP", "--lb-algorithm", "ROUND_ROBIN"),
    )
    member = settings.MEMBERS[0]
    _create(
        *(plane, "member", "create", "--subnet-id", "backend-v4", "p"),
        *("--address", str(member.address_v4.ip)),
        *("--protocol-port", str(settings.MEMBER_PORT)),
    )
    row = json.loads(
        _openstack(plane, "loadbalancer", "show", NAME, "-f", "json")
    )
    assert row["provider"] == stock.PROVIDER
    process.wait_until(
        lambda: _get(plane, row["vip_address"]) == ["200", member.name],
        10.0,
        "an answer through the VIP",
    )
    _openstack(plane, "loadbalancer", "delete", "--cascade", "--wait", NAME)
    assert _get(plane, row["vip_address"]) == ["000"]
    assert cleanup.namespaces(plane.lab, registry) == before


def test_nothing_of_it_survives_its_stop(
    cloud: deployment.Deployment,
) -> None:
    """Its health manager's pools outlive their parent; ``stop`` does not."""
    registry = Registry(cloud.lab.run_dir)
    with stock.running(cloud, registry):
        leaders = [
            process.pid_of(registry, label)
            for label in (stock.API_LABEL, stock.HEALTH_LABEL)
        ]
    for pid in cleanup.pids_in(cloud.namespace):
        assert os.getsid(pid) not in leaders
