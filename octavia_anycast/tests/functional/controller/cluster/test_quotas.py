# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What a project uses of its quotas is what exists, whatever happened."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from octavia.db import api as octavia_db
from octavia.db import models

from octavia_anycast.octavia_adapter.load_balancer.load_balancers import (
    OctaviaLoadBalancers,
)
from octavia_anycast.octavia_adapter.load_balancer.statuses import (
    OctaviaStatuses,
)
from octavia_anycast.testing import samples

LBAAS = "/v2/lbaas"
MODELS = {
    "load_balancer": models.LoadBalancer,
    "listener": models.Listener,
    "pool": models.Pool,
    "member": models.Member,
    "health_monitor": models.HealthMonitor,
    "l7policy": models.L7Policy,
    "l7rule": models.L7Rule,
}
PROJECTS = ("a" * 32, "b" * 32)
MONITOR = {"type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 2}
RULE = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/x"}
POOL = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}


def _members(count):
    return [
        {"address": f"10.10.0.{n + 11}", "protocol_port": 80}
        for n in range(count)
    ]


def _populated(subnet_id):
    """A body with two listeners, three policies, four rules, two pools."""
    first = {"name": "p", **POOL, "members": _members(2)}
    other = {"name": "q", **POOL, "healthmonitor": MONITOR}
    policies = [
        {"action": "REJECT", "rules": [RULE, RULE]},
        {
            "action": "REDIRECT_TO_POOL",
            "redirect_pool": {"name": "q"},
            "rules": [RULE],
        },
    ]
    listeners = [
        {
            "protocol": "HTTP",
            "protocol_port": 80,
            "default_pool": {"name": "p"},
            "l7policies": policies,
        },
        {
            "protocol": "HTTP",
            "protocol_port": 81,
            "l7policies": [{"action": "REJECT", "rules": [RULE]}],
        },
    ]
    return {
        "vip_subnet_id": subnet_id,
        "listeners": listeners,
        "pools": [first, other],
    }


@dataclass
class Tenants:
    """Two projects that use the API, and the controller's bookkeeping."""

    api: Any
    subnet_id: str
    statuses: OctaviaStatuses = field(default_factory=OctaviaStatuses)
    reader: OctaviaLoadBalancers = field(default_factory=OctaviaLoadBalancers)

    def call(self, project, method, path, body=None):
        """Call the API as a member of the project."""
        headers = {"X-Roles": "member", "X-Project-Id": project}
        with self.api.authenticated():
            return self.api.call(method, f"{LBAAS}{path}", body, headers)

    def settle(self, *, should_fail=False):
        """Do as the controller does with all that is pending."""
        for load_balancer_id in self.reader.pending_ids():
            tree = self.reader.read(load_balancer_id)
            if tree.is_being_deleted:
                assert self.statuses.delete(tree)
                continue
            if should_fail:
                assert self.statuses.fail(tree)
                continue
            assert self.statuses.settle(tree)

    def rows(self, model, project):
        """The project's rows that are not DELETED."""
        session = octavia_db.get_session()
        with session.begin():
            return [
                row.id
                for row in session.query(model)
                .filter_by(project_id=project)
                .order_by(model.created_at, model.id)
                if row.provisioning_status != "DELETED"
            ]

    def existing(self, project):
        """Kind -> number of rows that are not DELETED."""
        return {
            kind: len(self.rows(model, project))
            for kind, model in MODELS.items()
        }

    def in_use(self, project):
        """Kind -> what is recorded; never counted is 0."""
        session = octavia_db.get_session()
        with session.begin():
            row = session.get(models.Quotas, project)
            return {
                kind: (row and getattr(row, f"in_use_{kind}")) or 0
                for kind in MODELS
            }

    def check(self):
        """In use is what exists."""
        for project in PROJECTS:
            assert self.in_use(project) == self.existing(project)

    # What tenants do; each asks the API once.

    def create(self, project, _):
        body = {"vip_subnet_id": self.subnet_id}
        self.call(project, "POST", "/loadbalancers", {"loadbalancer": body})

    def create_populated(self, project, _):
        body = {"loadbalancer": _populated(self.subnet_id)}
        answer = self.call(project, "POST", "/loadbalancers", body)
        assert answer.status == 201, answer.text

    def create_refused(self, project, _):
        """Rolled back by Octavia after it counted most of it."""
        body = _populated(self.subnet_id)
        body["listeners"][1]["default_pool"] = {"name": "missing"}
        answer = self.call(
            project, "POST", "/loadbalancers", {"loadbalancer": body}
        )
        assert answer.status == 400, answer.text

    def add_listener(self, project, n):
        self._add(
            *(project, n, "load_balancer", "loadbalancer_id", "/listeners"),
            *("listener", {"protocol": "HTTP", "protocol_port": 1000 + n}),
        )

    def add_pool(self, project, n):
        self._add(
            *(project, n, "load_balancer", "loadbalancer_id", "/pools"),
            *("pool", POOL),
        )

    def add_monitor(self, project, n):
        self._add(
            *(project, n, "pool", "pool_id", "/healthmonitors"),
            *("healthmonitor", MONITOR),
        )

    def add_policy(self, project, n):
        self._add(
            *(project, n, "listener", "listener_id", "/l7policies"),
            *("l7policy", {"action": "REJECT"}),
        )

    def add_rule(self, project, n):
        for policy in self._some(project, "l7policy", n):
            path = f"/l7policies/{policy}/rules"
            self.call(project, "POST", path, {"rule": RULE})

    def replace_members(self, project, n):
        for pool in self._some(project, "pool", n):
            body = {"members": _members(n % 4)}
            self.call(project, "PUT", f"/pools/{pool}/members", body)

    def delete_listener(self, project, n):
        self._delete(project, n, "listener", "/listeners")

    def delete_pool(self, project, n):
        self._delete(project, n, "pool", "/pools")

    def delete_monitor(self, project, n):
        self._delete(project, n, "health_monitor", "/healthmonitors")

    def delete_policy(self, project, n):
        self._delete(project, n, "l7policy", "/l7policies")

    def delete_cascade(self, project, n):
        for balancer in self._some(project, "load_balancer", n):
            path = f"/loadbalancers/{balancer}?cascade=true"
            self.call(project, "DELETE", path)

    def _some(self, project, kind, n):
        """One of the project's, or none if there is none."""
        found = self.rows(MODELS[kind], project)
        return found[n % len(found) :][:1] if found else []

    def _add(self, project, n, parent, reference, path, root, body):
        for parent_id in self._some(project, parent, n):
            given_body = {root: {reference: parent_id, **body}}
            self.call(project, "POST", path, given_body)

    def _delete(self, project, n, kind, path):
        for row_id in self._some(project, kind, n):
            self.call(project, "DELETE", f"{path}/{row_id}")


DEEDS = [
    name
    for name in vars(Tenants)
    if name.startswith(("create", "add_", "replace_", "delete_"))
]
STEPS = st.tuples(
    st.sampled_from(DEEDS),
    st.sampled_from(PROJECTS),
    st.integers(0, 5),
    st.sampled_from(("settle", "settle", "settle", "fail")),
)


@pytest.fixture
def tenants(api):
    """The API with a distributor and a network, nobody has used it."""
    _, (v4,) = api.neutron.add_network("198.51.100.0/24")
    api.create(f"{LBAAS}/distributors", samples.distributor(is_default=True))
    api.settle()
    return Tenants(api, v4)


def _step(name, project=PROJECTS[0], n=0, outcome="settle"):
    return (name, project, n, outcome)


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example([_step("create_populated"), _step("delete_cascade")])
@example([_step("create_populated", outcome="fail"), _step("delete_cascade")])
@example([_step("create_populated"), _step("delete_listener")])
@example([_step("create_populated"), _step("delete_policy")])
@example([_step("create_populated"), _step("delete_pool", n=1)])
@example([_step("create_populated"), _step("add_policy", n=1)])
@example([_step("create_populated"), _step("replace_members", n=1)])
@example([_step("create_populated"), _step("replace_members", n=0)])
@example([_step("create_refused"), _step("create_populated")])
@given(st.lists(STEPS, min_size=3, max_size=8))
def test_in_use_is_what_exists_after_any_history(tenants, steps):
    snapshot = tenants.api.snapshot()
    try:
        for name, project, n, outcome in steps:
            getattr(tenants, name)(project, n)
            tenants.settle(should_fail=outcome == "fail")
            tenants.check()
        tenants.settle()
        tenants.check()
    finally:
        tenants.api.restore(snapshot)


@pytest.mark.parametrize("recorded", [-3, 0, None, 50])
def test_a_wrong_use_is_mended_with_the_next_delete(tenants, recorded):
    """As an earlier version, or a worker that died, may have left it."""
    project = PROJECTS[0]
    for _ in range(2):
        tenants.create_populated(project, 0)
        tenants.settle()
    session = octavia_db.get_session()
    with session.begin():
        row = session.get(models.Quotas, project)
        for kind in MODELS:
            setattr(row, f"in_use_{kind}", recorded)

    tenants.delete_cascade(project, 0)
    tenants.settle()

    assert min(tenants.existing(project).values()) > 0
    tenants.check()


@pytest.mark.parametrize("recorded", [0, 9])
def test_beside_another_provider_use_never_sinks_below_what_exists(
    tenants, recorded
):
    """Its worker subtracts some time after it deleted a row."""
    project = PROJECTS[0]
    for _ in range(2):
        tenants.create_populated(project, 0)
        tenants.settle()
    session = octavia_db.get_session()
    with session.begin():
        balancer = session.query(models.LoadBalancer).first()
        session.get(models.Quotas, project).in_use_listener = recorded
        other = models.LoadBalancer(
            id="0" * 36,
            project_id=project,
            provider="amphora",
            provisioning_status="ACTIVE",
            operating_status="ONLINE",
            enabled=True,
            topology=balancer.topology,
        )
        session.add(other)

    tenants.delete_cascade(project, 0)
    tenants.settle()

    left = tenants.existing(project)["listener"]
    assert left == 2
    assert tenants.in_use(project)["listener"] == max(recorded - 2, left)
