# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The provider driver ``anycast``, called by Octavia's API.

It validates, allocates the VIP and records the cluster, and the id of each
request that it accepts. It sends nothing to the controller, which finds the
work in Octavia's own rows (octavia-rows.rst).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from ipaddress import ip_address
from typing import Any

from octavia_lib.api.drivers import exceptions, provider_base
from octavia_lib.common import constants as lib_constants
from oslo_config import cfg
from oslo_db.exception import DBError
from oslo_log import log as logging

from octavia_anycast import log_lines, options
from octavia_anycast.db.amphora import reports
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
    Retryable,
)
from octavia_anycast.octavia_adapter.cloud import vip as vip_ports
from octavia_anycast.octavia_adapter.haproxy_syntax import content
from octavia_anycast.octavia_adapter.load_balancer import rows
from octavia_anycast.planning.amphora.gate_choice import chosen_gate
from octavia_anycast.planning.cluster.lvs import refusal
from octavia_anycast.provider import metadata
from octavia_anycast.provider.support import Support

LOG = logging.getLogger(__name__)

NO_DISTRIBUTOR = (
    "there is no default distributor, and the flavor names none. An operator "
    "has to create a distributor with is_default true, or a flavor with "
    "distributor_id."
)
# attribute with the id of a parent -> its kind in ``object_rows``
LOAD_BALANCER = "loadbalancer_id"
_PARENTS = {
    "listener_id": "listeners",
    "pool_id": "pools",
    "l7policy_id": "l7policies",
}
# Ours -> octavia_lib's (Octavia's status); the others become DriverError.
_AS = {
    InvalidRequest: exceptions.UnsupportedOptionError,  # 501
    Conflict: exceptions.Conflict,  # 409
}


@contextmanager
def translated() -> Iterator[None]:
    """Raise octavia_lib's exceptions instead of ours.

    :raises UnsupportedOptionError: for InvalidRequest (Octavia: 501)
    :raises Conflict: for Conflict (Octavia: 409)
    :raises DriverError: for all others (Octavia: 500)
    """
    try:
        yield
    except AnycastError as e:
        said = str(e)
        if isinstance(e, Retryable):
            said = "The provider cannot do this just now; try again later."
        kind = next(
            (theirs for ours, theirs in _AS.items() if isinstance(e, ours)),
            exceptions.DriverError,
        )
        raise kind(user_fault_string=said, operator_fault_string=str(e)) from e


def _calls(
    kind: str, parent: str
) -> tuple[Callable[..., None], Callable[..., None], Callable[..., None]]:
    """Make the calls create, update and delete of one kind of object.

    They check what is new and record the request; the controller finds the
    rows.

    :param kind: as in ``content.check``
    :param parent: the attribute with the id of its parent
    """

    def accept(driver: Any, new: Any, old: Any) -> None:
        with translated():
            driver._support.check(kind, new, old)
            _check_content(kind, new, old)
        driver._record_request(parent, getattr(old or new, parent))

    def create(self: Any, new: Any) -> None:
        accept(self, new, None)

    def update(self: Any, old: Any, new: Any) -> None:
        accept(self, new, old)

    def delete(self: Any, old: Any) -> None:
        self._record_request(parent, getattr(old, parent))

    return create, update, delete


class AnycastProviderDriver(provider_base.ProviderDriver):
    """Active-active load balancers, announced by BGP."""

    def __init__(self) -> None:
        super().__init__()
        self._settings = options.read(cfg.CONF)
        self._support = Support(
            udp_allowed=self._settings.udp_allowed,
            lvs_refusal=self._lvs_refusal,
        )

    @cached_property
    def _database(self) -> Database:
        # On first use: the API may fork after it loaded the driver.
        return Database(
            self._settings.connection or cfg.CONF.database.connection
        )

    def _lvs_refusal(self, load_balancer_id: str) -> str:
        with self._database.transaction() as session:
            found = reports.list_of_balancer(session, load_balancer_id)
        return refusal(found)

    # Load balancer

    def create_vip_port(
        self,
        loadbalancer_id: str,
        project_id: str,
        vip_dictionary: dict[str, Any],
        additional_vip_dicts: list[dict[str, Any]],
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Allocate the VIPs, if there is any distributor.

        The flavor is not known here; a cluster without a distributor is
        refused in :meth:`loadbalancer_create`.
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
        """Record the cluster; if it is refused, release the VIP."""
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
        """Accept; the controller does the work."""
        self._record_request(LOAD_BALANCER, loadbalancer.loadbalancer_id)

    def loadbalancer_failover(self, loadbalancer_id: str) -> None:
        """Count the request: Octavia's rows do not say that it is one."""

        def request(session: Any) -> None:
            generation = clusters.request_failover(session, loadbalancer_id)
            clusters.record_request(
                session, loadbalancer_id, log_lines.request_id()
            )
            LOG.info(
                "Failover %s of load balancer %s requested",
                generation,
                loadbalancer_id,
            )

        with translated():
            self._database.transact(request)

    def loadbalancer_update(
        self, old_loadbalancer: Any, new_loadbalancer: Any
    ) -> None:
        """Accept; the controller does the work."""
        self._record_request(LOAD_BALANCER, old_loadbalancer.loadbalancer_id)

    # Objects below a load balancer

    listener_create, listener_update, listener_delete = _calls(
        "listener", LOAD_BALANCER
    )
    pool_create, pool_update, pool_delete = _calls("pool", LOAD_BALANCER)
    member_create, member_update, member_delete = _calls("member", "pool_id")
    health_monitor_create, health_monitor_update, health_monitor_delete = (
        _calls("healthmonitor", "pool_id")
    )
    l7policy_create, l7policy_update, l7policy_delete = _calls(
        "l7policy", "listener_id"
    )
    l7rule_create, l7rule_update, l7rule_delete = _calls(
        "l7rule", "l7policy_id"
    )

    def member_batch_update(self, pool_id: str, members: list[Any]) -> None:
        """Check address families; the API has written all the rows."""
        with translated():
            self._support.check_members_of(pool_id, members)
        self._record_request("pool_id", pool_id)

    # Flavor and availability zone

    def get_supported_flavor_metadata(self) -> dict[str, str]:
        """Key -> description."""
        return _descriptions(metadata.FLAVOR)

    def validate_flavor(self, flavor_metadata: dict[str, Any]) -> None:
        """Check keys, sizes, and that what they name exists."""
        with translated():
            metadata.check_schema(flavor_metadata, metadata.FLAVOR)
            metadata.size_of(flavor_metadata, self._settings)
            metadata.autoscale_of(flavor_metadata)
            chosen_gate(self._settings.policy.gate, flavor_metadata)
            self._check_exists(flavor_metadata)

    def get_supported_availability_zone_metadata(self) -> dict[str, str]:
        """Key -> description."""
        return _descriptions(metadata.AVAILABILITY_ZONE)

    def validate_availability_zone(
        self, availability_zone_metadata: dict[str, Any]
    ) -> None:
        """Check keys, and that what they name exists."""
        with translated():
            metadata.check_schema(
                availability_zone_metadata, metadata.AVAILABILITY_ZONE
            )
            self._check_exists(availability_zone_metadata)

    def _check_exists(self, given: dict[str, Any]) -> None:
        """Check that what is named exists; a distributor may be disabled."""
        distributor_id = Choice.of(given).distributor_id
        if distributor_id is not None:
            with self._database.transaction() as session:
                if not distributors.exists(session, distributor_id):
                    raise _no_distributor(distributor_id)
        metadata.check_resources(given)

    def _record(self, loadbalancer: Any) -> None:
        flavor = loadbalancer.flavor or {}
        size = metadata.size_of(flavor, self._settings)
        choice = metadata.choice_of(loadbalancer)

        def record(session: Any) -> None:
            distributor_id = choice.distributor_id or distributors.default_id(
                session
            )
            if distributor_id is None:
                raise InvalidRequest("distributor", NO_DISTRIBUTOR)
            _check_usable(session, distributor_id)
            _check_not_external(session, loadbalancer)
            cluster = ClusterRecord(
                load_balancer_id=loadbalancer.loadbalancer_id,
                project_id=loadbalancer.project_id,
                distributor_id=distributor_id,
                size=size,
                cooldown_seconds=metadata.whole(flavor, "cluster_cooldown"),
                spare_count=metadata.whole(flavor, "cluster_spare_count"),
                flow_rescue=flavor.get(metadata.FLOW_RESCUE, True),
                autoscale=metadata.autoscale_of(flavor),
                frontend_network_id=choice.frontend_network_id,
                frontend_subnet_id=choice.frontend_subnet_id,
                request_id=log_lines.request_id(),
            )
            clusters.create(session, cluster)

        self._database.transact(record)
        LOG.info(
            "Cluster of %s amphorae recorded for load balancer %s",
            size.desired,
            loadbalancer.loadbalancer_id,
        )

    def _record_request(self, parent: str, parent_id: str) -> None:
        """Record in the cluster's row which request changes it.

        The controller's log lines bear it. It serves people who read logs: a
        failure here never fails the request of a tenant.
        """
        try:
            found: str | None = parent_id
            if parent != LOAD_BALANCER:
                kind = _PARENTS[parent]
                found = rows.load_balancer_id_of(kind, parent_id)
            if found is not None:
                load_balancer_id = found
                self._database.transact(
                    lambda session: clusters.record_request(
                        session, load_balancer_id, log_lines.request_id()
                    )
                )
        except (AnycastError, DBError) as e:
            LOG.warning(
                "The id of this request is not recorded: the controller's "
                "log lines will not bear it. %s",
                str(e).partition("\n")[0],
            )


def _check_content(kind: str, new: Any, old: Any = None) -> None:
    content.check(
        kind, new.to_dict(recurse=True), None if old is None else vars(old)
    )


def _check_usable(session: Any, distributor_id: str) -> None:
    """Check that a new load balancer may use it, until the transaction ends.

    Octavia would report a Conflict as one of VIP addresses, so it is another
    error.
    """
    try:
        lifecycle.require_usable(session, distributor_id)
    except NotFound as e:
        raise _no_distributor(distributor_id) from e
    except Conflict as e:
        raise InvalidRequest(DISTRIBUTOR_ID, str(e)) from e


def _check_not_external(session: Any, loadbalancer: Any) -> None:
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
