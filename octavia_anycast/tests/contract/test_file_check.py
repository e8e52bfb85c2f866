# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The daemons' own look at a file, before it is put into force."""

import shutil
import sys
from ipaddress import ip_address

import pytest

from octavia_anycast.agent.speakers.bird import bird
from octavia_anycast.agent.speakers.exabgp import exabgp
from octavia_anycast.model.bgp import AuthType, SpeakerDriver
from octavia_anycast.tests.contract.test_speaker import peer, speakers

SECRET = "tops3cret"
# What the model would refuse, and would not if it had a gap.
BAD = {
    "exabgp": {"hold_time": 1},
    "bird": {"peer_ip": ip_address("fe80::1")},
}
SAYS = {"exabgp": "holdtime", "bird": "Link-local addresses"}


@pytest.fixture(params=BAD)
def kind(request):
    """The daemons whose programs are here."""
    if request.param == "bird" and shutil.which("bird") is None:
        pytest.skip("bird is not installed")
    return request.param


@pytest.fixture
def check(kind):
    """The daemon's check."""
    if kind == "bird":
        return bird.file_check("bird")
    return exabgp.file_check(sys.executable, "-m", "exabgp")


def bad(kind):
    """A peer with a value that no check has seen."""
    made = peer("p2", auth_type=AuthType.MD5, password=SECRET)
    for name, value in BAD[kind].items():
        object.__setattr__(made, name, value)
    return made


def test_a_good_file_is_taken(check, kind):
    good = peer("p1", auth_type=AuthType.MD5, password=SECRET)
    wanted = speakers(good, peer("p3"), driver=SpeakerDriver(kind))
    assert check.refused(wanted) == {}


def test_the_refused_peer_is_found_and_no_other(check, kind):
    driver = SpeakerDriver(kind)
    wanted = (
        *speakers(peer("p1"), driver=driver),
        *speakers(bad(kind), driver=driver),
        *speakers(peer("p3"), driver=driver),
    )
    refused = check.refused(wanted)
    assert set(refused) == {"p2"}
    assert SAYS[kind] in refused["p2"]
    assert SECRET not in refused["p2"]
    assert "/" not in refused["p2"]


@pytest.mark.parametrize("program", ["/nowhere/bird", "/bin/false"])
def test_a_daemon_that_cannot_look_refuses_nothing(program):
    check = bird.file_check(program)
    assert check.refused(speakers(peer("p1"))) == {}
