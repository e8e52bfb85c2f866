# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The settings of octavia-anycast: one section, ``[anycast]``.

They live in octavia.conf (or a file beside it) and are read by the provider
driver, the controller and octavia-anycast-manage. ``HELP`` has all options;
each text gives the unit, and why the default is what it is. An option has the
type and the default of a field: of :class:`Settings`, of the planner's policy
or patience, or of the health gate (with the prefix ``gate_``). Product code
gets the frozen :class:`Settings`, never the global configuration object.
"""

from dataclasses import dataclass, fields
from types import NoneType
from typing import Any

from oslo_config import cfg
from oslo_config import types as cfg_types

from octavia_anycast.model.cluster import (
    CLUSTER_SIZE_MAX,
    ClusterPolicy,
    ClusterSize,
    DrainLimits,
)
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.model.heartbeat import MISSED_HEARTBEATS
from octavia_anycast.model.wire import GateSettings, SyntheticRequest
from octavia_anycast.planning.amphora.certificates import left_when_due
from octavia_anycast.planning.amphora.failures import Patience
from octavia_anycast.planning.amphora.gate_choice import (
    KEYS,
    PREFIX,
    REQUEST_PREFIX,
    chosen_gate,
)
from octavia_anycast.planning.doctor.seen import Limits

GROUP = "anycast"
# An amphora that misses so many reports is not known to announce.
MISSED_REPORTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings, read once at start-up by ``cmd`` or the driver."""

    size: ClusterSize
    policy: ClusterPolicy
    patience: Patience
    connection: str | None = None
    udp_allowed: bool = True
    flow_rescue: bool = True
    amp_image_tag: str = ""
    amp_flavor_id: str = ""
    poll_interval: float = 0.2
    resync_interval: float = 10.0
    rest_interval: float = 180.0
    report_interval: float = 9.0
    workers: int = 8
    action_workers: int = 8
    coordination_url: str = "file:///var/lib/octavia-anycast/coordination"
    heartbeat_bind_ip: str = "0.0.0.0"
    heartbeat_bind_port: int = 5556
    frontend_security_groups: tuple[str, ...] = ()
    heartbeat_controllers: tuple[str, ...] = ()
    heartbeat_interval: int = 3
    metrics_bind_ip: str = "127.0.0.1"
    metrics_bind_port: int = 0
    metrics_per_load_balancer: bool = False
    picture: bool = False
    picture_hosts: tuple[str, ...] = ()
    picture_tenant_details: bool = False
    agent_connect_timeout: float = 2.0
    agent_timeout: float = 5.0
    configure_timeout: float = 30.0
    spare_watch_interval: float = 0.5
    spare_watch_timeout: float = 0.2
    orphan_after: float = 120.0
    sweep_interval: float = 60.0
    purge_interval: float = 300.0
    amphora_expiry_age: float = 604800.0
    event_expiry_age: float = 604800.0
    event_count_max: int = 1000
    cert_interval: float = 3600.0
    cert_expiry_buffer: float = 1209600.0
    cert_rotate_threads: int = 4

    @property
    def report_stale_after(self) -> float:
        """Seconds after which an amphora's report says nothing any more.

        It is stored, or confirmed by a heartbeat, at intervals.
        """
        return MISSED_REPORTS * (self.report_interval + self.news_interval)

    @property
    def beat_interval(self) -> float:
        """Seconds between two heartbeats of an amphora to one controller.

        It sends them to each in turn.
        """
        return float(
            self.heartbeat_interval * max(1, len(self.heartbeat_controllers))
        )

    @property
    def news_interval(self) -> float:
        """Seconds after which a controller hears of an amphora again.

        By an answer, or by a heartbeat where the amphora is at rest.
        """
        return max(self.resync_interval, self.beat_interval)

    @property
    def silent_after(self) -> float:
        """Seconds after which an amphora not heard of is silent."""
        return MISSED_HEARTBEATS * self.heartbeat_interval

    @property
    def drain_limits(self) -> DrainLimits:
        """What these settings say of drains."""
        return DrainLimits(
            drain_timeout=self.policy.drain_timeout,
            stale_after=self.report_stale_after,
            silent_after=self.silent_after,
        )

    def doctor_limits(self, certificate_seconds: float) -> Limits:
        """What these settings say of what the doctor looks at.

        A certificate is replaced within ``cert_interval`` once it is due. Two
        of these may fail.

        :param certificate_seconds: for how long new certificates are valid
        """
        due = left_when_due(self.cert_expiry_buffer, certificate_seconds)
        late = due - 3 * self.cert_interval
        return Limits(
            report_stale_after=self.report_stale_after,
            silent_after=2 * self.silent_after,
            settled_after=self.policy.session_patience,
            certificate_left=max(0.0, late),
            heartbeat_port=self.heartbeat_bind_port,
        )


HELP = {
    "connection": "SQLAlchemy URL of our tables. Default: [database] "
    "connection; the names of our tables have a prefix, so they can be in "
    "Octavia's own database.",
    "cluster_size": "Amphorae of a load balancer whose flavor does not name a "
    "size. Two is the smallest number that survives the loss of one.",
    "cluster_min_size": "Amphorae that must have a configuration before the "
    "load balancer becomes ACTIVE. With fewer that announce, the operating "
    "status is ERROR.",
    "cluster_max_size": "The largest cluster that a flavor may ask for.",
    "udp_allowed": "Whether UDP and SCTP listeners are accepted at all. "
    "Whether amphorae can serve them is not set but found out: each agent "
    "reports whether its image has keepalived, ipvsadm and a kernel with "
    "ip_vs. Where no amphora of a load balancer does, such a listener is "
    "refused, or goes to ERROR if that is known only later. False forbids "
    "them whatever the image has.",
    "flow_rescue": "Whether amphorae hand packets of each other's connections "
    "to their owner, so that a change of the cluster breaks none. It needs an "
    "image with the BPF program and Linux 5.14 with BTF; an amphora that "
    "cannot says so and is left out. The security group of each load "
    "balancer then opens UDP port 14789 between its amphorae. A flavor or a "
    "cluster can switch it off for a load balancer.",
    "amp_image_tag": "Glance tag of the image of amphorae whose flavor does "
    "not name one (amp_image_tag), and of dedicated amphorae. Empty: that of "
    "[controller_worker], from which Octavia's own provider boots, too.",
    "amp_flavor_id": "Nova flavor of amphorae whose flavor does not name one "
    "(compute_flavor), and of dedicated amphorae. Empty: that of "
    "[controller_worker].",
    "poll_interval": "Seconds between two searches for load balancers in "
    "PENDING_*. Each is one indexed query. A change waits for half of this on "
    "average.",
    "resync_interval": "Seconds between two full reconciles of a converged "
    "load balancer. Each asks every agent once. A controller that has more to "
    "do than one processor core can do reconciles less often.",
    "rest_interval": "Seconds between two full reconciles of a load balancer "
    "at rest: it is converged, and each heartbeat of its amphorae bears the "
    "digest of what its agent would report, which is what it reported last. A "
    "heartbeat with another digest, or one that is missing, has it looked at "
    "at once. What is only counted in reports (connections, packets of flow "
    "rescue) is as old. 0: as often as all others, by resync_interval.",
    "report_interval": "Seconds after which an unchanged report of an agent "
    "is stored again; a change is stored at once. Agents are asked at each "
    "resync, so only an interval longer than resync_interval saves writes; "
    "the age that `distributor path list` shows grows with it.",
    "session_patience": "Seconds that an amphora may take to announce again "
    "after a change of its BGP peers. After that, the distributor is shown as "
    "ERROR, and amphorae that still announce keep their peers. Longer than "
    "ExaBGP's pause between two attempts.",
    "workers": "Load balancers that one controller reconciles at the same "
    "time.",
    "action_workers": "Amphorae of one load balancer that are worked on at "
    "the same time.",
    "coordination_url": "tooz URL with which several controllers share the "
    "load balancers.",
    "heartbeat_bind_ip": "Address on which heartbeats of anycast amphorae "
    "arrive (UDP).",
    "heartbeat_bind_port": "UDP port for heartbeats. Not the health manager's "
    "5555, which a stock Octavia on the same host uses.",
    "frontend_security_groups": "Ids of security groups that every front-end "
    "port gets in addition to the load balancer's own. Peering over the front "
    "end needs one that accepts BFD (UDP 3784, 3785) and BGP (TCP 179) from "
    "the leaves. None by default: peering over management needs none.",
    "heartbeat_controllers": "ADDRESS:PORT of each controller, written into "
    "the amphorae.",
    "heartbeat_interval": "Seconds between two heartbeats of an amphora.",
    "metrics_bind_ip": "Address on which the controller serves /metrics, for "
    "Prometheus, and /healthz. There is no authentication, so it is this "
    "host only by default; name an address of the management network, and no "
    "other.",
    "metrics_bind_port": "TCP port for /metrics and /healthz; 0: they are not "
    "served. Off by default: nobody has asked for another open port.",
    "metrics_per_load_balancer": "Whether /metrics counts the amphorae of "
    "each load balancer, too: four lines for each, with its id. Off by "
    "default, because so many series are costly in Prometheus.",
    "picture": "Whether the controller serves a page beside /metrics, too: "
    "/picture/ shows load balancers, routers, amphorae and members as they "
    "are now, and the last hour. It needs metrics_bind_port. There is no "
    "authentication, and the page names load balancers and projects, so it "
    "is off by default.",
    "picture_hosts": "Names by which browsers may open that page, without "
    "ports: that of a proxy before it, for instance. Addresses and the name "
    "of this host always do. Any other name is refused, so that no page from "
    "elsewhere can read this one by way of the browser (DNS rebinding).",
    "picture_tenant_details": "Whether that page also has what is the "
    "tenants' own beyond names, statuses and VIPs: protocols and ports of "
    "listeners, protocols of pools, addresses and ports of members. A reason "
    "of a health gate names the listener's address and port in any case.",
    "agent_connect_timeout": "Seconds to wait until an amphora accepts a TCP "
    "connection. Its kernel does that, however busy the agent is; where "
    "nobody does, the server is stopped or cut off, and each look at its "
    "cluster waits for so long.",
    "agent_timeout": "Seconds to wait for the answer of an amphora's agent to "
    "a GET, once it is connected. The agent answers one call at a time, and a "
    "virtual machine on a busy host takes seconds. A hung agent holds one of "
    "the workers for so long in each look, until systemd starts it anew.",
    "configure_timeout": "Seconds to wait for one configuration call to an "
    "amphora. Shorter than the agent's watchdog (45 seconds, in its systemd "
    "unit), which takes a longer call for a hang.",
    "boot_timeout": "Seconds after which an amphora that does not answer has "
    "failed, from the order of its server on: image copy, boot, cloud-init. "
    "Like Octavia, which waits for the agent for ten minutes: one that is "
    "slow must not be thrown away for the next one that is as slow.",
    "dead_after": "Seconds without heartbeat and answer after which an "
    "amphora is replaced. Its traffic left it long before, by hold time or "
    "BFD. At least three times agent_timeout, so that one late answer is no "
    "death. Also seconds without an answer of its agent after which one "
    "that still sends heartbeats and has an old configuration is replaced: an "
    "ACTIVE load balancer is announced with an older configuration for at "
    "most as long. Also seconds without a heartbeat after which an amphora "
    "that answers is named in the cluster's reason.",
    "gate_timeout": "Seconds with a failed health gate after which an amphora "
    "is replaced, if another one of its cluster is healthy. The same for an "
    "amphora that does not take the configuration that others took, and for "
    "one whose agent does not answer (systemd restarts an agent that hangs "
    "after 45 seconds).",
    "drain_timeout": "Seconds for which an amphora drains at most before it "
    "is deleted; also one that its administrator drains without naming a "
    "time. The drain ends earlier when no established connection is left. "
    "Without flow rescue the fabric sends an amphora that drains nothing any "
    "more, and one that leaves is deleted after 5 seconds at most.",
    "withdraw_linger": "Seconds between the withdrawal and the end of the "
    "data path: the fabric needs them to converge.",
    "announce_wait": "Seconds that a change waits for min_size amphorae to "
    "announce. After that, the load balancer becomes ACTIVE without them.",
    "error_after": "Seconds in PENDING_* with fewer than min_size configured "
    "amphorae after which the load balancer is shown as ERROR. Work on it "
    "goes on. Servers that boot have boot_timeout in addition, as long as no "
    "boot failed; after five boots that failed in a row nobody waits any "
    "longer. A failover may take longer: each of its amphorae has as long, "
    "and drain_timeout. A deletion that is not done by then is shown as "
    "ERROR, too, so that it can be requested again.",
    "refused_after": "Seconds that another service may refuse a step (a port "
    "is gone, a quota is exhausted) before the load balancer is shown as "
    "ERROR, with the service's own sentence in the reason of its cluster. "
    "Boots count as refused after the third failure in a row; backoff_base "
    "sets the times between them. Work goes on: when the cause is gone, the "
    "load balancer becomes ACTIVE by itself, or is deleted.",
    "backoff_base": "Seconds to wait after a failed boot; doubles each time.",
    "backoff_max": "The longest wait after failed boots, in seconds.",
    "peer_group_size": "Amphorae that share their stick tables, which hold "
    "the session persistence SOURCE_IP and APP_COOKIE. A cluster of up to "
    "this size is one group: a client keeps its member whichever amphora it "
    "reaches. A larger one is divided into groups, and a client that reaches "
    "another group may get another member. Each amphora sends every new entry "
    "to each other one of its group. 1: each amphora keeps its own entries "
    "across reloads; 0: it does not.",
    "gate_interval_ms": "Milliseconds between two probes of the health gate. "
    "The death of HAProxy is seen at once, without a probe.",
    "gate_rise_count": "Good probes until UP.",
    "gate_fall_count": "Bad probes until DOWN.",
    "gate_unknown_hold_ms": "Milliseconds for which the last verdict is kept "
    "while probes have no result.",
    "gate_answer_interval_ms": "Milliseconds between two requests on "
    "HAProxy's own socket.",
    "gate_answer_timeout_ms": "Milliseconds that HAProxy may take to answer "
    "on its own socket. A process that is stopped is seen without this; one "
    "that loops is not. If it is shorter, busy machines withdraw whole "
    "clusters.",
    "gate_accept_timeout_ms": "Milliseconds for which connections may wait at "
    "a listener, none of them accepted, while HAProxy does not answer on its "
    "own socket either. After that, HAProxy counts as hanging.",
    "gate_gateway_interval_ms": "Milliseconds between two requests (ARP, "
    "neighbour discovery) to the front end's gateways. A gateway counts as "
    "lost 0.4 s after the first request that it does not answer.",
    "gate_request_path": "Path of an HTTP request that the health gate makes "
    "to each HTTP and TERMINATED_HTTPS listener on the VIP, from inside the "
    "amphora. Empty: none is made. It is counted in the listener's statistics "
    "and appears in its log, so it is off by default.",
    "gate_request_method": "Method of that request.",
    "gate_request_host": "Host header of that request, and the server name "
    "for TLS. Empty: the VIP.",
    "gate_request_codes": "Statuses that pass, such as 200-299,404. By "
    "default any answer passes: a 503 means that no member is up, which is "
    "the same on every amphora, and withdrawing all of them helps nobody.",
    "gate_request_interval_ms": "Milliseconds between two such requests to "
    "one listener.",
    "gate_request_timeout_ms": "Milliseconds that the answer may take.",
    "gate_request_rise_count": "Good answers of a listener in a row until it "
    "passes.",
    "gate_request_fall_count": "Bad answers of a listener in a row until it "
    "fails.",
    "replacement_limit": "Amphorae that may boot as replacements at the same "
    "time, over all load balancers and controllers: when a rack is lost, the "
    "compute, network and image services stay usable. New load balancers and "
    "larger clusters do not wait. Dedicated amphorae of distributors count, "
    "too.",
    "spare_watch_interval": "Seconds between two calls to each amphora of a "
    "cluster that has a spare, so that the spare joins at once. Each call "
    "takes about 10 ms of processor time; clusters without spares are not "
    "watched.",
    "spare_watch_timeout": "Seconds that such a call waits for the kernel of "
    "the amphora; its agent, which may be busy, has twice as long, and its "
    "report four times. Also seconds without an answer to knocks: "
    "connections that are opened ten times a second and reset at once. If "
    "this is too short, a spare joins without need and stands by again "
    "afterwards: each moves some connections.",
    "orphan_after": "Seconds after which a record without its load balancer "
    "is removed. Before that, Octavia's API may still be in its transaction.",
    "sweep_interval": "Seconds between two orphan sweeps.",
    "purge_interval": "Seconds between two purges of old records.",
    "amphora_expiry_age": "Seconds for which the record of a deleted amphora "
    "is kept, like [house_keeping] amphora_expiry_age. Its failures count for "
    "the back-off, and a server that comes back is known by it; so at least "
    "an hour.",
    "event_expiry_age": "Seconds for which events are kept, at most: a week, "
    "like the records of deleted amphorae.",
    "event_count_max": "Events that are kept of each load balancer, and of "
    "the amphorae of each distributor's own, at most; the oldest go at the "
    "next purge. A thousand take about half a megabyte, and are days of a "
    "cluster in which something happens every ten minutes.",
    "cert_interval": "Seconds between two searches for certificates of "
    "amphorae that expire soon. One that could not be replaced is tried again "
    "after a minute.",
    "cert_expiry_buffer": "Seconds before its expiry at which the certificate "
    "of an amphora is replaced: two weeks, like [house_keeping] "
    "cert_expiry_buffer. At most half of [certificates] cert_validity_time is "
    "used.",
    "cert_rotate_threads": "Clusters whose certificates are replaced at the "
    "same time; within a cluster, one amphora after the other. Making a key "
    "takes processor time, so not many more than there are processor cores.",
}
_SIZE = {"min": 1, "max": CLUSTER_SIZE_MAX}
_LIMITS: dict[str, dict[str, Any]] = {
    "connection": {"secret": True},
    "coordination_url": {"secret": True},
    "cluster_size": _SIZE,
    "cluster_min_size": _SIZE,
    "cluster_max_size": _SIZE,
    "poll_interval": {"min": 0.05},
    "resync_interval": {"min": 0.5},
    "rest_interval": {"min": 0.0},
    "report_interval": {"min": 0.5},
    "session_patience": {"min": 1.0},
    "workers": {"min": 1},
    "action_workers": {"min": 1},
    "heartbeat_interval": {"min": 1},
    "agent_connect_timeout": {"min": 0.1},
    "agent_timeout": {"min": 0.1},
    "configure_timeout": {"min": 1.0},
    "refused_after": {"min": 0.0},
    "peer_group_size": {"min": 0, "max": CLUSTER_SIZE_MAX},
    "gate_request_method": {"choices": ["GET", "HEAD", "OPTIONS"]},
    "replacement_limit": {"min": 1},
    "spare_watch_interval": {"min": 0.1},
    "spare_watch_timeout": {"min": 0.05},
    "picture_hosts": {"item_type": cfg_types.HostDomain()},
    "purge_interval": {"min": 1.0},
    "amphora_expiry_age": {"min": 3600.0},
    "event_expiry_age": {"min": 60.0},
    "event_count_max": {"min": 1},
    "cert_interval": {"min": 1.0},
    "cert_expiry_buffer": {"min": 0.0},
    "cert_rotate_threads": {"min": 1},
}
# name -> its former name, which is read still
_RENAMED = {"udp_allowed": "udp_supported"}
_DEFAULTS: dict[str, Any] = {
    "cluster_size": 2,
    "cluster_min_size": 1,
    "cluster_max_size": 8,
    **{f.name: f.default for f in fields(Settings)},
    **{f.name: f.default for f in fields(ClusterPolicy)},
    **{f.name: f.default for f in fields(Patience)},
    **{PREFIX + f.name: f.default for f in fields(GateSettings)},
    **{REQUEST_PREFIX + f.name: f.default for f in fields(SyntheticRequest)},
    "gate_request_path": "",
}
_KINDS = {
    bool: cfg.BoolOpt,
    int: cfg.IntOpt,
    float: cfg.FloatOpt,
    str: cfg.StrOpt,
    NoneType: cfg.StrOpt,
    tuple: cfg.ListOpt,
}


def _option(name: str) -> Any:
    default = _DEFAULTS[name]
    kind = _KINDS[type(default)]
    if name.endswith("_port"):
        kind = cfg.PortOpt
    elif name.endswith("_bind_ip"):
        kind = cfg.IPOpt  # nothing at all would be every address
    elif kind is cfg.ListOpt:
        default = list(default)  # a tuple is "()" in a sample file
    return kind(
        name,
        default=default,
        help=HELP[name],
        deprecated_name=_RENAMED.get(name),
        **_LIMITS.get(name, {}),
    )


OPTIONS = [_option(name) for name in HELP]


def register(conf: Any) -> None:
    """Register the section on an oslo.config object; idempotent."""
    conf.register_opts(OPTIONS, group=GROUP)


def read(conf: Any) -> Settings:
    """Read the settings of a configured oslo.config object.

    :raises InvalidRequest: if sizes contradict one another, or a value is not
        of its type or out of its range.
    """
    register(conf)
    found = {name: _value(conf, name) for name in HELP}
    ours: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in found.items()
    }
    gate = chosen_gate(GateSettings(), {key: ours[key] for key in KEYS})
    return Settings(
        size=ClusterSize(
            desired=ours["cluster_size"],
            minimum=ours["cluster_min_size"],
            maximum=ours["cluster_max_size"],
        ),
        policy=ClusterPolicy(gate=gate, **_of(ClusterPolicy, ours)),
        patience=Patience(**_of(Patience, ours)),
        **_of(Settings, ours),
    )


def _value(conf: Any, name: str) -> Any:
    try:
        return conf[GROUP][name]
    except cfg.ConfigFileValueError as e:
        reason = str(e).rpartition(" is not valid: ")[2]
        raise InvalidRequest(name, reason) from e


def _of(model: type, ours: dict[str, Any]) -> dict[str, Any]:
    """Choose the options that are fields of a model."""
    names = {f.name for f in fields(model)}
    return {name: value for name, value in ours.items() if name in names}


def list_opts() -> list[tuple[str, list[Any]]]:
    """List the options for oslo-config-generator."""
    return [(GROUP, OPTIONS)]
