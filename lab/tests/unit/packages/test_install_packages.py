# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""`make packages`, on a machine whose package tools are stand-ins."""

import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[4]
TOOL = ROOT / "tools" / "install-packages.sh"
LIST = ROOT / "bindep.txt"
LINE = re.compile(
    r"[a-z0-9][a-z0-9.+-]* "
    r"\[platform:dpkg( build| test| image| lab| browser| vm)+\]"
)
# What the lab starts: without one of these `make demo` ends before it begins.
NEEDED = {"bird2", "frr", "haproxy", "mariadb-server", "systemd-container"}


class Machine:
    """Its package tools, which write down what they are asked."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.asked = folder / "asked"

    def tool(self, name: str, script: str) -> None:
        """Put a stand-in before the tool of that name."""
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run(self, *profile: str) -> subprocess.CompletedProcess[str]:
        """What make runs, from another folder than make does."""
        return subprocess.run(
            [str(TOOL), *profile],
            cwd=self.folder,
            env={"PATH": f"{self.folder}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )

    def lines(self) -> list[str]:
        """What the tools were asked."""
        return self.asked.read_text().splitlines()


@pytest.fixture
def machine(tmp_path):
    """A machine of which a test says what is installed."""
    made = Machine(tmp_path)
    for name in ("apt-get", "systemctl"):
        made.tool(name, f'echo "{name} $*" >>{made.asked}')
    made.tool("id", "echo 0")
    return made


def _installed(machine: Machine, missing: str) -> None:
    """All packages but one are installed."""
    machine.tool(
        "dpkg-query",
        f'echo "query $4" >>{machine.asked}\n'
        f'[ "$4" != "{missing}" ] || exit 1\n'
        "echo installed",
    )


def _listed(profile: str = "") -> list[str]:
    """All packages of the list, or those of a profile."""
    lines = LIST.read_text().splitlines()
    return [
        line.split()[0]
        for line in lines
        if not line.startswith("#") and profile in line
    ]


def test_every_line_of_the_list_is_one_that_the_script_reads():
    for line in LIST.read_text().splitlines():
        assert line.startswith("#") or LINE.fullmatch(line), line
    assert set(_listed()) >= NEEDED
    assert len(_listed()) == len(set(_listed()))


def test_nothing_is_said_where_all_is_there(machine):
    _installed(machine, missing="")
    done = machine.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert machine.lines() == [f"query {name}" for name in _listed(" lab]")]


def test_an_image_needs_others(machine):
    _installed(machine, missing="")
    assert machine.run("image").returncode == 0
    asked = machine.lines()
    assert asked == [f"query {name}" for name in _listed(" image")]
    assert "query qemu-utils" in asked
    assert "query frr" not in asked


def test_a_lab_of_virtual_machines_needs_others_beside(machine):
    _installed(machine, missing="")
    assert machine.run("vm").returncode == 0
    asked = machine.lines()
    assert asked == [f"query {name}" for name in _listed(" vm]")]
    assert {"query rabbitmq-server", "query qemu-system-x86"} <= set(asked)
    assert "query mariadb-server" not in asked


def test_what_is_missing_is_installed_alone(machine):
    _installed(machine, missing="haproxy")
    done = machine.run()
    assert (done.returncode, done.stdout) == (0, "Installing: haproxy\n")
    asked = [line for line in machine.lines() if line.startswith("apt-get")]
    assert asked == [
        "apt-get update",
        "apt-get install --yes --no-install-recommends haproxy",
    ]


def test_without_root_nothing_is_changed(machine):
    machine.tool("id", "echo 1000")
    _installed(machine, missing="frr")
    done = machine.run()
    assert done.returncode == 1
    assert "Debian packages are missing: frr" in done.stderr
    assert not [line for line in machine.lines() if "apt-get" in line]


def test_a_list_without_the_lab_is_refused(machine, tmp_path):
    (tmp_path / "tools").mkdir()
    copy = tmp_path / "tools" / TOOL.name
    copy.write_text(TOOL.read_text())
    (tmp_path / "bindep.txt").write_text("clang [platform:dpkg build]\n")
    done = subprocess.run(
        ["sh", str(copy)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "lists no package with the profile lab" in done.stderr
