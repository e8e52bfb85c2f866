# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the provider supports."""

from types import SimpleNamespace

import pytest
from octavia_lib.api.drivers import data_models as driver_models

from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.provider.support import Support

LACK = "no amphora can serve it: keepalived cannot be found"
PLAIN = Support(udp_allowed=False, lvs_refusal=lambda _: "")
WITH_UDP = Support(
    udp_allowed=True, lvs_refusal={"lb": "", "lacking": LACK}.__getitem__
)
EVERY_PROTOCOL = [
    "HTTP",
    "HTTPS",
    "PROMETHEUS",
    "PROXY",
    "PROXYV2",
    "TCP",
    "TERMINATED_HTTPS",
]
LVS = ["UDP", "SCTP"]


@pytest.mark.parametrize("protocol", EVERY_PROTOCOL)
def test_tcp_based_protocols_are_accepted(protocol):
    PLAIN.check_listener(driver_models.Listener(protocol=protocol))
    PLAIN.check_pool(driver_models.Pool(protocol=protocol))


@pytest.mark.parametrize("protocol", LVS)
@pytest.mark.parametrize(
    ("check", "model"),
    [
        ("check_listener", driver_models.Listener),
        ("check_pool", driver_models.Pool),
    ],
)
def test_an_operator_may_forbid_udp(protocol, check, model):
    with pytest.raises(InvalidRequest, match="udp_allowed is false"):
        getattr(PLAIN, check)(model(protocol=protocol))
    getattr(WITH_UDP, check)(model(protocol=protocol))


@pytest.mark.parametrize("kind", ["UDP-CONNECT", "SCTP"])
def test_udp_monitors_are_forbidden_with_it(kind):
    monitor = driver_models.HealthMonitor(type=kind)
    with pytest.raises(InvalidRequest, match="udp_allowed is false"):
        PLAIN.check_health_monitor(monitor)
    WITH_UDP.check_health_monitor(monitor)


def listener(protocol, load_balancer_id):
    return driver_models.Listener(
        protocol=protocol, loadbalancer_id=load_balancer_id
    )


@pytest.mark.parametrize("protocol", LVS)
def test_a_new_listener_is_refused_where_no_amphora_can_serve_it(protocol):
    new = listener(protocol, "lacking")
    with pytest.raises(InvalidRequest, match=f"{protocol}: {LACK}"):
        WITH_UDP.check("listener", new, None)
    WITH_UDP.check("listener", listener(protocol, "lb"), None)
    WITH_UDP.check("listener", listener("TCP", "lacking"), None)


def test_one_that_is_there_can_be_changed_all_the_same():
    """Whether it is served is seen again when the change is carried out."""
    there = listener("UDP", "lacking")
    WITH_UDP.check("listener", driver_models.Listener(name="dns"), there)


@pytest.mark.parametrize("udp", LVS)
def test_a_pool_in_a_graph_is_checked(udp):
    pool = driver_models.Pool(protocol=udp)
    nested = driver_models.Listener(protocol="HTTP", default_pool=pool)
    for graph in (
        driver_models.LoadBalancer(pools=[pool]),
        driver_models.LoadBalancer(listeners=[nested]),
    ):
        with pytest.raises(InvalidRequest, match=f"{udp} pools"):
            PLAIN.check_graph(graph)


def test_an_unknown_protocol_is_refused():
    with pytest.raises(InvalidRequest, match=r"protocol: .* QUIC"):
        WITH_UDP.check_listener(driver_models.Listener(protocol="QUIC"))


@pytest.mark.parametrize("model", [driver_models.Listener, driver_models.Pool])
def test_alpn(model):
    check = (
        PLAIN.check_listener
        if model is driver_models.Listener
        else PLAIN.check_pool
    )
    check(model(alpn_protocols=["h2", "http/1.1", "http/1.0"]))
    with pytest.raises(InvalidRequest, match=r"alpn_protocols: .* h3, spdy"):
        check(model(alpn_protocols=["h2", "spdy", "h3"]))


def test_what_is_unset_is_not_checked():
    PLAIN.check_listener(driver_models.Listener())
    PLAIN.check_pool(driver_models.Pool())
    PLAIN.check_graph(driver_models.LoadBalancer())


def pool_of(protocol, *vips):
    first, *others = (SimpleNamespace(ip_address=vip) for vip in vips)
    load_balancer = SimpleNamespace(vip=first, additional_vips=others)
    listener = SimpleNamespace(load_balancer=load_balancer)
    return SimpleNamespace(protocol=protocol, listeners=[listener])


@pytest.mark.parametrize(
    ("pool", "address", "is_good"),
    [
        (pool_of("TCP", "198.51.100.1"), "fd00::1", True),
        (pool_of("UDP", "198.51.100.1"), "10.0.0.1", True),
        (pool_of("UDP", "198.51.100.1"), "fd00::1", False),
        (pool_of("SCTP", "2001:db8::1"), "10.0.0.1", False),
        (pool_of("UDP", "198.51.100.1", "2001:db8::1"), "fd00::1", True),
    ],
)
def test_ip_vs_does_not_mix_families(pool, address, is_good):
    members = [driver_models.Member(address=address)]
    if is_good:
        WITH_UDP.check_members(pool, members)
        return
    with pytest.raises(InvalidRequest, match=f"address: {address}"):
        WITH_UDP.check_members(pool, members)
