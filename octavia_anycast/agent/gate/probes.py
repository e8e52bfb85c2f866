# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the health gate looks at: HAProxy, keepalived, the front end.

Nothing here sends a byte through the data path unless somebody asks for it: a
connection to a listener would be counted in HAProxy's statistics, which are
the user's (ADR 0011, ADR 0072).

Layer: agent. For the thread of the engine.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from octavia_anycast.agent.frontend.changes import Changes
from octavia_anycast.agent.frontend.netlink import Netlink
from octavia_anycast.agent.gate.gate import (
    GOOD,
    Sample,
    Verdict,
    bad,
    unknown,
    worst,
)
from octavia_anycast.agent.gate.haproxy import (
    ListenerWatch,
    StatsSocket,
    Waiting,
)
from octavia_anycast.agent.gate.inside import (
    TABLES,
    FrontendWatch,
    GatewayWatch,
)
from octavia_anycast.agent.gate.processes import (
    STOPPED,
    DaemonProcess,
    KeepalivedWatch,
    ProbePaths,
    state_of,
)
from octavia_anycast.agent.gate.services import KernelTable, ServiceWatch
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.wire import (
    DesiredState,
    GateSettings,
    Probe,
)

if TYPE_CHECKING:
    from octavia_anycast.agent.gate.synthetic import RequestProbe

_NOTHING = Sample(verdict=Verdict.NOTHING_TO_SERVE, reason="nothing to serve")


class Prober:
    """Takes samples; keeps what a sample needs between two of them."""

    def __init__(
        self, paths: ProbePaths, table: KernelTable | None = None
    ) -> None:
        self._paths = paths
        self._table = table or KernelTable(
            paths.namespace_path, paths.lvs_table
        )
        self._load_balancer_id: str | None = None
        self._process: DaemonProcess | None = None
        self._stats: StatsSocket | None = None
        self._listeners = ListenerWatch()
        self._keepalived = KeepalivedWatch(paths)
        self._services = ServiceWatch(paths)
        self._netlink: Netlink | None = None
        self._namespace_inode = 0
        self._frontend: FrontendWatch | None = None
        self._gateways = GatewayWatch()
        self._request: RequestProbe | None = None
        # What each probe said in the last sample; a new object if it has
        # changed.
        self.looks: dict[Probe, Sample] = {}
        self._said: dict[Probe, Sample] = {}
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
        if state.is_distributor:
            return self._rest()
        self._follow(state.load_balancer_id)
        looks = {Probe.PROCESS: self._check_processes(state, now)}
        looks |= self._check_namespace(state, now)
        if state.gate.is_enabled:
            looks[Probe.REVISION] = (
                GOOD
                if state.revision
                else bad("there is no configuration yet")
            )
            if self._netlink is not None and state.listeners:
                looks |= self._check_haproxy(state, now)
            if self._netlink is not None:
                looks |= self._check_services(state, now, looks)
        if looks != self._said:
            self._said = looks
            self.looks = {
                probe: replace(look, probe=probe)
                for probe, look in looks.items()
            }
        return _decided(self.looks, is_enabled=state.gate.is_enabled)

    def _rest(self) -> Sample:
        """A distributor has no data path that could fail."""
        self.close()
        self._load_balancer_id = None
        self.is_frontend_up, self.bound, self.looks = False, frozenset(), {}
        self._said = {}
        return GOOD

    def _check_processes(self, state: DesiredState, now: float) -> Sample:
        """Look at HAProxy's and keepalived's processes, where expected.

        Always the first look of a sample: the descriptor of a dead process
        is closed, else it would wake the engine for ever.
        """
        if state.load_balancer_id is None or self._process is None:
            return _NOTHING
        keepalived = self._keepalived.look(
            state.lvs_listener_ids, now, has_others=bool(state.listeners)
        )
        if state.listeners:
            if not self._process.is_running():
                return bad("HAProxy does not run", is_fatal=True)
            return worst([self._check_stopped(), keepalived])
        self._release_haproxy()
        return keepalived if state.lvs_listener_ids else _NOTHING

    def _check_stopped(self) -> Sample:
        """The kernel knows at once that a process is stopped."""
        pid = self._stats.pid if self._stats else None
        state = state_of(pid, "haproxy") if pid is not None else ""
        if state in STOPPED:
            return bad(
                "HAProxy is stopped",
                measured=f"process {pid} is in state {state}",
            )
        return GOOD

    def _release_haproxy(self) -> None:
        """Without TCP listeners Octavia's agent removes HAProxy."""
        if self._process:
            self._process.close()
        if self._stats:
            self._stats.forget()
        if self._request:
            self._request.close()
            self._request = None
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
    ) -> dict[Probe, Sample]:
        """Look at the front end, its gateways, and which VIPs are there."""
        self.is_frontend_up = False
        try:
            netlink = self._enter()
            if netlink is None or self._frontend is None:
                self.bound = frozenset()
                problem = "the namespace of HAProxy is not there"
                return {Probe.FRONTEND: bad(problem)}
            view = self._frontend.look(netlink, state, now)
            self.bound = view.bound
            if view.problem:
                return {Probe.FRONTEND: bad(view.problem)}
            gateways = self._gateways.look(netlink, view, state.gate, now)
        except OSError as e:
            self._leave()
            return {Probe.FRONTEND: unknown(f"netlink: {e.strerror or e}")}
        self.is_frontend_up = gateways.verdict is Verdict.GOOD
        return {Probe.FRONTEND: GOOD, Probe.GATEWAY: gateways}

    def _enter(self) -> Netlink | None:
        try:
            inode = os.stat(self._paths.namespace_path).st_ino
        except FileNotFoundError:
            self._leave()
            return None
        if self._netlink is None or inode != self._namespace_inode:
            self._leave()
            path = self._paths.namespace_path
            self._netlink = Netlink(path)
            self._frontend = FrontendWatch(Changes(TABLES, path))
            self._gateways = GatewayWatch()
            self._namespace_inode = inode
        return self._netlink

    def _leave(self) -> None:
        self._table.close()
        if self._frontend is not None:
            self._frontend.close()
            self._frontend = None
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    def _check_haproxy(
        self, state: DesiredState, now: float
    ) -> dict[Probe, Sample]:
        assert self._netlink is not None
        stats, settings = self._stats, state.gate
        if stats is None:
            return {}
        stats.settings = settings
        try:
            sockets = self._netlink.listening()
        except OSError as e:
            self._leave()
            return {Probe.LISTENERS: unknown(f"sock_diag: {e.strerror or e}")}
        waiting, listening = self._listeners.look_at_both(
            sockets, state.listeners, now
        )
        if waiting and waiting.milliseconds(now) > settings.interval_ms:
            stats.hurry()
        looks = {
            Probe.ANSWER: stats.sample(now),
            Probe.LISTENERS: listening,
        }
        if waiting and _hangs(waiting, stats, settings, now):
            looks[Probe.LISTENERS] = bad(
                f"nothing accepts connections on {waiting.name}",
                measured=f"{waiting.count} wait, none accepted for "
                f"{waiting.milliseconds(now):.0f} ms",
            )
        for probe, look in (
            (Probe.PEERS, stats.peers()),
            (Probe.REQUEST, self._check_request(state)),
        ):
            if look is not None:
                looks[probe] = look
        return looks

    def _check_services(
        self, state: DesiredState, now: float, looks: dict[Probe, Sample]
    ) -> dict[Probe, Sample]:
        """Look for the services of keepalived's listeners in the kernel."""
        found = self._services.look(
            self._keepalived.found_counts(),
            self._table,
            now,
            hold_seconds=state.gate.unknown_hold_ms / 1000,
            has_others=bool(state.listeners),
        )
        if not state.lvs_listener_ids:
            return {}
        return {
            Probe.LISTENERS: worst([looks.get(Probe.LISTENERS, GOOD), found])
        }

    def _check_request(self, state: DesiredState) -> Sample | None:
        if self._request is None:
            if state.gate.request is None:
                return None
            # Only for those who want it: HTTP and TLS take time to import,
            # and the announcement is restored before.
            from octavia_anycast.agent.gate.synthetic import RequestProbe

            self._request = RequestProbe(self._paths.namespace_path)
        return self._request.look(state.gate.request, state.listeners)

    def close(self) -> None:
        """Release all processes and sockets."""
        self._release_haproxy()
        self._keepalived.close()
        self._services = ServiceWatch(self._paths)
        self._process = self._stats = None
        self._leave()


def _hangs(
    waiting: Waiting, stats: StatsSocket, settings: GateSettings, now: float
) -> bool:
    """Two witnesses: a limit that is reached stops HAProxy from accepting,
    and it goes on answering.
    """
    return (
        waiting.milliseconds(now) >= settings.accept_timeout_ms
        and stats.waits_ms(now) >= settings.accept_timeout_ms
    )


def _decided(looks: dict[Probe, Sample], *, is_enabled: bool) -> Sample:
    """The look that decides, of those that count."""
    link = [
        looks[probe]
        for probe in (Probe.FRONTEND, Probe.GATEWAY)
        if probe in looks
    ]
    if not is_enabled:
        return worst(link)
    processes = looks[Probe.PROCESS]
    if processes.verdict is Verdict.NOTHING_TO_SERVE:
        unknown = [one for one in link if one.verdict is Verdict.UNKNOWN]
        return unknown[0] if unknown else processes
    if looks[Probe.REVISION].verdict is Verdict.BAD:
        return looks[Probe.REVISION]
    return worst([looks[probe] for probe in Probe if probe in looks])
