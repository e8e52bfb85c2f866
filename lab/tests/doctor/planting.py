# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Misconfigurations of the lab's routers, networks and cloud, each undone.

A router's daemon gets another file and starts anew with it, as after an
operator's change and a restart: a daemon that runs keeps the MD5 keys of
neighbours that it has known.
"""

import collections.abc
import contextlib
import dataclasses
import json
import shutil

from cluster_bench import Amphora, Balancer, Bench, prefix
from octavia_anycast_lab import deployment, faults, settings
from octavia_anycast_lab.api import distributors, rest
from octavia_anycast_lab.cloud import database
from octavia_anycast_lab.fabric import frr
from octavia_anycast_lab.host import netns, process

ROUTER_SECONDS = 60.0
LEAF = settings.RACK_LEAVES[0]
TABLE = "lab_doctor"
SPEAKERD = "octavia-anycast-speakerd.service"
OTHER_IMAGE = "2020-01-01T00:00:00Z"

Planted = contextlib.AbstractContextManager[None]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A load balancer with amphorae behind ``LEAF``, and on a distributor."""

    bench: Bench
    balancer: Balancer
    distributor_id: str

    @property
    def behind(self) -> tuple[Amphora, ...]:
        """The amphorae behind the leaf in which faults are planted."""
        found = self.bench.amphorae(self.balancer)
        return tuple(a for a in found if a.leaf == LEAF)

    @property
    def victim(self) -> Amphora:
        """One of them."""
        return self.behind[0]

    def front_end(self, version: int) -> settings.Address:
        """The front-end address of the victim."""
        return next(
            a for a in self.victim.seen.addresses if a.version == version
        )

    def cloud_database(self, statement: str) -> str:
        """What a statement in the tables answers."""
        return database.query(self.bench.plane, "octavia", statement)


# -- routers -----------------------------------------------------------------


@contextlib.contextmanager
def bgpd(
    scene: Scene, *changes: tuple[str, str]
) -> collections.abc.Iterator[None]:
    """The leaf's bgpd with another file: (text, the text in its place)."""
    path = frr.directory(scene.bench.lab, LEAF.name) / "bgpd.conf"
    before = after = path.read_text("utf-8")
    for old, new in changes:
        assert old in after, old
        after = after.replace(old, new)
    _restart_bgpd(scene, after)
    try:
        yield
    finally:
        _restart_bgpd(scene, before)


def _restart_bgpd(scene: Scene, text: str) -> None:
    bench = scene.bench
    path = frr.directory(bench.lab, LEAF.name) / "bgpd.conf"
    path.write_text(text, "utf-8")
    shutil.chown(path, "frr", "frr")
    killed = faults.kill_daemon(bench.lab, bench.registry, LEAF.name)
    label = frr.label(LEAF.name, "bgpd")

    def is_back() -> bool:
        if process.pid_of(bench.registry, label) in (None, killed):
            return False
        try:
            found = frr.show(bench.lab, LEAF.name, "show bgp neighbors json")
        except frr.RouterError:
            return False
        return {spine.name for spine in settings.SPINES} <= set(found)

    process.wait_until(is_back, ROUTER_SECONDS, "bgpd is back", 0.2)


def wrong_password(scene: Scene) -> Planted:
    """The leaf has another MD5 password."""
    return bgpd(
        scene,
        (
            f"neighbor AMP password {settings.BGP_PASSWORD}",
            "neighbor AMP password another-one",
        ),
    )


def wrong_remote_as(scene: Scene) -> Planted:
    """The leaf expects another AS of the amphorae."""
    return bgpd(
        scene,
        (
            f"neighbor AMP remote-as {settings.AMPHORA_AS}",
            "neighbor AMP remote-as 65199",
        ),
    )


def long_hold_time(scene: Scene) -> Planted:
    """The leaf refuses a hold time as short as that of the BGP peer."""
    line = " no bgp default ipv4-unicast\n"
    return bgpd(scene, (line, f"{line} bgp minimum-holdtime 30\n"))


def no_bfd(scene: Scene) -> Planted:
    """The leaf has no BFD for amphorae."""
    return bgpd(scene, (" neighbor AMP bfd profile amphora\n", ""))


def no_ipv6(scene: Scene) -> Planted:
    """The leaf carries no IPv6 for amphorae."""
    line = "  neighbor AMP route-map AMP-IN-V6 in\n"
    active = f"  neighbor AMP activate\n{line}"
    return bgpd(scene, (active, line))


@contextlib.contextmanager
def typed(
    scene: Scene, plant: tuple[str, ...], undo: tuple[str, ...]
) -> collections.abc.Iterator[None]:
    """Typed on the leaf: sessions stay up."""
    lab = scene.bench.lab
    frr.vtysh(lab, LEAF.name, "configure terminal", *plant)
    try:
        yield
    finally:
        frr.vtysh(lab, LEAF.name, "configure terminal", *undo)


def one_path(scene: Scene) -> Planted:
    """The leaf uses one path of each VIP."""

    def lines(count: int) -> tuple[str, ...]:
        return (
            f"router bgp {LEAF.asn}",
            "address-family ipv4 unicast",
            f"maximum-paths {count}",
        )

    return typed(scene, lines(1), lines(settings.MAXIMUM_PATHS))


def filtered_next_hop(scene: Scene) -> Planted:
    """A route map of the leaf refuses the paths of one amphora."""
    address = scene.front_end(4)
    return typed(
        scene,
        (
            f"ip prefix-list DOCTOR seq 5 permit {address}/32",
            "route-map AMP-IN-V4 deny 5",
            "match ip next-hop prefix-list DOCTOR",
        ),
        ("no route-map AMP-IN-V4 deny 5", "no ip prefix-list DOCTOR"),
    )


@contextlib.contextmanager
def uneven_shares(scene: Scene) -> collections.abc.Iterator[None]:
    """The leaf's kernel sends one amphora most of the flows."""
    bench, vip = scene.bench, scene.balancer.vips[0]
    hops = [
        next(a for a in one.seen.addresses if a.version == 4)
        for one in scene.behind
    ]

    def route(*weights: int) -> list[str]:
        words = ["ip", "route", "replace", prefix(vip), "proto", "bgp"]
        words += ["metric", "20"]
        for hop, weight in zip(hops, weights, strict=True):
            words += ["nexthop", "via", str(hop)]
            words += ["dev", settings.FRONT_END_BRIDGE, "weight", str(weight)]
        return words

    weights = (12, *(1 for _ in hops[1:]))
    namespace = bench.lab.namespace(LEAF.name)
    netns.run(namespace, route(*weights))
    try:
        yield
    finally:
        netns.run(namespace, route(*(1 for _ in hops)))


# -- networks ----------------------------------------------------------------


@contextlib.contextmanager
def blocked_heartbeats(scene: Scene) -> collections.abc.Iterator[None]:
    """What the victim sends to the controller's UDP port is dropped there."""
    port = deployment.ANYCAST_HEARTBEAT_PORT
    namespace = scene.bench.plane.namespace
    rules = f"""
    table inet {TABLE} {{
      chain incoming {{
        type filter hook prerouting priority -500; policy accept;
        ip saddr {scene.victim.management} udp dport {port} drop
      }}
    }}
    """
    netns.run(namespace, ["nft", "-f", "-"], stdin=rules)
    try:
        yield
    finally:
        netns.run(namespace, ["nft", "delete", "table", "inet", TABLE])


@contextlib.contextmanager
def from_further_away(scene: Scene) -> collections.abc.Iterator[None]:
    """The leaf sends with a TTL that is too low for ``ttl_hops``."""
    namespace = scene.bench.lab.namespace(LEAF.name)
    rules = f"""
    table ip {TABLE} {{
      chain outgoing {{
        type filter hook output priority 0; policy accept;
        tcp sport 179 ip daddr {settings.MGMT_NETWORK} ip ttl set 64
      }}
    }}
    """
    netns.run(namespace, ["nft", "-f", "-"], stdin=rules)
    try:
        yield
    finally:
        netns.run(namespace, ["nft", "delete", "table", "ip", TABLE])


@contextlib.contextmanager
def low_mtu(scene: Scene) -> collections.abc.Iterator[None]:
    """The far end of the victim's front end takes smaller packets."""
    nic = next(
        nic
        for nic in scene.victim.seen.instance.nics
        if nic.wire.namespace == scene.bench.lab.namespace(LEAF.name)
    )

    def set_mtu(mtu: int) -> None:
        netns.run(
            nic.wire.namespace,
            ["ip", "link", "set", nic.tap, "mtu", str(mtu)],
        )

    set_mtu(1400)
    try:
        yield
    finally:
        set_mtu(1500)


@contextlib.contextmanager
def no_gateway(scene: Scene) -> collections.abc.Iterator[None]:
    """The leaf has lost its IPv4 address in the front-end subnet."""
    namespace = scene.bench.lab.namespace(LEAF.name)
    address = [str(LEAF.gateway_v4), "dev", settings.FRONT_END_BRIDGE]
    netns.run(namespace, ["ip", "address", "del", *address])
    try:
        yield
    finally:
        netns.run(namespace, ["ip", "address", "add", *address])


# -- amphorae and cloud ------------------------------------------------------


@contextlib.contextmanager
def _row(
    scene: Scene, column: str, value: str
) -> collections.abc.Iterator[None]:
    """A column of the victim's row has another value."""
    where = f"WHERE id = '{scene.victim.id}'"
    before = scene.cloud_database(
        f"SELECT {column} FROM anycast_amphora {where}"
    ).strip()
    change = f"UPDATE anycast_amphora SET {column}"
    scene.cloud_database(f"{change} = {value} {where}")
    try:
        yield
    finally:
        scene.cloud_database(f"{change} = '{before}' {where}")


def ending_certificate(scene: Scene) -> Planted:
    """The victim's certificate ends soon, as recorded."""
    return _row(scene, "cert_expiration", "NOW() + INTERVAL 2 DAY")


@contextlib.contextmanager
def other_image(scene: Scene) -> collections.abc.Iterator[None]:
    """The victim says that it was booted from another image."""
    victim, bench = scene.victim, scene.bench
    before = bench.inside(victim, "cat", "/etc/octavia-anycast-image").strip()

    def write(text: str) -> None:
        command = f"echo {text} > /etc/octavia-anycast-image"
        bench.inside(victim, "sh", "-c", command)
        bench.inside(victim, "systemctl", "restart", SPEAKERD)

    write(OTHER_IMAGE)
    try:
        yield
    finally:
        write(before)


@contextlib.contextmanager
def closed_port(scene: Scene) -> collections.abc.Iterator[None]:
    """Somebody has deleted the rule of the listener; nobody undoes it here."""
    name = f"lb-{scene.balancer.id}"
    text = scene.bench.openstack(
        *("security", "group", "rule", "list", name, "--ingress"),
        *("--protocol", "tcp", "-f", "json"),
        cloud="admin",
    )
    rules = [r["ID"] for r in json.loads(text) if r["Port Range"] == "80:80"]
    assert rules, text
    for rule in rules:
        scene.bench.openstack(
            *("security", "group", "rule", "delete", rule), cloud="admin"
        )
    yield


@contextlib.contextmanager
def no_default(scene: Scene) -> collections.abc.Iterator[None]:
    """No distributor is the default."""
    api = scene.bench.admin
    found = distributors.find(api)
    assert found is not None

    def put(is_default: bool) -> None:
        api.request(
            "PUT",
            rest.LOAD_BALANCER,
            f"{distributors.PATH}/{found['id']}",
            {"distributor": {"is_default": is_default}},
        )

    put(False)
    try:
        yield
    finally:
        put(True)


@contextlib.contextmanager
def wrong_clock(scene: Scene) -> collections.abc.Iterator[None]:
    """What is stored of the victim's reports has another time.

    All amphorae have the machine's clock, so the database does it.
    """
    wrong = "'$.machine.clock', '2020-01-01T00:00:00+00:00'"
    scene.cloud_database(
        "CREATE OR REPLACE TRIGGER doctor_clock "
        "BEFORE UPDATE ON anycast_amphora_report FOR EACH ROW "
        f"SET NEW.document = IF(NEW.amphora_id = '{scene.victim.id}', "
        f"JSON_SET(NEW.document, {wrong}), NEW.document)"
    )
    try:
        yield
    finally:
        scene.cloud_database("DROP TRIGGER IF EXISTS doctor_clock")
