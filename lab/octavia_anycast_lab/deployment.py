# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""One control plane on disk: where its files are, its secrets, its files.

Pure description plus rendering: nothing here starts or stops anything.
"""

import importlib.util
import json
import os
import secrets as random_secrets
import sys
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Self

import jinja2
import yaml

from octavia_anycast_lab import settings

REGION = "lab"
KEYSTONE_PORT = 5000
NEUTRON_PORT = 9696
OCTAVIA_PORT = 9876
STOCK_OCTAVIA_PORT = 9877
HEARTBEAT_PORT = 5555
ANYCAST_HEARTBEAT_PORT = 5556
METRICS_PORT = 9180
HEARTBEAT_INTERVAL_SECONDS = 1
HEARTBEAT_TIMEOUT_SECONDS = 10


def has_entry_point(group: str, name: str) -> bool:
    """Whether an installed distribution offers this entry point."""
    return bool(metadata.entry_points(group=group, name=name))


def installed_script(name: str, module: str) -> Path | None:
    """A console script beside this interpreter, if its module is there."""
    script = Path(sys.executable).with_name(name)
    return script if script.exists() and is_importable(module) else None


def is_importable(module: str) -> bool:
    """Whether a module can be found, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Random for each lab; they live as long as its state directory."""

    admin_password: str
    demo_password: str
    service_password: str
    ca_passphrase: str
    server_certs_key: str
    heartbeat_key: str

    @classmethod
    def generate(cls) -> Self:
        """New ones."""
        return cls(
            admin_password=random_secrets.token_hex(12),
            demo_password=random_secrets.token_hex(12),
            service_password=random_secrets.token_hex(12),
            ca_passphrase=random_secrets.token_hex(16),
            # Octavia wants exactly 32 characters here (a Fernet key's size).
            server_certs_key=random_secrets.token_hex(16),
            heartbeat_key=random_secrets.token_hex(16),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The control plane of one lab instance."""

    lab: settings.Lab
    address: str = str(settings.CTL_MGMT.ip)
    secrets: Secrets = field(repr=False)

    @classmethod
    def of(cls, lab: settings.Lab) -> Self:
        """The deployment of a lab, with its stored or new secrets."""
        secrets = _stored_secrets(lab.run_dir / "secrets.json")
        return cls(lab=lab, secrets=secrets)

    @property
    def namespace(self) -> str:
        """The network namespace that holds all of the control plane."""
        return self.lab.namespace("ctl")

    @property
    def state_dir(self) -> Path:
        """Where all of it is."""
        return self.lab.run_dir

    @property
    def config_dir(self) -> Path:
        """Configuration files, keys and certificates."""
        return self.state_dir / "etc"

    def log(self, label: str) -> Path:
        """The log file of one process."""
        return self.lab.log_dir / f"{label}.log"

    @property
    def database_dir(self) -> Path:
        """MariaDB's data directory."""
        return self.state_dir / "database"

    @property
    def database_socket(self) -> Path:
        """MariaDB's only way in."""
        return self.state_dir / "mariadb.sock"

    @property
    def identity_url(self) -> str:
        """Keystone."""
        return f"http://{self.address}:{KEYSTONE_PORT}/v3"

    @property
    def network_url(self) -> str:
        """Neutron."""
        return f"http://{self.address}:{NEUTRON_PORT}"

    @property
    def octavia_url(self) -> str:
        """Octavia."""
        return f"http://{self.address}:{OCTAVIA_PORT}"

    @property
    def picture_url(self) -> str:
        """The controller's page, inside the lab."""
        return f"http://{self.address}:{METRICS_PORT}/picture/"

    @property
    def stock_url(self) -> str:
        """Stock Octavia, where it runs beside ours; in no catalog."""
        return f"http://{self.address}:{STOCK_OCTAVIA_PORT}"

    @property
    def octavia_config_files(self) -> tuple[Path, ...]:
        """What everything but the API reads: the second needs Neutron."""
        return (
            self.config_dir / "octavia.conf",
            self.config_dir / "octavia-networks.conf",
            *self.added_config("octavia"),
        )

    def added_config(self, service: str) -> tuple[Path, ...]:
        """What another kind of lab adds to a service's file, and which wins.

        Empty in a lab of containers.
        """
        path = self.config_dir / "kind" / f"{service}.conf"
        return (path,) if path.exists() else ()

    def connection(self, database: str) -> str:
        """SQLAlchemy's address of a database."""
        return (
            f"mysql+pymysql://root@localhost/{database}"
            f"?unix_socket={self.database_socket}&charset=utf8mb3"
        )

    def service_socket(self, service: str) -> Path:
        """Where a service also listens, for readiness probes."""
        return self.state_dir / f"{service}.sock"

    def clouds(self) -> dict[str, Any]:
        """The content of clouds.yaml: an operator and a tenant."""
        return {
            "clouds": {
                "admin": self._cloud("admin", "admin"),
                "demo": self._cloud("demo", "demo"),
                "octavia": self._cloud("octavia", "service"),
                # Stock Octavia, while octavia_anycast_lab.cloud.stock runs it.
                "stock": self._cloud("admin", "admin")
                | {"load_balancer_endpoint_override": self.stock_url},
            }
        }

    def _cloud(self, user: str, project: str) -> dict[str, Any]:
        passwords = {
            "admin": self.secrets.admin_password,
            "demo": self.secrets.demo_password,
        }
        return {
            "auth": {
                "auth_url": self.identity_url,
                "username": user,
                "password": passwords.get(user, self.secrets.service_password),
                "project_name": project,
                "user_domain_name": "Default",
                "project_domain_name": "Default",
            },
            "region_name": REGION,
            "identity_api_version": "3",
        }


def _stored_secrets(path: Path) -> Secrets:
    if path.exists():
        return Secrets(**json.loads(path.read_text()))
    secrets = Secrets.generate()
    write_private(path, json.dumps(asdict(secrets), indent=1))
    return secrets


def write_private(path: Path, text: str) -> None:
    """Write a file that only root reads, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)


def render(
    deployment: Deployment,
    template: str,
    package: str = "octavia_anycast_lab.cloud",
    **context: Any,
) -> str:
    """Render one template of a package's folder ``templates``.

    It may include those of the control plane.
    """
    packages = dict.fromkeys((package, "octavia_anycast_lab.cloud"))
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.PackageLoader(name, "templates") for name in packages]
        ),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    return environment.get_template(template).render(
        address=deployment.address,
        config_dir=deployment.config_dir,
        connection=deployment.connection,
        database_dir=deployment.database_dir,
        database_socket=deployment.database_socket,
        identity_url=deployment.identity_url,
        octavia_url=deployment.octavia_url,
        octavia_port=OCTAVIA_PORT,
        heartbeat_port=HEARTBEAT_PORT,
        prefix=sys.prefix,
        region=REGION,
        secrets=deployment.secrets,
        state_dir=deployment.state_dir,
        **context,
    )


def write_clouds(deployment: Deployment) -> None:
    """Write clouds.yaml and openrc (the operator's) for people and tests."""
    write_private(
        deployment.config_dir / "clouds.yaml",
        yaml.safe_dump(deployment.clouds()),
    )
    lines = [
        f"export OS_CLIENT_CONFIG_FILE={deployment.config_dir}/clouds.yaml",
        'export OS_CLOUD="${OS_CLOUD:-admin}"',
        f"export {settings.LAB_ENVIRONMENT}={deployment.lab.name}",
        f'export PATH={Path(sys.executable).parent}:"$PATH"',
    ]
    write_private(deployment.state_dir / "openrc", "\n".join(lines) + "\n")
