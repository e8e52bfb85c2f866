# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What Keystone gets for Heat, with openstacksdk's own signatures."""

from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from octavia_anycast_lab import deployment, settings
from octavia_anycast_lab.orchestration import heat, seed
from openstack.identity.v3 import _proxy


class Keystone:
    """Keeps what is made; the proxy in front of it knows the signatures."""

    def __init__(self) -> None:
        self.made: list[tuple[str, dict[str, Any]]] = []
        self.granted: set[tuple[str, str, str, str]] = set()
        self.things: dict[str, list[Any]] = {
            "role": [self._thing(n) for n in ("admin", "service")],
            "project": [self._thing("service")],
            "user": [self._thing("heat-domain-admin", domain_id="default")],
            "domain": [],
            "service": [],
            "endpoint": [],
        }
        self.proxy = mock.create_autospec(_proxy.Proxy, instance=True)
        for kind in self.things:
            self._serve(kind)
        self.proxy.roles.side_effect = lambda: list(self.things["role"])
        self.proxy.endpoints.side_effect = lambda service_id: [
            e for e in self.things["endpoint"] if e.service_id == service_id
        ]
        for scope in ("project", "domain"):
            self._grant(scope)

    @staticmethod
    def _thing(name: str, **attributes: str) -> Any:
        return SimpleNamespace(id=f"id-of-{name}", name=name, **attributes)

    def _serve(self, kind: str) -> None:
        def find(name: str, **query: str) -> Any:
            for thing in self.things[kind]:
                has_all = query.items() <= vars(thing).items()
                if thing.name == name and has_all:
                    return thing
            return None

        def create(**attributes: str) -> Any:
            self.made.append((kind, attributes))
            thing = self._thing(**{"name": "", **attributes})
            self.things[kind].append(thing)
            return thing

        getattr(self.proxy, f"find_{kind}").side_effect = find
        getattr(self.proxy, f"create_{kind}").side_effect = create

    def _grant(self, scope: str) -> None:
        def grant(target: Any, user: Any, role: Any) -> None:
            self.granted.add((scope, target.name, user.name, role.name))

        name = f"assign_{scope}_role_to_user"
        getattr(self.proxy, name).side_effect = grant


@pytest.fixture
def plane(tmp_path: Any) -> deployment.Deployment:
    """A deployment whose files are nowhere else."""
    return deployment.Deployment.of(
        settings.Lab(name="seeds", run_root=tmp_path)
    )


def test_heat_gets_what_its_guide_asks_for(
    plane: deployment.Deployment,
) -> None:
    keystone = Keystone()
    connection = SimpleNamespace(identity=keystone.proxy)
    seed.fill(connection, plane)
    kinds = [kind for kind, _ in keystone.made]
    assert kinds.count("endpoint") == 3
    assert {
        attributes["url"]
        for kind, attributes in keystone.made
        if kind == "endpoint"
    } == {f"http://{plane.address}:8004/v1/%(project_id)s"}
    assert ("role", {"name": "heat_stack_user"}) in keystone.made
    assert keystone.granted == {
        ("project", "service", "heat", "admin"),
        ("project", "service", "heat", "service"),
        ("domain", heat.STACK_DOMAIN, heat.STACK_DOMAIN_ADMIN, "admin"),
    }
    # One of that name in another domain is somebody else.
    (manager,) = [
        attributes
        for kind, attributes in keystone.made
        if kind == "user" and attributes["name"] == heat.STACK_DOMAIN_ADMIN
    ]
    assert manager["domain_id"] == f"id-of-{heat.STACK_DOMAIN}"

    before = len(keystone.made)
    seed.fill(connection, plane)
    assert len(keystone.made) == before, "again changes nothing"


def test_heats_file_is_rendered_from_its_own_folder(
    plane: deployment.Deployment,
) -> None:
    plane.config_dir.mkdir(parents=True)
    service = heat.configure(plane)
    text = (plane.config_dir / "heat.conf").read_text()
    assert "stack_user_domain_name = heat\n" in text
    assert plane.secrets.service_password in text
    module, _, name = str(service.application).partition(":")
    assert (module, name) == (
        "octavia_anycast_lab.orchestration.heat_application",
        "application",
    )
