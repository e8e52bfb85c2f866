# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Fixtures of the lab's tests, each on top of the one before.

    lab            an instance of its own, clean before and after
    fabric         spines, leaves, members and the client, converged
    cloud          the control plane, the image and the controller as well
    bench          the cloud with a distributor, as a tenant uses it
    pool           the load balancer that many modules share, and
    balancer       that one, as it was made, for the length of a module

``OA_LAB`` names the instance (default ``oat``), ``OA_LAB_KEEP=1`` leaves it
up, ``OA_LAB_REUSE=1`` takes it as it is. ``OA_LAB_PATIENCE=3`` stretches all
deadlines, as ``make test`` does, where three groups share the machine. Without
root or tools a lab test is skipped with the reason; in CI (``CI`` or
``OA_LAB_REQUIRED`` set) that is an error: nothing is skipped silently.
"""

import collections.abc
import dataclasses
import importlib.util
import os
import shutil
import signal

import balancer_pool
import cluster_bench
import loaded_client
import pytest
from octavia_anycast_lab import cleanup, deployment, down, settings, up
from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab.fabric import frr, lifecycle
from octavia_anycast_lab.progress import Progress

TEST_LAB = "oat"
_REUSE = "OA_LAB_REUSE"
_TOOLS = (
    "ip",
    "nsenter",
    "nft",
    "bridge",
    "vtysh",
    "bird",
    "sysctl",
    "ping",
    "curl",
    "prometheus",
    "etcd",
    "etcdctl",
    "rsync",
    "faketime",
)
# They need an environment that has Heat: `make test-clients`.
collect_ignore = [] if importlib.util.find_spec("heat") else ["automation"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A lab and its registry."""

    lab: settings.Lab
    registry: registry_lib.Registry

    @classmethod
    def named(cls, name: str) -> "Instance":
        lab = settings.Lab(name=name)
        return cls(lab=lab, registry=registry_lib.Registry(lab.run_dir))


def missing() -> str | None:
    """What the lab needs and this machine has not."""
    if os.geteuid() != 0:
        return "the lab needs root (network namespaces)"
    tools = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if not (frr.FRR_DIR / "bgpd").exists():
        tools.append("frr")
    return f"not installed: {', '.join(tools)}" if tools else None


def pytest_configure() -> None:
    """Have SIGTERM end a run as Ctrl-C does: the lab is removed."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip lab tests where there can be no lab; refuse that in CI."""
    reason = missing()
    marked = [item for item in items if item.get_closest_marker("lab")]
    if reason is None or not marked:
        return
    if os.environ.get("CI") or os.environ.get("OA_LAB_REQUIRED"):
        raise pytest.UsageError(f"lab tests cannot run: {reason}")
    for item in marked:
        item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def lab() -> collections.abc.Iterator[Instance]:
    """An empty lab instance; whatever an earlier run left is removed."""
    instance = Instance.named(
        os.environ.get(settings.LAB_ENVIRONMENT, TEST_LAB)
    )
    if not os.environ.get(_REUSE):
        cleanup.clean(instance.lab)
    yield instance
    down.keep_logs(instance.lab)
    if not os.environ.get("OA_LAB_KEEP"):
        cleanup.clean(instance.lab)


@pytest.fixture(scope="session")
def fabric(lab: Instance) -> Instance:
    """The converged fabric with members and client."""
    lifecycle.up(lab.lab, lab.registry)
    return lab


@pytest.fixture(scope="session")
def cloud(fabric: Instance) -> deployment.Deployment:
    """Everything: Octavia's API, the controller, amphorae on demand."""
    return up.bring_up(
        fabric.lab,
        fabric.registry,
        Progress(),
        with_image=not os.environ.get(_REUSE),
    )


@pytest.fixture(scope="session")
def openstack(
    cloud: deployment.Deployment, tmp_path_factory: pytest.TempPathFactory
) -> collections.abc.Iterator[loaded_client.LoadedClient]:
    """The openstack client, for any user."""
    with loaded_client.LoadedClient(
        cloud, tmp_path_factory.mktemp("client")
    ) as made:
        yield made


@pytest.fixture(scope="session")
def bench(
    cloud: deployment.Deployment, openstack: loaded_client.LoadedClient
) -> collections.abc.Iterator[cluster_bench.Bench]:
    """Tools to make load balancers; there is no distributor yet."""
    made = cluster_bench.Bench(cloud, openstack)
    yield made
    made.close()


@pytest.fixture(scope="session")
def pool(bench: cluster_bench.Bench) -> balancer_pool.Pool:
    """The load balancer that modules share."""
    made = balancer_pool.Pool(bench, bench.lab.run_dir / "test-balancer")
    if os.environ.get(_REUSE):
        made.reuse()
    return made


@pytest.fixture(scope="module")
def balancer(pool: balancer_pool.Pool) -> cluster_bench.Balancer:
    """A dual-stack load balancer made in one call, announced by all."""
    return pool.take()


@pytest.fixture(scope="module")
def web(
    bench: cluster_bench.Bench, balancer: cluster_bench.Balancer
) -> dict[str, str]:
    """The ids of what came with the load balancer."""
    octavia = bench.octavia
    (listener,) = octavia.listeners(load_balancer_id=balancer.id, name="web")
    (pool,) = octavia.pools(load_balancer_id=balancer.id, name="web")
    return {
        "listener": listener.id,
        "pool": pool.id,
        **{member.name: member.id for member in octavia.members(pool.id)},
    }
