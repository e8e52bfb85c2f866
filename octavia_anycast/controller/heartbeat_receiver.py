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

from oslo_log import log as logging

from octavia_anycast.controller.heartbeat_store import HeartbeatStore
from octavia_anycast.controller.ports import World
from octavia_anycast.db import amphora_statistics, health
from octavia_anycast.model.errors import AnycastError
from octavia_anycast.model.heartbeat import Heartbeat

LOG = logging.getLogger(__name__)
DATAGRAM_MAX_BYTES = 64 * 1024
# A second of two thousand amphorae; the kernel counts 1 to 2 KiB for each.
BUFFER_BYTES = 4 * 1024 * 1024
BATCH_SECONDS = 0.5
QUEUE_MAX = 20_000
_WAKE_SECONDS = 0.5

Read = Callable[[bytes], Heartbeat | None]
# When it was taken from the socket, whenever it gets recorded.
_Arrival = tuple[datetime, Heartbeat]


class HeartbeatReceiver:
    """The heartbeat threads."""

    def __init__(
        self,
        world: World,
        store: HeartbeatStore,
        read: Read,
        wake: Callable[[str], None],
    ) -> None:
        self._world = world
        self._store = store
        self._read = read
        self._wake = wake
        self._queue: queue.Queue[_Arrival] = queue.Queue(QUEUE_MAX)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Bind and start.

        :raises OSError: if the address cannot be bound.
        """
        settings = self._world.settings
        address = (settings.heartbeat_bind_ip, settings.heartbeat_bind_port)
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        # What of it the system allows; the rest is net.core.rmem_max.
        self._socket.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES
        )
        self._socket.settimeout(_WAKE_SECONDS)
        self._socket.bind(address)
        for target in (self._receive, self._record):
            thread = threading.Thread(
                target=target, name=f"heartbeats-{target.__name__}"
            )
            thread.start()
            self._threads.append(thread)
        LOG.info("Heartbeats are received on %s, UDP %s.", *address)

    def stop(self) -> None:
        """Stop and wait for the threads."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._socket is not None:
            self._socket.close()

    def _receive(self) -> None:
        assert self._socket is not None
        while not self._stop.is_set():
            try:
                datagram = self._socket.recv(DATAGRAM_MAX_BYTES)
            except TimeoutError:
                continue
            except OSError as e:
                LOG.warning("Receiving heartbeats: %s", e)
                self._stop.wait(_WAKE_SECONDS)
                continue
            heartbeat = self._read(datagram)
            if heartbeat is None:
                continue
            try:
                self._queue.put_nowait((self._world.now(), heartbeat))
            except queue.Full:
                LOG.warning("A heartbeat is dropped: too many wait.")

    def _record(self) -> None:
        while not self._stop.wait(BATCH_SECONDS):
            batch = self._drain()
            if not batch:
                continue
            try:
                self._record_batch(batch)
            except Exception:
                LOG.exception("%d heartbeats were not recorded.", len(batch))

    def _drain(self) -> list[_Arrival]:
        batch: list[_Arrival] = []
        while True:
            try:
                batch.append(self._queue.get_nowait())
            except queue.Empty:
                return batch

    def _record_batch(self, batch: list[_Arrival]) -> None:
        try:
            known = self._touch({beat.amphora_id for _, beat in batch})
        except AnycastError as e:
            LOG.warning("%d heartbeats were not recorded: %s", len(batch), e)
            return
        arrivals = [x for x in batch if x[1].amphora_id in known]
        for arrived_at, beat in arrivals:
            news_for = self._store.put(beat, arrived_at)
            if news_for is not None:
                self._wake(news_for)
        ours = [beat for _, beat in arrivals]
        self._world.statistics.add(ours)
        with self._world.database.transaction() as session:
            amphora_statistics.add(session, ours)

    def _touch(self, amphora_ids: set[str]) -> set[str]:
        """Record the time; tells which of them are amphorae of ours."""
        now = self._world.now()
        with self._world.database.transaction() as session:
            return health.touch_all(session, amphora_ids, now, is_beat=True)
