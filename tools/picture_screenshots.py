#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Make the guide's screenshots of the picture anew.

It serves the real page with rows that it plants in SQLite, and looks at it
with Chromium: ``.venv/bin/python tools/picture_screenshots.py``. Run it when
the page has changed; ``make browser-packages`` installs the browser.
"""

import sys
import tempfile
from pathlib import Path

from octavia_anycast.model.monitoring.event import EventKind
from octavia_anycast.model.monitoring.picture import ShownContent
from octavia_anycast.testing.browser import Browser
from octavia_anycast.testing.planted_picture import (
    DOWN,
    PROJECTS,
    UP,
    PlantedAmphora,
    PlantedPicture,
    id_of,
    listener,
    pool,
)

FOLDER = Path(__file__).parent.parent / "doc/source/operator/picture"
BYTES_MAX = 150_000
RACKS = ("rack1", "rack2", "rack3")
LEAVES = {"rack1": (1, 2), "rack2": (3, 4), "rack3": (5, 6)}
NAMES = ("shop", "mail", "wiki", "api", "metrics", "login", "video")
LOADED = "document.querySelector('#state').textContent.startsWith('Live')"


def planted(folder: Path) -> PlantedPicture:
    """Seven load balancers in three racks; in one of them a fault."""
    made = PlantedPicture(folder)
    for rack, leaves in LEAVES.items():
        for number in leaves:
            made.add_router(f"leaf{number}", number, rack)
    for number, name in enumerate(NAMES, start=1):
        is_ill = name == "shop"
        amphorae = [
            amphora(name, at, rack, is_ill=is_ill and at == 2)
            for at, rack in enumerate((*RACKS, RACKS[number % 3]))
        ]
        made.add_balancer(
            name,
            amphorae,
            number=number,
            project=PROJECTS[number % 2],
            operating="DEGRADED" if is_ill else "ONLINE",
            reason="3 of 4 amphorae announce" if is_ill else "",
            content=content(name),
        )
    shop = id_of("shop1")
    ill = {"amphora_id": id_of("shop2"), "availability_zone": "rack3"}
    made.happened(
        EventKind.GATE_CLOSED,
        shop,
        120,
        from_state="open",
        to_state="closed",
        cause="process: HAProxy does not run",
        **ill,
    )
    made.happened(
        EventKind.AMPHORA_WITHDRAWN,
        shop,
        119,
        from_state="announced",
        to_state="withdrawn",
        **ill,
    )
    made.happened(
        EventKind.STATUS,
        shop,
        118,
        from_state="ONLINE",
        to_state="DEGRADED",
    )
    made.happened(
        EventKind.AMPHORA_PHASE,
        shop,
        60,
        from_state="serving",
        to_state="sick",
        **ill,
    )
    return made


def amphora(
    name: str, number: int, rack: str, *, is_ill: bool
) -> PlantedAmphora:
    """One amphora, with sessions to both leaves of its rack."""
    sessions = {f"leaf{leaf}": UP for leaf in LEAVES[rack]}
    if name == "wiki" and number == 1:
        sessions["leaf4"] = DOWN
    return PlantedAmphora(
        name=f"{name}{number}",
        zone=rack,
        sessions=sessions,
        gate_reason="HAProxy does not run" if is_ill else "",
    )


def content(name: str) -> ShownContent:
    """Two pools, and a listener for each."""
    web = pool(
        f"{name}-web",
        [("web-1", "ONLINE"), ("web-2", "ONLINE"), ("web-3", "ERROR")],
    )
    static = pool(f"{name}-static", [("static-1", "ONLINE")])
    pools = (web, static)
    return ShownContent(
        listeners=(listener(f"{name}-http", pools),),
        pools=pools,
        listener_count=1,
        pool_count=len(pools),
    )


def count(made: PlantedPicture, seconds: float, connections: int) -> None:
    """Traffic of all that announce, as their heartbeats say it."""
    for name in NAMES:
        for number in range(4):
            if (name, number) != ("shop", 2):
                more = connections * (2 + number) // 3
                made.count(f"{name}{number}", more, seconds)


def look(browser: Browser, url: str, made: PlantedPicture) -> dict[str, bytes]:
    """Name -> picture."""
    found = {}
    browser.size(1000, 760)
    count(made, 13.0, 1)
    browser.open(url)
    browser.wait(LOADED)
    count(made, 1.0, 240)
    browser.wait(
        "document.querySelector('td:last-child').textContent != 'not known'"
    )
    browser.wait("document.querySelector('.changed') === null")
    found["overview"] = browser.picture()
    browser.ask(f"location.hash = 'lb={id_of('shop1')}'")
    browser.wait("document.querySelectorAll('#paths .box').length > 9")
    browser.ask(
        "document.querySelector("
        f"'[data-key=\"amphora:{id_of('shop2')[:8]}\"]').focus()"
    )
    browser.wait("document.querySelector('#panel dl') !== null")
    found["cluster"] = browser.picture()
    browser.prefer(color_scheme="dark")
    browser.ask(
        "(() => { const bar = document.querySelector('#time');"
        "bar.value = -300; bar.dispatchEvent(new Event('input')); })()"
    )
    browser.wait("document.body.classList.contains('replay')")
    found["replay"] = browser.picture()
    browser.prefer(color_scheme="light")
    browser.ask("document.querySelector('#now').click()")
    browser.size(360, 760, is_phone=True)
    browser.wait("!document.body.classList.contains('replay')")
    found["phone"] = browser.picture()
    return found


def main() -> int:
    """Write them; says which is too large."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        made = planted(Path(folder))
        with made.served() as url, Browser() as browser:
            found = look(browser, url, made)
    for name, picture in found.items():
        if len(picture) > BYTES_MAX:
            print(f"{name}.png has {len(picture)} octets", file=sys.stderr)  # noqa: T201
            return 1
        (FOLDER / f"{name}.png").write_bytes(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
