# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Autoscaling, as properties of a simulated cluster."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from octavia_anycast.model.autoscale import Autoscale, Metric
from octavia_anycast.model.cluster import ClusterSize
from octavia_anycast.tests.unit.planning.autoscale.load_simulation import (
    BOOT_SECONDS,
    STEP_SECONDS,
    TIMING,
    simulate,
)

TARGETS = st.integers(1, 1_000)
TOLERANCES = st.sampled_from([0.0, 0.05, 0.1, 0.3, 0.9])
DELAYS = st.sampled_from([0, 30, 60, 300])
COOLDOWNS = st.sampled_from([0, 30, 120])
few = settings(max_examples=60)


@st.composite
def autoscales(draw):
    return Autoscale(
        metric=draw(st.sampled_from([Metric.CONNECTIONS, Metric.BYTES])),
        target=draw(TARGETS),
        tolerance=draw(TOLERANCES),
        scale_in_delay=draw(DELAYS),
    )


@st.composite
def sizes(draw):
    minimum = draw(st.integers(1, 4))
    desired = draw(st.integers(minimum, 8))
    return ClusterSize(
        desired=desired,
        minimum=minimum,
        maximum=draw(st.integers(desired, 12)),
    )


@st.composite
def curves(draw):
    """Loads that jump whenever they like, in amphorae worth of target."""
    steps = draw(st.lists(st.floats(0, 15), min_size=1, max_size=40))
    length = draw(st.sampled_from([5, 15, 60, 200]))
    return lambda t: steps[int(t // length) % len(steps)]


def scaled(curve, autoscale):
    return lambda t: curve(t) * autoscale.target


@few
@given(autoscales(), sizes(), curves(), COOLDOWNS, st.integers(2, 50))
def test_it_is_bounded_and_paced_whatever_the_load(
    autoscale, size, curve, cooldown, loss
):
    run = simulate(
        autoscale,
        size,
        scaled(curve, autoscale),
        seconds=1200,
        cooldown_seconds=cooldown,
        is_lost=lambda step, index: (step * 7 + index) % loss == 0,
    )
    before = size.desired
    for change in run.changes:
        assert change.before == before
        assert size.minimum <= change.after <= size.maximum
        assert change.after > before or change.after == before - 1
        before = change.after
    pauses = [
        b.at - a.at for a, b in zip(run.changes, run.changes[1:], strict=False)
    ]
    assert all(pause >= max(cooldown, STEP_SECONDS) for pause in pauses)
    # What made it grow keeps it from shrinking for the delay.
    for a, b in zip(run.changes, run.changes[1:], strict=False):
        if a.after > a.before and b.after < b.before:
            assert b.at - a.at >= autoscale.scale_in_delay


@few
@given(autoscales(), sizes(), st.floats(0, 15), COOLDOWNS)
def test_a_constant_load_comes_to_rest(autoscale, size, worth, cooldown):
    load = worth * autoscale.target
    run = simulate(
        autoscale,
        size,
        lambda t: load,
        seconds=4000,
        cooldown_seconds=cooldown,
    )
    directions = {change.after > change.before for change in run.changes}
    assert len(directions) <= 1
    resting = run.size
    most = resting * autoscale.target * (1 + autoscale.tolerance)
    least = (resting - 1) * autoscale.target * (1 - autoscale.tolerance)
    assert load <= most or resting == size.maximum
    assert load > least or resting == size.minimum
    assert not run.changes or run.changes[-1].at < 3700


@few
@given(autoscales(), sizes(), st.floats(0, 15), st.floats(0, 15), COOLDOWNS)
def test_a_step_is_followed(autoscale, size, low, high, cooldown):
    low, high = sorted((low, high))
    step_at = 300

    def curve(t):
        return (high if t >= step_at else low) * autoscale.target

    run = simulate(
        autoscale, size, curve, seconds=900, cooldown_seconds=cooldown
    )
    load = high * autoscale.target
    enough = run.size * autoscale.target * (1 + autoscale.tolerance)
    assert load <= enough or run.size == size.maximum
    grown = [c for c in run.changes if c.after > c.before and c.at >= step_at]
    # At most: its last size comes up, it cools down, it is measured.
    soon = step_at + cooldown + BOOT_SECONDS + TIMING.warm_up + 30
    assert all(change.at <= soon for change in grown)
    assert len(grown) <= 1


@few
@given(
    autoscales(),
    st.sampled_from([10, 20, 60, 150, 400]),
    st.floats(0, 10),
    st.floats(0, 10),
    st.sampled_from([60, 120]),
)
def test_an_oscillating_load_is_damped(autoscale, period, low, high, cooldown):
    def curve(t):
        is_high = t % period < period / 2
        return (high if is_high else low) * autoscale.target

    seconds = 3000
    run = simulate(
        autoscale,
        ClusterSize(desired=2, maximum=12),
        curve,
        seconds=seconds,
        cooldown_seconds=cooldown,
    )
    assert len(run.changes) <= math.ceil(seconds / cooldown)
    if autoscale.scale_in_delay >= period and run.changes:
        # It shows its height more often than the delay: no way down again.
        peak = max(low, high)
        first_out = next(
            (c.at for c in run.changes if c.after > c.before), None
        )
        later = [c for c in run.changes if first_out and c.at > first_out]
        wanted = math.ceil(peak)
        assert all(c.after > c.before or c.after >= wanted for c in later)


@few
@given(autoscales(), sizes(), curves(), st.integers(0, 100))
def test_what_is_not_measured_never_shrinks_it(
    autoscale, size, curve, since_step
):
    run = simulate(
        autoscale,
        size,
        scaled(curve, autoscale),
        seconds=1200,
        is_lost=lambda step, index: index == 0 and step >= since_step,
    )
    blind_from = since_step * STEP_SECONDS + TIMING.fresh
    assert not [
        change
        for change in run.changes
        if change.after < change.before and change.at > blind_from
    ]


@few
@given(autoscales(), sizes())
def test_without_any_measurement_nothing_happens(autoscale, size):
    run = simulate(
        autoscale,
        size,
        lambda t: 1_000_000.0,
        seconds=600,
        is_lost=lambda step, index: True,
    )
    assert run.changes == []
