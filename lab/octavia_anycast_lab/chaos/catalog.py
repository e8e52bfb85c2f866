# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Every fault of the chaos suite: add yours to ``FAULTS``, nowhere else."""

import collections.abc
import contextlib
import dataclasses
import functools
import os
import signal

from octavia_anycast_lab import faults, settings
from octavia_anycast_lab.amphora import hypervisor
from octavia_anycast_lab.chaos import (
    behind,
    deletion,
    links,
    refused,
    two_controllers,
)
from octavia_anycast_lab.chaos.fault import (
    Alarm,
    Fault,
    Lost,
    Scene,
    Step,
    Toll,
    nothing,
    quiet,
    raises,
)
from octavia_anycast_lab.cloud import (
    control_plane,
    controller,
    database,
    octavia_api,
)
from octavia_anycast_lab.host import cgroup, process
from octavia_anycast_lab.progress import Progress

_UNIT_SECONDS = 10.0
_SPINE = settings.SPINES[0].name
_STARTED_AGAIN = quiet("systemd starts it again within a second")
_OVER_SOON = quiet("its watchdog starts it anew within a minute")
_MADE_AGAIN = quiet("the next look makes it again")
_GATE = raises("AnycastGatesDown")
# A silent amphora is deleted as soon as enough others announce, so its phase
# does not last: what is told is that too few announce.
_LOST = raises(
    "AnycastClustersDegraded",
    "AnycastAmphoraeNotAnnouncing",
    is_cloud_full=True,
)


# -- processes in the victim --------------------------------------------------


_Unit = collections.abc.Callable[[Scene], str]


def _haproxy(scene: Scene) -> str:
    return f"haproxy-{scene.load_balancer_id}.service"


def _speaker(scene: Scene) -> str:
    return scene.speaker


def _agent(_: Scene) -> str:
    return "octavia-anycast-agent.service"


def _speakerd(_: Scene) -> str:
    return "octavia-anycast-speakerd.service"


def _signal(unit: _Unit, number: signal.Signals, scene: Scene) -> None:
    """To all processes of a systemd unit, from outside: it may hang.

    :raises TimeoutError: it has none, although the victim has power.
    """
    name = unit(scene)
    group = cgroup.path(scene.lab.name, scene.victim.label)
    unit_group = group / "payload" / "system.slice" / name

    def is_found() -> bool:
        return bool(cgroup.pids(unit_group)) or not scene.has_victim_power

    if number is not signal.SIGCONT:
        process.wait_until(is_found, _UNIT_SECONDS, f"processes of {name}")
    for pid in cgroup.pids(unit_group):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _pause(paused: bool, scene: Scene) -> None:
    if scene.has_victim_power:
        scene.machines.pause(scene.victim.id, paused=paused)


def _kill_amphora(scene: Scene) -> None:
    scene.machines.kill(scene.victim.id, hypervisor.Loss.POWER)


# -- the fabric ---------------------------------------------------------------


def _reboot_leaf(scene: Scene) -> None:
    faults.power_off_router(scene.lab, scene.registry, scene.leaf)


def _leaf_is_back(scene: Scene) -> None:
    faults.power_on_router(scene.lab, scene.registry, scene.leaf)


def _spine_off(scene: Scene) -> None:
    faults.power_off_router(scene.lab, scene.registry, _SPINE)


def _spine_on(scene: Scene) -> None:
    faults.power_on_router(scene.lab, scene.registry, _SPINE)


# -- the control plane --------------------------------------------------------


def _kill_controller(scene: Scene) -> None:
    """:raises RuntimeError: none runs, so nothing would be tested."""
    pid = controller.pid_of(scene.registry)
    if pid is None:
        raise RuntimeError("no controller runs")
    os.kill(pid, signal.SIGKILL)


def _stop_controller(scene: Scene) -> None:
    controller.stop(scene.registry)


def _start_controller(scene: Scene) -> None:
    controller.start(scene.plane, scene.registry)


def _kill_database(scene: Scene) -> None:
    process.kill(scene.registry, database.LABEL)


def _stop_api(scene: Scene) -> None:
    label = octavia_api.configure(scene.plane).label
    process.stop(scene.registry, label)


def _kill_one_of_two_controllers(scene: Scene) -> None:
    two_controllers.kill_one(scene)


def _repair_control_plane(scene: Scene) -> None:
    control_plane.start(scene.plane, scene.registry, Progress())


def _cut(
    name: str, make: Step, mend: Step, lost: Lost | None, alarm: Alarm
) -> Fault:
    toll = Toll.ROUTES if lost is None else Toll.PACKETS
    return Fault(
        name=name, inject=make, heal=mend, toll=toll, lost=lost, alarm=alarm
    )


def _killed(
    name: str, unit: _Unit, toll: Toll, lost: Lost | None = None
) -> Fault:
    """Systemd starts it again."""
    return Fault(
        name=f"{name}-killed",
        inject=functools.partial(_signal, unit, signal.SIGKILL),
        heal=nothing,
        toll=toll,
        alarm=_STARTED_AGAIN,
        lost=lost,
    )


def _hangs(
    name: str,
    unit: _Unit,
    toll: Toll,
    seconds: float,
    alarm: Alarm,
) -> Fault:
    """It is alive and does nothing."""
    return Fault(
        name=name,
        inject=functools.partial(_signal, unit, signal.SIGSTOP),
        heal=functools.partial(_signal, unit, signal.SIGCONT),
        toll=toll,
        alarm=alarm,
        seconds=seconds,
    )


def _links(name: str, bridges: tuple[str, ...]) -> tuple[Fault, Fault]:
    """A carrier that is lost, and a silence that no carrier tells."""
    lost = Lost.LINK if links.FRONT in bridges else None
    alarm = _LOST if links.MANAGEMENT in bridges else _GATE
    return (
        _cut(
            f"{name}-down",
            functools.partial(links.take_down, bridges),
            functools.partial(links.bring_up, bridges),
            lost,
            alarm,
        ),
        _cut(
            f"{name}-silent",
            functools.partial(links.silence, bridges),
            functools.partial(links.end_silence, bridges),
            lost,
            alarm,
        ),
    )


def _deleted(name: str, delete: Step, toll: Toll = Toll.NOTHING) -> Fault:
    """Somebody deletes it behind the controller's back; we make it again."""
    return Fault(
        name=f"{name}-deleted",
        inject=delete,
        heal=behind.await_no_wait,
        toll=toll,
        alarm=_MADE_AGAIN,
        needs_api=True,
    )


_ALL = (
    _killed("haproxy", _haproxy, Toll.REFUSED, Lost.HAPROXY),
    # Its kernel acknowledges, and the requests are answered afterwards.
    _hangs("haproxy-hangs", _haproxy, Toll.PACKETS, 8.0, _GATE),
    _killed("speaker", _speaker, Toll.ROUTES),
    _hangs(
        "speaker-hangs",
        _speaker,
        Toll.ROUTES,
        8.0,
        quiet("speakerd starts it anew within seconds"),
    ),
    _killed("speakerd", _speakerd, Toll.NOTHING),
    _hangs("speakerd-hangs", _speakerd, Toll.NOTHING, 4.0, _OVER_SOON),
    _killed("agent", _agent, Toll.NOTHING),
    _hangs("agent-hangs", _agent, Toll.NOTHING, 4.0, _OVER_SOON),
    # Longer than ``dead_after``: it is deleted as it announces, and nothing
    # can tell it to stop; its leaf notices by the hold time.
    dataclasses.replace(
        _hangs("agent-hangs-for-good", _agent, Toll.PACKETS, 12.0, _LOST),
        lost=Lost.SILENT,
    ),
    Fault(
        name="amphora-killed",
        inject=_kill_amphora,
        heal=nothing,
        toll=Toll.PACKETS,
        alarm=_LOST,
        lost=Lost.AMPHORA,
    ),
    Fault(
        name="amphora-hangs",
        inject=functools.partial(_pause, True),
        heal=functools.partial(_pause, False),
        toll=Toll.PACKETS,
        alarm=_LOST,
    ),
    *_links("front-end", (links.FRONT,)),
    *_links("management", (links.MANAGEMENT,)),
    *_links("both-links", (links.FRONT, links.MANAGEMENT)),
    _cut(
        "front-end-mute",
        functools.partial(links.drop_one_way, "prerouting", "iifname"),
        links.pass_both_ways,
        Lost.LINK,
        _GATE,
    ),
    _cut(
        "front-end-deaf",
        functools.partial(links.drop_one_way, "postrouting", "oifname"),
        links.pass_both_ways,
        Lost.LINK,
        _GATE,
    ),
    _cut(
        "leaf-reboots",
        _reboot_leaf,
        _leaf_is_back,
        Lost.RACK,
        raises("AnycastPeerDown"),
    ),
    Fault(
        name="spine-lost",
        inject=_spine_off,
        heal=_spine_on,
        toll=Toll.PACKETS,
        alarm=quiet("amphorae have no session with it; the fabric's own"),
    ),
    _deleted("vip-port", behind.delete_vip_port),
    _deleted("security-group", behind.delete_group),
    _deleted("security-group-rules", behind.delete_rules),
    # Nobody unplugs it in the lab, so the amphora drains; where Neutron does,
    # its connections are lost with the port.
    _deleted("front-end-port", behind.delete_frontend_port, Toll.ROUTES),
    Fault(
        name="content-refused",
        inject=refused.spoil_a_rule,
        heal=refused.delete_the_policy,
        toll=Toll.NOTHING,
        alarm=quiet("one rule is in ERROR; its owner is told"),
        needs_api=True,
    ),
    Fault(
        name="deletion",
        prepare=deletion.make,
        inject=deletion.ask,
        heal=deletion.await_gone,
        toll=Toll.NOTHING,
        alarm=quiet("nothing is wrong"),
        is_last=True,
    ),
    Fault(
        name="controller-killed",
        inject=_kill_controller,
        heal=nothing,
        toll=Toll.NOTHING,
        alarm=_STARTED_AGAIN,
    ),
    Fault(
        name="controller-down",
        inject=_stop_controller,
        heal=_start_controller,
        toll=Toll.NOTHING,
        alarm=raises("AnycastControllerGone", "AnycastControllerDown"),
        seconds=60.0,
    ),
    Fault(
        name="one-of-two-controllers-killed",
        inject=_kill_one_of_two_controllers,
        heal=two_controllers.restart,
        toll=Toll.NOTHING,
        alarm=raises("AnycastControllerDown"),
        # Longer than the group needs to notice: the other one goes on.
        seconds=20.0,
        needs_api=True,
    ),
    Fault(
        name="database-down",
        inject=_kill_database,
        heal=_repair_control_plane,
        toll=Toll.NOTHING,
        alarm=raises("AnycastDatabaseDown", "AnycastCheckFails"),
        seconds=60.0,
    ),
    Fault(
        name="api-down",
        inject=_stop_api,
        heal=_repair_control_plane,
        toll=Toll.NOTHING,
        alarm=quiet("Octavia's API serves no metrics; the controller goes on"),
        seconds=60.0,
    ),
)

FAULTS = {fault.name: fault for fault in _ALL}
