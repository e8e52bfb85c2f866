# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The picture in a browser, beside what the routers themselves hold."""

import collections.abc
import json
import re
import typing
import urllib.request

import pytest
from cluster_bench import Amphora, Balancer, Bench, prefix
from octavia_anycast_lab import deployment, settings, shell
from octavia_anycast_lab.cloud import second_controller
from octavia_anycast_lab.demo.__main__ import _publish
from octavia_anycast_lab.fabric import observe
from octavia_anycast_lab.host import netns, process

from octavia_anycast.testing import browser as browser_module
from octavia_anycast.testing.browser import Browser

pytestmark = pytest.mark.lab

SECONDS = 60.0
# (leaf, VIP) -> paths; leaf -> sessions
Paths = dict[tuple[str, str], int]
Sessions = dict[str, int]
HOLDS = re.compile(r"(\S+) holds (\d+) of \d+ paths of (\S+)")
ROUTER = re.compile(r"Router (\S+), \S+: (\d+) of \d+ sessions Established")


@pytest.fixture(scope="module")
def browser(bench: Bench) -> collections.abc.Iterator[Browser]:
    """A browser in the control namespace."""
    if not browser_module.is_there():
        pytest.fail("chromium is missing: run make browser-packages")
    inside = shell.command_line(bench.plane, [])
    with Browser(bench.plane.address, inside) as found:
        found.size(1200, 1000)
        yield found


def shown(browser: Browser) -> tuple[Paths, Sessions]:
    """What the page says of the load balancer that it shows."""
    lines, boxes = browser.ask(
        "[[...document.querySelectorAll('#paths .line')]"
        ".map(x => x.textContent),"
        "[...document.querySelectorAll('#paths .box')]"
        ".map(x => x.getAttribute('aria-label'))]"
    )
    paths = {
        (found[1], found[3]): int(found[2])
        for found in map(HOLDS.fullmatch, lines)
        if found
    }
    sessions = {
        found[1]: int(found[2])
        for found in map(ROUTER.fullmatch, boxes)
        if found
    }
    return paths, sessions


def held(bench: Bench, balancer: Balancer) -> tuple[Paths, Sessions]:
    """What the leaves' own tables say."""
    own = {str(a.management) for a in bench.amphorae(balancer)}
    paths: Paths = {}
    sessions: Sessions = {}
    for leaf in settings.RACK_LEAVES:
        for vip in balancer.vips:
            there = observe.amphora_paths(bench.lab, prefix(vip))
            paths[leaf.name, str(vip)] = sum(
                path.router == leaf.name and path.is_valid for path in there
            )
        sessions[leaf.name] = sum(
            session.is_established and session.peer in own
            for session in observe.sessions(bench.lab, leaf.name)
        )
    return paths, sessions


def await_same(browser: Browser, bench: Bench, balancer: Balancer) -> Paths:
    """Wait until the page says what the leaves say; the paths then."""
    seen: list[typing.Any] = []

    def is_same() -> bool:
        seen[:] = [shown(browser), held(bench, balancer)]
        return bool(seen[0] == seen[1])

    try:
        process.wait_until(is_same, SECONDS, "the page as the leaves")
    except TimeoutError:
        pytest.fail(f"shown and held: {seen}")
    return typing.cast(Paths, seen[0][0])


def label(browser: Browser, amphora: Amphora) -> str:
    """What the page says of an amphora."""
    text = browser.ask(
        "document.querySelector("
        f"'[data-key=\"amphora:{amphora.id[:8]}\"]')"
        "?.getAttribute('aria-label') ?? ''"
    )
    return str(text)


def test_the_page_says_what_the_routers_say_while_haproxy_is_killed(
    bench: Bench, balancer: Balancer, browser: Browser
) -> None:
    bench.await_converged(balancer)
    url = bench.plane.picture_url
    browser.open(f"{url}#lb={balancer.id}")
    browser.wait("document.querySelectorAll('#paths .box').length > 6")
    before = await_same(browser, bench, balancer)
    assert sum(before.values()) == balancer.size * len(balancer.vips)
    victim = bench.amphorae(balancer)[0]
    unit = f"haproxy-{balancer.id}.service"
    said = label(browser, victim)
    assert "serving; gate UP" in said
    assert "; announced; " in said
    # So that it stays dead: systemd would start it again.
    bench.inside(victim, "systemctl", "mask", "--runtime", unit)
    bench.signal(victim, unit, "KILL")
    try:
        process.wait_until(
            lambda: bench.is_withdrawn(balancer, victim), SECONDS, "withdrawal"
        )
        process.wait_until(
            lambda: "gate DOWN" in label(browser, victim),
            SECONDS,
            "a gate that is closed on the page",
        )
        after = await_same(browser, bench, balancer)
        assert sum(after.values()) == sum(before.values()) - len(balancer.vips)
        assert "not announced" in label(browser, victim)
        assert "process" in label(browser, victim)
    finally:
        bench.inside(victim, "systemctl", "unmask", "--runtime", unit)
        bench.inside(victim, "systemctl", "start", unit, check=False)
    bench.await_converged(balancer)
    assert await_same(browser, bench, balancer) == before
    assert browser.problems == []
    assert all(x.startswith(url) for x in browser.requests)


def test_the_fault_is_replayed(
    bench: Bench, balancer: Balancer, browser: Browser
) -> None:
    """The closed gate of the test above, in the last minutes."""
    browser.open(f"{bench.plane.picture_url}#lb={balancer.id}")
    browser.wait("document.querySelectorAll('#paths .box').length > 6")
    seen: set[bool] = set()
    for seconds in range(0, 300, 2):
        browser.ask(
            "(() => { const bar = document.querySelector('#time');"
            f"bar.value = -{seconds};"
            "bar.dispatchEvent(new Event('input')); })()"
        )
        if seconds:
            browser.wait("document.body.classList.contains('replay')")
        text = browser.ask("document.querySelector('#paths').textContent")
        seen.add("gate DOWN" in text)
        if seen == {False, True}:
            return
    pytest.fail("no moment of the last five minutes shows the fault")


def test_it_is_reached_from_the_machine(bench: Bench) -> None:
    url = _publish(bench.plane)
    assert url.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:
        assert answer.status == 200
        assert b"octavia-anycast, live" in answer.read()
    with urllib.request.urlopen(f"{url}overview.json") as answer:
        found = json.load(answer)
    assert [peer[1] for peer in found["peers"]] == [
        leaf.name for leaf in settings.RACK_LEAVES
    ]


def test_each_controller_shows_the_whole(
    bench: Bench, balancer: Balancer
) -> None:
    """One that has just begun shows the same as the other one."""
    bench.await_converged(balancer)
    second_controller.start(bench.plane, bench.registry)
    try:
        first = overview(bench, deployment.METRICS_PORT)
        second = overview(bench, second_controller.METRICS_PORT)
    finally:
        second_controller.stop(bench.registry)
    assert balancer.id in {row[0] for row in first}
    assert without_rates(first) == without_rates(second)


def overview(bench: Bench, port: int) -> list[typing.Any]:
    """The clusters that the controller of this port shows."""
    url = f"http://{bench.plane.address}:{port}/picture/overview.json"
    found: list[str] = []

    def is_there() -> bool:
        done = netns.run(
            bench.plane.namespace, ("curl", "-sf", url), check=False
        )
        found[:] = [done.stdout]
        return done.returncode == 0

    process.wait_until(is_there, SECONDS, f"an answer of {url}")
    return list(json.loads(found[0])["clusters"])


def without_rates(clusters: list[typing.Any]) -> list[typing.Any]:
    """The same without what only time tells a controller."""
    return [
        [*cluster[:7], sorted([*row[:5], row[6]] for row in cluster[7])]
        for cluster in clusters
    ]
