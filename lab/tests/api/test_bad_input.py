# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What is refused, by the real API and by the agent of a real amphora."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from balancer_pool import Pool
from cluster_bench import Amphora, Balancer, Bench
from octavia_anycast_lab import settings
from octavia_anycast_lab.api import distributors, rest
from octavia_anycast_lab.cloud import database, survey
from octavia_anycast_lab.host import netns
from openstack import exceptions

pytestmark = pytest.mark.lab

Change = Callable[[dict[str, Any]], None]


def _rows(bench: Bench) -> str:
    tables = (
        "anycast_distributor",
        "anycast_distributor_l3_bgp_speaker",
        "anycast_distributor_l3_bgp_peer",
        "anycast_distributor_zone",
        "anycast_cluster",
    )
    counts = ", ".join(f"(SELECT COUNT(*) FROM {name})" for name in tables)
    return database.query(bench.plane, "octavia", f"SELECT {counts}")


def test_no_distributor_no_load_balancer(bench: Bench, pool: Pool) -> None:
    pool.empty()
    found = distributors.find(bench.admin)
    if found is not None:
        distributors.delete(bench.admin, found["id"])
    before = survey.take(bench.plane, bench.admin)
    with pytest.raises(exceptions.HttpException) as refusal:
        bench.octavia.create_load_balancer(
            name="orphan", vip_subnet_id=bench.subnets["anycast-v4"]
        )
    assert 400 <= refusal.value.status_code < 500 or (
        refusal.value.status_code == 501
    )
    assert "distributor" in str(refusal.value)
    after = survey.take(bench.plane, bench.admin)
    assert not any(after.since(before).values())
    assert list(bench.octavia.load_balancers(name="orphan")) == []


def _peer(name: str, value: object) -> Change:
    def change(body: dict[str, Any]) -> None:
        body["speakers"][0]["peers"][0][name] = value

    return change


def _speaker(name: str, value: object) -> Change:
    def change(body: dict[str, Any]) -> None:
        body["speakers"][0][name] = value

    return change


INVALID = {
    "AS number 0": ("local_as", _speaker("local_as", 0)),
    "AS number too large": ("remote_as", _peer("remote_as", 2**32)),
    "peer of another family": ("peer_ip", _peer("peer_ip", "fd00::1")),
    "hold time 1": ("hold_time", _peer("hold_time", 1)),
    "hold time 2": ("hold_time", _peer("hold_time", 2)),
    "ttl_hops 0": ("ttl_hops", _peer("ttl_hops", 0)),
    "ttl_hops 255": ("ttl_hops", _peer("ttl_hops", 255)),
    "unknown attribute": ("colour", _peer("colour", "blue")),
}


@pytest.mark.parametrize("case", INVALID)
def test_invalid_distributor(bench: Bench, case: str) -> None:
    field, change = INVALID[case]
    document = distributors.body(bench.admin, "invalid")
    document["distributor"]["is_default"] = False
    change(document["distributor"])
    before = _rows(bench)
    with pytest.raises(rest.ApiError) as refusal:
        bench.admin.request(
            "POST", rest.LOAD_BALANCER, distributors.PATH, document
        )
    assert refusal.value.status == 400
    assert field in str(refusal.value)
    assert settings.BGP_PASSWORD not in str(refusal.value)
    assert _rows(bench) == before


# -- the agent ---------------------------------------------------------------


def _call(
    bench: Bench,
    amphora: Amphora,
    document: object = None,
    *,
    raw: str | None = None,
    client: str | None = "client.pem",
    scheme: str = "https",
) -> tuple[int, Any]:
    """One call to an agent; status 0 if there was no HTTP answer."""
    pki = bench.plane.config_dir / "pki"
    argv = ["curl", "-s", "-m", "10", "-w", "\n%{http_code}"]
    argv += ["--insecure"] if client is None else []
    argv += ["--cacert", str(pki / "server-ca.pem")]
    # The name in the certificate is the amphora's id.
    argv += ["--resolve", f"{amphora.id}:9443:{amphora.management}"]
    if client is not None:
        argv += ["--cert", str(pki / client)]
    body = raw if document is None else json.dumps(document)
    if body is not None:
        argv += ["-X", "PUT", "--data-binary", "@-"]
    argv += [f"{scheme}://{amphora.id}:9443/1.0/anycast"]
    done = netns.run(
        bench.plane.namespace, argv, stdin=body or "", check=False
    )
    text, _, status = done.stdout.rpartition("\n")
    return int(status or 0), text


def _state(bench: Bench, amphora: Amphora) -> dict[str, Any]:
    """The desired state that the amphora keeps."""
    found = bench.inside(
        amphora,
        *("sh", "-c", "cat /var/lib/octavia-anycast/desired.json"),
    )
    return dict(json.loads(found))


def _foreign(document: dict[str, Any]) -> None:
    document["amphora_id"] = "00000000-0000-4000-8000-000000000000"


def _unknown_key(document: dict[str, Any]) -> None:
    document["colour"] = "blue"


def _other_version(document: dict[str, Any]) -> None:
    document["version"] = "2.0"


def _bad_port(document: dict[str, Any]) -> None:
    document["listeners"][0]["port"] = 0


def _bad_hold_time(document: dict[str, Any]) -> None:
    document["speakers"][0]["peers"][0]["hold_time"] = 2


REFUSED = {
    "amphora_id": _foreign,
    "colour": _unknown_key,
    "version": _other_version,
    "port": _bad_port,
    "hold_time": _bad_hold_time,
}


@pytest.mark.parametrize("field", REFUSED)
def test_agent_refuses_a_state_whole(
    bench: Bench, balancer: Balancer, field: str
) -> None:
    amphora = bench.amphorae(balancer)[0]
    good = _state(bench, amphora)
    session = bench.session(amphora)
    assert _call(bench, amphora, good)[0] == 200, "the negative control"
    wrong = copy.deepcopy(good)
    wrong["vips"] = []
    REFUSED[field](wrong)
    status, text = _call(bench, amphora, wrong)
    assert status == 400, text
    assert field in json.loads(text)["field"]
    assert _state(bench, amphora) == good
    assert bench.announces(balancer, amphora)
    assert session
    assert bench.is_kept(amphora, session)


@pytest.mark.parametrize("raw", ["", "{", "[]", "null", '"text"', "7"])
def test_agent_refuses_what_is_no_state(
    bench: Bench, balancer: Balancer, raw: str
) -> None:
    amphora = bench.amphorae(balancer)[0]
    good = _state(bench, amphora)
    status, text = _call(bench, amphora, raw=raw)
    assert status == 400, text
    assert json.loads(text)["field"]
    assert _state(bench, amphora) == good
    assert bench.announces(balancer, amphora)


def test_agent_wants_the_controllers_certificate(
    bench: Bench, balancer: Balancer
) -> None:
    amphora = bench.amphorae(balancer)[0]
    status, text = _call(bench, amphora)
    assert status == 200
    assert json.loads(text)["amphora_id"] == amphora.id
    make_wrong_certificate(bench)
    for what, options in (
        ("no certificate", {"client": None}),
        ("a certificate of another authority", {"client": "wrong.pem"}),
        ("plain HTTP", {"scheme": "http"}),
    ):
        status, _ = _call(bench, amphora, **options)
        assert status in (0, 400), what
        good = _state(bench, amphora)
        emptied = {**good, "vips": []}
        status, _ = _call(bench, amphora, emptied, **options)
        assert status in (0, 400), what
        assert _state(bench, amphora) == good
    assert bench.announces(balancer, amphora)


def make_wrong_certificate(bench: Bench) -> None:
    """A client certificate that names the controller but signs itself."""
    place = bench.plane.config_dir / "pki" / "wrong.pem"
    subject = "/CN=octavia-anycast-controller"
    netns.run(
        bench.plane.namespace,
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
            *("-subj", subject, "-days", "2"),
            *("-keyout", str(place), "-out", f"{place}.crt"),
        ],
    )
    text = place.read_text() + place.with_name("wrong.pem.crt").read_text()
    place.write_text(text)


def test_one_amphora_is_not_another(bench: Bench, balancer: Balancer) -> None:
    """Its own certificate does not let an amphora command its sisters."""
    first, second = bench.amphorae(balancer)
    pem = bench.inside(first, "cat", "/etc/octavia/certs/server.pem")
    place = bench.plane.config_dir / "pki" / "sister.pem"
    place.touch(mode=0o600)
    place.write_text(pem)
    try:
        status, _ = _call(bench, second, client="sister.pem")
        assert status in (0, 400)
    finally:
        place.unlink()
