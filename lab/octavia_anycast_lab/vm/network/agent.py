# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The L2 agent of a rack: plugs taps into bridges and filters them.

``python -m octavia_anycast_lab.vm.network.agent --lab NAME --rack rack1``.

A tap that Nova's libvirt has made is filtered first, by what Neutron says of
its port, and then put into the bridge of its network. Neutron is asked when
it says that something has changed (``signals.py``), when an unknown tap
appears, and every half minute. While it does not answer, the last rules hold.
"""

import argparse
import collections.abc
import contextlib
import json
import logging
import signal
import subprocess
import sys
import threading
import time

from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab import settings
from octavia_anycast_lab.amphora import wiring
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.vm.network import neutron_ports, nft, racks, rules

LOG = logging.getLogger(__name__)
MODULE = "octavia_anycast_lab.vm.network.agent"
TICK_SECONDS = 0.2
RETRY_SECONDS = 1.0
RESYNC_SECONDS = 30.0

BridgeOf = collections.abc.Callable[[str], str | None]


class Agent:
    """The taps of one namespace.

    :param bridge_of: the bridge there of a network, by its id; None: it has
        none, and its ports stay unplugged
    """

    def __init__(
        self,
        namespace: str,
        bridges: collections.abc.Iterable[str],
        bridge_of: BridgeOf,
        neutron: neutron_ports.Neutron,
    ) -> None:
        self._namespace = namespace
        self._bridges = tuple(bridges)
        self._bridge_of = bridge_of
        self._neutron = neutron
        self._ports: tuple[rules.Port, ...] | None = None
        self._changed_at = -1
        self._asked = float("-inf")
        self._has_failed = False
        self._reported: dict[str, bool] = {}
        self._links_changed = threading.Event()

    @property
    def follows(self) -> int:
        """Neutron's ``changed_at`` that the filter is of; -1: none yet."""
        return self._changed_at

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop."""
        # The rules load what tracks connections, and that has a setting.
        nft.apply(self._namespace, (), self._bridges)
        netns.sysctls(self._namespace, nft.SYSCTLS)
        with self._watching_links():
            self._links_changed.set()
            while not stop.is_set():
                self._turn()
                self._links_changed.wait(TICK_SECONDS)

    def _turn(self) -> None:
        links_changed = self._links_changed.is_set()
        self._links_changed.clear()
        taps = self._taps() if links_changed else None
        if self._is_due(taps):
            self._look()
            taps = self._taps()
        if taps is not None:
            self._plug(taps)

    def _is_due(self, taps: dict[str, str | None] | None) -> bool:
        since = time.monotonic() - self._asked
        if self._ports is None or self._has_failed:
            return since > RETRY_SECONDS
        if self._neutron.changed_at() != self._changed_at:
            return True
        known = {port.tap for port in self._ports}
        return since > RESYNC_SECONDS or bool(set(taps or ()) - known)

    def _look(self) -> None:
        """Ask Neutron, and filter by what it says."""
        changed_at = self._neutron.changed_at()
        self._asked = time.monotonic()
        self._has_failed = True
        try:
            ports = self._neutron.ports()
            if ports != self._ports:
                nft.apply(self._namespace, ports, self._bridges)
                LOG.info("%d ports are known", len(ports))
        except (rest.ApiError, netns.NamespaceError) as e:
            LOG.warning("The filter stays as it is: %s", e)
            return
        self._has_failed = False
        self._ports, self._changed_at = ports, changed_at
        self._reported = {port.id: port.is_active for port in ports}

    def _plug(self, taps: dict[str, str | None]) -> None:
        """Put filtered taps into their bridges; report what is where."""
        for port in self._ports or ():
            bridge = self._bridge_of(port.network_id)
            if port.tap in taps and bridge and taps[port.tap] != bridge:
                commands = (f"link set {port.tap} master {bridge} up",)
                with contextlib.suppress(netns.NamespaceError):  # it is gone
                    netns.ip_batch(self._namespace, commands)
                    taps[port.tap] = bridge
                    LOG.info("%s is in %s", port.tap, bridge)
            is_up = bridge is not None and taps.get(port.tap) == bridge
            if self._reported.get(port.id) is not is_up:
                self._neutron.report(port.id, is_up=is_up)
                self._reported[port.id] = is_up

    def _taps(self) -> dict[str, str | None]:
        """Every tap -> the bridge that it is in."""
        shown = netns.run(self._namespace, ["ip", "-json", "link", "show"])
        return {
            link["ifname"]: link.get("master")
            for link in json.loads(shown.stdout or "[]")
            if link["ifname"].startswith("tap")
        }

    @contextlib.contextmanager
    def _watching_links(self) -> collections.abc.Iterator[None]:
        enter = ["nsenter", f"--net={netns.path(self._namespace)}", "--"]
        with subprocess.Popen(
            [*enter, "ip", "-o", "monitor", "link"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        ) as monitor:
            threading.Thread(
                target=self._hear, args=(monitor,), daemon=True
            ).start()
            try:
                yield
            finally:
                monitor.terminate()

    def _hear(self, monitor: subprocess.Popen[str]) -> None:
        for _ in monitor.stdout or ():
            self._links_changed.set()


def label(rack: str) -> str:
    """The name of a rack's agent among the lab's processes."""
    return f"l2-agent-{rack}"


def start(lab: settings.Lab, registry: registry_lib.Registry) -> None:
    """Start the agent of each rack that has none; racks have to be up."""
    for leaf in settings.RACK_LEAVES:
        rack = str(leaf.rack)
        if process.is_alive(registry, label(rack)):
            continue
        module = [sys.executable, "-m", MODULE]
        process.spawn(
            registry,
            label(rack),
            [*module, "--lab", lab.name, "--rack", rack],
            namespace=racks.namespace(lab, rack),
            log=lab.log_dir / f"{label(rack)}.log",
        )


def main() -> None:
    """Serve one rack until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lab")
    parser.add_argument("--rack", required=True)
    options = parser.parse_args()
    lab = settings.Lab.from_environment(options.lab)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    Agent(
        racks.namespace(lab, options.rack),
        [uplink.bridge for uplink in racks.uplinks(options.rack)],
        lambda network_id: bridge_of(lab, options.rack, network_id),
        neutron_ports.LabNeutron.of(lab, options.rack),
    ).run(stop)


def bridge_of(lab: settings.Lab, rack: str, network_id: str) -> str | None:
    """The bridge of a network in a rack: its name is the lab's bridge's."""
    try:
        return wiring.wire_of(lab, network_id, rack).bridge
    except wiring.WiringError as error:
        LOG.warning("A port stays unplugged: %s", error)
        return None


if __name__ == "__main__":
    main()
