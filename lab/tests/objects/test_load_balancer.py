# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A load balancer, its pool and members, in the real lab.

Made through the unmodified API with openstacksdk; judged by packets of the
client behind leaf3 and by the routes of the fabric. All tests share one load
balancer of two amphorae in two racks, made in one call with its listener,
pool, members, health monitor, L7 policy and rule. Its listeners have
:mod:`test_listeners`.
"""

import collections
import json

import losses
import pytest
from balancer_objects import changed, member
from cluster_bench import MEMBERS, Balancer, Bench
from octavia_anycast_lab import settings
from octavia_anycast_lab.fabric import observe
from octavia_anycast_lab.host import process
from octavia_anycast_lab.traffic import (
    clients,
    flows,
    http_probe,
    members,
    traffic_record,
)
from openstack import exceptions

pytestmark = pytest.mark.lab

ALGORITHMS = (
    "LEAST_CONNECTIONS",
    "SOURCE_IP",
    "ROUND_ROBIN",
)


def test_all_amphorae_are_the_next_hops_of_both_vips(
    bench: Bench, balancer: Balancer
) -> None:
    amphorae = bench.amphorae(balancer)
    assert len(amphorae) == balancer.size
    assert {a.seen.rack for a in amphorae} == {"rack1", "rack2"}
    addresses = {x for a in amphorae for x in a.seen.addresses}
    for vip, hops in bench.hops(balancer).items():
        assert len(hops) == balancer.size
        assert hops <= addresses
        entries = observe.fib(bench.lab, "leaf3", f"{vip}/{vip.max_prefixlen}")
        assert len(entries) == len(settings.SPINES)


def test_it_serves_both_families_by_every_member_and_amphora(
    bench: Bench, balancer: Balancer
) -> None:
    for vip in balancer.vips:
        flows.reset(bench.lab)
        answers = bench.ask(str(vip), count=60)
        assert {answer.status for answer in answers} == {200}
        assert {answer.member for answer in answers} == MEMBERS
        shares = flows.shares(bench.lab, vip)
        assert sum(shares.values()) == 60
        assert len(shares) == balancer.size


def test_the_openstack_client_shows_it(
    bench: Bench, balancer: Balancer
) -> None:
    row = json.loads(
        bench.openstack("loadbalancer", "show", balancer.name, "-f", "json")
    )
    assert row["provider"] == "anycast"
    assert row["vip_address"] == balancer.v4
    assert row["provisioning_status"] == "ACTIVE"


def test_status_tree(bench: Bench, balancer: Balancer) -> None:
    def is_online() -> bool:
        tree = bench.octavia.get(
            f"/lbaas/loadbalancers/{balancer.id}/status"
        ).json()["statuses"]["loadbalancer"]
        (web,) = tree["listeners"]
        (below,) = web["pools"]
        names = {member["name"] for member in below["members"]}
        assert names == MEMBERS
        assert below["health_monitor"]["type"] == "HTTP"
        found = {
            part["operating_status"]
            for part in (tree, web, below, *below["members"])
        }
        return found == {"ONLINE"}

    process.wait_until(is_online, 60.0, "everything ONLINE")


def test_a_failed_member_shows_and_is_left_out(
    bench: Bench, balancer: Balancer, web: dict[str, str]
) -> None:
    octavia = bench.octavia

    def status() -> tuple[str, str]:
        second = octavia.get_member(web["member2"], web["pool"])
        return (
            second.operating_status,
            octavia.get_pool(web["pool"]).operating_status,
        )

    members.SERVER.stop(bench.registry, "member2")
    try:
        process.wait_until(
            lambda: status() == ("ERROR", "DEGRADED"), 60.0, "the failure"
        )
        answers = bench.ask(balancer.v4, count=30)
        assert {a.member for a in answers} == MEMBERS - {"member2"}
        assert {a.status for a in answers} == {200}
    finally:
        members.SERVER.start(bench.lab, bench.registry, "member2")
    process.wait_until(
        lambda: status() == ("ONLINE", "ONLINE"), 60.0, "the recovery"
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_algorithms(
    bench: Bench, balancer: Balancer, web: dict[str, str], algorithm: str
) -> None:
    with changed(bench, balancer):
        bench.octavia.update_pool(web["pool"], lb_algorithm=algorithm)
    answers = bench.ask(balancer.v4, count=30)
    assert {answer.status for answer in answers} == {200}
    seen = {answer.member for answer in answers}
    assert len(seen) == 1 if algorithm == "SOURCE_IP" else len(seen) > 1


def test_what_the_amphora_provider_has_not_is_refused(
    bench: Bench, balancer: Balancer, web: dict[str, str]
) -> None:
    with pytest.raises(exceptions.HttpException) as refusal:
        bench.octavia.update_pool(web["pool"], lb_algorithm="SOURCE_IP_PORT")
    assert refusal.value.status_code == 501
    assert "SOURCE_IP_PORT" in str(refusal.value)
    assert bench.provisioning(balancer.id) == "ACTIVE"


@pytest.mark.parametrize("kind", ["SOURCE_IP", "HTTP_COOKIE", "APP_COOKIE"])
def test_session_persistence_on_each_amphora(
    bench: Bench, balancer: Balancer, web: dict[str, str], kind: str
) -> None:
    """One connection stays on one amphora, so it must stay on one member."""
    without = bench.ask(balancer.v4, count=12, is_reusing=True)
    assert {a.member for a in without} == MEMBERS, "the negative control"
    persistence: dict[str, object] = {"type": kind}
    if kind == "APP_COOKIE":
        persistence["cookie_name"] = "session"
    with changed(bench, balancer):
        bench.octavia.update_pool(web["pool"], session_persistence=persistence)
    if kind == "HTTP_COOKIE":
        (first,) = bench.ask(balancer.v4)
        cookie = first.headers["set-cookie"].partition(";")[0]
        # Good on every amphora: the cookie names the member.
        again = bench.ask(balancer.v4, count=20, headers={"Cookie": cookie})
        assert {a.member for a in again} == {first.member}
    elif kind == "SOURCE_IP":
        for vip in (balancer.v4, balancer.v6):
            for _ in range(4):
                same = bench.ask(vip, count=6, is_reusing=True)
                assert len({a.member for a in same}) == 1
        spread = bench.ask(balancer.v4, count=30)
        assert len({a.member for a in spread}) <= balancer.size
    else:
        for vip in (balancer.v4, balancer.v6):
            for _ in range(4):
                first, *others = bench.ask(
                    vip, count=6, is_reusing=True, login_path="/login"
                )
                assert first.headers["set-cookie"].startswith("session=")
                assert {a.member for a in others} == {first.member}
    with changed(bench, balancer):
        bench.octavia.update_pool(web["pool"], session_persistence=None)


def test_members_in_a_batch(
    bench: Bench, balancer: Balancer, web: dict[str, str]
) -> None:
    """Weight 0 and a disabled member get nothing; nobody is made anew."""
    wishes = {
        "member1": {},
        "member2": {"weight": 0},
        "member3": {"admin_state_up": False},
    }
    for wish, wanted in (
        (wishes, {"member1"}),
        ({"member1": {}, "member2": {}}, {"member1", "member2"}),
        ({name: {} for name in wishes}, MEMBERS),
    ):
        with changed(bench, balancer):
            bench.octavia.put(
                f"/lbaas/pools/{web['pool']}/members",
                json={
                    "members": [
                        member(
                            bench,
                            name,
                            **{"weight": 1, "admin_state_up": True, **extra},
                        )
                        for name, extra in wish.items()
                    ]
                },
            ).raise_for_status()
        bench.await_answers(
            lambda a, wanted=wanted: a.status == 200 and a.member in wanted,
            balancer.v4,
            count=30,
        )
    left = {m.name: m.id for m in bench.octavia.members(web["pool"])}
    assert left["member1"] == web["member1"]


def test_disabled_load_balancer(bench: Bench, balancer: Balancer) -> None:
    with changed(bench, balancer):
        bench.octavia.update_load_balancer(
            balancer.id, is_admin_state_up=False
        )
    process.wait_until(
        lambda: not any(bench.hops(balancer).values()), 60.0, "no paths"
    )
    process.wait_until(
        lambda: bench.operating(balancer.id) == "OFFLINE", 60.0, "OFFLINE"
    )
    assert {a.status for a in bench.ask(balancer.v4, count=4)} == {0}
    with changed(bench, balancer):
        bench.octavia.update_load_balancer(balancer.id, is_admin_state_up=True)
    bench.await_whole(balancer)
    bench.await_answers(lambda a: a.status == 200, balancer.v6)


def _statistics(bench: Bench, listener_id: str) -> dict[str, int]:
    return bench.octavia.get(f"/lbaas/listeners/{listener_id}/stats").json()[
        "stats"
    ]


def _await_connections(bench: Bench, listener_id: str, count: int) -> None:
    def counted() -> int:
        return _statistics(bench, listener_id)["total_connections"]

    process.wait_until(
        lambda: counted() >= count, 60.0, f"{count} connections counted"
    )
    assert counted() == count


def _settled_connections(bench: Bench, listener_id: str) -> int:
    """The count once the heartbeats have brought everything."""
    seen: collections.deque[int] = collections.deque(maxlen=5)

    def is_settled() -> bool:
        seen.append(_statistics(bench, listener_id)["total_connections"])
        return len(seen) == seen.maxlen and len(set(seen)) == 1

    process.wait_until(is_settled, 60.0, "statistics at rest", 1.0)
    return seen[-1]


def test_a_busy_amphora_keeps_its_session(
    bench: Bench, balancer: Balancer
) -> None:
    """More programs than processors want all of them, for two hold times."""
    victim = bench.amphorae(balancer)[0]
    session = bench.session(victim)
    assert session
    seconds = 2 * settings.HOLD_TIME_SECONDS + 2
    spin = f"timeout {seconds} sh -c 'while :; do :; done' & "
    bench.inside(victim, "sh", "-c", f"{spin * 6} wait")
    assert bench.is_kept(victim, session)


def test_statistics_are_the_sum_of_the_cluster(
    bench: Bench, balancer: Balancer, web: dict[str, str]
) -> None:
    count = 200
    before = _settled_connections(bench, web["listener"])
    bytes_before = _statistics(bench, web["listener"])["bytes_out"]
    target = http_probe.Target(address=balancer.v4, port=80)
    records = clients.shares(bench.lab, target, count)
    assert traffic_record.summarize(records).ok == count
    _await_connections(bench, web["listener"], before + count)
    grown = _statistics(bench, web["listener"])["bytes_out"] - bytes_before
    assert grown >= count * len("HTTP/1.1 200 OK")


def test_a_hung_agent_keeps_no_old_configuration_announced(
    bench: Bench, balancer: Balancer, web: dict[str, str]
) -> None:
    """Its heartbeats arrive: the worker alone, the youngest child, stops."""
    victim = bench.amphorae(balancer)[0]
    main = bench.main_pid(victim, "octavia-anycast-agent.service")
    worker = bench.inside(victim, "pgrep", "-n", "-P", str(main)).strip()
    bench.inside(victim, "kill", "-STOP", worker)
    try:
        with changed(bench, balancer):
            bench.octavia.update_listener(
                web["listener"], timeout_client_data=51_000
            )
        process.wait_until(
            lambda: bench.is_withdrawn(balancer, victim),
            60.0,
            "the withdrawal of the old configuration",
        )
        # Kernels follow their bgpd a little later, one after the other.
        bench.await_answers(lambda a: a.status == 200, balancer.v4, count=20)
    finally:
        bench.inside(victim, "kill", "-CONT", worker, check=False)
    bench.await_whole(balancer)


def test_failover_under_traffic_loses_no_new_connection(
    bench: Bench, balancer: Balancer, web: dict[str, str]
) -> None:
    """All amphorae are others afterwards. The control, with the same
    stream, is ``test_faults.test_killed_amphora_is_replaced``."""
    before = _settled_connections(bench, web["listener"])
    old = bench.instance_ids(balancer)
    target = http_probe.Target(address=balancer.v4, port=80)
    with losses.stream(bench, balancer) as stream:
        bench.operator.failover_load_balancer(balancer.id)
        process.wait_until(
            lambda: not bench.instance_ids(balancer) & old,
            240.0,
            "other amphorae",
            0.5,
        )
        bench.await_active(balancer.id)
        bench.await_whole(balancer)
        lost = stream.end()
    assert lost.is_nothing, lost
    after = _settled_connections(bench, web["listener"])
    assert after >= before, "statistics never go backwards"
    count = 50
    traffic = clients.shares(bench.lab, target, count)
    assert traffic_record.summarize(traffic).ok == count
    _await_connections(bench, web["listener"], after + count)
