# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Our agent in a booted amphora, seen from the leaf that it peers with.

One amphora with a dual-stack VIP; each test finds it announced and leaves it
announced. Asserts on the leaf's paths and on answers to the client.
"""

import dataclasses
import json
import os
import sys
import time
import uuid
from ipaddress import ip_address, ip_network
from pathlib import Path

import amphora_bench
import pytest
from octavia_anycast_lab import deployment, settings
from octavia_anycast_lab.amphora import image
from octavia_anycast_lab.fabric import lifecycle, observe
from octavia_anycast_lab.host import netns, process

from octavia_anycast.model import codec
from octavia_anycast.model.bgp import AuthType, Peer, Speaker
from octavia_anycast.model.wire import (
    DesiredState,
    Frontend,
    FrontendAddress,
    Intent,
    ListenerSocket,
    Probe,
    Scheme,
    SyntheticRequest,
    VipState,
)

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]

CALL = Path(__file__).parent / "agent_call.py"
VIPS = {
    ip_address("198.51.100.10"): ip_address("10.1.0.101"),
    ip_address("2001:db8:100::10"): ip_address("fd00:10:1::1001"),
}
PID = "$(cat /var/lib/octavia/*/*.pid)"
# The container shares two cores with everything else.
SOON, LATER = 10.0, 60.0


class Amphora:
    """The amphora under test, its agent and its leaf."""

    def __init__(self, bench):
        self.bench, self.lab = bench, bench.lab
        self.balancer_id = str(uuid.uuid4())
        self.listener_id = str(uuid.uuid4())
        self.amphora = bench.boot()
        bench.await_agent(self.amphora)
        self.front = bench.attach(
            self.amphora, "leaf1", settings.FRONT_END_BRIDGE
        )
        self.back = bench.attach(
            self.amphora, "tenant", settings.TENANT_BRIDGE
        )

    def shell(self, command, namespace=None):
        argv = ("bash", "-c", command)
        done = self.bench.inside(self.amphora, *argv, namespace=namespace)
        return done.stdout + done.stderr

    def call(self, verb, state=None, port=9443):
        pki = deployment.Deployment.of(self.lab).config_dir / "pki"
        where = [verb, self.amphora.amphora_id, self.amphora.address]
        done = netns.run(
            self.lab.namespace("ctl"),
            [sys.executable, str(CALL), str(pki), *where, str(port)],
            stdin=json.dumps(codec.to_document(state)) if state else "",
        )
        return json.loads(done.stdout)

    def put(self, state):
        assert self.call("put", state) == {}

    def state(self, intent=Intent.ADVERTISE, **changes):
        peer = Peer(
            id="leaf1",
            peer_ip=ip_address("172.31.0.11"),
            remote_as=65001,
            auth_type=AuthType.MD5,
            password=settings.BGP_PASSWORD,
            ttl_hops=1,
            hold_time=3,
        )
        made = DesiredState(
            amphora_id=self.amphora.amphora_id,
            revision="1",
            router_id=self.amphora.address,
            speakers=(
                Speaker(id="s", ip_version=4, local_as=65100, peers=(peer,)),
            ),
            vips=tuple(
                VipState(
                    vip_ip=vip,
                    nexthop_ip=next_hop,
                    load_balancer_id=self.balancer_id,
                    intent=intent,
                )
                for vip, next_hop in VIPS.items()
            ),
            frontend=Frontend(
                mac_address=self.front.mac,
                mtu=1500,
                addresses=(
                    _frontend_address("10.1.0.101/24", "10.1.0.1"),
                    _frontend_address("fd00:10:1::1001/64", "fd00:10:1::1"),
                ),
            ),
            load_balancer_id=self.balancer_id,
            listeners=tuple(
                ListenerSocket(
                    listener_id=self.listener_id, ip_address=vip, port=80
                )
                for vip in VIPS
            ),
        )
        return dataclasses.replace(made, **changes)

    def push(self):
        """Member network and HAProxy configuration, as a controller does."""
        fixed_ip = {
            "ip_address": "10.10.0.101",
            "subnet_cidr": "10.10.0.0/24",
            "host_routes": [],
            "gateway": None,
        }
        request = {"mac": self.back.mac, "fixed_ips": [fixed_ip]}
        self.bench.rest("plug", request, self.amphora)
        first, second = (str(vip) for vip in VIPS)
        request = {
            "balancer_id": self.balancer_id,
            "listener_id": self.listener_id,
            "pool_id": str(uuid.uuid4()),
            "vip": first,
            "additional_vips": [second],
            "members": [str(m.address_v4.ip) for m in settings.MEMBERS],
        }
        self.bench.rest("listen", request, self.amphora)

    def paths(self):
        """The VIPs that the leaf has a path for."""
        return {
            vip
            for vip in VIPS
            if observe.paths(self.lab, "leaf1", ip_network(vip))
        }

    def await_paths(self, vips, seconds, what):
        """Wait for exactly these at the leaf, and all routers with them."""
        wanted = set(vips)
        process.wait_until(
            lambda: (
                self.paths() == wanted
                and all(observe.is_routed(self.lab, str(v)) for v in wanted)
            ),
            seconds,
            what,
        )

    def assert_paths_stay(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.paths() == set(VIPS)

    def assert_serves(self):
        for vip in VIPS:
            host = f"[{vip}]" if vip.version == 6 else str(vip)
            done = netns.run(
                self.lab.namespace(settings.CLIENT),
                ["curl", "-g", "-s", "-m", "5", f"http://{host}/"],
                check=False,
            )
            names = {member.name for member in settings.MEMBERS}
            assert done.stdout.strip() in names


def _frontend_address(interface, gateway):
    address, length = interface.split("/")
    return FrontendAddress(
        ip_address=ip_address(address),
        prefix_length=int(length),
        gateway=ip_address(gateway),
    )


@pytest.fixture(scope="module")
def made():
    """A fabric and one amphora that serves."""
    name = os.environ.get("OA_TEST_AGENT_LAB", "oatagent")
    bench = amphora_bench.Bench(settings.Lab(name=name), image.Flavour.ANYCAST)
    bench.up()
    lifecycle.up(bench.lab, bench.registry)
    try:
        amphora = Amphora(bench)
        amphora.put(amphora.state(revision="", listeners=()))
        amphora.push()
        assert amphora.paths() == set()  # nothing was to be served yet
        amphora.put(amphora.state())
        yield amphora
    finally:
        bench.down()


@pytest.fixture
def amphora(made):
    made.await_paths(VIPS, LATER, "announced")
    yield made
    made.await_paths(VIPS, LATER, "announced again")
    made.assert_serves()


def test_serves_both_families_and_says_so(amphora):
    amphora.assert_serves()
    report = codec.report_from(amphora.call("report"))
    assert report.gate.state == "UP"
    assert report.frontend_is_up
    assert report.digest == codec.digest(amphora.state())
    assert {path.state for path in report.paths} == {"advertised"}
    assert {s.state for s in report.sessions} == {"Established"}


def test_haproxy_dies(amphora):
    amphora.shell(f"kill -9 {PID}")
    amphora.await_paths((), SOON, "withdrawn")


def test_haproxy_hangs(amphora):
    amphora.shell(f"kill -STOP $(pgrep -P {PID})")
    amphora.await_paths((), SOON, "withdrawn")
    assert "process: HAProxy is stopped" in _gate_reason(amphora)
    amphora.shell(f"kill -CONT $(pgrep -P {PID})")


def test_haproxy_gets_no_processor(amphora):
    """Not stopped, for all that the kernel says: a frozen control group.

    The sockets listen and handshakes come about, so nothing but the queue
    of those that nobody accepts, and the silence, tells.
    """
    unit = f"haproxy-{amphora.balancer_id}.service"
    amphora.shell(f"systemctl freeze {unit}")
    try:
        deadline = time.monotonic() + SOON
        while amphora.paths():
            assert time.monotonic() < deadline
            for vip in VIPS:
                host = f"[{vip}]" if vip.version == 6 else str(vip)
                netns.run(
                    amphora.lab.namespace(settings.CLIENT),
                    ["curl", "-g", "-s", "-m", "0.1", f"http://{host}/"],
                    check=False,
                )
        # It is asked again and again: in between its silence is too short.
        process.wait_until(
            lambda: "none accepted for" in str(_gate(amphora)),
            SOON,
            "the queue is told",
        )
    finally:
        amphora.shell(f"systemctl thaw {unit}")


@pytest.mark.parametrize(
    ("family", "question", "gateway"),
    [
        ("arp", "arp operation request", "10.1.0.1"),
        ("ip6", "icmpv6 type nd-neighbor-solicit", "fd00:10:1::1"),
    ],
)
def test_gateway_is_silent(amphora, family, question, gateway):
    """Carrier and session are as they were; the leaf answers nothing."""
    leaf = amphora.lab.namespace("leaf1")
    rules = f"""
        table {family} mute {{
            chain input {{
                type filter hook input priority 0;
                iifname "{settings.FRONT_END_BRIDGE}" {question} drop;
            }}
        }}
    """
    netns.run(leaf, ["nft", "-f", "-"], stdin=rules)
    try:
        amphora.await_paths((), LATER, "withdrawn")
        reason = _gate_reason(amphora)
        assert f"the gateway {gateway} does not answer" in reason
        report = codec.report_from(amphora.call("report"))
        assert {s.state for s in report.sessions} == {"Established"}
    finally:
        netns.run(leaf, ["nft", "delete", "table", family, "mute"])


def _asking(amphora, codes):
    """The state with a synthetic request that expects these codes."""
    state = amphora.state()
    request = SyntheticRequest(path="/", codes=codes, interval_ms=100)
    return dataclasses.replace(
        state,
        gate=dataclasses.replace(state.gate, request=request),
        listeners=tuple(
            dataclasses.replace(one, scheme=Scheme.HTTP)
            for one in state.listeners
        ),
    )


def test_synthetic_request(amphora):
    """Answered as expected, it changes nothing; else, it withdraws."""
    amphora.put(_asking(amphora, "200"))
    amphora.assert_paths_stay(3)
    report = codec.report_from(amphora.call("report"))
    verdicts = {one.probe: one.verdict for one in report.gate.evidence}
    assert set(verdicts) == set(Probe) - {Probe.PEERS}
    assert set(verdicts.values()) == {"good"}
    amphora.put(_asking(amphora, "404"))
    amphora.await_paths((), SOON, "withdrawn")
    report = codec.report_from(amphora.call("report"))
    for path in report.paths:
        assert path.reason.startswith("request: the request to ")
        assert "(status 200 is not one of 404), since " in path.reason
    amphora.put(amphora.state())


@pytest.mark.parametrize(
    "command",
    [
        "systemctl restart octavia-anycast-speakerd",
        "systemctl kill -s KILL octavia-anycast-speakerd",
        "systemctl restart octavia-anycast-agent",
        "kill -9 $(pgrep -f octavia-anycast-exabgp-relay)",
        "ip netns exec amphora-haproxy amphora-interface up all",
    ],
)
def test_nothing_is_withdrawn_by(amphora, command):
    amphora.shell(command)
    amphora.assert_paths_stay(4)
    amphora.bench.await_agent(amphora.amphora)


def _main_pid(amphora, unit):
    return amphora.shell(f"systemctl show -P MainPID {unit}").strip()


def test_a_hung_speakerd_is_started_anew_and_its_paths_stay(amphora):
    unit = "octavia-anycast-speakerd.service"
    before = _main_pid(amphora, unit)
    amphora.shell(f"kill -STOP {before}")
    deadline = time.monotonic() + LATER
    while _main_pid(amphora, unit) in (before, "0"):
        assert time.monotonic() < deadline
        assert amphora.paths() == set(VIPS)
    amphora.assert_paths_stay(3)
    assert "advertised" in json.dumps(amphora.call("report"))


def test_a_hung_agent_is_gone_past_and_started_anew(amphora):
    """Its worker is stopped: speakerd's own port withdraws and announces."""
    unit = "octavia-anycast-agent.service"
    overrides = f"/run/systemd/system/{unit}.d"
    amphora.shell(
        f"mkdir -p {overrides}; printf '[Service]\\nWatchdogSec=10s\\n' > "
        f"{overrides}/soon.conf; systemctl daemon-reload; "
        f"systemctl restart {unit}"
    )
    before = _main_pid(amphora, unit)
    # Its children: the worker, and the processes that send heartbeats.
    amphora.shell(f"kill -STOP $(pgrep -P {before})")
    amphora.call("put", amphora.state(Intent.WITHDRAW), port=9444)
    amphora.await_paths((), SOON, "withdrawn past the agent")
    amphora.call("put", amphora.state(), port=9444)
    process.wait_until(
        lambda: _main_pid(amphora, unit) not in (before, "0"),
        LATER,
        "started anew",
    )
    process.wait_until(
        lambda: "Traceback" not in _agent_answer(amphora), LATER, "answering"
    )


def _agent_answer(amphora):
    try:
        return json.dumps(amphora.call("report"))
    except Exception as e:  # noqa: BLE001 - whatever its start looks like
        return f"Traceback {e}"


@pytest.mark.parametrize("signal", ["KILL", "STOP"])
def test_speaker_fails(amphora, signal):
    amphora.shell(
        f"kill -{signal} $(systemctl show -P MainPID exabgp.service)"
    )
    amphora.await_paths((), SOON, "the session is lost")


def _missing():
    return ListenerSocket(
        listener_id="x", ip_address=next(iter(VIPS)), port=81
    )


def _gate(amphora):
    return codec.report_from(amphora.call("report")).gate


def _gate_reason(amphora):
    return _gate(amphora).reason


def test_listener_that_never_opened_withdraws_no_other(amphora):
    state = amphora.state()
    listeners = (*state.listeners, _missing())
    amphora.put(dataclasses.replace(state, listeners=listeners))
    process.wait_until(
        lambda: "port 81" in _gate_reason(amphora), SOON, "it is noticed"
    )
    amphora.assert_paths_stay(1)
    amphora.put(state)


def test_only_listener_is_not_there(amphora):
    state = amphora.state()
    amphora.put(dataclasses.replace(state, listeners=(_missing(),)))
    amphora.await_paths((), SOON, "withdrawn")
    assert "port 81" in _gate_reason(amphora)
    amphora.put(state)


def test_intents(amphora):
    amphora.put(amphora.state(Intent.DRAIN))

    def is_draining() -> bool:
        report = codec.report_from(amphora.call("report"))
        return {path.state for path in report.paths} == {"draining"}

    process.wait_until(is_draining, SOON, "it says that it drains")
    amphora.assert_paths_stay(1)  # draining is still announced
    amphora.put(amphora.state(Intent.WITHDRAW))
    amphora.await_paths((), SOON, "withdrawn")
    amphora.put(amphora.state())


def test_a_vip_goes_and_comes(amphora):
    state = amphora.state()
    first, second = state.vips
    amphora.put(dataclasses.replace(state, vips=(first,)))
    amphora.await_paths((first.vip_ip,), SOON, "one is left")
    show = "ip -br addr show lo"
    process.wait_until(
        lambda: (
            str(second.vip_ip) not in amphora.shell(show, "amphora-haproxy")
        ),
        SOON,
        "off the loopback",
    )
    amphora.put(state)


def test_foreign_state_is_refused(amphora):
    answer = amphora.call("put", amphora.state(amphora_id="another"))
    assert answer["field"] == "amphora_id"
    amphora.assert_paths_stay(1)


def test_front_end_network_dies_behind_its_bridge(amphora):
    leaf = amphora.lab.namespace("leaf1")
    tap = ["ip", "link", "set", "dev", _tap(amphora)]
    netns.run(leaf, [*tap, "nomaster"])
    amphora.await_paths((), 3 * SOON, "withdrawn")
    netns.run(leaf, [*tap, "master", settings.FRONT_END_BRIDGE])


def _tap(amphora):
    instance = amphora.bench.hypervisor.get(amphora.amphora.instance_id)
    return next(
        nic.tap for nic in instance.nics if nic.mac == amphora.front.mac
    )


def test_reboot_restores_everything(amphora):
    amphora.bench.hypervisor.reboot(amphora.amphora.instance_id)
    amphora.await_paths((), SOON, "it is down")


def test_after_a_reboot_ipv6_addresses_are_usable_at_once(amphora):
    """As before it. The agent removes what is not its own, so it is looked
    at by the process that has added it: again and again, for the kernel's
    worker ends "tentative" in its own time. Detection takes a second."""
    address = "fd00:dead::5"
    show = f"addr show dev eth1 to {address}\\n"
    said = amphora.shell(
        f"printf 'addr add {address}/64 dev eth1\\n{show * 50}' "
        "| ip -n amphora-haproxy -6 -batch -"
    )
    found = [line for line in said.splitlines() if address in line]
    assert any("tentative" not in line for line in found), said
    detects = amphora.shell(
        "ip netns exec amphora-haproxy sysctl -n net.ipv6.conf.eth1.accept_dad"
    )
    assert detects.strip() == "0"


@pytest.mark.parametrize(
    ("scheme", "options"),
    [("http", ()), ("https", ("-k",))],
)
def test_callers_without_certificate_are_refused(amphora, scheme, options):
    url = f"{scheme}://{amphora.amphora.address}:9443/1.0/anycast"
    for method in ("GET", "PUT"):
        done = netns.run(
            amphora.lab.namespace("ctl"),
            ["curl", "-s", "-m", "5", "-X", method, "-d", "{}", *options, url],
            check=False,
        )
        assert done.returncode != 0
        assert done.stdout == ""
