# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The page in a real browser, with the real server."""

import json
from contextlib import contextmanager
from dataclasses import replace

import pytest

from octavia_anycast.model.monitoring.event import EventKind
from octavia_anycast.model.monitoring.picture import ShownContent
from octavia_anycast.testing.planted_picture import (
    DOWN,
    PROJECTS,
    id_of,
    pool,
)
from octavia_anycast.tests.functional.controller.picture.conftest import (
    HOSTILE,
    racks,
)

LOADED = "document.querySelector('#state').textContent.startsWith('Live')"
ROWS = "[...document.querySelectorAll('#clusters tbody tr')]"
LINKS = "[...document.querySelectorAll('#clusters a')].map(x=>x.textContent)"
LABELS = (
    "[...document.querySelectorAll('#{} .box')]"
    ".map(x=>x.getAttribute('aria-label'))"
)
HARMED = "window.harmed ?? 0"


@contextmanager
def shown(browser, planted, place=""):
    """The page, with all that it asks for at first."""
    with planted.served() as url:
        browser.open(url + place)
        browser.wait(LOADED)
        yield url
        assert browser.problems == []
        assert all(x.startswith(url) for x in browser.requests)
        browser.open("about:blank")


def labels(browser, drawing):
    return browser.ask(LABELS.format(drawing))


def choose(browser, selector, value):
    browser.ask(
        f"(() => {{ const one = document.querySelector('{selector}');"
        f"one.value = {json.dumps(value)};"
        "one.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )


def test_the_overview_has_the_numbers_of_the_rows(browser, busy):
    with shown(browser, busy):
        assert browser.ask(LINKS) == ["web", "mail"]
        rows = browser.ask(
            f"{ROWS}.map(x=>[...x.cells].map(y=>y.textContent.trim()))"
        )
        assert rows[0][2:5] == ["DEGRADED", "3 of 4", "7 of 8"]
        assert rows[1][2:5] == ["ONLINE", "2 of 2", "4 of 4"]
        found = labels(browser, "map")
    assert [x.rpartition(". ")[0] or x for x in found] == [
        "Load balancers: 1 of 2 ONLINE",
        "Router leaf1, 172.31.0.1: 4 of 4 sessions are Established",
        "Router leaf2, 172.31.0.2: 3 of 4 sessions are Established",
        "Router leaf3, 172.31.0.3: 2 of 2 sessions are Established",
        "Router leaf4, 172.31.0.4: 2 of 2 sessions are Established",
        "Zone rack1: 4 of 4 serving",
        "Zone rack2: 1 of 2 serving",
    ]


@pytest.mark.parametrize(
    ("selector", "value", "names"),
    [
        ("#find", "MAI", ["mail"]),
        ("#find", "198.51.100.2", ["web"]),
        ("#find", "nothing", []),
        ("#project", PROJECTS[1], ["mail"]),
        ("#router", id_of("leaf3"), ["web"]),
        ("#zone", "rack2", ["web"]),
    ],
)
def test_a_filter_shows_what_was_asked_for(
    browser, busy, selector, value, names
):
    with shown(browser, busy):
        choose(browser, selector, value)
        assert browser.ask(LINKS) == names
        browser.ask("document.querySelector('#clear').click()")
        assert browser.ask(LINKS) == ["web", "mail"]


def test_only_those_in_trouble(browser, busy):
    with shown(browser, busy):
        browser.ask("document.querySelector('#trouble').click()")
        assert browser.ask(LINKS) == ["web"]


def test_a_zone_is_chosen_with_the_keyboard(browser, busy):
    """Only what is in it counts; the same key again shows all."""
    with shown(browser, busy):
        browser.ask(
            "document.querySelector('[data-key=\"zone:rack2\"]').focus()"
        )
        browser.press("Enter")
        assert browser.ask(LINKS) == ["web"]
        assert labels(browser, "map")[1:] == [
            "Router leaf3, 172.31.0.3: 2 of 2 sessions are Established. "
            "Show only this one.",
            "Router leaf4, 172.31.0.4: 2 of 2 sessions are Established. "
            "Show only this one.",
            "Zone rack2: 1 of 2 serving. Show only this one.",
        ]
        # The box was drawn anew, and has the focus still.
        browser.press("Enter")
        assert browser.ask(LINKS) == ["web", "mail"]


def test_the_keyboard_reaches_each_amphora(browser, busy):
    with shown(browser, busy, f"#lb={busy.web}"):
        wanted = {f"amphora:{id_of(f'web{n}')[:8]}" for n in range(1, 5)}
        reached, told = set(), []
        for _ in range(40):
            browser.press("Tab")
            key = browser.ask("document.activeElement.dataset.key ?? ''")
            if key in wanted:
                reached.add(key)
                told.append(
                    browser.ask("document.querySelector('#panel').textContent")
                )
        assert reached == wanted
    assert all("Session" in text and "Zone" in text for text in told)
    assert any("HAProxy does not run" in text for text in told)


def test_one_load_balancer_has_all_that_is_known_of_it(browser, busy):
    with shown(browser, busy, f"#lb={busy.web}"):
        found = labels(browser, "paths")
        text = browser.ask("document.querySelector('#cluster').textContent")
        lines = browser.ask(
            "[...document.querySelectorAll('#paths .line')]"
            ".map(x=>[x.dataset.line, x.classList[1], x.textContent])"
        )
    assert "DEGRADED, 3 of 4 amphorae serve. 3 of 4 amphorae announce" in text
    assert f"Id {busy.web}, project {PROJECTS[0]}" in text
    short = {n: id_of(f"web{n}")[:8] for n in range(1, 5)}
    assert found[:2] == [
        "VIP 198.51.100.2: DEGRADED",
        "VIP 2001:db8:100::1: DEGRADED",
    ]
    assert "Router leaf2, 172.31.0.2: 1 of 2 sessions Established" in found
    (sick,) = [x for x in found if x.startswith(f"Amphora {short[4]}")]
    assert "sick; gate DOWN: process: HAProxy does not run" in sick
    assert "pool servers: ONLINE" in found
    assert found[-2:] == ["member alpha: ONLINE", "member beta: ERROR"]
    states = {key: state for key, state, _ in lines}
    leaf = {n: id_of(f"leaf{n}") for n in range(1, 5)}
    assert states[f"{leaf[1]}:{short[2]}"] == "ok"
    assert states[f"{leaf[2]}:{short[2]}"] == "bad"  # the session is down
    assert states[f"{leaf[4]}:{short[4]}"] == "off"  # withdrawn
    texts = {key: text for key, _, text in lines}
    assert "Hold Timer Expired" in texts[f"{leaf[2]}:{short[2]}"]
    assert (
        texts[f"198.51.100.2:{leaf[3]}"]
        == "leaf3 holds 1 of 2 paths of 198.51.100.2"
    )


def test_hostile_names_are_text(browser, planted):
    """As names of load balancers, members, pools, zones, routers."""
    owners = []
    for number, name in enumerate(HOSTILE):
        router = planted.add_router(name[:255], 100 + number, name[:255])
        servers = pool(name, [(name, "ONLINE")])
        (amphora, *_) = racks(f"x{number}-")
        amphora = replace(
            amphora,
            zone=name[:255],
            sessions={name[:255]: DOWN},
            gate_reason=name,
        )
        assert id_of(name[:255]) == router
        owners.append(
            planted.add_balancer(
                name,
                [amphora],
                number=number,
                reason=name,
                content=ShownContent(
                    pools=(servers,), pool_count=1, listener_count=0
                ),
            )
        )
    with shown(browser, planted):
        found = browser.ask(LINKS)
        assert len(found) == len(HOSTILE)
        assert HOSTILE[0] in found
        assert browser.ask("document.querySelectorAll('td img').length") == 0
        for owner, name in zip(owners, HOSTILE, strict=True):
            browser.ask(f"location.hash = 'lb={owner}'")
            browser.wait(
                "document.querySelector('#cluster-name').textContent === "
                + json.dumps(name)
            )
            browser.wait(
                "document.querySelector('[data-key^=member]') !== null"
            )
            browser.ask(
                "document.querySelector('[data-key^=amphora]').focus()"
            )
            assert name[:50] in browser.ask(
                "document.querySelector('#panel').textContent"
            )
        assert browser.ask(HARMED) == 0
        assert browser.ask("document.scripts.length") == 1


def test_a_script_in_the_page_would_not_run(browser, busy):
    """The policy is in force: the negative control of what is above."""
    with busy.served() as url:
        browser.open(url)
        browser.wait(LOADED)
        browser.ask(
            "(() => { const one = document.createElement('script');"
            "one.textContent = 'window.harmed = 1';"
            "document.body.append(one);"
            "const image = document.createElement('img');"
            "image.onerror = () => { window.refused = 1; };"
            "image.src = 'http://192.0.2.1/x.png';"
            "document.body.append(image); })()"
        )
        browser.wait("window.refused")
        assert browser.ask(HARMED) == 0
        assert len(browser.problems) == 2
        assert all("Content Security Policy" in x for x in browser.problems)


@pytest.mark.parametrize("place", ["", "lb"])
def test_a_phone_does_not_scroll_sideways(browser, busy, place):
    """However long a name is that has no place to be broken."""
    for owner, found in busy.shown.balancers.items():
        busy.shown.balancers[owner] = replace(found, name="W" * 255)
    browser.size(360, 740, is_phone=True)
    with shown(browser, busy, f"#lb={busy.web}" if place else ""):
        browser.wait("document.querySelectorAll('.box').length > 4")
        width = browser.ask("document.documentElement.scrollWidth")
        assert width <= 360


def test_dark_is_dark(browser, busy):
    colour = "getComputedStyle(document.body).backgroundColor"
    with shown(browser, busy):
        light = browser.ask(colour)
        browser.prefer(color_scheme="dark")
        dark = browser.ask(colour)
    assert light == "rgb(255, 255, 255)"
    assert max(int(x) for x in dark[4:-1].split(",")) < 60


def fault(busy):
    """What happened to the amphora whose gate is closed."""
    ill = {
        "amphora_id": id_of("web4"),
        "availability_zone": "rack2",
    }
    for kind, seconds, before, after in (
        (EventKind.GATE_CLOSED, 300, "open", "closed"),
        (EventKind.AMPHORA_WITHDRAWN, 299, "announced", "withdrawn"),
        (EventKind.AMPHORA_PHASE, 240, "serving", "sick"),
    ):
        busy.happened(
            kind, busy.web, seconds, from_state=before, to_state=after, **ill
        )
    busy.happened(
        EventKind.STATUS,
        busy.web,
        298,
        from_state="ONLINE",
        to_state="DEGRADED",
    )
    busy.happened(
        EventKind.SESSION_DOWN,
        busy.web,
        700,
        from_state="up",
        to_state="down",
        peer_id=id_of("leaf2"),
        amphora_id=id_of("web2"),
        availability_zone="rack1",
    )
    busy.happened(
        EventKind.AMPHORA_PHASE,
        busy.web,
        1800,
        from_state="leaving",
        to_state="deleted",
        amphora_id=id_of("old"),
        availability_zone="rack3",
    )
    busy.happened(
        EventKind.AMPHORA_PHASE,
        busy.mail,
        2400,
        from_state="",
        to_state="booting",
        amphora_id=id_of("mail2"),
        availability_zone="rack1",
    )


def gone(busy):
    """A load balancer that was deleted a while ago."""
    owner = id_of("gone")
    for before, after, seconds in (
        ("", "booting", 2900),
        ("booting", "serving", 2800),
        ("serving", "deleted", 2700),
    ):
        busy.happened(
            EventKind.AMPHORA_PHASE,
            owner,
            seconds,
            from_state=before,
            to_state=after,
            amphora_id=id_of("gone1"),
            availability_zone="rack2",
        )
    return owner


def at(browser, seconds):
    """Show the state of so many seconds ago; the rows of the table."""
    choose(browser, "#time", -seconds)
    mode = "Replay" if seconds else "Live"
    browser.wait(
        f"document.querySelector('#state').textContent.startsWith('{mode}')"
    )
    return browser.ask(
        f"{ROWS}.map(x=>[...x.cells].slice(2,5).map(y=>y.textContent.trim()))"
    )


def test_an_earlier_state_is_replayed(browser, busy):
    fault(busy)
    with shown(browser, busy):
        now = at(browser, 0)
        assert now[0] == ["DEGRADED", "3 of 4", "7 of 8"]
        assert at(browser, 270)[0] == ["DEGRADED", "4 of 4", "7 of 8"]
        assert at(browser, 600)[0] == ["ONLINE", "4 of 4", "7 of 8"]
        assert at(browser, 900)[0] == ["ONLINE", "4 of 4", "8 of 8"]
        zones = [x.split(":")[0] for x in labels(browser, "map")]
        assert "Zone rack3" not in zones
        at(browser, 2000)
        zones = [x.split(":")[0] for x in labels(browser, "map")]
        assert "Zone rack3" in zones  # one was there that is deleted now
        assert at(browser, 3000)[1][1] == "1 of 2"
        assert browser.ask("document.querySelector('#moment').textContent")
        browser.ask("document.querySelector('#now').click()")
        assert at(browser, 0) == now


def test_what_was_deleted_is_there_again_in_its_time(browser, busy):
    owner = gone(busy)
    with shown(browser, busy):
        at(browser, 2600)
        assert browser.ask(LINKS) == ["web", "mail"]
        rows = at(browser, 2750)
        name = f"not listed now: {owner}"
        assert browser.ask(LINKS) == ["web", "mail", name]
        assert rows[2][1] == "1 of 0"
        at(browser, 2850)
        assert "booting" in browser.ask(
            f"{ROWS}[2].querySelector('.dot').title"
        )
        at(browser, 2950)
        assert browser.ask(LINKS) == ["web", "mail"]


def test_a_thousand_load_balancers_can_be_used(browser, planted):
    """Fifty at a time, and a filter finds one of them."""
    one = planted.add_balancer("one of many", racks("n"))
    planted.add_copies(one, 999)
    wanted = sorted(planted.shown.balancers)[500]
    rows = f"{ROWS}.length"
    with shown(browser, planted):
        assert browser.ask(rows) == 50
        browser.ask("document.querySelector('#more').click()")
        assert browser.ask(rows) == 100
        zones = [x for x in labels(browser, "map") if x.startswith("Zone")]
        assert zones[0].startswith("Zone rack1: 2000 of 2000 serving")
        choose(browser, "#find", wanted)
        assert browser.ask(rows) == 1
        browser.ask("document.querySelector('#clusters a').click()")
        browser.wait("document.querySelectorAll('#paths .box').length > 8")


def test_one_load_balancer_is_replayed(browser, busy):
    fault(busy)
    with shown(browser, busy, f"#lb={busy.web}"):
        choose(browser, "#time", -600)
        browser.wait("document.body.classList.contains('replay')")
        (found,) = [
            x
            for x in labels(browser, "paths")
            if x.startswith(f"Amphora {id_of('web4')[:8]}")
        ]
        assert "serving; gate UP; announced" in found
        # Nobody knows how members were then, and it does not pretend.
        assert "member beta: not known then" in labels(browser, "paths")


def test_what_changed_blinks(browser, busy):
    """For some seconds only, so the page itself notes that it was so."""
    with shown(browser, busy):
        assert browser.ask("document.querySelectorAll('.changed').length") == 0
        browser.ask(
            "new MutationObserver(() => {"
            "const row = document.querySelector('tr.changed');"
            "if (row) window.seen = [row.cells[0].textContent,"
            "getComputedStyle(row).animationName]; })"
            ".observe(document.body, {subtree: true, childList: true}), 1"
        )
        found = busy.shown.balancers[busy.mail]
        busy.shown.balancers[busy.mail] = replace(
            found, operating_status="ERROR"
        )
        assert browser.wait("window.seen") == ["mail", "blink"]


def test_nothing_moves_for_who_wants_that(browser, busy):
    name = "getComputedStyle(document.querySelector('#probe')).animationName"
    with shown(browser, busy):
        browser.ask(
            "document.body.append(Object.assign(document.createElement('p'),"
            "{id: 'probe', className: 'changed'}))"
        )
        assert browser.ask(name) == "blink"
        browser.prefer(reduced_motion="reduce")
        assert browser.ask(name) == "none"


def test_a_controller_that_does_not_answer_is_said(browser, busy):
    with busy.served() as url:
        browser.open(url)
        browser.wait(LOADED)
    browser.wait("document.body.classList.contains('old')")
    assert browser.ask(LINKS) == ["web", "mail"]
    text = browser.ask("document.querySelector('#state').textContent")
    assert text == "The controller does not answer."


def test_a_load_balancer_that_is_not_there_is_said(browser, busy):
    with busy.served() as url:
        browser.open(url + f"#lb={id_of('nobody')}")
        text = "document.querySelector('#state').textContent"
        browser.wait(f"{text}.startsWith('id: there is no cluster')")
