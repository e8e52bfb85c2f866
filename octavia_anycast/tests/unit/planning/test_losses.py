# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What somebody deleted behind our back, as the sweep's inventory shows it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from octavia_anycast.model.cluster import AmphoraStatus
from octavia_anycast.model.housekeeping import Census, Inventory
from octavia_anycast.planning import housekeeping
from octavia_anycast.tests.unit.planning.test_orphans import (
    NOW,
    amphora,
    cluster,
    of_load_balancer,
    port,
)

WHOLE = Inventory(
    clusters=(replace(cluster(), config_revision="r1"),),
    amphorae=(amphora(frontend_port_id="port-a"),),
    octavia=Census(
        live=frozenset({"lb"}), with_own_vip_port=frozenset({"lb"})
    ),
    ports=(port(), of_load_balancer("vip")),
    security_groups=(of_load_balancer("sg"),),
)


def found(**changes):
    return [
        (loss.what, loss.amphora_id)
        for loss in housekeeping.find_losses(replace(WHOLE, **changes))
    ]


def test_what_is_whole_has_lost_nothing():
    assert found() == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ports": (port(),)}, [("its VIP port", "")]),
        ({"security_groups": ()}, [("its security group", "")]),
        (
            {"ports": (port("b"), of_load_balancer("vip"))},
            [("one of its ports", "a")],
        ),
        (
            {
                "amphorae": (
                    amphora(
                        frontend_port_id="port-a", member_network_ids=("m",)
                    ),
                )
            },
            [("one of its ports", "a")],
        ),
    ],
)
def test_what_is_gone_is_found(changes, expected):
    assert found(**changes) == expected


@pytest.mark.parametrize(
    "changes",
    [
        # A user's own VIP port cannot be told from none.
        {"ports": (port(),), "octavia": Census(live=frozenset({"lb"}))},
        # It is not prepared yet, or is about to be.
        {"security_groups": (), "clusters": (cluster(),)},
        # Octavia's row is gone: an orphan, no loss.
        {"security_groups": (), "octavia": Census()},
        # A network driver that cannot list.
        {"ports": (), "security_groups": (), "octavia": Census()},
        *(
            {"amphorae": (amphora("b", **fields),)}
            for fields in (
                {},
                {"frontend_port_id": "p", "failover_wanted": True},
                {"frontend_port_id": "p", "status": AmphoraStatus.ERROR},
                {
                    "frontend_port_id": "p",
                    "leaving_since": NOW - timedelta(seconds=1),
                },
                {"frontend_port_id": "p", "load_balancer_id": None},
            )
        ),
    ],
)
def test_what_may_be_on_its_way_is_no_loss(changes):
    assert found(**changes) == []
