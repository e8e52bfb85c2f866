# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""HAProxy and keepalived of one amphora, configured by Octavia's code.

Rendering, certificate handling and the REST calls are Octavia's; only their
order is ours, because Octavia's own
``update_amphora_listeners`` waits by the global retry settings (minutes) in
half of its calls and marks a listener ERROR when an amphora cannot be
reached while its certificate is uploaded (ADR 0022). Nothing here writes a
status: what an amphora refuses is an error, and the planner decides.

Layer: octavia_adapter. An object of Octavia's driver holds the identity of
the amphora of the call under way, so each thread has one.
"""

import hashlib
import threading
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from octavia.amphorae.drivers.haproxy import exceptions as agent_exceptions
from octavia.amphorae.drivers.haproxy import rest_api_driver
from octavia.common import constants, data_models

from octavia_anycast.model.cluster import AmphoraRecord
from octavia_anycast.model.errors import (
    ContentRefused,
    Permanent,
    Retryable,
    SecretUnread,
)
from octavia_anycast.model.housekeeping import Certificate
from octavia_anycast.model.load_balancer import LoadBalancerTree
from octavia_anycast.octavia_adapter.amphora.haproxy_alerts import (
    TRIAL_END,
    TRIAL_GLOBAL,
    TRIAL_NAME,
    Owners,
    alerts_about,
    sentences,
)
from octavia_anycast.octavia_adapter.amphora.stick_peers import (
    Rendering,
    amphora_model,
)
from octavia_anycast.octavia_adapter.amphora.tls_files import (
    Files,
    upload_files,
)
from octavia_anycast.octavia_adapter.errors import translated
from octavia_anycast.octavia_adapter.haproxy_syntax.templates import Templater
from octavia_anycast.octavia_adapter.load_balancer.data_model import (
    haproxy_listeners,
    is_haproxy_wanted,
    lvs_listeners,
    suspects,
    trial_model,
)
from octavia_anycast.planning.cluster.culprits import Alert, Findings, find

CONNECT_SECONDS = 5.0
# Octavia's agent calls every listener of keepalived, SCTP too, so.
_LVS_TYPE = "UDP"
# How many of them run, in the agent's details.
_LVS_COUNT = "lvs_listener_process_count"
# Octavia gives two fifths of the free memory to HAProxy's cache of TLS
# sessions. HAProxy fills all of it at every check and reload, which takes
# minutes for some gigabytes, so the size is computed from at most this.
CACHE_MEMORY_MAX_KB = 256 * 1024


class _Explaining:
    """Calls of Octavia's REST client, which throws away why they failed."""

    put: Callable[..., Any]

    def upload_config(
        self, amp: Any, loadbalancer_id: str, config: str
    ) -> Any:
        """As Octavia's; a refused file has HAProxy's words.

        :raises RefusedFile: HAProxy refuses it.
        """
        answer = self.put(
            amp,
            f"loadbalancer/{amp.id}/{loadbalancer_id}/haproxy",
            data=config.encode(),
        )
        if answer.status_code == HTTPStatus.BAD_REQUEST:
            raise RefusedFile(_details_of(answer))
        return agent_exceptions.check_exception(answer)

    def _action(
        self,
        action: str,
        amp: Any,
        object_id: str,
        timeout_dict: dict[str, Any] | None = None,
    ) -> Any:
        """As Octavia's; a failed start has HAProxy's or systemd's words.

        :raises Permanent: HAProxy or keepalived does not start.
        """
        path = f"loadbalancer/{object_id}/{action}"
        answer = self.put(amp, path, timeout_dict=timeout_dict)
        if answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
            said = _first_sentence(_details_of(answer))
            raise Permanent(
                f"Amphora {amp.id} cannot {action} what it was given: {said}"
            )
        return agent_exceptions.check_exception(answer)


def _bounded(client_class: type, timeouts: dict[str, Any]) -> Any:
    """Make a REST client of Octavia that never waits longer than told."""

    class Bounded(_Explaining, client_class):
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


class RefusedFile(Exception):
    """HAProxy in the amphora refused its file; ``output``: what it said."""

    def __init__(self, output: str) -> None:
        super().__init__(output)
        self.output = output


def _details_of(answer: Any) -> str:
    try:
        return str(answer.json().get("details", ""))
    except ValueError:
        return str(answer.text)


class AmphoraHaproxy:
    """Pushes the configuration to one amphora at a time.

    :param model_of: gives Octavia's data model of a tree
    :param timeout: seconds
    """

    def __init__(
        self,
        model_of: Callable[[LoadBalancerTree], Any],
        *,
        timeout: float,
    ) -> None:
        self._model_of = model_of
        self._timeouts = {
            constants.REQ_CONN_TIMEOUT: min(CONNECT_SECONDS, timeout),
            constants.REQ_READ_TIMEOUT: timeout,
            constants.CONN_MAX_RETRIES: 1,
            constants.CONN_RETRY_INTERVAL: 0,
        }
        self._local = threading.local()
        # amphora_id -> digest of what it was given without unread secrets.
        self._partial: dict[str, str] = {}

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
        :raises SecretUnread: a secret could not be read; the listeners that
            need it are as they were, and everything else is pushed.
        :raises ContentRefused: the amphora refused the configuration, or a
            secret's content cannot be used.
        """
        job = self._rendering(tree, record, peers)
        amphora = job.amphora
        if record.partial_revision != tree.revision:
            # Another configuration came since, of another controller perhaps.
            self._partial.pop(record.id, None)
        with translated(f"configuring amphora {record.id}"):
            driver = self._driver()
            driver._populate_amphora_api_version(amphora)
            client = driver.clients[amphora.api_version]
            details = client.get_details(amphora)
            unread = self._push_haproxy(driver, job, details)
            if lvs_listeners(job.load_balancer) or details.get(_LVS_COUNT):
                _push_lvs(driver.lvs_jinja, client, job)
        if unread:
            raise SecretUnread(
                "; ".join(unread.unread.values()),
                unread_ids=tuple(sorted(unread.unread)),
                lacking_ids=tuple(sorted(unread.lacking_ids)),
            )

    def _push_haproxy(
        self,
        driver: Any,
        job: Rendering,
        details: dict[str, Any],
    ) -> Files | None:
        """Configure HAProxy; returns the files if some cannot be read."""
        balancer, amphora = job.load_balancer, job.amphora
        client = driver.clients[amphora.api_version]
        if not is_haproxy_wanted(balancer):
            client.delete_listener(amphora, balancer.id)
            return None
        files = _upload(driver, job)
        served = [
            listener
            for listener in haproxy_listeners(balancer)
            if listener.id not in files.lacking_ids
        ]
        if any(listener.enabled for listener in served):
            config = _configuration(driver, job, served, files, details)
            self._load(client, job, config, is_kept=bool(files.unread))
        else:
            client.delete_listener(amphora, balancer.id)
        return files if files.unread else None

    def _load(
        self,
        client: Any,
        job: Rendering,
        config: str,
        *,
        is_kept: bool,
    ) -> None:
        """Have HAProxy run this; what is tried again is not loaded again."""
        amphora, balancer_id = job.amphora, job.load_balancer.id
        digest = hashlib.sha256(config.encode()).hexdigest()
        if is_kept and self._partial.get(amphora.id) == digest:
            return
        self._partial.pop(amphora.id, None)
        try:
            client.upload_config(amphora, balancer_id, config)
        except RefusedFile as e:
            raise _refusal(amphora.id, e.output) from e
        client.reload_listener(amphora, balancer_id)
        if is_kept:
            self._partial[amphora.id] = digest

    def find_culprits(
        self,
        tree: LoadBalancerTree,
        record: AmphoraRecord,
        peers: Sequence[AmphoraRecord] = (),
    ) -> Findings:
        """Find out which objects this amphora refuses; see ``planning``.

        What it runs stays as it is: no trial is ever taken.

        :raises Retryable: the amphora could not be reached or failed.
        """
        job = self._rendering(tree, record, peers)
        amphora = job.amphora
        with translated(f"trying configurations on amphora {record.id}"):
            driver = self._driver()
            driver._populate_amphora_api_version(amphora)
            client = driver.clients[amphora.api_version]
            try:
                files = _upload(driver, job)
            except ContentRefused as e:
                return Findings(culprits=e.blamed)
            details = client.get_details(amphora)
            found = find(
                suspects(job.load_balancer),
                lambda left_out: _try(driver, job, left_out, files, details),
            )
            if found != Findings() or not lvs_listeners(job.load_balancer):
                return found
            try:
                _push_lvs(driver.lvs_jinja, client, job)
            except ContentRefused as e:
                return Findings(culprits=e.blamed)
            return found

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

    def _rendering(
        self,
        tree: LoadBalancerTree,
        record: AmphoraRecord,
        peers: Sequence[AmphoraRecord],
    ) -> Rendering:
        model = self._model_of(tree)
        return Rendering(
            load_balancer=model,
            amphora=amphora_model(model, record),
            peers=peers,
        )

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


def _upload(driver: Any, job: Rendering) -> Files:
    balancer, amphora = job.load_balancer, job.amphora
    client = driver.clients[amphora.api_version]

    def in_force() -> str:
        answer = client.get(amphora, f"loadbalancer/{balancer.id}/haproxy")
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return ""
        return str(agent_exceptions.check_exception(answer).text)

    return upload_files(driver, balancer, amphora, in_force)


def _configuration(
    driver: Any,
    job: Rendering,
    listeners: list[Any],
    files: Files,
    details: dict[str, Any],
) -> str:
    """Render HAProxy's configuration of these listeners."""
    return str(
        driver.jinja_combo.build_config(
            job.amphora,
            job.with_peers(listeners),
            files.names,
            # As Octavia's driver, which makes a call of its own for it.
            details["haproxy_version"].split(".")[:2],
            _with_bounded_memory(details),
        )
    )


def _refusal(amphora_id: str, output: str) -> ContentRefused:
    """The error of a refused file, with HAProxy's own words."""
    sentence = _first_sentence(output)
    return ContentRefused(
        f"Amphora {amphora_id} refused its configuration: {sentence}",
        sentence,
    )


def _first_sentence(output: str) -> str:
    """HAProxy's first alert; all of it where there is none."""
    said = sentences(output) or (output,)
    return " ".join(said[0].split())


def _try(
    driver: Any,
    job: Rendering,
    left_out: frozenset[str],
    files: Files,
    details: dict[str, Any],
) -> tuple[Alert, ...]:
    """What HAProxy says against the configuration without these objects.

    :raises Retryable: it took the trial, which no HAProxy does.
    """
    model = trial_model(job.load_balancer, left_out)
    config = TRIAL_GLOBAL
    listeners = [
        listener
        for listener in haproxy_listeners(model)
        if listener.id not in files.lacking_ids
    ]
    if any(listener.enabled for listener in listeners):
        config = _configuration(driver, job, listeners, files, details)
    output = _refused_output(driver, job, config + TRIAL_END)
    alerts = alerts_about(output, config, Owners.of(model))
    if not alerts and TRIAL_NAME not in output:
        return (Alert(sentence=" ".join(output.split())),)
    if not alerts and not left_out and config != TRIAL_GLOBAL:
        # It was refused for what HAProxy looks at even later.
        return _try_in_earnest(driver, job, config, Owners.of(model))
    return alerts


def _try_in_earnest(
    driver: Any, job: Rendering, config: str, known: Owners
) -> tuple[Alert, ...]:
    client = driver.clients[job.amphora.api_version]
    try:
        client.upload_config(job.amphora, job.load_balancer.id, config)
    except RefusedFile as e:
        return alerts_about(e.output, config, known) or (
            Alert(sentence=" ".join(e.output.split())),
        )
    return ()


def _refused_output(driver: Any, job: Rendering, config: str) -> str:
    client = driver.clients[job.amphora.api_version]
    try:
        client.upload_config(job.amphora, job.load_balancer.id, config)
    except RefusedFile as e:
        return e.output
    raise Retryable(
        f"Amphora {job.amphora.id} took a trial that every HAProxy refuses."
    )


def _push_lvs(templates: Any, client: Any, job: Rendering) -> None:
    """Have keepalived run for each UDP and SCTP listener, and no other.

    A listener whose configuration is in force is left alone: Octavia's agent
    restarts keepalived at each reload, which interrupts the listener.
    """
    amphora = job.amphora
    running = {
        item["uuid"]: item["status"]
        for item in client.get_all_listeners(amphora)
        if item["type"] == _LVS_TYPE
    }
    wanted = {x.id: x for x in lvs_listeners(job.load_balancer)}
    blamed: dict[str, str] = {}
    for listener_id in sorted(running.keys() - wanted.keys()):
        client.delete_listener(amphora, listener_id)
    for listener_id, listener in wanted.items():
        config = templates.build_config(listener=listener)
        if running.get(listener_id) == constants.ACTIVE and (
            _lvs_configuration(client, amphora, listener_id) == config
        ):
            continue
        try:
            client.upload_udp_config(amphora, listener_id, config)
            client.reload_listener(amphora, listener_id)
        except agent_exceptions.InvalidRequest as e:
            blamed[listener_id] = f"its agent refuses it: {e}"
    if blamed:
        sentence = "; ".join(blamed.values())
        raise ContentRefused(
            f"Amphora {amphora.id} refused its configuration: {sentence}",
            sentence,
            blamed=blamed,
        )


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
