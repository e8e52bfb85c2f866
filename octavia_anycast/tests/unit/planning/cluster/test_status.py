# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Statuses: the thresholds of the design, and what a change waits for."""

from dataclasses import replace
from datetime import timedelta

import pytest

from octavia_anycast.model.cluster import ActionFailure, AmphoraStatus
from octavia_anycast.planning.amphora.failures import (
    BOOTS_FAILED,
    UNBOOTED_SECONDS,
    Patience,
)
from octavia_anycast.planning.cluster.status import (
    REMARK_LENGTH,
    OperatingStatus,
    ProvisioningVerdict,
    is_settled,
    operating_verdict,
    provisioning_verdict,
    worse_of,
)
from octavia_anycast.testing.simulated.simulation import EPOCH, World
from octavia_anycast.tests.unit.planning.clusters import desired_cluster

PATIENCE = Patience(announce_wait=15.0, error_after=300.0, refused_after=15.0)
# A boot takes 10 s, and so does a drain: longer than one step, not than four.
HASTE = replace(PATIENCE, error_after=25.0)


def verdict(world, since=EPOCH, patience=PATIENCE):
    """The provisioning verdict right now."""
    return provisioning_verdict(
        world.desired,
        world.observe(),
        world.now,
        pending_since=since,
        patience=patience,
    )


@pytest.fixture
def world():
    """A converged cluster of four, at least two for service."""
    world = World(desired=desired_cluster(size=4, minimum=2))
    world.run(30)
    return world


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (0, OperatingStatus.ONLINE),
        (1, OperatingStatus.DEGRADED),
        (2, OperatingStatus.DEGRADED),
        (3, OperatingStatus.ERROR),
        (4, OperatingStatus.OFFLINE),
    ],
)
def test_operating_status_counts_announcers(world, broken, expected):
    for guest in list(world.guests.values())[:broken]:
        guest.is_session_down = True
    status = operating_verdict(world.desired, world.observe(), world.now)
    assert status.status is expected
    assert f"{4 - broken} of 4" in status.reason


def test_disabled_is_offline(world):
    desired = replace(world.desired, is_enabled=False)
    status = operating_verdict(desired, world.observe(), world.now)
    assert status.status is OperatingStatus.OFFLINE


def test_without_listeners_ready_amphorae_are_online():
    world = World(desired=desired_cluster(listeners=()))
    world.run(30)
    status = operating_verdict(world.desired, world.observe(), world.now)
    assert status.status is OperatingStatus.ONLINE


def test_create_is_pending_until_min_size_serve():
    world = World(desired=desired_cluster(size=4, minimum=2))
    seen = []
    for _ in range(30):
        serving = len(world.announcers())
        seen.append((serving, verdict(world)))
        world.step()
    assert seen[0][1] is ProvisioningVerdict.PENDING
    assert all(v is ProvisioningVerdict.PENDING for n, v in seen if n < 2)
    assert seen[-1][1] is ProvisioningVerdict.ACTIVE


def test_unreachable_amphora_does_not_hold_up_an_update(world):
    next(iter(world.guests.values())).is_cut_off = True
    world.desired = replace(world.desired, revision="r2")
    assert verdict(world) is ProvisioningVerdict.PENDING
    world.run(3)
    assert verdict(world) is ProvisioningVerdict.ACTIVE


def test_change_waits_for_the_announcement_but_not_for_ever(world):
    for guest in world.guests.values():
        guest.is_session_down = True
    world.desired = replace(world.desired, revision="r2")
    world.run(3)
    assert verdict(world) is ProvisioningVerdict.PENDING
    world.run(15)
    assert verdict(world) is ProvisioningVerdict.ACTIVE


def test_error_after_its_time_and_active_again_once_healed():
    world = World(desired=desired_cluster(), boots_fail=True)
    world.run(310)
    assert verdict(world) is ProvisioningVerdict.ERROR
    world.boots_fail = False
    world.run(400)
    assert verdict(world) is ProvisioningVerdict.ACTIVE


def test_five_boots_that_failed_are_enough():
    """Its user can delete it then, long before ``error_after``."""
    world = World(desired=desired_cluster(), boots_fail=True)
    while len(world.failures) < BOOTS_FAILED:
        assert verdict(world) is ProvisioningVerdict.PENDING
        world.step()
    assert verdict(world) is ProvisioningVerdict.ERROR
    assert world.now - EPOCH < timedelta(seconds=PATIENCE.error_after / 2)


@pytest.mark.parametrize(
    ("age", "is_aside", "expected"),
    [
        (UNBOOTED_SECONDS - 1, False, ProvisioningVerdict.PENDING),
        (UNBOOTED_SECONDS, False, ProvisioningVerdict.ERROR),
        (UNBOOTED_SECONDS, True, ProvisioningVerdict.PENDING),
    ],
)
def test_what_fails_before_there_is_a_server(age, is_aside, expected):
    world = World(desired=desired_cluster())
    failure = ActionFailure(
        action="EnsureServerGroup",
        reason="Unexpected API Error.",
        since=EPOCH,
        is_aside=is_aside,
    )
    observed = replace(world.observe(), amphorae=(), failures=(failure,))
    found = provisioning_verdict(
        world.desired,
        observed,
        EPOCH + timedelta(seconds=age),
        pending_since=EPOCH,
        patience=PATIENCE,
    )
    assert found is expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (PATIENCE.error_after, ProvisioningVerdict.PENDING),
        (PATIENCE.error_after + 1, ProvisioningVerdict.ERROR),
    ],
)
def test_a_deletion_has_its_time(seconds, expected):
    """Boots that failed before, and a cloud that fails now, are no refusal."""
    world = World(desired=desired_cluster(), boots_fail=True)
    while len(world.failures) < BOOTS_FAILED:
        world.step()
    began = world.now
    failure = ActionFailure(
        action="RemoveLoadBalancer", reason="Neutron is away", since=began
    )
    found = provisioning_verdict(
        replace(world.desired, is_deleted=True),
        replace(world.observe(), amphorae=(), failures=(failure,)),
        began + timedelta(seconds=seconds),
        pending_since=began,
        patience=PATIENCE,
    )
    assert found is expected


def test_what_fails_beside_a_server_has_its_time():
    world = World(desired=desired_cluster())
    world.step()
    failure = ActionFailure(
        action="ConfigureHaproxy", reason="no answer", since=EPOCH
    )
    observed = replace(world.observe(), failures=(failure,))
    assert observed.amphorae
    found = provisioning_verdict(
        world.desired,
        observed,
        EPOCH + timedelta(seconds=UNBOOTED_SECONDS),
        pending_since=EPOCH,
        patience=PATIENCE,
    )
    assert found is ProvisioningVerdict.PENDING


def test_a_slow_boot_is_no_error():
    """Servers that boot for the first time have ``boot_timeout``, too."""
    haste = replace(PATIENCE, error_after=2.0)
    world = World(desired=desired_cluster())
    while verdict(world, patience=haste) is not ProvisioningVerdict.ACTIVE:
        assert verdict(world, patience=haste) is ProvisioningVerdict.PENDING
        world.step()
    assert world.now - EPOCH > timedelta(seconds=haste.error_after)


def test_failover_is_done_when_no_old_amphora_is_left(world):
    world.desired = replace(world.desired, failover_generation=1)
    since = world.now
    while verdict(world, since) is ProvisioningVerdict.PENDING:
        world.step()
        assert world.now - since < timedelta(seconds=200)
    assert all(
        g.record.generation == 1 or g.record.leaving_since
        for g in world.guests.values()
    )


def fail_over(world, seconds, **changes):
    """Ask for a failover, let it go on; each second's verdict."""
    world.desired = replace(world.desired, failover_generation=1)
    for name, value in changes.items():
        setattr(world, name, value)
    since, verdicts = world.now, []
    while (world.now - since).total_seconds() < seconds:
        world.step()
        verdicts.append(verdict(world, since, HASTE))
    return verdicts


def _limit(world):
    """Seconds that a failover may take without a step."""
    return HASTE.error_after + world.desired.policy.drain_timeout


def test_failover_takes_as_long_as_it_goes_on(world):
    verdicts = fail_over(world, 200)
    pending = verdicts.index(ProvisioningVerdict.ACTIVE)
    assert pending > _limit(world), "or this proves nothing"
    assert set(verdicts[:pending]) == {ProvisioningVerdict.PENDING}
    assert set(verdicts[pending:]) == {ProvisioningVerdict.ACTIVE}


def test_failover_that_waits_for_the_limit_locks_nobody_for_ever(
    world,
):
    limit = world.desired.policy.replacement_limit
    verdicts = fail_over(world, 60, replacements_elsewhere=limit)
    assert verdicts[int(_limit(world)) - 2] is ProvisioningVerdict.PENDING
    assert verdicts[-1] is ProvisioningVerdict.ACTIVE
    assert ProvisioningVerdict.ERROR not in verdicts
    shown = operating_verdict(world.desired, world.observe(), world.now)
    assert "failover: 4 to be replaced; " in shown.reason
    assert "held by the replacement limit" in shown.reason


def test_failover_let_go_by_the_replacement_limit_at_last_is_not_late(world):
    limit = world.desired.policy.replacement_limit
    since = world.now
    fail_over(world, 34, replacements_elsewhere=limit)
    world.replacements_elsewhere = 0
    for _ in range(200):
        world.step()
        assert verdict(world, since, HASTE) is not ProvisioningVerdict.ERROR
    assert verdict(world, since, HASTE) is ProvisioningVerdict.ACTIVE


def test_failover_whose_boots_fail_is_an_error_in_the_end(world):
    verdicts = fail_over(world, 60, boots_fail=True)
    assert verdicts[int(_limit(world)) - 2] is ProvisioningVerdict.PENDING
    assert verdicts[-1] is ProvisioningVerdict.ERROR
    world.desired = replace(world.desired, is_managed=False)
    assert verdict(world) is ProvisioningVerdict.ACTIVE, "it was stopped"


def test_settled_means_nothing_is_under_way(world):
    assert is_settled(world.desired, world.observe(), world.now)
    next(iter(world.guests.values())).is_session_down = True
    assert not is_settled(world.desired, world.observe(), world.now)


def test_one_that_does_not_answer_is_named(world):
    """Although its heartbeats arrive, so that it is not silent."""
    observed = world.observe()
    mute, *others = observed.amphorae
    mute = replace(mute, report=None, silent_seconds=1.0)
    observed = replace(observed, amphorae=(mute, *others))
    status = operating_verdict(world.desired, observed, world.now)
    assert status.status is OperatingStatus.DEGRADED
    assert f"{mute.record.id}: its agent does not answer" in status.reason


def test_long_words_leave_room_for_others(world):
    for guest in list(world.guests.values())[:2]:
        guest.is_session_down = True
    first, second, *_ = world.observe().amphorae
    observed = replace(
        world.observe(),
        amphorae=(
            _failed(first, "quota " * 100),
            _failed(second, "no host"),
            *world.observe().amphorae[2:],
        ),
    )
    status = operating_verdict(world.desired, observed, world.now)
    assert all(
        len(remark) <= REMARK_LENGTH for remark in status.reason.split("; ")
    )
    assert "quota" in status.reason
    assert f"{second.record.id}: no host" in status.reason


def _failed(amphora, reason):
    record = replace(amphora.record, status=AmphoraStatus.ERROR, reason=reason)
    return replace(amphora, record=record, report=None)


@pytest.mark.parametrize("asked", ["failover_wanted", "generation"])
def test_a_failover_is_done_when_the_old_one_is_gone(world, asked):
    """One that cannot be deleted locks nobody for ever; others serve."""
    observed = world.observe()
    first, *others = observed.amphorae
    change = {"failover_wanted": True} if asked != "generation" else {}
    desired = world.desired
    if asked == "generation":
        desired = replace(desired, failover_generation=1)
        others = [
            replace(o, record=replace(o.record, generation=1)) for o in others
        ]
    record = replace(first.record, leaving_since=world.now, **change)
    old = replace(first, record=record)
    observed = replace(observed, amphorae=(old, *others))

    def after(seconds, seen):
        now = world.now + timedelta(seconds=seconds)
        return provisioning_verdict(
            desired,
            seen,
            now,
            pending_since=world.now,
            patience=PATIENCE,
        )

    assert after(1, observed) is ProvisioningVerdict.PENDING
    gone = replace(observed, amphorae=tuple(others))
    assert after(1, gone) is ProvisioningVerdict.ACTIVE
    assert after(320, observed) is ProvisioningVerdict.ACTIVE


def test_without_listeners_a_change_is_no_reason_to_be_offline():
    world = World(desired=desired_cluster(listeners=()))
    world.run(30)
    changed = replace(world.desired, revision="another")
    status = operating_verdict(changed, world.observe(), world.now)
    assert status.status is OperatingStatus.ONLINE


def test_the_first_listener_is_no_reason_to_be_offline():
    """Its load balancer is ONLINE before, and the fabric has no path yet."""
    world = World(desired=desired_cluster(listeners=()))
    world.run(30)
    desired = desired_cluster()
    observed = world.observe()
    for was_online, expected in (
        (True, OperatingStatus.ONLINE),
        (False, OperatingStatus.OFFLINE),
    ):
        status = operating_verdict(
            desired, observed, world.now, was_online=was_online
        )
        assert status.status is expected
        assert "0 of" in status.reason


def test_all_gates_down_is_offline_in_a_change_too(world):
    for guest in world.guests.values():
        guest.is_gate_broken = True
    world.run(10)
    status = operating_verdict(
        world.desired, world.observe(), world.now, was_online=True
    )
    assert status.status is OperatingStatus.OFFLINE


@pytest.mark.parametrize(
    ("cluster", "below", "expected"),
    [
        ("ONLINE", "ONLINE", "ONLINE"),
        ("ONLINE", "DEGRADED", "DEGRADED"),
        ("ONLINE", "ERROR", "ERROR"),
        ("DEGRADED", "ERROR", "ERROR"),
        ("ERROR", "DEGRADED", "ERROR"),
        ("OFFLINE", "ERROR", "OFFLINE"),
    ],
)
def test_the_load_balancer_has_the_worse_status(cluster, below, expected):
    assert worse_of(OperatingStatus(cluster), below) == expected
