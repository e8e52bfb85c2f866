# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""HAProxy and keepalived of one amphora, configured by Octavia's code.

Rendering, certificate handling and the REST calls are Octavia's; only their
order is ours, because Octavia's own ``update_amphora_listeners`` waits by the
global retry settings (minutes) in half of its calls and marks a listener ERROR
when an amphora cannot be reached while its certificate is uploaded (ADR 0022).
Nothing here writes a status: what an amphora refuses is an error, and the
planner decides.

Octavia renders the peers of stick tables for its topology ACTIVE_STANDBY, with
as many amphorae as there are. So its template sees a copy of the load balancer
that has this topology and the amphorae of one peer group (ADR 0084).

Layer: octavia_adapter. An object of Octavia's driver holds the identity of
the amphora of the call under way, so each thread has one.
"""

import copy
import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any

from octavia.amphorae.drivers.haproxy import exceptions as agent_exceptions
from octavia.amphorae.drivers.haproxy import rest_api_driver
from octavia.common import constants, data_models

from octavia_anycast.model.bgp import IPAddress
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
_IDLE_CLOSE = "option idle-close-on-response"
_KNOWS_IDLE_CLOSE = (2, 6)
# Octavia's agent calls every listener of keepalived, SCTP too, so.
_LVS_TYPE = "UDP"
# How many of them run, in the agent's details.
_LVS_COUNT = "lvs_listener_process_count"
# Octavia gives two fifths of the free memory to HAProxy's cache of TLS
# sessions. HAProxy fills all of it at every check and reload, which takes
# minutes for some gigabytes, so the size is computed from at most this.
CACHE_MEMORY_MAX_KB = 256 * 1024


class _Explaining:
    """Calls of Octavia's REST client, with the reason of a failure."""

    put: Callable[..., Any]

    def upload_config(
        self, amp: Any, loadbalancer_id: str, config: str
    ) -> Any:
        """Upload a file.

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
        """Start, reload or stop a service.

        :raises Permanent: it fails; with HAProxy's or systemd's words.
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
    """HAProxy in the amphora refused its file; ``output``: what it wrote."""

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

    Each call raises Retryable if the amphora could not be reached or failed.

    :param model_of: gives Octavia's data model of a tree
    :param timeout: seconds
    """

    def __init__(
        self, model_of: Callable[[LoadBalancerTree], Any], *, timeout: float
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
        :raises SecretUnread: a secret could not be read; the listeners that
            need it are as they were, and everything else is pushed.
        :raises ContentRefused: the amphora refused the configuration, or a
            secret's content cannot be used.
        """
        if record.partial_revision != tree.revision:
            # Another configuration came since, of another controller perhaps.
            self._partial.pop(record.id, None)
        with self._job("configuring", tree, record, peers) as job:
            unread = self._push_haproxy(job)
            if lvs_listeners(job.load_balancer) or job.details.get(_LVS_COUNT):
                job.push_lvs()
        if unread:
            raise SecretUnread(
                "; ".join(unread.unread.values()),
                unread_ids=tuple(sorted(unread.unread)),
                lacking_ids=tuple(sorted(unread.lacking_ids)),
            )

    def _push_haproxy(self, job: "_Job") -> Files | None:
        """Configure HAProxy; returns the files if some cannot be read."""
        files = Files(names={})
        served: list[Any] = []
        if is_haproxy_wanted(job.load_balancer):
            files = job.upload_secrets()
            served = _served(job.load_balancer, files)
        if any(listener.enabled for listener in served):
            config = job.configuration(served, files)
            self._load(job, config, is_kept=bool(files.unread))
        else:
            job.client.delete_listener(job.amphora, job.load_balancer.id)
        return files if files.unread else None

    def _load(self, job: "_Job", config: str, *, is_kept: bool) -> None:
        """Have HAProxy run this; ``is_kept``: unless it runs this already."""
        amphora_id = job.amphora.id
        digest = hashlib.sha256(config.encode()).hexdigest()
        if is_kept and self._partial.get(amphora_id) == digest:
            return
        self._partial.pop(amphora_id, None)
        said = job.refusal_of(config)
        if said is not None:
            raise _refusal(amphora_id, _first_sentence(said))
        job.client.reload_listener(job.amphora, job.load_balancer.id)
        if is_kept:
            self._partial[amphora_id] = digest

    def find_culprits(
        self,
        tree: LoadBalancerTree,
        record: AmphoraRecord,
        peers: Sequence[AmphoraRecord] = (),
    ) -> Findings:
        """Find out which objects this amphora refuses; see ``planning``.

        What it runs stays as it is: no trial is ever taken.
        """
        with self._job("trying configurations on", tree, record, peers) as job:
            try:
                files = job.upload_secrets()
                found = find(
                    suspects(job.load_balancer),
                    lambda left_out: job.alerts_without(left_out, files),
                )
                if found == Findings() and lvs_listeners(job.load_balancer):
                    job.push_lvs()
            except ContentRefused as e:
                return Findings(culprits=e.blamed)
            return found

    def plug_network(
        self, record: AmphoraRecord, port_info: dict[str, Any]
    ) -> None:
        """Tell the agent to configure a member network's interface."""
        with self._agent("plugging a network into", record) as (client, amp):
            client.plug_network(amp, port_info)

    def has_addresses(
        self, record: AmphoraRecord, port_info: dict[str, Any]
    ) -> bool:
        """Whether the amphora has all addresses of this port."""
        what = "looking at the addresses of"
        with self._agent(what, record) as (client, amp):
            try:
                for fixed_ip in port_info["fixed_ips"]:
                    address = fixed_ip["ip_address"]
                    client.get_interface(amp, address, log_error=False)
            except agent_exceptions.NotFound:
                return False
        return True

    def update_agent(self, record: AmphoraRecord, configuration: str) -> None:
        """Give the agent its configuration file; it takes effect at once."""
        with self._agent("updating the agent of", record) as (client, amp):
            client.update_agent_config(amp, configuration)

    def finish_connections(
        self, tree: LoadBalancerTree, record: AmphoraRecord
    ) -> None:
        """Have HAProxy finish the connections that it has.

        It is a reload: a new process takes new connections, so nothing has to
        be undone if the amphora comes back. The old one answers the next
        request on a kept-open connection with ``Connection: close`` or
        GOAWAY, and ends with the last one.

        :raises Permanent: HAProxy cannot be reloaded.
        """
        with self._agent("finishing the connections of", record) as (c, amp):
            c.reload_listener(amp, tree.id)

    def install_certificate(
        self, record: AmphoraRecord, certificate: Certificate
    ) -> None:
        """Give the agent a new certificate; it shows it at the next call.

        :raises Permanent: the agent refused it, and keeps the one it has.
        """
        what = "giving a new certificate to"
        with self._agent(what, record) as (client, amp):
            client.update_cert_for_rotation(amp, certificate.pem.encode())

    @contextmanager
    def _agent(
        self, what: str, record: AmphoraRecord
    ) -> Iterator[tuple[Any, Any]]:
        """Yield a client of Octavia's, and its model of the amphora."""
        amphora = data_models.Amphora(
            id=record.id, lb_network_ip=str(record.lb_network_ip)
        )
        with self._calling(what, amphora) as driver:
            yield driver.clients[amphora.api_version], amphora

    @contextmanager
    def _calling(self, what: str, amphora: Any) -> Iterator[Any]:
        """Yield Octavia's driver, and find out the amphora's API version."""
        with translated(f"{what} amphora {amphora.id}"):
            driver = self._driver()
            driver._populate_amphora_api_version(amphora)
            yield driver

    @contextmanager
    def _job(
        self,
        what: str,
        tree: LoadBalancerTree,
        record: AmphoraRecord,
        peers: Sequence[AmphoraRecord],
    ) -> Iterator["_Job"]:
        balancer = self._model_of(tree)
        amphora = _amphora_model(balancer, record)
        with self._calling(what, amphora) as driver:
            client = driver.clients[amphora.api_version]
            yield _Job(
                load_balancer=balancer,
                amphora=amphora,
                peers=peers,
                driver=driver,
                client=client,
                details=client.get_details(amphora),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One amphora that gets the configuration of one load balancer.

    ``load_balancer`` and ``amphora`` are Octavia's data models, ``driver`` and
    ``client`` its code; ``details`` are the agent's.
    """

    load_balancer: Any
    amphora: Any
    peers: Sequence[AmphoraRecord]
    driver: Any
    client: Any
    details: dict[str, Any]

    def upload_secrets(self) -> Files:
        """Upload certificates and revocation lists; see ``tls_files``."""

        def in_force() -> str:
            path = f"loadbalancer/{self.load_balancer.id}/haproxy"
            answer = self.client.get(self.amphora, path)
            if answer.status_code == HTTPStatus.NOT_FOUND:
                return ""
            return str(agent_exceptions.check_exception(answer).text)

        return upload_files(
            self.driver, self.load_balancer, self.amphora, in_force
        )

    def configuration(self, listeners: list[Any], files: Files) -> str:
        """Render HAProxy's configuration of these listeners."""
        # As Octavia's driver, which makes a call of its own for it.
        version = self.details["haproxy_version"].split(".")[:2]
        rendered = self.driver.jinja_combo.build_config(
            self.amphora,
            self._with_peers(listeners),
            files.names,
            version,
            _with_bounded_memory(self.details),
        )
        return _ending_tidily(str(rendered), version)

    def _with_peers(self, listeners: list[Any]) -> list[Any]:
        """Make these the listeners of a copy of the load balancer, with peers.

        The model is shared with the threads of the other amphorae. Octavia's
        renderer takes the load balancer from the first listener.
        """
        if not self.peers:
            return listeners
        balancer = copy.copy(self.load_balancer)
        balancer.topology = constants.TOPOLOGY_ACTIVE_STANDBY
        balancer.amphorae = [
            _amphora_model(self.load_balancer, peer)
            for peer in sorted(self.peers, key=lambda record: record.id)
        ]
        first = copy.copy(listeners[0])
        first.load_balancer = balancer
        return [first, *listeners[1:]]

    def refusal_of(self, config: str) -> str | None:
        """Upload a file; return what HAProxy says against it, or None."""
        try:
            self.client.upload_config(
                self.amphora, self.load_balancer.id, config
            )
        except RefusedFile as e:
            return e.output
        return None

    def alerts_without(
        self, left_out: frozenset[str], files: Files
    ) -> tuple[Alert, ...]:
        """Return what HAProxy says against all but these objects.

        :raises Retryable: it took the trial, which no HAProxy does.
        """
        model = trial_model(self.load_balancer, left_out)
        known = Owners.of(model)
        config = TRIAL_GLOBAL
        listeners = _served(model, files)
        if any(listener.enabled for listener in listeners):
            config = self.configuration(listeners, files)
        output = self.refusal_of(config + TRIAL_END)
        if output is None:
            raise Retryable(
                f"Amphora {self.amphora.id} took a trial that every HAProxy "
                "refuses."
            )
        alerts = alerts_about(output, config, known)
        if alerts:
            return alerts
        if TRIAL_NAME not in output:
            return (Alert(sentence=" ".join(output.split())),)
        if left_out or config == TRIAL_GLOBAL:
            return ()
        # It was refused for what HAProxy looks at even later.
        output = self.refusal_of(config)
        if output is None:
            return ()
        return alerts_about(output, config, known) or (
            Alert(sentence=" ".join(output.split())),
        )

    def push_lvs(self) -> None:
        """Have keepalived run for each UDP and SCTP listener, and no other.

        A listener whose configuration is in force is left alone: Octavia's
        agent restarts keepalived at each reload, which interrupts the
        listener.
        """
        client, amphora = self.client, self.amphora
        running = {
            item["uuid"]: item["status"]
            for item in client.get_all_listeners(amphora)
            if item["type"] == _LVS_TYPE
        }
        wanted = {x.id: x for x in lvs_listeners(self.load_balancer)}
        blamed: dict[str, str] = {}
        for listener_id in sorted(running.keys() - wanted.keys()):
            client.delete_listener(amphora, listener_id)
        for listener_id, listener in wanted.items():
            config = self.driver.lvs_jinja.build_config(listener=listener)
            if running.get(listener_id) == constants.ACTIVE and (
                self._lvs_configuration(listener_id) == config
            ):
                continue
            try:
                client.upload_udp_config(amphora, listener_id, config)
                client.reload_listener(amphora, listener_id)
            except agent_exceptions.InvalidRequest as e:
                blamed[listener_id] = f"its agent refuses it: {e}"
        if blamed:
            raise _refusal(amphora.id, "; ".join(blamed.values()), blamed)

    def _lvs_configuration(self, listener_id: str) -> str:
        """Read what the agent has; Octavia's client has no call for it."""
        path = f"listeners/{listener_id}/udp_listener"
        answer = self.client.get(self.amphora, path)
        return str(agent_exceptions.check_exception(answer).text)


def _served(model: Any, files: Files) -> list[Any]:
    return [
        listener
        for listener in haproxy_listeners(model)
        if listener.id not in files.lacking_ids
    ]


def _refusal(
    amphora_id: str, sentence: str, blamed: dict[str, str] | None = None
) -> ContentRefused:
    return ContentRefused(
        f"Amphora {amphora_id} refused its configuration: {sentence}",
        sentence,
        blamed=blamed,
    )


def _first_sentence(output: str) -> str:
    """HAProxy's first alert; all of it where there is none."""
    said = sentences(output) or (output,)
    return " ".join(said[0].split())


def _amphora_model(load_balancer: Any, record: AmphoraRecord) -> Any:
    vip = load_balancer.vip
    address = _peer_address(record, vip)
    return data_models.Amphora(
        id=record.id,
        load_balancer_id=load_balancer.id,
        load_balancer=load_balancer,
        compute_id=record.compute_id,
        status=constants.AMPHORA_ALLOCATED,
        role=constants.ROLE_STANDALONE,
        lb_network_ip=str(record.lb_network_ip),
        vrrp_ip=str(address) if address else None,
        vrrp_port_id=record.frontend_port_id,
        ha_ip=vip.ip_address if vip else None,
        ha_port_id=vip.port_id if vip else None,
    )


def _peer_address(record: AmphoraRecord, vip: Any) -> IPAddress | None:
    """The address at which other amphorae reach this one's stick tables.

    It is of the primary VIP's family, if the front end has one of it: for
    other families Octavia opens no port in the security group.
    """
    if record.frontend is None:
        return None
    addresses = [a.ip_address for a in record.frontend.addresses]
    family = ip_address(vip.ip_address).version if vip else None
    return next((a for a in addresses if a.version == family), addresses[0])


def _ending_tidily(config: str, version: Sequence[str]) -> str:
    """Have the soft stop wait for a request on each idle connection.

    HAProxy would close it at once, and reset a request that is on its way.
    An older HAProxy does not know the option.
    """
    if tuple(map(int, version)) < _KNOWS_IDLE_CLOSE:
        return config
    return config.replace(
        "\ndefaults\n", f"\ndefaults\n    {_IDLE_CLOSE}\n", 1
    )


def _with_bounded_memory(details: dict[str, Any]) -> dict[str, Any]:
    """Limit the memory from which the size of the cache is computed."""
    memory = details.get("memory") or {}
    free = sum(int(memory.get(k) or 0) for k in ("free", "buffers", "cached"))
    if free <= CACHE_MEMORY_MAX_KB:
        return details
    bounded = {"free": CACHE_MEMORY_MAX_KB, "buffers": 0, "cached": 0}
    return {**details, "memory": {**memory, **bounded}}
