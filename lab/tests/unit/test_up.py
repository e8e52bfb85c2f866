# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What ``up`` removes before it makes anything."""

import pathlib

import pytest
from octavia_anycast_lab import settings, up
from octavia_anycast_lab.amphora import machine
from octavia_anycast_lab.host import cgroup
from octavia_anycast_lab.progress import Progress
from octavia_anycast_lab.registry import Registry


@pytest.fixture
def lab(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> settings.Lab:
    monkeypatch.setattr(machine, "DISK_ROOT", tmp_path / "disks")
    monkeypatch.setattr(cgroup, "remove_lab", lambda name: None)
    return settings.Lab(name="oaunit", run_root=tmp_path / "run")


def discard(lab: settings.Lab) -> None:
    up._discard_broken(lab, Registry(lab.run_dir), Progress())


def test_disks_that_a_reboot_has_left_are_removed(
    lab: settings.Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """/run is empty after it, and new secrets do not fit old data."""
    data = machine.disks(lab.name) / "rabbitmq"
    data.mkdir(parents=True)
    discard(lab)
    assert not machine.disks(lab.name).exists()
    assert "removing what is left of lab oaunit" in capsys.readouterr().out


def test_a_lab_that_is_half_made_is_removed(lab: settings.Lab) -> None:
    lab.run_dir.mkdir(parents=True)
    (lab.run_dir / "secrets.json").touch()
    discard(lab)
    assert not lab.run_dir.exists()


def test_where_nothing_is_nothing_is_removed(
    lab: settings.Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    discard(lab)
    assert capsys.readouterr().out == ""
