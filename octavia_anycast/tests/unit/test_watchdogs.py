# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The watchdogs of an amphora's units fit the controller's timers."""

import re
from pathlib import Path

import pytest

from octavia_anycast.model.bgp import Peer
from octavia_anycast.testing.operator_settings import read

ROOT = Path(__file__).resolve().parents[3]
UNITS = ROOT / "elements/octavia-anycast-agent/static/usr/lib/systemd/system"
TIMERS = ROOT / "doc/source/operator/configuration.rst"
SPEAKERD = "octavia-anycast-speakerd.service"
AGENT = "octavia-anycast-agent.service"


def watchdog(unit):
    (value,) = re.findall(
        r"^WatchdogSec=(\d+)s$", (UNITS / unit).read_text(), re.MULTILINE
    )
    return int(value)


@pytest.mark.parametrize("unit", [SPEAKERD, AGENT])
def test_what_it_heals_is_not_replaced_meanwhile(unit):
    assert watchdog(unit) < read().policy.gate_timeout


def test_the_agents_is_longer_than_a_call():
    assert watchdog(AGENT) > read().configure_timeout


def test_speakerds_is_no_substitute_for_the_hold_time():
    """A leaf sees a stopped guest before: nobody is in a hurry."""
    fields = Peer.__dataclass_fields__
    assert fields["hold_time"].default > watchdog(SPEAKERD) > 10


@pytest.mark.parametrize("unit", [SPEAKERD, AGENT])
def test_the_table_of_timers_has_it(unit):
    row = (
        rf"``WatchdogSec`` of ``{re.escape(unit)}``, in the image\n\s+- (\d+)"
    )
    assert re.findall(row, TIMERS.read_text()) == [str(watchdog(unit))]
