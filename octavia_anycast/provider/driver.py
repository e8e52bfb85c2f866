# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The provider driver ``anycast``, called by Octavia's API.

It validates, allocates the VIP and records the cluster, and the id of each
request that is accepted. It tells nobody: the controller finds the work in
Octavia's own rows (octavia-rows.rst).
"""

from functools import cached_property
from ipaddress import ip_address
from typing import Any

from octavia_lib.api.drivers import provider_base
from octavia_lib.common import constants as lib_constants
from oslo_config import cfg
from oslo_log import log as logging

from octavia_anycast import log_lines, options
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.distributor import (
    distributors,
    external_vips,
    lifecycle,
)
from octavia_anycast.db.engine import Database
from octavia_anycast.model.cluster import ClusterRecord
from octavia_anycast.model.distributor import DISTRIBUTOR_ID, Choice
from octavia_anycast.model.errors import (
    AnycastError,
    Conflict,
    InvalidRequest,
    NotFound,
)
from octavia_anycast.octavia_adapter.cloud import vip as vip_ports
from octavia_anycast.octavia_adapter.haproxy_syntax import content
from octavia_anycast.octavia_adapter.load_balancer import parents
from octavia_anycast.planning.amphora.gate_choice import chosen_gate
from octavia_anycast.provider import availability_zones, choices, flavors
from octavia_anycast.provider.autoscale_flavors import autoscale_of
from octavia_anycast.provider.refusals import translated
from octavia_anycast.provider.request_ids import RequestRecorder
from octavia_anycast.provider.support import Support

LOG = logging.getLogger(__name__)

NO_DISTRIBUTOR = (
    "there is no default distributor, and the flavor names none. An operator "
    "has to create a distributor with is_default true, or a flavor with "
    "distributor_id."
)


class AnycastProviderDriver(provider_base.ProviderDriver):
    """Active-active load balancers, announced by BGP."""

    def __init__(self) -> None:
        super().__init__()
        self._settings = options.read(cfg.CONF)
        self._support = Support(udp_supported=self._settings.udp_supported)
        self._request = RequestRecorder(lambda: self._database)

    @cached_property
    def _database(self) -> Database:
        # On first use: the API may fork after it loaded the driver.
        return Database(
            self._settings.connection or cfg.CONF.database.connection
        )

    # Load balancer

    def create_vip_port(
        self,
        loadbalancer_id: str,
        project_id: str,
        vip_dictionary: dict[str, Any],
        additional_vip_dicts: list[dict[str, Any]],
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Allocate the VIPs, if there is any distributor to serve them.

        The flavor is not known here; a cluster without a distributor is
        refused for good in :meth:`loadbalancer_create`.
        """
        with translated():
            with self._database.transaction() as session:
                if distributors.is_empty(session):
                    raise InvalidRequest("distributor", NO_DISTRIBUTOR)
            vip, others = vip_ports.allocate(
                loadbalancer_id,
                project_id,
                vip_dictionary,
                additional_vip_dicts,
            )
        LOG.info(
            "VIP port %s allocated for load balancer %s",
            vip.get(lib_constants.VIP_PORT_ID),
            loadbalancer_id,
        )
        return vip, others

    def loadbalancer_create(self, loadbalancer: Any) -> None:
        """Record the cluster; refused, the VIP is given back."""
        with translated():
            try:
                self._support.check_graph(loadbalancer)
                _check_content("load_balancer", loadbalancer)
                self._record(loadbalancer)
            except AnycastError:
                vip_ports.deallocate(
                    loadbalancer.loadbalancer_id,
                    loadbalancer.project_id,
                    loadbalancer.to_dict(),
                )
                raise

    def loadbalancer_delete(
        self, loadbalancer: Any, cascade: bool = False
    ) -> None:
        """Accept; the controller does it."""
        self._request.of(loadbalancer.loadbalancer_id)

    def loadbalancer_failover(self, loadbalancer_id: str) -> None:
        """Count the request: its rows in Octavia do not tell it apart."""
        with translated(), self._database.transaction() as session:
            generation = clusters.request_failover(session, loadbalancer_id)
            clusters.record_request(
                session, loadbalancer_id, log_lines.request_id()
            )
        LOG.info(
            "Failover %s of load balancer %s asked for",
            generation,
            loadbalancer_id,
        )

    def loadbalancer_update(
        self, old_loadbalancer: Any, new_loadbalancer: Any
    ) -> None:
        """Accept; the controller does it."""
        self._request.of(old_loadbalancer.loadbalancer_id)

    # Listener

    def listener_create(self, listener: Any) -> None:
        """Check it."""
        with translated():
            self._support.check_listener(listener)
            _check_content("listener", listener)
        self._request.of(listener.loadbalancer_id)

    def listener_delete(self, listener: Any) -> None:
        """Accept."""
        self._request.of(listener.loadbalancer_id)

    def listener_update(self, old_listener: Any, new_listener: Any) -> None:
        """Check what is new."""
        with translated():
            self._support.check_listener(new_listener)
            _check_content("listener", new_listener, old_listener)
        self._request.of(old_listener.loadbalancer_id)

    # Pool

    def pool_create(self, pool: Any) -> None:
        """Check it."""
        with translated():
            self._support.check_pool(pool)
            _check_content("pool", pool)
        self._request.of(pool.loadbalancer_id)

    def pool_delete(self, pool: Any) -> None:
        """Accept."""
        self._request.of(pool.loadbalancer_id)

    def pool_update(self, old_pool: Any, new_pool: Any) -> None:
        """Check what is new."""
        with translated():
            self._support.check_pool(new_pool)
            _check_content("pool", new_pool, old_pool)
        self._request.of(old_pool.loadbalancer_id)

    # Member

    def member_create(self, member: Any) -> None:
        """Check its address family."""
        self._check_members(member.pool_id, [member])
        self._request.below("pools", member.pool_id)

    def member_delete(self, member: Any) -> None:
        """Accept."""
        self._request.below("pools", member.pool_id)

    def member_update(self, old_member: Any, new_member: Any) -> None:
        """Accept: the address cannot change."""
        self._request.below("pools", old_member.pool_id)

    def member_batch_update(self, pool_id: str, members: list[Any]) -> None:
        """Check address families; the API has written all the rows."""
        self._check_members(pool_id, members)
        self._request.below("pools", pool_id)

    # Health monitor

    def health_monitor_create(self, healthmonitor: Any) -> None:
        """Check it."""
        with translated():
            self._support.check_health_monitor(healthmonitor)
            _check_content("healthmonitor", healthmonitor)
        self._request.below("pools", healthmonitor.pool_id)

    def health_monitor_delete(self, healthmonitor: Any) -> None:
        """Accept."""
        self._request.below("pools", healthmonitor.pool_id)

    def health_monitor_update(
        self, old_healthmonitor: Any, new_healthmonitor: Any
    ) -> None:
        """Check what is new; the type cannot change."""
        with translated():
            _check_content(
                "healthmonitor", new_healthmonitor, old_healthmonitor
            )
        self._request.below("pools", old_healthmonitor.pool_id)

    # L7 policy and rule

    def l7policy_create(self, l7policy: Any) -> None:
        """Check it, and the protocol of its listener."""
        with translated():
            listener = parents.listener(l7policy.listener_id)
            self._support.check_l7policy(listener.protocol)
            _check_content("l7policy", l7policy)
        self._request.below("listeners", l7policy.listener_id)

    def l7policy_delete(self, l7policy: Any) -> None:
        """Accept."""
        self._request.below("listeners", l7policy.listener_id)

    def l7policy_update(self, old_l7policy: Any, new_l7policy: Any) -> None:
        """Check what is new."""
        with translated():
            _check_content("l7policy", new_l7policy, old_l7policy)
        self._request.below("listeners", old_l7policy.listener_id)

    def l7rule_create(self, l7rule: Any) -> None:
        """Check it."""
        with translated():
            _check_content("l7rule", l7rule)
        self._request.below("l7policies", l7rule.l7policy_id)

    def l7rule_delete(self, l7rule: Any) -> None:
        """Accept."""
        self._request.below("l7policies", l7rule.l7policy_id)

    def l7rule_update(self, old_l7rule: Any, new_l7rule: Any) -> None:
        """Check what is new, with what stays."""
        with translated():
            _check_content("l7rule", new_l7rule, old_l7rule)
        self._request.below("l7policies", old_l7rule.l7policy_id)

    # Flavor and availability zone

    def get_supported_flavor_metadata(self) -> dict[str, str]:
        """Key -> description."""
        return _descriptions(flavors.SCHEMA)

    def validate_flavor(self, flavor_metadata: dict[str, Any]) -> None:
        """Check keys, sizes, and that what they name exists."""
        with translated():
            flavors.check_schema(flavor_metadata, flavors.SCHEMA)
            flavors.size_of(flavor_metadata, self._settings)
            autoscale_of(flavor_metadata)
            chosen_gate(self._settings.policy.gate, flavor_metadata)
            self._check_exists(flavor_metadata)
            flavors.check_resources(flavor_metadata)

    def get_supported_availability_zone_metadata(self) -> dict[str, str]:
        """Key -> description."""
        return _descriptions(availability_zones.SCHEMA)

    def validate_availability_zone(
        self, availability_zone_metadata: dict[str, Any]
    ) -> None:
        """Check keys, and that what they name exists."""
        with translated():
            availability_zones.check(availability_zone_metadata)
            self._check_exists(availability_zone_metadata)

    def _check_exists(self, metadata: dict[str, Any]) -> None:
        """See that the distributor is there; it may be disabled just now."""
        distributor_id = Choice.of(metadata).distributor_id
        if distributor_id is None:
            return
        with self._database.transaction() as session:
            if not distributors.exists(session, distributor_id):
                raise _no_distributor(distributor_id)

    def _record(self, loadbalancer: Any) -> None:
        metadata = loadbalancer.flavor or {}
        size = flavors.size_of(metadata, self._settings)
        choice = choices.of(loadbalancer)
        with self._database.transaction() as session:
            distributor_id = choice.distributor_id or distributors.default_id(
                session
            )
            if distributor_id is None:
                raise InvalidRequest("distributor", NO_DISTRIBUTOR)
            _check_usable(session, distributor_id)
            _check_not_external(session, loadbalancer)
            clusters.create(
                session,
                ClusterRecord(
                    load_balancer_id=loadbalancer.loadbalancer_id,
                    project_id=loadbalancer.project_id,
                    distributor_id=distributor_id,
                    size=size,
                    cooldown_seconds=flavors.whole(
                        metadata, flavors.CLUSTER_COOLDOWN
                    ),
                    spare_count=flavors.whole(
                        metadata, flavors.CLUSTER_SPARE_COUNT
                    ),
                    autoscale=autoscale_of(metadata),
                    frontend_network_id=choice.frontend_network_id,
                    frontend_subnet_id=choice.frontend_subnet_id,
                    request_id=log_lines.request_id(),
                ),
            )
        LOG.info(
            "Cluster of %s amphorae recorded for load balancer %s behind "
            "distributor %s",
            size.desired,
            loadbalancer.loadbalancer_id,
            distributor_id,
        )

    def _check_members(self, pool_id: str, members: list[Any]) -> None:
        if not self._settings.udp_supported:
            return  # there are none of the pools that have a rule
        with translated():
            self._support.check_members(parents.pool(pool_id), members)


def _check_content(kind: str, new: Any, old: Any = None) -> None:
    """Refuse what HAProxy would refuse."""
    content.check(
        kind, new.to_dict(recurse=True), None if old is None else vars(old)
    )


def _check_usable(session: Any, distributor_id: str) -> None:
    """See that a new load balancer may use it, until the transaction ends.

    Octavia would call a conflict one of VIP addresses, so it is none.
    """
    try:
        lifecycle.require_usable(session, distributor_id)
    except NotFound as e:
        raise _no_distributor(distributor_id) from e
    except Conflict as e:
        raise InvalidRequest(DISTRIBUTOR_ID, str(e)) from e


def _check_not_external(session: Any, loadbalancer: Any) -> None:
    """See that no distributor announces its VIPs to somewhere else."""
    given = loadbalancer.to_dict()
    texts = [given.get("vip_address")]
    texts += [v.get("ip_address") for v in given.get("additional_vips") or ()]
    taken = external_vips.taken(
        session, [ip_address(text) for text in texts if text]
    )
    if taken:
        raise InvalidRequest(
            "vip_address",
            f"{min(map(str, taken))} is an external VIP of a distributor",
        )


def _no_distributor(distributor_id: str) -> InvalidRequest:
    return InvalidRequest(
        DISTRIBUTOR_ID, f"there is no distributor {distributor_id}."
    )


def _descriptions(schema: dict[str, Any]) -> dict[str, str]:
    return {
        key: value["description"]
        for key, value in schema["properties"].items()
    }
