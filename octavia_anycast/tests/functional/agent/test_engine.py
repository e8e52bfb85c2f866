# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The agent's loop: fake speaker, made-up samples, real state file."""

import errno
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest

from octavia_anycast.agent import atomic_file
from octavia_anycast.agent.engine import Engine, EngineParts
from octavia_anycast.agent.frontend.frontend import vip_addresses
from octavia_anycast.agent.gate.gate import Sample, Verdict
from octavia_anycast.agent.speakers import choice
from octavia_anycast.agent.store import Store
from octavia_anycast.model import codec
from octavia_anycast.model.bgp import GRACEFUL_SHUTDOWN, SpeakerDriver
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.model.wire import (
    FlowRescue,
    FlowRescueReport,
    GateSettings,
    GateState,
    Intent,
    LvsReport,
    MachineReport,
    Member,
    PathState,
    Probe,
    RescueState,
)
from octavia_anycast.testing.fakes.fake_speaker import FakePeer, FakeSpeaker
from octavia_anycast.tests.unit.agent.states import (
    AMPHORA,
    BALANCER,
    PEER4,
    VIP4,
    VIP6,
    speaker,
    state,
)

GOOD = Sample(verdict=Verdict.GOOD)
DEAD = Sample(verdict=Verdict.BAD, reason="dead", is_fatal=True)
FAST = GateSettings(interval_ms=20, rise_count=2, fall_count=2)


class Prober:
    """Says what the test says."""

    def __init__(self):
        self.is_frontend_up = True
        self.bound = frozenset()
        self.verdict = GOOD
        self.looks = {}

    def descriptors(self):
        return iter(())

    def look(self, now):
        """Nothing to look at."""

    def sample(self, desired, now):
        self.bound = vip_addresses(desired)
        return self.verdict

    def close(self):
        """Nothing to let go of."""


class Frontend:
    """Remembers what is wanted."""

    def __init__(self):
        self.vips = frozenset()

    def want(self, frontend, vips, *, is_rescuing):
        self.vips = vips
        self.is_rescuing = is_rescuing


class Rescue:
    """Remembers what is wanted, and says that it is on if anything is."""

    wanted = None

    def want(self, state):
        self.wanted = state.flow_rescue

    def report(self):
        return FlowRescueReport(
            state=RescueState.ON if self.wanted else RescueState.OFF
        )

    def standing(self):
        return self.report()


class Lvs:
    """Says whether it is used, in the place of counters."""

    def report(self, *, is_used):
        return LvsReport(associations=0 if is_used else None)


class Machine:
    """Knows which front end it was told of, in the place of the kernel."""

    frontend = None

    def want(self, frontend):
        self.frontend = frontend

    def report(self):
        return MachineReport(clock=datetime.now(UTC), image="an image")


class Bench:
    """An engine that can be restarted; its peer goes on without it."""

    def __init__(self, directory):
        self.directory = directory
        self.check_speakers = choice.check_addresses
        self.peer = FakePeer(
            local_as=65001, remote_as=65100, password=PEER4.password
        )
        self.start()

    def start(self, verdict=GOOD):
        self.beats = 0
        self.prober, self.frontend = Prober(), Frontend()
        self.prober.verdict = verdict
        self.rescue = Rescue()
        self.lvs = Lvs()
        self.told_metrics = []
        self.machine = Machine()
        self.speaker = FakeSpeaker({PEER4.peer_ip: self.peer})
        self.engine = Engine(
            AMPHORA,
            EngineParts(
                store=Store(
                    str(self.directory / "state"),
                    str(self.directory / "first"),
                ),
                speaker=self.speaker,
                check_speakers=self.check_speakers,
                frontend=self.frontend,
                rescue=self.rescue,
                prober=self.prober,
                lvs=self.lvs,
                machine=self.machine,
                namespace_path=str(self.directory / "no-namespace"),
                beat=self.beat,
                tell_metrics=self.told_metrics.append,
            ),
        )
        self.engine.restore()
        self.thread = threading.Thread(target=self.engine.run, daemon=True)
        self.thread.start()

    def beat(self):
        self.beats += 1

    def stop(self):
        self.engine.close()
        self.thread.join(5)
        assert not self.thread.is_alive()

    def apply(self, desired):
        self.engine.apply(codec.to_document(desired))


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.stop()


def told(intent):
    return tuple(replace(vip, intent=intent) for vip in (VIP4, VIP6))


def eventually(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_from_nothing_to_announced(bench):
    assert bench.engine.report().gate.state is GateState.INIT
    assert bench.engine.report().digest == ""
    desired = state(gate=FAST)
    bench.apply(desired)
    eventually(lambda: len(bench.peer.rib) == 2)
    report = bench.engine.report()
    assert report.digest == codec.digest(desired)
    assert report.gate.state is GateState.UP
    assert report.is_announcing(VIP4.vip_ip)
    assert report.frontend_is_up


def test_a_fatal_sample_withdraws(bench):
    bench.apply(state(gate=FAST))
    eventually(lambda: len(bench.peer.rib) == 2)
    bench.prober.verdict = DEAD
    eventually(lambda: not bench.peer.rib)
    (path, _) = bench.engine.report().paths
    assert (path.state, path.reason) == (PathState.WITHDRAWN, "dead")


def test_a_withdrawn_path_says_which_probe_what_and_since_when(bench):
    bench.apply(state(gate=FAST))
    eventually(lambda: len(bench.peer.rib) == 2)
    bad = Sample(
        verdict=Verdict.BAD,
        reason="HAProxy is stopped",
        measured="process 7 is in state T",
        probe=Probe.PROCESS,
    )
    before = datetime.now(UTC)
    bench.prober.looks = {Probe.PROCESS: bad}
    bench.prober.verdict = bad
    eventually(lambda: not bench.peer.rib)
    report = bench.engine.report()
    (seen,) = report.gate.evidence
    assert seen.since >= before
    assert (seen.probe, seen.verdict) == (Probe.PROCESS, Verdict.BAD)
    since = seen.since.isoformat(timespec="milliseconds")
    (path, _) = report.paths
    assert path.reason == (
        f"process: HAProxy is stopped (process 7 is in state T), since {since}"
    )
    assert codec.report_from(codec.to_document(report)) == report


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amphora_id": "another"}, "amphora_id"),
        ({"driver": SpeakerDriver.BIRD}, "driver"),
        (
            {"speakers": (speaker(PEER4), speaker(PEER4))},
            "speakers[1].peers[0].peer_ip",
        ),
    ],
)
def test_what_is_refused_changes_nothing(bench, changes, field):
    desired = state(gate=FAST)
    bench.apply(desired)
    eventually(lambda: len(bench.peer.rib) == 2)
    with pytest.raises(InvalidRequest) as caught:
        bench.apply(state(gate=FAST, vips=(), **changes))
    assert caught.value.field == field
    time.sleep(0.1)
    assert len(bench.peer.rib) == 2
    assert bench.engine.report().digest == codec.digest(desired)


def test_a_restart_withdraws_nothing(bench):
    bench.apply(state(gate=FAST))
    eventually(lambda: len(bench.peer.rib) == 2)
    before = dict(bench.peer.rib)
    bench.stop()
    # It cannot tell for a while: what is announced is left alone.
    bench.start(Sample(verdict=Verdict.UNKNOWN, reason="not asked yet"))
    for _ in range(20):
        time.sleep(0.01)
        assert bench.peer.rib == before
    bench.prober.verdict = GOOD
    eventually(lambda: bench.engine.report().gate.state is GateState.UP)
    assert bench.peer.rib == before


def test_a_loop_that_hangs_beats_no_more(bench):
    hung = threading.Event()

    def hang(desired, now):
        hung.wait()
        return GOOD

    eventually(lambda: bench.beats)
    bench.prober.sample = hang
    bench.apply(state(gate=FAST))
    time.sleep(0.1)
    before = bench.beats
    time.sleep(0.2)
    assert bench.beats == before
    hung.set()
    eventually(lambda: bench.beats > before)


def test_a_drain_begins_with_a_path_that_yields(bench):
    """Each step is seen by the peer, and only the last one is reported."""
    bench.apply(state(gate=FAST))
    eventually(lambda: len(bench.peer.rib) == 2)
    seen = []

    def has_drained():
        # First: what is reported as told, the peer has.
        states = {path.state for path in bench.engine.report().paths}
        route = bench.peer.rib[f"{VIP4.vip_ip}/32"]
        is_told = GRACEFUL_SHUTDOWN in route.communities
        if (step := (route.is_incomplete, is_told)) not in seen:
            seen.append(step)
        return states == {PathState.DRAINING}

    bench.apply(state(gate=FAST, vips=told(Intent.DRAIN)))
    eventually(has_drained)
    assert seen[-2:] == [(True, False), (True, True)]


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_full_disk_keeps_nobody_announcing(bench, is_restarted, monkeypatch):
    bench.apply(state(gate=FAST))
    eventually(lambda: len(bench.peer.rib) == 2)
    withdrawn = state(gate=FAST, vips=told(Intent.WITHDRAW))

    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic_file, "write", fail)
    with pytest.raises(OSError, match="No space"):
        bench.apply(state(gate=FAST, vips=told(Intent.DRAIN)))
    bench.apply(withdrawn)
    eventually(lambda: not bench.peer.rib)
    assert bench.engine.report().digest == codec.digest(withdrawn)
    if is_restarted:
        bench.stop()
        bench.start()
        time.sleep(0.2)
        assert not bench.peer.rib


def test_a_restart_on_a_dead_haproxy_withdraws(bench):
    bench.apply(state(gate=FAST))
    eventually(lambda: len(bench.peer.rib) == 2)
    bench.stop()
    bench.start(DEAD)
    eventually(lambda: not bench.peer.rib)


def test_a_vip_leaves_the_loopback_after_its_path(bench):
    bench.apply(state(gate=FAST))
    eventually(lambda: len(bench.peer.rib) == 2)
    bench.apply(state(gate=FAST, vips=(VIP4,)))
    eventually(lambda: len(bench.peer.rib) == 1)
    assert bench.frontend.vips == {VIP4.vip_ip, VIP6.vip_ip}
    eventually(lambda: bench.frontend.vips == {VIP4.vip_ip})


def test_flow_rescue_is_brought_about_and_reported(bench):
    rescue = FlowRescue(
        members=(
            Member(id=AMPHORA, addresses=(ip_address("10.1.0.5"),)),
            Member(id=BALANCER, addresses=(ip_address("10.1.0.6"),)),
        ),
        secrets=("0123456789abcdef0123",),
    )
    bench.apply(state(gate=FAST))
    eventually(lambda: len(bench.peer.rib) == 2)
    assert bench.engine.report().flow_rescue.state is RescueState.OFF
    assert not bench.frontend.is_rescuing
    bench.apply(state(gate=FAST, flow_rescue=rescue))
    eventually(lambda: bench.rescue.wanted == rescue)
    assert bench.frontend.is_rescuing
    assert bench.engine.report().flow_rescue.state is RescueState.ON


def test_the_machine_is_told_of_its_front_end_and_reported(bench):
    bench.apply(state(gate=FAST))
    eventually(lambda: bench.machine.frontend == state().frontend)
    assert bench.engine.report().machine.image == "an image"


def test_counters_of_lvs_are_read_where_it_has_listeners(bench):
    assert bench.engine.report().lvs is None
    for ids, associations in (((), None), (("dns",), 0)):
        bench.apply(state(gate=FAST, lvs_listener_ids=ids))
        found = bench.engine.report().lvs
        assert found == LvsReport(associations=associations)


def test_the_same_state_again_is_nothing(bench):
    bench.apply(state(gate=FAST))
    written = (bench.directory / "state").stat().st_mtime_ns
    bench.apply(state(gate=FAST))
    assert (bench.directory / "state").stat().st_mtime_ns == written


def test_speakers_are_kept_while_the_rest_changes(bench):
    desired = state(gate=FAST)
    bench.apply(desired)
    eventually(lambda: len(bench.peer.rib) == 2)
    kept = state(gate=FAST, vips=(VIP4,), speakers=(), keeps_speakers=True)
    bench.apply(kept)
    eventually(lambda: len(bench.peer.rib) == 1)
    report = bench.engine.report()
    assert report.digest == codec.digest(kept)
    assert report.speakers_digest == codec.speakers_digest(desired.speakers)
    assert report.are_speakers_loaded
    bench.stop()
    bench.start()
    assert bench.engine.report().speakers_digest == report.speakers_digest


def test_there_have_to_be_speakers_to_keep(bench):
    with pytest.raises(InvalidRequest) as caught:
        bench.apply(state(gate=FAST, speakers=(), keeps_speakers=True))
    assert caught.value.field == "keeps_speakers"


def test_some_peers_are_kept_while_others_change(bench):
    """Also with the AS that their speaker had."""
    second = replace(PEER4, id="second", peer_ip=ip_address("172.31.0.12"))
    before = speaker(PEER4, second)
    bench.apply(state(gate=FAST, speakers=(before,)))
    changed = replace(second, med=9)
    after = replace(before, local_as=before.local_as + 1, peers=(changed,))
    kept = state(gate=FAST, speakers=(after,), kept_peer_ids=(PEER4.id,))
    bench.apply(kept)
    report = bench.engine.report()
    assert report.digest == codec.digest(kept)
    in_force = (after, replace(before, peers=(PEER4,)))
    assert report.peer_digests == codec.peer_digests(in_force)
    assert report.driver is kept.driver
    bench.apply(kept)
    assert bench.engine.report().peer_digests == report.peer_digests


@pytest.mark.parametrize("peer_id", ["nobody", PEER4.id])
def test_a_peer_to_keep_has_to_be_there_and_no_other(bench, peer_id):
    bench.apply(state(gate=FAST))
    with pytest.raises(InvalidRequest) as caught:
        bench.apply(
            codec.to_document(state(gate=FAST)) | {"kept_peer_ids": [peer_id]}
        )
    assert caught.value.field == "kept_peer_ids"


def refuse_med(speakers):
    """Stands for a daemon that refuses a file."""
    if any(peer.med == 666 for s in speakers for peer in s.peers):
        raise InvalidRequest("speakers[0].peers[0]", "bird refuses it: no")


def test_what_the_daemon_refuses_changes_nothing_and_is_told(bench):
    bench.check_speakers = refuse_med
    bench.stop()
    bench.start()
    good = state(gate=FAST)
    bench.apply(good)
    bad = state(gate=FAST, speakers=(speaker(replace(PEER4, med=666)),))
    with pytest.raises(InvalidRequest):
        bench.apply(bad)
    report = bench.engine.report()
    assert report.digest == codec.digest(good)
    assert report.speakers_digest == codec.speakers_digest(good.speakers)
    assert report.refusal == "speakers[0].peers[0]: bird refuses it: no"
    assert report.refused_digest == codec.speakers_digest(bad.speakers)
    # What else there is to tell goes on, and the refusal stays told.
    bench.apply(
        state(gate=FAST, revision="r9", keeps_speakers=True, speakers=())
    )
    assert bench.engine.report().revision == "r9"
    assert bench.engine.report().refusal
    bench.apply(state(gate=FAST, speakers=(speaker(replace(PEER4, med=7)),)))
    assert bench.engine.report().refusal == ""


def test_a_stored_state_that_is_refused_is_in_force_all_the_same(bench):
    bad = state(gate=FAST, speakers=(speaker(replace(PEER4, med=666)),))
    bench.apply(bad)
    bench.stop()
    bench.check_speakers = refuse_med
    bench.start()
    assert bench.engine.report().digest == codec.digest(bad)


def test_changed_speakers_are_told_apart_from_the_rest(bench):
    desired = state(gate=FAST)
    bench.apply(desired)
    before = bench.engine.report()
    other = replace(PEER4, med=7)
    bench.apply(state(gate=FAST, speakers=(speaker(other),)))
    eventually(lambda: bench.engine.report().are_speakers_loaded)
    after = bench.engine.report()
    assert after.digest == before.digest
    assert after.speakers_digest != before.speakers_digest
    eventually(lambda: {r.med for r in bench.peer.rib.values()} == {7})


def test_a_vip_moves_to_another_next_hop(bench):
    bench.apply(state(gate=FAST, vips=(VIP4,)))
    eventually(lambda: len(bench.peer.rib) == 1)
    other = ip_address("10.1.0.99")
    moved = state(
        gate=FAST,
        vips=(
            type(VIP4)(
                vip_ip=VIP4.vip_ip,
                nexthop_ip=other,
                load_balancer_id=None,
                intent=VIP4.intent,
            ),
        ),
    )
    bench.apply(moved)
    eventually(
        lambda: [r.nexthop_ip for r in bench.peer.rib.values()] == [other]
    )


def test_what_has_not_changed_is_not_made_anew(bench):
    """A distributor has thousands of paths."""
    bench.apply(state(gate=FAST))
    eventually(lambda: bench.peer.rib)
    first = bench.speaker._wish
    time.sleep(0.1)
    assert bench.speaker._wish is first
    bench.prober.verdict = DEAD
    eventually(lambda: bench.speaker._wish.paths == frozenset())


def test_the_speaker_is_told_what_is_new_and_no_more(bench, monkeypatch):
    told = []
    monkeypatch.setattr(
        bench.speaker,
        "want",
        lambda wish, want=bench.speaker.want: (told.append(wish), want(wish)),
    )

    def is_quiet():
        known, beats = len(told), bench.beats
        eventually(lambda: bench.beats > beats + 20)
        return len(told) == known

    for vips in ((VIP4, VIP6), (VIP4,)):
        bench.apply(state(gate=FAST, vips=vips))
        eventually(lambda wanted=vips: len(bench.peer.rib) == len(wanted))
        # Once more, when a sample has seen the VIPs; and then no more.
        eventually(is_quiet)


def test_metrics_are_told_each_state_also_after_a_restart(bench):
    bench.apply(state())
    assert bench.told_metrics == [state()]
    assert bench.engine.report().knows_tenant_metrics
    bench.stop()
    bench.start()
    assert bench.told_metrics == [state()]


class Waiter:
    """Waits for news in a thread, as a call of the control socket does."""

    def __init__(self, bench, known, seconds):
        self.found = None

        def wait():
            self.found = bench.engine.await_news(known, seconds)

        self._thread = threading.Thread(target=wait)
        self._thread.start()

    def result(self):
        self._thread.join(10)
        return self.found


def settled(bench):
    """The digest of a report in which nothing more changes of itself."""
    bench.apply(state(gate=FAST))
    eventually(lambda: len(bench.peer.rib) == 2)
    digest = bench.engine.report().report_digest
    eventually(lambda: bench.engine.report().paths)
    assert bench.engine.report().report_digest == digest
    return digest


def test_without_a_known_digest_nobody_waits(bench):
    digest = settled(bench)
    assert bench.engine.await_news("", 60.0) == digest
    assert bench.engine.await_news(digest, 0.0) == digest


def test_while_nothing_happens_the_digest_is_the_same(bench):
    digest = settled(bench)
    assert bench.engine.await_news(digest, 0.6) == digest
    report = bench.engine.report()
    assert report.report_digest == codec.report_digest(report) == digest


def test_a_gate_that_closes_is_news(bench):
    digest = settled(bench)
    waiter = Waiter(bench, digest, 60.0)
    bench.prober.verdict = DEAD
    assert waiter.result() not in (digest, None)


def test_another_state_is_news(bench):
    digest = settled(bench)
    waiter = Waiter(bench, digest, 60.0)
    bench.apply(state(gate=FAST, revision="another"))
    assert waiter.result() not in (digest, None)


def test_what_changes_seldom_is_seen_when_the_time_is_over(bench):
    digest = settled(bench)
    bench.machine.report = lambda: MachineReport(
        clock=datetime.now(UTC), image="an image", frontend_mtu=1400
    )
    assert bench.engine.await_news(digest, 0.6) != digest
