# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The tables of the kernel are read when they may say something new."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from octavia_anycast.agent.frontend.frontend import interface_addresses
from octavia_anycast.agent.frontend.netlink import Address, Link
from octavia_anycast.agent.gate.gate import Verdict
from octavia_anycast.agent.gate.inside import (
    FrontendWatch,
    GatewayWatch,
    View,
    view_of,
)
from octavia_anycast.model.wire import GateSettings
from octavia_anycast.tests.unit.agent.states import state

STATE = state()
VIPS = [vip.vip_ip for vip in STATE.vips]
INDEX = 3
REACHABLE, DELAY, PROBE, FAILED, INCOMPLETE = 0x02, 0x08, 0x10, 0x20, 0x01
GATEWAY, OTHER = ip_address("10.1.0.1"), ip_address("fd00:10:1::1")


class Kernel:
    """What netlink lists, and how often it was asked; it is changed by hand.

    The front end of the state is there, with the VIPs, until told else.
    """

    def __init__(self):
        frontend = STATE.frontend
        self.link = Link(
            index=INDEX,
            name="eth1",
            mac_address=frontend.mac_address,
            is_up=True,
        )
        addresses = [*interface_addresses(frontend)]
        self.present = [
            Address(index=INDEX, ip_address=ip, prefix_length=length)
            for ip, length in addresses
        ] + [
            Address(index=1, ip_address=ip, prefix_length=ip.max_prefixlen)
            for ip in VIPS
        ]
        self.is_changed = False
        self.reads = 0
        self.error = None

    def links(self):
        self.reads += 1
        if self.error:
            raise self.error
        return (self.link,)

    def addresses(self):
        return tuple(self.present)

    def take(self):
        told, self.is_changed = self.is_changed, False
        return told


@pytest.fixture
def kernel():
    return Kernel()


@pytest.fixture
def watch(kernel):
    return FrontendWatch(kernel)


def test_it_is_read_once_while_nothing_changes(kernel, watch):
    views = [watch.look(kernel, STATE, n * 0.1) for n in range(40)]
    assert kernel.reads == 1
    assert views[-1] is views[0]
    assert views[0].problem == ""
    assert views[0].bound == frozenset(VIPS)


def test_what_has_changed_is_seen_in_the_next_look(kernel, watch):
    watch.look(kernel, STATE, 0.0)
    kernel.link = replace(kernel.link, is_up=False)
    kernel.is_changed = True
    view = watch.look(kernel, STATE, 0.1)
    assert view.problem == "the link of the front-end interface is down"
    kernel.link = replace(kernel.link, is_up=True)
    kernel.present = [a for a in kernel.present if a.ip_address != VIPS[0]]
    kernel.is_changed = True
    view = watch.look(kernel, STATE, 0.2)
    assert (view.problem, view.bound) == ("", frozenset(VIPS[1:]))
    watch.look(kernel, STATE, 0.3)
    assert kernel.reads == 3


def test_another_state_is_compared_anew(kernel, watch):
    watch.look(kernel, STATE, 0.0)
    view = watch.look(kernel, state(frontend=None), 0.1)
    assert view.problem == "no front end is assigned"
    assert watch.look(kernel, STATE, 0.2).problem == ""


def test_it_is_read_again_after_a_while_whatever_is_told(kernel, watch):
    watch.look(kernel, STATE, 0.0)
    kernel.link = replace(kernel.link, is_up=False)
    assert watch.look(kernel, STATE, 4.9).problem == ""
    assert watch.look(kernel, STATE, 5.1).problem != ""


def test_a_kernel_that_does_not_answer_is_asked_again(kernel, watch):
    watch.look(kernel, STATE, 0.0)
    kernel.error, kernel.is_changed = OSError("no answer"), True
    for _ in range(2):  # not the old view, though no more change is told
        with pytest.raises(OSError, match="no answer"):
            watch.look(kernel, STATE, 0.1)
    kernel.error = None
    assert watch.look(kernel, STATE, 0.2).problem == ""


class Neighbours:
    """The kernel's entries: each question is answered by ``answers``."""

    def __init__(self):
        self.states = {}
        self.reads, self.asked = 0, []

    def neighbours(self, index):
        assert index == INDEX
        self.reads += 1
        return dict(self.states)

    def ask_neighbour(self, index, address, state):
        self.asked.append((address, state))
        self.states[address] = PROBE if state == REACHABLE else INCOMPLETE

    def answer(self, *addresses):
        self.states |= dict.fromkeys(addresses, REACHABLE)


def view(*gateways):
    return View(problem="", index=INDEX, bound=frozenset(), gateways=gateways)


def look(watch, neighbours, now, *gateways):
    settings = GateSettings(gateway_interval_ms=400)
    return watch.look(neighbours, view(*gateways), settings, now).verdict


def test_a_gateway_that_answers_is_read_once_a_question():
    watch, kernel = GatewayWatch(), Neighbours()
    kernel.answer(GATEWAY, OTHER)
    for tick in range(40):  # four seconds: ten questions
        verdict = look(watch, kernel, tick * 0.1, GATEWAY, OTHER)
        assert verdict is Verdict.GOOD
        kernel.answer(GATEWAY, OTHER)
    assert len(kernel.asked) == 2 * 10
    assert {state for _, state in kernel.asked} == {REACHABLE}
    assert kernel.reads == 1 + 10


def test_a_gateway_that_falls_silent_is_known_at_once():
    """It is read in each look from the question on, as if always."""
    watch, kernel = GatewayWatch(), Neighbours()
    kernel.answer(GATEWAY)
    assert look(watch, kernel, 0.0, GATEWAY) is Verdict.GOOD
    for now in (0.1, 0.2, 0.3):  # three probes are on their way
        assert look(watch, kernel, now, GATEWAY) is Verdict.GOOD
    kernel.states[GATEWAY] = FAILED
    for now in (0.31, 0.4, 0.5, 1.0):
        assert look(watch, kernel, now, GATEWAY) is Verdict.BAD
    assert kernel.asked[-1] == (GATEWAY, INCOMPLETE)
    kernel.answer(GATEWAY)
    assert look(watch, kernel, 1.1, GATEWAY) is Verdict.GOOD


def test_one_of_two_gateways_is_silent():
    watch, kernel = GatewayWatch(), Neighbours()
    kernel.answer(GATEWAY)
    kernel.states[OTHER] = INCOMPLETE
    assert look(watch, kernel, 0.0, GATEWAY, OTHER) is Verdict.BAD
    assert look(watch, kernel, 0.1, GATEWAY) is Verdict.GOOD


def test_another_gateway_is_looked_at_at_once():
    watch, kernel = GatewayWatch(), Neighbours()
    kernel.answer(GATEWAY)
    kernel.states[OTHER] = FAILED
    look(watch, kernel, 0.0, GATEWAY)
    kernel.answer(GATEWAY)
    assert look(watch, kernel, 0.1, GATEWAY) is Verdict.GOOD
    assert look(watch, kernel, 0.2, OTHER) is Verdict.BAD


def test_without_a_gateway_nothing_is_read():
    watch, kernel = GatewayWatch(), Neighbours()
    for tick in range(10):
        assert look(watch, kernel, tick * 0.1) is Verdict.GOOD
    assert (kernel.reads, kernel.asked) == (0, [])


def test_the_view_names_each_gateway_once():
    frontend = STATE.frontend
    twice = replace(frontend, addresses=frontend.addresses * 2)
    gateways = view_of(state(frontend=twice), (), ()).gateways
    assert sorted(map(str, gateways)) == sorted(
        {str(a.gateway) for a in frontend.addresses if a.gateway}
    )
