# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A listener of the protocol PROMETHEUS, scraped through the fabric.

Each scrape comes to another amphora, and each gets the numbers of both.
"""

import functools
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from balancer_objects import changed, listener
from cluster_bench import Amphora, Balancer, Bench
from octavia_anycast_lab import settings
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.host import netns, process
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.lab

PORT, MEMBERS_PORT = 8088, 1024
ANSWERED = "octavia_amphora_answered"
AGE = "octavia_amphora_answer_age_seconds"
REQUESTS = "octavia_listener_http_requests_total"
UNIT = "octavia-anycast-metrics.service"
SECONDS = 60.0


class Scrape:
    """What one scrape got; as Prometheus reads it."""

    def __init__(self, body: str) -> None:
        self.body = body
        self.samples = [
            sample
            for family in text_string_to_metric_families(body)
            for sample in family.samples
        ]

    def by_amphora(self, name: str, **labels: str) -> dict[str, float]:
        """amphora id -> value of a metric, of the series with these labels."""
        return {
            sample.labels["amphora"]: sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        }

    def names_of(self, amphora_id: str) -> set[str]:
        """The metrics that there are of an amphora."""
        return {
            sample.name
            for sample in self.samples
            if sample.labels["amphora"] == amphora_id
        }


@pytest.fixture(scope="module")
def metrics(
    bench: Bench, balancer: Balancer, web: dict[str, str]
) -> Iterator[str]:
    """The id of the listener."""
    with listener(
        bench, balancer, protocol="PROMETHEUS", protocol_port=PORT
    ) as made:
        bench.await_converged(balancer)
        yield made


def _scrapes(bench: Bench, vip: str, count: int = 8) -> list[Scrape]:
    answers = bench.ask(vip, PORT, path="/metrics", count=count)
    return [Scrape(a.body) for a in answers if a.status == 200]


def _await_answered(
    bench: Bench, vip: str, wanted: dict[str, float]
) -> list[Scrape]:
    """Scrape until each amphora is in it as wanted, whoever answers."""
    found: list[Scrape] = []

    def is_so() -> bool:
        found[:] = _scrapes(bench, vip)
        return bool(found) and all(
            scrape.by_amphora(ANSWERED) == wanted for scrape in found
        )

    process.wait_until(is_so, SECONDS, f"scrapes with {wanted}", 0.3)
    return found


def _all(bench: Bench, balancer: Balancer) -> dict[str, float]:
    return {amphora.id: 1.0 for amphora in bench.amphorae(balancer)}


def test_without_the_listener_nothing_listens_for_others(
    bench: Bench, balancer: Balancer, web: dict[str, str]
) -> None:
    def is_closed() -> bool:
        listening = [
            bench.inside(
                amphora,
                *("ip", "netns", "exec", "amphora-haproxy"),
                *("ss", "-Htln", f"sport = :{MEMBERS_PORT}"),
            )
            for amphora in bench.amphorae(balancer)
        ]
        return not any(listening)

    process.wait_until(is_closed, SECONDS, f"nothing on {MEMBERS_PORT}")


def test_whichever_amphora_answers_gives_the_whole_cluster(
    bench: Bench, balancer: Balancer, web: dict[str, str], metrics: str
) -> None:
    everybody = _all(bench, balancer)
    assert len(everybody) == balancer.size > 1
    for vip in (balancer.v4, balancer.v6):
        for scrape in _await_answered(bench, vip, everybody):
            for amphora_id in everybody:
                assert "octavia_member_status" in scrape.names_of(amphora_id)
            cpu = scrape.by_amphora("octavia_loadbalancer_cpu")
            assert cpu.keys() == everybody.keys()
            sessions = "octavia_listener_current_sessions"
            of_web = scrape.by_amphora(sessions, listener=web["listener"])
            assert of_web.keys() == everybody.keys()
            ages = scrape.by_amphora(AGE)
            assert ages.keys() == everybody.keys()

    def has_each_answered() -> bool:
        (last,) = _scrapes(bench, balancer.v4, 1)
        counts = last.by_amphora(REQUESTS, listener=metrics)
        return counts.keys() == everybody.keys() and all(counts.values())

    process.wait_until(has_each_answered, SECONDS, "scrapes at each amphora")


def test_each_amphora_is_in_its_zone(
    bench: Bench, balancer: Balancer, metrics: str
) -> None:
    (scrape, *_) = _await_answered(bench, balancer.v4, _all(bench, balancer))
    zones = {s.labels["amphora"]: s.labels["zone"] for s in scrape.samples}
    assert zones == {a.id: a.seen.rack for a in bench.amphorae(balancer)}


def test_neutron_lets_its_amphorae_in_and_nobody_else(
    bench: Bench, balancer: Balancer, web: dict[str, str], metrics: str
) -> None:
    def found() -> set[tuple[str, bool]]:
        (group,) = bench.admin.get(
            rest.NETWORK, f"/v2.0/security-groups?name=lb-{balancer.id}"
        )["security_groups"]
        return {
            (rule["ethertype"], rule["remote_group_id"] == group["id"])
            for rule in group["security_group_rules"]
            if rule["port_range_max"] == MEMBERS_PORT
            and rule["direction"] == "ingress"
        }

    wanted = {("IPv4", True), ("IPv6", True)}
    assert found() == wanted
    # Octavia writes the group's rules anew with each change.
    with changed(bench, balancer):
        bench.octavia.update_listener(metrics, timeout_client_data=40_000)
    assert found() == wanted


def test_prometheus_own_tool_has_nothing_to_say(
    bench: Bench, balancer: Balancer, metrics: str
) -> None:
    (scrape, *_) = _await_answered(bench, balancer.v4, _all(bench, balancer))
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run(
        [tool, "check", "metrics"],
        input=scrape.body,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_requests_are_counted_where_they_came_and_never_backwards(
    bench: Bench, balancer: Balancer, web: dict[str, str], metrics: str
) -> None:
    everybody = _all(bench, balancer)

    def counts() -> dict[str, float]:
        (scrape, *_) = _await_answered(bench, balancer.v4, everybody)
        return scrape.by_amphora(REQUESTS, listener=web["listener"])

    before = counts()
    for vip in (balancer.v4, balancer.v6):
        assert {a.status for a in bench.ask(vip, count=40)} == {200}

    last = before

    def are_all_counted() -> bool:
        nonlocal last
        found = counts()
        assert all(found[i] >= last[i] for i in everybody)
        last = found
        return sum(found.values()) - sum(before.values()) >= 80

    process.wait_until(are_all_counted, SECONDS, "80 requests more")
    assert all(last[i] > before[i] for i in everybody)


def _others(
    bench: Bench, balancer: Balancer
) -> tuple[Amphora, dict[str, float]]:
    """An amphora, and what scrapes say while it alone does not answer."""
    victim, *_ = bench.amphorae(balancer)
    return victim, _all(bench, balancer) | {victim.id: 0.0}


def test_one_whose_haproxy_is_paused_is_marked(
    bench: Bench, balancer: Balancer, metrics: str
) -> None:
    victim, wanted = _others(bench, balancer)
    unit = f"haproxy-{balancer.id}.service"
    bench.signal(victim, unit, "STOP")
    try:
        # No scrape comes to it any more: its gate has closed.
        process.wait_until(
            lambda: bench.is_withdrawn(balancer, victim),
            SECONDS,
            "the withdrawal",
        )
        for scrape in _await_answered(bench, balancer.v4, wanted):
            assert scrape.names_of(victim.id) == {ANSWERED}
    finally:
        bench.signal(victim, unit, "CONT")
    bench.await_whole(balancer)
    _await_answered(bench, balancer.v4, _all(bench, balancer))


def test_one_whose_process_of_metrics_is_paused_is_marked(
    bench: Bench, balancer: Balancer, metrics: str
) -> None:
    victim, wanted = _others(bench, balancer)
    before = bench.session(victim)
    bench.signal(victim, UNIT, "STOP")
    try:
        # Scrapes that come to itself wait in vain, and have no status 200.
        _await_answered(bench, balancer.v4, wanted)
    finally:
        bench.signal(victim, UNIT, "CONT")
    _await_answered(bench, balancer.v4, _all(bench, balancer))
    assert bench.is_kept(victim, before)


def test_one_whose_process_of_metrics_dies_is_back_at_once(
    bench: Bench, balancer: Balancer, metrics: str
) -> None:
    victim, _ = _others(bench, balancer)
    before = bench.main_pid(victim, UNIT)
    bench.signal(victim, UNIT, "KILL")
    _await_answered(bench, balancer.v4, _all(bench, balancer))
    assert bench.main_pid(victim, UNIT) not in (0, before)


def test_a_stranger_in_the_fabric_is_told_nothing(
    bench: Bench, balancer: Balancer, metrics: str
) -> None:
    """This lab has no port filter: the certificate alone keeps it out.

    TLS 1.3 says so after its handshake: curl may see the connection end first.
    """
    for amphora in bench.amphorae(balancer):
        for address in amphora.seen.addresses:
            process.wait_until(
                functools.partial(_is_refused, bench, address),
                SECONDS,
                f"{address} to say which certificate it requires",
                0.1,
            )


def _is_refused(bench: Bench, address: settings.Address) -> bool:
    """Ask without a certificate; tell whether it was said why not.

    :raises AssertionError: there was an answer.
    """
    host = f"[{address}]" if address.version == 6 else str(address)
    done = netns.run(
        bench.lab.namespace(settings.CLIENT),
        [
            *("curl", "--silent", "--show-error", "--insecure"),
            *("--max-time", "10"),
            f"https://{host}:{MEMBERS_PORT}/metrics",
        ],
        check=False,
    )
    assert done.returncode
    assert done.stdout == ""
    return "certificate required" in done.stderr
