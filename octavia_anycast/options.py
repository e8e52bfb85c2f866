# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The settings of octavia-anycast: one section, ``[anycast]``.

They live in octavia.conf (or a file beside it) and are read by the provider
driver, the controller and octavia-anycast-manage. Each help text gives the
unit, and why the default is what it is. Product code gets the frozen
:class:`Settings`, never the global configuration object.
"""

from dataclasses import dataclass
from typing import Any

from oslo_config import cfg

from octavia_anycast import gate_options
from octavia_anycast.model.cluster import (
    CLUSTER_SIZE_MAX,
    ClusterPolicy,
    ClusterSize,
)
from octavia_anycast.model.heartbeat import MISSED_HEARTBEATS
from octavia_anycast.model.registration import RegistrationLimits

GROUP = "anycast"

OPTIONS = [
    cfg.StrOpt(
        "connection",
        secret=True,
        help="SQLAlchemy URL of our tables. Default: [database] connection; "
        "the tables are prefixed, so Octavia's own database can hold them.",
    ),
    cfg.IntOpt(
        "cluster_size",
        default=2,
        min=1,
        max=CLUSTER_SIZE_MAX,
        help="Amphorae of a load balancer whose flavor does not say. Two is "
        "the least that survives a loss.",
    ),
    cfg.IntOpt(
        "cluster_min_size",
        default=1,
        min=1,
        max=CLUSTER_SIZE_MAX,
        help="Amphorae that must hold a configuration for the load balancer "
        "to be ACTIVE; fewer announcing than this is operating status ERROR.",
    ),
    cfg.IntOpt(
        "cluster_max_size",
        default=8,
        min=1,
        max=CLUSTER_SIZE_MAX,
        help="The largest cluster that a flavor may ask for.",
    ),
    cfg.BoolOpt(
        "udp_supported",
        default=False,
        help="Whether UDP and SCTP listeners are accepted. They need the "
        "ip_vs kernel module, keepalived and ipvsadm in the amphora image; a "
        "container or a minimal kernel lacks ip_vs, so they are refused "
        "unless you say so. Said wrongly, such a listener is not served, and "
        "a load balancer that has no others is not announced.",
    ),
    cfg.StrOpt(
        "amp_image_tag",
        default="",
        help="Glance tag of the image of amphorae whose flavor does not name "
        "one (amp_image_tag), and of a distributor's own amphorae. Empty: "
        "that of [controller_worker], which Octavia's own provider boots "
        "from as well.",
    ),
    cfg.StrOpt(
        "amp_flavor_id",
        default="",
        help="Nova flavor of amphorae whose flavor does not name one "
        "(compute_flavor), and of a distributor's own amphorae. Empty: that "
        "of [controller_worker].",
    ),
    cfg.FloatOpt(
        "poll_interval",
        default=0.2,
        min=0.05,
        help="Seconds between two looks for load balancers in PENDING_*. One "
        "indexed query each. A change waits for half of it on average.",
    ),
    cfg.FloatOpt(
        "resync_interval",
        default=10.0,
        min=0.5,
        help="Seconds between two full reconciles of a converged load "
        "balancer: each asks every agent once. A controller with more to do "
        "than one core can looks less often.",
    ),
    cfg.FloatOpt(
        "report_interval",
        default=9.0,
        min=0.5,
        help="Seconds after which an agent's report is stored again although "
        "nothing in it changed; a change is stored at once. Agents are asked "
        "at each resync, so a longer interval than that one saves writes, "
        "and the age that `distributor path list` shows grows to it.",
    ),
    cfg.FloatOpt(
        "session_patience",
        default=60.0,
        min=1.0,
        help="Seconds that an amphora may take to announce again after a "
        "change of its BGP peers. The distributor is shown as ERROR then, "
        "and amphorae that still announce keep the peers that they have. "
        "Longer than ExaBGP's pause between two tries.",
    ),
    cfg.IntOpt(
        "workers",
        default=8,
        min=1,
        help="Load balancers reconciled at the same time by one controller.",
    ),
    cfg.IntOpt(
        "action_workers",
        default=8,
        min=1,
        help="Amphorae of one load balancer acted on at the same time.",
    ),
    cfg.StrOpt(
        "coordination_url",
        default="file:///var/lib/octavia-anycast/coordination",
        secret=True,
        help="tooz URL by which several controllers share load balancers.",
    ),
    cfg.StrOpt(
        "heartbeat_bind_ip",
        default="0.0.0.0",
        help="Address on which heartbeats of anycast amphorae arrive (UDP).",
    ),
    cfg.PortOpt(
        "heartbeat_bind_port",
        default=5556,
        help="UDP port for heartbeats: not the health manager's 5555, which "
        "a stock Octavia on the same host uses.",
    ),
    cfg.ListOpt(
        "frontend_security_groups",
        default=[],
        help="Ids of security groups that every front-end port gets beside "
        "the load balancer's own. Peering over the front end needs one that "
        "lets BFD in (UDP 3784, 3785) and BGP (TCP 179) from the leaves; "
        "none by default, as peering over management needs none.",
    ),
    cfg.ListOpt(
        "heartbeat_controllers",
        default=[],
        help="ADDRESS:PORT of each controller, written into the amphorae.",
    ),
    cfg.IntOpt(
        "heartbeat_interval",
        default=3,
        min=1,
        help="Seconds between two heartbeats of an amphora.",
    ),
    cfg.FloatOpt(
        "agent_timeout",
        default=2.0,
        min=0.1,
        help="Seconds to wait for an amphora's agent to answer a GET. The "
        "answer comes from memory, so it is quick or not at all.",
    ),
    cfg.FloatOpt(
        "configure_timeout",
        default=30.0,
        min=1.0,
        help="Seconds to wait for one configuration call to an amphora.",
    ),
    cfg.FloatOpt(
        "boot_timeout",
        default=300.0,
        help="Seconds after which an amphora that does not answer has failed.",
    ),
    cfg.FloatOpt(
        "dead_after",
        default=15.0,
        help="Seconds without heartbeat and answer after which an amphora is "
        "replaced. Its traffic left it long before, by hold time or BFD. Also "
        "seconds without an answer of its agent after which one that lives "
        "and has an old configuration is replaced: no other one announces an "
        "older configuration than a load balancer that is ACTIVE promises "
        "for longer. And seconds without a heartbeat after which one that "
        "answers is named in the cluster's reason.",
    ),
    cfg.FloatOpt(
        "gate_timeout",
        default=60.0,
        help="Seconds with a failed health gate after which an amphora is "
        "replaced, if another one of its cluster is healthy; or without "
        "having taken the configuration that others took; or without an "
        "answer of its agent, which systemd starts anew after 45.",
    ),
    cfg.FloatOpt(
        "drain_timeout",
        default=5.0,
        help="Seconds that an amphora on its way out drains at most; also one "
        "that is drained by wish, if its administrator does not say. It ends "
        "earlier when no established connection is left.",
    ),
    cfg.FloatOpt(
        "withdraw_linger",
        default=2.0,
        help="Seconds between the withdrawal and the end of the data path: "
        "the fabric needs them to converge.",
    ),
    cfg.FloatOpt(
        "announce_wait",
        default=15.0,
        help="Seconds that a change waits for min_size amphorae to announce "
        "before it becomes ACTIVE all the same.",
    ),
    cfg.FloatOpt(
        "error_after",
        default=600.0,
        help="Seconds in PENDING_* with fewer than min_size configured "
        "amphorae after which the load balancer is shown as ERROR. Work on "
        "it goes on. A failover may take longer: each of its amphorae has "
        "as long, beside drain_timeout. A deletion that is not done by then "
        "is shown as ERROR, too, so that it can be asked for again.",
    ),
    cfg.FloatOpt(
        "refused_after",
        default=15.0,
        min=0.0,
        help="Seconds that another service may refuse a step (a port is gone, "
        "a quota is exhausted) before the load balancer is shown as ERROR, "
        "with the service's own sentence in the reason of its cluster. Boots "
        "count as refused after the third one in a row, which backoff_base "
        "says the times of. Work goes on: when the cause is gone, the load "
        "balancer becomes ACTIVE by itself, or is deleted.",
    ),
    cfg.FloatOpt(
        "backoff_base",
        default=5.0,
        help="Seconds to wait after a failed boot; doubles each time.",
    ),
    cfg.FloatOpt(
        "backoff_max",
        default=300.0,
        help="The longest wait after failed boots, in seconds.",
    ),
    cfg.IntOpt(
        "peer_group_size",
        default=8,
        min=0,
        max=CLUSTER_SIZE_MAX,
        help="Amphorae that share their stick tables, which hold the session "
        "persistence SOURCE_IP and APP_COOKIE. A cluster up to this size is "
        "one group, and a client keeps its member whichever amphora it "
        "reaches. A larger one is divided into groups, and a client that "
        "reaches another group may get another member. Each amphora tells "
        "each other one of its group every new entry. 1: each by itself, "
        "across reloads; 0: not even that.",
    ),
    *gate_options.OPTIONS,
    cfg.IntOpt(
        "replacement_limit",
        default=10,
        min=1,
        help="Amphorae that may boot in the place of others at the same time, "
        "over all load balancers and controllers: when a rack is lost, the "
        "compute, network and image services stay usable. New load balancers "
        "and larger ones are not held up. Dedicated amphorae of distributors "
        "count, too.",
    ),
    cfg.FloatOpt(
        "spare_watch_interval",
        default=0.5,
        min=0.1,
        help="Seconds between two looks at each amphora of a cluster that "
        "has a spare, so that the spare joins at once. Each look is a call "
        "to the agent, of about 10 ms of the processor; clusters without "
        "spares are not watched.",
    ),
    cfg.FloatOpt(
        "spare_watch_timeout",
        default=0.2,
        min=0.05,
        help="Seconds that such a look waits until the kernel of the amphora "
        "answers; its agent, which may be busy, has twice and its report four "
        "times as long. Too short makes a spare join that was not needed, and "
        "stand by again afterwards: each moves some connections.",
    ),
    cfg.FloatOpt(
        "orphan_after",
        default=120.0,
        help="Seconds after which a record without its load balancer is "
        "swept. Octavia's API may still be in its transaction before.",
    ),
    cfg.FloatOpt(
        "sweep_interval",
        default=60.0,
        help="Seconds between two orphan sweeps.",
    ),
    cfg.FloatOpt(
        "purge_interval",
        default=300.0,
        min=1.0,
        help="Seconds between two purges of old records.",
    ),
    cfg.FloatOpt(
        "amphora_expiry_age",
        default=604800.0,
        min=3600.0,
        help="Seconds for which the record of a deleted amphora is kept, as "
        "[house_keeping] amphora_expiry_age keeps Octavia's. Its failures "
        "count for the back-off, and a server that came back is known by it; "
        "so not less than an hour.",
    ),
    cfg.FloatOpt(
        "cert_interval",
        default=3600.0,
        min=1.0,
        help="Seconds between two looks for certificates of amphorae that "
        "end soon. What could not be replaced is tried again after a minute.",
    ),
    cfg.FloatOpt(
        "cert_expiry_buffer",
        default=1209600.0,
        min=0.0,
        help="Seconds before its end at which the certificate of an amphora "
        "is replaced: two weeks, as [house_keeping] cert_expiry_buffer. At "
        "most half of [certificates] cert_validity_time is used.",
    ),
    cfg.IntOpt(
        "cert_rotate_threads",
        default=4,
        min=1,
        help="Clusters whose certificates are replaced at the same time; "
        "within a cluster it is one amphora after the other. Making a key is "
        "work for the processor, so few more than there are of these.",
    ),
]


# An amphora that misses so many reports is not known to announce.
MISSED_REPORTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings, read once at start-up by ``cmd`` or the driver."""

    connection: str | None
    size: ClusterSize
    max_size: int
    poll_interval: float
    resync_interval: float
    report_interval: float
    workers: int
    action_workers: int
    coordination_url: str
    heartbeat_bind_ip: str
    heartbeat_bind_port: int
    frontend_security_groups: tuple[str, ...]
    heartbeat_controllers: tuple[str, ...]
    heartbeat_interval: int
    agent_timeout: float
    configure_timeout: float
    announce_wait: float
    error_after: float
    refused_after: float
    spare_watch_interval: float
    spare_watch_timeout: float
    orphan_after: float
    sweep_interval: float
    purge_interval: float
    amphora_expiry_age: float
    cert_interval: float
    cert_expiry_buffer: float
    cert_rotate_threads: int
    policy: ClusterPolicy
    udp_supported: bool = False
    amp_image_tag: str = ""
    amp_flavor_id: str = ""

    @property
    def report_stale_after(self) -> float:
        """Seconds after which an amphora's report says nothing any more.

        An agent is asked at each resync, and its report stored at intervals.
        """
        return MISSED_REPORTS * (self.report_interval + self.resync_interval)

    @property
    def silent_after(self) -> float:
        """Seconds after which an amphora not heard of is silent."""
        return MISSED_HEARTBEATS * self.heartbeat_interval

    @property
    def registration_limits(self) -> RegistrationLimits:
        """What these settings say of registrations of amphorae."""
        return RegistrationLimits(
            drain_timeout=self.policy.drain_timeout,
            stale_after=self.report_stale_after,
            silent_after=self.silent_after,
        )


def register(conf: Any) -> None:
    """Register the section on an oslo.config object; idempotent."""
    conf.register_opts(OPTIONS, group=GROUP)


# Options that Settings has under the same name.
_SAME_NAME = (
    "connection",
    "poll_interval",
    "resync_interval",
    "report_interval",
    "workers",
    "action_workers",
    "coordination_url",
    "heartbeat_bind_ip",
    "heartbeat_bind_port",
    "heartbeat_interval",
    "agent_timeout",
    "configure_timeout",
    "announce_wait",
    "error_after",
    "refused_after",
    "spare_watch_interval",
    "spare_watch_timeout",
    "orphan_after",
    "sweep_interval",
    "purge_interval",
    "amphora_expiry_age",
    "cert_interval",
    "cert_expiry_buffer",
    "cert_rotate_threads",
    "udp_supported",
    "amp_image_tag",
    "amp_flavor_id",
)


def read(conf: Any) -> Settings:
    """Read the settings of a configured oslo.config object.

    :raises InvalidRequest: if sizes contradict one another.
    """
    register(conf)
    ours = conf[GROUP]
    policy = ClusterPolicy(
        boot_timeout=ours.boot_timeout,
        dead_after=ours.dead_after,
        gate_timeout=ours.gate_timeout,
        drain_timeout=ours.drain_timeout,
        withdraw_linger=ours.withdraw_linger,
        backoff_base=ours.backoff_base,
        backoff_max=ours.backoff_max,
        session_patience=ours.session_patience,
        peer_group_size=ours.peer_group_size,
        replacement_limit=ours.replacement_limit,
        gate=gate_options.read(ours),
    )
    return Settings(
        size=ClusterSize(
            desired=ours.cluster_size,
            minimum=ours.cluster_min_size,
            maximum=ours.cluster_max_size,
        ),
        max_size=ours.cluster_max_size,
        frontend_security_groups=tuple(ours.frontend_security_groups),
        heartbeat_controllers=tuple(ours.heartbeat_controllers),
        policy=policy,
        **{name: getattr(ours, name) for name in _SAME_NAME},
    )


def list_opts() -> list[tuple[str, list[Any]]]:
    """List the options for oslo-config-generator."""
    return [(GROUP, OPTIONS)]
