# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Heat as a service of the lab: its schema, its identity, its process."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

from octavia_anycast_lab import deployment
from octavia_anycast_lab.cloud import control_plane, database, service
from octavia_anycast_lab.cloud.service import Service, ServiceError
from octavia_anycast_lab.host import process
from octavia_anycast_lab.registry import Registry

LABEL = "heat"
PORT = 8004
STACK_DOMAIN = "heat"
STACK_DOMAIN_ADMIN = "heat-domain-admin"
_PACKAGE = "octavia_anycast_lab.orchestration"
_SEED_MODULE = f"{_PACKAGE}.seed"
_MIGRATION_SECONDS = 120.0


def configure(plane: deployment.Deployment) -> Service:
    """Write Heat's file; returns what to start."""
    config = plane.config_dir / "heat.conf"
    deployment.write_private(
        config,
        deployment.render(
            plane,
            "heat.conf.j2",
            package=_PACKAGE,
            encryption_key=_encryption_key(plane),
            stack_domain=STACK_DOMAIN,
            stack_domain_admin=STACK_DOMAIN_ADMIN,
        ),
    )
    return Service(
        label=LABEL,
        application=f"{_PACKAGE}.heat_application:application",
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
    seeding = control_plane.begin_seed(plane, _SEED_MODULE)
    control_plane.await_seed(plane, seeding)
    service.start(plane, registry, wanted)
    service.await_answer(plane, registry, wanted)


def url(plane: deployment.Deployment) -> str:
    """Where the catalog says that it is."""
    return f"http://{plane.address}:{PORT}/v1/%(project_id)s"


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
