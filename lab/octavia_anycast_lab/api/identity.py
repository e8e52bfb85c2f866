# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Users, projects, roles and catalog of a lab; found or made."""

from typing import Any

from octavia_anycast_lab import deployment

_ADMIN_ROLES = ("admin", "load-balancer_admin")
_DEMO_ROLES = ("member", "load-balancer_member")
_SERVICES = ("neutron", "octavia")
_OTHER_ROLES = (
    "load-balancer_observer",
    "load-balancer_global_observer",
    "load-balancer_quota_admin",
    "service",
)


def seed(connection: Any, plane: deployment.Deployment) -> None:
    """Make what a devstack would have made; again changes nothing."""
    keystone = connection.identity
    roles = {role.name: role for role in keystone.roles()}
    for name in (*_ADMIN_ROLES, *_DEMO_ROLES, *_OTHER_ROLES):
        if name not in roles:
            roles[name] = keystone.create_role(name=name)
    projects = {
        name: _project(keystone, name) for name in ("service", "demo", "admin")
    }
    secrets = plane.secrets
    for name in _SERVICES:
        user = _user(keystone, name, secrets.service_password)
        _grant(
            keystone, projects["service"], user, roles, ("admin", "service")
        )
    demo = _user(keystone, "demo", secrets.demo_password)
    _grant(keystone, projects["demo"], demo, roles, _DEMO_ROLES)
    admin = _user(keystone, "admin", secrets.admin_password)
    _grant(keystone, projects["admin"], admin, roles, _ADMIN_ROLES)
    _catalog(keystone, "network", "neutron", plane.network_url)
    _catalog(keystone, "load-balancer", "octavia", plane.octavia_url)


def add_service(
    connection: Any,
    plane: deployment.Deployment,
    kind: str,
    name: str,
    url: str,
) -> None:
    """Make a further service with its user; again changes nothing."""
    keystone = connection.identity
    roles = {role.name: role for role in keystone.roles()}
    user = _user(keystone, name, plane.secrets.service_password)
    project = _project(keystone, "service")
    _grant(keystone, project, user, roles, ("admin", "service"))
    _catalog(keystone, kind, name, url)


def add_role(connection: Any, name: str) -> Any:
    """Make a further role; again changes nothing."""
    keystone = connection.identity
    return keystone.find_role(name) or keystone.create_role(name=name)


def add_domain(
    connection: Any, plane: deployment.Deployment, name: str, manager: str
) -> None:
    """Make a domain, and a user of it who manages it; again: nothing."""
    keystone = connection.identity
    domain = keystone.find_domain(name) or keystone.create_domain(name=name)
    password = plane.secrets.service_password
    user = _user(keystone, manager, password, domain_id=domain.id)
    role = add_role(connection, "admin")
    keystone.assign_domain_role_to_user(domain, user, role)


def _project(keystone: Any, name: str) -> Any:
    found = keystone.find_project(name)
    return found or keystone.create_project(name=name, domain_id="default")


def _user(keystone: Any, name: str, password: str, **elsewhere: str) -> Any:
    """A user, of the default domain unless ``domain_id`` says another one."""
    found = keystone.find_user(name, **elsewhere)
    return found or keystone.create_user(
        name=name, password=password, **{"domain_id": "default", **elsewhere}
    )


def _grant(
    keystone: Any,
    project: Any,
    user: Any,
    roles: dict[str, Any],
    names: tuple[str, ...],
) -> None:
    for name in names:
        keystone.assign_project_role_to_user(project, user, roles[name])


def _catalog(keystone: Any, kind: str, name: str, url: str) -> None:
    service = keystone.find_service(name) or keystone.create_service(
        type=kind, name=name
    )
    existing = {
        endpoint.interface
        for endpoint in keystone.endpoints(service_id=service.id)
    }
    for interface in ("public", "internal", "admin"):
        if interface not in existing:
            keystone.create_endpoint(
                service_id=service.id,
                interface=interface,
                url=url,
                region_id=deployment.REGION,
            )
