# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The operator's page on the fabric says what the lab's routers run."""

import pathlib
import re

import pytest
from octavia_anycast_lab import settings
from octavia_anycast_lab.fabric import frr

ROOT = pathlib.Path(__file__).resolve().parents[4]
PAGE = ROOT / "doc/source/operator/fabric.rst"
LEAF = settings.RACK_LEAVES[0]
# What every vendor's text has to say, in whatever words.
PROTECTIONS = {
    "Arista EOS": (
        r"bgp listen range 172\.31\.0\.0/22",
        r"password 0 PASSWORD",
        r"ttl maximum-hops 1",
        r"maximum-routes 1000",
        r"maximum-paths 16",
        r"multipath-relax",
        r"ecmp resilience 198\.51\.100\.0/24",
    ),
    "Cisco NX-OS": (
        r"neighbor 172\.31\.0\.0/22",
        r"password 0 PASSWORD",
        r"ttl-security hops 1",
        r"maximum-prefix 1000",
        r"maximum-paths 16",
        r"multipath-relax",
        r"ecmp resilient",
    ),
}


def section(title):
    text = PAGE.read_text()
    (found,) = re.findall(
        rf"^{title}\n-+\n(.*?)(?=^[^\n]+\n-{{4,}}\n|\Z)", text, re.M | re.S
    )
    return found


def test_frr_text_is_rendered_from_the_template_of_the_lab():
    shown = re.findall(
        r"^\.\. fabric-configuration:: (.*)$", section("FRR"), re.M
    )
    assert set(shown) == {
        "leaf1 bgpd",
        "leaf1 zebra",
        "leaf1 bfdd",
        "spine1 bgpd",
    }
    for pair in shown:
        router, daemon = pair.split()
        assert frr.render(frr.router(router), daemon)
    assert "::\n\n   router bgp" not in section("FRR")


@pytest.mark.parametrize("vendor", PROTECTIONS)
def test_vendors_text_has_every_protection_with_the_labs_numbers(vendor):
    text = section(vendor)
    for pattern in PROTECTIONS[vendor]:
        assert re.search(pattern, text), pattern
    for version, network, least in (
        ("ip", settings.VIP_NETWORK_V4, 32),
        ("ipv6", settings.VIP_NETWORK_V6, 128),
    ):
        assert f"permit {network} ge {least}" in text, version
    assert text.count("route-map DENY out") == 2
    assert f"router bgp {LEAF.asn}" in text
    assert f"remote-as {settings.AMPHORA_AS}" in text
    assert "\n*Not run.* ::\n" in text


def test_what_the_templates_demand_is_explained():
    """A line for amphorae in the template has its reason on the page."""
    template = frr.render(frr.router(LEAF.name), "bgpd")
    reasons = {
        "password": "TCP MD5",
        "ttl-security": "GTSM",
        "route-map": "filter",
        "maximum-prefix": "limit of prefixes",
        "timers": "Timers",
        "passive": "never opens a session",
        "bfd": "bfdd",
        "remote-as": "amphora AS",
        "peer-group": "Dynamic neighbours",
        "activate": "Both families",
    }
    words = set(re.findall(r"neighbor AMP ([\w-]+)", template))
    page = PAGE.read_text()
    assert words <= set(reasons)
    for word in words:
        assert reasons[word] in page, word
