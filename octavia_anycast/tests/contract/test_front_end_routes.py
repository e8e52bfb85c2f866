# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The routes of the front end, in a namespace of the test's own.

They are looked at again and again; a process is started only to set what the
kernel does not have.
"""

import ipaddress
import json
import os
import uuid
from dataclasses import replace

import pytest

from octavia_anycast.agent.frontend import frontend as module
from octavia_anycast.agent.frontend import rest as rest_module
from octavia_anycast.agent.frontend.frontend import (
    FrontendPaths,
    FrontendSetup,
)
from octavia_anycast.tests.contract.bird_peer import ip
from octavia_anycast.tests.contract.test_speaker import eventually
from octavia_anycast.tests.unit.agent.states import state

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
FRONTEND = state().frontend
VIP_TABLE = "1"
VIPS = module.vip_addresses(state())


class Kernel:
    """A namespace with the front end's interface, and what is run in it."""

    def __init__(self, directory):
        self.namespace = f"routes-{uuid.uuid4().hex[:8]}"
        self.programs = []
        self.looks = 0
        self._run = module.run
        ip("netns", "add", self.namespace)
        pair = ("type", "veth", "peer", "name", "leaf")
        self.ip("link", "add", "eth1", *pair)
        self.ip("link", "set", "eth1", "address", FRONTEND.mac_address)
        self.ip("link", "set", "leaf", "up")
        self.setup = FrontendSetup(
            FrontendPaths(
                namespace=self.namespace,
                interface_directory=str(directory),
                plugged_path=str(directory / "plugged"),
                masquerade_program="/nonexistent",
            )
        )
        # Those of this machine are not the test's to set.
        self.setup._has_sysctls = True

    def ip(self, *words):
        return ip("-n", self.namespace, *words)

    def run(self, argv, **options):
        self.programs.append(argv)
        return self._run(argv, **options)

    def vip_routes(self):
        return {
            route["dst"]: route.get("metrics", [{}])[0].get("advmss")
            for version in ("-4", "-6")
            for route in json.loads(
                self.ip(version, "-j", "route", "show", "table", VIP_TABLE)
            )
            if route.get("protocol") == "static"
        }

    def close(self):
        self.setup.close()
        ip("netns", "del", self.namespace)


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    made = Kernel(tmp_path)
    monkeypatch.setattr(module, "run", made.run)
    monkeypatch.setattr(module, "_CHECK_SECONDS", 0.02)
    # As if all were read anew each time; the last tests read when told.
    monkeypatch.setattr(rest_module, "READ_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(module, "Netlink", counted(made))
    yield made
    made.close()


def counted(kernel):
    """Netlink, which counts the looks at the routes."""

    class Counted(module.Netlink):
        def static_routes(self):
            kernel.looks += 1
            return super().static_routes()

    return Counted


def settle(kernel):
    """Wait until it has looked some times and run nothing."""

    def is_quiet():
        before, looks = len(kernel.programs), kernel.looks
        eventually(lambda: kernel.looks >= looks + 5, "it goes on to look")
        return len(kernel.programs) == before

    eventually(is_quiet, "nothing is run any more")


@pytest.mark.parametrize("is_rescuing", [True, False])
def test_routes_are_set_once_and_again_when_they_are_gone(kernel, is_rescuing):
    kernel.setup.want(FRONTEND, VIPS, is_rescuing=is_rescuing)
    settle(kernel)
    routes = kernel.vip_routes()
    assert set(routes) == {"default", "10.1.0.0/24", "fd00:10:1::/64"}
    assert all(bool(mss) is is_rescuing for mss in routes.values())

    kernel.programs.clear()
    kernel.ip("route", "del", "default", "table", VIP_TABLE)
    eventually(lambda: kernel.vip_routes() == routes, "the route is back")
    settle(kernel)
    assert len([p for p in kernel.programs if "route" in p]) == 1


def test_two_subnets_of_a_version_come_to_rest(kernel):
    """The kernel takes one default route for each table."""
    first = FRONTEND.addresses[0]
    second = replace(
        first,
        ip_address=ipaddress.ip_address("10.9.0.5"),
        gateway=ipaddress.ip_address("10.9.0.1"),
    )
    both = replace(FRONTEND, addresses=(*FRONTEND.addresses, second))
    kernel.setup.want(both, VIPS, is_rescuing=False)
    settle(kernel)
    assert set(kernel.vip_routes()) >= {"10.1.0.0/24", "10.9.0.0/24"}
    default = kernel.ip("route", "show", "default", "table", VIP_TABLE)
    assert f"via {first.gateway}" in default


def test_another_mss_or_gateway_is_put_right(kernel):
    kernel.setup.want(FRONTEND, VIPS, is_rescuing=False)
    settle(kernel)
    before = kernel.vip_routes()

    kernel.setup.want(FRONTEND, VIPS, is_rescuing=True)
    settle(kernel)
    assert kernel.vip_routes() != before

    kernel.ip(
        *("route", "replace", "default", "via", "10.1.0.9", "onlink"),
        *("dev", "eth1", "proto", "static", "table", VIP_TABLE),
    )
    eventually(
        lambda: "10.1.0.9" not in kernel.ip("route", "show", "table", "1"),
        "the gateway is right",
    )


def rest(kernel, monkeypatch):
    """Have all as it is wanted, and then wait for what the kernel tells."""
    kernel.setup.want(FRONTEND, VIPS, is_rescuing=False)
    settle(kernel)
    monkeypatch.setattr(rest_module, "READ_AGAIN_SECONDS", 1e9)
    turns = []
    monkeypatch.setattr(
        kernel.setup._rest,
        "lasts",
        lambda wanted, ask=kernel.setup._rest.lasts: (
            turns.append(ask(wanted)) or turns[-1]
        ),
    )
    eventually(lambda: turns[-3:] == [True] * 3, "it is at rest")
    return turns


def test_nothing_is_read_while_nothing_changes(kernel, monkeypatch):
    turns = rest(kernel, monkeypatch)
    # The kernel itself has something to tell for two seconds: its link-local
    # addresses are usable.
    eventually(lambda: turns[-150:] == [True] * 150, "3 s without change")
    looks = kernel.looks
    assert turns[-1], "else one is under way"
    seen = len(turns)
    eventually(lambda: len(turns) >= seen + 5, "it has its turns")
    assert all(turns[seen:])
    assert kernel.looks == looks


@pytest.mark.parametrize(
    "words",
    [
        ("route", "del", "default", "table", VIP_TABLE),
        ("-6", "route", "del", "default", "table", VIP_TABLE),
        ("addr", "del", "10.1.0.5/24", "dev", "eth1"),
        ("link", "set", "eth1", "down"),
        ("rule", "del", "from", "198.51.100.1"),
    ],
)
def test_a_change_is_told_and_mended_at_once(kernel, monkeypatch, words):
    turns = rest(kernel, monkeypatch)

    def tables():
        return [
            kernel.ip("-o", *each)
            for each in (
                ("route", "show", "table", VIP_TABLE),
                ("-6", "route", "show", "table", VIP_TABLE),
                ("addr", "show", "dev", "eth1", "up"),
                ("rule", "show"),
            )
        ]

    # Only what the kernel tells ends the pause now.
    seen = len(turns)
    monkeypatch.setattr(module, "_CHECK_SECONDS", 1e6)
    eventually(lambda: len(turns) > seen, "it waits")
    before = tables()
    kernel.ip(*words)
    eventually(lambda: tables() == before, "it is as it was")


def test_a_file_that_somebody_wrote_is_put_right(kernel, monkeypatch):
    rest(kernel, monkeypatch)
    path = kernel.setup._paths.interface_directory + "/lo.json"
    with open(path, encoding="utf-8") as stream:
        text = stream.read()
    with open(path, "w", encoding="utf-8") as stream:
        stream.write("{}")

    def is_back():
        with open(path, encoding="utf-8") as stream:
            return stream.read() == text

    eventually(is_back, "the file is as it was")


def test_what_failed_is_tried_again(kernel, monkeypatch):
    """No change is told of what was not changed."""
    rest(kernel, monkeypatch)
    failed = []

    def fail_once(argv, **options):
        if "10.1.0.5/24" in argv and not failed:
            failed.append(argv)
            return False
        return kernel.run(argv, **options)

    monkeypatch.setattr(module, "run", fail_once)
    kernel.ip("addr", "del", "10.1.0.5/24", "dev", "eth1")
    eventually(
        lambda: "10.1.0.5/24" in kernel.ip("addr", "show", "dev", "eth1"),
        "it is back",
    )
    assert failed
