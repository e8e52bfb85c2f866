# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Whose certificate is due."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.planning.amphora.certificates import is_due

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = 86_400
SETTINGS = {"buffer_seconds": 14 * DAY, "validity_seconds": 30 * DAY}


def record(**changes):
    values = {
        "status": AmphoraStatus.ALLOCATED,
        "lb_network_ip": ip_address("172.31.0.5"),
        "cert_expiration": NOW + timedelta(days=13),
        **changes,
    }
    return AmphoraRecord(
        id="a", load_balancer_id="lb", status_since=NOW, **values
    )


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, True),
        ({"cert_expiration": NOW + timedelta(days=14)}, True),
        ({"cert_expiration": NOW + timedelta(days=14, seconds=1)}, False),
        ({"cert_expiration": NOW - timedelta(days=1)}, True),
        ({"cert_expiration": None}, True),
        ({"status": AmphoraStatus.BOOTING}, False),
        ({"status": AmphoraStatus.ERROR}, False),
        ({"status": AmphoraStatus.DELETED}, False),
        ({"lb_network_ip": None}, False),
        ({"leaving_since": NOW}, False),
    ],
)
def test_due(changes, wanted):
    assert is_due(record(**changes), NOW, **SETTINGS) is wanted


def test_a_new_certificate_is_never_due():
    """Not even with a buffer longer than its validity."""
    new = record(cert_expiration=NOW + timedelta(days=30))
    assert not is_due(
        new, NOW, buffer_seconds=60 * DAY, validity_seconds=30 * DAY
    )
    half = NOW + timedelta(days=15, seconds=1)
    assert is_due(
        new, half, buffer_seconds=60 * DAY, validity_seconds=30 * DAY
    )
