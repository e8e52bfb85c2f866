# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Register, unregister, list, drain: from HTTP to what a peer holds."""

import json
from dataclasses import replace
from ipaddress import ip_address

import flask
import pytest

from octavia_anycast.agent.control import ControlClient, ControlServer
from octavia_anycast.agent.http import make_blueprint
from octavia_anycast.model import codec
from octavia_anycast.model.bgp import GRACEFUL_SHUTDOWN, SpeakerDriver
from octavia_anycast.tests.functional.agent.test_engine import (
    FAST,
    Bench,
    eventually,
)
from octavia_anycast.tests.unit.agent.states import (
    BALANCER,
    PEER4,
    speaker,
    state,
)

VIP, OTHER = "198.51.100.7", "198.51.100.8"
A = "33333333-3333-4333-8333-333333333333"
B = "44444444-4444-4444-8444-444444444444"
BIRD = speaker(PEER4, driver=SpeakerDriver.BIRD)
DISTRIBUTOR = state(
    is_distributor=True,
    frontend=None,
    listeners=(),
    load_balancer_id=None,
    vips=(),
    driver=SpeakerDriver.BIRD,
    speakers=(BIRD,),
    gate=FAST,
)


class HttpBench(Bench):
    """An engine behind its control socket and its HTTP routes."""

    def start(self, **options):
        super().start(**options)
        self.peer.takes_paths = True
        path = str(self.directory / "run" / "control.sock")
        self.server = ControlServer(path, self.engine)
        self.server.start()
        app = flask.Flask(__name__)
        app.register_blueprint(make_blueprint(ControlClient(path)))
        self.http = app.test_client()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        super().stop()

    def ask(self, method, path, **body):
        """Call below /1.0/anycast: (status, answer)."""
        answer = self.http.open(f"/1.0/anycast/{path}", method=method, **body)
        return answer.status_code, answer.get_json()

    def put(self, path, **body):
        return self.ask("PUT", path, json=body)

    def register(self, amphora_id, *paths):
        found = [
            {"vip_ip": vip, "nexthop_ip": next_hop} for vip, next_hop in paths
        ]
        return self.put(
            f"amphorae/{amphora_id}", paths=found, load_balancer_id=BALANCER
        )

    def held(self):
        """What the peer holds: prefix -> next hops, ! before a drained one."""
        self.speaker.settle()
        return {
            prefix: {
                "!" * (GRACEFUL_SHUTDOWN in route.communities)
                + str(route.nexthop_ip)
                for route in routes
            }
            for prefix, routes in self.peer.paths.items()
        }

    def digest(self):
        return self.http.get("/1.0/anycast").get_json()["digest"]


@pytest.fixture
def bench(tmp_path):
    made = HttpBench(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def distributor(bench):
    bench.apply(DISTRIBUTOR)
    return bench


OK = 200, {"message": "OK"}


def test_a_vip_is_registered_and_unregistered(distributor):
    bench = distributor
    assert bench.ask("GET", "vips") == (200, {"vips": []})
    assert bench.put(f"vips/{VIP}", nexthop_ip="10.1.0.9") == OK
    eventually(lambda: bench.held() == {f"{VIP}/32": {"10.1.0.9"}})
    listed = {"vip_ip": VIP, "nexthop_ip": "10.1.0.9", "peer_ids": None}
    assert bench.ask("GET", "vips") == (200, {"vips": [listed]})

    # Registered anew: with another next hop, and for one peer.
    body = {"nexthop_ip": "10.1.0.8", "peer_ids": ["p4"]}
    assert bench.put(f"vips/{VIP}", **body) == OK
    eventually(lambda: bench.held() == {f"{VIP}/32": {"10.1.0.8"}})

    assert bench.ask("DELETE", f"vips/{VIP}") == OK
    eventually(lambda: bench.held() == {})
    status, answer = bench.ask("DELETE", f"vips/{VIP}")
    assert (status, VIP in answer["reason"]) == (404, True)


def test_a_vip_of_ipv6(distributor):
    bench = distributor
    status, _ = bench.put("vips/2001:db8::7", nexthop_ip="fd00:10:1::9")
    assert status == 200
    eventually(lambda: bench.held() == {"2001:db8::7/128": {"fd00:10:1::9"}})
    assert bench.ask("DELETE", "vips/2001:DB8:0::7") == OK


def test_amphorae_are_registered_drained_and_unregistered(distributor):
    bench = distributor
    assert bench.register(A, (VIP, "10.1.0.5"), (OTHER, "10.1.0.5")) == OK
    assert bench.register(B, (VIP, "10.1.0.6")) == OK
    eventually(
        lambda: (
            bench.held()
            == {
                f"{VIP}/32": {"10.1.0.5", "10.1.0.6"},
                f"{OTHER}/32": {"10.1.0.5"},
            }
        )
    )
    assert bench.put(f"amphorae/{A}/drain") == OK
    eventually(
        lambda: bench.held().get(f"{VIP}/32") == {"!10.1.0.5", "10.1.0.6"}
    )
    status, answer = bench.ask("GET", "amphorae")
    assert status == 200
    assert {
        one["amphora_id"]: (one["is_draining"], len(one["paths"]))
        for one in answer["amphorae"]
    } == {A: (True, 2), B: (False, 1)}
    assert answer["amphorae"][1] == {
        "amphora_id": B,
        "load_balancer_id": BALANCER,
        "is_draining": False,
        "paths": [{"vip_ip": VIP, "nexthop_ip": "10.1.0.6", "peer_ids": None}],
    }
    # Registered anew it does not drain any more, and has these paths only.
    assert bench.register(A, (VIP, "10.1.0.5")) == OK
    eventually(lambda: bench.held() == {f"{VIP}/32": {"10.1.0.5", "10.1.0.6"}})
    assert bench.ask("DELETE", f"amphorae/{A}") == OK
    eventually(lambda: bench.held() == {f"{VIP}/32": {"10.1.0.6"}})
    for method, path in (("DELETE", ""), ("PUT", "/drain")):
        assert bench.ask(method, f"amphorae/{A}{path}")[0] == 404


def test_vips_and_amphorae_leave_each_other_alone(distributor):
    bench = distributor
    bench.register(A, (VIP, "10.1.0.5"))
    bench.put(f"vips/{VIP}", nexthop_ip="10.1.0.9")
    both = {f"{VIP}/32": {"10.1.0.5", "10.1.0.9"}}
    eventually(lambda: bench.held() == both)
    assert len(bench.ask("GET", "vips")[1]["vips"]) == 1
    assert bench.ask("DELETE", f"vips/{VIP}") == OK
    eventually(lambda: bench.held() == {f"{VIP}/32": {"10.1.0.5"}})


def test_a_call_that_is_repeated_changes_nothing(distributor):
    bench = distributor
    calls = (
        lambda: bench.register(A, (VIP, "10.1.0.5")),
        lambda: bench.put(f"vips/{OTHER}", nexthop_ip="10.1.0.9"),
        lambda: bench.put(f"amphorae/{A}/drain"),
    )
    for call in calls:
        before = bench.digest()
        assert call() == OK
        after = bench.digest()
        assert after != before
        assert call() == OK
        assert bench.digest() == after


def test_it_survives_a_restart_and_the_next_state_overrides_it(distributor):
    bench = distributor
    bench.register(A, (VIP, "10.1.0.5"))
    bench.put(f"amphorae/{A}/drain")
    bench.put(f"vips/{OTHER}", nexthop_ip="10.1.0.9")
    before = bench.digest()
    bench.stop()
    bench.start()
    assert bench.digest() == before
    eventually(
        lambda: (
            bench.held()
            == {f"{VIP}/32": {"!10.1.0.5"}, f"{OTHER}/32": {"10.1.0.9"}}
        )
    )
    document = codec.to_document(DISTRIBUTOR)
    assert bench.http.put("/1.0/anycast", json=document).status_code == 200
    eventually(lambda: bench.held() == {})
    assert bench.ask("GET", "amphorae") == (200, {"amphorae": []})
    assert bench.ask("GET", "vips") == (200, {"vips": []})


PATH = {"vip_ip": VIP, "nexthop_ip": "10.1.0.5"}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("vips/nonsense", {"nexthop_ip": "10.1.0.5"}, "vip_ip"),
        ("vips/198.51.100.0%2F24", {"nexthop_ip": "10.1.0.5"}, None),
        (f"vips/{VIP}", {}, "nexthop_ip"),
        (f"vips/{VIP}", {"nexthop_ip": "x"}, "nexthop_ip"),
        (f"vips/{VIP}", {"nexthop_ip": "fd00::5"}, "nexthop_ip"),
        (f"vips/{VIP}", {"nexthop_ip": "10.1.0.5", "med": 7}, "med"),
        (
            f"vips/{VIP}",
            {"nexthop_ip": "10.1.0.5", "peer_ids": ["nobody"]},
            "peer_ids",
        ),
        (
            f"vips/{VIP}",
            {"nexthop_ip": "10.1.0.5", "peer_ids": []},
            "peer_ids",
        ),
        (f"vips/{VIP}", [], "document"),
        ("amphorae/nonsense", {"paths": [PATH]}, "amphora_id"),
        (f"amphorae/{A}", {"paths": []}, "paths"),
        (f"amphorae/{A}", {"paths": [{"vip_ip": VIP}]}, "paths[0].nexthop_ip"),
        (
            f"amphorae/{A}",
            {"paths": [PATH, {**PATH, "nexthop_ip": "fd00::5"}]},
            "paths[1].nexthop_ip",
        ),
        (
            f"amphorae/{A}",
            {"paths": [{**PATH, "peer_ids": ["nobody"]}]},
            "paths[0].peer_ids",
        ),
        (f"amphorae/{A}", {"paths": [PATH, PATH]}, "nexthop_ip"),
        (
            f"amphorae/{A}",
            {"paths": [PATH], "load_balancer_id": 7},
            "load_balancer_id",
        ),
        (f"amphorae/{B}/drain", {"timeout": 7}, "timeout"),
    ],
)
def test_bad_input_names_the_field_and_changes_nothing(
    distributor, path, body, field
):
    distributor.register(B, (OTHER, "10.1.0.6"))
    before = distributor.digest()
    status, answer = distributor.ask("PUT", path, json=body)
    if field is None:  # no such route
        assert status == 404
    else:
        assert (status, answer["field"]) == (400, field)
    assert distributor.digest() == before


@pytest.mark.parametrize("data", [b"\xff{", b"7", b'"text"', b"null"])
def test_no_object_at_all(distributor, data):
    status, answer = distributor.ask("PUT", f"vips/{VIP}", data=data)
    assert (status, answer["field"]) == (400, "document")


def test_a_body_is_missing(distributor):
    for path in (f"vips/{VIP}", f"amphorae/{A}"):
        status, answer = distributor.ask("PUT", path)
        assert status == 400
        assert answer["reason"]


EVERY_CALL = [
    ("GET", "vips"),
    ("PUT", f"vips/{VIP}"),
    ("DELETE", f"vips/{VIP}"),
    ("GET", "amphorae"),
    ("PUT", f"amphorae/{A}"),
    ("DELETE", f"amphorae/{A}"),
    ("PUT", f"amphorae/{A}/drain"),
]


@pytest.mark.parametrize(("method", "path"), EVERY_CALL)
@pytest.mark.parametrize("desired", [None, state()])
def test_another_amphora_refuses_each(bench, method, path, desired):
    if desired is not None:
        bench.apply(desired)
    status, answer = bench.ask(method, path, json={})
    assert status == 409
    assert "distributor" in answer["reason"]


def test_exabgp_refuses_a_second_next_hop(bench):
    exabgp = replace(BIRD, driver=SpeakerDriver.EXABGP)
    bench.apply(replace(DISTRIBUTOR, driver=exabgp.driver, speakers=(exabgp,)))
    assert bench.register(A, (VIP, "10.1.0.5")) == OK
    status, answer = bench.register(B, (VIP, "10.1.0.6"))
    assert (status, answer["field"]) == (400, "vips[1].nexthop_ip")
    assert "bird" in answer["reason"]
    eventually(lambda: bench.held() == {f"{VIP}/32": {"10.1.0.5"}})


def test_a_state_that_cannot_be_kept_is_not_in_force(distributor, monkeypatch):
    def fail(_):
        raise OSError(28, "No space left on device")

    store = distributor.engine._parts.store
    before = distributor.digest()
    with monkeypatch.context() as patched:
        patched.setattr(store, "save", fail)
        assert distributor.register(A, (VIP, "10.1.0.5"))[0] == 503
    assert distributor.digest() == before
    assert distributor.register(A, (VIP, "10.1.0.5")) == OK
    kept = json.loads((distributor.directory / "state").read_text())
    assert [ip_address(vip["vip_ip"]) for vip in kept["vips"]] == [
        ip_address(VIP)
    ]
