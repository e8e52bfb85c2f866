# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Restart routing daemons which have died, as watchfrr does on a switch.

Runs as ``python -m octavia_anycast_lab.fabric.watch LAB``. A daemon that the
registry still has and that does not run has crashed; one that was stopped on
purpose is no longer in the registry and stays down.
"""

import sys
import time

from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab import settings
from octavia_anycast_lab.fabric import frr, topology
from octavia_anycast_lab.host import process

LABEL = "fabric-watch"
_INTERVAL_SECONDS = 0.5


def start(lab: settings.Lab, registry: registry_lib.Registry) -> None:
    """Start the watcher unless it runs."""
    if not process.is_alive(registry, LABEL):
        process.spawn(
            registry,
            LABEL,
            [sys.executable, "-m", __name__, lab.name],
            log=lab.log_dir / "fabric-watch.log",
        )


def revive(lab: settings.Lab, registry: registry_lib.Registry) -> list[str]:
    """Start again what has crashed; returns the labels of it.

    With zebra gone its clients start anew too, as watchfrr has it: by
    themselves they would look for the new one only after ten seconds.
    """
    revived = []
    with frr.exclusive(lab):
        known = {
            entry.name for entry in registry.entries(registry_lib.Kind.PROCESS)
        }
        for name in topology.ROUTER_NAMES:
            labels = {
                daemon: frr.label(name, daemon) for daemon in frr.DAEMONS
            }
            if known.issuperset(labels.values()):
                revived += _revive_router(lab, registry, name, labels)
    return revived


def _revive_router(
    lab: settings.Lab,
    registry: registry_lib.Registry,
    name: str,
    labels: dict[str, str],
) -> list[str]:
    if not process.is_alive(registry, labels[frr.ZEBRA]):
        for label in labels.values():
            process.kill(registry, label)
    revived = []
    for daemon, label in labels.items():
        if not process.is_alive(registry, label):
            frr.start_daemon(lab, registry, name, daemon)
            revived.append(label)
    return revived


def main(arguments: list[str]) -> None:
    """Watch the lab named by the first argument until it is no more."""
    lab = settings.Lab.from_environment(arguments[0])
    registry = registry_lib.Registry(lab.run_dir)
    while registry.path.exists():
        for label in revive(lab, registry):
            sys.stdout.write(f"{time.time():.3f} restarted {label}\n")
            sys.stdout.flush()
        time.sleep(_INTERVAL_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1:])
