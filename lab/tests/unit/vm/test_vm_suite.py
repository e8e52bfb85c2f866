# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A run of ``make test-vm`` leaves no lab, and removes no other's."""

import importlib.util
import pathlib
import types

import pytest
from octavia_anycast_lab import lock, settings
from octavia_anycast_lab.vm.api.image import ImageMissingError

LAB = settings.Lab(name="vmunit")
CONFTEST = pathlib.Path(__file__).resolve().parents[3] / "vm_tests/conftest.py"


@pytest.fixture(scope="module")
def suite() -> types.ModuleType:
    """The suite's fixtures, under a name that is not another's."""
    spec = importlib.util.spec_from_file_location("vm_conftest", CONFTEST)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def removed(
    suite: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> list[settings.Lab]:
    """The labs that were removed."""
    labs: list[settings.Lab] = []
    for name in ("OA_LAB_KEEP", "OA_LAB_REUSE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(suite.up, "require_machine", lambda: None)
    monkeypatch.setattr(suite.up, "up", lambda lab, progress: "plane")
    monkeypatch.setattr(
        suite.down, "down", lambda lab, progress: labs.append(lab)
    )
    return labs


@pytest.mark.parametrize(
    ("step", "error", "gone"),
    [
        ("up", TimeoutError, [LAB]),
        ("up", KeyboardInterrupt, [LAB]),
        ("up", lock.BusyError, []),
        ("require_machine", ImageMissingError, []),
    ],
)
def test_a_lab_that_does_not_come_up_is_removed(
    suite: types.ModuleType,
    removed: list[settings.Lab],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    error: type[BaseException],
    gone: list[settings.Lab],
) -> None:
    def fail(*_: object) -> None:
        raise error("no lab")

    monkeypatch.setattr(suite.up, step, fail)
    with pytest.raises(error), suite._lab_up(LAB):
        raise AssertionError("it is not up")
    assert removed == gone


def test_a_lab_is_removed_whatever_fails_in_it(
    suite: types.ModuleType, removed: list[settings.Lab]
) -> None:
    with pytest.raises(TimeoutError), suite._lab_up(LAB):
        raise TimeoutError("members")
    assert removed == [LAB]


def test_a_lab_is_kept_if_that_is_asked_for(
    suite: types.ModuleType,
    removed: list[settings.Lab],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OA_LAB_KEEP", "1")
    with suite._lab_up(LAB) as plane:
        assert plane == "plane"
    assert removed == []
