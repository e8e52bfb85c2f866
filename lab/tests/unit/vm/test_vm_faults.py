# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Faults of the cloud end with their block, and are what they say."""

import pathlib

import pytest
from octavia_anycast_lab import cleanup, deployment, settings
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.vm import faults, guests
from octavia_anycast_lab.vm.world import World

LABEL = "broker"


@pytest.fixture
def world(tmp_path: pathlib.Path) -> World:
    lab = settings.Lab(name="vmunit", run_root=tmp_path)
    return World(deployment.Deployment.of(lab))


def everybody(namespace: str) -> tuple[int, ...]:
    """All processes: the unit has no network namespace."""
    proc = pathlib.Path("/proc")
    return tuple(int(p.name) for p in proc.iterdir() if p.name.isdecimal())


def test_what_is_killed_takes_its_children_along(
    world: World, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As RabbitMQ: a shell that waits for the broker, its child."""
    monkeypatch.setattr(cleanup, "pids_in", everybody)
    note = tmp_path / "child"
    process.spawn(
        world.registry,
        LABEL,
        ["sh", "-c", f"sleep 60 & echo $! > {note}; wait"],
        log=tmp_path / "log",
    )
    process.wait_until(
        lambda: note.exists() and note.read_text().endswith("\n"),
        10.0,
        "the child's number",
        0.01,
    )
    child = int(note.read_text())
    started: list[str] = []
    with faults.killed(world, LABEL, lambda: started.append(LABEL)):
        assert not process.is_alive(world.registry, LABEL)
        assert process.start_time(child) is None
        assert not started
    assert started == [LABEL]


def test_a_proxy_that_does_not_listen_is_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next test could not start its own."""
    calls: list[str] = []

    def never(*_: object) -> float:
        raise TimeoutError("the fault proxy listens")

    monkeypatch.setattr(netns, "run", lambda *_, **__: None)
    monkeypatch.setattr(
        process, "spawn", lambda *_, **__: calls.append("started")
    )
    monkeypatch.setattr(process, "stop", lambda *_: calls.append("stopped"))
    monkeypatch.setattr(process, "wait_until", never)
    fault = faults.api_fault(world, guests.NOVA, "--status", "503")
    with pytest.raises(TimeoutError), fault:
        raise AssertionError("it is in force")
    assert calls == ["started", "stopped"]
