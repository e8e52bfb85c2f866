# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the faults "deleted behind our back" ask of Neutron and Octavia."""

from types import SimpleNamespace
from typing import Any

import pytest
from octavia_anycast_lab.chaos import behind
from octavia_anycast_lab.chaos.catalog import FAULTS

AMPHORA = "0d6a6f9e-0000-4000-8000-000000000001"
GROUPS = [{"id": "sg", "name": "lb-balancer"}]
PORTS = [
    {"id": "fe", "security_groups": ["sg", "other"]},
    {"id": "strange", "security_groups": ["other"]},
]
RULES = [
    {"id": "in", "direction": "ingress"},
    {"id": "out", "direction": "egress"},
]


class Services:
    """Neutron and Octavia; keeps what was asked of them."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def get(self, service: str, path: str) -> dict[str, Any]:
        if "loadbalancers" in path:
            shown = {
                "vip_port_id": "vip",
                "provisioning_status": "ACTIVE",
                "listeners": [{"id": "listener"}],
            }
            return {"loadbalancer": shown}
        if "security-group-rules" in path:
            return {"security_group_rules": RULES}
        if "security-groups" in path:
            assert path.endswith("?name=lb-balancer")
            return {"security_groups": GROUPS}
        if "?name=" in path:
            assert path.endswith(f"octavia-anycast-fe-{AMPHORA}")
            return {"ports": PORTS[:1]}
        return {"ports": PORTS}

    def request(
        self, method: str, service: str, path: str, body: Any = None
    ) -> dict[str, Any]:
        self.asked.append(f"{method} {path.rpartition('/v2')[2]}")
        return {}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vip-port-deleted", ["DELETE .0/ports/vip"]),
        ("front-end-port-deleted", ["DELETE .0/ports/fe"]),
        (
            "security-group-deleted",
            ["PUT .0/ports/fe", "DELETE .0/security-groups/sg"],
        ),
        (
            "security-group-rules-deleted",
            ["DELETE .0/security-group-rules/in"],
        ),
    ],
)
def test_something_is_deleted_and_then_a_listener_changes(
    monkeypatch: pytest.MonkeyPatch, name: str, expected: list[str]
) -> None:
    services = Services()
    monkeypatch.setattr(behind.rest, "Api", lambda **_: services)
    scene = SimpleNamespace(
        plane=None,
        load_balancer_id="balancer",
        victim=SimpleNamespace(name=f"amphora-{AMPHORA}"),
    )
    FAULTS[name].inject(scene)  # type: ignore[arg-type]
    FAULTS[name].heal(scene)  # type: ignore[arg-type]
    assert services.asked == [*expected, "PUT /lbaas/listeners/listener"]
