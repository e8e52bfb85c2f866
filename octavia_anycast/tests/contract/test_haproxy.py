# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""User's text against the real HAProxy: what it reads is what was written."""

import resource
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager, suppress

import pytest
from octavia.common import config as octavia_config  # noqa: F401
from octavia.common import data_models as dm
from octavia.common.jinja.haproxy.combined_listeners import jinja_cfg

from octavia_anycast.octavia_adapter.haproxy_syntax.templates import Templater
from octavia_anycast.testing.nasty_content import REFUSED

pytestmark = pytest.mark.skipif(
    shutil.which("haproxy") is None, reason="haproxy is not installed"
)
RULE = {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/x"}
# Taken, and silently read as something else from Octavia's rendering.
MISREAD = ("a#b", "a'b&<c>", "-i", "a\\b")


def load_balancer(
    rule=None,
    l7policy=None,
    healthmonitor=None,
    pool=None,
    member=None,
    listener=None,
):
    """The models of one of each, with these attributes."""
    backend = pool_of(healthmonitor, pool, member)
    made = dm.Listener(
        id="listener",
        protocol="HTTP",
        protocol_port=80,
        connection_limit=100,
        enabled=True,
        insert_headers={},
        pools=[backend],
        default_pool=backend,
        l7policies=[policy_of(l7policy, rule)],
    )
    set_all(made, listener)
    made.load_balancer = dm.LoadBalancer(
        id="balancer",
        project_id="project",
        enabled=True,
        topology="SINGLE",
        vip=dm.Vip(ip_address="192.0.2.100"),
        listeners=[made],
    )
    return made.load_balancer


def pool_of(healthmonitor, pool, member):
    monitor = dm.HealthMonitor(
        id="monitor",
        type="HTTP",
        delay=5,
        timeout=3,
        fall_threshold=3,
        rise_threshold=2,
        http_method="GET",
        url_path="/",
        expected_codes="200",
        enabled=True,
    )
    set_all(monitor, healthmonitor)
    server = dm.Member(
        id="member",
        ip_address="192.0.2.1",
        protocol_port=80,
        weight=1,
        enabled=True,
    )
    set_all(server, member)
    persistence = pool and dm.SessionPersistence(**pool["session_persistence"])
    return dm.Pool(
        id="pool",
        protocol="HTTP",
        lb_algorithm="ROUND_ROBIN",
        enabled=True,
        health_monitor=monitor,
        session_persistence=persistence,
        members=[server],
    )


def policy_of(l7policy, rule):
    policy = dm.L7Policy(
        id="policy",
        action="REDIRECT_TO_URL",
        redirect_url="https://example.org/",
        redirect_http_code=302,
        enabled=True,
        l7rules=[dm.L7Rule(id="rule", enabled=True, invert=False)],
    )
    set_all(policy, l7policy)
    set_all(policy.l7rules[0], RULE | (rule or {}))
    return policy


def set_all(model, attributes):
    for name, value in (attributes or {}).items():
        setattr(model, name, value)


def rendered(
    directory, templater=Templater, versions=("2", "6"), **attributes
):
    balancer = load_balancer(**attributes)
    text = templater(
        base_amp_path=str(directory), connection_logging=False
    ).build_config(
        dm.Amphora(id="amphora"), balancer.listeners, {}, versions, {}
    )
    # It would take root.
    return text.replace("    user nobody\n", "")


def alerts(directory, text):
    """What HAProxy has against a file."""
    path = directory / "haproxy.cfg"
    path.write_text(text)
    done = subprocess.run(
        ["haproxy", "-c", "-f", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


@contextmanager
def serving(directory, text, **options):
    """HAProxy at a socket file; yields a function: request -> lines."""
    address = directory / "frontend.sock"
    path = directory / "haproxy.cfg"
    path.write_text(
        text.replace("bind 192.0.2.100:80", f"bind unix@{address}")
    )
    command = ["haproxy", "-db", "-f", str(path)]
    process = subprocess.Popen(command, **options)
    try:
        yield lambda target, header="X: y": answer(address, target, header)
    finally:
        process.terminate()
        process.wait()


def answer(address, target, header):
    deadline = time.monotonic() + 10.0
    with socket.socket(socket.AF_UNIX) as s:
        while time.monotonic() < deadline:
            with suppress(FileNotFoundError, ConnectionRefusedError):
                s.connect(str(address))
                break
            time.sleep(0.02)
        s.sendall(f"GET {target} HTTP/1.0\r\n{header}\r\n\r\n".encode())
        return s.makefile("rb").read().decode().splitlines()


CARRIED = [row for row in REFUSED if row.is_carried]
TRIED_HERE = ("rule", "l7policy", "healthmonitor", "member", "pool")


@pytest.mark.parametrize(
    "row", CARRIED, ids=lambda row: f"{row.kind} {row.attributes}"
)
def test_what_only_needs_quotes_gets_them(tmp_path, row):
    given = {row.kind: row.attributes}

    assert row.alert in alerts(
        tmp_path, rendered(tmp_path, jinja_cfg.JinjaTemplater, **given)
    )
    assert not alerts(tmp_path, rendered(tmp_path, **given))


@pytest.mark.parametrize(
    "row",
    [
        row
        for row in REFUSED
        if row.kind in TRIED_HERE
        and not row.is_carried
        and not row.attributes.keys() & {"tls_ciphers", "tls_versions"}
        # written without spaces, which the API does not know
        and row.attributes.get("expected_codes") != "200 ,\n201"
    ],
    ids=lambda row: f"{row.kind} {row.attributes}",
)
def test_haproxy_does_refuse_what_the_api_refuses(tmp_path, row):
    text = rendered(tmp_path, **{row.kind: row.attributes})

    assert "ALERT" in alerts(tmp_path, text)


def test_ordinary_text_is_written_as_octavia_does(tmp_path):
    ours = rendered(tmp_path).replace("    no strict-limits\n", "")
    assert ours == rendered(tmp_path, jinja_cfg.JinjaTemplater)


def test_haproxy_starts_with_fewer_open_files_than_it_wishes(tmp_path):
    text = rendered(tmp_path, listener={"connection_limit": 100_000})
    soft_and_hard = (2000, 2000)

    def bound():
        resource.setrlimit(resource.RLIMIT_NOFILE, soft_and_hard)

    with serving(tmp_path, text, preexec_fn=bound) as ask:
        assert "location: https://example.org/" in ask("/x")


@pytest.mark.parametrize(
    ("versions", "is_there"),
    [(["2", "0"], False), (["2", "6"], True), (["3", "0"], True)],
)
def test_an_old_haproxy_is_told_nothing_that_it_does_not_know(
    tmp_path, versions, is_there
):
    text = rendered(tmp_path, versions=versions)
    assert ("no strict-limits" in text) is is_there


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/#top",
        "https://example.org/?a=1&b=2",
        "https://example.org/?a='b'",
        "https://example.org/a\\nX-Evil:1\\x0d",
        "https://example.org/$HOME/${HOME}/a%20b%%",
    ],
)
def test_a_redirect_goes_where_it_was_told_and_only_then(tmp_path, url):
    text = rendered(tmp_path, l7policy={"redirect_url": url})

    with serving(tmp_path, text) as ask:
        hit, miss = ask("/x"), ask("/other")

    assert f"location: {url}" in hit
    assert not [line for line in hit if line.startswith("X-Evil")]
    assert miss[0].startswith("HTTP/1.1 503") or miss[0].startswith(
        "HTTP/1.0 503"
    )


@pytest.mark.parametrize("value", MISREAD)
def test_a_rule_matches_its_own_text_and_no_other(tmp_path, value):
    rule = {"type": "HEADER", "key": "X", "value": value}
    text = rendered(tmp_path, rule=rule)

    with serving(tmp_path, text) as ask:
        hit, miss = ask("/", f"X: {value}"), ask("/", "X: a")

    assert "location: https://example.org/" in hit
    assert "location: https://example.org/" not in miss
