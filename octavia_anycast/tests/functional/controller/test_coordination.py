# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Controllers among themselves, by tooz's file driver on a real directory."""

import contextlib
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import tooz
from tooz import hashring

from octavia_anycast.controller.engine import coordination
from octavia_anycast.controller.engine.coordination import Coordination
from octavia_anycast.model.errors import InvalidRequest, Retryable
from octavia_anycast.tests.functional.db import test_mariadb

server = test_mariadb.server
LOAD_BALANCERS = 1000
DRAWS = 40


@contextlib.contextmanager
def controllers(directory, how_many):
    """Controllers that know each other."""
    members = [Coordination(f"file://{directory}") for _ in range(how_many)]
    for member in members:
        member.start()
    try:
        for member in members:
            member.refresh()
        yield members
    finally:
        # Each waits a second for its heart to stop.
        with ThreadPoolExecutor(how_many) as threads:
            list(threads.map(Coordination.stop, members))


def identifiers():
    return [str(uuid.uuid4()) for _ in range(LOAD_BALANCERS)]


@pytest.mark.parametrize("how_many", [1, 3])
def test_each_load_balancer_has_exactly_one_controller(tmp_path, how_many):
    with controllers(tmp_path, how_many) as members:
        for identifier in identifiers():
            assert sum(m.owns(identifier) for m in members) == 1


def test_two_share_a_thousand_within_a_fifth_of_even(tmp_path):
    with controllers(tmp_path, 2) as members:
        counts = Counter(
            number
            for identifier in identifiers()
            for number, member in enumerate(members)
            if member.owns(identifier)
        )
    even = LOAD_BALANCERS / 2
    assert set(counts) == {0, 1}
    assert all(abs(count - even) <= even / 5 for count in counts.values())


def worst_share(points):
    """The largest of two shares over even, of many pairs of controllers."""
    worst = 0.0
    for draw in range(DRAWS):
        names = [f"host-{draw}-{number}".encode() for number in range(2)]
        ring = hashring.HashRing(names, partitions=points)
        owned = sum(
            names[0] in ring.get_nodes(f"{draw}-{number}".encode())
            for number in range(LOAD_BALANCERS)
        )
        larger = max(owned, LOAD_BALANCERS - owned)
        worst = max(worst, larger / (LOAD_BALANCERS / 2))
    return worst


def test_so_many_points_are_needed():
    """Whichever names two controllers draw; with tooz's own number not."""
    assert worst_share(coordination.POINTS) <= 1.2
    assert worst_share(hashring.HashRing.DEFAULT_PARTITION_NUMBER) > 1.2


def test_who_left_is_noticed_at_the_next_refresh(tmp_path):
    ids = identifiers()
    with controllers(tmp_path, 1) as (stays,):
        with controllers(tmp_path, 1) as (leaves,):
            stays.refresh()
            theirs = [i for i in ids if leaves.owns(i)]
            assert theirs
            assert not any(stays.owns(i) for i in theirs)
        assert not any(stays.owns(i) for i in theirs), "not asked yet"
        stays.refresh()
        assert all(stays.owns(i) for i in ids)


OTHER = """
import sys, time
from octavia_anycast.controller.engine.coordination import Coordination
from octavia_anycast.model.errors import InvalidRequest, Retryable
member = Coordination(sys.argv[1])
member.start()
with member.lock("lb") as is_held:
    print(is_held, flush=True)
    time.sleep(600)
"""


def test_who_is_killed_loses_its_lock_at_once_and_its_share_soon(tmp_path):
    """The lock goes with the process, the share when its time has passed."""
    url = f"file://{tmp_path}?timeout=1"
    ids = identifiers()
    stays = Coordination(url)
    stays.start()
    other = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", OTHER, url],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert other.stdout.readline() == "True\n"
        stays.refresh()
        assert not all(stays.owns(i) for i in ids)
        with stays.lock("lb") as is_held:
            assert not is_held
        other.kill()
        other.wait()
        with stays.lock("lb") as is_held:
            assert is_held
        deadline = time.monotonic() + 30
        while not all(stays.owns(i) for i in ids):
            assert time.monotonic() < deadline
            stays.refresh()
    finally:
        other.kill()
        other.communicate()
        stays.stop()


def test_a_lock_is_held_by_one(tmp_path):
    with controllers(tmp_path, 2) as (first, second):
        with first.lock("lb") as is_held:
            assert is_held
            with second.lock("lb") as is_held_too:
                assert not is_held_too
        with second.lock("lb") as is_held:
            assert is_held


def _waits_its_turn(url):
    """One waits in vain, and then as long as the other one holds it."""
    holder, waiter = Coordination(url), Coordination(url)
    holder.connect()
    waiter.connect()
    try:
        with ThreadPoolExecutor(1) as thread:
            with holder.lock("lb") as is_held:
                assert is_held
                with waiter.lock("lb") as is_held_too:
                    assert not is_held_too
                with waiter.lock("lb", 0.2) as is_held_too:
                    assert not is_held_too

                def wait():
                    with waiter.lock("lb", 30) as is_held:
                        return is_held

                waits = thread.submit(wait)
            assert waits.result(30)
    finally:
        holder.stop()
        waiter.stop()


def test_who_waits_gets_the_lock_when_it_is_free(tmp_path):
    _waits_its_turn(f"file://{tmp_path}")


@test_mariadb.pytestmark[0]
@test_mariadb.pytestmark[1]
def test_who_waits_gets_it_from_a_database_too(server):
    """tooz's drivers tell in two ways that the wait is over."""
    _waits_its_turn(f"mysql://root@/?unix_socket={server.directory}/socket")


@pytest.mark.parametrize("scheme", ["etcd3+http", "nosuch"])
def test_a_driver_that_is_not_installed(scheme, monkeypatch):
    monkeypatch.setitem(sys.modules, "etcd3gw", None)
    with pytest.raises(InvalidRequest) as refused:
        Coordination(f"{scheme}://:secret@127.0.0.1:2379")
    assert refused.value.field == "coordination_url"
    assert scheme in refused.value.reason
    assert "secret" not in refused.value.reason


def is_away(*_arguments, **_options):
    """What tooz raises if its service does not answer."""
    raise tooz.ToozError("connection refused")


def lose(controller, monkeypatch, name):
    """Hold a lock that cannot be released when it should be."""
    lock = controller._coordinator.get_lock(f"octavia-anycast-{name}".encode())
    with monkeypatch.context() as patch:
        patch.setattr(lock, "release", is_away)
        patch.setattr(controller._coordinator, "get_lock", lambda _: lock)
        with (
            pytest.raises(Retryable, match=r"coordination_url.*refused"),
            controller.lock(name) as is_held,
        ):
            assert is_held
    return lock


def test_a_service_that_is_away_is_no_fault_of_ours(tmp_path, monkeypatch):
    """Else each reconcile would count as crashed."""
    with controllers(tmp_path, 1) as (one,):
        lock = one._coordinator.get_lock(b"octavia-anycast-lb")
        with monkeypatch.context() as patch:
            patch.setattr(lock, "acquire", is_away)
            patch.setattr(one._coordinator, "get_lock", lambda _: lock)
            with (
                pytest.raises(Retryable, match=r"coordination_url.*refused"),
                one.lock("lb"),
            ):
                pytest.fail("it is not held")
        with one.lock("lb") as is_held:
            assert is_held


def test_a_release_that_failed_is_made_up_for(tmp_path, monkeypatch, caplog):
    """Else no controller could look after it until this one ends."""
    caplog.set_level("INFO", coordination.__name__)
    with controllers(tmp_path, 2) as (one, other):
        locks = [lose(one, monkeypatch, name) for name in ("lb", "second")]
        with monkeypatch.context() as patch:
            for lock in locks:
                patch.setattr(lock, "release", is_away)
            one.refresh()
            one.refresh()
        for controller in (one, other):
            with controller.lock("lb") as is_held:
                assert not is_held
        warnings = [r for r in caplog.records if r.levelname == "WARNING"]
        assert len(warnings) == 2, "once for each"
        assert "released." not in caplog.text
        one.refresh()
        for name in ("lb", "second"):
            assert f"The lock of {name} is released." in caplog.text
            with other.lock(name) as is_held:
                assert is_held
                # It is not released for who holds it now.
                one.refresh()
                with one.lock(name) as is_held_too:
                    assert not is_held_too


def test_a_lock_that_is_not_held_any_more_is_forgotten(tmp_path, monkeypatch):
    """As after the answer to a release was lost, or its time was over."""
    with controllers(tmp_path, 1) as (one,):
        lock = lose(one, monkeypatch, "lb")
        calls = []

        def is_not_held():
            calls.append(1)
            return False

        with monkeypatch.context() as patch:
            patch.setattr(lock, "release", is_not_held)
            one.refresh()
            one.refresh()
        assert calls == [1]
        lock.release()


def test_a_lock_that_somebody_let_go_is_not_beaten_for(tmp_path, monkeypatch):
    """Else its lease would never end, and nobody could take it."""
    with controllers(tmp_path, 1) as (one,):
        lock = lose(one, monkeypatch, "lb")
        held = {lock}
        monkeypatch.setattr(
            one._coordinator, "_acquired_locks", held, raising=False
        )
        with monkeypatch.context() as patch:
            patch.setattr(lock, "release", lambda: False)
            one.refresh()
        assert held == set()
        lock.release()


@pytest.mark.parametrize("kind", [set, list])
@pytest.mark.parametrize("is_kept", [True, False])
def test_a_lock_whose_time_was_over_is_let_go(
    tmp_path, monkeypatch, kind, is_kept
):
    """The drivers keep those that are held in a set or in a list."""
    with controllers(tmp_path, 1) as (one,):
        lock = one._coordinator.get_lock(b"octavia-anycast-lb")
        held = kind([lock] if is_kept else [])
        monkeypatch.setattr(
            one._coordinator, "_acquired_locks", held, raising=False
        )
        with monkeypatch.context() as patch:
            patch.setattr(one._coordinator, "get_lock", lambda _: lock)
            patch.setattr(lock, "release", lambda: False)
            with one.lock("lb") as is_held:
                assert is_held
        assert not held
        lock.release()


def test_while_the_service_is_asked_nobody_waits(tmp_path, monkeypatch):
    """It may hang for longer than a heartbeat is fresh."""
    with controllers(tmp_path, 2) as (one, _):
        expected = {i: one.owns(i) for i in identifiers()}
        is_asked, answers = threading.Event(), threading.Event()

        def hang():
            is_asked.set()
            answers.wait(60)

        monkeypatch.setattr(one._coordinator, "run_watchers", hang)
        with ThreadPoolExecutor(2) as threads:
            asking = threads.submit(one.refresh)
            try:
                assert is_asked.wait(60)
                found = threads.submit(
                    lambda: {
                        i: (one.owns(i), one.owner_receives_at(i))
                        for i in expected
                    }
                ).result(20)
            finally:
                answers.set()
            asking.result(60)
        assert found == {i: (is_ours, "") for i, is_ours in expected.items()}


def test_a_group_that_is_gone_is_told_until_it_is_back(tmp_path):
    with controllers(tmp_path, 1) as (one,):
        assert one.is_answering
        (tmp_path / "groups").rename(tmp_path / "away")
        one.refresh()
        assert not one.is_answering
        # What it looked after it looks after, and locks are as before.
        assert one.owns("lb")
        with one.lock("lb") as is_held:
            assert is_held
        (tmp_path / "away").rename(tmp_path / "groups")
        one.refresh()
        assert one.is_answering


def test_a_service_that_is_away_at_the_start_is_waited_for(
    tmp_path, monkeypatch
):
    """The drivers raise what is their own then."""
    one = Coordination(f"file://{tmp_path}")
    with monkeypatch.context() as patch:
        patch.setattr(one._coordinator, "_start", _refuse_connection)
        for _ in range(2):
            with pytest.raises(Retryable, match=r"coordination_url.*refused"):
                one.start()
    one.stop()
    one.start()
    try:
        one.refresh()
        assert one.owns("lb")
        assert one.holds("lb") is False
    finally:
        one.stop()


def _refuse_connection():
    raise ConnectionError("connection refused")


def test_who_joined_without_hearing_of_it_takes_part(tmp_path, monkeypatch):
    """The answer to an earlier attempt may be lost."""
    one = Coordination(f"file://{tmp_path}")
    one.connect()
    one._coordinator.join_group_create(
        coordination.GROUP, capabilities={"weight": 1}
    )
    try:
        one.start()
        one.refresh()
        assert one.owns("lb")
    finally:
        one.stop()


def test_where_an_owner_receives_heartbeats(tmp_path):
    """It is told to all others, and nobody hands on to itself."""
    url, ids = f"file://{tmp_path}", identifiers()
    places = ("192.0.2.1:5556", "[2001:db8::2]:5556", "")
    members = [Coordination(url, receives_at=place) for place in places]
    for member in members:
        assert member.owner_receives_at(ids[0]) == "", "not joined yet"
        member.start()
    try:
        for member in members:
            member.refresh()
        for identifier in ids:
            (owner,) = (n for n in range(3) if members[n].owns(identifier))
            for number, member in enumerate(members):
                expected = "" if number == owner else places[owner]
                assert member.owner_receives_at(identifier) == expected
    finally:
        with ThreadPoolExecutor(3) as threads:
            list(threads.map(Coordination.stop, members))


def test_a_lock_is_held_until_it_is_released(tmp_path):
    with controllers(tmp_path, 2) as (first, second):
        with first.lock("lb") as is_held:
            assert is_held
            assert first.holds("lb")
            assert not second.holds("lb")
            with second.lock("lb"):
                assert not second.holds("lb")
        assert not first.holds("lb")
