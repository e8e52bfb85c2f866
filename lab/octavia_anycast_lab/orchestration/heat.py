# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Heat as a service of the lab: its schema, its identity, its process."""

import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

from octavia_anycast_lab import deployment
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.cloud import database, service
from octavia_anycast_lab.cloud.service import Service, ServiceError
from octavia_anycast_lab.host import process
from octavia_anycast_lab.registry import Registry

LABEL = "heat"
PORT = 8004
STACK_DOMAIN = "heat"
STACK_DOMAIN_ADMIN = "heat-domain-admin"
# The role of users that stacks make; Heat gives it to them by this name.
STACK_USER_ROLE = "heat_stack_user"
_MIGRATION_SECONDS = 120.0


def configure(plane: deployment.Deployment) -> Service:
    """Write Heat's file; returns what to start."""
    config = plane.config_dir / "heat.conf"
    deployment.write_private(
        config,
        deployment.render(
            plane,
            "heat.conf.j2",
            encryption_key=_encryption_key(plane),
            stack_domain=STACK_DOMAIN,
            stack_domain_admin=STACK_DOMAIN_ADMIN,
        ),
    )
    return Service(
        label=LABEL,
        application="octavia_anycast_lab.orchestration.heat_application"
        ":application",
        port=PORT,
        program="heat-api",
        arguments=("--config-file", str(config)),
        probe="/healthcheck",
    )


def start(plane: deployment.Deployment, registry: Registry) -> None:
    """Start Heat beside a running control plane, and wait for its answer.

    :raises ServiceError: it did not come up.
    """
    wanted = configure(plane)
    _migrate(plane)
    _seed(rest.Api(plane=plane), plane)
    service.start(plane, registry, wanted)
    service.await_answer(plane, registry, wanted)


def stop(plane: deployment.Deployment, registry: Registry) -> None:
    """Stop it; its stacks stay in the database."""
    process.stop(registry, LABEL)
    service.clear_remains(plane, registry, LABEL)


def _encryption_key(plane: deployment.Deployment) -> str:
    """What Heat encrypts trusts with: made once in the life of a lab."""
    path = plane.config_dir / "heat.key"
    if not path.exists():
        deployment.write_private(path, secrets.token_hex(16))
    return path.read_text()


def _migrate(plane: deployment.Deployment) -> None:
    """Make the schema, or bring it up to date.

    :raises ServiceError: the migration failed.
    """
    database.query(plane, "mysql", "CREATE DATABASE IF NOT EXISTS heat")
    log = plane.log("heat-manage")
    with log.open("ab") as stream:
        done = subprocess.run(
            [
                Path(sys.executable).with_name("heat-manage"),
                *("--config-file", plane.config_dir / "heat.conf"),
                "db_sync",
            ],
            env={**os.environ, **service.environment(plane)},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            timeout=_MIGRATION_SECONDS,
            check=False,
        )
    if done.returncode:
        raise ServiceError(f"heat-manage db_sync failed, see {log}")


def _seed(api: rest.Api, plane: deployment.Deployment) -> None:
    """Make what Heat's installation guide makes; again changes nothing."""
    password = plane.secrets.service_password
    _ensure(api, "role", name=STACK_USER_ROLE)
    projects = api.get(rest.IDENTITY, "/v3/projects?name=service")
    user = _ensure(
        api, "user", name="heat", domain_id="default", password=password
    )
    domain = _ensure(api, "domain", name=STACK_DOMAIN)
    manager = _ensure(
        api,
        "user",
        name=STACK_DOMAIN_ADMIN,
        domain_id=domain,
        password=password,
    )
    for role in ("admin", "service"):
        _grant(api, f"projects/{projects['projects'][0]['id']}", user, role)
    _grant(api, f"domains/{domain}", manager, "admin")
    kind = _ensure(api, "service", name="heat", type="orchestration")
    url = f"http://{plane.address}:{PORT}/v1/%(project_id)s"
    path = f"/v3/endpoints?service_id={kind}"
    if api.get(rest.IDENTITY, path)["endpoints"]:
        return
    for interface in ("public", "internal", "admin"):
        endpoint = {
            "interface": interface,
            "service_id": kind,
            "region_id": deployment.REGION,
            "url": url,
        }
        _post(api, "endpoint", endpoint)


def _ensure(api: rest.Api, kind: str, name: str, **attributes: str) -> str:
    """The id of a role, a user and so on, found by its name or made."""
    query = f"/v3/{kind}s?name={name}"
    if "domain_id" in attributes:
        query += f"&domain_id={attributes['domain_id']}"
    found = api.get(rest.IDENTITY, query)[f"{kind}s"]
    if found:
        return str(found[0]["id"])
    return str(_post(api, kind, {"name": name, **attributes})["id"])


def _post(api: rest.Api, kind: str, content: dict[str, str]) -> Any:
    path = f"/v3/{kind}s"
    return api.request("POST", rest.IDENTITY, path, {kind: content})[kind]


def _grant(api: rest.Api, target: str, user: str, role: str) -> None:
    """Give a role in a project or a domain; again changes nothing."""
    (found,) = api.get(rest.IDENTITY, f"/v3/roles?name={role}")["roles"]
    path = f"/v3/{target}/users/{user}/roles/{found['id']}"
    api.request("PUT", rest.IDENTITY, path)
