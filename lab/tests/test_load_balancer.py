# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Every Octavia object on an active-active load balancer, in the real lab.

Made through the unmodified API with openstacksdk; judged by packets of the
client behind leaf3 and by the routes of the fabric. All tests share one load
balancer of two amphorae in two racks, made in one call with its listener,
pool, members, health monitor, L7 policy and rule.
"""

import base64
import collections
import contextlib
import json
from collections.abc import Iterator

import losses
import pytest
from cluster_bench import MEMBERS, Balancer, Bench
from cryptography import x509
from octavia_anycast_lab import (
    clients,
    flows,
    http_probe,
    members,
    observe,
    pki,
    process,
    settings,
    traffic_record,
)
from openstack import exceptions

pytestmark = pytest.mark.lab

ALGORITHMS = (
    "LEAST_CONNECTIONS",
    "SOURCE_IP",
    "ROUND_ROBIN",
)
TLS_MEMBER = "tls-member1"


@pytest.fixture(scope="module")
def web(bench: Bench, balancer: Balancer) -> dict[str, str]:
    """The ids of what came with the load balancer."""
    octavia = bench.octavia
    (listener,) = octavia.listeners(load_balancer_id=balancer.id, name="web")
    (pool,) = octavia.pools(load_balancer_id=balancer.id, name="web")
    return {
        "listener": listener.id,
        "pool": pool.id,
        **{member.name: member.id for member in octavia.members(pool.id)},
    }


@contextlib.contextmanager
def changed(bench: Bench, balancer: Balancer) -> Iterator[None]:
    """A change, and the wait until it is made."""
    yield
    bench.await_active(balancer.id)


@contextlib.contextmanager
def listener(
    bench: Bench, balancer: Balancer, **attributes: object
) -> Iterator[str]:
    """One more listener for the length of a block."""
    with changed(bench, balancer):
        made = bench.octavia.create_listener(
            load_balancer_id=balancer.id, **attributes
        )
    try:
        yield made.id
    finally:
        bench.await_settled(balancer.id)
        with changed(bench, balancer):
            bench.octavia.delete_listener(made.id)


@contextlib.contextmanager
def pool(
    bench: Bench, balancer: Balancer, names: dict[str, int], **more: object
) -> Iterator[str]:
    """One more pool: member name -> port."""
    attributes = {
        "protocol": "HTTP",
        "lb_algorithm": "ROUND_ROBIN",
        "loadbalancer_id": balancer.id,
        **more,
    }
    with changed(bench, balancer):
        made = bench.octavia.create_pool(**attributes)
    with changed(bench, balancer):
        bench.octavia.put(
            f"/lbaas/pools/{made.id}/members",
            json={
                "members": [
                    _member(bench, name, protocol_port=port)
                    for name, port in names.items()
                ]
            },
        ).raise_for_status()
    try:
        yield made.id
    finally:
        bench.await_settled(balancer.id)
        with changed(bench, balancer):
            bench.octavia.delete_pool(made.id)


def _member(bench: Bench, name: str, **more: object) -> dict[str, object]:
    (found,) = (m for m in settings.MEMBERS if m.name == name)
    return {
        "name": name,
        "address": str(found.address_v4.ip),
        "protocol_port": settings.MEMBER_PORT,
        "subnet_id": bench.subnets["backend-v4"],
        **more,
    }


def _names(answer: object) -> list[str]:
    """The names of the certificate that was served."""
    der = base64.b64decode(answer.certificate)
    return (
        x509.load_der_x509_certificate(der)
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value.get_values_for_type(x509.DNSName)
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
        member = octavia.get_member(web["member2"], web["pool"])
        return (
            member.operating_status,
            octavia.get_pool(web["pool"]).operating_status,
        )

    members.stop(bench.registry, "member2")
    try:
        process.wait_until(
            lambda: status() == ("ERROR", "DEGRADED"), 60.0, "the failure"
        )
        answers = bench.ask(balancer.v4, count=30)
        assert {a.member for a in answers} == MEMBERS - {"member2"}
        assert {a.status for a in answers} == {200}
    finally:
        members.start(bench.lab, bench.registry, "member2")
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
                        _member(
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


def test_l7_policies(
    bench: Bench, balancer: Balancer, web: dict[str, str]
) -> None:
    for vip in (balancer.v4, balancer.v6):
        (moved,) = bench.ask(vip, path="/old/page")
        assert moved.status == 302
        assert moved.headers["location"] == "http://lab.example/new"
    with pool(bench, balancer, {"member3": settings.MEMBER_PORT}) as third:
        for action, rule in (
            (
                {"action": "REDIRECT_TO_POOL", "redirect_pool_id": third},
                {
                    "type": "HEADER",
                    "compare_type": "EQUAL_TO",
                    "key": "X-Third",
                    "value": "yes",
                },
            ),
            (
                {"action": "REJECT"},
                {
                    "type": "HOST_NAME",
                    "compare_type": "ENDS_WITH",
                    "value": ".forbidden.example",
                },
            ),
        ):
            with changed(bench, balancer):
                policy = bench.octavia.create_l7_policy(
                    listener_id=web["listener"], **action
                )
            with changed(bench, balancer):
                bench.octavia.create_l7_rule(policy.id, **rule)
        to_third = bench.ask(balancer.v4, headers={"X-Third": "yes"}, count=12)
        assert {a.member for a in to_third} == {"member3"}
        forbidden = bench.ask(
            balancer.v6, server_name="www.forbidden.example", count=12
        )
        assert {a.status for a in forbidden} == {403}
        others = bench.ask(balancer.v4, count=30)
        assert {a.member for a in others} == MEMBERS
        for policy in bench.octavia.l7_policies(listener_id=web["listener"]):
            if policy.name != "moved":
                with changed(bench, balancer):
                    bench.octavia.delete_l7_policy(policy.id)
    answers = bench.ask(balancer.v6, server_name="www.forbidden.example")
    assert answers[0].status == 200


def test_tcp(bench: Bench, balancer: Balancer) -> None:
    everyone = dict.fromkeys(sorted(MEMBERS), settings.MEMBER_PORT)
    with (
        pool(bench, balancer, everyone, protocol="TCP") as pool_id,
        listener(
            bench,
            balancer,
            protocol="TCP",
            protocol_port=8081,
            default_pool_id=pool_id,
        ),
    ):
        for vip in (balancer.v4, balancer.v6):
            answers = bench.ask(vip, 8081, count=24)
            assert {a.status for a in answers} == {200}
            assert {a.member for a in answers} == MEMBERS
    assert bench.ask(balancer.v4, 8081)[0].status == 0


@pytest.fixture(scope="module")
def tls_member(bench: Bench) -> Iterator[str]:
    """A member with TLS of its own; returns its certificate's name."""
    name = "member1.lab.example"
    reference = pki.store_certificate(bench.plane, [name])
    store = bench.plane.config_dir / "certificate-store"
    process.stop(bench.registry, TLS_MEMBER)
    process.spawn(
        bench.registry,
        TLS_MEMBER,
        [
            *("openssl", "s_server", "-www", "-quiet", "-accept", "8443"),
            *("-cert", str(store / f"{reference}.crt")),
            *("-key", str(store / f"{reference}.key")),
        ],
        namespace=bench.lab.namespace("member1"),
        log=bench.lab.log_dir / f"{TLS_MEMBER}.log",
    )
    yield name
    process.stop(bench.registry, TLS_MEMBER)


def test_https_is_passed_through(
    bench: Bench, balancer: Balancer, tls_member: str
) -> None:
    with (
        pool(bench, balancer, {"member1": 8443}, protocol="HTTPS") as pool_id,
        listener(
            bench,
            balancer,
            protocol="HTTPS",
            protocol_port=8443,
            default_pool_id=pool_id,
        ),
    ):
        for vip in (balancer.v4, balancer.v6):
            answers = bench.ask(vip, 8443, is_tls=True, count=4)
            assert {a.status for a in answers} == {200}
            for found in answers:
                assert _names(found) == [tls_member]


def test_terminated_https_with_sni(
    bench: Bench, balancer: Balancer, web: dict[str, str]
) -> None:
    names = ("default.example", "one.example", "two.example")
    default, one, two = (
        pki.store_certificate(bench.plane, [name]) for name in names
    )
    with listener(
        bench,
        balancer,
        protocol="TERMINATED_HTTPS",
        protocol_port=443,
        default_pool_id=web["pool"],
        default_tls_container_ref=default,
        sni_container_refs=[one, two],
    ):
        for asked, served in (
            ("one.example", "one.example"),
            ("two.example", "two.example"),
            ("default.example", "default.example"),
            ("unknown.example", "default.example"),
        ):
            for vip in (balancer.v4, balancer.v6):
                answers = bench.ask(
                    vip, 443, is_tls=True, server_name=asked, count=6
                )
                assert {a.status for a in answers} == {200}
                for found in answers:
                    assert _names(found) == [served]
                    assert found.member in MEMBERS


def test_prometheus(
    bench: Bench, balancer: Balancer, web: dict[str, str]
) -> None:
    with listener(bench, balancer, protocol="PROMETHEUS", protocol_port=8088):
        for vip in (balancer.v4, balancer.v6):
            answers = bench.await_answers(
                lambda a: a.status == 200, vip, 8088, path="/metrics", count=4
            )
            for found in answers:
                assert "octavia_loadbalancer_cpu " in found.body
                assert "\noctavia_listener_current_sessions{" in found.body
                assert f'listener="{web["listener"]}"' in found.body


@pytest.mark.parametrize("protocol", ["UDP", "SCTP"])
def test_udp_is_refused_with_a_sentence(
    bench: Bench, balancer: Balancer, protocol: str
) -> None:
    with pytest.raises(exceptions.HttpException) as refusal:
        bench.octavia.create_listener(
            load_balancer_id=balancer.id, protocol=protocol, protocol_port=53
        )
    assert refusal.value.status_code == 501
    assert "ip_vs" in str(refusal.value)
    assert bench.provisioning(balancer.id) == "ACTIVE"
    left = bench.octavia.listeners(load_balancer_id=balancer.id)
    assert [found.name for found in left] == ["web"]


def test_disabled_listener(
    bench: Bench, balancer: Balancer, web: dict[str, str]
) -> None:
    with changed(bench, balancer):
        bench.octavia.update_listener(web["listener"], is_admin_state_up=False)
    # Whoever asks now may have to wait for each refusal.
    bench.await_answers(lambda a: a.status == 0, balancer.v4, count=2)
    with changed(bench, balancer):
        bench.octavia.update_listener(web["listener"], is_admin_state_up=True)
    bench.await_answers(lambda a: a.status == 200, balancer.v4)


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
