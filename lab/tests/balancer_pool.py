# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""One load balancer that modules share, made anew where one has spoilt it.

At most one exists: a whole cluster is told by the instances that are there.
"""

import json
import pathlib
import pickle
import typing

from cluster_bench import Balancer, Bench, web_listener
from openstack import exceptions

NAME = "shared"
SIZE = 2
# What changes without anybody's wish.
_MOVING = ("updated_at", "operating_status", "provisioning_status")


class Pool:
    """Gives out the shared load balancer, as it was when it was made.

    ``kept``: the file of the one that a run before this one has left.
    """

    def __init__(self, bench: Bench, kept: pathlib.Path) -> None:
        self._bench = bench
        self._kept = kept
        self._balancer: Balancer | None = None
        self._content = ""

    def reuse(self) -> None:
        """Go on with the one of an earlier run, if it left one."""
        if self._kept.exists():
            self._balancer = pickle.loads(self._kept.read_bytes())
            self._content = self._found()

    def take(self) -> Balancer:
        """A dual-stack load balancer, announced by all its amphorae."""
        if self._balancer is None or not self._is_as_made(self._balancer):
            self.empty()
            self._balancer = self._made()
            self._content = self._found()
        return self._balancer

    def empty(self) -> None:
        """Have none."""
        self._balancer = None
        self._kept.unlink(missing_ok=True)
        self._bench.remove_earlier(NAME)

    def _made(self) -> Balancer:
        bench = self._bench
        made = bench.create(NAME, SIZE, listeners=[web_listener(bench)])
        self._kept.write_bytes(pickle.dumps(made))
        bench.await_active(made.id)
        bench.await_whole(made)
        return made

    def _is_as_made(self, balancer: Balancer) -> bool:
        if not self._content or self._found() != self._content:
            return False
        try:
            self._bench.await_converged(balancer)
        except TimeoutError:
            return False
        # Where a rack had no room, both are in the other one.
        racks = {one.seen.rack for one in self._bench.amphorae(balancer)}
        return len(racks) == SIZE

    def _found(self) -> str:
        """Its objects with all attributes; empty if it does not exist."""
        assert self._balancer is not None
        path = f"/lbaas/loadbalancers/{self._balancer.id}"
        try:
            found = self._get(path)
            cluster = self._get(f"{path}/cluster")
            content = [
                found,
                [size for size in cluster.items() if "_size" in size[0]],
            ]
            for listener in found["listeners"]:
                content.append(self._get(f"/lbaas/listeners/{listener['id']}"))
            for pool in found["pools"]:
                path = f"/lbaas/pools/{pool['id']}"
                content += [self._get(path), self._get(f"{path}/members")]
        except exceptions.NotFoundException:
            return ""
        return json.dumps(content, sort_keys=True)

    def _get(self, path: str) -> typing.Any:
        answer = self._bench.octavia.get(path)
        exceptions.raise_from_response(answer)
        (document,) = (
            value
            for name, value in answer.json().items()
            if not name.endswith("_links")
        )
        return _still(document)


def _still(document: typing.Any) -> typing.Any:
    if isinstance(document, list):
        return [_still(one) for one in document]
    return {k: v for k, v in document.items() if k not in _MOVING}
