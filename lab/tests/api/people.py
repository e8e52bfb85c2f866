# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Users with one role each, in real Keystone, and their calls of the API."""

import dataclasses
import pathlib
import secrets
import typing

from octavia_anycast_lab import deployment
from octavia_anycast_lab.api import rest

OTHER_PROJECT = "rbac-other"
NO_ROLE = "rbac-nobody"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A user: name -> project and roles."""

    name: str
    project: str
    roles: tuple[str, ...]


# Keystone's own roles, and Octavia's: the lab lets both count.
PEOPLE = (
    Person(name="admin", project="demo", roles=("admin",)),
    Person(
        name="lb-admin", project=OTHER_PROJECT, roles=("load-balancer_admin",)
    ),
    Person(
        name="global-observer",
        project=OTHER_PROJECT,
        roles=("load-balancer_global_observer",),
    ),
    Person(name="member", project="demo", roles=("member",)),
    Person(name="lb-member", project="demo", roles=("load-balancer_member",)),
    Person(name="reader", project="demo", roles=("reader",)),
    Person(name="observer", project="demo", roles=("load-balancer_observer",)),
    Person(name="stranger", project=OTHER_PROJECT, roles=("member", "reader")),
    Person(name="outsider", project="demo", roles=(NO_ROLE,)),
)


@dataclasses.dataclass(frozen=True, slots=True)
class _Directory:
    """What ``rest.Api`` asks of a deployment, with users of ours."""

    plane: deployment.Deployment
    logins: dict[str, dict[str, typing.Any]]

    def service_socket(self, service: str) -> pathlib.Path:
        """Where a service listens."""
        return self.plane.service_socket(service)

    def clouds(self) -> dict[str, typing.Any]:
        """Our users in the place of clouds.yaml."""
        return {"clouds": self.logins}


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """Status and body; a fault's body is its sentence."""

    status: int
    body: typing.Any


@dataclasses.dataclass(frozen=True, slots=True)
class People:
    """Everybody's API by name; ``remove`` takes the users away."""

    apis: dict[str, rest.Api]
    project_ids: dict[str, str]
    made: tuple[tuple[str, str], ...]
    keystone: typing.Any

    def call(
        self, name: str, method: str, path: str, body: typing.Any = None
    ) -> Answer:
        """One call of the load balancing API as a person."""
        return call(self.apis[name], method, path, body)

    def remove(self) -> None:
        """Delete users, role and project."""
        for kind, identifier in self.made:
            getattr(self.keystone, f"delete_{kind}")(identifier)


def call(
    api: rest.Api, method: str, path: str, body: typing.Any = None
) -> Answer:
    """One call; a refusal is an answer."""
    try:
        found = api.request(method, rest.LOAD_BALANCER, path, body)
    except rest.ApiError as error:
        return Answer(error.status, str(error))
    return Answer(200, found)


def invite(plane: deployment.Deployment, keystone: typing.Any) -> People:
    """Make the users, found again if a run before has left them."""
    made: list[tuple[str, str]] = []
    names = {role for person in PEOPLE for role in person.roles}
    roles = {role.name: role for role in keystone.roles()}
    for name in sorted(names - set(roles)):
        roles[name] = keystone.create_role(name=name)
        made.append(("role", roles[name].id))
    projects = {}
    for name in sorted({person.project for person in PEOPLE}):
        found = keystone.find_project(name)
        projects[name] = found or keystone.create_project(
            name=name, domain_id="default"
        )
        if name == OTHER_PROJECT:
            made.append(("project", projects[name].id))
    logins = {}
    for person in PEOPLE:
        password = secrets.token_hex(12)
        username = f"rbac-{person.name}"
        earlier = keystone.find_user(username)
        if earlier is not None:
            keystone.delete_user(earlier)
        user = keystone.create_user(
            name=username, password=password, domain_id="default"
        )
        made.append(("user", user.id))
        for role in person.roles:
            keystone.assign_project_role_to_user(
                projects[person.project], user, roles[role]
            )
        logins[person.name] = {
            "auth": {
                "username": username,
                "password": password,
                "project_name": person.project,
                "user_domain_name": "Default",
                "project_domain_name": "Default",
            }
        }
    directory = _Directory(plane, logins)
    return People(
        apis={
            name: rest.Api(
                plane=typing.cast(typing.Any, directory), cloud=name
            )
            for name in logins
        },
        project_ids={name: project.id for name, project in projects.items()},
        made=tuple(reversed(made)),
        keystone=keystone,
    )
