# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The lab as its users meet it: ``octavia-anycast-lab`` from outside.

It has an instance of its own, because it kills it, breaks it and takes it
down. It is made by an ``up`` after one that was killed half way.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

import pytest
from cryptography import x509
from octavia_anycast_lab import cleanup, deployment, down, lock, settings, up
from octavia_anycast_lab.api import distributors, seed
from octavia_anycast_lab.cloud import controller
from octavia_anycast_lab.fabric import frr, topology
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.registry import Registry

pytestmark = pytest.mark.lab

SERVICES = ("mariadb", "keystone", "neutron", "octavia-api")
UP = ("up", "--no-image")
TIMEOUT_SECONDS = 420.0
KILL_UP_AFTER_SECONDS = 4.0


def _own_lab() -> settings.Lab:
    base = os.environ.get(settings.LAB_ENVIRONMENT, "oat")
    return settings.Lab(name=f"{base[:6]}cp")


def _main_network() -> list[str]:
    """Interfaces, addresses, routes and rules outside every namespace."""
    questions = (
        ("ip", "-o", "link", "show"),
        ("ip", "-o", "address", "show"),
        ("ip", "route", "show", "table", "all"),
        ("ip", "-6", "route", "show", "table", "all"),
        ("ip", "rule", "show"),
        ("nft", "list", "ruleset"),
    )
    return [
        subprocess.run(q, capture_output=True, text=True, check=False).stdout
        for q in questions
    ]


class Cli:
    """The command line of one lab."""

    def __init__(self, lab: settings.Lab) -> None:
        self.lab = lab
        self.argv = [sys.executable, "-m", "octavia_anycast_lab"]
        self.argv += ["--lab", lab.name]

    def run(
        self,
        *arguments: str,
        code: int = 0,
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> str:
        """Run it and check its exit status; returns all it said."""
        done = subprocess.run(
            [*prefix, *self.argv, *arguments],
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        return done.stdout if code == 0 else said

    def openstack(
        self, *arguments: str, cloud: str = "admin", code: int = 0
    ) -> str:
        """The unmodified client, inside the lab."""
        return self.run(
            "shell",
            "openstack",
            *arguments,
            environment={"OS_CLOUD": cloud},
            code=code,
        )

    def ask(self, *arguments: str, cloud: str = "admin") -> list[dict]:
        """A list command's rows."""
        return json.loads(
            self.openstack(*arguments, "-f", "json", cloud=cloud)
        )

    def registry(self) -> Registry:
        """What the lab has on record."""
        return Registry(self.lab.run_dir)

    def pids(self) -> dict[str, int | None]:
        """The processes of the control plane."""
        return {
            label: process.pid_of(self.registry(), label) for label in SERVICES
        }


@pytest.fixture(scope="module")
def main_network() -> list[str]:
    return _main_network()


@pytest.fixture(scope="module")
def killed_up(main_network: list[str]) -> Iterator[Cli]:
    """An ``up`` that was killed, with ``kill -9``, half way."""
    cli = Cli(_own_lab())
    down.down(cli.lab, up.Progress())
    half = subprocess.Popen(
        [*cli.argv, *UP],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(KILL_UP_AFTER_SECONDS)
    os.killpg(half.pid, signal.SIGKILL)
    half.wait()
    yield cli
    down.down(cli.lab, up.Progress())


@pytest.fixture(scope="module")
def cli(killed_up: Cli) -> Cli:
    """A complete lab, brought up over what the killed one left."""
    assert cleanup.namespaces(killed_up.lab, killed_up.registry())
    assert not up.is_complete(killed_up.lab)
    killed_up.run(*UP)
    return killed_up


def test_up_on_a_running_lab_changes_nothing(cli: Cli) -> None:
    before = cli.pids()
    assert all(before.values())
    cli.run(*UP)
    assert cli.pids() == before
    assert "DOES NOT ANSWER" not in cli.run("status")


def test_nothing_appears_in_the_main_namespace(
    cli: Cli, main_network: list[str]
) -> None:
    assert _main_network() == main_network


def test_every_service_answers_with_a_token(cli: Cli) -> None:
    assert cli.ask("token", "issue", "-c", "id")
    services = {row["Type"] for row in cli.ask("service", "list")}
    assert services == {"identity", "network", "load-balancer"}
    providers = {
        row["name"] for row in cli.ask("loadbalancer", "provider", "list")
    }
    assert {"amphora", "anycast"} <= providers


def test_a_tenant_is_not_an_operator(cli: Cli) -> None:
    assert cli.ask("loadbalancer", "list", cloud="demo") == []
    refused = cli.openstack(
        "loadbalancer", "amphora", "list", cloud="demo", code=1
    )
    assert "403" in refused
    networks = {
        row["Name"] for row in cli.ask("network", "list", cloud="demo")
    }
    assert seed.ANYCAST_NETWORK in networks
    assert seed.MANAGEMENT_NETWORK not in networks


def test_a_tenant_may_ask_for_floating_ips(cli: Cli) -> None:
    """There are none, but Ansible's load balancer module asks for them."""
    assert cli.ask("floating", "ip", "list", cloud="demo") == []


def test_no_token_no_answer(cli: Cli) -> None:
    plane = deployment.Deployment.of(cli.lab)
    for url in (
        f"{plane.octavia_url}/v2/lbaas/loadbalancers",
        f"{plane.network_url}/v2.0/networks",
    ):
        status = cli.run(
            *("shell", "curl", "-s", "-o", "/dev/null"),
            *("-w", "%{http_code}", url),
        )
        assert status == "401", url


def test_networks_are_seeded_as_the_fabric_has_them(cli: Cli) -> None:
    rows = cli.ask("subnet", "list", "--long")
    subnets = {row["Name"]: row for row in rows}
    for network in seed.networks():
        for wanted in network.subnets:
            row = subnets[wanted.name]
            assert row["Subnet"] == str(wanted.cidr)
            assert row["DHCP"] is False
            assert (row["Gateway"] or None) == wanted.gateway


def test_wired_networks_have_a_bridge(cli: Cli) -> None:
    ids = {row["ID"]: row["Name"] for row in cli.ask("network", "list")}
    wiring = json.loads(cli.lab.wiring.read_text())
    (of_tenants,) = wiring.pop("*").values()
    assert netns.exists(of_tenants["namespace"])
    assert {ids[network] for network in wiring} == {
        network.name for network in seed.networks() if network.bridge
    }
    for racks in wiring.values():
        for place in racks.values():
            netns.run(
                place["namespace"],
                ["ip", "link", "show", place["bridge"], "type", "bridge"],
            )


def test_zones_and_flavors_are_seeded(cli: Cli) -> None:
    zones = cli.ask("loadbalancer", "availabilityzone", "list")
    assert {row["name"] for row in zones} == {"rack1", "rack2"}
    flavors = {
        row["name"] for row in cli.ask("loadbalancer", "flavor", "list")
    }
    assert {f"cluster-{size}" for size in seed.CLUSTER_SIZES} <= flavors


def test_there_is_one_distributor_the_default(cli: Cli) -> None:
    """However often it was brought up."""
    (found,) = cli.ask("loadbalancer", "distributor", "list")
    assert found["name"] == distributors.NAME
    assert found["is_default"] is True


def test_inside_routers_and_hosts(cli: Cli) -> None:
    for router in topology.ROUTER_NAMES:
        said = cli.run("enter", router, "vtysh", "-c", "show bgp summary")
        assert str(frr.router(router).router_id) in said
    address = cli.run("enter", "client1", "ip", "-o", "address", "show")
    assert str(settings.CLIENT_V4) in address


@pytest.mark.parametrize("word", ["enter", "stop", "kill", "start", "cut"])
def test_nobody_of_that_name_is_a_sentence(cli: Cli, word: str) -> None:
    said = cli.run(word, "amp-1234abcd", code=1)
    assert "no amphora is called 'amp-1234abcd'; there are: none" in said


@pytest.mark.parametrize("label", SERVICES)
def test_up_repairs_a_killed_service(cli: Cli, label: str) -> None:
    networks = cli.ask("network", "list")
    before = cli.pids()
    process.kill(cli.registry(), label)
    assert "DOES NOT ANSWER" in cli.run("status", code=1)
    cli.run(*UP)
    after = cli.pids()
    changed = {name for name in SERVICES if after[name] != before[name]}
    assert changed == {label}
    assert cli.ask("network", "list") == networks
    assert cli.ask("loadbalancer", "list") == []


def test_up_repairs_everything_killed_at_once(cli: Cli) -> None:
    networks = cli.ask("network", "list")
    for label in SERVICES:
        process.kill(cli.registry(), label)
    cli.run(*UP)
    assert cli.ask("network", "list") == networks


def test_a_killed_controller_comes_back_by_itself(cli: Cli) -> None:
    registry = cli.registry()
    first = controller.pid_of(registry)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    process.wait_until(
        lambda: controller.pid_of(registry) not in (None, first),
        10.0,
        "a new controller",
    )


def test_a_killed_supervisor_takes_its_controller_along(cli: Cli) -> None:
    registry = cli.registry()
    orphan = controller.pid_of(registry)
    assert orphan is not None
    process.kill(registry, controller.LABEL)
    process.wait_until(
        lambda: process.start_time(orphan) is None, 5.0, "its death"
    )
    cli.run(*UP)
    assert controller.pid_of(registry) is not None


def test_a_stored_certificate_is_found_by_octavia(cli: Cli) -> None:
    names = ["www.example.org", "api.example.org"]
    reference = cli.run("certificate", *names).strip()
    store = deployment.Deployment.of(cli.lab).config_dir / "certificate-store"
    script = (
        "import sys\n"
        "from octavia.certificates.manager.local import CONF, "
        "LocalCertManager as manager\n"
        "from octavia.common import config\n"
        f"CONF.set_override('storage_path', {str(store)!r}, 'certificates')\n"
        f"found = manager.get_cert(None, {reference!r})\n"
        "sys.stdout.write(found.get_certificate())\n"
        "assert 'PRIVATE KEY' in found.get_private_key()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
    )
    certificate = x509.load_pem_x509_certificate(done.stdout.encode())
    extension = certificate.extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert extension.value.get_values_for_type(x509.DNSName) == names


def test_secrets_are_readable_by_root_alone(cli: Cli) -> None:
    plane = deployment.Deployment.of(cli.lab)
    private = [
        plane.state_dir / "secrets.json",
        plane.config_dir / "clouds.yaml",
        plane.config_dir / "octavia.conf",
        *(plane.config_dir / "pki").iterdir(),
        *(plane.config_dir / "fernet-keys").iterdir(),
    ]
    assert [p for p in private if p.stat().st_mode & 0o077] == []


def test_one_command_at_a_time(cli: Cli) -> None:
    before = cli.pids()
    with lock.held(cli.lab):
        assert "Nothing was changed" in cli.run("down", code=1)
        assert "Nothing was changed" in cli.run(*UP, code=1)
    assert cli.pids() == before


def test_not_root_is_a_sentence(cli: Cli) -> None:
    before = cli.pids()
    for command in ("up", "down", "status", "shell", "clean"):
        said = cli.run(command, code=1, prefix=["unshare", "--user"])
        assert "as root" in said
        assert "Traceback" not in said
    assert cli.pids() == before


def test_down_leaves_nothing(cli: Cli, main_network: list[str]) -> None:
    registry = cli.registry()
    started = [
        pid
        for namespace in cleanup.namespaces(cli.lab, registry)
        for pid in cleanup.pids_in(namespace)
    ]
    assert started
    cli.run("down")
    assert [p for p in started if process.start_time(p) is not None] == []
    assert cleanup.namespaces(cli.lab, registry) == ()
    assert cleanup.mounts_below([str(cli.lab.run_dir)]) == []
    assert not pathlib.Path(cli.lab.run_dir).exists()
    assert _main_network() == main_network
    assert "is down" in cli.run("status", code=3)
    cli.run("down")
