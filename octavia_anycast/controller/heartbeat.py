# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Receives heartbeats (UDP) and records them in batches.

Layer: controller. Two threads: one only reads the socket, so that a slow
database does not overflow it; the other one writes.
"""

import queue
import socket
import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from oslo_log import log as logging

from octavia_anycast.controller import relay
from octavia_anycast.controller.engine.daemon import attempt
from octavia_anycast.controller.memory import HeartbeatStore
from octavia_anycast.controller.ports import World
from octavia_anycast.controller.relay import (
    Clocks,
    HeartbeatRelay,
    Mark,
    Received,
)
from octavia_anycast.db import heartbeat
from octavia_anycast.db.amphora import amphora_statistics, reports
from octavia_anycast.model.heartbeat import Heartbeat, Refusal

LOG = logging.getLogger(__name__)
DATAGRAM_MAX_BYTES = 64 * 1024
# A second of two thousand amphorae; the kernel counts 1 to 2 KiB for each.
BUFFER_BYTES = 4 * 1024 * 1024
BATCH_SECONDS = 0.5
QUEUE_MAX = 20_000
_WAKE_SECONDS = 0.5

Read = Callable[[bytes], Heartbeat | Refusal]
_BIND_AGAIN_SECONDS = 5.0


class _Arrival(NamedTuple):
    """A heartbeat, when it came from its amphora, and who sent it here.

    ``mark``: of another controller that handed it on, which has recorded it;
    None: it came from the amphora.
    """

    at: datetime
    heartbeat: Heartbeat
    source: str
    datagram: bytes
    mark: Mark | None


class HeartbeatReceiver:
    """The heartbeat threads.

    :param wake: has a load balancer looked at
    :param look_at: the same, when its turn comes; None: as ``wake``
    :param count: writes what heartbeats say of those that nobody looks at;
        called after each batch
    :param relay: None: there are no other controllers
    :param tell_time: datagram -> what is sent back to who asks for the time;
        None: it does not ask
    """

    def __init__(
        self,
        world: World,
        store: HeartbeatStore,
        read: Read,
        wake: Callable[[str], None],
        *,
        look_at: Callable[[str], None] | None = None,
        count: Callable[[], None] = lambda: None,
        relay: HeartbeatRelay | None = None,
        tell_time: Callable[[bytes], bytes | None] = lambda _: None,
    ) -> None:
        self._relay = relay
        self._tell_time = tell_time
        self._clocks = Clocks()
        self._world = world
        self._store = store
        self._read = read
        self._wake = wake
        self._look_at = look_at or wake
        self._count = count
        self._queue: queue.Queue[_Arrival] = queue.Queue(QUEUE_MAX)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Start; an address that cannot be bound is tried again.

        The controller works without heartbeats, but notices losses later.
        """
        self._bind()
        for target in (self._receive, self._record):
            thread = threading.Thread(
                target=target, name=f"heartbeats-{target.__name__}"
            )
            thread.start()
            self._threads.append(thread)

    def _bind(self) -> bool:
        settings, refusals = self._world.settings, self._world.refusals
        address = (settings.heartbeat_bind_ip, settings.heartbeat_bind_port)
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        made = socket.socket(family, socket.SOCK_DGRAM)
        # What of it the system allows; the rest is net.core.rmem_max.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        made.settimeout(_WAKE_SECONDS)
        try:
            made.bind(address)
        except OSError as e:
            made.close()
            if refusals.receiver_error != str(e):
                refusals.receiver_error = str(e)
                LOG.error(
                    "Heartbeats cannot be received on %s, UDP %s: %s. It is "
                    "tried again until it works.",
                    *address,
                    e,
                )
            return False
        self._socket = made
        refusals.receiver_error = ""
        self._listen_anew()
        LOG.info("Heartbeats are received on %s, UDP %s.", *address)
        return True

    def stop(self) -> None:
        """Stop and wait for the threads."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._socket is not None:
            self._socket.close()
        if self._relay is not None:
            self._relay.close()

    def trouble(self) -> str:
        """Say why heartbeats are not received; empty: they are."""
        settings, error = self._world.settings, self._error()
        if not error:
            return ""
        return (
            "heartbeats are not received on "
            f"{settings.heartbeat_bind_ip}, UDP "
            f"{settings.heartbeat_bind_port} (heartbeat_bind_ip, "
            f"heartbeat_bind_port): {error}"
        )

    def _error(self) -> str:
        if self._world.refusals.receiver_error:
            return self._world.refusals.receiver_error
        if not self._threads:
            return "their threads were not started"
        ended = [x.name for x in self._threads if not x.is_alive()]
        return f"the thread {ended[0]} has ended" if ended else ""

    def _receive(self) -> None:
        while self._socket is None:
            if self._stop.wait(_BIND_AGAIN_SECONDS):
                return
            self._bind()
        while not self._stop.is_set():
            try:
                datagram, address = self._socket.recvfrom(DATAGRAM_MAX_BYTES)
            except TimeoutError:
                continue
            except OSError as e:
                LOG.warning("A heartbeat cannot be received: %s", e)
                self._stop.wait(_WAKE_SECONDS)
                continue
            if told := self._tell_time(datagram):
                self._send_back(told, address)
                continue
            source = address[0].partition("%")[0]  # fe80::1%eth0
            datagram, mark = relay.unwrapped(datagram)
            heartbeat = self._read(datagram)
            if isinstance(heartbeat, Refusal):
                self._refuse(source, heartbeat, self._world.now())
                continue
            try:
                now = self._world.now()
                at = now if mark is None else now - mark.age
                self._queue.put_nowait(
                    _Arrival(at, heartbeat, source, datagram, mark)
                )
            except queue.Full:
                self._listen_anew()
                self._world.meter.heartbeats_lost(1)
                LOG.warning("A heartbeat is dropped: too many wait.")

    def _send_back(self, datagram: bytes, address: Any) -> None:
        assert self._socket is not None
        try:
            self._socket.sendto(datagram, address)
        except OSError as e:
            LOG.debug("%s is not told the time: %s", address, e)

    def _refuse(self, source: str, why: Refusal, at: datetime) -> None:
        self._world.refusals.note(source, why, at)
        self._world.meter.heartbeat_refused(why)

    def _listen_anew(self) -> None:
        """Do not report heartbeats as missing that were lost until now."""
        self._world.refusals.listening_since = self._world.now()

    def _record(self) -> None:
        while not self._stop.wait(BATCH_SECONDS):
            self._prune()
            batch = self._drain()
            what = f"{len(batch)} heartbeats were not recorded"
            work = partial(self._record_batch, batch)
            if batch and not attempt(what, work):
                self._listen_anew()
                self._world.meter.heartbeats_lost(len(batch))
            attempt("Active connections were not counted", self._count)

    def _prune(self) -> None:
        forgotten = self._store.prune(self._world.now())
        self._world.at_rest.forget(forgotten)

    def _drain(self) -> list[_Arrival]:
        batch: list[_Arrival] = []
        while True:
            try:
                batch.append(self._queue.get_nowait())
            except queue.Empty:
                return batch

    def _record_batch(self, batch: list[_Arrival]) -> None:
        self._record_relayed([x for x in batch if x.mark is not None])
        batch = [x for x in batch if x.mark is None]
        if batch:
            self._record_own(batch)

    def _record_relayed(self, arrivals: list[_Arrival]) -> None:
        """Keep what they say, and set times right that a wrong clock wrote."""
        wrong: set[str] = set()
        for arrival in arrivals:
            mark = arrival.mark
            if mark is not None and self._clocks.differs(
                arrival.source, mark.sent_at, arrival.at + mark.age
            ):
                wrong.add(arrival.heartbeat.amphora_id)
        kept = self._keep(arrivals)
        if wrong:
            self._touch(wrong)
        self._end_rests(kept)

    def _keep(self, arrivals: list[_Arrival]) -> list[_Arrival]:
        """Keep what is not older than what is known; return these.

        What another controller hands on may have lain there for long.
        """
        now, kept = self._world.now(), []
        for arrival in arrivals:
            beat = arrival.heartbeat
            if self._store.is_late(beat.amphora_id, arrival.at, now):
                continue
            news_for = self._store.put(beat, arrival.at)
            if news_for is not None:
                self._wake(news_for)
            kept.append(arrival)
        return kept

    def _record_own(self, batch: list[_Arrival]) -> None:
        known = self._touch({x.heartbeat.amphora_id for x in batch})
        refusals = self._world.refusals
        for arrival in batch:
            if arrival.heartbeat.amphora_id not in known:
                self._refuse(arrival.source, Refusal.UNKNOWN, arrival.at)
        arrivals = [x for x in batch if x.heartbeat.amphora_id in known]
        for arrival in arrivals:
            refusals.first_at = refusals.first_at or arrival.at
        kept = self._keep(arrivals)
        self._world.meter.heartbeats_received(len(arrivals))
        ours = [arrival.heartbeat for arrival in arrivals]
        self._world.statistics.add(ours)
        self._world.database.transact(
            lambda session: amphora_statistics.add(session, ours)
        )
        self._end_rests(kept)
        if self._relay is not None:
            received = [
                Received(x.heartbeat.amphora_id, x.datagram, x.at)
                for x in arrivals
            ]
            work = partial(self._relay.hand_on, received)
            attempt("Heartbeats were not handed on", work)

    def _end_rests(self, arrivals: list[_Arrival]) -> None:
        """Wake whom a heartbeat says other things of; confirm the others."""
        heard = self._world.at_rest.hear(
            (arrival.heartbeat, arrival.at) for arrival in arrivals
        )
        for load_balancer_id in heard.ended:
            self._look_at(load_balancer_id)
        if heard.confirmed:
            now = self._world.now()
            self._world.database.transact(
                lambda session: reports.confirm(session, heard.confirmed, now)
            )

    def _touch(self, amphora_ids: set[str]) -> set[str]:
        """Record that they were heard of; those that exist."""
        now = self._world.now()
        known: set[str] = set()

        def touch(session: Any) -> None:
            known.clear()
            known.update(
                heartbeat.touch_all(session, amphora_ids, now, is_beat=True)
            )

        # Two controllers may write the same row, on two database nodes.
        self._world.database.transact(touch)
        return known
