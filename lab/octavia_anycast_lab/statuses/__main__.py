# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``python -m octavia_anycast_lab.statuses``: what ``make statuses`` runs.

The same stories with our provider and with Octavia's own, its unmodified
worker and health manager beside ours in one lab. The exit status is 1 if a
status differs that is not among the known differences.
"""

import argparse
import sys
import time
import typing
from concurrent.futures import ThreadPoolExecutor

from octavia_anycast_lab import down, settings, up
from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.bench import world
from octavia_anycast_lab.cli import EXPECTED
from octavia_anycast_lab.progress import Progress
from octavia_anycast_lab.statuses import play, record, setups

_LAB = "statuses"
_STILL_SECONDS = 10.0  # three heartbeats
_REST_SECONDS = 120.0


class LabPlayer(play.Player):
    """Plays in the lab, where things happen by themselves."""

    def __init__(
        self,
        lab: world.World,
        balancer: world.LoadBalancer,
        member_subnet: str,
    ) -> None:
        def call(
            method: str, path: str, body: setups.Body | None = None
        ) -> typing.Any:
            return lab.api.request(method, balancer.service, path, body)

        super().__init__(play.Reader(balancer.id, call), member_subnet)
        self._lab = lab
        self._balancer = balancer

    def await_active(self) -> None:
        """Poll."""
        self._lab.await_active(self._balancer)

    def at_rest(self) -> play.Statuses:
        """Read until nothing has changed for some heartbeats."""
        deadline = time.monotonic() + _REST_SECONDS
        last, since = self._read(), time.monotonic()
        while time.monotonic() - since < _STILL_SECONDS:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self._balancer.id} comes to no rest")
            time.sleep(1.0)
            now = self._read()
            if now != last:
                last, since = now, time.monotonic()
        return self.reader.read()

    def _read(self) -> play.Statuses:
        shown = self.reader.shown()
        return {f"{x.kind} {x.name}": x.statuses for x in shown}


def play_all(
    lab: world.World, stories: typing.Iterable[setups.Story]
) -> tuple[record.Table, record.Table]:
    """Ours and Octavia's."""
    tables: tuple[record.Table, record.Table] = ({}, {})
    with lab.stock(), ThreadPoolExecutor(2) as threads:
        for story in stories:
            lab.say(story.name)
            told = threads.map(_play, (lab, lab), (story, story), (1, None))
            for table, chapters in zip(tables, told, strict=True):
                table[story.name] = chapters
    return tables


def _play(
    lab: world.World, story: setups.Story, size: int | None
) -> record.Chapters:
    answer = lab.api.get(rest.NETWORK, "/v2.0/subnets?name=backend-v4")
    subnet_id = str(answer["subnets"][0]["id"])
    graph = {
        "listeners": play.placed(story.listeners, subnet_id),
        "pools": play.placed(story.pools, subnet_id),
    }
    balancer = lab.create(size, f"{story.name}-{size}", **graph)
    try:
        return dict(LabPlayer(lab, balancer, subnet_id).play(story))
    finally:
        lab.delete(balancer)


def main() -> None:
    """Bring a lab up, compare, print; ``--record`` keeps Octavia's."""
    parser = argparse.ArgumentParser(prog="statuses", description=__doc__)
    parser.add_argument("--lab", default=_LAB)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--keep-lab", action="store_true")
    parser.add_argument(
        "--story", choices=[s.name for s in setups.STORIES], default=""
    )
    options = parser.parse_args()
    stories = [s for s in setups.STORIES if options.story in ("", s.name)]
    lab, progress = settings.Lab(name=options.lab), Progress()
    try:
        up.require_machine()
        plane = up.up(lab, progress)
        place = world.World(
            plane=plane,
            api=rest.Api(plane=plane),
            registry=registry_lib.Registry(lab.run_dir),
            say=progress.note,
        )
        place.prepare()
        ours, stock = play_all(place, stories)
        if not options.keep_lab:
            down.down(lab, progress)
    except (rest.ApiError, RuntimeError, *EXPECTED) as error:
        sys.exit(f"statuses: {error}")
    if options.record:
        record.save(stock)
    found = [
        f"{story}, {line}"
        for story, chapters in stock.items()
        for line in record.differences(ours[story], chapters)
    ]
    count = sum(len(s) for story in stock.values() for s in story.values())
    found.append(f"{count} statuses compared, {len(found)} differ")
    print("\n".join(found))  # noqa: T201
    sys.exit(1 if found[1:] else 0)


if __name__ == "__main__":
    main()
