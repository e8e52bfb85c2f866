# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Several controllers: who looks after which load balancer, and locks.

tooz does both. The hash ring only says which controller looks first. The lock
of a load balancer keeps two controllers from working on it at the same time;
a dead process loses its locks at once.

Layer: controller.
"""

import os
import socket
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import tenacity
import tooz
from oslo_log import log as logging
from tooz import coordination, hashring, partitioner

from octavia_anycast.controller.engine.heart import (
    Clock,
    Heart,
    Leases,
    boot_time,
    reason_of,
)
from octavia_anycast.model.errors import InvalidRequest, Retryable

LOG = logging.getLogger(__name__)
GROUP = b"octavia-anycast-controllers"
_LOCK_PREFIX = "octavia-anycast-"
_AT = "@"  # between a member's name and where it receives heartbeats
# Points of each member on the ring. With tooz's own 32, one of eight pairs of
# controllers shares a thousand load balancers more than 20 % unevenly; with
# these the standard deviation of a share is about 4 % of it.
POINTS = 1024


def _coordinator(url: str, scheme: str, member_id: bytes) -> Any:
    """Return the tooz coordinator; no error shows the URL's password."""
    try:
        return coordination.get_coordinator(url, member_id)
    except (ImportError, RuntimeError, tooz.ToozError) as e:
        raise InvalidRequest(
            "coordination_url",
            f"tooz cannot load its driver for {scheme}://: {e}. Is the "
            f"package installed which it needs (tooz[...])?",
        ) from e


@contextmanager
def _translated() -> Iterator[None]:
    """Raise our own error for those of tooz: they pass, and are no fault."""
    try:
        yield
    except tooz.ToozError as e:
        raise Retryable(
            "The coordination service cannot be asked (coordination_url): "
            f"{reason_of(e)}"
        ) from e


@dataclass(frozen=True, slots=True)
class _Ring:
    """Who looks first at what, as of one moment; it is never changed.

    Whoever asks it waits for nobody: the coordination service may not answer
    for long, while another thread asks that for the next one. ``owned``
    remembers answers.
    """

    ring: hashring.HashRing
    owned: dict[str, bool] = field(default_factory=dict)

    @classmethod
    def of(cls, members: Iterable[bytes]) -> "_Ring":
        return cls(hashring.HashRing(members, partitions=POINTS))

    def owner(self, key: str) -> bytes | None:
        """The member that looks first; None: there is none."""
        return min(self.ring.get_nodes(key.encode()), default=None)


class Coordination:
    """This controller among its peers.

    :param clock: seconds of a clock that goes on while we are paused
    :param receives_at: ADDRESS:PORT of our heartbeats, told to our peers
    :raises InvalidRequest: if no driver can be loaded for the URL.
    """

    def __init__(
        self, url: str, clock: Clock = boot_time, *, receives_at: str = ""
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme == "file":
            os.makedirs(parts.path, mode=0o700, exist_ok=True)
        name = f"{socket.gethostname()}-{uuid.uuid4()}"
        if receives_at:
            name = f"{name}{_AT}{receives_at}"
        self.member_id = name.encode()
        self._coordinator = _coordinator(url, parts.scheme, self.member_id)
        self._partitioner: Any = None
        self._ring = _Ring.of(())
        self._unreleased_guard = threading.Lock()
        # (name, lock) of those that are still to be released
        self._unreleased: list[tuple[str, Any]] = []
        # Locks of files and of connections have no time: tooz names none.
        seconds = getattr(self._coordinator, "lock_timeout", None)
        self._leases = Leases(seconds, clock)
        self._heart = Heart(self._coordinator, self._leases)
        self._is_connected = False
        self.is_answering = True  # the service, at the last refresh

    def start(self) -> None:
        """Connect and join the group.

        After a failure it may be called again.

        :raises Retryable: the coordination service cannot be asked.
        """
        self.connect()
        with _translated():
            self._join()
        LOG.info("Joined the controllers as %s.", self.member_id.decode())

    def connect(self) -> None:
        """Connect for locks only, without joining the group.

        :raises Retryable: the coordination service cannot be asked.
        """
        if self._is_connected:
            return
        try:
            self._coordinator.start()
        except Exception as e:  # the drivers do not translate those of here
            raise Retryable(
                "The coordination service cannot be reached "
                f"(coordination_url): {reason_of(e)}"
            ) from e
        self._is_connected = True
        self._heart.start()

    def stop(self) -> None:
        """Leave the group and disconnect, if it has got that far."""
        if not self._is_connected:
            return
        try:
            self._coordinator.leave_group(GROUP).get()
        except tooz.ToozError as e:
            LOG.debug("Leaving the controllers: %s", e)
        self._heart.stop()
        self._coordinator.stop()

    def refresh(self) -> None:
        """Learn which controllers there are; join again if we timed out.

        Locks whose release failed are released here.
        """
        self._learn()
        self._release_again()

    def _learn(self) -> None:
        try:
            self._coordinator.run_watchers()
            members = self._coordinator.get_members(GROUP).get()
            if self.member_id not in members:
                self._join()
            self.is_answering = True
        except tooz.ToozError as e:
            self.is_answering = False
            LOG.warning(
                "The coordination service cannot be asked: %s",
                reason_of(e),
            )
        self._take_ring()

    def _take_ring(self) -> None:
        """Have all others use what this thread has learned."""
        if self._partitioner is None:
            return
        members = self._partitioner.ring.nodes.keys()
        if members != self._ring.ring.nodes.keys():
            self._ring = _Ring.of(members)
        else:
            self._ring = _Ring(self._ring.ring)  # remembers no old answers

    def owns(self, key: str) -> bool:
        """Whether this controller is the one to look at it first."""
        ring = self._ring
        is_ours = ring.owned.get(key)
        if is_ours is None:
            is_ours = ring.owner(key) in (None, self.member_id)
            ring.owned[key] = is_ours
        return is_ours

    def owner_receives_at(self, key: str) -> str:
        """Where the controller that looks first receives heartbeats.

        :returns: ADDRESS:PORT; empty: it is this one, or does not say
        """
        owner = self._ring.owner(key)
        if owner is None or owner == self.member_id:
            return ""
        return owner.decode().partition(_AT)[2]

    @contextmanager
    def lock(self, name: str, wait_seconds: float = 0.0) -> Iterator[bool]:
        """Hold a lock, or False: it was not free for so long.

        A load balancer's is named by its id.

        :raises Retryable: the coordination service cannot be asked.
        """
        with _translated():
            lock = self._coordinator.get_lock(f"{_LOCK_PREFIX}{name}".encode())
            asked_at = self._leases.now()
            try:
                is_held = bool(lock.acquire(blocking=wait_seconds or False))
            except tenacity.RetryError:
                # etcd, MySQL, PostgreSQL and memcached: the wait is over.
                is_held = False
        if is_held:
            # Of a wait nobody knows when it ended.
            self._leases.begin(
                name, self._leases.now() if wait_seconds else asked_at
            )
        try:
            yield is_held
        finally:
            if is_held:
                self._leases.end(name)
                with _translated():
                    self._release(name, lock)

    def holds(self, name: str) -> bool:
        """Whether this process surely holds a lock; asks nobody.

        A lock of etcd ends with its time, and a process that was paused for
        longer does not notice.
        """
        return self._leases.is_running(name)

    def _release(self, name: str, lock: Any) -> None:
        """Release a lock, or keep it for the next refresh.

        The heart beats for a lock that is not released: nobody could take it
        for as long as this process lives.
        """
        try:
            if not lock.release():
                self._let_go(name, lock)
        except tooz.ToozError as e:
            with self._unreleased_guard:
                self._unreleased.append((name, lock))
            LOG.warning(
                "The lock of %s is not released yet, which is retried: %s",
                name,
                reason_of(e),
            )
            raise

    def _let_go(self, name: str, lock: Any) -> None:
        """Have the heart no longer beat for a lock whose time was over.

        tooz keeps it among those that are held, and would beat for ever.
        """
        LOG.warning(
            "The time of the lock of %s was over before it was released.", name
        )
        # A set, but with memcached a list.
        held: Any = getattr(self._coordinator, "_acquired_locks", set())
        with suppress(KeyError, ValueError):
            held.remove(lock)

    def _release_again(self) -> None:
        """Release what is left; after the first failure the rest waits."""
        with self._unreleased_guard:
            left, self._unreleased = self._unreleased, []
        try:
            while left:
                name, lock = left[0]
                # False, which is no failure, says that it is not held.
                if not lock.release():
                    self._let_go(name, lock)
                LOG.info("The lock of %s is released.", name)
                left.pop(0)
        except tooz.ToozError as e:
            LOG.debug("A lock is still not released: %s", e)
        finally:
            with self._unreleased_guard:
                self._unreleased += left

    def _join(self) -> None:
        try:
            self._partitioner = self._coordinator.join_partitioned_group(
                GROUP, partitions=POINTS
            )
        except coordination.MemberAlreadyExist:
            LOG.debug("Already a member.")
            if self._partitioner is None:
                # The answer to an earlier attempt was lost.
                self._partitioner = partitioner.Partitioner(
                    self._coordinator, GROUP, partitions=POINTS
                )
        self._take_ring()
