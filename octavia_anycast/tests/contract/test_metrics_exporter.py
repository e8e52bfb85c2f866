# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Tenants' metrics of a real HAProxy, from Octavia's own template.

What is counted, what a reload does to it, and what Prometheus' own tool says
to the whole answer.
"""

import http.client
import shutil
import signal
import socket
import subprocess
import time

import pytest
from octavia.common import data_models as dm
from octavia.common.jinja.haproxy.combined_listeners import jinja_cfg
from prometheus_client.parser import text_string_to_metric_families

from octavia_anycast.agent.tenant_metrics import local
from octavia_anycast.agent.tenant_metrics.answers import Unanswered
from octavia_anycast.agent.tenant_metrics.names import Translator
from octavia_anycast.agent.tenant_metrics.service import Ports, Service
from octavia_anycast.agent.tenant_metrics.told import Told
from octavia_anycast.octavia_adapter.amphora.prometheus_names import (
    octavia_metrics,
)

pytestmark = pytest.mark.skipif(
    shutil.which("haproxy") is None, reason="haproxy is not installed"
)
AMPHORA = "10000000-0000-4000-8000-000000000000"
EXPORTER = "127.0.0.1:9101"  # in Octavia's template


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def rendered(directory, ports, vip="127.0.0.1"):
    """The file as the controller renders it, on ports of this test."""
    made = [
        dm.Listener(
            id=f"listener-{protocol}",
            protocol=protocol,
            protocol_port=ports[protocol],
            enabled=True,
            insert_headers={},
            pools=[],
            l7policies=[],
        )
        for protocol in ("HTTP", "PROMETHEUS")
    ]
    balancer = dm.LoadBalancer(
        id="balancer",
        project_id="project",
        enabled=True,
        topology="SINGLE",
        vip=dm.Vip(ip_address=vip),
        listeners=made,
    )
    for listener in made:
        listener.load_balancer = balancer
    templater = jinja_cfg.JinjaTemplater(
        base_amp_path=str(directory),
        base_crt_dir=str(directory),
        haproxy_template=None,
    )
    text = templater.build_config(
        dm.Amphora(id=AMPHORA), made, {}, ("2", "6"), None
    )
    kept = [
        line
        for line in text.splitlines()
        if not line.strip().startswith(("user ", "group ", "log ", "maxconn"))
    ]
    text = "\n".join(kept) + "\n"
    assert EXPORTER in text
    assert "127.0.0.1:9102" in text
    return text.replace(EXPORTER, f"127.0.0.1:{ports['exporter']}").replace(
        "127.0.0.1:9102", f"127.0.0.1:{ports['ours']}"
    )


class Amphora:
    """HAProxy, and our process of metrics behind its PROMETHEUS listener."""

    def __init__(self, directory):
        names = ("HTTP", "PROMETHEUS", "exporter")
        self.ports = {name: free_port() for name in names}
        self.series = local.LocalSeries(
            Translator(octavia_metrics()),
            ("127.0.0.1", self.ports["exporter"]),
            seconds=20.0,
        )
        self.service = Service(
            self.series.answer, Ports(tenant=("127.0.0.1", 0))
        )
        self.service.tell(
            Told(amphora_id=AMPHORA, certificate_path="/nowhere")
        )
        self.ports["ours"] = self.service.tenants.server_port
        config = directory / "haproxy.cfg"
        config.write_text(rendered(directory, self.ports))
        self.process = subprocess.Popen(
            ["haproxy", "-Ws", "-f", str(config), "-L", "local_peer"],
            stderr=subprocess.DEVNULL,
        )

    def ask(self, name):
        """Ask a listener: (status, body)."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.ports[name], timeout=20
        )
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        found = response.status, response.read()
        connection.close()
        return found

    def await_answer(self):
        """The body, once HAProxy has answered for itself."""
        deadline = time.monotonic() + 60
        while True:
            try:
                status, body = self.ask("PROMETHEUS")
                answered = f'answered{{amphora="{AMPHORA}",zone=""}} 1\n'
                if status == 200 and answered in body.decode():
                    return body.decode()
            except OSError:
                assert self.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def requests(self):
        """How many requests to the HTTP listener were counted."""
        deadline = time.monotonic() + 60
        while True:
            values = {
                sample.labels["listener"]: sample.value
                for family in text_string_to_metric_families(
                    self.await_answer()
                )
                for sample in family.samples
                if sample.name == "octavia_listener_http_requests_total"
            }
            if "listener-HTTP" in values:
                return values["listener-HTTP"]
            assert time.monotonic() < deadline

    def stop_haproxy(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)

    def stop(self):
        self.stop_haproxy()
        self.service.tenants.end()


@pytest.fixture
def amphora(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "KEPT_SECONDS", -1.0)
    made = Amphora(tmp_path)
    yield made
    made.stop()


def test_what_a_tenant_gets(amphora):
    body = amphora.await_answer()
    labels = f'{{amphora="{AMPHORA}",zone="",listener="listener-HTTP"}}'
    assert f"\noctavia_listener_current_sessions{labels} 0\n" in body
    assert "prometheus-exporter" not in body
    assert "haproxy_" not in body
    tool = shutil.which("promtool")
    if tool:
        done = subprocess.run(
            [tool, "check", "metrics"],
            input=body,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_counters_grow_and_start_at_zero_after_a_reload(amphora):
    amphora.await_answer()
    for _ in range(3):
        amphora.ask("HTTP")
    seen = [0]
    deadline = time.monotonic() + 60
    while seen[-1] != 3:  # an answer is kept for half a second
        seen.append(amphora.requests())
        assert time.monotonic() < deadline
    assert seen == sorted(seen)
    started = amphora.series._started_at
    while int(time.time()) <= started:
        time.sleep(0.05)
    amphora.process.send_signal(signal.SIGUSR2)
    deadline = time.monotonic() + 60
    while amphora.series._started_at == started:
        amphora.await_answer()
        assert time.monotonic() < deadline
    after = [amphora.requests() for _ in range(3)]
    assert after == [0, 0, 0]


def test_without_haproxy_it_says_so(amphora):
    amphora.stop_haproxy()
    with pytest.raises(Unanswered, match="cannot be asked"):
        amphora.series.answer()
