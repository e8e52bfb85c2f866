# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What is planted, what the doctor says of it, and how the doctor is asked."""

import collections.abc
import dataclasses
import json
import typing

import planting
from octavia_anycast_lab.host import process
from planting import Planted, Scene

NAME = "lab-fabric-doctor"
# Gateways are asked once a minute, and shares are those of a minute.
SECONDS = 240.0
ERRORS, WARNINGS = 4, 0
DEFAULT = "default-distributor"
# What is known of amphorae that have no traffic, and reported just now.
KNOWN = {"bgp-sessions", "bfd", "mtu", "heartbeats", "images"}
Row = dict[str, typing.Any]


def ask(scene: Scene, *words: str) -> tuple[int, list[Row]]:
    """The exit status of ``distributor check``, and what it prints."""
    done = scene.bench.client.run(
        ["loadbalancer", "distributor", "check", *words, "-f", "json"],
        "admin",
    )
    assert done.returncode in (ERRORS, WARNINGS), done.stderr
    assert "things were checked" in done.stderr
    return done.returncode, json.loads(done.stdout)


def await_silence(scene: Scene) -> None:
    """Wait until the doctor finds nothing; of others, nothing is said.

    He who does not know is silent, too: what can be known has to be.
    """
    rows: list[Row] = []

    def is_silent() -> bool:
        code, found = ask(scene, NAME, "--all")
        of_all = [r for r in ask(scene)[1] if r["check"] == DEFAULT]
        well = {r["check"] for r in found if r["severity"] == "ok"}
        rows[:] = [
            r
            for r in found
            if r["severity"] in ("error", "warning")
            or (r["check"] in KNOWN and r["severity"] == "unknown")
        ] + of_all
        return not rows and code == 0 and well >= KNOWN

    try:
        process.wait_until(is_silent, SECONDS, "a silent doctor", 1.0)
    except TimeoutError as error:
        raise AssertionError(f"the doctor says {rows}") from error


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is planted, and what the doctor says of it.

    ``words``: what is in the summary. ``command``: what is in the steps.
    ``of_all``: it is not about one distributor. ``under_load``: it is seen by
    traffic alone.
    """

    plant: collections.abc.Callable[[Scene], Planted]
    check: str
    words: tuple[str, ...]
    command: str
    is_warning: bool = False
    of_all: bool = False
    under_load: bool = False


FAULTS = {
    "password": Fault(
        plant=planting.wrong_password,
        check="bgp-sessions",
        words=("with peer leaf1", "MD5 password is another one"),
        command="nstat -az TcpExtTCPMD5Failure",
    ),
    "remote-as": Fault(
        plant=planting.wrong_remote_as,
        check="bgp-sessions",
        words=("refuses our AS", "another one than 65100"),
        command="neighbor GROUP remote-as 65100",
    ),
    "ttl-security": Fault(
        plant=planting.from_further_away,
        check="bgp-sessions",
        words=("TTL security (RFC 5082) does not fit", "ttl_hops 1"),
        command="neighbor GROUP ttl-security hops 1",
    ),
    "hold-time": Fault(
        plant=planting.long_hold_time,
        check="bgp-sessions",
        words=("the router refuses the hold time", "is 3 s"),
        command="neighbor GROUP timers 1 3",
    ),
    "bfd": Fault(
        plant=planting.no_bfd,
        check="bfd",
        words=("the router has no BFD for this neighbour",),
        command="neighbor GROUP bfd profile amphora",
    ),
    "ipv6": Fault(
        plant=planting.no_ipv6,
        check="address-families",
        words=("does not carry IPv6", "is not announced"),
        command="address-family ipv6 unicast",
    ),
    "heartbeats": Fault(
        plant=planting.blocked_heartbeats,
        check="heartbeats",
        words=("answers, and no heartbeat of it", "UDP"),
        command="tcpdump -ni any host",
    ),
    "mtu": Fault(
        plant=planting.low_mtu,
        check="mtu",
        words=("Packets of 1500 octets", "do not reach its gateway"),
        command="ping -c 3 -M do -s 14",
    ),
    "gateway": Fault(
        plant=planting.no_gateway,
        check="gateways",
        words=("has no gateway", "10.1.0.1"),
        command="ip neighbour show",
    ),
    "maximum-paths": Fault(
        plant=planting.one_path,
        check="shares",
        words=("only one path of 2 is used", "maximum-paths is 1"),
        command="maximum-paths 16",
        under_load=True,
    ),
    "next-hop": Fault(
        plant=planting.filtered_next_hop,
        check="shares",
        words=("no traffic comes to", "filtered"),
        command="show route-map",
        under_load=True,
    ),
    "shares": Fault(
        plant=planting.uneven_shares,
        check="shares",
        words=("uneven shares", "polarised"),
        command="fib_multipath_hash_policy",
        is_warning=True,
        under_load=True,
    ),
    "certificate": Fault(
        plant=planting.ending_certificate,
        check="certificates",
        words=("ends at", "was not replaced"),
        command="rotate-certificates",
        is_warning=True,
    ),
    "clock": Fault(
        plant=planting.wrong_clock,
        check="clocks",
        words=("behind the controller's",),
        command="timedatectl",
        is_warning=True,
    ),
    "image": Fault(
        plant=planting.other_image,
        check="images",
        words=(planting.OTHER_IMAGE, "is the newest"),
        command="openstack loadbalancer amphora failover",
        is_warning=True,
    ),
    "default": Fault(
        plant=planting.no_default,
        check=DEFAULT,
        words=("No distributor is the default",),
        command="--default --wait",
        is_warning=True,
        of_all=True,
    ),
}


def await_named(scene: Scene, fault: Fault) -> Row:
    """Wait until the doctor names a fault; the exit status goes with it."""
    rows: list[Row] = []
    words = () if fault.of_all else (NAME,)

    def found() -> Row | None:
        code, rows[:] = ask(scene, *words)
        for row in rows:
            if row["check"] == fault.check and all(
                word in row["summary"] for word in fault.words
            ):
                severities = {one["severity"] for one in rows}
                assert (code == ERRORS) is ("error" in severities)
                return row
        return None

    try:
        process.wait_until(
            lambda: found() is not None, SECONDS, fault.check, 1.0
        )
    except TimeoutError as error:
        raise AssertionError(f"the doctor says {rows}") from error
    return next(
        row
        for row in rows
        if row["check"] == fault.check
        and all(word in row["summary"] for word in fault.words)
    )
