# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Processes of metrics that ask each other, over real sockets.

Each has an address of its own on the loopback; HAProxy is a text.
"""

import http.client
import socket
import ssl
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from octavia_anycast.agent.tenant_metrics import cluster as clusters
from octavia_anycast.agent.tenant_metrics.answers import Answer, Unanswered
from octavia_anycast.agent.tenant_metrics.service import Ports, Service
from octavia_anycast.agent.tenant_metrics.told import Told
from octavia_anycast.model.wire import MetricsMember, TenantMetrics
from octavia_anycast.tests.functional.distributor.test_amphora_client import (
    Authority,
)

IDS = tuple(f"{n}0000000-0000-4000-8000-000000000000" for n in range(3))
STRANGER = "90000000-0000-4000-8000-000000000000"
ADDRESSES = tuple(ip_address(f"127.0.77.{n + 1}") for n in range(3))
CLIENT = "127.0.77.9"
BIG = 2 * 1024 * 1024


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pki")
    return Authority(directory, "amphorae"), Authority(directory, "others")


class Cluster:
    """Three amphorae, each with its process; ``texts``: HAProxys.

    ``seconds``: so long each may take. Where one is to be late it is short,
    and those that are not may be late, too, on a busy machine.
    """

    seconds = 20.0

    def __init__(self, authority):
        self.authority = authority
        with socket.create_server((str(ADDRESSES[0]), 0)) as free:
            self.port = free.getsockname()[1]
        self.metrics = TenantMetrics(
            members=tuple(
                MetricsMember(id=i, zone=f"rack{i[0]}", addresses=(address,))
                for i, address in zip(IDS, ADDRESSES, strict=True)
            ),
            authority=Path(authority.file).read_text(),
        )
        self.texts = {i: f"# TYPE x gauge\nx {i[0]}\n" for i in IDS}
        self.files = {i: authority.issue(i) for i in (*IDS, STRANGER)}
        self.services = {}

    def start(self, amphora_id):
        self.services[amphora_id] = service = Service(
            lambda: self.answer(amphora_id),
            Ports(tenant=("127.0.0.1", 0), amphorae=self.port),
            self.seconds,
        )
        service.tell(self.told(amphora_id))

    def told(self, amphora_id, **changes):
        told = Told(
            amphora_id=amphora_id,
            certificate_path=self.files[amphora_id],
            tenant_metrics=self.metrics,
        )
        return replace(told, **changes)

    def answer(self, amphora_id):
        text = self.texts[amphora_id]
        if isinstance(text, Exception):
            raise text
        return Answer(text, time.monotonic())

    def stop(self, amphora_id):
        service = self.services.pop(amphora_id)
        service.tell(None)
        service.tenants.end()

    def request(self, amphora_id, method="GET", path="/metrics"):
        port = self.services[amphora_id].tenants.server_port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request(method, path)
        response = connection.getresponse()
        found = response.status, response.read()
        connection.close()
        return found

    def scrape(self, amphora_id):
        """Scrape one of them: (name, amphora) -> value."""
        status, body = self.request(amphora_id)
        assert status == 200
        return {
            (sample.name, sample.labels["amphora"][0]): sample.value
            for family in text_string_to_metric_families(body.decode())
            for sample in family.samples
        }

    def answered(self, amphora_id):
        found = self.scrape(amphora_id)
        return {
            i: value
            for (name, i), value in found.items()
            if name == "octavia_amphora_answered"
        }

    def await_answered(self, amphora_id, expected):
        """Scrape again and again until these are answered and those not."""
        deadline = time.monotonic() + 60
        while (found := self.answered(amphora_id)) != expected:
            assert time.monotonic() < deadline, found

    def asking(self, amphora_id, trusted=None):
        """A TLS context with this amphora's certificate, or with none."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(trusted or self.authority.file)
        if amphora_id:
            context.load_cert_chain(self.files[amphora_id])
        return context

    def pose(self, amphora_id, stack, behave, certificate=None):
        """Have somebody else at its address; ``behave`` gets the session."""
        self.stop(amphora_id)
        number = IDS.index(amphora_id)
        listener = stack.enter_context(
            socket.create_server((str(ADDRESSES[number]), self.port))
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate or self.files[amphora_id])

        stack.callback(listener.shutdown, socket.SHUT_RDWR)

        def serve():
            while True:
                try:
                    plain, _ = listener.accept()
                    with context.wrap_socket(plain, server_side=True) as one:
                        behave(one)
                except (OSError, ssl.SSLError):
                    if listener.fileno() < 0:
                        return

        threading.Thread(target=serve, daemon=True).start()


@pytest.fixture
def cluster(authorities):
    yield from running(Cluster(authorities[0]))


@pytest.fixture
def hasty(authorities):
    """One that does not wait long."""
    made = Cluster(authorities[0])
    made.seconds = 0.5
    yield from running(made)


def running(cluster):
    for amphora_id in IDS:
        cluster.start(amphora_id)
    yield cluster
    for amphora_id in list(cluster.services):
        cluster.stop(amphora_id)


def answering(body, *, length=None, age="0", status="200 OK"):
    """Behave like an amphora that answers this."""

    def behave(session):
        session.recv(4096)
        size = len(body) if length is None else length
        head = f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n"
        if age is not None:
            head += f"Octavia-Anycast-Age-Milliseconds: {age}\r\n"
        session.sendall(f"{head}\r\n".encode() + body)

    return behave


@pytest.mark.parametrize("asked", IDS)
def test_whichever_answers_gives_the_whole_cluster(cluster, asked):
    found = cluster.scrape(asked)
    for i in "012":
        assert found["x", i] == int(i)
        assert found["octavia_amphora_answered", i] == 1
        assert 0 <= found["octavia_amphora_answer_age_seconds", i] < 60
    assert len(found) == 9


def test_one_that_is_not_there_is_marked(cluster):
    cluster.stop(IDS[2])
    assert cluster.answered(IDS[0]) == {"0": 1, "1": 1, "2": 0}


def test_one_whose_haproxy_does_not_answer_is_marked(cluster):
    cluster.texts[IDS[1]] = Unanswered("HAProxy's exporter does not answer")
    assert cluster.answered(IDS[0]) == {"0": 1, "1": 0, "2": 1}
    assert cluster.answered(IDS[1]) == {"0": 1, "1": 0, "2": 1}


def test_one_that_is_paused_is_marked(hasty):
    """Its kernel takes the connection, and nothing comes."""
    hasty.stop(IDS[2])
    with socket.create_server((str(ADDRESSES[2]), hasty.port)):
        hasty.await_answered(IDS[0], {"0": 1, "1": 1, "2": 0})


def slowly(session):
    """Send a byte now and then, so that no single read takes long."""
    session.recv(4096)
    for byte in b"HTTP/1.1 200 OK\r\n" * 1000:
        session.sendall(bytes([byte]))
        time.sleep(0.02)


def test_one_that_answers_byte_by_byte_is_marked(hasty):
    with ExitStack() as stack:
        hasty.pose(IDS[2], stack, slowly)
        hasty.await_answered(IDS[0], {"0": 1, "1": 1, "2": 0})


@pytest.mark.parametrize(
    "behave",
    [
        lambda session: session.recv(4096),
        answering(b"x 1\n", length=5),
        answering(b"x 1\n", length=3),
        answering(b"x 1\n", length=10**10),
        answering(b"x 1\n", age=None),
        answering(b"x 1\n", age="-1"),
        answering(b"x 1\n", age="1e3"),
        answering(b"x 1\n", status="503 Service Unavailable"),
        answering(b"x \xff\n"),
        answering(b"\xff" * 10_000, status="\u00ff"),
        answering(b'x{amphora="0"} 1\n'),
        lambda session: session.sendall(b"a" * 100_000),
        lambda session: session.sendall(b"\r\n\r\n"),
    ],
)
def test_one_that_answers_nonsense_is_marked(cluster, behave):
    with ExitStack() as stack:
        cluster.pose(IDS[2], stack, behave)
        assert cluster.answered(IDS[0]) == {"0": 1, "1": 1, "2": 0}


def test_one_that_poses_as_a_member_can_answer_like_it(cluster):
    """The control of the tests above and below."""
    with ExitStack() as stack:
        cluster.pose(IDS[2], stack, answering(b"x 9\n"))
        assert cluster.scrape(IDS[0])["x", "2"] == 9


def test_a_stranger_at_the_address_of_a_member_is_not_believed(
    cluster, authorities
):
    for certificate in (
        cluster.files[STRANGER],  # another tenant's amphora
        authorities[1].issue(IDS[2]),  # somebody else signed it
    ):
        with ExitStack() as stack:
            cluster.pose(IDS[2], stack, answering(b"x 9\n"), certificate)
            assert cluster.answered(IDS[0]) == {"0": 1, "1": 1, "2": 0}
        cluster.start(IDS[2])


def read_as(cluster, context):
    """What the first amphora says to whom this context is of."""
    with (
        socket.create_connection(
            (str(ADDRESSES[0]), cluster.port), timeout=20
        ) as plain,
        context.wrap_socket(plain, server_hostname=IDS[0]) as session,
    ):
        session.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        received = b""
        while piece := session.recv(65_536):
            received += piece
        return received


def test_only_members_of_the_cluster_are_answered(cluster, authorities):
    assert b"\nx 0\n" in read_as(cluster, cluster.asking(IDS[1]))
    assert read_as(cluster, cluster.asking(STRANGER)) == b""
    with pytest.raises(OSError, match=r"(?i)certificate|reset|eof"):
        read_as(cluster, cluster.asking(None))
    cluster.files["foreign"] = authorities[1].issue(IDS[1])
    with pytest.raises(OSError, match=r"(?i)unknown ca|reset|eof"):
        read_as(cluster, cluster.asking("foreign"))


def test_one_that_left_is_not_answered_any_more(cluster):
    left = replace(cluster.metrics, members=cluster.metrics.members[::2])
    cluster.services[IDS[0]].tell(cluster.told(IDS[0], tenant_metrics=left))
    assert read_as(cluster, cluster.asking(IDS[1])) == b""
    assert cluster.answered(IDS[0]) == {"0": 1, "2": 1}


def is_open(cluster):
    address = (str(ADDRESSES[0]), cluster.port)
    try:
        socket.create_connection(address, timeout=20).close()
    except ConnectionRefusedError:
        return False
    return True


def test_without_a_listener_nobody_is_answered(cluster):
    cluster.services[IDS[0]].tell(cluster.told(IDS[0], tenant_metrics=None))
    deadline = time.monotonic() + 20
    while is_open(cluster):
        assert time.monotonic() < deadline
    assert cluster.answered(IDS[0]) == {"0": 1}


def test_a_new_certificate_is_used_from_the_next_question_on(cluster):
    assert cluster.answered(IDS[0]) == {"0": 1, "1": 1, "2": 1}
    before = cluster.services[IDS[0]]._contexts.asking(cluster.told(IDS[0]))
    cluster.authority.issue(IDS[0])  # into the same file
    after = cluster.services[IDS[0]]._contexts.asking(cluster.told(IDS[0]))
    assert after is not before
    assert b"\nx 0\n" in read_as(cluster, cluster.asking(IDS[1]))


def test_a_certificate_that_is_nonsense_marks_all_others(cluster):
    with open(cluster.files[IDS[0]], "w") as stream:
        stream.write("nonsense")
    assert cluster.answered(IDS[0]) == {"0": 1, "1": 0, "2": 0}
    cluster.authority.issue(IDS[0])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/%00?<script>", 200),
        ("HEAD", "/metrics", 200),
        ("POST", "/metrics", 501),
        ("DELETE", "/metrics", 501),
    ],
)
def test_what_is_asked_for(cluster, method, path, status):
    found, body = cluster.request(IDS[0], method, path)
    assert found == status
    assert (b"octavia_amphora_answered{" in body) is (
        status == 200 and method == "GET"
    )


@pytest.mark.parametrize(
    "request_bytes",
    [b"\x16\x03\x01nonsense\r\n\r\n", b"GET /" + b"a" * 100_000, b"\r\n" * 9],
)
def test_nonsense_ends_its_connection_and_no_other(cluster, request_bytes):
    port = cluster.services[IDS[0]].tenants.server_port
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request_bytes)
        assert cluster.answered(IDS[0]) == {"0": 1, "1": 1, "2": 1}


def test_a_thousand_scrapers_are_all_answered(cluster):
    cluster.texts[IDS[0]] = "x 1\n" + "".join(
        f'y{{n="{n}"}} 1\n' for n in range(1000)
    )
    port = cluster.services[IDS[0]].tenants.server_port
    connections = [
        socket.create_connection(("127.0.0.1", port)) for _ in range(1000)
    ]
    for connection in connections:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
    assert threading.active_count() < 500
    for connection in connections:
        with connection, connection.makefile("rb") as stream:
            assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
            assert b"octavia_amphora_answered{" in stream.read()


def test_slow_readers_hold_a_few_answers_and_are_left(cluster, monkeypatch):
    tenants = cluster.services[IDS[0]].tenants
    monkeypatch.setattr(tenants, "patience_seconds", 0.5)
    monkeypatch.setattr(clusters, "HELD_MAX_BYTES", 2 * BIG)
    cluster.texts[IDS[0]] = "".join(
        f'y{{n="{n:01000}"}} 1\n' for n in range(BIG // 1000)
    )
    address = ("127.0.0.1", tenants.server_port)
    with ExitStack() as stack:
        for _ in range(100):
            slow = stack.enter_context(socket.create_connection(address))
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        deadline = time.monotonic() + 60
        while True:
            status, body = cluster.request(IDS[0])
            if status == 200 and body.endswith(b"\n"):
                break
            assert status == 503
            assert b"Slow readers" in body
            assert time.monotonic() < deadline
        assert len(cluster.services[IDS[0]]._cluster._held) <= 3


def test_before_it_is_told_who_it_is_it_says_so(cluster):
    cluster.services[IDS[0]].tell(None)
    status, body = cluster.request(IDS[0])
    assert (status, body) == (
        503,
        b"The amphora was not told yet who it is.\n",
    )
