# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The config drive of an amphora: certificate, agent configuration, state.

Five files of at most 10 kB each, the limit of Nova. Octavia's own generators
make the certificate and both configurations.

Layer: octavia_adapter.
"""

import json
import re
from datetime import datetime
from pathlib import Path

from cryptography import x509
from octavia.amphorae.backends.agent import agent_jinja_cfg
from octavia.common import constants
from octavia.common.jinja.logging import logging_jinja_cfg
from oslo_config import cfg
from oslo_log import log as logging
from stevedore import driver as stevedore_driver

from octavia_anycast.model.cluster import ConfigDrive
from octavia_anycast.model.codec import to_document
from octavia_anycast.model.housekeeping import Certificate
from octavia_anycast.model.wire import AUTHORITY_LENGTH_MAX, DesiredState
from octavia_anycast.octavia_adapter.errors import translated

LOG = logging.getLogger(__name__)

SERVER_CERTIFICATE = "/etc/octavia/certs/server.pem"
CLIENT_CA = "/etc/octavia/certs/client_ca.pem"
AGENT_CONFIGURATION = "/etc/octavia/amphora-agent.conf"
LOGGING_CONFIGURATION = "/etc/rsyslog.d/10-rsyslog.conf"
FIRST_STATE = "/etc/octavia/octavia-anycast.json"
_CERTIFICATE = re.compile(
    r"-----BEGIN CERTIFICATE-----[\sA-Za-z0-9+/=]+-----END CERTIFICATE-----"
)


def agents_authority() -> str:
    """Who signs agents' certificates, in PEM; empty: its file says nothing.

    In an order of its own, so that all controllers tell amphorae the same.
    """
    path = cfg.CONF.haproxy_amphora.server_ca
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as e:
        LOG.error(
            "[haproxy_amphora] server_ca cannot be read, so PROMETHEUS "
            "listeners answer with one amphora's numbers: %s",
            e,
        )
        return ""
    blocks = sorted(set(_CERTIFICATE.findall(text)))
    found = "".join(f"{block}\n" for block in blocks)
    if not 0 < len(found) <= AUTHORITY_LENGTH_MAX:
        LOG.error(
            "[haproxy_amphora] server_ca (%s) holds no certificate in PEM, or "
            "more than amphorae take, so PROMETHEUS listeners answer with one "
            "amphora's numbers.",
            path,
        )
        return ""
    return found


class AmphoraFiles:
    """Makes the config drive of each new amphora."""

    def __init__(
        self,
        *,
        heartbeat_controllers: tuple[str, ...],
        heartbeat_interval: int,
    ) -> None:
        self._controllers = heartbeat_controllers
        self._interval = heartbeat_interval
        self._certificates = stevedore_driver.DriverManager(
            namespace="octavia.cert_generator",
            name=cfg.CONF.certificates.cert_generator,
            invoke_on_load=True,
        ).driver

    def build(self, first_state: DesiredState, now: datetime) -> ConfigDrive:
        """Make the files of one amphora; a new key pair each time.

        :raises Retryable: the certificate could not be made.
        """
        amphora_id = first_state.amphora_id
        certificate = self.issue_certificate(amphora_id)
        authority = Path(cfg.CONF.controller_worker.client_ca)
        files = {
            SERVER_CERTIFICATE: certificate.pem,
            CLIENT_CA: authority.read_text(encoding="utf-8"),
            AGENT_CONFIGURATION: self.agent_configuration(amphora_id),
            LOGGING_CONFIGURATION: _logging_configuration(),
            FIRST_STATE: json.dumps(to_document(first_state), indent=1),
        }
        return ConfigDrive(files=files, cert_expiration=certificate.expires_at)

    @property
    def certificate_seconds(self) -> float:
        """Seconds for which a new certificate is valid."""
        return float(cfg.CONF.certificates.cert_validity_time)

    def issue_certificate(self, amphora_id: str) -> Certificate:
        """Make a certificate for an amphora's agent, with a new key.

        :raises Retryable: the certificate could not be made.
        """
        with translated(f"making the certificate of amphora {amphora_id}"):
            pair = self._certificates.generate_cert_key_pair(
                cn=amphora_id,
                validity=cfg.CONF.certificates.cert_validity_time,
            )
        made = x509.load_pem_x509_certificate(pair.certificate)
        return Certificate(
            pem=(pair.certificate + pair.private_key).decode(),
            serial=made.serial_number,
            expires_at=made.not_valid_after_utc,
        )

    def agent_configuration(self, amphora_id: str) -> str:
        """Make Octavia's configuration, with heartbeats sent to us.

        Octavia's template takes the health manager's addresses from the
        global configuration; those lines are replaced. The topology stays
        SINGLE, which is what the agent accepts.
        """
        text = agent_jinja_cfg.AgentJinjaTemplater().build_agent_config(
            amphora_id, constants.TOPOLOGY_SINGLE
        )
        for option, value in (
            ("controller_ip_port_list", ", ".join(self._controllers)),
            ("heartbeat_interval", str(self._interval)),
        ):
            text, count = re.subn(
                rf"^{option} =.*$",
                f"{option} = {value}",
                text,
                flags=re.MULTILINE,
            )
            assert count == 1, option
        return str(text)


def _logging_configuration() -> str:
    templater = logging_jinja_cfg.LoggingJinjaTemplater(
        cfg.CONF.amphora_agent.logging_template_override
    )
    return str(templater.build_logging_config())
