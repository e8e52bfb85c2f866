# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The registry survives what kills its writers."""

import pytest
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
