# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What a flavor says of the gate, over what the operator says."""

import pytest

from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.model.wire import GateSettings, SyntheticRequest
from octavia_anycast.options import HELP
from octavia_anycast.planning.amphora.gate_choice import KEYS, chosen_gate

OURS = GateSettings(fall_count=7)
ASKING = GateSettings(request=SyntheticRequest(path="/a", codes="200"))


def test_nothing_said_changes_nothing():
    assert chosen_gate(OURS, {"cluster_size": 3}) == OURS
    assert chosen_gate(ASKING, {}) == ASKING


def test_a_flavor_wins():
    gate = chosen_gate(
        OURS,
        {
            "gate_interval_ms": 50.0,
            "gate_request_path": "/b",
            "gate_request_codes": "204",
        },
    )
    assert (gate.interval_ms, gate.fall_count) == (50, 7)
    assert gate.request == SyntheticRequest(path="/b", codes="204")


def test_a_flavor_can_turn_the_request_off():
    assert chosen_gate(ASKING, {"gate_request_path": ""}).request is None


def test_the_rest_of_the_request_stays():
    request = chosen_gate(ASKING, {"gate_request_timeout_ms": 50}).request
    assert request == SyntheticRequest(path="/a", codes="200", timeout_ms=50)


@pytest.mark.parametrize(
    ("metadata", "key"),
    [
        ({"gate_interval_ms": 1}, "gate_interval_ms"),
        ({"gate_request_path": "b"}, "gate_request_path"),
        (
            {"gate_request_path": "/", "gate_request_codes": "9"},
            "gate_request_codes",
        ),
        (
            {"gate_request_path": "/", "gate_request_fall_count": 0},
            "gate_request_fall_count",
        ),
    ],
)
def test_what_does_not_fit_is_named(metadata, key):
    with pytest.raises(InvalidRequest) as refused:
        chosen_gate(OURS, metadata)
    assert refused.value.field == key


def test_a_key_is_an_option():
    assert set(KEYS) <= set(HELP)


@pytest.mark.parametrize(
    ("codes", "good", "bad"),
    [
        ("200", [200], [201, 404]),
        ("200-299,404", [200, 299, 404], [199, 300, 403]),
        ("200-599", [200, 503], [101]),
    ],
)
def test_codes(codes, good, bad):
    request = SyntheticRequest(path="/", codes=codes)
    assert all(request.expects(code) for code in good)
    assert not any(request.expects(code) for code in bad)


@pytest.mark.parametrize(
    "values",
    [
        {"path": ""},
        {"path": "/ x"},
        {"path": "/\r\nX: y"},
        {"path": "/", "method": "POST"},
        {"path": "/", "host": "a b"},
        {"path": "/", "codes": "200-"},
        {"path": "/", "codes": ""},
        {"path": "/", "timeout_ms": 1},
    ],
)
def test_what_cannot_be_asked_is_refused(values):
    with pytest.raises(InvalidRequest):
        SyntheticRequest(**values)
