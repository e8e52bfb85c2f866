# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The load balancer that is deleted during a fault, and who waits too long."""

from types import SimpleNamespace
from typing import Any

import pytest
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.chaos import behind, deletion, watch
from octavia_anycast_lab.chaos.catalog import FAULTS
from octavia_anycast_lab.cloud import database

FAULT = FAULTS["deletion"]
SCENE: Any = SimpleNamespace(plane=None, load_balancer_id="beside")
BESIDE = {
    "project_id": "project",
    "vip_subnet_id": "subnet",
    "distributor_id": "distributor",
}


class Octavia:
    """Octavia's API, which may be down, and does not delete at once."""

    def __init__(self) -> None:
        self.status = ""
        self.is_down = False
        self.looks_until_gone = 2
        self.deletions = 0

    def get(self, service: str, path: str) -> dict[str, Any]:
        self._answer()
        if path.endswith("/beside"):
            return {"loadbalancer": BESIDE}
        if "flavors" in path:
            return {"flavors": [{"id": "small"}]}
        assert path.endswith(f"?name={deletion.NAME}")
        shown = {"id": "doomed", "provisioning_status": self.status}
        found = [shown] if self.status else []
        if self.status == "PENDING_DELETE":
            self.looks_until_gone -= 1
            if not self.looks_until_gone:
                self.status = ""
        return {"loadbalancers": found}

    def request(
        self, method: str, service: str, path: str, body: Any = None
    ) -> dict[str, Any]:
        self._answer()
        if method == "POST":
            made = body["loadbalancer"]
            assert made["flavor_id"] == "small"
            assert {name: made[name] for name in BESIDE} == BESIDE
            self.status = "ACTIVE"
            return {}
        assert (method, path) == (
            "DELETE",
            "/v2/lbaas/loadbalancers/doomed?cascade=true",
        )
        if self.status.startswith("PENDING_"):
            raise rest.ApiError(409, "it is immutable")
        self.deletions += 1
        self.status = "PENDING_DELETE"
        return {}

    def _answer(self) -> None:
        if self.is_down:
            self.is_down = False
            raise rest.ApiError(503, "it does not answer")


@pytest.fixture
def octavia(monkeypatch: pytest.MonkeyPatch) -> Octavia:
    made = Octavia()
    monkeypatch.setattr(deletion.rest, "Api", lambda **_: made)
    return made


def test_it_is_made_before_and_deleted_during_the_others(
    octavia: Octavia,
) -> None:
    FAULT.prepare(SCENE)
    assert octavia.status == "ACTIVE"
    FAULT.inject(SCENE)
    assert octavia.status == "PENDING_DELETE"
    for _ in range(2):
        FAULT.heal(SCENE)
        assert octavia.status == ""
    assert octavia.deletions == 1
    FAULT.inject(SCENE)  # nothing is there
    assert octavia.deletions == 1


def test_while_the_api_is_down_it_is_asked_for_afterwards(
    octavia: Octavia,
) -> None:
    FAULT.prepare(SCENE)
    octavia.is_down = True
    FAULT.inject(SCENE)
    assert octavia.deletions == 0
    FAULT.heal(SCENE)
    assert octavia.deletions == 1


def test_a_deletion_that_failed_is_asked_for_again(octavia: Octavia) -> None:
    octavia.status = "ERROR"
    FAULT.heal(SCENE)
    assert octavia.deletions == 1


def test_one_that_stays_is_told(
    octavia: Octavia, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(behind, "STATED_SECONDS", 0.0)
    octavia.status = "PENDING_DELETE"
    octavia.looks_until_gone = 1000
    with pytest.raises(TimeoutError, match=deletion.NAME):
        FAULT.heal(SCENE)


def test_only_this_one_is_prepared_and_comes_last() -> None:
    assert [name for name, f in FAULTS.items() if f.is_last] == ["deletion"]


@pytest.mark.parametrize(
    ("history", "is_told"),
    [
        ([(0, "PENDING_UPDATE"), (61, "PENDING_UPDATE")], True),
        ([(0, "PENDING_UPDATE"), (60, "PENDING_UPDATE")], False),
        # It was ACTIVE meanwhile, or waits for something else now.
        (
            [
                (0, "PENDING_UPDATE"),
                (50, "ACTIVE"),
                (51, "PENDING_UPDATE"),
                (100, "PENDING_UPDATE"),
            ],
            False,
        ),
        ([(0, "PENDING_UPDATE"), (61, "PENDING_DELETE")], False),
        ([(0, "ERROR"), (1000, "ERROR")], False),
        # Nobody could work meanwhile.
        (
            [
                (0, "PENDING_UPDATE"),
                (50, None),
                (51, "PENDING_UPDATE"),
                (100, "PENDING_UPDATE"),
            ],
            False,
        ),
        ([(0, "PENDING_DELETE"), (30, "gone"), (100, "gone")], False),
    ],
)
def test_who_waits_for_too_long_is_told(
    history: list[tuple[int, str | None]], is_told: bool
) -> None:
    waits = watch.Waits(60.0)
    told: list[str] = []
    for now, status in history:
        shown = {} if status == "gone" else {"lb": status or ""}
        told += waits.note(None if status is None else shown, float(now))
    assert bool(told) == is_told
    assert all(line.startswith("load balancer lb is PENDING") for line in told)


def test_statuses_are_not_known_without_controller_or_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plane: Any = SimpleNamespace(lab=SimpleNamespace(run_dir="/nowhere"))
    monkeypatch.setattr(watch.registry_lib, "Registry", lambda _: None)
    monkeypatch.setattr(watch.controller, "pid_of", lambda *_: None)
    assert watch.statuses(plane) is None

    monkeypatch.setattr(watch.controller, "pid_of", lambda *_: 7)
    monkeypatch.setattr(database, "query", lambda *_: "a\tACTIVE\nb\tERROR\n")
    assert watch.statuses(plane) == {"a": "ACTIVE", "b": "ERROR"}

    def is_down(*_: Any) -> str:
        raise database.DatabaseError("no connection")

    monkeypatch.setattr(database, "query", is_down)
    assert watch.statuses(plane) is None
