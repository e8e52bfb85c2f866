# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The synthetic request: HTTP to each listener on the VIP (ADR 0072).

Asked from inside HAProxy's namespace, so it takes the way of a user's
request from the accept on, and shows in HAProxy's statistics: off unless
somebody asks for it.

Layer: agent. Works in a thread of its own, which alone is in the namespace.
"""

import http.client
import socket
import ssl
import threading
import time
from dataclasses import dataclass, replace

from octavia_anycast.agent.frontend import netns
from octavia_anycast.agent.gate.gate import GOOD, Sample, Verdict, unknown
from octavia_anycast.agent.loop import Loop
from octavia_anycast.model.wire import ListenerSocket, Scheme, SyntheticRequest

_USER_AGENT = "octavia-anycast-health"


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How one listener has answered: ``count`` times ``last`` in a row."""

    is_good: bool | None = None
    has_been_good: bool = False
    last: bool | None = None
    count: int = 0
    problem: str = ""


def step(course: Course, request: SyntheticRequest, problem: str) -> Course:
    """Add one answer; ``problem`` is empty for a good one. Pure."""
    is_good = not problem
    count = course.count + 1 if course.last is is_good else 1
    course = replace(course, last=is_good, count=count)
    enough = request.rise_count if is_good else request.fall_count
    if course.is_good is is_good or count < enough:
        return course
    return replace(
        course,
        is_good=is_good,
        has_been_good=course.has_been_good or is_good,
        problem=problem,
    )


def verdict(courses: dict[ListenerSocket, Course]) -> Sample:
    """What all listeners together say. Pure.

    A listener that never answered well is PARTIAL beside one that does: it is
    so on every amphora, for example if its members do not have the path.
    """
    bad = {s: c for s, c in courses.items() if c.is_good is False}
    lost = {s: c for s, c in bad.items() if c.has_been_good}
    is_any_good = any(c.is_good for c in courses.values())
    for socket_, course in (lost or bad).items():
        is_partial = is_any_good and not lost
        return Sample(
            verdict=Verdict.PARTIAL if is_partial else Verdict.BAD,
            reason=f"the request to {socket_.ip_address} port "
            f"{socket_.port} failed",
            measured=course.problem,
        )
    if any(course.is_good is None for course in courses.values()):
        return unknown("no request is answered yet")
    return GOOD


class RequestProbe:
    """Asks again and again, and remembers the course of each listener."""

    def __init__(self, namespace_path: str | None) -> None:
        self._namespace_path = namespace_path
        self._lock = threading.Lock()
        self._wanted: (
            tuple[SyntheticRequest, tuple[ListenerSocket, ...]] | None
        ) = None
        self._courses: dict[ListenerSocket, Course] = {}
        self._loop: Loop | None = None

    def look(
        self,
        request: SyntheticRequest | None,
        listeners: tuple[ListenerSocket, ...],
    ) -> Sample | None:
        """Set what to ask, and return what is known of it, at once.

        None: there is nothing to ask.
        """
        sockets = tuple(s for s in listeners if s.scheme is not Scheme.OPAQUE)
        if request is None or not sockets:
            self.close()
            return None
        with self._lock:
            if self._wanted != (request, sockets):
                self._want(request, sockets)
            found = verdict(self._courses)
        if self._loop is None:
            self._loop = Loop("request", self._turn)
            self._loop.start()
        return found

    def _want(
        self, request: SyntheticRequest, sockets: tuple[ListenerSocket, ...]
    ) -> None:
        is_same = self._wanted is not None and self._wanted[0] == request
        self._courses = {
            one: self._courses.get(one, Course()) if is_same else Course()
            for one in sockets
        }
        self._wanted = (request, sockets)
        if self._loop is not None:
            self._loop.wake()

    def close(self) -> None:
        """Stop asking; the thread ends after the round under way."""
        with self._lock:
            self._wanted, self._courses = None, {}
        if self._loop is not None:
            self._loop.end()
            self._loop = None

    def _turn(self) -> float:
        wanted = self._wanted
        if wanted is None:
            return 0.0
        request, sockets = wanted
        for one in sockets:
            try:
                if self._namespace_path is not None:
                    netns.enter(self._namespace_path)
                problem = ask(request, one)
            except (OSError, http.client.HTTPException, ValueError) as e:
                problem = str(e) or type(e).__name__
            with self._lock:
                if self._wanted == wanted:
                    course = self._courses[one]
                    self._courses[one] = step(course, request, problem)
        return request.interval_ms / 1000


def ask(request: SyntheticRequest, listener: ListenerSocket) -> str:
    """Ask once.

    :returns: what is wrong with the answer, empty if nothing is
    :raises OSError: if there is none in time.
    """
    ends_at = time.monotonic() + request.timeout_ms / 1000
    address = str(listener.ip_address)
    host = request.host or (f"[{address}]" if ":" in address else address)
    link: socket.socket = socket.create_connection(
        (address, listener.port), timeout=request.timeout_ms / 1000
    )
    try:
        if listener.scheme is Scheme.HTTPS:
            link.settimeout(_left(ends_at))
            link = _tls().wrap_socket(
                link, server_hostname=request.host or None
            )
        link.settimeout(_left(ends_at))
        connection = http.client.HTTPConnection(address)
        connection.sock = link
        connection.request(
            request.method,
            request.path,
            headers={
                "Host": host,
                "User-Agent": _USER_AGENT,
                "Connection": "close",
            },
        )
        link.settimeout(_left(ends_at))
        status = connection.getresponse().status
    finally:
        link.close()
    if request.expects(status):
        return ""
    return f"status {status} is not one of {request.codes}"


def _left(ends_at: float) -> float:
    left = ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _tls() -> ssl.SSLContext:
    """HAProxy is asked, not its certificate, which is the user's affair."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
