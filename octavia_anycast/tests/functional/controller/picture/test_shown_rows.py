# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What is read of Octavia's own rows, made by its API."""

from octavia_anycast.octavia_adapter.load_balancer.shown import ShownRows
from octavia_anycast.testing import octavia_rows
from octavia_anycast.tests.functional.object_tree import Tree

NASTY = "<script>\n\"'" + "\U0001f33f" * 200


def test_names_statuses_and_vips(tree: Tree):
    (found,) = ShownRows().all()
    row = octavia_rows.load_balancer(tree.lb)
    assert (found.id, found.name) == (tree.lb, row.name or "")
    assert found.project_id == row.project_id
    assert found.provisioning_status == "ACTIVE"
    assert found.operating_status == row.operating_status
    assert set(found.vips) == {
        row.vip.ip_address,
        row.additional_vips[0].ip_address,
    }
    assert found.vips[0] == row.vip.ip_address
    assert ShownRows().one(tree.lb) == found
    assert ShownRows().one("nobody") is None


def test_names_are_what_people_wrote(tree: Tree):
    path = f"/v2/lbaas/loadbalancers/{tree.lb}"
    tree.api.call("put", path, {"loadbalancer": {"name": NASTY[:255]}})
    (found,) = ShownRows().all()
    assert found.name == NASTY[:255]


def test_content(tree: Tree):
    found = ShownRows().content(tree.lb)
    row = octavia_rows.load_balancer(tree.lb)
    listeners = {x.id: x for x in found.listeners}
    assert set(listeners) == {x.id for x in row.listeners}
    assert found.listener_count == len(row.listeners)
    assert listeners[tree.listener].port == 80
    assert listeners[tree.listener].pool_ids == (tree.pool,)
    assert listeners[tree.tcp].pool_ids == ()
    pools = {x.id: x for x in found.pools}
    assert set(pools) == {tree.pool, tree.other_pool}
    (member,) = pools[tree.pool].members
    assert member.id == tree.member
    assert pools[tree.pool].member_count == 1
    assert ShownRows().content("nobody").listeners == ()


def test_a_pool_of_a_policy_is_used_too(tree: Tree):
    tree.add(
        "l7policies",
        "l7policy",
        listener_id=tree.listener,
        action="REDIRECT_TO_POOL",
        redirect_pool_id=tree.other_pool,
    )
    found = {x.id: x for x in ShownRows().content(tree.lb).listeners}
    used = found[tree.listener].pool_ids
    assert used == (tree.pool, tree.other_pool)


def test_more_than_are_shown_are_counted(tree: Tree):
    found = ShownRows(counts_max=1).content(tree.lb)
    assert len(found.pools) == 1
    assert found.pool_count == 2


def test_a_deleted_one_is_not_shown(tree: Tree):
    octavia_rows.set_status("loadbalancer", tree.lb, "DELETED")
    assert ShownRows().all() == []
