# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Distributors through the API, with the controller that carries them out.

What ``paths`` says is held against the leaves' BGP tables.
"""

from typing import Any

import pytest
from cluster_bench import Balancer, Bench
from octavia_anycast_lab import settings
from octavia_anycast_lab.api import distributors, rest
from octavia_anycast_lab.cloud import database
from octavia_anycast_lab.fabric import observe
from octavia_anycast_lab.host import process

pytestmark = pytest.mark.lab

SECONDS = 60.0
SPEAKERS = "/v2/lbaas/bgp-speakers"
NAME = "second-fabric"


def _call(
    bench: Bench, method: str, path: str, body: rest.Body | None = None
) -> rest.Body:
    return bench.admin.request(method, rest.LOAD_BALANCER, path, body)


def _await_active(bench: Bench, path: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def is_active() -> bool:
        found.update(bench.admin.get(rest.LOAD_BALANCER, path)["distributor"])
        return bool(found["provisioning_status"] == "ACTIVE")

    process.wait_until(is_active, SECONDS, f"{path} ACTIVE", 0.1)
    return found


def _paths(bench: Bench, query: str = "") -> list[dict[str, Any]]:
    distributor = distributors.ensure(bench.admin)
    path = f"{distributors.PATH}/{distributor['id']}/paths{query}"
    return list(bench.admin.get(rest.LOAD_BALANCER, path)["paths"])


def _on_leaves(bench: Bench, balancer: Balancer) -> set[tuple[str, str, str]]:
    """(leaf, prefix, next hop) of what amphorae announced to the leaves."""
    return {
        (path.router, str(path.prefix), str(path.next_hop))
        for vip in balancer.vips
        for path in observe.amphora_paths(
            bench.lab, f"{vip}/{vip.max_prefixlen}"
        )
    }


def test_paths_are_what_the_leaves_have(
    bench: Bench, balancer: Balancer
) -> None:
    query = f"?load_balancer_id={balancer.id}&state=advertised"

    def told() -> set[tuple[str, str, str]]:
        return {
            (path["peer_name"], path["prefix"], path["next_hop"])
            for path in _paths(bench, query)
        }

    process.wait_until(
        lambda: told() == _on_leaves(bench, balancer) != set(),
        SECONDS,
        "paths as on the leaves",
    )
    assert len(told()) == balancer.size * len(balancer.vips)
    for path in _paths(bench, query):
        assert path["session_state"] == "Established"
        assert path["session_since"] is not None
        assert 0 <= path["report_age"] < SECONDS
        leaf = settings.rack_leaf(
            next(
                leaf.rack
                for leaf in settings.RACK_LEAVES
                if leaf.name == path["peer_name"]
            )
        )
        assert path["peer_ip"] == str(leaf.mgmt.ip)


def test_what_is_counted(bench: Bench, balancer: Balancer) -> None:
    distributor = distributors.ensure(bench.admin)
    rows = database.query(
        bench.plane,
        "octavia",
        "SELECT (SELECT COUNT(*) FROM anycast_cluster),"
        " (SELECT COUNT(*) FROM anycast_amphora WHERE status != 'DELETED')",
    )
    clusters, amphorae = map(int, rows.split())
    assert distributor["load_balancer_count"] == clusters >= 1
    assert distributor["amphora_count"] == amphorae >= balancer.size
    assert distributor["vip_count"] >= len(balancer.vips)


def test_a_distributor_lives_and_goes(
    bench: Bench, balancer: Balancer
) -> None:
    """Beside the one in use, with a peer that both have."""
    shared = distributors.peers(bench.admin, distributors.ensure(bench.admin))[
        0
    ]
    sessions = {a.id: bench.session(a) for a in bench.amphorae(balancer)}
    assert all(sessions.values())
    body = distributors.body(bench.admin, NAME)
    body["distributor"]["is_default"] = False
    body["distributor"]["speakers"][0]["peers"][0] = {"id": shared["id"]}
    made = _call(bench, "POST", distributors.PATH, body)["distributor"]
    path = f"{distributors.PATH}/{made['id']}"
    assert made["provisioning_status"] == "PENDING_CREATE"
    _await_active(bench, path)

    (speaker,) = made["speakers"]
    own = speaker["peers"][1]["id"]
    six = {
        "bgp_speaker": {
            "distributor_id": made["id"],
            "ip_version": 6,
            "local_as": settings.AMPHORA_AS,
        }
    }
    changes = (
        ("PUT", path, {"distributor": {"zones": [], "name": "third"}}),
        ("POST", SPEAKERS, six),
        (
            "PUT",
            f"{SPEAKERS}/{speaker['id']}",
            {"bgp_speaker": {"local_as": 65200}},
        ),
        ("PUT", f"{distributors.PEERS_PATH}/{own}", {"bgp_peer": {"med": 7}}),
        ("DELETE", f"{SPEAKERS}/{speaker['id']}/bgp-peers/{own}", None),
        ("PUT", f"{SPEAKERS}/{speaker['id']}/bgp-peers/{own}", None),
    )
    for method, where, what in changes:
        _call(bench, method, where, what)
        shown = _await_active(bench, path)
    assert shown["name"] == "third"
    assert {s["ip_version"] for s in shown["speakers"]} == {4, 6}

    distributors.delete(bench.admin, made["id"])

    left = bench.admin.get(rest.LOAD_BALANCER, distributors.PEERS_PATH)
    ids = {peer["id"] for peer in left["bgp_peers"]}
    assert shared["id"] in ids
    assert own not in ids
    # The one in use has not noticed.
    for amphora in bench.amphorae(balancer):
        assert bench.is_kept(amphora, sessions[amphora.id])


def test_one_in_use_is_not_deleted(bench: Bench, balancer: Balancer) -> None:
    distributor = distributors.ensure(bench.admin)

    with pytest.raises(distributors.InUseError, match="use it"):
        distributors.delete(bench.admin, distributor["id"])
