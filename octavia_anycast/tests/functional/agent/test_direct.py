# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""speakerd's own port, asked by the controller's own client."""

import socket
import threading
import time

import pytest

from octavia_anycast.agent.direct import (
    _CONNECTIONS_MAX,
    DirectServer,
    DirectSettings,
)
from octavia_anycast.agent_client.knocking import Knocking
from octavia_anycast.model import codec
from octavia_anycast.model.errors import InvalidRequest, Retryable
from octavia_anycast.tests.functional.distributor.test_amphora_client import (
    LOCALHOST,
    Authority,
    client_of,
)
from octavia_anycast.tests.unit.agent.states import AMPHORA, state
from octavia_anycast.tests.unit.agent.test_control import REPORT


class Engine:
    def __init__(self):
        self.taken = []
        self.error = None

    def apply(self, document):
        if self.error:
            raise self.error
        self.taken.append(document)

    def report(self):
        return REPORT

    def call(self, call, name, body):
        raise NotImplementedError


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pki")
    return Authority(directory, "servers"), Authority(directory, "clients")


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def server(authorities, engine):
    servers, clients = authorities
    made = DirectServer(
        DirectSettings(
            address=str(LOCALHOST),
            port=0,
            certificate_path=servers.issue(AMPHORA),
            client_ca_path=clients.file,
        ),
        engine,
    )
    made.start()
    yield made
    made.shutdown()
    made.server_close()


def test_knocks_are_answered_and_take_no_room(server, authorities):
    """More of them than there is room for connections."""
    port = server.server_address[1]
    knocking = Knocking(port=port, patience=1.0)
    for _ in range(3 * _CONNECTIONS_MAX):
        answered = set()
        deadline = time.monotonic() + 10
        while not answered and time.monotonic() < deadline:
            answered = knocking.knock({AMPHORA: LOCALHOST}, 0.01)
        assert answered == {AMPHORA}
    knocking.close()
    client = client_of(server, authorities)
    assert client.get_report(AMPHORA, LOCALHOST) == REPORT


def test_a_report_and_a_state_go_past_the_agent(server, authorities, engine):
    client = client_of(server, authorities)
    assert client.get_report(AMPHORA, LOCALHOST) == REPORT
    client.put_state(AMPHORA, LOCALHOST, state())
    assert engine.taken == [codec.to_document(state())]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InvalidRequest("vips", "no next hop"), InvalidRequest),
        (OSError(28, "No space left on device"), Retryable),
    ],
)
def test_refusals_are_those_of_the_agent(
    server, authorities, engine, error, expected
):
    engine.error = error
    with pytest.raises(expected):
        client_of(server, authorities).put_state(AMPHORA, LOCALHOST, state())


def test_certificates_of_others_are_refused(server, authorities, engine):
    servers, clients = authorities
    foreign = (servers, servers)  # an amphora's own certificate
    with pytest.raises(Retryable):
        client_of(server, foreign).put_state(AMPHORA, LOCALHOST, state())
    assert engine.taken == []
    del clients


def test_a_new_certificate_is_shown_without_a_restart(server, authorities):
    client = client_of(server, authorities)
    before = client.served_serial(AMPHORA, LOCALHOST)
    authorities[0].issue(AMPHORA)  # into the same file
    assert client.served_serial(AMPHORA, LOCALHOST) != before


def test_silent_connections_take_no_more_than_their_room(server, authorities):
    address = server.server_address
    before = set(threading.enumerate())  # of other tests, too
    idle = [socket.create_connection(address) for _ in range(20)]
    threads = set(threading.enumerate()) - before
    for connection in idle:
        connection.close()
    assert len(threads) <= 8
    client = client_of(server, authorities)
    deadline = time.monotonic() + 10
    while True:
        try:
            assert client.get_report(AMPHORA, LOCALHOST) == REPORT
        except Retryable:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return
