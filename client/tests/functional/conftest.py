# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``openstack`` against the real API; nobody else is there.

settle       do at once what the controller would do with distributors
controller   do so all the time: ``--wait`` comes back
show         ``openstack loadbalancer ... -f json`` and what it printed
fabric       a settled distributor with a speaker, and its peer tor-1
"""

import types

import pytest


@pytest.fixture(autouse=True)
def _api(api):
    """All tests here are about the real API."""


@pytest.fixture
def settle(api):
    """Carry the pending changes of distributors out."""

    return api.settle


@pytest.fixture
def controller(cloud, settle):
    """Somebody who carries changes out before each next request."""
    cloud.meanwhile = settle


@pytest.fixture
def command(run):
    """Run a command of ours, given without its first words."""

    def call(words, *arguments, **settings):
        return run("loadbalancer", *words.split(), *arguments, **settings)

    return call


@pytest.fixture
def show(command):
    """Run a command that prints, and read what it printed."""

    def call(words, *arguments):
        return command(words, *arguments, "-f", "json").data

    return call


@pytest.fixture
def tor(show):
    """A BGP peer."""
    return show(
        "bgp peer create --name tor-1 --peer-ip 192.0.2.1 --remote-as 65001"
    )


@pytest.fixture
def fabric(show, tor, settle):
    """A distributor with that peer."""
    made = show(
        "distributor create --name fabric",
        *("--speaker", "ip-version=4,local-as=65010,peer=tor-1"),
    )
    settle()
    return types.SimpleNamespace(**made)
