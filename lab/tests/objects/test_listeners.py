# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Every kind of listener, and L7 policies, in the real lab.

See :mod:`test_load_balancer`; the load balancer is the same. Listeners of the
protocol PROMETHEUS have :mod:`test_tenant_metrics`.
"""

import base64
from collections.abc import Iterator

import pytest
from balancer_objects import changed, listener, pool
from cluster_bench import MEMBERS, Balancer, Bench
from cryptography import x509
from octavia_anycast_lab import settings
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.cloud import database, pki
from octavia_anycast_lab.host import process
from openstack import exceptions

pytestmark = pytest.mark.lab

TLS_MEMBER = "tls-member1"


def _names(answer: object) -> list[str]:
    """The names of the certificate that was served."""
    der = base64.b64decode(answer.certificate)
    return (
        x509.load_der_x509_certificate(der)
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value.get_values_for_type(x509.DNSName)
    )


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


def test_a_secret_that_cannot_be_read_takes_nothing_away(
    bench: Bench, balancer: Balancer, web: dict[str, str]
) -> None:
    """Another listener changes meanwhile; the secret's return mends it."""
    name = "kept.example"
    reference = pki.store_certificate(bench.plane, [name])
    secret = bench.plane.config_dir / "certificate-store" / f"{reference}.key"
    hidden = secret.with_suffix(".hidden")

    def serves() -> bool:
        (found,) = bench.ask(balancer.v4, 443, is_tls=True, server_name=name)
        return found.status == 200 and _names(found) == [name]

    def is_kept() -> bool:
        assert serves()
        return "stays as it is" in _reason(bench, balancer)

    with listener(
        bench,
        balancer,
        protocol="TERMINATED_HTTPS",
        protocol_port=443,
        default_pool_id=web["pool"],
        default_tls_container_ref=reference,
    ):
        secret.rename(hidden)
        try:
            bench.octavia.update_listener(
                web["listener"], timeout_client_data=41_000
            )
            process.wait_until(is_kept, 60.0, "the reason names the listener")
            bench.await_active(balancer.id)
            assert serves()
            path = f"/var/lib/octavia/{balancer.id}/haproxy.cfg"
            for amphora in bench.amphorae(balancer):
                served = bench.inside(amphora, "cat", path)
                assert "timeout client 41000" in served
        finally:
            hidden.rename(secret)
        process.wait_until(
            lambda: "stays as it is" not in _reason(bench, balancer),
            60.0,
            "the secret is read again",
        )
        bench.await_active(balancer.id)
        assert serves()
    with changed(bench, balancer):
        bench.octavia.update_listener(
            web["listener"], timeout_client_data=50_000
        )


def _reason(bench: Bench, balancer: Balancer) -> str:
    path = f"/v2/lbaas/loadbalancers/{balancer.id}/cluster"
    found = bench.admin.get(rest.LOAD_BALANCER, path)["cluster"]
    return str(found["reason"])


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


def _spoil(bench: Bench, balancer: Balancer, rule_id: str) -> None:
    """A regular expression that the API would not have let in."""
    change = "provisioning_status = 'PENDING_UPDATE'"
    of_rule = f"(SELECT l7policy_id FROM l7rule WHERE id = '{rule_id}')"
    database.query(
        bench.plane,
        "octavia",
        f"UPDATE l7policy SET {change} WHERE id = {of_rule};"
        f"UPDATE l7rule SET {change}, value = '(' WHERE id = '{rule_id}';"
        f"UPDATE load_balancer SET {change} WHERE id = '{balancer.id}'",
    )


def test_what_haproxy_refuses_is_error_and_the_rest_goes_on(
    bench: Bench, balancer: Balancer, web: dict[str, str]
) -> None:
    with changed(bench, balancer):
        policy = bench.octavia.create_l7_policy(
            listener_id=web["listener"], action="REJECT"
        )
    with changed(bench, balancer):
        rule = bench.octavia.create_l7_rule(
            policy.id, type="PATH", compare_type="REGEX", value="/no"
        )
    assert bench.ask(balancer.v4, path="/no")[0].status == 403
    with changed(bench, balancer):
        _spoil(bench, balancer, rule.id)
    seen = bench.octavia.get_l7_rule(rule.id, policy.id)
    assert seen.provisioning_status == "ERROR"
    assert "missing closing parenthesis" in _reason(bench, balancer)
    assert bench.ask(balancer.v4, path="/no")[0].status == 200
    with changed(bench, balancer):
        bench.octavia.put(
            f"/lbaas/l7policies/{policy.id}/rules/{rule.id}",
            json={"rule": {"value": "/no"}},
        ).raise_for_status()
    assert bench.ask(balancer.v4, path="/no")[0].status == 403
    with changed(bench, balancer):
        bench.octavia.delete_l7_policy(policy.id)
