# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Every command of the guides, typed in the lab as printed.

In the order of ``guide_blocks.ORDER``; each document is one test, and may use
what one before it made, as a reader would who follows them all. What their
sources mark as not run is not. At the end all that they made is removed.
Ansible's and Heat's pages have a suite of their own, ``lab/tests/automation``.
"""

import pathlib
import time

import guide_shell
import pytest
from cluster_bench import Bench
from guide_shell import guide_blocks
from octavia_anycast_lab.api import distributors, rest
from octavia_anycast_lab.host import process

pytestmark = pytest.mark.lab

ROOT = guide_shell.ROOT
DOCUMENTS = [
    path
    for path in guide_blocks.guides(ROOT)
    if any(b.reason is None for b in guide_blocks.blocks(path, ROOT))
    and str(path.relative_to(ROOT)) not in guide_blocks.OWN_SUITE
]
BALANCERS = ("mine", "web", "pinned", "first", "lab-web", "sdk-web")
FLAVORS = ("anycast-2",)
FABRICS = ("fabric",)
PEERS = ("tor1", "tor2", "tor3", "leaf1-bfd", "leaf1-front")
GROUPS = ("anycast-peering",)
GONE_SECONDS = 120.0


@pytest.fixture(scope="module")
def reader(bench: Bench):
    """Somebody who types; what the guides make is removed at the end."""
    _remove(bench)
    distributors.ensure_default(bench.admin)
    commands = bench.client.directory
    with guide_shell.Reader(bench.plane, commands) as typist:
        yield typist
    _remove(bench)


def _remove(bench: Bench) -> None:
    octavia = bench.octavia
    for name in BALANCERS:
        for found in octavia.load_balancers(name=name):
            bench.await_settled(found.id)
            octavia.delete_load_balancer(found.id, cascade=True)
    process.wait_until(
        lambda: (
            not any(
                list(octavia.load_balancers(name=name)) for name in BALANCERS
            )
        ),
        GONE_SECONDS,
        "the load balancers of the guides are gone",
    )
    for name in FABRICS:
        found = distributors.find(bench.admin, name)
        if found is not None:
            distributors.delete(bench.admin, str(found["id"]))
    _make_default(bench)
    peers = bench.admin.get(rest.LOAD_BALANCER, distributors.PEERS_PATH)
    for peer in peers["bgp_peers"]:
        if peer["name"] in PEERS:
            bench.admin.request(
                "DELETE",
                rest.LOAD_BALANCER,
                f"{distributors.PEERS_PATH}/{peer['id']}",
            )
    _remove_flavors(bench)
    network = bench.connection_as("admin").network
    for name in GROUPS:
        for group in network.security_groups(name=name):
            network.delete_security_group(group)


def _make_default(bench: Bench) -> None:
    found = distributors.find(bench.admin)
    if found is not None and not found["is_default"]:
        bench.admin.request(
            "PUT",
            rest.LOAD_BALANCER,
            f"{distributors.PATH}/{found['id']}",
            {"distributor": {"is_default": True}},
        )


def _remove_flavors(bench: Bench) -> None:
    for name in FLAVORS:
        flavor = bench.operator.find_flavor(name)
        if flavor is not None:
            bench.operator.delete_flavor(flavor)
        profile = bench.operator.find_flavor_profile(name)
        if profile is not None:
            bench.operator.delete_flavor_profile(profile)


@pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_guide_as_printed(
    reader: guide_shell.Reader, document: pathlib.Path
) -> None:
    for block in guide_blocks.blocks(document, ROOT):
        if block.reason is not None:
            continue
        began = time.monotonic()
        try:
            said = reader.type(block)
        except guide_shell.GuideError as error:
            pytest.fail(f"{block.name}:\n{block.text}\n{error}", pytrace=False)
        print(f"== {block.name}: {time.monotonic() - began:.1f} s")  # noqa: T201
        print(f"{block.text}{said}")  # noqa: T201
