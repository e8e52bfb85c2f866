# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The agent's one loop: desired state + gate -> front end and speaker.

It holds the desired state, samples the probes, steps the gate and tells the
front end and the speaker what is wanted. These have threads of their own;
the loop waits for none of them.

Order (invariant 3): a path is wanted once its VIP is on the loopback, and a
VIP leaves the loopback a while after its path did.

Layer: agent.
"""

import logging
import math
import os
import select
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from octavia_anycast.agent.flow_rescue.flow_rescue import RescueSetup
from octavia_anycast.agent.frontend.frontend import (
    FrontendSetup,
    vip_addresses,
)
from octavia_anycast.agent.frontend.machine import MachineWatch
from octavia_anycast.agent.frontend.netlink import Netlink
from octavia_anycast.agent.gate import gate as gates
from octavia_anycast.agent.gate.lvs import LvsWatch
from octavia_anycast.agent.gate.probes import Prober
from octavia_anycast.agent.paths.wanted import (
    check_next_hops,
    path_counts,
    path_reports,
    wish,
)
from octavia_anycast.agent.paths.yielding import Yielding
from octavia_anycast.agent.registrations import carry_out
from octavia_anycast.agent.speakers.base import BgpSpeaker
from octavia_anycast.agent.store import Store
from octavia_anycast.model import codec
from octavia_anycast.model.bgp import IPAddress, Speaker
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.model.wire import (
    AgentCall,
    DesiredState,
    GateReport,
    Intent,
    LvsReport,
    ProbeReport,
    Report,
)

LOG = logging.getLogger(__name__)

# For how long a VIP stays on the loopback after its paths are gone: packets
# are on their way until the fabric has followed.
_LINGER_SECONDS = 1.0
# Between two looks at what changes of itself, while somebody waits for it.
_NEWS_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineParts:
    """The engine's collaborators; ``beat`` is called in each round.

    ``tell_metrics`` is called with each state that is put into force.
    """

    store: Store
    speaker: BgpSpeaker
    check_speakers: Callable[[tuple[Speaker, ...]], None]
    frontend: FrontendSetup
    rescue: RescueSetup
    prober: Prober
    lvs: LvsWatch
    machine: MachineWatch
    namespace_path: str
    beat: Callable[[], None]
    tell_metrics: Callable[[DesiredState], None]


class Engine:
    """One amphora's agent."""

    def __init__(self, amphora_id: str, parts: EngineParts) -> None:
        self._amphora_id = amphora_id
        self._parts = parts
        self._lock = threading.Lock()
        self._apply_lock = threading.Lock()
        self._state: DesiredState | None = None
        self._digest = self._speakers_digest = ""
        # Why speakers were refused last, and the digest of what was asked.
        self._refusal = "", ""
        self._gate = gates.initial(datetime.now(UTC))
        self._evidence: tuple[ProbeReport, ...] = ()
        self._noted: object = None  # what it was made of
        self._is_frontend_up = False
        self._bound: frozenset[IPAddress] = frozenset()
        self._leaving: dict[IPAddress, float] = {}
        # What the speaker was told was made of this.
        self._wish_of: object = None
        self._yielding = Yielding()
        self._woken = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._is_closing = False

    # -- called from other threads ---------------------------------------

    def restore(self) -> None:
        """Put into force the state on the disk, or else the first one."""
        state = self._parts.store.load(self._amphora_id)
        if state is None:
            return
        try:
            self._parts.check_speakers(state.speakers)
        except InvalidRequest as e:
            # The amphora comes up without the peers that are refused.
            LOG.error("A part of the stored state is left out: %s", e)
        self._put(state)

    def apply(self, document: Any) -> None:
        """Put a desired state into force; it is on the disk on return.

        :raises InvalidRequest: it is refused, and nothing has changed.
        """
        state = codec.desired_state_from(document)
        asked = codec.speakers_digest(state.speakers)
        with self._apply_lock:
            state = self._with_speakers(state)
            try:
                self._parts.check_speakers(state.speakers)
            except InvalidRequest as e:
                self._refusal = str(e), asked
                raise
            self._take(state)

    def call(self, call: AgentCall, name: str, body: Any) -> Any:
        """Carry out a call of one VIP or amphora; see :mod:`.registrations`.

        What it changes is on the disk on return.
        """
        with self._apply_lock:
            state, answer = carry_out(self._state, call, name, body)
            self._take(state)
        return answer

    def _take(self, state: DesiredState) -> None:
        self._check(state)
        if state == self._state:
            return
        try:
            self._parts.store.save(state)
        except OSError as e:
            if not _only_withdraws(state):
                raise
            # A full disk is no reason to go on announcing.
            LOG.error(
                "A withdrawal is in force, but is not on the disk: %s", e
            )
            self._parts.store.forget()
        self._put(state)
        LOG.info(
            "A desired state is in force: revision %s, %s VIPs, %s peers",
            state.revision or "none",
            len(state.vips),
            len(state.peers()),
        )

    def _with_speakers(self, state: DesiredState) -> DesiredState:
        if not state.keeps_speakers and not state.kept_peer_ids:
            return state
        if self._state is None:
            raise InvalidRequest("keeps_speakers", "there are none to keep")
        return state.completed(self._state)

    def _check(self, state: DesiredState) -> None:
        if state.amphora_id != self._amphora_id:
            raise InvalidRequest(
                "amphora_id", f"this is amphora {self._amphora_id}"
            )
        drivers = {state.driver} | {s.driver for s in state.speakers}
        if len(drivers) > 1:
            raise InvalidRequest(
                "driver", "the speakers of an amphora share one driver"
            )
        check_next_hops(state)

    def _put(self, state: DesiredState) -> None:
        with self._lock:
            self._state = state
            self._digest = codec.digest(state)
            before = self._speakers_digest
            self._speakers_digest = codec.speakers_digest(state.speakers)
            if self._speakers_digest != before:
                self._refusal = "", ""
        os.eventfd_write(self._woken, 1)
        self._parts.tell_metrics(state)

    def report(self) -> Report:
        """Report from memory; what is counted is counted now."""
        report = self._without_counts()
        state = self._state
        vips = vip_addresses(state) if state else frozenset()
        return replace(
            report,
            flow_rescue=self._parts.rescue.report(),
            connections=self._count_connections(vips),
            report_digest=codec.report_digest(report),
        )

    def await_news(self, known: str, seconds: float) -> str:
        """Wait until a report would say something else; its digest of now.

        What the gate or a BGP session does ends the wait within half a second;
        what changes seldom is seen when the time is over.

        :param known: the digest that the caller has; empty: none, no wait
        """
        deadline = time.monotonic() + seconds
        seen: object = None
        while (left := deadline - time.monotonic()) > 0:
            stirs = self._what_stirs()
            if stirs != seen:
                seen = stirs
                digest = codec.report_digest(self._without_counts())
                if digest != known:
                    return digest
            time.sleep(min(_NEWS_SECONDS, left))
        return codec.report_digest(self._without_counts())

    def _what_stirs(self) -> object:
        """Return what changes of itself, cheap to compare."""
        status = self._parts.speaker.status()
        with self._lock:
            return (
                self._state,
                self._gate.state,
                self._gate.reason,
                self._bound,
                self._is_frontend_up,
                self._refusal,
                status.is_running,
                status.sessions,
                status.paths,
                status.speakers is None,
            )

    def _without_counts(self) -> Report:
        """Report all but what is counted."""
        with self._lock:
            state, gate, bound = self._state, self._gate, self._bound
            evidence = self._evidence
            digest, speakers_digest = self._digest, self._speakers_digest
            refusal, refused_digest = self._refusal
        status = self._parts.speaker.status()
        report = Report(
            amphora_id=self._amphora_id,
            digest=digest,
            revision=state.revision if state else "",
            gate=GateReport(
                state=gate.state,
                reason=gate.reason,
                since=gate.since,
                evidence=evidence,
            ),
            speaker_is_running=status.is_running,
            frontend_is_up=self._is_frontend_up,
            flow_rescue=self._parts.rescue.standing(),
            knows_tenant_metrics=True,
            machine=self._parts.machine.report(),
        )
        if state is None:
            return report
        return replace(
            report,
            listeners=state.listeners,
            lvs_listener_ids=state.lvs_listener_ids,
            sessions=status.sessions,
            paths=path_reports(state, gate, bound, status),
            speakers_digest=speakers_digest,
            peer_digests=codec.peer_digests(state.speakers),
            driver=state.driver,
            refusal=refusal,
            refused_digest=refused_digest,
            are_speakers_loaded=status.speakers == state.speakers,
            path_counts=path_counts(state, status),
            lvs=self._look_at_lvs(state),
        )

    def _look_at_lvs(self, state: DesiredState) -> LvsReport | None:
        if state.is_distributor:
            return None  # it serves no listener
        return self._parts.lvs.report(is_used=bool(state.lvs_listener_ids))

    def _count_connections(self, vips: frozenset[IPAddress]) -> dict[str, int]:
        if not vips:
            return {}
        try:
            with closing(Netlink(self._parts.namespace_path)) as netlink:
                counts = netlink.count_established(vips)
        except OSError:
            return {}
        return {str(vip): count for vip, count in counts.items()}

    def close(self) -> None:
        """End the loop; what is announced stays announced."""
        self._is_closing = True
        os.eventfd_write(self._woken, 1)

    # -- the loop --------------------------------------------------------

    def run(self) -> None:
        """Run the loop until :meth:`close`."""
        next_sample = 0.0
        while not self._is_closing:
            self._parts.beat()
            with self._lock:
                state = self._state
            now = time.monotonic()
            if state is not None and now >= next_sample:
                self._sample(state, now)
                next_sample = now + state.gate.interval_ms / 1000
            if state is not None:
                self._tell(state, now)
            pause = 1.0 if state is None else next_sample - time.monotonic()
            if self._wait(max(pause, 0)):
                next_sample = 0.0
        self._parts.prober.close()

    def _wait(self, seconds: float) -> bool:
        """Wait for anything; True if a sample must be taken at once."""
        prober = self._parts.prober
        # Not epoll, which would be made and filled for each pause.
        poller = select.poll()
        poller.register(self._woken, select.POLLIN)
        alarms = set()
        for descriptor, is_alarm in prober.descriptors():
            poller.register(descriptor, select.POLLIN)
            if is_alarm:
                alarms.add(descriptor)
        is_alarmed = False
        for descriptor, _ in poller.poll(math.ceil(seconds * 1000)):
            if descriptor == self._woken:
                with suppress(BlockingIOError):
                    os.eventfd_read(self._woken)
            elif descriptor in alarms:
                is_alarmed = True
            else:
                prober.look(time.monotonic())
        return is_alarmed

    def _sample(self, state: DesiredState, now: float) -> None:
        prober = self._parts.prober
        sample = prober.sample(state, now)
        before, wall = self._gate, datetime.now(UTC)
        evidence = self._evidence
        if prober.looks is not self._noted:
            evidence = gates.noted(evidence, prober.looks, wall)
            self._noted = prober.looks
        sample = gates.told(sample, evidence)
        gate = gates.step(before, state.gate, sample, wall)
        with self._lock:
            self._gate = gate
            self._evidence = evidence
            self._is_frontend_up = prober.is_frontend_up
            self._bound = prober.bound
        if gate.state is not before.state:
            LOG.info(
                "The health gate is %s (was %s): %s",
                gate.state,
                before.state,
                gate.reason,
            )

    def _tell(self, state: DesiredState, now: float) -> None:
        parts, gate = self._parts, self._gate
        made_of = (state, gate.has_decided, gate.is_passing, self._bound)
        # Thousands of paths, ten times a second.
        if made_of != self._wish_of or self._yielding.is_due(now):
            wanted = wish(state, gate, self._bound)
            paths = self._yielding.step(wanted.paths, now)
            parts.speaker.want(replace(wanted, paths=paths))
            self._wish_of = made_of
        vips = vip_addresses(state)
        if not state.is_distributor:
            vips |= self._lingering(vips, now)
        is_rescuing = state.flow_rescue is not None
        parts.frontend.want(state.frontend, vips, is_rescuing=is_rescuing)
        parts.rescue.want(state)
        parts.machine.want(state.frontend)

    def _lingering(
        self, vips: frozenset[IPAddress], now: float
    ) -> frozenset[IPAddress]:
        """VIPs that left the state, but not the loopback yet."""
        announced = {p.vip_ip for p in self._parts.speaker.status().paths}
        for vip in announced | vips:
            self._leaving[vip] = now + _LINGER_SECONDS
        self._leaving = {
            vip: deadline
            for vip, deadline in self._leaving.items()
            if deadline > now
        }
        return frozenset(self._leaving)


def _only_withdraws(state: DesiredState) -> bool:
    return all(vip.intent is Intent.WITHDRAW for vip in state.vips)
