# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""One time for all controllers: the middle of their clocks (ADR 0171).

Controllers write times for each other into rows: since when an amphora boots,
when it was withdrawn, until when it drains. Where one goes on with the work of
another one whose clock differs by minutes, all of that would be over at once.
So each asks the others each second what time it is, and counts with the middle
one of all clocks. Without others, or where they agree, it is its own.

A question has a number that nobody can know before, and both have a code of a
key that only controllers have: what was recorded before is no answer.

Layer: controller.
"""

import hmac
import secrets
import select
import socket
import statistics
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from oslo_log import log as logging

from octavia_anycast.controller.engine.heart import boot_time
from octavia_anycast.controller.relay import Address, parsed

LOG = logging.getLogger(__name__)
# No heartbeat begins so.
_ASKS = b"octavia-anycast what time is it "
_TELLS = b"octavia-anycast it is "
_CODE_BYTES = 32
_NUMBER_BYTES = 16
_DATAGRAM_MAX_BYTES = 256
INTERVAL_SECONDS = 1.0
# Who answers later is asked again: the time of an answer is not known better.
PATIENCE_SECONDS = 0.5
# Clocks that follow time servers do not differ by as much.
TOLERANCE_SECONDS = 2.0
_TOLD_EACH_SECONDS = 3600.0
_JOIN_SECONDS = 5.0


def _wall() -> datetime:
    return datetime.now(UTC)


class SharedClock:
    """Tells the time; safe for several threads.

    The others' clocks are kept as what they are ahead of the seconds since
    this machine was booted, so a step of its own clock does not change them.

    :param wall: this machine's clock
    :param seconds: of a clock that only goes forward, and that no pause stops
    """

    def __init__(
        self,
        wall: Callable[[], datetime] = _wall,
        seconds: Callable[[], float] = boot_time,
    ) -> None:
        self.wall = wall
        self.seconds = seconds
        self._ahead: Mapping[str, float] = {}

    def hear(self, name: str, at: datetime, when: float) -> None:
        """Take what time it is by another controller.

        :param when: the ``seconds`` at which it was that
        """
        self._ahead = {**self._ahead, name: at.timestamp() - when}

    def now(self) -> datetime:
        """The time that all controllers count with."""
        return self.wall() + timedelta(seconds=self.correction())

    def correction(self) -> float:
        """How many seconds this machine's clock is behind the middle one.

        0 within the tolerance: a time that never jumps is worth more.
        """
        own = self.wall().timestamp() - self.seconds()
        middle = statistics.median((own, *self._ahead.values()))
        behind = middle - own
        return behind if abs(behind) > TOLERANCE_SECONDS else 0.0


def answer(datagram: bytes, key: bytes, now: datetime) -> bytes | None:
    """What is sent back to who asks what time it is; None: nobody asks."""
    if not datagram.startswith(_ASKS):
        return None
    number = _proven(datagram, _ASKS, key)
    if number is None or len(number) != _NUMBER_BYTES:
        return None
    told = number + f"{now.timestamp():.3f}".encode()
    return _with_code(_TELLS, told, key)


def _with_code(mark: bytes, text: bytes, key: bytes) -> bytes:
    return mark + hmac.digest(key, mark + text, "sha256") + text


def _proven(datagram: bytes, mark: bytes, key: bytes) -> bytes | None:
    """The text behind a mark, if its code is right."""
    end = len(mark) + _CODE_BYTES
    code, text = datagram[len(mark) : end], datagram[end:]
    right = hmac.digest(key, mark + text, "sha256")
    return text if hmac.compare_digest(code, right) else None


class ClockExchange:
    """Asks the other controllers what time it is, in a thread of its own.

    :param controllers: ADDRESS:PORT of each, as amphorae have them
    :param own: this one's, see :func:`.relay.own_address`
    """

    def __init__(
        self,
        clock: SharedClock,
        key: bytes,
        controllers: Iterable[str],
        own: str,
    ) -> None:
        self._clock = clock
        self._key = key
        self._others = {
            text: address
            for text in controllers
            if text != own and (address := parsed(text)) is not None
        }
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        # The correction that was told of last, and when.
        self._told: tuple[float, float] | None = None

    def start(self) -> None:
        """Ask once before anything is done, and then again and again."""
        if not self._others:
            return
        self.ask()
        self._thread = threading.Thread(target=self._run, name="clocks")
        self._thread.start()

    def stop(self) -> None:
        """Stop and wait for the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL_SECONDS):
            self.ask()

    def ask(self) -> int:
        """Ask all of them; returns how many answered in time."""
        heard = 0
        for family in (socket.AF_INET, socket.AF_INET6):
            others = {
                name: address
                for name, address in self._others.items()
                if (":" in address[0]) is (family is socket.AF_INET6)
            }
            if others:
                heard += self._ask(family, others)
        self._tell()
        return heard

    def _ask(self, family: int, others: Mapping[str, Address]) -> int:
        asked: dict[bytes, tuple[str, float]] = {}
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as link:
                link.setblocking(False)
                for name, address in others.items():
                    number = secrets.token_bytes(_NUMBER_BYTES)
                    asked[number] = name, self._clock.seconds()
                    self._send(link, number, address)
                return self._listen(link, asked)
        except OSError as e:
            LOG.debug("Other controllers cannot be asked for the time: %s", e)
            return 0

    def _send(
        self, link: socket.socket, number: bytes, address: Address
    ) -> None:
        try:
            link.sendto(_with_code(_ASKS, number, self._key), address)
        except OSError as e:
            LOG.debug("%s cannot be asked for the time: %s", address, e)

    def _listen(
        self, link: socket.socket, asked: dict[bytes, tuple[str, float]]
    ) -> int:
        until, heard = self._clock.seconds() + PATIENCE_SECONDS, 0
        while asked and (left := until - self._clock.seconds()) > 0:
            if not select.select([link], [], [], left)[0]:
                break
            datagram = link.recv(_DATAGRAM_MAX_BYTES)
            heard += self._take(datagram, asked, self._clock.seconds())
        return heard

    def _take(
        self,
        datagram: bytes,
        asked: dict[bytes, tuple[str, float]],
        now: float,
    ) -> bool:
        if not datagram.startswith(_TELLS):
            return False
        told = _proven(datagram, _TELLS, self._key) or b""
        question = asked.pop(told[:_NUMBER_BYTES], None)
        if question is None:
            return False
        name, since = question
        try:
            at = datetime.fromtimestamp(float(told[_NUMBER_BYTES:]), UTC)
        except (ValueError, OverflowError, OSError):
            return False  # of another release
        # It said so in the middle of these two, as far as one can know.
        self._clock.hear(name, at, (since + now) / 2)
        return True

    def _tell(self) -> None:
        """Say once an hour that this machine's clock is off, and by how much.

        Sooner if it is another time: somebody else has answered.
        """
        correction, now = self._clock.correction(), self._clock.seconds()
        if not correction:
            return
        if self._told is not None:
            before, at = self._told
            is_same = abs(correction - before) <= TOLERANCE_SECONDS
            if is_same and now - at < _TOLD_EACH_SECONDS:
                return
        self._told = correction, now
        LOG.warning(
            "The clock of this host is %.0f s %s the middle one of the "
            "controllers' clocks, which is used instead: see whether this "
            "host follows the same time servers.",
            abs(correction),
            "behind" if correction > 0 else "ahead of",
        )
