# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The demonstration on virtual machines removes a lab of its own alone."""

import pathlib
import shutil
import sys

import pytest
from octavia_anycast_lab import deployment, lock, settings
from octavia_anycast_lab.vm.demo import __main__ as demo


@pytest.fixture
def lab(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> settings.Lab:
    """The lab that the command line names."""
    found = settings.Lab(name="vmunit", run_root=tmp_path)
    monkeypatch.setattr(sys, "argv", ["demo-vm"])
    monkeypatch.setattr(demo.vm_settings, "lab", lambda name: found)
    return found


@pytest.fixture
def done(lab: settings.Lab, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the demonstration did, without a lab."""
    events: list[str] = []

    def remove(lab: settings.Lab, progress: object) -> None:
        shutil.rmtree(lab.run_dir)
        events.append("removed")

    monkeypatch.delenv("OA_LAB_KEEP", raising=False)
    monkeypatch.setattr(demo.up, "require_machine", lambda: None)
    monkeypatch.setattr(
        demo.up, "up", lambda lab, progress: deployment.Deployment.of(lab)
    )
    monkeypatch.setattr(
        demo.story, "tell", lambda stage: events.append("told")
    )
    monkeypatch.setattr(
        demo.distributors,
        "ensure_default",
        lambda api: events.append("distributor"),
    )
    monkeypatch.setattr(demo.down, "down", remove)
    return events


def test_a_lab_of_its_own_is_removed(
    done: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    demo.main()
    assert done == ["told", "removed"]
    assert "was up before" not in capsys.readouterr().out


def test_a_lab_that_was_up_before_stays_with_its_distributor(
    lab: settings.Lab, done: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    lab.run_dir.mkdir(parents=True)
    (lab.run_dir / "complete").touch()
    demo.main()
    assert done == ["told", "distributor"]
    said = " ".join(capsys.readouterr().out.split())
    assert "was up before" in said
    assert "make vm-down OA_VM_LAB=vmunit" in said


def test_a_lab_stays_if_that_is_asked_for(
    done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OA_LAB_KEEP", "1")
    demo.main()
    assert done == ["told", "distributor"]


def test_two_demonstrations_do_not_share_a_lab(
    lab: settings.Lab, done: list[str]
) -> None:
    with (
        lock.held(lab, "demo"),
        pytest.raises(SystemExit, match="Another command is at work"),
    ):
        demo.main()
    assert done == []
