# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Keystone: its configuration, keys, bootstrap and process."""

import os
import subprocess
import sys
from pathlib import Path

from cryptography.fernet import Fernet

from octavia_anycast_lab import deployment
from octavia_anycast_lab.cloud.service import Service, ServiceError

_BOOTSTRAP_SECONDS = 120.0


def configure(plane: deployment.Deployment) -> Service:
    """Write Keystone's files; returns what to start."""
    config = plane.config_dir / "keystone.conf"
    deployment.write_private(
        config, deployment.render(plane, "keystone.conf.j2")
    )
    for repository in ("fernet-keys", "credential-keys"):
        _write_keys(plane.config_dir / repository)
    return Service(
        label="keystone",
        application="keystone.wsgi.api:application",
        port=deployment.KEYSTONE_PORT,
        program="keystone-wsgi-public",
        environment={"OS_KEYSTONE_CONFIG_FILES": str(config)},
        probe="/v3",
        threads=4,
    )


def bootstrap(plane: deployment.Deployment) -> "subprocess.Popen[bytes]":
    """Begin ``keystone-manage bootstrap`` (it can be run again)."""
    plane.lab.log_dir.mkdir(parents=True, exist_ok=True)
    with plane.log("keystone-bootstrap").open("ab") as log:
        return subprocess.Popen(
            [
                # It ends with us, whatever ends us: nobody else knows it.
                *("setpriv", "--pdeathsig", "KILL", "--"),
                Path(sys.executable).with_name("keystone-manage"),
                *("--config-file", plane.config_dir / "keystone.conf"),
                "bootstrap",
                *("--bootstrap-region-id", deployment.REGION),
                *("--bootstrap-public-url", plane.identity_url),
                *("--bootstrap-internal-url", plane.identity_url),
                *("--bootstrap-admin-url", plane.identity_url),
            ],
            # Not on the command line, where every user could read it.
            env={
                **os.environ,
                "OS_BOOTSTRAP_PASSWORD": plane.secrets.admin_password,
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def await_bootstrap(
    plane: deployment.Deployment, running: "subprocess.Popen[bytes]"
) -> None:
    """Wait for the end of the bootstrap.

    :raises ServiceError: it failed.
    """
    if running.wait(_BOOTSTRAP_SECONDS):
        log = plane.log("keystone-bootstrap")
        raise ServiceError(f"keystone-manage bootstrap failed, see {log}")


def _write_keys(repository: Path) -> None:
    """A staged (0) and a primary (1) key, as ``fernet_setup`` leaves them."""
    for name in ("0", "1"):
        path = repository / name
        if not path.exists():
            deployment.write_private(path, Fernet.generate_key().decode())
    repository.chmod(0o700)
