# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What python-openstackclient finds, and how errors of the API end."""

import importlib.metadata
import inspect

import pytest
from cliff import command
from octaviaclient.osc.v2.constants import LOAD_BALANCER_ROWS

GROUPS = ("openstack.load_balancer.v2", "openstack.extension")
OURS = "octavia_anycast_client."
DISTRIBUTORS = "/v2.0/lbaas/distributors"


def entry_points():
    return {
        point.name: point
        for group in GROUPS
        for point in importlib.metadata.entry_points(group=group)
        if point.value.startswith(OURS)
    }


def test_every_entry_point_leads_to_a_command_that_says_what_it_does():
    points = entry_points()
    assert len(points) == 53
    for name, point in points.items():
        found = point.load()
        assert issubclass(found, command.Command), name
        assert inspect.getdoc(found), name


def test_commands_are_completed(run):
    script = run("complete").out
    for name in entry_points():
        *above, last = name.split("_")
        options = next(
            line
            for line in script.splitlines()
            if line.strip().startswith(f"cmds_{'_'.join(above)}=")
        )
        assert last in options, name
    assert "--peer-ip" in script
    assert "--frontend-subnet-id" in script


def test_ours_wins_over_the_command_that_it_replaces(run):
    text = run("help", "loadbalancer", "create").out
    assert "--frontend-network-id" in text
    assert "--additional-vip" in text


def test_help_of_the_group_names_all_commands(run):
    text = run("loadbalancer", "distributor", "--help").out
    for verb in ("create", "delete", "list", "set", "show", "unset"):
        assert f"loadbalancer distributor {verb}" in text


@pytest.mark.parametrize("status", [400, 403, 404, 409, 500, 503])
def test_an_error_of_the_api_is_its_sentence_and_a_code(run, cloud, status):
    cloud.answers["GET", DISTRIBUTORS] = (
        status,
        {
            "faultcode": "Client",
            "faultstring": "The sentence.",
            "debuginfo": "",
        },
    )
    result = run("loadbalancer", "distributor", "list", code=1)
    assert (
        f"The sentence. (HTTP {status}) (Request-ID: req-of-a-test)"
        in result.err
    )
    assert result.out == ""


def test_what_is_not_there_is_named(run, cloud):
    cloud.answers["GET", f"{DISTRIBUTORS}?name=fabric"] = (
        200,
        {"distributors": []},
    )
    result = run("loadbalancer", "distributor", "show", "fabric", code=1)
    assert result.err.strip() == "No distributor found for fabric"


def test_wrong_usage_is_told_without_a_request(run, cloud):
    result = run(
        *("loadbalancer", "distributor", "create", "--name", "fabric"),
        *("--speaker", "ip-version=4"),
        code=2,
    )
    assert "argument --speaker: local-as=... is missing" in result.err
    assert cloud.requests == []


@pytest.mark.parametrize(
    "option",
    [
        ("--password", "a-secret-password"),
        ("--password=a-secret-password",),
    ],
)
def test_a_password_is_in_no_debugging_log(run, cloud, option):
    cloud.answers["POST", "/v2.0/lbaas/bgp-peers"] = (
        201,
        {"bgp_peer": {"id": "x", "name": "tor"}},
    )
    result = run(
        *("--debug", "loadbalancer", "bgp", "peer", "create"),
        *("--name", "tor", "--peer-ip", "192.0.2.1", "--remote-as", "1"),
        *option,
    )
    assert cloud.changes[0][2]["bgp_peer"]["password"] == "a-secret-password"
    assert "a-secret-password" not in result.out + result.err
    assert "192.0.2.1" in result.err


def test_a_password_from_the_standard_input(run, cloud):
    cloud.answers["POST", "/v2.0/lbaas/bgp-peers"] = (
        201,
        {"bgp_peer": {"id": "x", "name": "tor"}},
    )
    run(
        *("loadbalancer", "bgp", "peer", "create", "--name", "tor"),
        *("--peer-ip", "192.0.2.1", "--remote-as", "1"),
        *("--password-file", "-"),
        stdin="a-secret-password\n",
    )
    assert cloud.changes[0][2]["bgp_peer"]["password"] == "a-secret-password"


def test_a_cloud_without_octavia_anycast_is_shown_as_before(run, cloud):
    balancer = {"id": "c4f0e8a2-7d6b-4c59-b1b3-8e2f9d0a4c04", "name": "web"}
    path = f"/v2.0/lbaas/loadbalancers/{balancer['id']}"
    cloud.answers["GET", path] = 200, {"loadbalancer": balancer}
    shown = run("loadbalancer", "show", balancer["id"], "-f", "json").data
    assert tuple(shown) == LOAD_BALANCER_ROWS
    cloud.answers["GET", path] = (
        200,
        {"loadbalancer": {**balancer, "distributor_id": "x"}},
    )
    shown = run("loadbalancer", "show", balancer["id"], "-f", "json").data
    assert tuple(shown) == (*LOAD_BALANCER_ROWS, "distributor_id")
