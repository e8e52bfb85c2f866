# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Every metric that the controller exposes, declared once.

The help texts of ``/metrics`` and the operator's page are made of this; rules
and board are checked against it. Names follow the conventions of Prometheus:
base units, ``_total`` for what only grows.

Layer: controller. Pure: standard library only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

PREFIX = "octavia_anycast_"


class Type(StrEnum):
    """Of which type a metric is."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Source(StrEnum):
    """Whom a metric is about."""

    DEPLOYMENT = "deployment"  # all load balancers; the same anywhere
    PROCESS = "process"  # the controller that answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One metric.

    ``name``: as it is scraped; a histogram's samples have a suffix each.
    ``text``: what it counts. ``labels``: label -> what it may be.
    ``action``: what to do when it moves. ``unit``: what one of it is.
    """

    name: str
    type: Type
    source: Source
    unit: str
    text: str
    action: str
    labels: Mapping[str, str] = field(default_factory=dict)
    buckets: tuple[float, ...] = ()

    @property
    def label_names(self) -> tuple[str, ...]:
        """Its labels, in order."""
        return tuple(self.labels)


def _family(
    source: Source,
    name: str,
    unit: str,
    text: str,
    action: str,
    metric_type: Type = Type.GAUGE,
    buckets: tuple[float, ...] = (),
    /,
    **labels: str,
) -> Family:
    return Family(
        name=PREFIX + name,
        type=metric_type,
        source=source,
        unit=unit,
        text=text,
        action=action,
        labels=labels,
        buckets=buckets,
    )


_of_all = partial(_family, Source.DEPLOYMENT)
_here = partial(_family, Source.PROCESS)
_STATE = "as in troubleshooting"
_WORK = "the kind of work: load_balancer, distributor, a chore"

LOAD_BALANCERS = _of_all(
    "load_balancers",
    "load balancers",
    "Load balancers of the provider, by provisioning status.",
    "PENDING_* that stays: is a controller running? ERROR: the reason of "
    "each cluster (Load balancer: provisioning status).",
    provisioning_status="ACTIVE, ERROR, PENDING_*",
)
CLUSTERS = _of_all(
    "clusters",
    "clusters",
    "Clusters by the operating status that was last found.",
    "DEGRADED or ERROR that stays: the reason of the cluster (Load balancer: "
    "operating status).",
    operating_status="ONLINE, DEGRADED, ERROR, OFFLINE",
)
AMPHORAE_DESIRED = _of_all(
    "amphorae_desired",
    "amphorae",
    "Amphorae that load balancers are to have, without spares.",
    "Compare it with those that announce.",
)
SPARES_DESIRED = _of_all(
    "spares_desired",
    "amphorae",
    "Spares that load balancers are to have.",
    "Compare it with those that stand by.",
)
AMPHORAE_SERVING = _of_all(
    "amphorae_serving",
    "amphorae",
    "Amphorae of load balancers in the phase serving, without spares.",
    "Fewer than desired: the other phases say what they are doing.",
)
AMPHORAE_ANNOUNCING = _of_all(
    "amphorae_announcing",
    "amphorae",
    "Amphorae of load balancers that announce each VIP to some peer.",
    "Fewer than serve: the health gates, then the BGP sessions.",
)
SPARES = _of_all(
    "spares",
    "amphorae",
    "Spares in the phase serving: they could join.",
    "Fewer than desired: one has joined in the place of a lost amphora, or "
    "boots fail.",
)
AMPHORAE = _of_all(
    "amphorae",
    "amphorae",
    "Amphorae, those of distributors too, by phase as it was recorded.",
    "silent, mute, stale, sick and failed ones are replaced. If they do not "
    "become fewer, see Amphora: phase.",
    phase=_STATE,
    zone="availability zone; empty: none is named",
)
DISTRIBUTORS = _of_all(
    "distributors",
    "distributors",
    "Distributors by operating status.",
    "DEGRADED or ERROR: its status_reason (Distributor).",
    operating_status="ONLINE, DEGRADED, ERROR, OFFLINE",
)
BGP_SESSIONS = _of_all(
    "bgp_sessions",
    "sessions",
    "BGP sessions of amphorae in use, by peer, as their agents last said. "
    "Unknown: the last report is too old.",
    "One peer without Established sessions: that router. Some of each peer: "
    "those amphorae (In the amphora: paths and sessions).",
    peer="name of the BGP peer, or its address",
    state="of RFC 4271: Established, Active, ..., Unknown",
)
PATHS = _of_all(
    "paths",
    "paths",
    "Paths of amphorae in use towards peers, by state. unknown: the last "
    "report is too old.",
    "pending: the session does not carry it. withdrawn: the gate, or the "
    "controller, wants it so; openstack loadbalancer distributor path list "
    "says why.",
    state="advertised, draining, pending, withdrawn, unknown",
)
GATES = _of_all(
    "gates",
    "amphorae",
    "Amphorae in use by the state of their health gate.",
    "DOWN: the reason of the gate in that amphora (In the amphora: the "
    "health gate).",
    state=_STATE,
)
GATE_PROBES = _of_all(
    "gate_probes",
    "probes",
    "Probes of health gates that do not say good, by what they say.",
    "bad: which probe it is tells where to look (In the amphora: the health "
    "gate).",
    probe=_STATE,
    verdict="bad, unknown, partial",
)
DRAINS = _of_all(
    "drains",
    "amphorae",
    "Amphorae that drain, by wish or because they leave.",
    "PENDING for minutes: too few others could serve (Amphora: drain).",
    state="PENDING, DRAINING, DRAINED",
)
DRAIN_CONNECTIONS = _of_all(
    "drain_connections",
    "connections",
    "Established connections of amphorae that are DRAINING.",
    "It falls to 0, or what is left breaks at the deadline of the drain.",
)
ZONE_DRAINS = _of_all(
    "zone_drains",
    "zone drains",
    "Zone drains that have not ended, by state.",
    "How far each is: openstack loadbalancer zone list (Zone drains).",
    state="DRAINING, DRAINED, ENDING",
)
ZONE_DRAIN_AMPHORAE = _of_all(
    "zone_drain_amphorae",
    "amphorae",
    "Amphorae of zone drains, by where their drains stand.",
    "waiting that stays: nobody can take their place. returning that stays: "
    "they do not announce again (Zone drains).",
    step="waiting, draining, drained, returning",
)
FLEET_CHANGES = _of_all(
    "fleet_changes",
    "1 or 0",
    "Whether a fleet change that has not ended is in this state.",
    "HALTED: its reason says why (openstack loadbalancer fleet show; Fleet "
    "changes).",
    state="RUNNING, PAUSED, HALTED",
)
FLEET_CHANGE_AMPHORAE = _of_all(
    "fleet_change_amphorae",
    "amphorae",
    "Amphorae by where the fleet change stands with them: to be replaced, "
    "being replaced, proven by a canary, replaced, or held (drained, or in a "
    "cluster that is not managed). 0 when it has ended.",
    "waiting and under_way fall, replaced rises; none of them moves: as for "
    "the reason of those clusters (Fleet changes).",
    step="waiting, under_way, soaking, replaced, held",
)
REPLACEMENTS = _of_all(
    "replacements_under_way",
    "amphorae",
    "Amphorae that boot in the place of others.",
    "At the limit for long: find out why those boots do not finish.",
)
REPLACEMENT_LIMIT = _of_all(
    "replacement_limit",
    "amphorae",
    "How many replacements may boot at the same time.",
    "It is the option replacement_limit.",
)
HEARTBEAT_AGE = _of_all(
    "oldest_heartbeat_age_seconds",
    "seconds",
    "Age of the oldest last heartbeat of an amphora that is ALLOCATED.",
    "Above dead_after: that amphora is lost, or its heartbeats do not "
    "arrive (Cluster: the reason).",
)
HEARTBEATS_MISSING = _of_all(
    "heartbeats_missing",
    "amphorae",
    "ALLOCATED amphorae without a heartbeat for dead_after.",
    "All of them: UDP to the controllers is blocked. Some: those amphorae "
    "(Cluster: the reason).",
)
REPORTS_MISSING = _of_all(
    "reports_missing",
    "amphorae",
    "Configured amphorae whose agents have not reported for too long.",
    "Their sessions and paths count as unknown. Are reconciles late "
    "(queue_oldest_due_seconds)? Do agents answer?",
)
CERTIFICATE_EXPIRY = _of_all(
    "nearest_certificate_expiry_timestamp_seconds",
    "seconds since 1970",
    "When the first certificate of an amphora expires; absent: there is none.",
    "Nearer than cert_expiry_buffer for long: rotation fails, the log of "
    "the controller says why.",
)
RESCUE_AMPHORAE = _of_all(
    "flow_rescue_amphorae",
    "amphorae",
    "Amphorae in use by the state of flow rescue that they report.",
    "unsupported: the image or the kernel. failed: the reason is in the "
    "cluster's amphorae (openstack loadbalancer cluster show).",
    state="off, on, unsupported, failed",
)
RESCUE = _of_all(
    "flow_rescue_events_total",
    "packets; flows of learned, unlearned",
    "What flow rescue counted in all amphorae while this controller looked. "
    "What an amphora counts after the last look before it goes is not in it.",
    "floods, refused and given_up without a change of the fabric: garbage. "
    "forged, foreign, malformed: somebody sends to UDP port 14789 who is no "
    "member.",
    Type.COUNTER,
    event="as in the agent contract, MemberCounts",
)
BALANCER_AMPHORAE = _of_all(
    "load_balancer_amphorae",
    "amphorae",
    "Amphorae of one load balancer; only with metrics_per_load_balancer.",
    "announcing below desired: the reason of that cluster.",
    load_balancer_id="id of the load balancer",
    count="desired, serving, announcing, spare",
)

BUILD = _here(
    "build_info",
    "none: always 1",
    "The version of the controller.",
    "Two versions for longer than an upgrade takes: one was forgotten.",
    version="the version of the package",
)
DATABASE_UP = _here(
    "database_up",
    "1 or 0",
    "Whether the deployment was read from the database within five seconds; "
    "if not, nothing about it is in this scrape.",
    "0, and /healthz says that the database does not answer: nothing is "
    "changed or replaced until it does; what is announced stays (Known "
    "situations). 0, and it answers: reading takes too long.",
)
COLLECTION_SECONDS = _here(
    "collection_duration_seconds",
    "seconds",
    "How long the reading of the deployment took the last time.",
    "Near the scrape timeout: scrape less often, or fewer controllers.",
)
CHECK = _here(
    "check_up",
    "1 or 0",
    "Whether a check of /healthz passes.",
    "0: /healthz has the sentence.",
    check="database, coordination, heartbeats, engine, spare_monitor",
)
HEARTBEATS_RECEIVED = _here(
    "heartbeats_received_total",
    "heartbeats",
    "Heartbeats of our amphorae that this controller took.",
    "It stands still: UDP to this controller is blocked, or no amphora has "
    "its address (heartbeat_controllers).",
    Type.COUNTER,
)
HEARTBEATS_LOST = _here(
    "heartbeats_lost_total",
    "heartbeats",
    "Heartbeats that came and were not recorded.",
    "The database does not keep up, or does not answer.",
    Type.COUNTER,
)
HEARTBEATS_REFUSED = _here(
    "heartbeats_refused_total",
    "datagrams",
    "Datagrams that were refused as heartbeats.",
    "wrong_key: heartbeat_key differs. unknown: of another controller's "
    "amphora. The log names the address once an hour (Cluster: the reason).",
    Type.COUNTER,
    reason="wrong_key, not_a_heartbeat, unknown",
)
RECONCILES = _here(
    "reconcile_duration_seconds",
    "seconds",
    "How long reconciles took, by how they ended.",
    "failed: a service refuses or does not answer. crashed: a fault of the "
    "controller. The log has both.",
    Type.HISTOGRAM,
    (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0),
    kind=_WORK,
    ending="settled, acted, waiting, gone, busy, failed, crashed",
)
QUEUE_DUE = _here(
    "queue_due",
    "keys",
    "What waits for a thread of this controller.",
    "It grows: more workers, another controller, or a longer resync_interval.",
    kind=_WORK,
)
QUEUE_BUSY = _here(
    "queue_busy",
    "keys",
    "What a thread of this controller works on.",
    "As many as workers for long: a service answers slowly.",
    kind=_WORK,
)
QUEUE_OLDEST = _here(
    "queue_oldest_due_seconds",
    "seconds",
    "For how long the one that waits longest has waited.",
    "Above resync_interval: changes and losses are seen late; as for "
    "queue_due.",
    kind=_WORK,
)
AT_REST = _here(
    "load_balancers_at_rest",
    "load balancers",
    "Load balancers of which heartbeats say that all is as it was, so that "
    "this controller looks at them each rest_interval only.",
    "Far fewer than the controllers look after, and all is well: amphorae of "
    "an older image, or heartbeats that come late or to another port.",
)
STATEMENTS = _here(
    "database_statement_duration_seconds",
    "seconds",
    "How long statements took that the databases answered, Octavia's tables "
    "and ours; its count is that of queries.",
    "Slower: the databases, or the network to them. More of them at rest: "
    "more load balancers, or a shorter resync_interval.",
    Type.HISTOGRAM,
    (0.001, 0.005, 0.025, 0.1, 0.5, 2.5),
)
EVENTS = _here(
    "events_total",
    "events",
    "Events that this controller stored.",
    "A kind that goes on and on: something comes and goes. What it is about, "
    "and why, says openstack loadbalancer distributor event list (Events).",
    Type.COUNTER,
    kind="amphora.phase, amphora.announced, amphora.withdrawn, session.up, "
    "session.down, gate.open, gate.closed, drain.begin, drain.end, "
    "spare.ready, spare.taken, failover, scale, status, zone.drain, "
    "fleet.change",
)
SESSION_CHANGES = _here(
    "bgp_session_changes_total",
    "changes",
    "Changes of BGP sessions to up or down, of which this controller stored "
    "events. Those of a session that changes more often than its events may "
    "are added after ten minutes. Absent while database_up is 0.",
    "One peer more than others: that router, or the way to it (On the leaf).",
    Type.COUNTER,
    peer="name of the BGP peer, or its address",
)
BOOTS = _here(
    "amphora_boots_total",
    "boots",
    "What became of boots of amphorae that this controller ordered. failed: "
    "it never served, or its server is gone.",
    "refused: what the compute service says is in the reason of the "
    "cluster. failed: console log and management network. held: another "
    "controller took the last place of replacement_limit.",
    Type.COUNTER,
    what="ordered, refused, unordered, held, failed",
)

FAMILIES = (
    LOAD_BALANCERS,
    CLUSTERS,
    AMPHORAE_DESIRED,
    AMPHORAE_SERVING,
    AMPHORAE_ANNOUNCING,
    SPARES_DESIRED,
    SPARES,
    AMPHORAE,
    BALANCER_AMPHORAE,
    DISTRIBUTORS,
    BGP_SESSIONS,
    PATHS,
    GATES,
    GATE_PROBES,
    DRAINS,
    DRAIN_CONNECTIONS,
    ZONE_DRAINS,
    ZONE_DRAIN_AMPHORAE,
    FLEET_CHANGES,
    FLEET_CHANGE_AMPHORAE,
    REPLACEMENTS,
    REPLACEMENT_LIMIT,
    HEARTBEAT_AGE,
    HEARTBEATS_MISSING,
    REPORTS_MISSING,
    CERTIFICATE_EXPIRY,
    RESCUE_AMPHORAE,
    RESCUE,
    BUILD,
    DATABASE_UP,
    COLLECTION_SECONDS,
    CHECK,
    HEARTBEATS_RECEIVED,
    HEARTBEATS_LOST,
    HEARTBEATS_REFUSED,
    RECONCILES,
    QUEUE_DUE,
    QUEUE_BUSY,
    QUEUE_OLDEST,
    AT_REST,
    STATEMENTS,
    EVENTS,
    SESSION_CHANGES,
    BOOTS,
)
