# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's API with our root, called as WSGI, on SQLite.

Two files: Octavia holds its write transaction while it calls our driver,
and SQLite would lock us out of the same one.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from copy import deepcopy as copy_of
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from octavia.common import constants, policy
from octavia.common import utils as octavia_utils
from octavia.db import api as octavia_db
from octavia.db import base_models, models
from oslo_config import cfg
from oslo_context import context as oslo_context
from webob import Request

from octavia_anycast.db import schema
from octavia_anycast.db.distributor import lifecycle
from octavia_anycast.db.engine import Database
from octavia_anycast.testing.fakes.fake_neutron import FakeNeutron
from octavia_anycast.wsgi import api

PROJECT_ID = "5a2d3f0c8f3f4d3c9b8a7e6d5c4b3a21"
LOOKUPS: dict[Any, Any] = {
    models.ProvisioningStatus: constants.SUPPORTED_PROVISIONING_STATUSES,
    models.HealthMonitorType: constants.SUPPORTED_HEALTH_MONITOR_TYPES,
    models.Algorithm: constants.SUPPORTED_LB_ALGORITHMS,
    models.Protocol: constants.SUPPORTED_PROTOCOLS,
    models.OperatingStatus: constants.SUPPORTED_OPERATING_STATUSES,
    models.SessionPersistenceType: constants.SUPPORTED_SP_TYPES,
    models.AmphoraRoles: constants.SUPPORTED_AMPHORA_ROLES,
    models.LBTopology: constants.SUPPORTED_LB_TOPOLOGIES,
    models.VRRPAuthMethod: constants.SUPPORTED_VRRP_AUTH,
    models.L7RuleType: constants.SUPPORTED_L7RULE_TYPES,
    models.L7RuleCompareType: constants.SUPPORTED_L7RULE_COMPARE_TYPES,
    models.L7PolicyAction: constants.SUPPORTED_L7POLICY_ACTIONS,
    models.ClientAuthenticationMode: constants.SUPPORTED_CLIENT_AUTH_MODES,
}
CONFIGURATION = """
[api_settings]
auth_strategy = noauth
default_provider_driver = anycast
enabled_provider_drivers = anycast:Active-active, noop_driver:No-op
[database]
sqlite_synchronous = false
connection = sqlite:///{directory}/octavia.db
[anycast]
connection = sqlite:///{directory}/anycast.db
{anycast}
[certificates]
cert_manager = noop_cert_manager
server_certs_key_passphrase = insecure-key-do-not-use-this-key
[controller_worker]
compute_driver = compute_noop_driver
image_driver = image_noop_driver
[oslo_messaging]
topic = test
[DEFAULT]
transport_url = fake://
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response; ``body`` is its JSON, None without any.

    ``request_id``: as the API's log has it; empty before Octavia's part.
    """

    status: int
    body: Any
    request_id: str
    text: str = field(repr=False)

    @property
    def fault(self) -> str:
        """The sentence of a fault."""
        return str(self.body["faultstring"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that an ApiServer knows at some time."""

    databases: tuple[sqlite3.Connection, ...]
    neutron: dict[str, Any]


class ApiServer:
    """The application with its databases; one in a process."""

    project_id = PROJECT_ID

    def __init__(self, directory: Path, anycast: str = "") -> None:
        self._path = directory / "octavia.conf"
        self._path.write_text(
            CONFIGURATION.format(directory=directory, anycast=anycast)
        )
        self.neutron = FakeNeutron()
        policy.reset()
        self.database = Database(f"sqlite:///{directory}/anycast.db")
        schema.upgrade(self.database.engine())
        self.application = api.build(
            ["octavia-api", "--config-file", str(self._path)]
        )
        cfg.CONF.set_override("pool_timeout", None, group="database")
        base_models.BASE.metadata.create_all(octavia_db.get_engine())
        _seed()
        self._files = tuple(
            directory / name for name in ("octavia.db", "anycast.db")
        )
        self._empty = self.snapshot()

    def _configure(self) -> None:
        """Read our configuration again, if a command has read its own."""
        try:
            is_ours = str(self._path) in cfg.CONF.config_file
        except (cfg.NoSuchOptError, cfg.NotInitializedError):
            is_ours = False
        if not is_ours:
            cfg.CONF(["--config-file", str(self._path)], project="octavia")

    def patches(self) -> tuple[Any, str, Any]:
        """What has to be replaced while it is in use."""
        return octavia_utils, "get_network_driver", lambda: self.neutron

    def snapshot(self) -> Snapshot:
        """Keep both databases and the address book as they are."""
        copies = []
        for path in self._files:
            copy = sqlite3.connect(":memory:")
            with closing(sqlite3.connect(path)) as source:
                source.backup(copy)
            copies.append(copy)
        return Snapshot(
            databases=tuple(copies), neutron=copy_of(vars(self.neutron))
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Bring back what was kept."""
        self._configure()
        for path, copy in zip(self._files, snapshot.databases, strict=True):
            with closing(sqlite3.connect(path)) as target:
                copy.backup(target)
        vars(self.neutron).update(copy_of(snapshot.neutron))

    def reset(self) -> None:
        """Empty both databases and the address book."""
        self.restore(self._empty)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Call it; a str as body is sent as it is."""
        request = Request.blank(path, method=method)
        request.headers["X-Project-Id"] = PROJECT_ID
        if body is not None:
            request.content_type = "application/json"
            text = body if isinstance(body, str) else json.dumps(body)
            request.body = text.encode()
        request.headers.update(headers or {})
        response = request.get_response(self.application)
        _end_session()
        return Answer(
            status=response.status_int,
            body=json.loads(response.text) if response.text else None,
            request_id=response.headers.get("x-openstack-request-id", ""),
            text=response.text,
        )

    @contextmanager
    def authenticated(self) -> Iterator[None]:
        """Believe X-Roles, and count quotas: neither is so with noauth."""
        cfg.CONF.set_override(
            "auth_strategy", constants.TESTING, group="api_settings"
        )
        try:
            yield
        finally:
            cfg.CONF.clear_override("auth_strategy", group="api_settings")

    def settle(self) -> None:
        """Do as if the controller had carried out all that is pending."""
        with self.database.transaction() as session:
            found = lifecycle.unsettled(session)
            for distributor_id, (status, _) in found.items():
                if status == lifecycle.ERROR:
                    continue
                if status == lifecycle.PENDING_DELETE:
                    lifecycle.remove(session, distributor_id)
                    continue
                lifecycle.settle(
                    session,
                    distributor_id,
                    provisioning_status=constants.ACTIVE,
                    operating_status=constants.ONLINE,
                )

    def create(self, path: str, body: Any) -> Any:
        """POST that has to succeed; what is under the root element."""
        answer = self.call("POST", path, body)
        assert answer.status == 201, answer.text
        (created,) = answer.body.values()
        return created


def _end_session() -> None:
    """End what a request has read with.

    Octavia 18 leaves that transaction open until Python collects the request's
    context, and SQLite lets nobody write meanwhile.
    """
    session = getattr(oslo_context.get_current(), "_session", None)
    if session is not None:
        session.close()


_shared: ApiServer | None = None


def shared(make_directory: Callable[[], Path]) -> ApiServer:
    """The server of this process; who asks first has it made."""
    global _shared
    if _shared is None:
        _shared = ApiServer(make_directory())
    return _shared


def _seed() -> None:
    """Fill the tables that Octavia's migrations fill."""
    session = octavia_db.get_session()
    with session.begin():
        for model, names in LOOKUPS.items():
            session.add_all(model(name=name) for name in names)
