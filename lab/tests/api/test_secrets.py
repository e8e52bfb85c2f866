# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A peer's password is where it has to be, and nowhere else.

A load balancer of its own gets, beside its leaf, a peer with a password that
nothing else in the world has. Then it is looked for as it is and in base64
(ExaBGP's file has it so): in logs, databases, answers, process lists, and
in the files of the amphora. Each search has a control that must find it.
"""

import base64
import collections.abc
import dataclasses
import json
import os
import pathlib
import secrets
import stat
import subprocess
import sys
import typing

import people
import pytest
from cluster_bench import Amphora, Balancer, Bench
from octavia_anycast_lab import shell
from octavia_anycast_lab.api import distributors, rest
from octavia_anycast_lab.cloud import controller, survey
from octavia_anycast_lab.host import process

pytestmark = pytest.mark.lab

DISTRIBUTORS = distributors.PATH
PEERS = "/v2/lbaas/bgp-peers"
BALANCERS = "/v2/lbaas/loadbalancers"
SILENT_PEER = "172.31.0.98"
DESIRED = "/var/lib/octavia-anycast/desired.json"
EXABGP = "/var/lib/octavia-anycast/exabgp/exabgp.conf"


@dataclasses.dataclass(frozen=True, slots=True)
class Secret:
    """What is looked for."""

    text: str

    @property
    def forms(self) -> tuple[str, ...]:
        """As it is, and as ExaBGP's file has it."""
        return self.text, base64.b64encode(self.text.encode()).decode()

    def is_in(self, content: str | bytes) -> bool:
        """Whether a text has it in any form."""
        raw = content.encode() if isinstance(content, str) else content
        return any(form.encode() in raw for form in self.forms)


@dataclasses.dataclass(frozen=True, slots=True)
class World:
    """The load balancer whose distributor has the peer with the secret."""

    bench: Bench
    secret: Secret
    balancer: Balancer
    amphora: Amphora
    distributor_id: str
    peer_id: str


def _body(bench: Bench, secret: Secret) -> dict[str, typing.Any]:
    document = distributors.body(bench.admin, "secrets")
    inner = document["distributor"]
    inner["is_default"] = False
    inner["speakers"][0]["peers"].append(
        {
            "name": "secrets",
            "peer_ip": SILENT_PEER,
            "remote_as": 65098,
            "auth_type": "md5",
            "password": secret.text,
        }
    )
    return document


def _balancer(bench: Bench, distributor_id: str) -> Balancer:
    before = survey.take(bench.plane, bench.admin)
    made = rest.Api(plane=bench.plane, cloud="demo").request(
        "POST",
        rest.LOAD_BALANCER,
        BALANCERS,
        {
            "loadbalancer": {
                "name": "secrets",
                "vip_subnet_id": bench.subnets["anycast-v4"],
                "flavor_id": bench.flavor_id(1),
                "distributor_id": distributor_id,
            }
        },
    )["loadbalancer"]
    return Balancer(
        id=made["id"], name="secrets", vips=(), size=1, before=before
    )


@pytest.fixture(scope="module")
def world(bench: Bench) -> collections.abc.Iterator[World]:
    secret = Secret(f"s3cret-{secrets.token_hex(12)}")
    bench.remove_earlier("secrets")
    made = bench.admin.request(
        "POST", rest.LOAD_BALANCER, DISTRIBUTORS, _body(bench, secret)
    )["distributor"]
    path = f"{DISTRIBUTORS}/{made['id']}"
    try:
        _await_status(bench, path, ("ACTIVE",))
        balancer = _balancer(bench, made["id"])
        bench.await_active(balancer.id)
        listed = bench.admin.get(rest.LOAD_BALANCER, PEERS)["bgp_peers"]
        (peer_id,) = (p["id"] for p in listed if p["peer_ip"] == SILENT_PEER)
        yield World(
            bench,
            secret,
            balancer,
            bench.amphorae(balancer)[0],
            made["id"],
            peer_id,
        )
        bench.octavia.delete_load_balancer(balancer.id, cascade=True)
        bench.await_gone(balancer.id)
    finally:
        _await_status(bench, path, ("ACTIVE", "ERROR"))
        people.call(bench.admin, "DELETE", f"{path}?cascade=true")


def _await_status(bench: Bench, path: str, wanted: tuple[str, ...]) -> None:
    def is_so() -> bool:
        found = bench.admin.get(rest.LOAD_BALANCER, path)["distributor"]
        return found["provisioning_status"] in wanted

    process.wait_until(is_so, 60.0, f"{path} {' or '.join(wanted)}", 0.2)


# -- in the amphora ----------------------------------------------------------


def _files_with(world: World, *tests: str) -> set[str]:
    """Files in the amphora that hold it, of those that pass find's tests."""
    places = "\\( -path /proc -o -path /sys -o -path /dev \\) -prune -o"
    patterns = " ".join(f"-e {form}" for form in world.secret.forms)
    command = (
        f"find / {places} -type f {' '.join(tests)} -print0"
        f" | xargs -0 -r grep -laF {patterns} 2>/dev/null"
    )
    done = world.bench.machines.execute(
        world.amphora.seen.instance,
        ["sh", "-c", command],
        timeout_seconds=120.0,
    )
    return set(done.stdout.split())


def test_files_in_the_amphora_are_for_root_and_the_speaker(
    world: World,
) -> None:
    found = _files_with(world)
    assert {DESIRED, EXABGP} <= found, "the control"
    assert _files_with(world, "-perm", "-o=r") == set()
    assert _files_with(world, "-perm", "/o=rwx") == set()
    assert _files_with(world, "-perm", "/g=r", "! -group root") <= {EXABGP}


def test_the_journal_of_the_amphora_does_not_have_it(world: World) -> None:
    said = world.bench.inside(
        world.amphora, "journalctl", "--no-pager", "-o", "export"
    )
    assert "speakerd" in said, "the control"
    assert not world.secret.is_in(said)


def _processes() -> dict[str, bytes]:
    """pid/what -> command line and environment of all of this machine.

    Processes of amphorae and of the control plane are among them.
    """
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        for name in ("cmdline", "environ"):
            if entry.name.isdigit():
                try:
                    found[f"{entry.name}/{name}"] = (entry / name).read_bytes()
                except OSError:
                    continue  # it has just ended
    return found


def test_no_process_has_it_in_its_arguments_or_environment(
    world: World,
) -> None:
    everything = _processes()
    lines = b"\n".join(everything.values())
    for program in (b"exabgp", b"speakerd", b"octavia-anycast-controller"):
        assert program in lines, "the control"
    assert [k for k, v in everything.items() if world.secret.is_in(v)] == []


def test_the_search_of_processes_finds_what_is_there(world: World) -> None:
    """The control: a process that does what it must not."""
    with subprocess.Popen(["sleep", "60"], env={"X": world.secret.text}) as p:
        try:
            hits = [
                key
                for key, value in _processes().items()
                if world.secret.is_in(value)
            ]
        finally:
            p.kill()
    assert hits == [f"{p.pid}/environ"]


# -- the control plane -------------------------------------------------------


def _lines_with(world: World, directory: pathlib.Path) -> list[str]:
    return [
        str(path)
        for path in directory.rglob("*")
        if path.is_file() and world.secret.is_in(path.read_bytes())
    ]


def test_no_log_has_it(world: World) -> None:
    logs = world.bench.lab.log_dir
    text = (logs / f"{controller.LABEL}.log").read_text()
    assert world.amphora.id in text, "the control"
    assert _lines_with(world, logs) == []


def test_not_even_at_debug(world: World, tmp_path: pathlib.Path) -> None:
    """One reconcile in a process of its own, with every logger at DEBUG."""
    debug = tmp_path / "debug.conf"
    debug.write_text("[DEFAULT]\ndebug = true\n")
    files = [*controller.config_arguments(world.bench.plane)]
    argv = [
        *("octavia-anycast-manage", *files, "--config-file", str(debug)),
        *("reconcile", world.balancer.id),
    ]
    said = ""

    def is_done() -> bool:
        nonlocal said
        said = _run(world, argv)
        assert not world.secret.is_in(said)
        return "It is " in said  # else the controller was at it

    process.wait_until(is_done, 120.0, "a reconcile by hand", 0.5)
    assert "DEBUG" in said, "the control"


def test_tools_for_operators_do_not_show_it(world: World) -> None:
    files = controller.config_arguments(world.bench.plane)
    for command in ("export", "status"):
        said = _run(world, ["octavia-anycast-manage", *files, command])
        assert world.balancer.id in said, "the control"
        assert not world.secret.is_in(said)


def _run(world: World, argv: list[str]) -> str:
    """What a command of the environment says in the control namespace."""
    bin_directory = pathlib.Path(sys.executable).parent
    done = subprocess.run(
        shell.command_line(
            world.bench.plane, [str(bin_directory / argv[0]), *argv[1:]]
        ),
        capture_output=True,
        text=True,
        timeout=120.0,
        check=False,
    )
    return done.stdout + done.stderr


def test_the_database_has_it_encrypted_only(world: World) -> None:
    socket = world.bench.plane.database_socket
    dump = subprocess.run(
        ["mariadb-dump", f"--socket={socket}", "-uroot", "--all-databases"],
        capture_output=True,
        timeout=120.0,
        check=True,
    ).stdout
    assert world.peer_id.encode() in dump, "the control"
    assert not world.secret.is_in(dump)
    assert _lines_with(world, world.bench.plane.database_dir) == []


def test_state_of_the_lab_is_for_root(world: World) -> None:
    """Whatever holds it on this machine, nobody but root can read it."""
    root = world.bench.lab.run_dir
    for name in _lines_with(world, root):
        assert not os.stat(name).st_mode & (stat.S_IRWXO | stat.S_IRWXG), name


# -- the API -----------------------------------------------------------------


def _answers(world: World) -> collections.abc.Iterator[str]:
    """Everything that the API says of it, refusals included."""
    api = world.bench.admin
    own = f"{DISTRIBUTORS}/{world.distributor_id}"
    peer = f"{PEERS}/{world.peer_id}"
    paths = (
        *(DISTRIBUTORS, own, f"{own}/paths", PEERS, peer),
        "/v2/lbaas/bgp-speakers",
        f"{BALANCERS}/{world.balancer.id}",
        f"{BALANCERS}/{world.balancer.id}/cluster",
        f"/v2/octavia/amphorae/{world.amphora.id}",
    )
    for path in paths:
        yield json.dumps(people.call(api, "GET", path).body)
    text = world.secret.text
    bad = (
        {"password": text, "hold_time": 1},
        {"password": f"{text} "},
        {"password": [text]},
        {"password": text * 4},
        {"name": {"password": text}},
        {"communities": {"password": text}},
    )
    for attributes in bad:
        answer = people.call(api, "PUT", peer, {"bgp_peer": attributes})
        assert answer.status == 400, attributes
        yield answer.body
    misplaced = {"name": "x", "speakers": {"peers": [{"password": text}]}}
    answer = people.call(api, "POST", DISTRIBUTORS, {"distributor": misplaced})
    assert answer.status == 400
    yield answer.body
    query = people.call(api, "GET", f"{PEERS}?password={text}")
    assert query.status == 400, "nobody may ask whether it is this one"
    yield query.body
    sorted_by_it = people.call(api, "GET", f"{PEERS}?sort=password:asc")
    assert sorted_by_it.status == 400
    fields = people.call(api, "GET", f"{peer}?fields=password")
    yield json.dumps(fields.body)


def test_no_answer_has_it(world: World) -> None:
    said = list(_answers(world))
    assert any(SILENT_PEER in text for text in said), "the control"
    assert [text for text in said if world.secret.is_in(text)] == []


def test_another_password_is_taken_and_not_shown_either(
    world: World,
) -> None:
    """A change goes the same way: the answer of a PUT has no password."""
    other = Secret(f"s3cret-{secrets.token_hex(12)}")
    path = f"{PEERS}/{world.peer_id}"
    own = f"{DISTRIBUTORS}/{world.distributor_id}"
    _await_status(world.bench, own, ("ACTIVE", "ERROR"))
    answer = people.call(
        world.bench.admin, "PUT", path, {"bgp_peer": {"password": other.text}}
    )
    assert answer.status == 200, answer.body
    assert not other.is_in(json.dumps(answer.body))
    assert "password" not in answer.body["bgp_peer"]

    def has_arrived() -> bool:
        text = world.bench.inside(world.amphora, "cat", EXABGP)
        return other.is_in(text) and not world.secret.is_in(text)

    process.wait_until(has_arrived, 90.0, "the new password, in ExaBGP", 0.5)
    assert _lines_with(_with(world, other), world.bench.lab.log_dir) == []


def _with(world: World, secret: Secret) -> World:
    return dataclasses.replace(world, secret=secret)
