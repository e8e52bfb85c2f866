# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A cluster in network namespaces, with the real program in each member.

    oar<pid>-client              oar<pid>-fabric         oar<pid>-m1 .. -mN
    c0 10.9.0.2, fd09::2  --  c0                m1  --  eth1 10.9.1.2
                                                m2  --  eth1 10.9.2.2 ...
                                                        lo   VIPs

Each member is in a subnet of its own. The fabric's routes decide which one
gets the packets of a VIP: a test moves connections by a route. Servers and
clients are threads and sockets of the test's own process.
"""

import contextlib
import json
import os
import re
import selectors
import socket
import subprocess
import threading
import time
import uuid
from ipaddress import ip_address

from octavia_anycast.agent.flow_rescue.flow_rescue import Rescuer
from octavia_anycast.agent.flow_rescue.loader import (
    Loader,
    RescuePaths,
)
from octavia_anycast.agent.frontend import netns
from octavia_anycast.agent.frontend.frontend import advertised_mss
from octavia_anycast.model.wire import (
    RESCUE_PORT,
    FlowRescue,
    Member,
    MemberState,
    RescueState,
)

PREFIX = "oar"
V4, V6 = ip_address("192.0.2.80"), ip_address("2001:db8::80")
VIPS = {4: V4, 6: V6}
PORT = 80
CLIENT = {4: "10.9.0.2", 6: "fd09::2"}
SERVICES = frozenset((vip, PORT) for vip in VIPS.values())
SECRETS = ("30313233343536373839", "6162636465666768696a")
DEADLINE_SECONDS = 10.0
PRESENT, LOST = MemberState.PRESENT, MemberState.LOST
_SYSCTLS = {
    "fabric": (
        "net.ipv4.ip_forward=1",
        "net.ipv6.conf.all.forwarding=1",
        "net.ipv4.fib_multipath_hash_policy=1",
        "net.ipv6.fib_multipath_hash_policy=1",
    ),
    "member": (
        "net.ipv4.conf.all.rp_filter=1",
        "net.ipv4.conf.default.rp_filter=1",
        "net.ipv4.tcp_syncookies=1",
    ),
    "client": (),
}


def run(*argv, check=True, stdin=None):
    """Run a program and return what it said."""
    done = subprocess.run(
        argv, check=False, capture_output=True, text=True, input=stdin
    )
    assert not check or done.returncode == 0, (argv, done.stderr)
    return done.stdout


def ip(*words, check=True):
    """Run ip(8)."""
    return run("ip", *words, check=check)


def remove_leftovers():
    """Remove namespaces of test runs that are no more."""
    for line in ip("netns", "list").splitlines():
        found = re.match(rf"({PREFIX}(\d+)-\w+)", line)
        if found and not os.path.exists(f"/proc/{found[2]}"):
            ip("netns", "del", found[1], check=False)


def eventually(condition, what, seconds=DEADLINE_SECONDS):
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def ethernet(macs, packet, tag=b""):
    """The frame of a packet, with the tag of a VLAN (IEEE 802.1Q) or none."""
    kind = b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"
    return macs + tag + kind + packet


class EchoServer(threading.Thread):
    """Sends back what it gets, on all VIPs of a member."""

    def __init__(self, namespace, backlog=512):
        super().__init__(daemon=True)
        self.selector = selectors.DefaultSelector()
        self.connections = {}
        self.received = 0
        self.is_closing = False
        self.is_accepting = True
        for vip in VIPS.values():
            listener = netns.call_in(
                f"/run/netns/{namespace}", lambda vip=vip: listen(vip, backlog)
            )
            self.selector.register(listener, selectors.EVENT_READ, "listener")

    def run(self):
        """Until it is closed."""
        while not self.is_closing:
            for key, _ in self.selector.select(0.02):
                if key.data == "listener":
                    self.accept(key.fileobj)
                else:
                    self.answer(key.fileobj)
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()

    def accept(self, listener):
        """Take a connection, unless the test wants a backlog."""
        if not self.is_accepting:
            time.sleep(0.01)
            return
        connection, address = listener.accept()
        connection.setblocking(True)
        self.connections[address[:2]] = connection
        self.selector.register(connection, selectors.EVENT_READ, "echo")

    def answer(self, connection):
        """Send back; close when the other side does."""
        try:
            data = connection.recv(1 << 20)
            self.received += len(data)
            if data:
                connection.sendall(data)
        except OSError:
            data = b""
        if not data:
            self.selector.unregister(connection)
            connection.close()

    def close(self):
        """End it."""
        self.is_closing = True
        self.join(5)


def listen(vip, backlog):
    """A listener on a VIP, in the calling thread's namespace."""
    family = socket.AF_INET if vip.version == 4 else socket.AF_INET6
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((str(vip), PORT))
    listener.listen(backlog)
    return listener


class BenchMember:
    """A member: its namespace, its server, its program."""

    def __init__(self, bench, number):
        self.bench = bench
        self.number = number
        self.id = str(uuid.UUID(int=number))
        self.namespace = bench.name(f"m{number}")
        self.addresses = {
            4: ip_address(f"10.9.{number}.2"),
            6: ip_address(f"fd09:0:0:{number}::2"),
        }
        self.server = None
        self.rescuer = self.make_rescuer()
        self.ip_versions = frozenset(bench.underlay)

    def build(self):
        """Make the namespace, its link and its routes."""
        name = f"m{self.number}"
        self.bench.make_namespace(name, "member")
        self.bench.link(name, "eth1", self.number)
        for vip in VIPS.values():
            flags = ("nodad",) if vip.version == 6 else ()
            address = f"{vip}/{vip.max_prefixlen}"
            ip(
                "-n",
                self.namespace,
                "addr",
                "add",
                address,
                "dev",
                "lo",
                *flags,
            )

    def make_rescuer(self):
        """As a start of the agent makes it."""
        paths = RescuePaths(
            namespace=self.namespace,
            pin_root=f"{self.bench.directory}/{self.namespace}",
        )
        return Rescuer(Loader(paths), self.id)

    def serve(self, **options):
        """Start the server."""
        self.server = EchoServer(self.namespace, **options)
        self.server.start()

    def apply(self, wanted):
        """Put a state into force, and see that it is."""
        self.rescuer.apply(wanted, SERVICES, self.ip_versions)
        expected = RescueState.OFF if wanted is None else RescueState.ON
        report = self.rescuer.report()
        assert report.state is expected, report

    def own(self):
        """The amphora's own counts."""
        return self.rescuer.report().own

    def of(self, other):
        """What was counted of another member."""
        return self.rescuer.report().members[other.id]

    def total(self, field):
        """The sum of one count over all members."""
        counts = self.rescuer.report()
        return sum(
            getattr(each, field)
            for each in (counts.own, *counts.members.values())
        )

    def close(self):
        """Nothing is left."""
        if self.server is not None:
            self.server.close()
        with contextlib.suppress(OSError):
            self.rescuer.apply(None, SERVICES, self.ip_versions)


class RescueBench:
    """The cluster; members are numbered from 1."""

    def __init__(self, directory, count, underlay=(4, 6)):
        remove_leftovers()
        self.directory = directory
        self.underlay = underlay
        self.namespaces = []
        self.sockets = []
        self.members = [BenchMember(self, n + 1) for n in range(count)]

    def build(self):
        """Make it."""
        self.make_namespace("fabric", "fabric")
        self.make_namespace("client", "client")
        self.link("client", "c0", 0)
        for member in self.members:
            member.build()
            member.serve()

    def name(self, role):
        """The namespace of a role."""
        return f"{PREFIX}{os.getpid()}-{role}"

    def make_namespace(self, role, kind):
        """Make a namespace; it is removed at the end."""
        name = self.name(role)
        self.namespaces.append(name)
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
        settings = "\n".join(
            (
                "net.ipv6.conf.all.accept_dad=0",
                "net.ipv6.conf.default.accept_dad=0",
                *_SYSCTLS[kind],
            )
        )
        self.within(role, "sysctl", "-q", "-p", "/dev/stdin", stdin=settings)

    def within(self, role, *argv, **options):
        """Run a program in the namespace of a role."""
        net = f"--net=/run/netns/{self.name(role)}"
        return run("nsenter", net, "--", *argv, **options)

    def link(self, role, interface, number):
        """Join a namespace to the fabric, with a subnet of each family."""
        near, far = self.name(role), self.name("fabric")
        port = f"m{number}" if number else "c0"
        ip(
            *("link", "add", interface, "netns", near, "type", "veth"),
            *("peer", "name", port, "netns", far),
        )
        subnets = {4: f"10.9.{number}", 6: f"fd09:0:0:{number}:"}
        for namespace, name, host in ((near, interface, 2), (far, port, 1)):
            ip("-n", namespace, "link", "set", name, "up")
            for version, subnet in subnets.items():
                address = f"{subnet}.{host}/24"
                if version == 6:
                    address = f"{subnet}:{host}/64"
                words = ("addr", "add", address, "dev", name)
                flags = ("nodad",) if version == 6 else ()
                ip("-n", namespace, *words, *flags)
        ip("-n", near, "route", "add", "default", "via", f"{subnets[4]}.1")
        ip(
            "-n",
            near,
            "-6",
            "route",
            "add",
            "default",
            "via",
            f"{subnets[6]}:1",
        )

    def announce_mss(self):
        """Have clients send no segment that is too large for the tunnel."""
        for member in self.members:
            for version, gateway in ((4, "10.9.{}.1"), (6, "fd09:0:0:{}::1")):
                mss = str(advertised_mss(1500, version))
                ip(
                    *("-n", member.namespace, f"-{version}", "route"),
                    *("change", "default", "via"),
                    *(gateway.format(member.number), "advmss", mss),
                )

    def route(self, *numbers):
        """Have the fabric send the VIPs to these members."""
        for version, vip in VIPS.items():
            hops = []
            for number in numbers:
                address = self.members[number - 1].addresses[version]
                hops += ["nexthop", "via", str(address)]
            ip(
                *("-n", self.name("fabric"), f"-{version}", "route"),
                *("replace", str(vip), *hops),
            )

    def wanted(self, *numbers, secrets=SECRETS[:1], lost=(), **options):
        """The state of a cluster of these members; none: of all."""
        members = [
            m for m in self.members if not numbers or m.number in numbers
        ]
        return FlowRescue(
            members=tuple(
                Member(
                    id=m.id,
                    addresses=tuple(m.addresses[v] for v in self.underlay),
                    state=LOST if m.number in lost else PRESENT,
                )
                for m in members
            ),
            secrets=secrets,
            **options,
        )

    def switch_on(self, **options):
        """Flow rescue in every member."""
        for member in self.members:
            member.apply(self.wanted(**options))

    def client(self, function):
        """Call a function in the client's namespace."""
        return netns.call_in(f"/run/netns/{self.name('client')}", function)

    def inject(self, role, *datagrams):
        """Send packets, with their IP headers, from the namespace of a role.

        To the default gateway, by Ethernet: the kernel would see no fragment
        through.
        """
        interface = "c0" if role == "client" else "eth1"
        number = "c0" if role == "client" else role
        macs = self.mac("fabric", number) + self.mac(role, interface)
        self.send_frames(
            role, interface, *(ethernet(macs, each) for each in datagrams)
        )

    def send_frames(self, role, interface, *frames):
        """Send whole frames by an interface of a role."""

        def send():
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
                link.bind((interface, 0))
                for frame in frames:
                    link.send(frame)

        netns.call_in(f"/run/netns/{self.name(role)}", send)

    def mac(self, role, interface):
        """The MAC address of an interface."""
        shown = json.loads(
            ip("-j", "-n", self.name(role), "link", "show", "dev", interface)
        )
        return bytes.fromhex(shown[0]["address"].replace(":", ""))

    def datagram(self, role, version, target, *payloads):
        """Send datagrams to the tunnel of a member."""

        def send():
            family = socket.AF_INET if version == 4 else socket.AF_INET6
            with socket.socket(family, socket.SOCK_DGRAM) as link:
                address = str(target.addresses[version])
                for payload in payloads:
                    link.sendto(payload, (address, RESCUE_PORT))

        netns.call_in(f"/run/netns/{self.name(role)}", send)

    def connect(self, version, port=0, timeout=DEADLINE_SECONDS):
        """A connection from the client to the VIP."""

        def make():
            family = socket.AF_INET if version == 4 else socket.AF_INET6
            made = socket.socket(family)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.settimeout(timeout)
            made.bind((CLIENT[version], port))
            made.connect((str(VIPS[version]), PORT))
            return made

        made = self.client(make)
        self.sockets.append(made)
        return made

    def close(self):
        """Nothing is left."""
        for each in self.sockets:
            each.close()
        for member in self.members:
            member.close()
        for name in self.namespaces:
            ip("netns", "del", name, check=False)


class Traffic(threading.Thread):
    """Requests on held connections, one after the other, until it ends."""

    def __init__(self, connections):
        super().__init__(daemon=True)
        self.connections = connections
        self.rounds = 0
        self.broken = 0
        self.is_closing = False

    def run(self):
        """Until the block ends."""
        while not self.is_closing:
            self.broken += sum(not echoes(c) for c in self.connections)
            self.rounds += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.is_closing = True
        self.join(60)

    def goes_on(self):
        """Wait until two whole rounds have passed."""
        rounds = self.rounds + 2
        eventually(lambda: self.rounds >= rounds, "the traffic goes on")


def echoes(connection, data=b"x" * 100):
    """Whether the connection brings data back; False if it is reset."""
    try:
        connection.sendall(data)
        received = b""
        while len(received) < len(data):
            part = connection.recv(1 << 20)
            if not part:
                return False
            received += part
    except (ConnectionResetError, BrokenPipeError, ConnectionRefusedError):
        return False
    return received == data
