# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Plays a story with one provider, and reads the statuses at rest.

How the API is called, and what there is to wait for, is the caller's part.
"""

import abc
import collections.abc
import dataclasses
import re
import typing

from octavia_anycast_lab.statuses import setups

# "kind name" -> (provisioning status, operating status)
Statuses = dict[str, tuple[str, str]]

_ROOT = "/v2/lbaas"
_REFERENCE = re.compile(r"\{([^{}]+)\}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An object as its collection shows it; a rule's name is its value."""

    kind: str
    name: str
    id: str
    provisioning_status: str
    operating_status: str

    @property
    def statuses(self) -> tuple[str, str]:
        """Provisioning and operating status."""
        return self.provisioning_status, self.operating_status


class Call(typing.Protocol):
    """One request to the API."""

    def __call__(
        self, method: str, path: str, body: setups.Body | None = None
    ) -> typing.Any:
        """Give the decoded answer."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reader:
    """Reads everything of one load balancer."""

    balancer_id: str
    call: Call

    def read(self) -> Statuses:
        """What each object shows; ``loadbalancer status show`` agrees.

        :raises RuntimeError: it does not.
        """
        shown = self.shown()
        path = f"/loadbalancers/{self.balancer_id}/status"
        tree = self._get(path)["statuses"]["loadbalancer"]
        known = {one.id: one.statuses for one in shown}
        for identifier, statuses in _walk(tree):
            if known[identifier] != statuses:
                raise RuntimeError(
                    f"{identifier}: the tree shows {statuses}, the object "
                    f"itself {known[identifier]}"
                )
        return {f"{x.kind} {x.name}": x.statuses for x in shown}

    def shown(self) -> list[Shown]:
        """Each object, the load balancer first."""
        whole = f"/loadbalancers/{self.balancer_id}"
        ours = f"?loadbalancer_id={self.balancer_id}"
        found = [_shown("loadbalancer", self._get(whole)["loadbalancer"])]
        listeners = self._list("listener", f"/listeners{ours}")
        pools = self._list("pool", f"/pools{ours}")
        for pool in pools:
            found += self._list("member", f"/pools/{pool.id}/members")
            monitors = f"/healthmonitors?pool_id={pool.id}"
            found += self._list("healthmonitor", monitors)
        for listener in listeners:
            path = f"/l7policies?listener_id={listener.id}"
            for policy in self._list("l7policy", path):
                rules = f"/l7policies/{policy.id}/rules"
                found += [policy, *self._list("rule", rules)]
        return [*found, *listeners, *pools]

    def _list(self, kind: str, path: str) -> list[Shown]:
        answer = self._get(path)
        (rows,) = (v for k, v in answer.items() if not k.endswith("_links"))
        return [_shown(kind, row) for row in rows]

    def _get(self, path: str) -> typing.Any:
        return self.call("GET", f"{_ROOT}{path}")


class Player(abc.ABC):
    """Plays a story with one load balancer."""

    def __init__(self, reader: Reader, member_subnet: str) -> None:
        self.reader = reader
        self._member_subnet = member_subnet
        self._names: dict[str, str] = {}

    @abc.abstractmethod
    def await_active(self) -> None:
        """Wait until the last change is made."""

    @abc.abstractmethod
    def at_rest(self) -> Statuses:
        """Wait until nothing changes any more, and read."""

    def play(
        self, story: setups.Story
    ) -> collections.abc.Iterator[tuple[str, Statuses]]:
        """Give the statuses at the end of each chapter."""
        self.await_active()
        for chapter in story.chapters:
            for step in chapter.steps:
                self._take(step)
            yield chapter.name, self.at_rest()

    def _take(self, step: setups.Step) -> None:
        try:
            path, body = self._resolved(step)
        except KeyError:  # made since
            self._names = {
                f"{x.kind} {x.name}": x.id for x in self.reader.shown()
            }
            self._names["lb"] = self.reader.balancer_id
            path, body = self._resolved(step)
        self.reader.call(step.method, f"{_ROOT}{path}", body)
        self.await_active()

    def _resolved(self, step: setups.Step) -> tuple[str, typing.Any]:
        path = resolved(step.path, self._names)
        body = resolved(step.body, self._names)
        return path, placed(body, self._member_subnet)


def _shown(kind: str, row: setups.Body) -> Shown:
    name = row["value"] if kind == "rule" else row["name"]
    return Shown(
        kind=kind,
        name="" if kind == "loadbalancer" else name,
        id=row["id"],
        provisioning_status=row["provisioning_status"],
        operating_status=row["operating_status"],
    )


def _walk(
    node: typing.Any,
) -> collections.abc.Iterator[tuple[str, tuple[str, str]]]:
    """(id, statuses) of each object of a status tree."""
    if isinstance(node, list):
        for item in node:
            yield from _walk(item)
    elif isinstance(node, dict) and "id" in node:
        yield (
            node["id"],
            (node["provisioning_status"], node["operating_status"]),
        )
        for value in node.values():
            yield from _walk(value)


def resolved(wanted: typing.Any, names: dict[str, str]) -> typing.Any:
    """The same with ids for names in braces."""
    if isinstance(wanted, str):
        return _REFERENCE.sub(lambda found: names[found[1]], wanted)
    if isinstance(wanted, dict):
        return {key: resolved(value, names) for key, value in wanted.items()}
    if isinstance(wanted, list | tuple):
        return [resolved(value, names) for value in wanted]
    return wanted


def placed(wanted: typing.Any, subnet_id: str) -> typing.Any:
    """The same with the members in their subnet."""
    if isinstance(wanted, list | tuple):
        return [placed(value, subnet_id) for value in wanted]
    if not isinstance(wanted, dict):
        return wanted
    made = {key: placed(value, subnet_id) for key, value in wanted.items()}
    return {**made, "subnet_id": subnet_id} if "address" in made else made
