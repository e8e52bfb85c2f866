# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The registry survives what kills its writers."""

import threading

import pytest
from octavia_anycast_lab import registry as registry_module
from octavia_anycast_lab.registry import Kind, Registry


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / "lab")


def test_empty_without_a_file(registry):
    assert registry.entries(Kind.PROCESS) == ()
    assert registry.get(Kind.PROCESS, "bgpd") is None


def test_add_and_forget(registry):
    registry.add(Kind.NAMESPACE, "oa-ctl")
    registry.add("process", "bgpd", pid=1, start_time=2)
    assert registry.get(Kind.PROCESS, "bgpd").attrs == {
        "pid": 1,
        "start_time": 2,
    }
    registry.forget(Kind.PROCESS, "bgpd")
    assert registry.entries(Kind.PROCESS) == ()
    assert [e.name for e in registry.entries("namespace")] == ["oa-ctl"]


def test_same_name_again_replaces_attributes(registry):
    registry.add(Kind.PROCESS, "bgpd", pid=1)
    registry.add(Kind.PROCESS, "bgpd", pid=2)
    assert [e.attrs["pid"] for e in registry.entries(Kind.PROCESS)] == [2]


def test_kinds_do_not_mix(registry):
    registry.add(Kind.MOUNT, "x")
    registry.forget(Kind.DIRECTORY, "x")
    assert len(registry.entries(Kind.MOUNT)) == 1


def test_unknown_kind_is_refused(registry):
    with pytest.raises(ValueError, match="firewall"):
        registry.add("firewall", "x")
    assert not registry.path.exists()


@pytest.mark.parametrize(
    "torn", [b'{"op": "add", "ki', b"\xff\xfe", b"[1, 2]", b'{"op": "add"}']
)
def test_torn_line_costs_only_itself(registry, torn):
    registry.add(Kind.MOUNT, "before")
    with registry.path.open("ab") as stream:
        stream.write(torn)
    registry.add(Kind.MOUNT, "after")
    names = [e.name for e in registry.entries(Kind.MOUNT)]
    assert names == ["before", "after"]


def test_two_writers_see_each_other(registry):
    other = Registry(registry.run_dir)
    registry.add(Kind.MOUNT, "a")
    other.add(Kind.MOUNT, "b")
    registry.forget(Kind.MOUNT, "b")
    assert [e.name for e in other.entries(Kind.MOUNT)] == ["a"]


def test_file_stays_small_and_keeps_the_living(registry, monkeypatch):
    monkeypatch.setattr(registry_module, "COMPACT_BYTES", 2000)
    registry.add(Kind.NAMESPACE, "oa-ctl", note="x")
    other = Registry(registry.run_dir)
    for turn in range(200):
        writer = (registry, other)[turn % 2]
        writer.add(Kind.PROCESS, f"p{turn}", pid=turn)
        writer.forget(Kind.PROCESS, f"p{turn}")
    registry.add(Kind.MOUNT, "last")
    assert registry.path.stat().st_size < 4000
    for reader in (registry, other, Registry(registry.run_dir)):
        assert reader.get(Kind.NAMESPACE, "oa-ctl").attrs == {"note": "x"}
        assert reader.entries(Kind.PROCESS) == ()
        assert [e.name for e in reader.entries(Kind.MOUNT)] == ["last"]


def test_too_many_living_entries_are_all_kept(registry, monkeypatch):
    monkeypatch.setattr(registry_module, "COMPACT_BYTES", 500)
    for turn in range(50):
        registry.add(Kind.MOUNT, f"m{turn}")
    assert len(registry.entries(Kind.MOUNT)) == 50


def test_concurrent_writers_lose_nothing(registry, monkeypatch):
    monkeypatch.setattr(registry_module, "COMPACT_BYTES", 3000)

    def write(writer):
        own = Registry(registry.run_dir)
        for turn in range(40):
            own.add(Kind.PROCESS, f"{writer}-{turn}")
            if turn % 4:
                own.forget(Kind.PROCESS, f"{writer}-{turn}")

    threads = [
        threading.Thread(target=write, args=(n,), daemon=True)
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    names = {entry.name for entry in registry.entries(Kind.PROCESS)}
    assert names == {f"{w}-{t}" for w in range(4) for t in range(0, 40, 4)}


def test_clear_forgets_all(registry):
    registry.add(Kind.MOUNT, "x")
    registry.clear()
    registry.clear()
    assert registry.entries(Kind.MOUNT) == ()
    registry.add(Kind.MOUNT, "y")
    assert [e.name for e in registry.entries(Kind.MOUNT)] == ["y"]
