# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The doctor on amphorae, their front ends, and the cloud around them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from octavia_anycast.model.cluster import AmphoraStatus
from octavia_anycast.model.wire import (
    GateReport,
    GateState,
    GatewayReport,
    Probe,
    ProbeReport,
    ProbeVerdict,
)
from octavia_anycast.planning.doctor.seen import (
    Limits,
    Opening,
    SeenGroup,
    Severity,
)
from octavia_anycast.tests.unit.planning.doctor.healthy import (
    FABRIC,
    GATEWAY,
    IMAGE,
    LONG_AGO,
    NOW,
    amphora,
    found,
    machine,
    only,
    seen,
)


def with_machine(number=1, **changes):
    return amphora(number, of_report={"machine": machine(**changes)})


def names(what):
    return [(check, severity) for check, severity, _, _ in found(what)]


# -- agents and heartbeats ---------------------------------------------------


def test_an_agent_that_never_answered():
    one = amphora(reported_at=None, report=None)
    summary, remedy = only(seen(one), "agents")
    assert "amphora amp1 in zone rack1 has never answered" in summary
    assert "172.31.1.1 port 9443" in summary
    assert "openstack loadbalancer amphora failover amp1" in remedy


def test_an_amphora_that_boots_or_leaves_is_left_alone():
    silent = {"reported_at": None, "report": None, "beat_at": None}
    booting = amphora(1, of_record={"status": AmphoraStatus.BOOTING}, **silent)
    leaving = amphora(2, of_record={"leaving_since": NOW}, **silent)
    unconfigured = amphora(3, of_record={"applied_revision": ""}, **silent)
    assert found(seen(booting, leaving, unconfigured)) == []


def test_heartbeats_of_one_are_blocked():
    late = NOW - timedelta(seconds=90)
    what = seen(amphora(1, beat_at=late), amphora(2), amphora(3))
    summary, remedy = only(what, "heartbeats")
    assert "answers, and no heartbeat of it came for 90 s" in summary
    assert "UDP 5556 from its address is blocked" in summary
    assert "tcpdump -ni any host 172.31.1.1 and udp port 5556" in remedy
    assert "openstack loadbalancer amphora configure amp1" in remedy


def test_heartbeats_of_all_are_blocked():
    what = seen(amphora(1, beat_at=None), amphora(2, beat_at=LONG_AGO))
    rows = found(what)
    assert [check for check, *_ in rows] == ["heartbeats", "heartbeats"]
    assert "has never arrived. None of any amphora comes" in rows[0][2]


def test_a_distributors_own_amphorae_send_no_heartbeats():
    own = {"distributor_id": FABRIC.id, "load_balancer_id": None}
    one = amphora(of_record=own, beat_at=None)
    assert found(seen(one)) == []


# -- certificates, clocks, images --------------------------------------------


@pytest.mark.parametrize(
    ("left", "severity", "words"),
    [
        (timedelta(days=3), Severity.WARNING, "in 3 days, and was not"),
        (timedelta(hours=-1), Severity.ERROR, "nobody can talk to its agent"),
    ],
)
def test_a_certificate_near_its_end(left, severity, words):
    one = amphora(of_record={"cert_expiration": NOW + left})
    summary, remedy = only(seen(one), "certificates", severity)
    assert words in summary
    assert "housekeeping rotate-certificates" in remedy


def test_a_certificate_whose_end_is_not_recorded_is_not_known():
    one = amphora(of_record={"cert_expiration": None})
    assert names(seen(one)) == [("certificates", Severity.UNKNOWN)]


@pytest.mark.parametrize(
    ("skew", "words"), [(95, "95 s ahead of"), (-400, "7 min behind")]
)
def test_a_clock_that_is_wrong(skew, words):
    one = with_machine(clock=NOW + timedelta(seconds=skew - 2))
    summary, remedy = only(seen(one), "clocks", Severity.WARNING)
    assert f"amp1 in zone rack1 is {words} the controller's" in summary
    assert "on the amphora amp1: timedatectl" in remedy


def test_a_look_takes_a_while_and_is_no_skew():
    one = with_machine(clock=NOW + timedelta(seconds=25))
    assert found(seen(one)) == []


def test_images_that_differ():
    new = "2026-11-29T08:00:00Z"
    what = seen(amphora(1), with_machine(2, image=new), amphora(3))
    summary, remedy = only(what, "images", Severity.WARNING)
    assert "Amphorae of load balancer lb were booted from" in summary
    assert f"2 from '{IMAGE}' (amp1, amp3), 1 from '{new}' (amp2)" in summary
    assert remedy.splitlines() == [
        "on the cloud: openstack loadbalancer amphora failover amp1",
        "on the cloud: openstack loadbalancer amphora failover amp3",
    ]


def on_image(number, image, **of_record):
    one = with_machine(number, image=image)
    return replace(one, record=replace(one.record, **of_record))


def test_load_balancers_may_have_images_of_their_own():
    """Their flavors may name them; a distributor's own have none."""
    own = {"distributor_id": FABRIC.id, "load_balancer_id": None}
    what = seen(
        on_image(1, "a"),
        on_image(2, "b", load_balancer_id="other"),
        on_image(3, "a"),
        on_image(4, "c", **own),
    )
    assert found(what) == []


def test_images_of_a_distributors_own_that_differ():
    own = {"distributor_id": FABRIC.id, "load_balancer_id": None}
    what = seen(on_image(1, "a", **own), on_image(2, "b", **own))
    summary, remedy = only(what, "images", Severity.WARNING)
    assert "Amphorae of a distributor's own were booted" in summary
    assert remedy.endswith("openstack loadbalancer amphora failover amp1")


def test_an_older_agent_tells_nothing_and_is_no_fault():
    what = seen(amphora(of_report={"machine": None}))
    assert names(what) == [
        ("mtu", Severity.UNKNOWN),
        ("clocks", Severity.UNKNOWN),
        ("images", Severity.UNKNOWN),
    ]


# -- front ends --------------------------------------------------------------


def gate(verdict, value=""):
    evidence = ProbeReport(
        probe=Probe.GATEWAY, verdict=verdict, value=value, since=LONG_AGO
    )
    return GateReport(
        state=GateState.DOWN,
        reason=value,
        since=LONG_AGO,
        evidence=(evidence,),
    )


def test_a_gateway_that_is_gone():
    value = f"the gateway {GATEWAY} does not answer"
    one = amphora(of_report={"gate": gate(ProbeVerdict.BAD, value)})
    summary, remedy = only(seen(one), "gateways")
    assert f"amp1 in zone rack1 has no gateway: {value}" in summary
    assert "router with 10.1.0.1 (Linux): ip neighbour show 10.1.0.101" in (
        remedy
    )


def test_a_gateway_of_which_nothing_is_known():
    one = amphora(of_report={"gate": gate(ProbeVerdict.UNKNOWN)})
    assert names(seen(one)) == [("gateways", Severity.UNKNOWN)]


def test_an_interface_with_another_mtu():
    summary, _ = only(seen(with_machine(frontend_mtu=1400)), "mtu")
    assert "has the MTU 1400, its network has 1500" in summary


def asked(answers, answers_full):
    return with_machine(
        gateways=(
            GatewayReport(
                gateway=GATEWAY, answers=answers, answers_full=answers_full
            ),
        )
    )


def test_large_packets_that_get_lost():
    summary, remedy = only(seen(asked(True, False)), "mtu")
    assert "Packets of 1500 octets of amphora amp1" in summary
    assert "do not reach its gateway 10.1.0.1, small ones do" in summary
    assert "ping -c 3 -M do -s 1472 10.1.0.1" in remedy


def test_a_gateway_that_answers_no_echo_request_is_not_known():
    assert names(seen(asked(False, False))) == [("mtu", Severity.UNKNOWN)]


# -- the cloud ---------------------------------------------------------------


def test_no_default_distributor():
    summary, remedy = only(
        seen(has_default=False), "default-distributor", Severity.WARNING
    )
    assert "No distributor is the default" in summary
    assert "openstack loadbalancer distributor set fabric --default" in remedy


def test_no_distributor_at_all():
    what = replace(
        seen(has_default=False), distributors=(), amphorae=(), groups=()
    )
    summary, _ = only(what, "default-distributor")
    assert "There is no distributor" in summary


def test_of_one_distributor_the_default_is_not_asked():
    assert found(seen(has_default=None)) == []


def group(**changes):
    made = SeenGroup(
        load_balancer_id="lb",
        distributor_id=FABRIC.id,
        name="lb-lb",
        id="group",
    )
    return (replace(made, **changes),)


def test_a_rule_that_somebody_deleted():
    missing = (
        Opening(protocol="tcp", port=80, ip_version=4, why="listener web"),
        Opening(
            protocol="udp",
            port=14789,
            ip_version=6,
            is_among_members=True,
            why="flow rescue",
        ),
    )
    summary, remedy = only(
        seen(groups=group(missing=missing)), "security-groups"
    )
    assert "lb-lb of load balancer lb does not let in TCP 80 over IPv4" in (
        summary
    )
    assert "UDP 14789 over IPv6 (flow rescue)" in summary
    assert remedy.splitlines() == [
        "on the cloud: openstack security group rule create group --ingress "
        "--ethertype IPv4 --protocol tcp --dst-port 80",
        "on the cloud: openstack security group rule create group --ingress "
        "--ethertype IPv6 --protocol udp --dst-port 14789 --remote-group "
        "group",
    ]


def test_a_group_that_is_gone():
    summary, _ = only(seen(groups=group(id=None)), "security-groups")
    assert "The security group lb-lb of load balancer lb does not exist" in (
        summary
    )


def test_a_network_service_that_does_not_answer_is_no_fault():
    what = seen(groups=None, why_no_groups="Neutron: 503")
    ((check, severity, summary, _),) = found(what)
    assert (check, severity) == ("security-groups", Severity.UNKNOWN)
    assert "Neutron: 503" in summary


def test_limits_are_the_operators():
    one = amphora(beat_at=NOW - timedelta(seconds=9))
    assert names(seen(one)) == [("heartbeats", Severity.ERROR)]
    assert found(seen(one, limits=Limits(silent_after=10))) == []
