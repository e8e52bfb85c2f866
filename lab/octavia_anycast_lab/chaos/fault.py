# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What a fault is: how it is made and healed, what it may cost, who tells."""

import collections.abc
import dataclasses
import enum

from octavia_anycast_lab import deployment, settings
from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab.amphora import hypervisor, machine


class Toll(enum.StrEnum):
    """What a client may lose by a fault, from least to most."""

    NOTHING = "nothing"
    ROUTES = "routes"  # what is in flight while routes move; no packet
    REFUSED = "refused"  # and what a dead HAProxy's kernel refuses till then
    PACKETS = "packets"  # until somebody notices


_ORDER = tuple(Toll)


class Lost(enum.StrEnum):
    """Why a fault may break connections that an amphora has accepted.

    Its kernel and its HAProxy have them, and no other amphora can take them
    over. Connections of all other amphorae are kept, by flow rescue.
    """

    HAPROXY = "the process that has its connections is dead"
    AMPHORA = "it is dead"
    LINK = "no packet reaches it, so those that search for it give up"
    RACK = "no packet reaches its rack"
    SILENT = "it is deleted as silent: nobody can tell it to drain"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Which alerts a fault raises while it lasts; or why it raises none.

    ``alerts``: names in ``monitoring/rules``. ``is_cloud_full``: they are
    raised if nothing replaces what is lost; a replacement may be there before
    the alert's time is over.

    :raises ValueError: there are alerts and a reason for none, or neither.
    """

    alerts: tuple[str, ...] = ()
    why_none: str = ""
    is_cloud_full: bool = False

    def __post_init__(self) -> None:
        if bool(self.alerts) == bool(self.why_none):
            raise ValueError("a fault names its alerts, or says why none")


def raises(*alerts: str, is_cloud_full: bool = False) -> Alarm:
    """These alerts."""
    return Alarm(alerts=alerts, is_cloud_full=is_cloud_full)


def quiet(why: str) -> Alarm:
    """None, and why."""
    return Alarm(why_none=why)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where it happens: a load balancer's cluster and one victim of it.

    Faults keep to the victim, its leaf, one spine and the control plane: at
    least one other amphora, in another rack, is healthy at any time.
    ``speaker``: the systemd unit of its BGP speaker.
    """

    plane: deployment.Deployment
    load_balancer_id: str
    victim: machine.Instance
    speaker: str

    @property
    def lab(self) -> settings.Lab:
        """The lab."""
        return self.plane.lab

    @property
    def registry(self) -> registry_lib.Registry:
        """Its processes."""
        return registry_lib.Registry(self.lab.run_dir)

    @property
    def machines(self) -> hypervisor.Hypervisor:
        """Its instances."""
        return hypervisor.Hypervisor(self.lab)

    @property
    def leaf(self) -> str:
        """The leaf of the victim's rack."""
        return settings.rack_leaf(self.victim.zone).name

    @property
    def has_victim_power(self) -> bool:
        """False once it was killed or replaced: no fault can hit it."""
        return any(
            instance.id == self.victim.id
            and self.machines.is_running(instance)
            for instance in self.machines.instances()
        )


# Driver -> the systemd unit of the speaker, over the management network.
SPEAKERS = {"bird": "bird.service", "exabgp": "exabgp.service"}
Step = collections.abc.Callable[[Scene], None]


def nothing(scene: Scene) -> None:
    """Nothing is to be done: it heals by itself, for instance."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """``heal`` may be called twice, and if the victim is gone.

    ``toll``: what it may cost alone. ``lost``: why connections of the victim
    may break; None if all are kept. ``alarm``: which alerts tell of it.
    ``seconds``: how long it lasts.
    ``needs_api``: it begins with a request, so it begins before others.
    ``prepare``: what there has to be before the round. ``is_last``: it begins
    while the others last, and is healed when they are.
    """

    name: str
    inject: Step
    heal: Step
    toll: Toll
    alarm: Alarm
    lost: Lost | None = None
    seconds: float = 4.0
    needs_api: bool = False
    prepare: Step = nothing
    is_last: bool = False


def toll_of(faults: collections.abc.Iterable[Fault]) -> Toll:
    """What several at once may cost.

    Two causes of one loss may keep each other from being noticed: more than
    one that moves routes may cost packets.
    """
    tolls = [fault.toll for fault in faults]
    if sum(toll is not Toll.NOTHING for toll in tolls) > 1:
        return Toll.PACKETS
    return max(tolls, key=_ORDER.index)


def lost_owners(
    faults: collections.abc.Iterable[Fault],
    victim: machine.Instance,
    amphorae: collections.abc.Iterable[machine.Instance],
) -> frozenset[str]:
    """Labels of the amphorae whose connections several at once may break."""
    reasons = {fault.lost for fault in faults} - {None}
    if Lost.RACK in reasons:
        beside = {a.label for a in amphorae if a.zone == victim.zone}
        return frozenset(beside | {victim.label})
    return frozenset((victim.label,) if reasons else ())
