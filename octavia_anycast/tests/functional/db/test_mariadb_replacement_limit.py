# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The replacement limit of a cloud: two controllers, one private MariaDB.

Each has its own engine and connections, as two processes have; the servers
that were really ordered are counted, not the rows.
"""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace

import pytest

from octavia_anycast.controller.cluster import tasks
from octavia_anycast.controller.engine.job import Job
from octavia_anycast.controller.meter import NO_METER
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.engine import Database
from octavia_anycast.model.actions import BootAmphora
from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.model.distributor import Zone
from octavia_anycast.model.errors import Conflict, Retryable
from octavia_anycast.tests.functional.db import test_mariadb
from octavia_anycast.tests.functional.db.test_records import NOW

pytestmark = test_mariadb.pytestmark
server = test_mariadb.server
database = test_mariadb.database
LIMIT = 3
CONTROLLERS = 2
AT_ONCE = 6
BOOT_TIMEOUT = 600


class Controller:
    """What the task needs of one; ``ordered``: the cloud's servers."""

    def __init__(self, url, ordered):
        self.ordered = ordered
        self.world = SimpleNamespace(
            database=Database(url),
            now=lambda: NOW,
            settings=SimpleNamespace(
                policy=SimpleNamespace(
                    replacement_limit=LIMIT, boot_timeout=BOOT_TIMEOUT
                )
            ),
            files=SimpleNamespace(
                build=lambda *_: SimpleNamespace(cert_expiration=NOW)
            ),
            compute=SimpleNamespace(build=self._build),
            meter=NO_METER,
        )

    def _build(self, tree, amphora_id, zone, drive):
        self.ordered.append(amphora_id)
        return f"server-{amphora_id}"

    def boot(self, amphora_id, *, is_replacement=True):
        """Replace an amphora, again until there is a clear answer."""
        job = Job(
            self.world,
            SimpleNamespace(distributor=SimpleNamespace(id="d", speakers=())),
            SimpleNamespace(amphorae=()),
            SimpleNamespace(id=f"lb-{amphora_id}"),
        )
        action = BootAmphora(
            amphora_id=amphora_id,
            zone=Zone(availability_zone="z", frontend_network_id="n"),
            generation=0,
            is_replacement=is_replacement,
            first_state=None,
        )
        while True:
            try:
                tasks.carry_out(job, action)
            except Conflict:
                return False
            except Retryable:
                continue
            return True


@pytest.fixture(params=["empty", "others", "snapshot isolation"])
def cloud(request, server, database):
    """Two controllers; other amphorae may be there, which do not count.

    MariaDB 11.6 and later refuse to lock what changed since it was first
    read: ``innodb_snapshot_isolation``.
    """
    with database.transaction() as session:
        for number in range(0 if request.param == "empty" else 5):
            amphorae.create(session, row(f"other-{number}", number % 2 == 0))
    is_strict = int(request.param == "snapshot isolation")
    setting = f"SET GLOBAL innodb_snapshot_isolation = {is_strict}"
    if server.execute(setting) and is_strict:
        pytest.skip("a MariaDB that has no such setting")
    url = database.engine().url.render_as_string(hide_password=False)
    ordered = []
    yield [Controller(url, ordered) for _ in range(CONTROLLERS)]
    server.execute("SET GLOBAL innodb_snapshot_isolation = 0")


def row(amphora_id, is_replacing):
    """One that is no replacement, or one that has been stuck for long."""
    since = NOW - timedelta(seconds=2 * BOOT_TIMEOUT) if is_replacing else NOW
    return AmphoraRecord(
        id=amphora_id,
        load_balancer_id="other",
        status=AmphoraStatus.BOOTING,
        status_since=since,
        is_replacing=is_replacing,
    )


def all_at_once(controllers, **how):
    """Each replaces several at the same time; how many were taken."""
    together = threading.Barrier(CONTROLLERS * AT_ONCE)

    def boot(number, controller):
        together.wait(test_mariadb.DEADLINE_SECONDS)
        return controller.boot(f"a{number}", **how)

    with ThreadPoolExecutor(CONTROLLERS * AT_ONCE) as threads:
        done = threads.map(
            boot,
            range(CONTROLLERS * AT_ONCE),
            itertools.cycle(controllers),
        )
        return sum(done)


def test_two_controllers_together_replace_as_many_as_the_limit_lets(
    cloud,
):
    assert all_at_once(cloud) == LIMIT
    assert len(cloud[0].ordered) == LIMIT


def test_a_place_is_free_again_for_the_other_controller(cloud):
    first, second = cloud
    assert [first.boot(f"b{n}") for n in range(LIMIT + 1)] == [
        *[True] * LIMIT,
        False,
    ]
    assert not second.boot("c")
    with first.world.database.transaction() as session:
        amphorae.update(session, "b0", now=NOW, is_replacing=False)
    assert second.boot("d")
    assert not first.boot("e")


def test_what_users_ask_for_is_not_held_up(cloud):
    """The control: without the replacement limit all of them boot."""
    assert all_at_once(cloud, is_replacement=False) == CONTROLLERS * AT_ONCE


def test_without_its_lock_more_get_through(cloud, monkeypatch):
    """The control: who only counts sees what was before the others began."""
    counted = threading.Barrier(LIMIT + 2)
    count = amphorae.replacements_under_way

    mine = threading.local()

    def careless(session, since, *, is_locked=False):
        found = count(session, since)
        if not hasattr(mine, "found"):  # once, not after a deadlock
            mine.found = found
            counted.wait(test_mariadb.DEADLINE_SECONDS)
        return mine.found

    monkeypatch.setattr(amphorae, "replacements_under_way", careless)
    with ThreadPoolExecutor(LIMIT + 2) as threads:
        names = [f"f{number}" for number in range(LIMIT + 2)]
        assert all(threads.map(Controller.boot, itertools.cycle(cloud), names))
    assert len(cloud[0].ordered) > LIMIT
