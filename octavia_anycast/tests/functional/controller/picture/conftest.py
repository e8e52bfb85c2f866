# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Three load balancers to look at, and a browser to look with."""

import os

import pytest

from octavia_anycast.model.monitoring.picture import ShownContent
from octavia_anycast.testing import browser as browser_module
from octavia_anycast.testing.planted_picture import (
    DOWN,
    PROJECTS,
    UP,
    PlantedAmphora,
    PlantedPicture,
    listener,
    pool,
)

# What a tenant may write, with what it must not bring about.
HOSTILE = (
    "<script>window.harmed = 1</script>",
    "<img src=x onerror='window.harmed = 1'>",
    '"><svg onload="window.harmed=1">',
    "two\nlines\u2028and\ttabs",
    "javascript:window.harmed=1",
    "\u202egnp.exe",
    "\U0001f33f" * 255,
    "&lt;b&gt; 'quoted' \"twice\" \\u003c",
)


def racks(name, **changes):
    """Four amphorae in two racks, each with both of its rack's leaves."""
    made = []
    for number in range(1, 5):
        rack = "rack1" if number < 3 else "rack2"
        leaves = ("leaf1", "leaf2") if number < 3 else ("leaf3", "leaf4")
        made.append(
            PlantedAmphora(
                name=f"{name}{number}",
                zone=rack,
                sessions=dict.fromkeys(leaves, UP),
                **changes.get(f"of{number}", {}),
            )
        )
    return made


@pytest.fixture
def planted(tmp_path):
    """Four leaves, no load balancer."""
    made = PlantedPicture(tmp_path)
    for number in range(1, 5):
        made.add_router(
            f"leaf{number}", number, "rack1" if number < 3 else "rack2"
        )
    return made


@pytest.fixture
def busy(planted):
    """One with a closed gate and a session that is down, one that is fine."""
    web = racks(
        "web",
        of2={"changes": {}},
        of4={"gate_reason": "HAProxy does not run"},
    )
    web[1].sessions["leaf2"] = DOWN
    servers = pool("servers", [("alpha", "ONLINE"), ("beta", "ERROR")])
    planted.web = planted.add_balancer(
        "web",
        web,
        number=1,
        operating="DEGRADED",
        reason="3 of 4 amphorae announce",
        content=ShownContent(
            listeners=(listener("http", [servers]),),
            pools=(servers,),
            listener_count=1,
            pool_count=1,
        ),
    )
    planted.mail = planted.add_balancer(
        "mail", racks("mail")[:2], number=2, project=PROJECTS[1]
    )
    return planted


@pytest.fixture(scope="session")
def chromium():
    """The browser, started once."""
    if not browser_module.is_there():
        if os.environ.get("OA_LAB_REQUIRED"):
            pytest.fail("chromium is missing: run make browser-packages")
        pytest.skip("chromium is missing: run make browser-packages")
    with browser_module.Browser() as found:
        yield found


@pytest.fixture
def browser(chromium):
    """The browser with an empty page, as wide as a desk."""
    chromium.open("about:blank")
    chromium.wait("location.href === 'about:blank'")
    chromium.size(1200, 900)
    chromium.prefer(color_scheme="light", reduced_motion="no-preference")
    chromium.requests.clear()
    chromium.problems.clear()
    return chromium
