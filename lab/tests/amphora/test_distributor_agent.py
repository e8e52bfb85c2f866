# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The agent's calls of one VIP and one amphora, seen in a leaf's kernel.

A distributor's own amphora alone, without a controller: several next hops of
one VIP over one session (ADD-PATH), over the agent's own HTTPS.
"""

import json
import os
import uuid
from ipaddress import ip_address

import amphora_bench
import pytest
from octavia_anycast_lab import deployment, settings
from octavia_anycast_lab.amphora import image
from octavia_anycast_lab.fabric import lifecycle, observe
from octavia_anycast_lab.host import netns, process

from octavia_anycast.model import codec
from octavia_anycast.model.bgp import AuthType, Peer, Speaker, SpeakerDriver
from octavia_anycast.model.wire import DesiredState

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]

VIP, OTHER = "198.51.100.30", "198.51.100.31"
A, B = str(uuid.UUID(int=0xA)), str(uuid.UUID(int=0xB))
# Nobody need have them: a leaf has their network connected.
HOP_A, HOP_B, HOP_C = "10.1.0.201", "10.1.0.202", "10.1.0.203"
SOON, LATER = 15.0, 60.0


class Amphora:
    """A distributor's own amphora and its leaf."""

    def __init__(self, bench):
        self.bench, self.lab = bench, bench.lab
        self.amphora = bench.boot()
        bench.await_agent(self.amphora)

    def state(self, **changes):
        peer = Peer(
            id="leaf1",
            peer_ip=ip_address("172.31.0.11"),
            remote_as=65001,
            auth_type=AuthType.MD5,
            password=settings.BGP_PASSWORD,
            ttl_hops=1,
            hold_time=3,
        )
        values = {
            "amphora_id": self.amphora.amphora_id,
            "revision": "1",
            "router_id": self.amphora.address,
            "driver": SpeakerDriver.BIRD,
            "speakers": (
                Speaker(
                    id="s",
                    ip_version=4,
                    local_as=65100,
                    driver=SpeakerDriver.BIRD,
                    peers=(peer,),
                ),
            ),
            "is_distributor": True,
            **changes,
        }
        return DesiredState(**values)

    def ask(self, method, path="", body=None):
        """Call the agent as the controller's host may: (status, answer)."""
        pki = deployment.Deployment.of(self.lab).config_dir / "pki"
        address = self.amphora.address
        done = netns.run(
            self.lab.namespace("ctl"),
            [
                *("curl", "-sk", "-m", "15", "-X", method),
                *("--cert", str(pki / "client.pem")),
                *("-w", "\n%{http_code}"),
                *(("-d", json.dumps(body)) if body is not None else ()),
                f"https://{address}:9443/1.0/anycast{path}",
            ],
        )
        text, _, status = done.stdout.rpartition("\n")
        return int(status), json.loads(text)

    def put(self, path, **body):
        assert self.ask("PUT", path, body) == (200, {"message": "OK"})

    def put_state(self):
        self.put("", **codec.to_document(self.state()))

    def register(self, amphora_id, next_hop):
        path = {"vip_ip": VIP, "nexthop_ip": next_hop}
        self.put(f"/amphorae/{amphora_id}", paths=[path])

    def await_hops(self, hops, seconds=SOON, vip=VIP):
        """Wait for exactly these in the kernel of the leaf."""
        process.wait_until(
            lambda: (
                {gateway for gateway, _ in observe.fib(self.lab, "leaf1", vip)}
                == set(hops)
            ),
            seconds,
            f"{vip} goes to {hops}",
        )

    def session(self):
        """When the session was established, as speakerd has it."""
        found = []

        def is_established():
            _, report = self.ask("GET")
            found[:] = [
                session["since"]
                for session in report["sessions"]
                if session["state"] == "Established"
            ]
            return bool(found)

        process.wait_until(is_established, SOON, "the session")
        return found[0]


@pytest.fixture(scope="module")
def amphora():
    """One that speaks to leaf1 and announces nothing."""
    name = os.environ.get("OA_TEST_AGENT_LAB", "oatagent")
    bench = amphora_bench.Bench(settings.Lab(name=name), image.Flavour.ANYCAST)
    bench.up()
    lifecycle.up(bench.lab, bench.registry)
    try:
        made = Amphora(bench)
        made.put_state()
        made.register(A, HOP_A)
        made.await_hops({HOP_A}, LATER)
        yield made
    finally:
        bench.down()


def test_amphorae_come_drain_and_go_in_one_session(amphora):
    amphora.register(A, HOP_A)
    amphora.await_hops({HOP_A})
    since = amphora.session()
    amphora.register(B, HOP_B)
    amphora.await_hops({HOP_A, HOP_B})
    amphora.put(f"/amphorae/{A}/drain")
    # FRR takes GRACEFUL_SHUTDOWN for the worst, and keeps the path.
    amphora.await_hops({HOP_B})
    held = {
        str(path.next_hop) for path in observe.paths(amphora.lab, "leaf1", VIP)
    }
    assert held >= {HOP_A, HOP_B}
    _, listed = amphora.ask("GET", "/amphorae")
    assert [
        (x["amphora_id"], x["is_draining"]) for x in listed["amphorae"]
    ] == [
        (A, True),
        (B, False),
    ]
    amphora.register(A, HOP_A)
    amphora.await_hops({HOP_A, HOP_B})
    status, _ = amphora.ask("DELETE", f"/amphorae/{B}")
    assert status == 200
    amphora.await_hops({HOP_A})
    assert amphora.session() == since


def test_a_vip_beside_an_amphora(amphora):
    amphora.register(A, HOP_A)
    for vip in (VIP, OTHER):
        amphora.put(f"/vips/{vip}", nexthop_ip=HOP_C)
    amphora.await_hops({HOP_A, HOP_C})
    amphora.await_hops({HOP_C}, vip=OTHER)
    _, listed = amphora.ask("GET", "/vips")
    assert {vip["vip_ip"] for vip in listed["vips"]} == {VIP, OTHER}
    _, report = amphora.ask("GET")
    assert [
        (count["wanted"], count["advertised"])
        for count in report["path_counts"]
    ] == [(3, 3)]
    for vip in (VIP, OTHER):
        assert amphora.ask("DELETE", f"/vips/{vip}")[0] == 200
        assert amphora.ask("DELETE", f"/vips/{vip}")[0] == 404
    amphora.await_hops({HOP_A})
    amphora.await_hops((), vip=OTHER)


def test_bad_input_names_the_field(amphora):
    status, answer = amphora.ask("PUT", f"/vips/{VIP}", {"nexthop_ip": "x"})
    assert (status, answer["field"]) == (400, "nexthop_ip")
    status, answer = amphora.ask("PUT", f"/vips/{VIP}", {"surprise": 1})
    assert (status, answer["field"]) == (400, "surprise")


def test_what_was_asked_for_survives_the_end_of_the_daemon(amphora):
    """Until it is back, whoever asks is told to ask again."""
    amphora.register(A, HOP_A)
    amphora.await_hops({HOP_A})
    before = amphora.ask("GET", "/amphorae")
    since = amphora.session()
    unit = "octavia-anycast-speakerd.service"
    argv = ("systemctl", "kill", "-s", "KILL", unit)
    assert amphora.bench.inside(amphora.amphora, *argv).returncode == 0
    answers = []

    def is_back():
        answers.append(amphora.ask("GET", "/amphorae"))
        return answers[-1][0] == 200

    process.wait_until(is_back, SOON, "an answer", 0.05)
    assert answers[-1] == before
    assert {status for status, _ in answers[:-1]} <= {503}
    amphora.await_hops({HOP_A})
    assert amphora.session() == since


def test_an_amphora_of_a_load_balancer_refuses(amphora):
    plain = amphora.state(is_distributor=False, revision="2")
    amphora.put("", **codec.to_document(plain))
    for path in ("/amphorae", "/vips"):
        status, answer = amphora.ask("GET", path)
        assert status == 409
        assert "distributor" in answer["reason"]
    status, _ = amphora.ask("PUT", f"/vips/{VIP}", {"nexthop_ip": HOP_C})
    assert status == 409
    amphora.put_state()
