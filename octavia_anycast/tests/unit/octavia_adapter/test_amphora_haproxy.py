# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What is pushed to an amphora: Octavia's rendering, our order."""

import os
import shutil
import subprocess
import threading
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from types import SimpleNamespace

import pytest
from octavia.amphorae.driver_exceptions import exceptions as driver_exceptions
from octavia.amphorae.drivers.haproxy import exceptions as agent_exceptions
from octavia.common import data_models as dm
from octavia.common import exceptions
from octavia.common.utils import base64_sha1_string

from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.model.errors import Permanent, Retryable, SecretUnread
from octavia_anycast.model.wire import Frontend, FrontendAddress
from octavia_anycast.octavia_adapter.amphora.amphora_haproxy import (
    CACHE_MEMORY_MAX_KB,
    AmphoraHaproxy,
)
from octavia_anycast.tests.unit.octavia_adapter.models import (
    model_of,
    tree_of,
)


class FakeClient:
    """Octavia's REST client of one amphora, without the network."""

    def __init__(self):
        self.calls = []
        self.config = ""
        self.failure = None
        self.version = "2.6.12-1+deb12u4"
        self.addresses = set()
        self.memory = {"free": 500_000, "buffers": 0, "cached": 0}
        self.lvs = {}  # listener id -> the configuration in force
        self.lvs_status = "ACTIVE"

    def _record(self, name):
        self.calls.append(name)
        if self.failure is not None:
            raise self.failure

    def get_api_version(self, amphora, **kwargs):
        return {"api_version": "1.0"}

    def get_details(self, amphora, **kwargs):
        return {
            "haproxy_version": self.version,
            "memory": self.memory,
            "cpu_count": 2,
            "lvs_listener_process_count": len(self.lvs),
        }

    def get_all_listeners(self, amphora):
        return [
            {"uuid": "web", "type": "http", "status": "ACTIVE"},
            *(
                {"uuid": x, "type": "UDP", "status": self.lvs_status}
                for x in self.lvs
            ),
        ]

    def get(self, amphora, path):
        if path == "loadbalancer/lb/haproxy":
            status = 200 if self.config else 404
            return SimpleNamespace(status_code=status, text=self.config)
        listener_id = path.split("/")[1]
        assert path == f"listeners/{listener_id}/udp_listener"
        return SimpleNamespace(status_code=200, text=self.lvs[listener_id])

    def upload_udp_config(self, amphora, identifier, config, **kwargs):
        self.lvs[identifier] = config
        self._record(f"upload {identifier}")

    def upload_config(self, amphora, identifier, config, **kwargs):
        self.config = config
        self._record("upload")

    def reload_listener(self, amphora, identifier, **kwargs):
        self._record(
            f"reload {identifier}" if identifier in self.lvs else "reload"
        )

    def delete_listener(self, amphora, identifier, **kwargs):
        was_lvs = self.lvs.pop(identifier, None) is not None
        self._record(f"delete {identifier}" if was_lvs else "delete")

    def get_interface(self, amphora, address, log_error=True):
        if address not in self.addresses:
            raise agent_exceptions.NotFound()


@pytest.fixture
def client():
    return FakeClient()


@pytest.fixture
def haproxy(client):
    made = AmphoraHaproxy(model_of, timeout=5)
    driver = made._driver()
    driver.clients = {"base": client, "1.0": client}
    return made


RECORD = AmphoraRecord(
    id="11111111-1111-1111-1111-111111111111",
    load_balancer_id="lb",
    status=AmphoraStatus.ALLOCATED,
    status_since=datetime(2026, 1, 1, tzinfo=UTC),
    lb_network_ip=ip_address("172.31.1.5"),
)


def listener(port=80, protocol="HTTP", **fields):
    values = {
        "id": f"l{port}",
        "protocol": protocol,
        "protocol_port": port,
        "peer_port": 1025,
        "enabled": True,
        "connection_limit": -1,
        "insert_headers": {},
        "provisioning_status": "ACTIVE",
    }
    return dm.Listener(**values | fields)


def tree(*listeners, enabled=True):
    balancer = dm.LoadBalancer(
        id="lb",
        project_id="p",
        enabled=enabled,
        provisioning_status="ACTIVE",
        listeners=list(listeners),
    )
    balancer.vip = dm.Vip(ip_address="198.51.100.10", port_id="port")
    balancer.additional_vips = [
        dm.AdditionalVip(ip_address="2001:db8:100::10", port_id="port")
    ]
    for each in listeners:
        each.load_balancer = balancer
    return tree_of(balancer)


def test_configuration_listens_on_every_vip_and_is_loaded(haproxy, client):
    haproxy.push(tree(listener()), RECORD)
    assert client.calls == ["upload", "reload"]
    assert "bind 198.51.100.10:80" in client.config
    assert "bind 2001:db8:100::10:80" in client.config
    assert "peers" not in client.config


@pytest.mark.parametrize(
    ("version", "waits"), [("2.6.12-1+deb12u4", True), ("2.4.22", False)]
)
def test_a_soft_stop_waits_for_a_request_on_idle_connections(
    haproxy, client, version, waits
):
    client.version = version
    haproxy.push(tree(listener()), RECORD)
    assert client.config.count("option idle-close-on-response") == int(waits)


def test_connections_are_finished_by_a_reload(haproxy, client):
    haproxy.push(tree(listener()), RECORD)
    haproxy.finish_connections(tree(listener()), RECORD)
    assert client.calls == ["upload", "reload", "reload"]
    client.failure = agent_exceptions.NotFound()
    with pytest.raises(Retryable):
        haproxy.finish_connections(tree(listener()), RECORD)


def sticky(kind="SOURCE_IP", cookie=None, **fields):
    """A listener whose pool keeps clients at their members."""
    pool = dm.Pool(
        id="sticky",
        protocol="HTTP",
        lb_algorithm="ROUND_ROBIN",
        enabled=True,
        provisioning_status="ACTIVE",
        members=[],
        session_persistence=dm.SessionPersistence(
            pool_id="sticky", type=kind, cookie_name=cookie
        ),
    )
    return listener(
        default_pool=pool, default_pool_id=pool.id, pools=[pool], **fields
    )


def balancer_with(one):
    made = tree(one)
    model_of(made).pools = one.pools
    return tree_of(model_of(made))


def peer(number, *addresses):
    frontend = Frontend(
        mac_address=f"fa:16:3e:00:00:0{number}",
        mtu=1500,
        addresses=tuple(
            FrontendAddress(ip_address=ip_address(a), prefix_length=24)
            for a in addresses
        ),
    )
    return replace(RECORD, id=f"amphora-{number}", frontend=frontend)


PEERS = (
    peer(2, "127.0.0.2", "fd00:10:1::2"),
    peer(1, "127.0.0.1", "fd00:10:1::1"),
)


def name_of(record):
    """As Octavia's agent tells HAProxy its own name, by -L."""
    return base64_sha1_string(record.id).rstrip("=")


@pytest.mark.parametrize(
    ("kind", "cookie", "table"),
    [
        ("SOURCE_IP", None, "stick-table type ipv6 size 10k peers lb_peers"),
        (
            "APP_COOKIE",
            "SESSION",
            "stick-table type string len 64 size 10k peers lb_peers",
        ),
    ],
)
def test_a_peer_group_shares_stick_tables(
    haproxy, client, kind, cookie, table
):
    wanted = balancer_with(sticky(kind, cookie))
    assert wanted.has_stick_tables
    haproxy.push(wanted, PEERS[0], PEERS)
    lines = [line.strip() for line in client.config.splitlines()]
    first = lines.index("peers lb_peers")
    assert lines[first + 1 : first + 3] == [
        f"peer {name_of(PEERS[1])} 127.0.0.1:1025",
        f"peer {name_of(PEERS[0])} 127.0.0.2:1025",
    ]
    assert table in lines
    # What the other amphorae's threads see is as it was.
    assert model_of(wanted).topology is None
    assert model_of(wanted).amphorae == []
    haproxy.push(wanted, PEERS[0])
    assert "peers" not in client.config


@pytest.mark.parametrize(
    ("vip", "addresses"),
    [
        ("198.51.100.20", ("127.0.0.1", "127.0.0.2")),
        ("2001:db8:100::20", ("fd00:10:1::1", "fd00:10:1::2")),
    ],
)
def test_peers_meet_where_the_group_of_the_vip_has_a_rule(
    haproxy, client, vip, addresses
):
    """Octavia opens the port of peers for the families of the VIPs only."""
    wanted = balancer_with(sticky())
    model_of(wanted).vip = dm.Vip(ip_address=vip)
    haproxy.push(tree_of(model_of(wanted)), PEERS[0], PEERS)
    lines = [line.strip() for line in client.config.splitlines()]
    first = lines.index("peers lb_peers")
    assert lines[first + 1 : first + 3] == [
        f"peer {name_of(PEERS[1])} {addresses[0]}:1025",
        f"peer {name_of(PEERS[0])} {addresses[1]}:1025",
    ]


def test_peer_without_an_address_of_that_family_has_another(haproxy, client):
    wanted = balancer_with(sticky())
    model_of(wanted).vip = dm.Vip(ip_address="2001:db8:100::20")
    peers = (peer(1, "127.0.0.1"), peer(2, "127.0.0.2"))
    haproxy.push(tree_of(model_of(wanted)), peers[0], peers)
    assert f"peer {name_of(peers[0])} 127.0.0.1:1025" in client.config


def test_a_cookie_of_haproxy_needs_no_table():
    assert not balancer_with(sticky("HTTP_COOKIE")).has_stick_tables
    assert not tree(listener()).has_stick_tables


def test_the_port_that_is_opened_is_the_one_that_is_used():
    made = tree(listener(80, peer_port=1026), listener(81, peer_port=1027))
    assert {x.peer_port for x in model_of(made).listeners} == {1025}


@pytest.mark.skipif(
    not shutil.which("haproxy") and not os.environ.get("CI"),
    reason="no haproxy",
)
def test_haproxy_takes_the_peers(haproxy, client, tmp_path):
    haproxy.push(balancer_with(sticky()), PEERS[0], PEERS)
    path = tmp_path / "haproxy.cfg"
    path.write_text(client.config)
    command = ["haproxy", "-c", "-q", "-f", str(path), "-L"]
    done = subprocess.run(
        [*command, name_of(PEERS[0])], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "wanted",
    [
        tree(),
        tree(listener(enabled=False)),
        tree(listener(), enabled=False),
    ],
    ids=["none", "disabled listener", "disabled load balancer"],
)
def test_haproxy_is_removed_where_nothing_is_to_listen(
    haproxy, client, wanted
):
    haproxy.push(wanted, RECORD)
    assert client.calls == ["delete"]


def udp(port=53, member="10.10.0.11", protocol="UDP", **fields):
    pool = dm.Pool(
        id=f"p{port}",
        protocol=protocol,
        lb_algorithm="ROUND_ROBIN",
        enabled=True,
        provisioning_status="ACTIVE",
        members=[
            dm.Member(
                id=f"m{port}",
                ip_address=member,
                protocol_port=port,
                weight=1,
                enabled=True,
                provisioning_status="ACTIVE",
            )
        ],
    )
    return listener(
        port, protocol, default_pool=pool, default_pool_id=pool.id, **fields
    )


@pytest.mark.parametrize("protocol", ["UDP", "SCTP"])
def test_keepalived_serves_the_listeners_of_lvs(haproxy, client, protocol):
    haproxy.push(tree(udp(protocol=protocol)), RECORD)
    assert client.calls == ["delete", "upload l53", "reload l53"]
    config = client.lvs["l53"]
    assert "198.51.100.10 53" in config
    assert "2001:db8:100::10 53" in config
    assert "real_server 10.10.0.11 53" in config
    assert f"protocol {protocol}" in config


def test_keepalived_is_not_restarted_for_what_it_has(haproxy, client):
    haproxy.push(tree(listener(), udp(), udp(514)), RECORD)
    client.calls.clear()
    haproxy.push(tree(listener(81), udp(), udp(514)), RECORD)
    assert client.calls == ["upload", "reload"]
    client.calls.clear()
    haproxy.push(tree(listener(), udp(member="10.10.0.12"), udp(514)), RECORD)
    assert client.calls[2:] == ["upload l53", "reload l53"]
    client.calls.clear()
    client.lvs_status = "ERROR"  # it died
    haproxy.push(tree(udp(514)), RECORD)
    assert client.calls[1:] == ["delete l53", "upload l514", "reload l514"]


@pytest.mark.parametrize(
    "wanted",
    [
        tree(listener()),
        tree(listener(), udp(enabled=False)),
        tree(udp(), enabled=False),
    ],
    ids=["deleted", "disabled listener", "disabled load balancer"],
)
def test_keepalived_is_removed_where_nothing_is_to_be_served(
    haproxy, client, wanted
):
    haproxy.push(tree(udp()), RECORD)
    haproxy.push(wanted, RECORD)
    assert client.calls[-1] == "delete l53"
    assert client.lvs == {}


def test_keepalived_that_does_not_start_is_no_success(haproxy, client):
    client.failure = agent_exceptions.InternalServerError()
    with pytest.raises(Retryable, match="1111"):
        haproxy.push(tree(udp()), RECORD)


def test_unreachable_amphora_may_work_later(haproxy, client):
    client.failure = driver_exceptions.TimeOutException()
    with pytest.raises(Retryable, match="1111"):
        haproxy.push(tree(listener()), RECORD)


def test_refused_configuration_is_permanent(haproxy, client):
    client.failure = agent_exceptions.InvalidRequest()
    with pytest.raises(Permanent, match="refused"):
        haproxy.push(tree(listener()), RECORD)


def test_lost_connection_while_uploading_a_certificate_is_no_fault_of_it(
    haproxy, monkeypatch
):
    def unreachable(*args):
        raise driver_exceptions.TimeOutException()

    driver = haproxy._driver()
    monkeypatch.setattr(driver, "_process_tls_certificates", unreachable)
    with pytest.raises(Retryable):
        haproxy.push(tree(listener()), RECORD)


@pytest.fixture
def unread(haproxy, monkeypatch):
    """Octavia's driver, whose key manager is out of reach."""

    def unreachable(*args):
        raise exceptions.CertificateRetrievalException(ref="tls")

    driver = haproxy._driver()
    monkeypatch.setattr(driver, "_process_tls_certificates", unreachable)


def test_the_rest_is_loaded_once_while_a_secret_is_unread(
    haproxy, client, unread
):
    secured = listener(443, "TERMINATED_HTTPS", tls_certificate_id="tls")
    client.config = (
        "frontend l443\n    bind 203.0.113.9:443 ssl crt-list /c/lb/l443.pem\n"
    )
    both = tree(secured, udp())
    given = RECORD
    for revision in ("", both.revision, both.revision):
        given = replace(given, partial_revision=revision)
        with pytest.raises(SecretUnread, match="l443") as unread_error:
            haproxy.push(both, given)
        assert unread_error.value.unread_ids == ("l443",)
        assert not unread_error.value.lacking_ids
    assert [c for c in client.calls if c == "reload"] == ["reload"]
    assert "frontend l443" in client.config
    with pytest.raises(SecretUnread):
        haproxy.push(both, replace(given, partial_revision="another"))
    assert client.calls.count("reload") == 2, "another one came between"


def secured_everywhere():
    """A listener with every kind of file, its pool too."""
    member = dm.Member(
        id="m",
        ip_address="10.10.0.11",
        protocol_port=443,
        weight=1,
        enabled=True,
        provisioning_status="ACTIVE",
    )
    pool = dm.Pool(
        id="p",
        protocol="HTTP",
        lb_algorithm="ROUND_ROBIN",
        enabled=True,
        provisioning_status="ACTIVE",
        members=[member],
        tls_enabled=True,
        tls_certificate_id="pool-tls",
        ca_tls_certificate_id="pool-ca",
        crl_container_id="pool-crl",
    )
    return listener(
        443,
        "TERMINATED_HTTPS",
        tls_certificate_id="tls",
        client_ca_tls_certificate_id="ca",
        client_crl_container_id="crl",
        client_authentication="MANDATORY",
        default_pool=pool,
        default_pool_id=pool.id,
        pools=[pool],
    )


def test_all_files_of_octavias_rendering_are_found_again(
    haproxy, client, monkeypatch
):
    driver = haproxy._driver()
    pool_files = {
        "client_cert": "/c/lb/own.pem",
        "ca_cert": "/c/lb/pool-ca.pem",
        "crl": "/c/lb/pool-crl.pem",
    }
    doers = {
        "_process_tls_certificates": lambda *a: {"tls_cert": None},
        "_process_secret": lambda one, reference, *a: f"{reference}.pem",
        "_process_listener_pool_certs": lambda *a: {"p": pool_files},
    }
    for name, doer in doers.items():
        monkeypatch.setattr(driver, name, doer)
    balancer = balancer_with(secured_everywhere())
    haproxy.push(balancer, RECORD)
    whole = client.config
    assert all(path in whole for path in pool_files.values())
    assert all(name in whole for name in ("/ca.pem", "/crl.pem", "crt-list"))

    def unreachable(*args):
        raise exceptions.CertificateRetrievalException(ref="crl")

    for name in doers:
        monkeypatch.setattr(driver, name, unreachable)
        with pytest.raises(SecretUnread) as unread_error:
            haproxy.push(balancer, RECORD)
        assert not unread_error.value.lacking_ids
        assert client.config == whole
        monkeypatch.setattr(driver, name, doers[name])


def test_what_went_does_not_stay_for_a_secret(haproxy, client, unread):
    client.config = "frontend l80\n    bind 203.0.113.9:80\n"
    new = listener(443, "TERMINATED_HTTPS", tls_certificate_id="tls")
    with pytest.raises(SecretUnread) as unread_error:
        haproxy.push(tree(new), RECORD)
    assert unread_error.value.lacking_ids == ("l443",)
    assert client.calls == ["delete"]


def test_memory_for_the_tls_cache_is_bounded(haproxy, client, monkeypatch):
    seen = {}

    def build(*arguments):
        seen.update(arguments[-1]["memory"])
        return "config"

    driver = haproxy._driver()
    monkeypatch.setattr(driver.jinja_combo, "build_config", build)
    client.memory = {"free": 20_000_000, "buffers": 5, "cached": 5}
    haproxy.push(tree(listener()), RECORD)
    assert seen == {
        "free": CACHE_MEMORY_MAX_KB,
        "buffers": 0,
        "cached": 0,
    }


@pytest.mark.parametrize(
    ("details", "sentence"),
    [
        (
            "Job for haproxy-lb.service failed.\n"
            "[NOTICE]   (7) : haproxy version is 2.6.12\n"
            "[ALERT]    (7) : [/usr/sbin/haproxy.main()] Cannot raise FD limit"
            " to 75085, limit is 20000.\n",
            "Cannot raise FD limit to 75085, limit is 20000.",
        ),
        ("Job for haproxy-lb.service failed.\n", "Job for haproxy-lb.service"),
    ],
)
def test_why_haproxy_does_not_start_is_told(details, sentence):
    haproxy = AmphoraHaproxy(model_of, timeout=5)
    client = haproxy._driver().clients["1.0"]
    answer = SimpleNamespace(
        status_code=500, json=lambda: {"message": "", "details": details}
    )
    client.put = lambda *args, **kwargs: answer
    amphora = SimpleNamespace(id="a")
    with pytest.raises(Permanent) as caught:
        client.reload_listener(amphora, "lb")
    assert str(caught.value).startswith(
        f"Amphora a cannot reload what it was given: {sentence}"
    )


def test_addresses_of_the_agent_are_looked_up(haproxy, client):
    port = {"fixed_ips": [{"ip_address": "10.10.0.5"}]}
    assert not haproxy.has_addresses(RECORD, port)
    client.addresses.add("10.10.0.5")
    assert haproxy.has_addresses(RECORD, port)


def test_each_thread_has_a_driver_of_its_own():
    haproxy = AmphoraHaproxy(model_of, timeout=5)
    found = [haproxy._driver()]
    thread = threading.Thread(target=lambda: found.append(haproxy._driver()))
    thread.start()
    thread.join()
    assert found[0] is not found[1]
    assert found[0] is haproxy._driver()
