# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""HAProxy and keepalived of one amphora, configured by Octavia's code.

Rendering, certificate handling and the REST calls are Octavia's; only their
order is ours, because Octavia's own
``update_amphora_listeners`` waits by the global retry settings (minutes) in
half of its calls and marks a listener ERROR when an amphora cannot be
reached while its certificate is uploaded (ADR 0022).

Layer: octavia_adapter. An object of Octavia's driver holds the identity of
the amphora of the call under way, so each thread has one.
"""

import threading
from collections.abc import Sequence
from typing import Any

from octavia.amphorae.drivers.haproxy import exceptions as agent_exceptions
from octavia.amphorae.drivers.haproxy import rest_api_driver
from octavia.common import constants, data_models
from octavia.common import exceptions as octavia_exceptions
from octavia.db import repositories
from oslo_log import log as logging

from octavia_anycast.model.certificate import Certificate
from octavia_anycast.model.cluster import AmphoraRecord
from octavia_anycast.octavia_adapter.errors import translated
from octavia_anycast.octavia_adapter.haproxy_syntax.templates import Templater
from octavia_anycast.octavia_adapter.load_balancers import (
    LoadBalancerTree,
    lvs_listeners,
)
from octavia_anycast.octavia_adapter.rows import transaction
from octavia_anycast.octavia_adapter.stick_peers import Rendering, model_of

LOG = logging.getLogger(__name__)
CONNECT_SECONDS = 5.0
# Octavia's agent calls every listener of keepalived, SCTP too, so.
_LVS_TYPE = "UDP"
# How many of them run, in the agent's details.
_LVS_COUNT = "lvs_listener_process_count"
# Octavia gives two fifths of the free memory to HAProxy's cache of TLS
# sessions. HAProxy fills all of it at every check and reload, which takes
# minutes for some gigabytes, so the size is computed from at most this.
CACHE_MEMORY_MAX_KB = 256 * 1024

# What is wrong with a certificate, as opposed to with an amphora.
_BAD_CERTIFICATE = (
    octavia_exceptions.CertificateRetrievalException,
    octavia_exceptions.MissingCertSubject,
    octavia_exceptions.UnreadableCert,
    octavia_exceptions.MisMatchedKey,
    octavia_exceptions.NeedsPassphrase,
    octavia_exceptions.UnreadablePKCS12,
)


def _bounded(client_class: type, timeouts: dict[str, Any]) -> Any:
    """Make a REST client of Octavia that never waits longer than told."""

    class Bounded(client_class):
        def request(
            self,
            method: str,
            amp: Any,
            path: str = "/",
            timeout_dict: dict[str, Any] | None = None,
            **kwargs: Any,
        ) -> Any:
            return super().request(
                method,
                amp,
                path,
                timeout_dict={**timeouts, **(timeout_dict or {})},
                **kwargs,
            )

    return Bounded()


class AmphoraHaproxy:
    """Pushes the configuration to one amphora at a time."""

    def __init__(self, *, timeout: float) -> None:
        self._timeouts = {
            constants.REQ_CONN_TIMEOUT: min(CONNECT_SECONDS, timeout),
            constants.REQ_READ_TIMEOUT: timeout,
            constants.CONN_MAX_RETRIES: 1,
            constants.CONN_RETRY_INTERVAL: 0,
        }
        self._local = threading.local()
        self._listeners = repositories.ListenerRepository()

    def push(
        self,
        tree: LoadBalancerTree,
        record: AmphoraRecord,
        peers: Sequence[AmphoraRecord] = (),
    ) -> None:
        """Make this amphora run the tree's configuration.

        Without an enabled listener HAProxy is removed: it would not start.
        keepalived runs for each enabled UDP and SCTP listener.

        :param peers: who shares stick tables with it, itself too

        :raises Retryable: the amphora could not be reached or failed.
        :raises Permanent: the amphora refused the configuration.
        """
        amphora = model_of(tree, record)
        with translated(f"configuring amphora {record.id}"):
            driver = self._driver()
            driver._populate_amphora_api_version(amphora)
            client = driver.clients[amphora.api_version]
            details = client.get_details(amphora)
            job = Rendering(tree=tree, amphora=amphora, peers=peers)
            self._push_haproxy(driver, job, details)
            if lvs_listeners(tree.model) or details.get(_LVS_COUNT):
                _push_lvs(driver.lvs_jinja, client, tree, amphora)

    def _push_haproxy(
        self,
        driver: Any,
        job: Rendering,
        details: dict[str, Any],
    ) -> None:
        tree, amphora = job.tree, job.amphora
        client = driver.clients[amphora.api_version]
        listeners, files = self._upload_certificates(driver, tree, amphora)
        if not any(x.enabled for x in listeners) or not tree.is_enabled:
            client.delete_listener(amphora, tree.id)
            return
        config = driver.jinja_combo.build_config(
            host_amphora=amphora,
            listeners=job.with_peers(listeners),
            tls_certs=files,
            haproxy_versions=driver._get_haproxy_versions(amphora),
            amp_details=_with_bounded_memory(details),
        )
        client.upload_config(amphora, tree.id, config)
        client.reload_listener(amphora, tree.id)

    def plug_network(
        self, record: AmphoraRecord, port_info: dict[str, Any]
    ) -> None:
        """Tell the agent to configure a member network's interface.

        :raises Retryable: the amphora could not be reached or failed.
        """
        amphora = data_models.Amphora(
            id=record.id, lb_network_ip=str(record.lb_network_ip)
        )
        with translated(f"plugging a network into amphora {record.id}"):
            driver = self._driver()
            driver._populate_amphora_api_version(amphora)
            driver.clients[amphora.api_version].plug_network(
                amphora, port_info
            )

    def has_addresses(
        self, record: AmphoraRecord, port_info: dict[str, Any]
    ) -> bool:
        """Whether the amphora has all addresses of this port.

        :raises Retryable: the amphora could not be reached or failed.
        """
        amphora = data_models.Amphora(
            id=record.id, lb_network_ip=str(record.lb_network_ip)
        )
        with translated(f"looking at the addresses of amphora {record.id}"):
            driver = self._driver()
            driver._populate_amphora_api_version(amphora)
            client = driver.clients[amphora.api_version]
            try:
                for fixed_ip in port_info["fixed_ips"]:
                    client.get_interface(
                        amphora, fixed_ip["ip_address"], log_error=False
                    )
            except agent_exceptions.NotFound:
                return False
        return True

    def update_agent(self, record: AmphoraRecord, configuration: str) -> None:
        """Hand the agent its configuration file; it takes it over running.

        :raises Retryable: the amphora could not be reached or failed.
        """
        amphora = data_models.Amphora(
            id=record.id, lb_network_ip=str(record.lb_network_ip)
        )
        with translated(f"updating the agent of amphora {record.id}"):
            self._driver().update_amphora_agent_config(amphora, configuration)

    def install_certificate(
        self, record: AmphoraRecord, certificate: Certificate
    ) -> None:
        """Give the agent a new certificate; it shows it at the next call.

        :raises Retryable: the amphora could not be reached or failed.
        :raises Permanent: the agent refused it, and keeps the one it has.
        """
        amphora = data_models.Amphora(
            id=record.id, lb_network_ip=str(record.lb_network_ip)
        )
        with translated(f"giving amphora {record.id} a new certificate"):
            self._driver().upload_cert_amp(amphora, certificate.pem.encode())

    def _driver(self) -> Any:
        driver = getattr(self._local, "driver", None)
        if driver is None:
            driver = rest_api_driver.HaproxyAmphoraLoadBalancerDriver()
            driver.clients = {
                "base": _bounded(
                    rest_api_driver.AmphoraAPIClientBase, self._timeouts
                ),
                "1.0": _bounded(
                    rest_api_driver.AmphoraAPIClient1_0, self._timeouts
                ),
            }
            driver.jinja_combo = Templater.of(driver.jinja_combo)
            self._local.driver = driver
        return driver

    def _upload_certificates(
        self, driver: Any, tree: LoadBalancerTree, amphora: Any
    ) -> tuple[list[Any], dict[str, Any]]:
        """Upload what the listeners refer to.

        :returns: the listeners that can be served, and the file names that
            the template wants
        """
        usable: list[Any] = []
        files: dict[str, Any] = {}
        for listener in tree.model.listeners:
            if listener.protocol in constants.LVS_PROTOCOLS:
                continue
            try:
                files |= self._files_of(driver, tree, amphora, listener)
            except _BAD_CERTIFICATE as e:
                self._refuse(listener, e)
                continue
            usable.append(listener)
        return usable, files

    @staticmethod
    def _files_of(
        driver: Any, tree: LoadBalancerTree, amphora: Any, listener: Any
    ) -> dict[str, Any]:
        found = driver._process_tls_certificates(listener, amphora, tree.id)
        files = {listener.tls_certificate_id: found["tls_cert"]}
        for reference in (
            listener.client_ca_tls_certificate_id,
            listener.client_crl_container_id,
        ):
            files[reference] = driver._process_secret(
                listener, reference, amphora, tree.id
            )
        files |= driver._process_listener_pool_certs(
            listener, amphora, tree.id
        )
        return files

    def _refuse(self, listener: Any, error: Exception) -> None:
        """Show a listener without a usable certificate as ERROR.

        As Octavia does: the other listeners go on.
        """
        LOG.error("Listener %s is left out: %s", listener.id, error)
        with transaction() as session:
            self._listeners.update(
                session,
                listener.id,
                provisioning_status=constants.ERROR,
                operating_status=constants.ERROR,
            )


def _push_lvs(
    templates: Any, client: Any, tree: LoadBalancerTree, amphora: Any
) -> None:
    """Have keepalived run for each UDP and SCTP listener, and no other.

    A listener whose configuration is in force is left alone: Octavia's agent
    restarts keepalived at each reload, which interrupts the listener.
    """
    running = {
        item["uuid"]: item["status"]
        for item in client.get_all_listeners(amphora)
        if item["type"] == _LVS_TYPE
    }
    wanted = {x.id: x for x in lvs_listeners(tree.model)}
    for listener_id in sorted(running.keys() - wanted.keys()):
        client.delete_listener(amphora, listener_id)
    for listener_id, listener in wanted.items():
        config = templates.build_config(listener=listener)
        if running.get(listener_id) == constants.ACTIVE and (
            _lvs_configuration(client, amphora, listener_id) == config
        ):
            continue
        client.upload_udp_config(amphora, listener_id, config)
        client.reload_listener(amphora, listener_id)


def _lvs_configuration(client: Any, amphora: Any, listener_id: str) -> str:
    """What the agent holds; Octavia's client has no call for it."""
    answer = client.get(amphora, f"listeners/{listener_id}/udp_listener")
    return str(agent_exceptions.check_exception(answer).text)


def _with_bounded_memory(details: dict[str, Any]) -> dict[str, Any]:
    """Say that there is no more memory than the cache may be made from."""
    memory = details.get("memory") or {}
    free = sum(int(memory.get(k) or 0) for k in ("free", "buffers", "cached"))
    if free <= CACHE_MEMORY_MAX_KB:
        return details
    bounded = {"free": CACHE_MEMORY_MAX_KB, "buffers": 0, "cached": 0}
    return {**details, "memory": {**memory, **bounded}}
