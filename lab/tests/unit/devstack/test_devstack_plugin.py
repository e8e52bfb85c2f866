# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Our DevStack plugin against a recorded DevStack (recorded_devstack.sh).

No DevStack runs here: what these tests state is what the plugin asks of one.
"""

import dataclasses
import importlib
import inspect
import pathlib
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[3]
BASH = shutil.which("bash") or "/bin/bash"
PHASES = ("stack install", "stack post-config", "stack extra")
CONTROLLER = "octavia-anycast-controller"
# The chain of Octavia's plugin, first rule first, as its inserts leave it.
CHAIN = (
    ("state", "related,established", "accept"),
    ("udp", "10514", "accept"),
    ("udp", "5555", "accept"),
    ("ipv6-icmp", "any", "accept"),
    ("any", "any", "drop"),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Stacked:
    """What the plugin did: its calls, and what the files hold then."""

    code: int
    calls: list[list[str]]
    files: dict[tuple[str, str, str], str]
    stderr: str

    def of(self, name: str) -> list[list[str]]:
        """The arguments of each call of a function."""
        return [words for called, *words in self.calls if called == name]

    def setting(self, section: str, option: str) -> str | None:
        """A value of octavia.conf."""
        return self.files.get(("octavia.conf", section, option))

    def verdict(self, protocol: str, port: str) -> str:
        """What becomes of a new packet of an amphora at this host."""
        inserted = [
            (protocol_, port_, verdict)
            for protocol_, _, port_, _, verdict in self.of("nft")
        ]
        # Each is inserted before the others.
        for matched, at, verdict in (*reversed(inserted), *CHAIN):
            if matched in (protocol, "any") and at in (port, "any"):
                return verdict
        raise AssertionError("the chain has an end")


class Host:
    """A host on which phases of the plugin run."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.record, self.state = folder / "record", folder / "state"
        programs = folder / "venv" / "bin"
        programs.mkdir(parents=True)
        manage = programs / "octavia-anycast-manage"
        manage.write_text(
            f'#!{BASH}\nprintf \'manage\\t%s\\n\' "$*" >>"$RECORD"\n'
        )
        manage.chmod(0o755)

    def stack(self, *phases: str, **settings: str) -> Stacked:
        """Run phases, all by default, with settings of local.conf."""
        self.record.write_text("")
        self.state.write_text("")
        script = 'set -o errexit; source "$0"; stack "$@"'
        recorded = str(HERE / "recorded_devstack.sh")
        done = subprocess.run(
            [BASH, "--norc", "-c", script, recorded, *(phases or PHASES)],
            env=self._environment() | settings,
            capture_output=True,
            text=True,
            check=False,
        )
        files = {}
        for line in self.state.read_text().splitlines():
            *key, value = line.split("|", 3)
            files[tuple(key)] = value
        calls = self.record.read_text().splitlines()
        return Stacked(
            code=done.returncode,
            calls=[line.split("\t") for line in calls],
            files=files,
            stderr=done.stderr,
        )

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": "/nowhere",
            "RECORD": str(self.record),
            "STATE": str(self.state),
            "PLUGIN": str(ROOT / "devstack"),
            "DEST": str(ROOT.parent),
            "DATA_DIR": str(self.folder),
            "OCTAVIA_ANYCAST_DIR": str(ROOT),
            "OCTAVIA_CONF": str(self.folder / "octavia.conf"),
            "OCTAVIA_UWSGI_CONF": str(self.folder / "octavia-uwsgi.ini"),
            "OCTAVIA_NODE": "standalone",
            "OCTAVIA_ADDRESS": "192.168.0.3",
            "SERVICE_IP_VERSION": "4",
            "WSGI_MODE": "uwsgi",
            "FIREWALL": "nft",
            "ENABLED_SERVICES": "octavia,o-api,o-cw,o-hm,o-hk",
        }


@pytest.fixture
def stack(tmp_path):
    """Run phases of the plugin, with settings of local.conf."""
    return Host(tmp_path).stack


def test_a_whole_stack_uses_nothing_that_devstack_does_not_know(stack):
    stacked = stack()
    assert (stacked.code, stacked.of("refused"), stacked.stderr) == (0, [], "")


def test_what_devstack_does_not_know_ends_the_run(stack, tmp_path):
    """The control of the test above."""
    for line in ("curl x", "iniset $OCTAVIA_CONF a b", "sudo reboot"):
        plugin = tmp_path / "plugin"
        plugin.mkdir(exist_ok=True)
        (plugin / "settings").write_text("")
        (plugin / "plugin.sh").write_text(f"{line}\n")
        stacked = stack("stack extra", PLUGIN=str(plugin))
        assert stacked.code == 3
        assert stacked.of("refused")


def test_the_package_comes_with_what_its_build_needs(stack):
    stacked = stack("stack install")
    assert stacked.of("setup_package") == [
        ["-bindep=build", str(ROOT), "-e", "etcd"]
    ]


def test_octavias_plugin_has_to_come_first(stack):
    stacked = stack("stack install", OCTAVIA_CONF="")
    assert stacked.code == 1
    ((said,),) = stacked.of("die")
    assert "enable_plugin octavia has to come before" in said


def test_the_provider_is_enabled_beside_octavias(stack):
    stacked = stack("stack post-config")
    providers = stacked.setting("api_settings", "enabled_provider_drivers")
    assert providers is not None
    names = [each.partition(":")[0] for each in providers.split(",")]
    assert names == ["amphora", "anycast"]
    assert stacked.setting("anycast", "cluster_size") == "2"
    assert stacked.setting("anycast", "heartbeat_bind_port") == "5556"


def test_a_host_that_is_stacked_again_has_the_provider_once(stack):
    stacked = stack("stack post-config", "stack post-config")
    providers = stacked.setting("api_settings", "enabled_provider_drivers")
    assert providers is not None
    assert providers.count("anycast:") == 1


def test_uwsgi_is_given_a_call_and_no_script(stack):
    stacked = stack("stack post-config")
    module = stacked.files[("octavia-uwsgi.ini", "uwsgi", "module")]
    assert module == "octavia_anycast.wsgi.api:build()"
    assert ["uwsgi", "wsgi-file"] in stacked.of("inidelete")
    socket = stacked.files[("octavia-uwsgi.ini", "uwsgi", "socket")]
    assert socket == "/var/run/uwsgi/octavia.socket"


def test_an_api_without_uwsgi_is_refused(stack):
    stacked = stack("stack post-config", WSGI_MODE="mod_wsgi")
    assert stacked.code == 1
    ((said,),) = stacked.of("die")
    assert "OCTAVIA_UWSGI_CONF" in said


def test_heartbeats_reach_the_controller(stack):
    """Octavia's chain drops them, and its security group lets in 5555 only."""
    before = stack("stack post-config")
    assert before.verdict("udp", "5556") == "drop"
    stacked = stack()
    assert stacked.verdict("udp", "5556") == "accept"
    assert stacked.verdict("udp", "5555") == "accept"
    assert stacked.verdict("tcp", "179") == "drop"
    assert [
        "--ingress",
        "--protocol",
        "udp",
        "--dst-port",
        "5556",
        "lb-health-mgr-sec-grp",
    ] in stacked.of("openstack")


def test_the_controller_reaches_speakerd(stack):
    """Octavia's security group of amphorae lets in 22 and 9443 only."""
    assert [
        "--ingress",
        "--protocol",
        "tcp",
        "--dst-port",
        "9444",
        "lb-mgmt-sec-grp",
    ] in stack().of("openstack")


def test_a_port_of_ones_own_is_the_one_that_is_opened(stack):
    stacked = stack(OCTAVIA_ANYCAST_HEARTBEAT_PORT="6000")
    assert stacked.verdict("udp", "6000") == "accept"
    assert stacked.verdict("udp", "5556") == "drop"
    assert stacked.setting("anycast", "heartbeat_bind_port") == "6000"
    assert stacked.setting("anycast", "heartbeat_controllers") == (
        "192.168.0.3:6000"
    )


def test_a_router_on_this_host_is_reached(stack):
    stacked = stack(OCTAVIA_ANYCAST_PEER_ON_HOST="true")
    assert stacked.verdict("tcp", "179") == "accept"
    assert stacked.verdict("udp", "3784") == "accept"
    opened = {
        (words[-1], words[2], words[4]) for words in stacked.of("openstack")
    }
    assert opened == {
        ("lb-mgmt-sec-grp", "tcp", "9444"),
        ("lb-mgmt-sec-grp", "udp", "3784"),
        ("lb-health-mgr-sec-grp", "udp", "5556"),
        ("lb-health-mgr-sec-grp", "tcp", "179"),
        ("lb-health-mgr-sec-grp", "udp", "3784"),
    }


@pytest.mark.parametrize(
    ("version", "program"), [("4", "iptables"), ("6", "ip6tables")]
)
def test_without_nft_the_rule_is_one_of_iptables(stack, version, program):
    stacked = stack(FIREWALL="iptables", SERVICE_IP_VERSION=version)
    assert stacked.of(program) == [
        ["-p", "udp", "--dport", "5556", "-j", "ACCEPT"]
    ]
    assert stacked.of("nft") == []


def test_ipv6_has_brackets_and_rules_of_its_own(stack):
    stacked = stack(SERVICE_IP_VERSION="6", OCTAVIA_ADDRESS="fd00::3")
    assert stacked.setting("anycast", "heartbeat_bind_ip") == "fd00::3"
    assert stacked.setting("anycast", "heartbeat_controllers") == (
        "[fd00::3]:5556"
    )
    for words in stacked.of("openstack"):
        assert words[5:9] == ["--ethertype", "IPv6", "--remote-ip", "::/0"]


def test_the_tables_are_there_before_the_controller_starts(stack, tmp_path):
    stacked = stack()
    assert stacked.of("manage") == [
        [f"--config-file {tmp_path}/octavia.conf db upgrade"]
    ]
    assert stacked.of("run_process") == [
        [
            CONTROLLER,
            f"{tmp_path}/venv/bin/{CONTROLLER} "
            f"--config-file {tmp_path}/octavia.conf",
        ]
    ]
    order = [name for name, *_ in stacked.calls]
    assert order.index("manage") < order.index("run_process")


def test_a_disabled_controller_stays_off(stack):
    stacked = stack(DISABLED_SERVICES=CONTROLLER)
    assert stacked.code == 0
    assert stacked.of("manage")
    assert not stacked.of("run_process") + stacked.of("openstack")


def test_a_host_with_the_api_alone_has_no_controller(stack):
    stacked = stack(OCTAVIA_NODE="api")
    assert stacked.code == 0
    assert stacked.of("manage")
    assert not stacked.of("run_process") + stacked.of("nft")


def test_a_second_controller_opens_its_own_firewall_alone(stack):
    shared = "etcd3+http://192.0.2.1:2379"
    stacked = stack(
        OCTAVIA_NODE="second",
        OCTAVIA_ANYCAST_COORDINATION_URL=shared,
        OCTAVIA_ANYCAST_HEARTBEAT_CONTROLLERS="192.0.2.3:5556,192.0.2.4:5556",
    )
    assert stacked.code == 0
    assert stacked.of("openstack") == stacked.of("manage") == []
    assert stacked.verdict("udp", "5556") == "accept"
    assert stacked.setting("anycast", "coordination_url") == shared
    assert stacked.setting("anycast", "heartbeat_controllers") == (
        "192.0.2.3:5556,192.0.2.4:5556"
    )


def test_controllers_on_several_hosts_do_not_share_a_file(stack):
    stacked = stack("stack post-config", OCTAVIA_NODE="main")
    assert stacked.code == 1
    ((said,),) = stacked.of("die")
    assert "OCTAVIA_ANYCAST_COORDINATION_URL" in said


def test_the_controller_stops_and_leaves_nothing(stack, tmp_path):
    assert stack("unstack").of("stop_process") == [[CONTROLLER]]
    assert stack("clean").of("rm") == [[f"{tmp_path}/octavia-anycast"]]


def test_the_image_gets_our_elements_once(stack, tmp_path):
    plugin = tmp_path / "plugin"
    plugin.mkdir()
    settings = (ROOT / "devstack" / "settings").read_text()
    (plugin / "settings").write_text(settings + settings)
    (plugin / "plugin.sh").write_text('record elements "$DIB_LOCAL_ELEMENTS"')
    stacked = stack(
        "stack extra", PLUGIN=str(plugin), DIB_LOCAL_ELEMENTS="mirrors"
    )
    ((elements,),) = stacked.of("elements")
    assert elements.split() == ["mirrors", "octavia-anycast-agent"]


def test_uwsgi_finds_what_it_is_told_to_call(stack):
    """It looks in the module's own names and asks no ``__getattr__``."""
    stacked = stack("stack post-config")
    told = stacked.files[("octavia-uwsgi.ini", "uwsgi", "module")]
    name, _, call = told.partition(":")
    module = vars(importlib.import_module(name))
    assert "application" not in module
    inspect.signature(module[call.removesuffix("()")]).bind()
