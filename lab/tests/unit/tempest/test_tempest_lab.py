# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A run of tempest leaves no lab, whatever happened; but never another's."""

import pytest
from octavia_anycast_lab import cleanup, down, lock, settings, up
from octavia_anycast_lab.cloud import octavia_api
from octavia_anycast_lab.tempest import __main__ as run

LAB = settings.Lab(name="unit")


@pytest.fixture
def removed(monkeypatch):
    """The labs that were removed."""
    labs = []
    monkeypatch.setenv(octavia_api.SIZE_ENVIRONMENT, "1")
    monkeypatch.setenv(octavia_api.RESYNC_ENVIRONMENT, "20")
    monkeypatch.delenv("OA_LAB_KEEP", raising=False)
    monkeypatch.setattr(down, "keep_logs", lambda lab: None)
    monkeypatch.setattr(cleanup, "clean", labs.append)
    return labs


@pytest.mark.parametrize(
    ("error", "gone"),
    [(TimeoutError, [LAB]), (KeyboardInterrupt, [LAB]), (lock.BusyError, [])],
)
def test_a_lab_that_does_not_come_up_is_removed(
    removed, monkeypatch, error, gone
):
    def fail(lab, progress):
        raise error("no lab")

    monkeypatch.setattr(up, "up", fail)
    with pytest.raises(error), run._lab_up(LAB):
        raise AssertionError("it is not up")
    assert removed == gone


def test_a_lab_is_kept_if_that_is_asked_for(removed, monkeypatch):
    monkeypatch.setenv("OA_LAB_KEEP", "1")
    monkeypatch.setattr(up, "up", lambda lab, progress: "plane")
    monkeypatch.setattr(run.rest, "Api", lambda plane: None)
    monkeypatch.setattr(run.distributors, "ensure_default", lambda api: None)
    with run._lab_up(LAB) as plane:
        assert plane == "plane"
    assert removed == []
