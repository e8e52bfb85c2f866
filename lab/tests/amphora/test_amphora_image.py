# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The amphora image as it is shipped: our agent, ExaBGP, their units.

What the elements promise, seen from inside a booted amphora which nobody has
configured yet.
"""

import os
import sys

import amphora_bench
import pytest
from octavia_anycast_lab import settings
from octavia_anycast_lab.amphora import image, wheels
from octavia_anycast_lab.host import netns, process

pytestmark = pytest.mark.lab

# Debian's venv brings these, and pip leaves what is satisfied alone.
FROM_VENV = ("pip", "setuptools")

_GET = """
import ssl, sys, urllib.request
context = ssl._create_unverified_context()
if len(sys.argv) > 2:
    context.load_cert_chain(sys.argv[2])
url = f"https://{sys.argv[1]}:9443/1.0/anycast"
print(urllib.request.urlopen(url, timeout=5, context=context).status)
"""


@pytest.fixture(scope="module")
def bench():
    """Namespaces and bridges, no amphora yet."""
    name = os.environ.get("OA_TEST_AMPHORA_LAB", "oatimg")
    made = amphora_bench.Bench(settings.Lab(name=name), image.Flavour.ANYCAST)
    made.up()
    yield made
    made.down()


@pytest.fixture(scope="module")
def amphora(bench):
    """A booted one."""
    made = bench.boot()
    bench.await_agent(made)
    return made


def _unit(bench, amphora, question, name):
    return bench.inside(amphora, "systemctl", question, name).stdout.strip()


def test_our_process_of_metrics_stands_in_for_octavias(bench, amphora):
    name = "octavia-anycast-metrics"
    assert _unit(bench, amphora, "is-enabled", "prometheus-proxy") == "masked"
    # It waits for the namespace of HAProxy, which it is in.
    process.wait_until(
        lambda: _unit(bench, amphora, "is-active", name) == "active",
        60.0,
        f"{name} is active",
    )
    listening = bench.inside(
        amphora, "ip", "netns", "exec", "amphora-haproxy", "ss", "-Htln"
    ).stdout
    assert "127.0.0.1:9102" in listening
    assert ":1024 " not in listening


def test_our_agent_stands_in_for_octavias(bench, amphora):
    assert _unit(bench, amphora, "is-enabled", "amphora-agent") == "masked"
    assert _unit(bench, amphora, "is-active", "amphora-agent") == "inactive"
    for name in ("octavia-anycast-agent", "octavia-anycast-speakerd"):
        assert _unit(bench, amphora, "is-active", name) == "active"
    details = bench.rest("details", {}, amphora)
    assert details["hostname"] == f"amphora-{amphora.amphora_id}"


def test_our_route_wants_a_client_certificate(bench, amphora):
    certificate = bench.lab.run_dir / "etc" / "pki" / "client.pem"
    assert _status(bench, amphora, str(certificate)) == "200"
    assert _status(bench, amphora) == ""


def _status(bench, amphora, *certificate):
    done = netns.run(
        bench.lab.namespace("ctl"),
        [sys.executable, "-S", "-c", _GET, amphora.address, *certificate],
        check=False,
    )
    return done.stdout.strip()


def test_speaker_is_there_and_silent_until_told(bench, amphora):
    assert _unit(bench, amphora, "is-active", "exabgp") == "inactive"
    version = bench.inside(amphora, "exabgp", "version")
    assert version.returncode == 0, version.stderr
    owner = bench.inside(
        amphora, "stat", "-c", "%U:%G %a", "/var/lib/octavia-anycast/exabgp"
    )
    assert owner.stdout.strip() == "root:exabgp 750"


def test_image_has_the_versions_of_this_environment(bench, amphora):
    code = (
        "import importlib.metadata as m;"
        "print(*(f'{d.name}=={d.version}' for d in m.distributions()))"
    )
    python = "/opt/amphora-agent-venv/bin/python"
    shipped = bench.inside(amphora, python, "-c", code).stdout.split()
    found = dict(
        item.lower().replace("_", "-").split("==") for item in shipped
    )
    found = {
        name.replace(".", "-"): version for name, version in found.items()
    }
    pinned = dict(item.split("==") for item in wheels.pins())
    assert found["octavia"] == pinned["octavia"]
    assert "octavia-anycast" in found
    differing = {
        name: (version, pinned[name])
        for name, version in found.items()
        if name in pinned and name not in FROM_VENV and version != pinned[name]
    }
    assert not differing


@pytest.mark.parametrize(
    "unit", ["octavia-anycast-agent", "octavia-anycast-speakerd"]
)
def test_killed_daemon_comes_back(bench, amphora, unit):
    def pid():
        question = ("systemctl", "show", "-P", "MainPID", unit)
        return bench.inside(amphora, *question).stdout.strip()

    before = pid()
    assert before not in ("", "0")
    bench.inside(amphora, "kill", "-9", before)
    process.wait_until(
        lambda: pid() not in ("", "0", before), 20.0, f"another {unit}"
    )
    bench.await_agent(amphora)
