# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which missing listener is a reason to withdraw, and which is not."""

from ipaddress import ip_address

import pytest

from octavia_anycast.agent.frontend.netlink import TcpSocket
from octavia_anycast.agent.gate.gate import Verdict
from octavia_anycast.agent.gate.haproxy import ListenerWatch
from octavia_anycast.model.wire import ListenerSocket

VIP = ip_address("198.51.100.7")


def wanted(*ports):
    return tuple(
        ListenerSocket(listener_id=f"l{port}", ip_address=VIP, port=port)
        for port in ports
    )


def opened(*ports, ip=VIP, backlog=0):
    return [
        TcpSocket(ip_address=ip, port=port, backlog=backlog, backlog_max=2)
        for port in ports
    ]


@pytest.mark.parametrize(
    ("looks", "verdict"),
    [
        ([((80,), (80,))], Verdict.GOOD),
        ([((), (80,))], Verdict.BAD),
        # A new listener that HAProxy does not open.
        ([((80,), (80,)), ((80,), (80, 81))], Verdict.PARTIAL),
        ([((80,), (80, 81))] * 9, Verdict.PARTIAL),
        ([((80,), (80, 81)), ((80, 81), (80, 81))], Verdict.GOOD),
        # One that it has closed, and all of them.
        ([((80, 81), (80, 81)), ((80,), (80, 81))], Verdict.BAD),
        ([((80,), (80, 81)), ((), (80, 81))], Verdict.BAD),
        # One that was taken away is not missed; come back, it is new.
        ([((80, 81), (80, 81)), ((80,), (80,))], Verdict.GOOD),
        (
            [
                ((80, 81), (80, 81)),
                ((80,), (80,)),
                ((80,), (80, 81)),
            ],
            Verdict.PARTIAL,
        ),
    ],
)
def test_verdicts(looks, verdict):
    watch = ListenerWatch()
    for open_ports, wanted_ports in looks:
        sample = watch.look(opened(*open_ports), wanted(*wanted_ports))
    assert sample.verdict is verdict
    assert bool(sample.reason) is (verdict is not Verdict.GOOD)


def test_a_full_queue_is_as_bad_as_none():
    watch = ListenerWatch()
    assert watch.look(opened(80), wanted(80)).verdict is Verdict.GOOD
    full = watch.look(opened(80, backlog=2), wanted(80))
    assert full.verdict is Verdict.BAD
    assert full.reason == "nothing accepts connections on 198.51.100.7 port 80"


def test_the_unspecified_address_is_every_address():
    sockets = opened(80, ip=ip_address("::"))
    assert ListenerWatch().look(sockets, wanted(80)).verdict is Verdict.GOOD


def queue(watch, backlog, now):
    return watch.waiting(opened(80, backlog=backlog), wanted(80), now)


def test_a_queue_that_grows_is_one_that_nobody_works_on():
    watch = ListenerWatch()
    assert queue(watch, 0, 0.0) is None
    assert queue(watch, 1, 1.0).since == 1.0
    assert queue(watch, 1, 2.0).since == 1.0
    waiting = queue(watch, 5, 3.0)
    assert (waiting.since, waiting.count) == (1.0, 5)
    assert waiting.milliseconds(3.5) == 2500
    # One was accepted: HAProxy works.
    assert queue(watch, 4, 4.0).since == 4.0
    assert queue(watch, 0, 5.0) is None
    assert queue(watch, 4, 6.0).since == 6.0


def test_the_queue_that_waits_longest_counts():
    watch = ListenerWatch()
    sockets = [*opened(80, backlog=1), *opened(81)]
    watch.waiting(sockets, wanted(80, 81), 1.0)
    sockets = [*opened(80, backlog=1), *opened(81, backlog=9)]
    waiting = watch.waiting(sockets, wanted(80, 81), 2.0)
    assert (waiting.name, waiting.count) == ("198.51.100.7 port 80", 1)
    assert watch.waiting(sockets, wanted(81), 3.0).since == 2.0


def test_the_same_sockets_are_judged_once():
    watch = ListenerWatch()
    listeners, sockets = wanted(80), tuple(opened(80, backlog=1))
    first = watch.look_at_both(sockets, listeners, 1.0)
    assert first[0].since == 1.0
    assert watch.look_at_both(sockets, listeners, 2.0) is first
    closed = watch.look_at_both((), listeners, 3.0)
    assert closed[1].verdict is Verdict.BAD
    again = watch.look_at_both(sockets, listeners, 4.0)
    assert again[0].since == 4.0
    another = watch.look_at_both(sockets, wanted(80, 81), 5.0)
    assert another[1].verdict is Verdict.PARTIAL
