# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/loadbalancers/ID/cluster``: the amphorae of a load balancer."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

from octavia.common import constants, exceptions
from wsme import types as wtypes

from octavia_anycast import log_lines
from octavia_anycast.api.declaration import bodies, calls, resource
from octavia_anycast.api.declaration.calls import SEE_AMPHORAE, Call, ours
from octavia_anycast.api.declaration.fields import (
    ADDRESS,
    FLAG,
    INTEGER,
    MOMENT,
    NUMBER,
    TEXT,
    UUID,
    Resource,
    between,
    list_of,
    nested,
    one_of,
    reference,
)
from octavia_anycast.api.distributor import OPERATING, PROVISIONING
from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.db.amphora.reports import StoredReport
from octavia_anycast.db.cluster import clusters
from octavia_anycast.model.autoscale import Autoscale, Metric
from octavia_anycast.model.bgp import IPAddress, check_range
from octavia_anycast.model.cluster import (
    CLUSTER_SIZE_MAX,
    COOLDOWN_MAX_SECONDS,
    SPARE_COUNT_MAX,
    AmphoraRecord,
    ClusterRecord,
    ClusterSize,
)
from octavia_anycast.model.errors import InvalidRequest, NotFound
from octavia_anycast.model.wire import Report
from octavia_anycast.options import Settings

# Statuses in which its size may be changed: nothing else is under way.
CHANGEABLE = (constants.ACTIVE, constants.ERROR)
MAX_SIZE = "max_size"
_SIZE = between(1, CLUSTER_SIZE_MAX)
# Shown with its zone, and with what there is of a second.
_SCALED_AT = replace(MOMENT, shown=lambda at: at)
_METRIC = replace(TEXT, asked=lambda: one_of(*Metric).schema)
STATUS = TEXT("BOOTING, ALLOCATED, PENDING_DELETE or ERROR.")
FRONTEND_SUBNET_ID = UUID.or_null(
    "The subnet of the amphorae's front ends; null: one subnet of "
    "the network for each IP version."
)
_DISTRIBUTOR_ID = UUID("The distributor that it uses.")
_FRONTEND_NETWORK_ID = UUID.or_null(
    "The chosen network of the amphorae's front ends; null: the "
    "network of the distributor's zone, or else that of the VIP."
)
_FLOW_RESCUE = Resource(
    name="FlowRescue",
    fields={
        "state": TEXT(
            "on; off; unsupported: its image or its kernel cannot; failed: "
            "it is tried again."
        ),
        "reason": TEXT("Why it is unsupported or failed, in a sentence."),
        "learned": INTEGER(
            "How many connections of other amphorae it knows the owner of."
        ),
        "carried": INTEGER("Packets that it sent to the amphora they are of."),
        "delivered": INTEGER("Packets that it received from other amphorae."),
        "floods": INTEGER("How often it asked all others for an owner."),
        "refused": INTEGER(
            "Packets that it dropped, as floods have a limit; the client "
            "sends them again."
        ),
        "given_up": INTEGER("Packets of connections that nobody had."),
        "unanswered": INTEGER("Questions that were not answered in time."),
        "rejected": INTEGER(
            "Packets to its tunnel that it dropped: not from a member, with "
            "a wrong secret, or malformed."
        ),
    },
)
_MEMBER = Resource(
    name="Member",
    fields={
        "id": UUID("Its identifier."),
        "status": STATUS,
        "availability_zone": TEXT.or_null(
            "The availability zone that it was booted in."
        ),
        "frontend_ip": ADDRESS.or_null(
            "Its front-end address, which is the next hop of the VIP."
        ),
        "applied_revision": TEXT(
            "The revision of the configuration that it received last."
        ),
        "announcing": FLAG("Whether it announces every VIP."),
        "spare": FLAG("Whether it is a spare."),
        "flow_rescue": nested(_FLOW_RESCUE).or_null(
            "What it did for connections of other amphorae, since it was "
            "booted and for the amphorae that there are now; null: not known."
        ),
    },
)
_AUTOSCALE = Resource(
    name="Autoscale",
    fields={
        "metric": _METRIC("What is measured of each amphora."),
        "target": INTEGER(
            "The target for each amphora: connections, sessions per second, "
            "percent of the processors, or bytes per second."
        ),
        "tolerance": NUMBER(
            "How far the load may be from the target without scaling, as a "
            "share of the target; at most 0.9."
        ),
        "scale_in_delay": INTEGER(
            "Seconds of lower load before the cluster shrinks."
        ),
    },
)
CLUSTER = Resource(
    name="Cluster",
    root="cluster",
    optional=("amphorae",),
    fields={
        "load_balancer_id": UUID("The load balancer that it serves."),
        "distributor_id": _DISTRIBUTOR_ID,
        "frontend_network_id": _FRONTEND_NETWORK_ID,
        "frontend_subnet_id": FRONTEND_SUBNET_ID,
        "desired_size": INTEGER(
            "How many serving amphorae are wanted.", _SIZE, at="size.desired"
        ),
        "min_size": INTEGER(
            "How many amphorae have to serve; with fewer, the cluster is in "
            "ERROR.",
            _SIZE,
            at="size.minimum",
        ),
        "max_size": INTEGER(
            "The largest desired_size.", _SIZE, at="size.maximum"
        ),
        "cooldown": INTEGER(
            "Seconds after a change of the size in which autoscaling does "
            "not change it.",
            between(0, COOLDOWN_MAX_SECONDS),
            at="cooldown_seconds",
        ),
        "enabled": FLAG(
            "Whether the controller replaces amphorae and scales the "
            "cluster. If not, the existing amphorae keep serving, and the "
            "statuses keep saying how they do; the reason says that it is "
            "off.",
            at="is_enabled",
        ),
        "spare_count": INTEGER(
            "How many spare amphorae there are beside these. A spare is "
            "configured and announces nothing until another amphora is lost.",
            between(0, SPARE_COUNT_MAX),
        ),
        "flow_rescue": FLAG(
            "Whether its amphorae hand packets of each other's connections to "
            "the amphora that has the connection, so that a change of the "
            "cluster breaks none. It needs [anycast] flow_rescue; amphorae "
            "whose image or kernel lacks it are left out."
        ),
        "autoscale": nested(_AUTOSCALE, Autoscale).or_null(
            "The load of one amphora from which desired_size is computed; "
            "null: users set desired_size."
        ),
        "scaled_at": _SCALED_AT.or_null(
            "When desired_size last changed (UTC); null if never."
        ),
        "scaling_reason": TEXT(
            "Why autoscaling changed desired_size; empty if autoscaling did "
            "not."
        ),
        "cluster_type": TEXT(
            "ACTIVE_ACTIVE: all amphorae serve at the same time."
        ),
        "provisioning_status": PROVISIONING(
            "The provisioning status of the load balancer."
        ),
        "operating_status": OPERATING(
            "ONLINE: all amphorae announce; DEGRADED: at least min_size do; "
            "ERROR: fewer; OFFLINE: none does, or the load balancer (not the "
            "cluster) is disabled."
        ),
        "reason": TEXT("The reason for the statuses, in a sentence."),
        "config_revision": TEXT(
            "The revision of the configuration that the amphorae are to have."
        ),
        "amphora_count": INTEGER(
            "How many amphorae exist, booting ones included."
        ),
        "stand_in_count": INTEGER(
            "How many of these are beside desired_size and spare_count: each "
            "serves in the place of one that is drained with a zone or by a "
            "fleet change, and that stays."
        ),
        "announcing_count": INTEGER("How many amphorae announce every VIP."),
        "amphorae": list_of(nested(_MEMBER))(
            "The amphorae; shown only to those whom the policy allows it."
        ),
    },
)
CHOSEN = Resource(
    name="LoadBalancerChoice",
    fields={
        "distributor_id": replace(_DISTRIBUTOR_ID, kind=UUID.or_null),
        "frontend_network_id": _FRONTEND_NETWORK_ID,
        "frontend_subnet_id": FRONTEND_SUBNET_ID,
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterChange:
    """What of a cluster can be changed; each attribute is in its range."""

    desired_size: int
    min_size: int
    max_size: int
    cooldown: int = 0
    enabled: bool = True
    spare_count: int = 0
    flow_rescue: bool = True
    autoscale: Autoscale | None = None

    def __post_init__(self) -> None:
        for name in ("desired_size", "min_size", "max_size"):
            check_range(name, getattr(self, name), 1, CLUSTER_SIZE_MAX)
        check_range("cooldown", self.cooldown, 0, COOLDOWN_MAX_SECONDS)
        check_range("spare_count", self.spare_count, 0, SPARE_COUNT_MAX)


SCHEMAS = {
    "Cluster": CLUSTER.answer(),
    "ClusterChange": CLUSTER.change(ClusterChange),
    # Ours alone: the rest is in Octavia's own reference.
    "LoadBalancerChoice": CHOSEN.answer()
    | {
        "description": (
            "The attributes that a load balancer of the provider anycast has "
            "beside Octavia's: in the body of a POST, in every answer, and "
            "as filters of a list. Each is optional in a POST; none can be "
            "changed afterwards. They are null for load balancers of other "
            "providers."
        ),
        "additionalProperties": True,
    },
}
_PATH = "/v2/lbaas/loadbalancers/{loadbalancer_id}/cluster"
CALLS = {
    "get": Call(
        "GET",
        _PATH,
        "showCluster",
        "Show the cluster of a load balancer",
        ours("cluster:get_one", constants.RULE_API_READ),
        CLUSTER,
        (404,),
    ),
    "put": Call(
        "PUT",
        _PATH,
        "updateCluster",
        "Change the given attributes of the cluster of a load balancer",
        ours("cluster:put", constants.RULE_API_WRITE),
        CLUSTER,
        (400, 404, 409),
        status=202,
        body=calls.rooted("cluster", reference("ClusterChange")),
    ),
}
RAISE_MAX_SIZE = ours("cluster:put_max_size")


def is_switch(body: Any) -> bool:
    """Whether a body changes ``enabled`` and nothing else."""
    given = body.get(CLUSTER.root) if isinstance(body, Mapping) else None
    return isinstance(given, Mapping) and set(given) == {"enabled"}


def changed(
    body: Any, stored: ClusterRecord, *, size_limit: int
) -> ClusterChange:
    """Read a body: what is given, laid over what is stored.

    :param size_limit: the largest max_size that the deployment allows
    :raises InvalidRequest: naming the attribute, one that was given if the
        given ones contradict what is stored.
    """
    given = bodies.under(CLUSTER, body)
    change = bodies.changed(CLUSTER, ClusterChange, given, stored)
    if change.max_size > max(size_limit, stored.size.maximum):
        raise InvalidRequest(
            MAX_SIZE,
            f"{change.max_size} is more than {size_limit}, the most that "
            "this deployment allows ([anycast] cluster_max_size)",
        )
    _check_order(change, given)
    return change


def _check_order(change: ClusterChange, given: Mapping[str, Any]) -> None:
    desired = change.desired_size
    for name, limit, is_wrong, word in (
        ("min_size", change.min_size, desired < change.min_size, "less"),
        (MAX_SIZE, change.max_size, desired > change.max_size, "more"),
    ):
        if not is_wrong:
            continue
        if "desired_size" in given or name not in given:
            raise InvalidRequest(
                "desired_size", f"{desired} is {word} than {name}, {limit}"
            )
        other = "more" if word == "less" else "less"
        raise InvalidRequest(
            name, f"{limit} is {other} than desired_size, {desired}"
        )


def updates(
    change: ClusterChange, stored: ClusterRecord, now: datetime
) -> dict[str, Any]:
    """Fields of :class:`ClusterRecord` that a change sets; none: no change."""
    if all(
        getattr(change, field.name) == CLUSTER.value(field.name, stored)
        for field in fields(change)
    ):
        return {}
    updated: dict[str, Any] = {
        "size": ClusterSize(
            desired=change.desired_size,
            minimum=change.min_size,
            maximum=change.max_size,
        ),
        "cooldown_seconds": change.cooldown,
        "is_enabled": change.enabled,
        "spare_count": change.spare_count,
        "flow_rescue": change.flow_rescue,
        "autoscale": change.autoscale,
        "changed_at": now,
    }
    if change.desired_size != stored.size.desired:
        updated |= {"scaled_at": now, "scaling_reason": ""}
    return updated


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What of Octavia's load balancer matters here."""

    project_id: str
    status: str
    vips: frozenset[IPAddress]


class ClusterController(resource.Controller):
    """The cluster of one load balancer; made for a single request."""

    CALLS = CALLS
    _settings: Settings  # of the load balancers' controller

    def get(self) -> Any:
        """Show it."""
        return self._answer(self._find("get"))

    def put(self, cluster_: Any) -> Any:
        """Change what is given of it; the controller carries it out.

        It does not lock the load balancer. ``enabled`` alone may be changed
        during an update, too: a failover can be stopped.
        """
        found = self._find("put")
        is_stop = found.status == constants.PENDING_UPDATE and is_switch(
            cluster_
        )
        if found.status not in CHANGEABLE and not is_stop:
            raise exceptions.LBPendingStateError(
                state=found.status, id=self._id
            )
        self._change(cluster_, found)
        return self._answer(found)

    def _find(self, method: str) -> _Found:
        """Look Octavia's row up, if the call is allowed."""
        with self._octavia_transaction() as session:
            row = self._get_db_lb(session, self._id, show_deleted=False)
            self._authorize(method, row.project_id)
            return _Found(
                project_id=row.project_id,
                status=row.provisioning_status,
                vips=frozenset(
                    ip_address(vip.ip_address)
                    for vip in (row.vip, *row.additional_vips)
                    if vip is not None and vip.ip_address
                ),
            )

    def _change(self, body: Any, found: _Found) -> None:
        with self._transaction() as session:
            stored = clusters.lock(session, self._id)
            if stored is None:
                raise NotFound("Cluster", self._id)
            change = changed(
                body, stored, size_limit=self._settings.size.maximum
            )
            if change.max_size > stored.size.maximum:
                RAISE_MAX_SIZE.allows(found.project_id, do_raise=True)
            values = updates(change, stored, datetime.now(UTC))
            if values:
                clusters.update(
                    session,
                    self._id,
                    **values,
                    request_id=log_lines.request_id(),
                )
        resource.log_accepted(f": {change}")

    def _answer(self, found: _Found) -> Any:
        shown = self._shown(found.vips)
        if not SEE_AMPHORAE.allows(found.project_id):
            shown.amphorae = wtypes.Unset
        return CLUSTER.one(shown)

    def _shown(self, vips: frozenset[IPAddress]) -> Any:
        with self._transaction() as session:
            cluster = clusters.get(session, self._id)
            if cluster is None:
                raise NotFound("Cluster", self._id)
            found = amphorae.list_for(session, self._id)
            stored = reports.list_for_load_balancer(session, self._id)
        fresh_since = datetime.now(UTC) - timedelta(
            seconds=self._settings.report_stale_after
        )
        announcing = {
            one.amphora_id
            for one in stored
            if one.reported_at >= fresh_since and _announces(one, vips)
        }
        reported = {one.amphora_id: one.report for one in stored}
        return CLUSTER.shown(
            cluster,
            amphora_count=len(found),
            stand_in_count=sum(one.stand_in_wanted for one in found),
            announcing_count=sum(one.id in announcing for one in found),
            amphorae=[
                _member(one, one.id in announcing, reported.get(one.id))
                for one in found
            ],
        )


def _member(
    record: AmphoraRecord, is_announcing: bool, report: Report | None
) -> Any:
    frontend = record.frontend
    return _MEMBER.shown(
        record,
        frontend_ip=frontend.addresses[0].ip_address
        if frontend and frontend.addresses
        else None,
        announcing=is_announcing,
        spare=record.spare_since is not None,
        flow_rescue=_rescue_of(report),
    )


def _rescue_of(report: Report | None) -> Any:
    rescue = report and report.flow_rescue
    if not rescue:
        return None
    total = rescue.total
    return _FLOW_RESCUE.shown(
        rescue,
        carried=total.carried,
        delivered=total.delivered,
        floods=total.floods,
        refused=total.refused + total.waiting,
        given_up=total.given_up,
        unanswered=total.unanswered,
        rejected=total.foreign + total.forged + total.malformed,
    )


def _announces(stored: StoredReport, vips: frozenset[IPAddress]) -> bool:
    return bool(vips) and all(stored.report.is_announcing(vip) for vip in vips)
