# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which object HAProxy's own alerts are about; the real HAProxy says them.

The configurations are those of Octavia's template, tried as on an amphora.
"""

import os
import shutil
import subprocess
from types import SimpleNamespace

import pytest
from octavia.common import data_models as dm

from octavia_anycast.model.errors import ContentRefused
from octavia_anycast.octavia_adapter.amphora import amphora_haproxy
from octavia_anycast.octavia_adapter.amphora.haproxy_alerts import (
    TRIAL_END,
    TRIAL_GLOBAL,
    TRIAL_NAME,
    alerts_about,
    sentences,
)
from octavia_anycast.tests.unit.octavia_adapter.models import (
    model_of,
    tree_of,
)
from octavia_anycast.tests.unit.octavia_adapter.test_amphora_haproxy import (
    RECORD,
    FakeClient,
)

pytestmark = pytest.mark.skipif(
    not shutil.which("haproxy") and not os.environ.get("CI"),
    reason="no haproxy",
)


def uid(number):
    return f"{number:08x}-0000-4000-8000-000000000000"


LISTENER, OTHER, POOL, SPARE, MONITOR, MEMBER, SECOND = map(uid, range(1, 8))
REJECT, REDIRECT, RULE, GOOD_RULE, LAST_RULE = map(uid, range(11, 16))
NEW = {"provisioning_status": "PENDING_UPDATE"}


def member(identifier, **fields):
    return dm.Member(
        **{
            "id": identifier,
            "ip_address": "10.10.0.11",
            "protocol_port": 8080,
            "weight": 1,
            "enabled": True,
        }
        | NEW
        | fields
    )


def pool(identifier, **fields):
    return dm.Pool(
        **{
            "id": identifier,
            "protocol": "HTTP",
            "lb_algorithm": "ROUND_ROBIN",
            "enabled": True,
            "members": [],
        }
        | NEW
        | fields
    )


def rule(identifier, **fields):
    return dm.L7Rule(
        **{
            "id": identifier,
            "type": "PATH",
            "compare_type": "STARTS_WITH",
            "value": "/x",
            "invert": False,
            "enabled": True,
        }
        | NEW
        | fields
    )


def policy(identifier, *rules, **fields):
    return dm.L7Policy(
        **{
            "id": identifier,
            "action": "REJECT",
            "enabled": True,
            "l7rules": list(rules),
        }
        | NEW
        | fields
    )


def balancer(changes):
    """A load balancer of each kind; ``changes``: id -> other attributes."""
    monitor = dm.HealthMonitor(
        **{
            "id": MONITOR,
            "type": "HTTP",
            "delay": 2,
            "timeout": 1,
            "fall_threshold": 2,
            "rise_threshold": 2,
            "http_method": "GET",
            "url_path": "/",
            "expected_codes": "200",
            "http_version": 1.1,
            "domain_name": "x.y",
            "enabled": True,
        }
        | NEW
        | changes.get(MONITOR, {})
    )
    main = pool(
        POOL,
        health_monitor=monitor,
        members=[member(i, **changes.get(i, {})) for i in (MEMBER, SECOND)],
        **changes.get(POOL, {}),
    )
    spare = pool(SPARE, members=[member(uid(99))], **changes.get(SPARE, {}))
    first = policy(
        REJECT,
        *(rule(i, **changes.get(i, {})) for i in (RULE, GOOD_RULE)),
        **changes.get(REJECT, {}),
    )
    second = policy(
        REDIRECT,
        rule(LAST_RULE, **changes.get(LAST_RULE, {})),
        **{"action": "REDIRECT_TO_POOL", "redirect_pool": spare}
        | changes.get(REDIRECT, {}),
    )
    values = {
        "protocol": "HTTP",
        "enabled": True,
        "connection_limit": -1,
        "insert_headers": {},
    } | NEW
    listeners = [
        dm.Listener(
            **values
            | {
                "id": LISTENER,
                "protocol_port": 80,
                "default_pool": main,
                "default_pool_id": POOL,
                "pools": [main, spare],
                "l7policies": [first, second],
            }
            | changes.get(LISTENER, {})
        ),
        dm.Listener(
            **values
            | {"id": OTHER, "protocol_port": 81}
            | changes.get(OTHER, {})
        ),
    ]
    made = dm.LoadBalancer(
        id=uid(0),
        project_id="p",
        enabled=True,
        provisioning_status="PENDING_UPDATE",
        listeners=listeners,
        pools=[main, spare],
    )
    made.vip = dm.Vip(ip_address="127.0.0.1", port_id="port")
    made.additional_vips = []
    for each in listeners:
        each.load_balancer = made
    return tree_of(made)


class Agent(FakeClient):
    """Octavia's agent, as far as it checks the file by HAProxy."""

    def __init__(self, directory):
        super().__init__()
        self.path = directory / "haproxy.cfg.new"
        self.in_force = None
        self.trials = 0

    def upload_config(self, amphora, identifier, config, **kwargs):
        self.trials += 1
        self.path.write_text(config)
        done = subprocess.run(
            ["haproxy", "-c", "-f", str(self.path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            raise amphora_haproxy.RefusedFile(done.stdout)
        self.in_force = config


@pytest.fixture
def agent(tmp_path):
    return Agent(tmp_path)


@pytest.fixture
def haproxy(agent):
    made = amphora_haproxy.AmphoraHaproxy(model_of, timeout=5)
    made._driver().clients = {"base": agent, "1.0": agent}
    return made


REGEX = {"compare_type": "REGEX", "value": r"\u0041"}
TLS = {"tls_enabled": True}
REFUSED = [
    ({RULE: REGEX}, RULE),
    ({RULE: REGEX | {"invert": True}}, RULE),
    ({GOOD_RULE: {"compare_type": "REGEX", "value": "("}}, GOOD_RULE),
    ({RULE: REGEX | {"type": "HEADER", "key": "X"}}, RULE),
    ({RULE: REGEX | {"type": "COOKIE", "key": "c"}}, RULE),
    ({RULE: REGEX | {"type": "HOST_NAME"}}, RULE),
    ({RULE: REGEX | {"type": "FILE_TYPE"}}, RULE),
    ({RULE: {"type": "HEADER", "key": "a b"}}, RULE),
    ({RULE: {"type": "COOKIE", "key": "a)b"}}, RULE),
    ({LAST_RULE: REGEX}, LAST_RULE),
    (
        {
            REDIRECT: {
                "action": "REDIRECT_TO_URL",
                "redirect_url": "http://x.y",
                "redirect_http_code": 999,
            }
        },
        REDIRECT,
    ),
    (
        {
            REJECT: {
                "action": "REDIRECT_PREFIX",
                "redirect_prefix": "http://x.y",
                "redirect_http_code": 999,
            }
        },
        REJECT,
    ),
    ({MONITOR: {"expected_codes": "[["}}, MONITOR),
    ({MONITOR: {"domain_name": "x y"}}, MONITOR),
    ({MEMBER: {"weight": 300}}, MEMBER),
    ({SECOND: {"protocol_port": 0, "ip_address": "no such host"}}, SECOND),
    ({POOL: TLS | {"tls_ciphers": "NO-SUCH-CIPHER"}}, POOL),
    (
        {
            POOL: {
                "session_persistence": dm.SessionPersistence(
                    pool_id=POOL, type="APP_COOKIE", cookie_name="a b"
                )
            }
        },
        POOL,
    ),
    ({LISTENER: {"timeout_client_data": "soon"}}, LISTENER),
    ({OTHER: {"timeout_client_data": "soon"}}, OTHER),
    (
        {
            OTHER: {
                "protocol": "TERMINATED_HTTPS",
                "tls_ciphers": "NO-SUCH-CIPHER",
            }
        },
        None,
    ),
]


@pytest.mark.parametrize(("changes", "culprit"), REFUSED)
def test_the_object_to_blame_is_found(haproxy, agent, changes, culprit):
    tree = balancer(changes)
    if culprit is None:  # HAProxy takes it: nothing is to be found
        haproxy.push(tree, RECORD)
        return
    with pytest.raises(ContentRefused) as refusal:
        haproxy.push(tree, RECORD)
    assert agent.in_force is None
    found = haproxy.find_culprits(tree, RECORD)
    assert set(found.culprits) == {culprit}
    (sentence,) = found.culprits.values()
    assert sentence
    assert "ALERT" not in sentence
    assert "haproxy.cfg" not in refusal.value.sentence
    assert agent.in_force is None, "a trial went into force"


def test_several_culprits_at_once(haproxy, agent):
    tree = balancer(
        {
            RULE: REGEX,
            MONITOR: {"expected_codes": "[["},
            OTHER: {"timeout_client_data": "soon"},
        }
    )
    found = haproxy.find_culprits(tree, RECORD)
    assert set(found.culprits) == {RULE, MONITOR, OTHER}
    assert agent.in_force is None
    assert agent.trials < 10


def test_what_is_taken_is_no_trial(haproxy, agent):
    assert not haproxy.find_culprits(balancer({}), RECORD).culprits
    assert TRIAL_NAME not in agent.in_force


def test_a_broken_haproxy_is_no_fault_of_any_object(haproxy, agent):
    def refuse(*args, **kwargs):
        raise amphora_haproxy.RefusedFile("haproxy: cannot open libpcre2")

    agent.upload_config = refuse
    found = haproxy.find_culprits(balancer({RULE: REGEX}), RECORD)
    assert found.refuses_anything


def test_an_empty_trial_is_refused_for_its_end_alone(agent):
    with pytest.raises(amphora_haproxy.RefusedFile) as refusal:
        agent.upload_config(None, "lb", TRIAL_GLOBAL + TRIAL_END)
    (sentence,) = sentences(refusal.value.output)
    assert TRIAL_NAME in sentence
    assert not alerts_about(refusal.value.output, "", SimpleNamespace())
