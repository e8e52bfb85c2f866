# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Ansible, Heat and openstacksdk make a load balancer, as the guide says.

Each page of ``doc/source/user/automation`` is typed as printed; the playbooks,
templates and scripts that it shows are the files that run. After each command
the load balancer is looked at through Octavia's API: what is said to change
nothing may not have written anything.
"""

import dataclasses
import json
import typing

import guide_shell
import pytest
from cluster_bench import Bench
from guide_shell import guide_blocks
from octavia_anycast_lab import settings
from octavia_anycast_lab.api import distributors
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.orchestration import heat

pytestmark = pytest.mark.lab

PAGES = guide_shell.ROOT / "doc/source/user/automation"
NAMES = ("ansible-web", "heat-web", "sdk-web")
STACK = "web"
READY_SECONDS = 120.0
STAND_IN = settings.MEMBERS[0]
INTERFACE = "eth0"
# Members of the group after a signal.
SIZES = {"one_more": 3, "one_less": 2}
Objects = dict[str, dict[str, typing.Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """A block that was typed, what it said, and the objects after it."""

    block: guide_blocks.Block
    said: str
    objects: Objects

    def does(self, words: str) -> bool:
        """Whether one of its commands has these words."""
        return words in self.block.commands


@pytest.fixture(scope="module")
def reader(bench: Bench):
    """A tenant who types; what the pages make is removed at the end."""
    _remove(bench)
    distributors.ensure_default(bench.admin)
    commands = bench.client.directory
    with guide_shell.Reader(bench.plane, commands) as typist:
        yield typist
    _remove(bench)


@pytest.fixture
def orchestration(bench: Bench):
    """Heat, for as long as the test, and addresses for its members."""
    heat.start(bench.plane, bench.registry)
    _remove_stack(bench)
    yield
    _remove_stack(bench)
    heat.stop(bench.plane, bench.registry)
    _leave(bench)


def _remove_stack(bench: Bench) -> None:
    """Remove what a page that was not typed to its end has left."""
    listing = ["stack", "list", "-f", "value", "-c", "Stack Name"]
    if STACK in bench.client.run(listing, "demo").stdout.split():
        delete = ["stack", "delete", "--yes", "--wait", STACK]
        done = bench.client.run(delete, "demo")
        assert done.returncode == 0, done.stderr


def _remove(bench: Bench) -> None:
    for name in NAMES:
        bench.remove_earlier(name)


def steps(
    reader: guide_shell.Reader, bench: Bench, page: str, name: str
) -> typing.Iterator[Step]:
    """Type a page, block by block, and wait after each until all is ONLINE."""
    for block in guide_blocks.blocks(PAGES / page, guide_shell.ROOT):
        if block.reason is not None:
            continue
        try:
            said = reader.type(block)
        except guide_shell.GuideError as error:
            pytest.fail(f"{block.name}:\n{block.text}\n{error}", pytrace=False)
        print(f"== {block.name}\n{block.text}{said}")  # noqa: T201
        size = SIZES.get(block.commands.split()[-1])
        yield Step(block, said, objects(bench, name, size))


def objects(bench: Bench, name: str, size: int | None = None) -> Objects:
    """Id -> all attributes of what belongs to a load balancer, at rest.

    ``updated_at`` is among them: a write without a difference shows, too.
    ``size``: wait until there are so many members.
    """
    found: Objects = {}

    def is_at_rest() -> bool:
        nonlocal found
        found = _objects(bench, name)
        members = addresses(found)
        _serve(bench, members)
        return size in (None, len(members)) and all(
            one["provisioning_status"] == "ACTIVE"
            and one["operating_status"] == "ONLINE"
            for one in found.values()
        )

    process.wait_until(is_at_rest, READY_SECONDS, f"all of {name} is ONLINE")
    return found


def _objects(bench: Bench, name: str) -> Objects:
    octavia = bench.octavia
    found: list[typing.Any] = []
    for balancer in octavia.load_balancers(name=name):
        found += [balancer, *octavia.listeners(load_balancer_id=balancer.id)]
        for pool in octavia.pools(loadbalancer_id=balancer.id):
            found += [pool, *octavia.members(pool.id)]
            found += octavia.health_monitors(pool_id=pool.id)
    return {one.id: one.to_dict(computed=False) for one in found}


def addresses(found: Objects) -> set[str]:
    """Those of all members."""
    return {one["address"] for one in found.values() if "address" in one}


def _serve(bench: Bench, members: set[str]) -> None:
    """Have a server at each address: member1 stands in for all new ones."""
    for address in members - {str(m.address_v4.ip) for m in settings.MEMBERS}:
        netns.run(
            bench.lab.namespace(STAND_IN.name),
            [
                *("ip", "address", "replace"),
                f"{address}/{STAND_IN.address_v4.network.prefixlen}",
                *("dev", INTERFACE),
            ],
        )


def _leave(bench: Bench) -> None:
    """Take the addresses away that it has for others."""
    namespace = bench.lab.namespace(STAND_IN.name)
    show = ["ip", "-j", "-4", "address", "show", "dev", INTERFACE]
    (link,) = json.loads(netns.run(namespace, show).stdout)
    for one in link["addr_info"]:
        address = f"{one['local']}/{one['prefixlen']}"
        if one["local"] != str(STAND_IN.address_v4.ip):
            delete = ["ip", "address", "del", address, "dev", INTERFACE]
            netns.run(namespace, delete)


def algorithm(found: Objects) -> str:
    """That of the only pool."""
    (said,) = {
        one["lb_algorithm"] for one in found.values() if "lb_algorithm" in one
    }
    return str(said)


def assert_story(told: list[Step], create: str, change: str) -> None:
    """Created, the same again, changed in place, gone.

    ``create``: the words of the command that makes it; again it changes
    nothing. ``change``: those of the command that changes the algorithm.
    """
    made = [s for s in told if s.does(create) and not s.does(change)]
    assert len(made) == 2
    assert made[0].objects == made[1].objects != {}
    (n,) = [
        n
        for n, s in enumerate(told)
        if s.does(change) and not s.does("--check")
    ]
    before, after = told[n - 1].objects, told[n].objects
    assert after.keys() == before.keys()
    assert algorithm(before) == "ROUND_ROBIN"
    assert algorithm(after) == "LEAST_CONNECTIONS"
    assert told[-1].objects == {}


def test_ansible(reader: guide_shell.Reader, bench: Bench) -> None:
    told = list(steps(reader, bench, "ansible.rst", "ansible-web"))
    assert_story(told, "ansible-playbook web.yaml", "LEAST_CONNECTIONS")
    checked = next(n for n, s in enumerate(told) if s.does("--check"))
    assert told[checked].objects == told[checked - 1].objects


def test_openstacksdk(reader: guide_shell.Reader, bench: Bench) -> None:
    told = list(steps(reader, bench, "sdk.rst", "sdk-web"))
    assert_story(told, "python web.py\n", "LEAST_CONNECTIONS")


def test_heat(
    orchestration: None, reader: guide_shell.Reader, bench: Bench
) -> None:
    told = list(steps(reader, bench, "heat.rst", "heat-web"))
    assert_story(told, "-t web.yaml", "LEAST_CONNECTIONS")
    sizes = [len(addresses(s.objects)) for s in told[:-1]]
    assert list(dict.fromkeys(sizes)) == [2, 3]
    assert sizes[-1] == 2
