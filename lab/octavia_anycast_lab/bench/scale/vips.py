# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""How long external VIPs take from our rows into a leaf's kernel, and out.

One dedicated amphora with BIRD. The rows are written in one transaction, so
the time has the controller's poll in it, its call of the agent, the agent,
BIRD, the session and the leaf. The leaf's kernel is the witness. The leaf
passes none of them on: the other routers would install them, too, on the
processors of this very machine.
"""

import collections.abc
import contextlib
import time
import typing

from octavia_anycast_lab import settings
from octavia_anycast_lab.api import distributors, rest
from octavia_anycast_lab.bench import result, world
from octavia_anycast_lab.cloud import database
from octavia_anycast_lab.fabric import frr
from octavia_anycast_lab.host import netns, process

RUNS = 5
# RFC 2544's addresses for measurements.
SPACE = "198.18.0.0/15"
LIMITS = {
    ("announced", 1_000): 1.0,
    ("withdrawn", 1_000): 1.0,
    ("announced", 10_000): 1.0,
    ("withdrawn", 10_000): 5.0,
}
COUNTS = (1_000, 10_000)
NAME = "bench-vips"
MAXIMUM_PREFIXES = 20_000
LOOK_SECONDS = 0.02
PATIENCE_SECONDS = 120.0
FILTER = "BENCH"
TABLE = "anycast_distributor_external_vip"
LEAF = settings.RACK_LEAVES[0]


def question(verb: str, count: int) -> result.Question:
    """One for each direction and number."""
    return result.Question(
        name=f"vips_{verb}_{count}",
        unit="s",
        expected="BIRD alone takes 0.13 s for 1,000 and 0.29 s for 10,000; "
        "the controller polls each 0.2 s, and 10,000 documents of both ends "
        "take 0.3 s",
        target=result.Target(quantity="ours", limit=LIMITS[verb, count]),
    )


def measure(lab: world.World) -> tuple[result.Result, ...]:
    """Each number several times, in and out."""
    before = result.load()
    answers = []
    with _open_leaf(lab.lab), _announcer(lab) as distributor_id:
        for count in COUNTS:
            runs: dict[str, list[result.Run]] = {
                "announced": [],
                "withdrawn": [],
            }
            for turn in range(RUNS):
                seconds = _announce(lab, distributor_id, count)
                runs["announced"].append(result.Run(ours=seconds))
                gone = _withdraw(lab, distributor_id)
                runs["withdrawn"].append(result.Run(ours=gone))
                lab.say(
                    f"run {turn + 1}, {count} VIPs: announced in "
                    f"{seconds:.2f} s, withdrawn in {gone:.2f} s"
                )
            answers += [
                question(verb, count).answer(found, before)
                for verb, found in runs.items()
            ]
    return tuple(answers)


@contextlib.contextmanager
def _open_leaf(lab: settings.Lab) -> collections.abc.Iterator[None]:
    """Have the leaf take so many prefixes of that space, and keep them."""
    _filter_fabric(lab, "")
    frr.vtysh(
        lab,
        LEAF.name,
        "configure terminal",
        f"ip prefix-list VIP seq 6 permit {SPACE} ge 32",
    )
    _set_limit(lab, MAXIMUM_PREFIXES)
    try:
        yield
    finally:
        frr.vtysh(
            lab,
            LEAF.name,
            "configure terminal",
            f"no ip prefix-list VIP seq 6 permit {SPACE} ge 32",
        )
        _set_limit(lab, frr.MAXIMUM_PREFIXES)
        _filter_fabric(lab, "no ")


def _filter_fabric(lab: settings.Lab, no: str) -> None:
    """Keep that space from the spines; ``no``: as it was before."""
    frr.vtysh(
        lab,
        LEAF.name,
        "configure terminal",
        f"{no}ip prefix-list {FILTER} seq 5 deny {SPACE} ge 32",
        f"{no}ip prefix-list {FILTER} seq 10 permit any",
        f"router bgp {LEAF.asn}",
        "address-family ipv4 unicast",
        f"{no}neighbor FABRIC prefix-list {FILTER} out",
    )


def _set_limit(lab: settings.Lab, count: int) -> None:
    frr.vtysh(
        lab,
        LEAF.name,
        "configure terminal",
        f"router bgp {LEAF.asn}",
        "address-family ipv4 unicast",
        f"neighbor AMP maximum-prefix {count}",
    )


@contextlib.contextmanager
def _announcer(lab: world.World) -> collections.abc.Iterator[str]:
    """The id of a distributor whose own amphora has its session."""
    made = lab.api.request(
        "POST", rest.LOAD_BALANCER, distributors.PATH, _body(lab)
    )["distributor"]
    try:
        process.wait_until(
            lambda: (
                _operating(lab, made["id"]) == "ONLINE"
                and _is_active(lab, made["id"])
            ),
            PATIENCE_SECONDS,
            "a dedicated amphora with a session",
        )
        yield str(made["id"])
    finally:
        distributors.delete(lab.api, str(made["id"]))


def _body(lab: world.World) -> rest.Body:
    body = distributors.body(lab.api, NAME)
    wanted = body["distributor"]
    wanted |= {"is_default": False, "dedicated_count": 1}
    wanted["zones"] = [
        zone
        for zone in wanted["zones"]
        if zone["availability_zone"] == LEAF.rack
    ]
    (speaker,) = wanted["speakers"]
    speaker["driver"] = "bird"
    speaker["peers"] = [
        peer
        for peer in speaker["peers"]
        if peer["availability_zone"] == LEAF.rack
    ]
    return body


def _show(lab: world.World, distributor_id: str) -> dict[str, typing.Any]:
    path = f"{distributors.PATH}/{distributor_id}"
    return dict(lab.api.get(rest.LOAD_BALANCER, path)["distributor"])


def _operating(lab: world.World, distributor_id: str) -> str:
    return str(_show(lab, distributor_id)["operating_status"])


def _is_active(lab: world.World, distributor_id: str) -> bool:
    shown = _show(lab, distributor_id)
    is_settled: bool = shown["provisioning_status"] == "ACTIVE"
    return is_settled and int(shown["amphora_count"]) > 0


def _announce(lab: world.World, distributor_id: str, count: int) -> float:
    """Write the rows; seconds until the leaf's kernel has them all."""
    next_hop = LEAF.gateway_v4.ip + 77
    return _timed(
        lab,
        f"UPDATE anycast_distributor SET vips_revision = vips_revision + 1"
        f" WHERE id = '{distributor_id}';"
        f" INSERT INTO {TABLE} (id, distributor_id, vip_ip, nexthop_ip,"
        f" since_revision, created_at) SELECT UUID(), '{distributor_id}',"
        f" CONCAT('198.18.', seq DIV 250, '.', seq MOD 250 + 1),"
        f" '{next_hop}', 1, NOW(6) FROM seq_1_to_{count};",
        count,
    )


def _withdraw(lab: world.World, distributor_id: str) -> float:
    """Delete the rows; seconds until the leaf's kernel has none."""
    return _timed(
        lab,
        f"UPDATE anycast_distributor SET vips_revision = vips_revision + 1"
        f" WHERE id = '{distributor_id}';"
        f" DELETE FROM {TABLE} WHERE distributor_id = '{distributor_id}';",
        0,
    )


def _timed(lab: world.World, statements: str, wanted: int) -> float:
    database.query(
        lab.plane, "octavia", f"START TRANSACTION; {statements} COMMIT;"
    )
    started = time.monotonic()
    process.wait_until(
        lambda: _held(lab.lab) == wanted,
        PATIENCE_SECONDS,
        f"{wanted} routes in {LEAF.name}",
        LOOK_SECONDS,
    )
    return time.monotonic() - started


def _held(lab: settings.Lab) -> int:
    """How many routes of that space the leaf's kernel has."""
    done = netns.run(
        lab.namespace(LEAF.name),
        ["ip", "-4", "-o", "route", "show", "root", SPACE],
    )
    return len(done.stdout.splitlines())
