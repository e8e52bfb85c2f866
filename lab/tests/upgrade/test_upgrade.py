# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""From the last release to this one, in the order of the operator's guide.

    made by the last release   load balancer, two amphorae
    too early                  the new controller refuses the old tables
    tables, check              the old API and controller go on
    side by side               new controllers beside old ones
    controller                 new; the API and both agents are old
    API                        new; both agents are old
    image                      a third amphora, new, beside the old ones
    failover                   all are new

Requests flow all the time. What is new is told by the image layers on which
an amphora stands. ``OA_UPGRADE_NODES=3`` has three controllers with etcd and
Galera.
"""

import dataclasses
import os
import pathlib
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator
from functools import partial

import losses
import pytest
from cluster_bench import Amphora, Balancer, Bench, web_listener
from octavia_anycast_lab.amphora import image
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.cloud import (
    controller,
    database,
    octavia_api,
    service,
)
from octavia_anycast_lab.host import process
from rollout import One, Rollout, Three, nothing

pytestmark = pytest.mark.lab

MANAGE = "octavia-anycast-manage"
NAME = "kept"
SIZE = 2
SECONDS = 240.0
# Only so that nothing waits for ever.
COMMAND_SECONDS = 900.0
# All of the stages, on a busy machine.
STORY_SECONDS = 3600.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """What came of the tables, the controllers and the API."""

    lost: losses.Losses
    before: frozenset[str]
    versions: tuple[str, ...]
    refused: "subprocess.CompletedProcess[str]"


@pytest.fixture(scope="module")
def released(bench: Bench) -> Balancer:
    """A load balancer that the last release has made."""
    made = bench.create(NAME, SIZE, listeners=[web_listener(bench)])
    bench.await_active(made.id)
    bench.await_whole(made)
    return made


@pytest.fixture(scope="module")
def rollout(bench: Bench, released: Balancer, source: typing.Any) -> Rollout:
    """The controllers, of the last release still."""
    made: dict[str, Rollout] = {
        "1": One(bench=bench),
        "3": Three(bench, released, source.product()),
    }
    nodes = os.environ.get("OA_UPGRADE_NODES") or "1"
    assert nodes in made, f"OA_UPGRADE_NODES={nodes}: give 1 or 3"
    made[nodes].prepare()
    return made[nodes]


@pytest.fixture(scope="module")
def upgraded(
    bench: Bench, released: Balancer, rollout: Rollout
) -> Iterator[Upgrade]:
    """Tables, controller and API of now; the agents are as they were."""
    before = bench.instance_ids(released)
    versions = [_version(bench)]
    with losses.stream(bench, released, STORY_SECONDS) as stream:
        refused = _run(bench, controller.SCRIPT)
        database.upgrade_own_tables(bench.plane)
        versions.append(_version(bench))
        checked = _run(bench, MANAGE, "distributor", "check")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        _change(bench, released)  # by the old API and the old controller
        rollout.side_by_side(partial(_change, bench, released))
        rollout.finish()
        bench.await_converged(released)
        _change(bench, released)  # by the old API and the new controller
        _replace_api(bench)
        _change(bench, released)
        bench.await_converged(released)
        lost = stream.end()
    yield Upgrade(
        lost=lost,
        before=before,
        versions=tuple(versions),
        refused=refused,
    )
    bench.octavia.delete_load_balancer(released.id, cascade=True)
    bench.await_gone(released.id)


def _version(bench: Bench) -> str:
    sql = "SELECT version_num FROM anycast_alembic_version"
    return database.query(bench.plane, "octavia", sql).strip()


def _run(
    bench: Bench, name: str, *arguments: str
) -> "subprocess.CompletedProcess[str]":
    """Run one of our commands, of now, to its end."""
    return subprocess.run(
        [
            pathlib.Path(sys.executable).with_name(name),
            *controller.config_arguments(bench.plane),
            *arguments,
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )


def _change(
    bench: Bench,
    balancer: Balancer,
    meanwhile: Callable[[], None] = nothing,
) -> None:
    """Change a listener; every amphora gets a new configuration."""
    (listener,) = bench.octavia.listeners(load_balancer_id=balancer.id)
    limit = 1000 + (listener.connection_limit + 1) % 100
    bench.octavia.update_listener(listener.id, connection_limit=limit)
    meanwhile()
    bench.await_active(balancer.id)
    found = bench.octavia.get_listener(listener.id)
    assert found.connection_limit == limit
    process.wait_until(
        lambda: all(
            f"maxconn {limit}" in _haproxy_configuration(bench, amphora)
            for amphora in bench.amphorae(balancer)
        ),
        SECONDS,
        "the new limit in each amphora",
        0.5,
    )


def _haproxy_configuration(bench: Bench, amphora: Amphora) -> str:
    return bench.inside(
        amphora, "sh", "-c", "cat /var/lib/octavia/*/haproxy.cfg"
    )


def _replace_api(bench: Bench) -> None:
    api = octavia_api.configure(bench.plane)
    process.stop(bench.registry, api.label)
    service.start(bench.plane, bench.registry, api)
    service.await_answer(bench.plane, bench.registry, api)


def _is_new(bench: Bench, amphora: Amphora) -> bool:
    """Whether it was booted from the image of now."""
    newest = image.published(bench.lab, image.Flavour.ANYCAST)
    return amphora.seen.instance.layers == tuple(map(str, newest.layers))


def _resize(bench: Bench, balancer: Balancer, size: int) -> Balancer:
    path = f"/v2/lbaas/loadbalancers/{balancer.id}/cluster"
    body = {"cluster": {"desired_size": size}}
    bench.admin.request("PUT", rest.LOAD_BALANCER, path, body)
    return dataclasses.replace(balancer, size=size)


def test_tables_controller_and_api_change_and_no_request_fails(
    bench: Bench, released: Balancer, upgraded: Upgrade
) -> None:
    old, new = upgraded.versions
    assert old != new, "the releases have the same tables"
    assert upgraded.lost.is_nothing, upgraded.lost
    assert upgraded.before <= bench.instance_ids(released)


def test_the_new_controller_refuses_the_old_tables(upgraded: Upgrade) -> None:
    refused = upgraded.refused
    assert refused.returncode == 2, refused.stderr
    assert f"the tables are at version {upgraded.versions[0]}" in (
        refused.stderr
    )
    assert "run 'octavia-anycast-manage db upgrade'" in refused.stderr


def test_a_new_agent_joins_the_old_ones_and_then_replaces_them(
    bench: Bench, released: Balancer, upgraded: Upgrade
) -> None:
    image.publish(bench.lab)
    with losses.stream(bench, released, STORY_SECONDS) as stream:
        wider = _resize(bench, released, SIZE + 1)
        bench.await_converged(wider)
        joined = stream.end()
    new = [_is_new(bench, amphora) for amphora in bench.amphorae(wider)]
    assert sorted(new) == [False] * SIZE + [True]
    assert joined.is_planned_change_only, joined
    with losses.stream(bench, released, STORY_SECONDS) as stream:
        bench.operator.failover_load_balancer(released.id)
        process.wait_until(
            lambda: not upgraded.before & bench.instance_ids(released),
            SECONDS,
            "only amphorae of now",
            0.5,
        )
        bench.await_converged(wider)
        replaced = stream.end()
    assert all(_is_new(bench, amphora) for amphora in bench.amphorae(wider))
    assert replaced.is_planned_change_only, replaced


def test_the_stream_sees_what_is_lost(
    bench: Bench, released: Balancer, upgraded: Upgrade
) -> None:
    """The control: an amphora without a warning is noticed."""
    amphorae = bench.amphorae(released)
    whole = dataclasses.replace(released, size=len(amphorae))
    with losses.stream(bench, released, STORY_SECONDS) as stream:
        bench.machines.kill(amphorae[0].instance_id)
        bench.await_whole(whole)
        lost = stream.end()
    assert not lost.is_nothing
