# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Life cycle of the fabric: two spines, three leaves, FRR in each."""

import pathlib

from octavia_anycast_lab import cleanup, settings
from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab.fabric import frr, observe, topology, watch
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.traffic import flows, members

UP_DEADLINE_SECONDS = 30.0


def up(lab: settings.Lab, registry: registry_lib.Registry) -> None:
    """Bring the fabric, the members and the client up, or repair them.

    :raises TimeoutError: it does not converge.
    """
    lab.run_dir.mkdir(parents=True, exist_ok=True)
    if not is_built(lab):
        _unbuild(lab, registry)
        topology.build(lab, registry)
        _marker(lab).parent.mkdir(exist_ok=True)
        _marker(lab).touch()
    frr.start(lab, registry, frr.routers())
    watch.start(lab, registry)
    for leaf in settings.RACK_LEAVES:
        flows.install(lab, leaf.name)
    members.SERVER.up(lab, registry)
    wait_until_converged(lab)


def is_built(lab: settings.Lab) -> bool:
    """True if a build came to its end and every namespace is there."""
    return _marker(lab).exists() and all(
        netns.exists(lab.namespace(role)) for role in topology.ROLES
    )


def wait_until_converged(
    lab: settings.Lab, deadline_seconds: float = UP_DEADLINE_SECONDS
) -> float:
    """Wait for every session, BFD, every way, and the client's to both racks.

    Returns the seconds it took.

    :raises TimeoutError: not before the deadline.
    """
    return process.wait_until(
        lambda: is_converged(lab), deadline_seconds, "fabric converged", 0.2
    )


def is_converged(lab: settings.Lab) -> bool:
    """True if all fabric sessions are up, each watched by BFD, each leaf's
    kernel has a way by each spine, and the client reaches the racks."""
    try:
        for router in frr.routers():
            established = {
                session.peer
                for session in observe.sessions(lab, router.name)
                if session.is_established
            }
            watched = observe.bfd_up(lab, router.name)
            if not (established & watched).issuperset(
                router.fabric_interfaces
            ):
                return False
    except frr.RouterError:
        return False
    return _has_all_ways(lab) and all(
        _reaches(lab, address)
        for leaf in settings.RACK_LEAVES
        for address in (leaf.gateway_v4.ip, leaf.gateway_v6.ip)
    )


def _has_all_ways(lab: settings.Lab) -> bool:
    """Whether each leaf's kernel has a way by each spine to each other leaf.

    It follows its bgpd a moment later, one way after the other.
    """
    spines = {spine.name for spine in settings.SPINES}
    return all(
        {device for _, device in observe.fib(lab, leaf.name, gateway.network)}
        >= spines
        for leaf in settings.LEAVES
        for other in settings.LEAVES
        for gateway in (other.gateway_v4, other.gateway_v6)
        if other is not leaf
    )


def _reaches(lab: settings.Lab, address: settings.Address) -> bool:
    done = netns.run(
        lab.namespace(settings.CLIENT),
        ["ping", "-n", "-q", "-c1", "-W1", str(address)],
        check=False,
    )
    return done.returncode == 0


def _marker(lab: settings.Lab) -> pathlib.Path:
    return lab.run_dir / "fabric" / "built"


def _unbuild(lab: settings.Lab, registry: registry_lib.Registry) -> None:
    """Remove what a build that did not end has left."""
    process.stop(registry, watch.LABEL, 0.0)
    names = tuple(lab.namespace(role) for role in topology.ROLES)
    cleanup.kill_in_namespaces(names)
    for name in names:
        netns.delete(registry, name)
