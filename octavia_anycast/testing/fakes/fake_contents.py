# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the amphorae of the fake cloud refuse, and what must never happen.

An object is refused by every amphora, or an amphora refuses everything. The
refusal names the object, or nothing: then only trials tell.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from octavia_anycast.model.errors import ContentRefused, SecretUnread
from octavia_anycast.model.load_balancer import LoadBalancerTree
from octavia_anycast.octavia_adapter.load_balancer.data_model import (
    children,
    trial_model,
)
from octavia_anycast.octavia_adapter.load_balancer.load_balancers import (
    OctaviaLoadBalancers,
)
from octavia_anycast.planning.cluster.culprits import Alert
from octavia_anycast.planning.cluster.refusal import PUSHES_MAX
from octavia_anycast.testing.fakes.fake_machine import Machine


@dataclass
class FakeContents:
    """What is refused.

    ``refused``: object id -> sentence. ``broken``: amphorae whose HAProxy
    refuses everything. ``strict``: amphora id -> what only it refuses.
    ``unread``: the listeners whose secrets cannot be read.
    """

    violations: list[str]
    refused: dict[str, str] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    strict: dict[str, str] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    names_culprits: bool = True
    pushes: Counter[tuple[str, str]] = field(default_factory=Counter)
    octavia: OctaviaLoadBalancers = field(default_factory=OctaviaLoadBalancers)

    def model_of(self, tree: LoadBalancerTree) -> Any:
        """Octavia's data model of a tree."""
        return self.octavia.model_of(tree)

    def check_push(self, tree: LoadBalancerTree, machine: Machine) -> None:
        """Refuse a configuration with what is refused.

        :raises ContentRefused: as the adapter does.
        """
        alerts = self.alerts(tree, machine, frozenset())
        if not alerts:
            return
        key = (machine.amphora_id, tree.revision)
        self.pushes[key] += 1
        if self.pushes[key] > PUSHES_MAX:
            self.violations.append("pushed again what was refused")
        sentence = alerts[0].sentence
        raise ContentRefused(f"refused: {sentence}", sentence)

    def unread_in(
        self, tree: LoadBalancerTree, machine: Machine
    ) -> SecretUnread | None:
        """What is as it was in this amphora; None: all can be read."""
        unread = {s.listener_id for s in tree.listeners} & self.unread
        if not unread:
            return None
        lacking = {
            socket.listener_id
            for socket in tree.listeners
            if socket.listener_id in unread
            and (socket.ip_address, socket.port) not in machine.sockets
        }
        return SecretUnread(
            f"listener {min(unread)} stays as it is: no answer",
            unread_ids=tuple(sorted(unread)),
            lacking_ids=tuple(sorted(lacking)),
        )

    def alerts(
        self,
        tree: LoadBalancerTree,
        machine: Machine,
        left_out: frozenset[str],
    ) -> tuple[Alert, ...]:
        """What this amphora says against the tree without some objects."""
        if machine.amphora_id in self.broken:
            return (Alert(sentence="cannot be executed"),)
        model = trial_model(self.model_of(tree), left_out)
        ids = [child.id for _, child in children(model)]
        refused = dict(self.refused)
        if machine.amphora_id in self.strict:
            refused[self.strict[machine.amphora_id]] = "not here"
        return tuple(
            Alert(
                sentence=refused[one],
                about=(one,) if self.names_culprits else (),
            )
            for one in ids
            if one in refused
        )
