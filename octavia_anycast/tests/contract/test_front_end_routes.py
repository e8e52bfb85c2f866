# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The routes of the front end, in a namespace of the test's own.

They are looked at again and again; a process is started only to set what the
kernel does not have.
"""

import json
import os
import uuid

import pytest

from octavia_anycast.agent.frontend import frontend as module
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
