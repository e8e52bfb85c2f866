# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""One amphora out of service: through the API, by the real controller."""

from datetime import UTC, datetime

import pytest

from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.model.wire import Intent

PATH = "/v2/octavia/amphorae"


@pytest.fixture
def serving(stage):
    """A cluster of two that announces; the API knows but the real time."""
    stage.cloud.now = datetime.now(UTC)
    stage.run()
    stage.add_listener()
    stage.run()
    return stage


def announcers(stage):
    return stage.cloud.announcers(stage.load_balancer_id)


def records(stage):
    with stage.api.database.transaction() as session:
        return amphorae.list_for(session, stage.load_balancer_id)


def drain(stage, amphora_id, seconds):
    body = {"drain": {"timeout": seconds}}
    return stage.api.call("PUT", f"{PATH}/{amphora_id}/drain", body)


def show(stage, amphora_id):
    return stage.api.call("GET", f"{PATH}/{amphora_id}/drain").body["drain"]


def intents(stage, amphora_id):
    """What its agent was told last."""
    (machine,) = (
        m for m in stage.cloud.machines.values() if m.amphora_id == amphora_id
    )
    return {vip.intent for vip in machine.state.vips}


def test_drained_and_back(serving):
    first, second = (r.id for r in records(serving))
    boots = len(serving.cloud.machines)

    assert drain(serving, first, 30).status == 202
    serving.controller.reconcile(serving.load_balancer_id)

    assert show(serving, first)["state"] == "DRAINING"
    assert intents(serving, first) == {Intent.DRAIN}
    assert len(announcers(serving)) == 2

    serving.run(120)
    assert show(serving, first)["state"] == "DRAINED"
    assert intents(serving, first) == {Intent.WITHDRAW}
    assert len(announcers(serving)) == 1
    assert len(serving.cloud.machines) == boots
    assert serving.show()["operating_status"] == "DEGRADED"
    assert serving.show()["provisioning_status"] == "ACTIVE"
    with serving.api.database.transaction() as session:
        reason = clusters.get(session, serving.load_balancer_id).reason
    assert f"{first}: drained by wish" in reason

    refused = drain(serving, second, 30)
    assert refused.status == 409
    assert "the only one of its cluster in service" in refused.fault

    answer = serving.api.call("DELETE", f"{PATH}/{first}/drain")
    assert answer.status == 204
    serving.run()
    assert show(serving, first)["state"] == "NONE"
    assert len(announcers(serving)) == 2
    assert serving.show()["operating_status"] == "ONLINE"


@pytest.mark.parametrize(("established", "told"), [(0, 0), (3, 1)])
def test_what_is_left_at_the_deadline_is_told(
    serving, caplog, established, told
):
    first, _ = (r.id for r in records(serving))
    for machine in serving.cloud.machines.values():
        machine.established = established
    drain(serving, first, 30)
    serving.run(120)
    assert show(serving, first)["state"] == "DRAINED"
    vips = len(show(serving, first)["vips"])
    sentence = f"is over with {established * vips} established connections"
    assert caplog.text.count(sentence) == told


def test_a_controller_that_dies_meanwhile_forgets_nothing(serving):
    first, _ = (r.id for r in records(serving))
    drain(serving, first, 30)
    serving.controller.reconcile(serving.load_balancer_id)
    before = show(serving, first)
    serving.restart()
    serving.controller.reconcile(serving.load_balancer_id)
    assert show(serving, first)["deadline"] == before["deadline"]
    assert show(serving, first)["state"] == "DRAINING"
    serving.restart()
    serving.run(120)
    assert show(serving, first)["state"] == "DRAINED"
    assert len(announcers(serving)) == 1


def test_what_was_told_and_not_recorded_is_told_again(serving):
    """As if the controller had been killed between the two."""
    first, _ = (r.id for r in records(serving))
    drain(serving, first, 30)
    serving.controller.reconcile(serving.load_balancer_id)
    with serving.api.database.transaction() as session:
        amphorae.update(session, first, draining_since=None)
    serving.controller.reconcile(serving.load_balancer_id)
    assert show(serving, first)["state"] == "DRAINING"


def test_a_drained_one_goes_with_its_load_balancer(serving):
    first, _ = (r.id for r in records(serving))
    drain(serving, first, 0)
    serving.run()
    serving.delete()
    serving.run()
    assert not records(serving)
    assert not serving.cloud.machines


def test_one_that_is_taken_back_as_it_is_told_leaves_no_mark(
    serving, monkeypatch
):
    first, _ = (r.id for r in records(serving))
    drain(serving, first, 30)
    tell = serving.cloud.put_state

    def telling(amphora_id, address, state):
        tell(amphora_id, address, state)
        if {vip.intent for vip in state.vips} == {Intent.DRAIN}:
            serving.api.call("DELETE", f"{PATH}/{first}/drain")

    monkeypatch.setattr(serving.cloud, "put_state", telling)
    serving.run()

    (record,) = (r for r in records(serving) if r.id == first)
    assert record.draining_since is None
    assert record.drained_at is None
    assert len(announcers(serving)) == 2


@pytest.mark.parametrize("mark", ["draining_since", "drained_at"])
def test_a_mark_of_before_does_not_end_the_next_one(serving, mark):
    first, _ = (r.id for r in records(serving))
    with serving.api.database.transaction() as session:
        amphorae.update(session, first, **{mark: serving.cloud.now})

    drain(serving, first, 30)
    serving.controller.reconcile(serving.load_balancer_id)

    assert intents(serving, first) == {Intent.DRAIN}
    assert show(serving, first)["state"] == "DRAINING"
    assert serving.api.call("DELETE", f"{PATH}/{first}/drain").status == 204
    (record,) = (r for r in records(serving) if r.id == first)
    assert record.draining_since is None


@pytest.mark.parametrize("mark", ["draining_since", "drained_at"])
def test_taken_back_once_more_it_clears_what_was_left(serving, mark):
    first, _ = (r.id for r in records(serving))
    with serving.api.database.transaction() as session:
        amphorae.update(session, first, **{mark: serving.cloud.now})

    serving.api.call("DELETE", f"{PATH}/{first}/drain")

    (record,) = (r for r in records(serving) if r.id == first)
    assert getattr(record, mark) is None
