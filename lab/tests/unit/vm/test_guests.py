# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Guests as Nova and Octavia describe them, and commands that fail."""

import pathlib
from typing import Any

import pytest
from octavia_anycast_lab import deployment, settings
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.vm import guests, up

SERVER = {
    "id": "s1",
    "name": "amphora-a1",
    "status": "ACTIVE",
    "OS-EXT-AZ:availability_zone": "rack2",
    "OS-EXT-SRV-ATTR:host": "rack2-host1",
    "OS-EXT-SRV-ATTR:instance_name": "instance-00000001",
}
UNPLACED = SERVER | {
    "id": "s2",
    "status": "ERROR",
    "OS-EXT-AZ:availability_zone": "",
    "OS-EXT-SRV-ATTR:host": None,
}
AMPHORA = {"id": "a1", "compute_id": "s1", "lb_network_ip": "172.31.1.1"}
BOOTING = {"id": "a2", "compute_id": None, "lb_network_ip": None}


@pytest.fixture
def plane(tmp_path: pathlib.Path) -> deployment.Deployment:
    lab = settings.Lab(name="vmunit", run_root=tmp_path)
    return deployment.Deployment.of(lab)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths that were asked for, of both APIs."""
    paths: list[str] = []

    def get(self: rest.Api, service: str, path: str) -> dict[str, Any]:
        paths.append(path)
        if service == guests.NOVA:
            return {"servers": [SERVER, UNPLACED]}
        return {"amphorae": [AMPHORA, BOOTING]}

    monkeypatch.setattr(rest.Api, "get", get)
    return paths


def test_a_guest_is_a_server_and_its_amphora(
    plane: deployment.Deployment, asked: list[str]
) -> None:
    (found,) = guests.guests(plane, "lb1")
    assert (found.id, found.amphora_id) == ("s1", "a1")
    assert (found.rack, found.host) == ("rack2", "rack2-host1")
    assert found.management_address == "172.31.1.1"
    assert asked[-1].endswith("?loadbalancer_id=lb1")


def test_a_server_without_amphora_or_host_is_shown_too(
    plane: deployment.Deployment, asked: list[str]
) -> None:
    found = guests.guest(plane, "s2")
    assert (found.amphora_id, found.host) == (None, "")
    with pytest.raises(LookupError, match="no server s3"):
        guests.guest(plane, "s3")


def test_a_command_that_fails_says_what_it_said() -> None:
    command = ["sh", "-c", "echo no such domain >&2; exit 3"]
    with pytest.raises(guests.GuestError, match=r"ended with 3: no such dom"):
        guests._call(command, True, 10.0)
    assert guests._call(command, False, 10.0) == ""


def test_a_command_has_an_end() -> None:
    with pytest.raises(guests.GuestError, match=r"no end in 0\.1 s"):
        guests._call(["sleep", "60"], True, 0.1)


def test_each_process_has_a_label_of_its_own(
    plane: deployment.Deployment,
) -> None:
    labels = up.labels()
    assert len(set(labels)) == len(labels)
    assert not {"mariadb", "keystone", "neutron", "controller"} & set(labels)


def test_the_time_of_a_processor_is_libvirts(
    plane: deployment.Deployment,
    asked: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (one,) = guests.guests(plane, "lb1")
    said = "Domain: 'x'\n  cpu.time=1500000000\n  cpu.user=300000000\n\n"
    monkeypatch.setattr(guests, "virsh", lambda *_, **__: said)
    assert guests.cpu_seconds(plane, one) == 1.5
    said = "Domain: 'x'\n"
    with pytest.raises(guests.GuestError, match=r"no cpu\.time of instance-"):
        guests.cpu_seconds(plane, one)
