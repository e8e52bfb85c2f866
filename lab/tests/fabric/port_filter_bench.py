# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A hypervisor with two machines, and a Neutron that is a list.

    vm1 eth0 -- tap... \
    vm2 eth0 -- tap... -- fe (namespace hv) -- uplink -- eth0 out

The machines are namespaces; the agent and its filter are the lab's own. What
arrives somewhere is counted there, by nftables in that namespace.
"""

import contextlib
import dataclasses
import ipaddress
import json
import pathlib
import subprocess
import sys
import threading

import pytest
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.traffic.datagram import sctp_packet
from octavia_anycast_lab.vm.network import agent, nft, rules

BRIDGE = "fe"
DEADLINE_SECONDS = 10.0
PACKETS = pathlib.Path(__file__).with_name("packets.py")
GROUP, LEAVES = "group", "leaves"
HOST = "rack1-host1"
NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132}
FAMILIES = ("AF_INET", "AF_INET6")
_SEEN = """
add table inet seen
add set inet seen v4 {{ type ipv4_addr . inet_proto . inet_service; \
size 512; flags dynamic; }}
add set inet seen v6 {{ type ipv6_addr . inet_proto . inet_service; \
size 512; flags dynamic; }}
add chain inet seen in {{ type filter hook prerouting priority raw; }}
add rule inet seen in meta l4proto {ported} \
add @v4 {{ ip saddr . meta l4proto . th dport }}
add rule inet seen in meta l4proto {ported} \
add @v6 {{ ip6 saddr . meta l4proto . th dport }}
add rule inet seen in add @v4 {{ ip saddr . meta l4proto . 0 }}
add rule inet seen in add @v6 {{ ip6 saddr . meta l4proto . 0 }}
""".format(ported="{ 6, 17, 132 }")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One end: a machine behind a tap, or ``out``, which is not filtered."""

    namespace: str
    number: int

    @property
    def v4(self):
        return f"10.9.0.{self.number}"

    @property
    def v6(self):
        return f"fd00:9::{self.number}"

    @property
    def mac(self):
        return f"fa:16:3e:00:00:{self.number:02x}"

    @property
    def port_id(self):
        return f"{self.number:08x}-0000-4000-8000-000000000000"

    @property
    def tap(self):
        return rules.tap_of(self.port_id)

    def address(self, version):
        return self.v4 if version == 4 else self.v6

    def send(self, kind, to, port=0, source=None, **options):
        """Send one packet, from an address that it need not have."""
        source = source or self.address(6 if ":" in to else 4)
        if kind == "sctp":
            kind, options = str(NUMBERS[kind]), {"data": sctp_init(port)}
        argv = [sys.executable, "-S", "-E", str(PACKETS), kind]
        argv += ["--source", source, "--to", to, "--port", str(port)]
        for name, value in options.items():
            argv += [f"--{name}", str(value)]
        netns.run(self.namespace, argv)

    def has_seen(self, source, protocol, port=0):
        """Whether such a packet has arrived since ``forget``."""
        table = "v6" if ":" in source else "v4"
        argv = ["nft", "-j", "-n", "list", "set", "inet", "seen", table]
        listed = json.loads(netns.run(self.namespace, argv).stdout)
        (found,) = [i["set"] for i in listed["nftables"] if "set" in i]
        return [source, protocol, port] in [
            element["concat"] for element in found.get("elem", ())
        ]

    @contextlib.contextmanager
    def having(self, text, *, once=False):
        """Give it an address more; ``once``: unless it has it."""
        show = ["ip", "-o", "address", "show", "to", text]
        if once and netns.run(self.namespace, show).stdout:
            yield
            return
        length = 128 if ":" in text else 32
        suffix = " nodad" if ":" in text else ""
        command = f"address {{}} {text}/{length} dev lo"
        netns.ip_batch(self.namespace, [command.format("add") + suffix])
        try:
            yield
        finally:
            netns.ip_batch(self.namespace, [command.format("delete")])

    def forget(self):
        text = "flush set inet seen v4\nflush set inet seen v6\n"
        netns.run(self.namespace, ["nft", "-f", "-"], stdin=text)


def sctp_init(port):
    """The beginning of an association, as hexadecimal digits."""
    wanted = sctp_packet.Init(tag=7, tsn=1)
    packet = sctp_packet.Packet(
        source_port=40000,
        destination_port=port,
        tag=0,
        chunks=(sctp_packet.init(sctp_packet.ChunkType.INIT, wanted),),
    )
    return sctp_packet.encode(packet).hex()


class FakeNeutron:
    """Neutron's lists, in its own words; ``Neutron`` of the agent."""

    def __init__(self, machines):
        self.statuses = {}
        self._lock = threading.Lock()
        self._generation = 0
        self._is_silent = False
        self.refused = 0
        self._rules = []
        self._ports = {m.port_id: self._port(m) for m in machines}

    @staticmethod
    def _port(machine):
        return {
            "id": machine.port_id,
            "network_id": "network",
            "mac_address": machine.mac,
            "fixed_ips": [{"ip_address": machine.address(v)} for v in (4, 6)],
            "allowed_address_pairs": [],
            "security_groups": [GROUP],
            "port_security_enabled": True,
            "status": "DOWN",
            "binding:host_id": HOST,
            "binding:vif_type": "tap",
        }

    @contextlib.contextmanager
    def silence(self):
        """Answer no call; a change was told, so somebody asks."""
        self.refused, self._is_silent = 0, True
        self._generation += 1
        try:
            yield
        finally:
            self._is_silent = False

    def changed_at(self):
        return self._generation

    def ports(self):
        if self._is_silent:
            self.refused += 1
            raise rest.ApiError(503, "silent")
        with self._lock:
            return rules.ports_of(
                list(self._ports.values()), self._rules, (HOST,)
            )

    def report(self, port_id, *, is_up):
        self.statuses[port_id] = is_up

    def set_rules(self, *raw):
        """Have these rules, and no other."""
        with self._lock:
            self._rules = [rule(**values) for values in raw]
            self._generation += 1

    def set_port(self, machine, **values):
        with self._lock:
            self._ports[machine.port_id] |= values

    def reset(self, machines):
        """Ports as they were made."""
        with self._lock:
            self._ports = {m.port_id: self._port(m) for m in machines}


def rule(**values):
    """A rule of the machines' group, as Neutron shows it."""
    port = values.pop("port", None)
    if port is not None:
        values |= {"port_range_min": port, "port_range_max": port}
    return {
        "id": "rule",
        "security_group_id": GROUP,
        "direction": "ingress",
        "ethertype": "IPv4",
    } | values


class Bench:
    """The namespaces, the cables and a running agent."""

    def __init__(self, instance):
        self._registry = instance.registry
        self.hypervisor = instance.lab.namespace("pf-hv")
        self.one, self.two, self.out = (
            Machine(namespace=instance.lab.namespace(name), number=number)
            for name, number in (("pf-1", 11), ("pf-2", 12), ("pf-out", 1))
        )
        self.machines = (self.one, self.two)
        self.neutron = FakeNeutron(self.machines)

    @property
    def namespaces(self):
        return (self.hypervisor, *(m.namespace for m in self._all))

    @property
    def _all(self):
        return (*self.machines, self.out)

    @contextlib.contextmanager
    def running(self):
        """Lay the cables, and have the agent work."""
        if not nft.is_possible():
            pytest.skip(nft.LACK)
        for namespace in self.namespaces:
            netns.create(self._registry, namespace)
        try:
            netns.bridge(self.hypervisor, BRIDGE)
            self._connect(self.out, "uplink", BRIDGE)
            for machine in self._all:
                netns.run(machine.namespace, ["nft", "-f", "-"], stdin=_SEEN)
            with self._agent():
                for machine in self.machines:
                    self.connect(machine)
                self.wait(
                    lambda: all(
                        self.neutron.statuses.get(m.port_id)
                        for m in self.machines
                    ),
                    "plugged",
                )
                yield self
        finally:
            for namespace in self.namespaces:
                netns.delete(self._registry, namespace)

    @contextlib.contextmanager
    def _agent(self):
        stop = threading.Event()
        self._working = agent.Agent(
            self.hypervisor, (BRIDGE,), lambda _: BRIDGE, self.neutron
        )
        thread = threading.Thread(target=self._working.run, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def connect(self, machine):
        """Have a tap made, as Nova does when a machine starts."""
        self._connect(machine, machine.tap, None)

    def unknown(self):
        """Packets of taps that are no ports."""
        argv = ["nft", "-j", "list", "counter", "bridge", nft.TABLE]
        listed = netns.run(self.hypervisor, [*argv, "unknown"]).stdout
        (found,) = [
            i for i in json.loads(listed)["nftables"] if "counter" in i
        ]
        return found["counter"]["packets"]

    def _connect(self, machine, interface, bridge):
        netns.veth(
            netns.Port(
                namespace=machine.namespace,
                interface="eth0",
                mac=machine.mac,
                addresses=tuple(
                    ipaddress.ip_interface(text)
                    for text in (f"{machine.v4}/24", f"{machine.v6}/64")
                ),
            ),
            netns.Port(
                namespace=self.hypervisor, interface=interface, bridge=bridge
            ),
        )

    def has(self, *raw, machine=None, **values):
        """Give the group these rules and a port these values; await that."""
        if machine is not None:
            self.neutron.set_port(machine, **values)
        self.neutron.set_rules(*raw)
        self.wait(
            lambda: self._working.follows == self.neutron.changed_at(),
            "the filter follows Neutron",
        )

    def dropped(self, machine, reason):
        """How many packets of a machine were dropped for this reason."""
        return nft.dropped(self.hypervisor, machine.port_id)[reason]

    def arrives(self, sender, receiver, kind, port=0, *, to, source=None):
        """Whether a packet arrives: False once the filter has counted it."""
        source = source or sender.address(6 if ":" in to else 4)
        packet = (source, NUMBERS.get(kind) or int(kind), port)
        before = self._drops_of(*packet)
        receiver.forget()
        sender.send(kind, to, port, source=source)
        outcome = []

        def is_told():
            outcome[:] = (
                receiver.has_seen(*packet),
                self._drops_of(*packet) > before,
            )
            return any(outcome)

        self.wait(is_told, f"{kind} {port} arrives or is dropped")
        return outcome[0]

    def _drops_of(self, source, protocol, port):
        """Packets like that, or of no machine's own address, or invalid."""
        counted = sum(
            packets
            for machine in self.machines
            for reason, packets in nft.dropped(
                self.hypervisor, machine.port_id
            ).items()
            if reason not in (nft.Reason.SENT, nft.Reason.DENIED)
        )
        return counted + sum(
            flow.packets
            for flow in self.flows()
            if (flow.source, flow.protocol, flow.port)
            == (source, str(protocol), port)
        )

    @contextlib.contextmanager
    def held(self, at, by, port, address=None, patience_seconds=5):
        """A TCP connection that stays open, once it is."""
        address = address or at.v4
        with (
            server(at, address, port),
            client(by, address, port, patience_seconds) as connection,
        ):
            yield connection

    def flows(self):
        return nft.dropped_flows(self.hypervisor)

    @staticmethod
    def wait(condition, what):
        return process.wait_until(condition, DEADLINE_SECONDS, what, 0.05)


class Connection:
    """A client that sends lines, and its answers."""

    def __init__(self, process):
        self._process = process

    def say(self, text):
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()

    def echoes(self, text):
        """Say something; whether it comes back. No answer: None ever."""
        self.say(text)
        return self._process.stdout.readline() == f"{text}\n"


@contextlib.contextmanager
def server(machine, address, port):
    """A server that answers each line of a connection with it."""
    code = (
        "import socket\n"
        "import socketserver as s\n"
        "class H(s.StreamRequestHandler):\n"
        "  def handle(self):\n"
        "    for line in self.rfile: self.wfile.write(line)\n"
        "class S(s.ThreadingTCPServer):\n"
        "  allow_reuse_address = True\n"
        f"  address_family = socket.{FAMILIES[':' in address]}\n"
        f"server = S(('{address}', {port}), H)\n"
        "print('ready')\n"
        "server.serve_forever()"
    )
    with _python(machine.namespace, code) as process:
        assert process.stdout.readline() == "ready\n"
        yield


@contextlib.contextmanager
def client(machine, address, port, patience_seconds):
    """A connection that is established; it ends if nothing answers."""
    code = (
        "import socket, sys\n"
        f"to = ('{address}', {port})\n"
        f"s = socket.create_connection(to, {patience_seconds})\n"
        "f = s.makefile('rw')\n"
        "for line in sys.stdin:\n"
        "  print(line, file=f, end='', flush=True)\n"
        "  print(f.readline(), end='', flush=True)\n"
    )
    with _python(machine.namespace, code) as process:
        yield Connection(process)


@contextlib.contextmanager
def _python(namespace, code):
    enter = ["nsenter", f"--net={netns.path(namespace)}", "--"]
    process = subprocess.Popen(
        [*enter, sys.executable, "-S", "-u", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
