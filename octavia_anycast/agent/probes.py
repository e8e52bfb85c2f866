# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the health gate looks at: HAProxy, keepalived, the front end.

Nothing here sends a byte through the data path: a connection to a listener
would be counted in HAProxy's statistics, which are the user's (ADR 0011).

Layer: agent. For the thread of the engine.
"""

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from octavia_anycast.agent.daemon_process import DaemonProcess
from octavia_anycast.agent.gate import Sample, Verdict
from octavia_anycast.agent.keepalived import KeepalivedWatch, worst
from octavia_anycast.agent.listeners import ListenerWatch
from octavia_anycast.agent.netlink import Netlink
from octavia_anycast.agent.paths import vip_addresses
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.wire import (
    FRONTEND_INTERFACE,
    DesiredState,
    Frontend,
    ListenerSocket,
)

# How often HAProxy is asked, and how long it may think. An amphora with a
# busy CPU is slow, not dead: too short, and a whole cluster withdraws.
_STATS_SECONDS = 0.5
_STATS_TIMEOUT_SECONDS = 2.0
_GATEWAY_SECONDS = 1.0
_GOOD = Sample(verdict=Verdict.GOOD)
_NOTHING = Sample(verdict=Verdict.NOTHING_TO_SERVE, reason="nothing to serve")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePaths:
    """Where Octavia's agent runs HAProxy and keepalived."""

    base: str = "/var/lib/octavia"
    namespace_path: str = "/run/netns/amphora-haproxy"

    def pid(self, load_balancer_id: str) -> str:
        """HAProxy's pid file: the master's, which outlives a reload."""
        return f"{self.base}/{load_balancer_id}/{load_balancer_id}.pid"

    def stats(self, load_balancer_id: str) -> str:
        """HAProxy's statistics socket."""
        return f"{self.base}/{load_balancer_id}.sock"

    def lvs_pid(self, listener_id: str) -> str:
        """The pid file of the keepalived of one UDP or SCTP listener."""
        return f"{self.base}/lvs/octavia-keepalivedlvs-{listener_id}.pid"

    def lvs_configuration(self, listener_id: str) -> str:
        """Its configuration: Octavia's agent writes it, then restarts it."""
        return f"{self.base}/lvs/octavia-keepalivedlvs-{listener_id}.conf"


class StatsSocket:
    """Asks HAProxy a short question now and then; never blocks."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.socket: socket.socket | None = None
        self._asked_at = 0.0
        self._next_at = 0.0
        # None before the first answer, empty after a good one.
        self.problem: str | None = None

    def look(self, now: float) -> None:
        """Ask, or read the answer; ``now`` in seconds, monotonic."""
        if self.socket is None:
            if now >= self._next_at:
                self._ask(now)
            return
        try:
            is_answered = bool(self.socket.recv(65_536))
        except BlockingIOError:
            if now - self._asked_at > _STATS_TIMEOUT_SECONDS:
                self._end(now, "HAProxy does not answer on its socket")
            return
        except OSError:
            is_answered = False
        self._end(
            now, "" if is_answered else "HAProxy closed its socket unanswered"
        )

    def _ask(self, now: float) -> None:
        self._asked_at = now
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        try:
            self.socket.connect(self._path)
            self.socket.send(b"show info\n")
        except OSError as e:
            self._end(now, f"HAProxy's socket cannot be used: {e.strerror}")

    def _end(self, now: float, problem: str) -> None:
        self.close()
        self.problem = problem
        self._next_at = now + (0.0 if problem else _STATS_SECONDS)

    def close(self) -> None:
        """Drop the connection."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None


class Prober:
    """Takes samples; keeps what a sample needs between two of them."""

    def __init__(self, paths: ProbePaths) -> None:
        self._paths = paths
        self._load_balancer_id: str | None = None
        self._process: DaemonProcess | None = None
        self._stats: StatsSocket | None = None
        self._listeners = ListenerWatch()
        self._keepalived = KeepalivedWatch(paths)
        self._netlink: Netlink | None = None
        self._namespace_inode = 0
        self._ask_gateways_at = 0.0
        self.is_frontend_up = False
        # The VIPs that are on the loopback, as of the last look.
        self.bound: frozenset[IPAddress] = frozenset()

    def descriptors(self) -> Iterator[tuple[int, bool]]:
        """What to wait for: (descriptor, whether it is an alarm)."""
        if self._process and self._process.pidfd is not None:
            yield self._process.pidfd, True
        for pidfd in self._keepalived.descriptors():
            yield pidfd, True
        if self._stats and self._stats.socket is not None:
            yield self._stats.socket.fileno(), False

    def look(self, now: float) -> None:
        """Go on with a question to HAProxy that is under way."""
        if self._stats:
            self._stats.look(now)

    def sample(self, state: DesiredState, now: float) -> Sample:
        """Look at everything once; ``now`` in seconds, monotonic."""
        self._follow(state.load_balancer_id)
        processes = self._check_processes(state, now)
        frontend_problem = self._check_namespace(state, now)
        if isinstance(frontend_problem, Sample):
            return frontend_problem
        if not state.gate.is_enabled:
            return _bad(frontend_problem) if frontend_problem else _GOOD
        if processes.verdict is Verdict.NOTHING_TO_SERVE:
            return processes
        if not state.revision:
            return _bad("there is no configuration yet")
        if processes.verdict is Verdict.BAD:
            return processes
        if frontend_problem:
            return _bad(frontend_problem)
        if not state.listeners:
            return processes
        return worst([processes, self._check_haproxy(state.listeners, now)])

    def _check_processes(self, state: DesiredState, now: float) -> Sample:
        """Look at HAProxy's and keepalived's processes, where expected.

        Always the first look of a sample: a dead one is let go of, else its
        descriptor would wake the engine for ever.
        """
        if state.load_balancer_id is None or self._process is None:
            return _NOTHING
        keepalived = self._keepalived.look(
            state.lvs_listener_ids, now, has_others=bool(state.listeners)
        )
        if state.listeners:
            if not self._process.is_running():
                return _bad("HAProxy does not run", is_fatal=True)
            return keepalived
        self._release_haproxy()
        return keepalived if state.lvs_listener_ids else _NOTHING

    def _release_haproxy(self) -> None:
        """Without TCP listeners Octavia's agent removes HAProxy."""
        if self._process:
            self._process.close()
        if self._stats:
            self._stats.close()
            self._stats.problem = None
        self._listeners = ListenerWatch()

    def _follow(self, load_balancer_id: str | None) -> None:
        if load_balancer_id == self._load_balancer_id:
            return
        self.close()
        self._load_balancer_id = load_balancer_id
        if load_balancer_id is not None:
            self._process = DaemonProcess(
                self._paths.pid(load_balancer_id), "haproxy"
            )
            self._stats = StatsSocket(self._paths.stats(load_balancer_id))

    def _check_namespace(
        self, state: DesiredState, now: float
    ) -> Sample | str:
        """The problem with the front end, empty without one."""
        self.is_frontend_up = False
        try:
            netlink = self._enter()
            if netlink is None:
                self.bound = frozenset()
                return "the namespace of HAProxy is not there"
            problem = _frontend_problem(netlink, state.frontend)
            if not problem and state.frontend is not None:
                problem = self._check_gateways(netlink, state.frontend, now)
            self.is_frontend_up = not problem
            present = {address.ip_address for address in netlink.addresses()}
            self.bound = vip_addresses(state) & present
            return problem
        except OSError as e:
            self._leave()
            return Sample(
                verdict=Verdict.UNKNOWN, reason=f"netlink: {e.strerror or e}"
            )

    def _check_gateways(
        self, netlink: Netlink, frontend: Frontend, now: float
    ) -> str:
        """Behind a bridge a dead network keeps its carrier: ask someone."""
        gateways = {a.gateway for a in frontend.addresses if a.gateway}
        silent = netlink.silent_neighbours() & gateways
        if now >= self._ask_gateways_at:
            self._ask_gateways_at = now + _GATEWAY_SECONDS
            index = next(
                link.index
                for link in netlink.links()
                if link.name == FRONTEND_INTERFACE
            )
            for gateway in gateways:
                netlink.use_neighbour(index, gateway)
        for gateway in sorted(silent, key=str):
            return f"the gateway {gateway} does not answer"
        return ""

    def _enter(self) -> Netlink | None:
        try:
            inode = os.stat(self._paths.namespace_path).st_ino
        except FileNotFoundError:
            self._leave()
            return None
        if self._netlink is None or inode != self._namespace_inode:
            self._leave()
            self._netlink = Netlink(self._paths.namespace_path)
            self._namespace_inode = inode
        return self._netlink

    def _leave(self) -> None:
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    def _check_haproxy(
        self, listeners: tuple[ListenerSocket, ...], now: float
    ) -> Sample:
        assert self._stats is not None
        assert self._netlink is not None
        try:
            sample = self._listeners.look(self._netlink.listening(), listeners)
        except OSError as e:
            self._leave()
            return Sample(
                verdict=Verdict.UNKNOWN, reason=f"sock_diag: {e.strerror or e}"
            )
        self._stats.look(now)
        if sample.verdict is Verdict.BAD:
            return sample
        if self._stats.problem:
            return _bad(self._stats.problem)
        if self._stats.problem is None:
            return Sample(
                verdict=Verdict.UNKNOWN, reason="HAProxy did not answer yet"
            )
        return sample

    def close(self) -> None:
        """Let go of everything."""
        self._release_haproxy()
        self._keepalived.close()
        self._process = self._stats = None
        self._leave()


def _bad(reason: str, *, is_fatal: bool = False) -> Sample:
    return Sample(verdict=Verdict.BAD, reason=reason, is_fatal=is_fatal)


def _frontend_problem(netlink: Netlink, frontend: Frontend | None) -> str:
    if frontend is None:
        return "no front end is assigned"
    links = [
        link
        for link in netlink.links()
        if link.mac_address == frontend.mac_address
        and link.name == FRONTEND_INTERFACE
    ]
    if not links:
        return "the front-end interface is not there"
    if not links[0].is_up:
        return "the link of the front-end interface is down"
    present = {
        address.ip_address
        for address in netlink.addresses()
        if address.index == links[0].index
    }
    for address in frontend.addresses:
        if address.ip_address not in present:
            return f"{address.ip_address} is not on the front-end interface"
    return ""
