# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's words for HAProxy's metrics: as Octavia's own proxy says them."""

import io
import pathlib
from contextlib import closing

import octavia.tests
import pytest
from octavia.cmd import prometheus_proxy

from octavia_anycast.agent.tenant_metrics import exposition, local, names
from octavia_anycast.octavia_adapter.amphora.prometheus_names import (
    octavia_metrics,
)

SAMPLE = (
    pathlib.Path(octavia.tests.__file__).parent
    / "common/sample_haproxy_prometheus"
)


class Proxy(prometheus_proxy.PrometheusProxy):
    """Octavia's proxy without a connection."""

    def __init__(self):
        self.wfile = io.BytesIO()
        self.status = None

    def send_response(self, status, message=None):
        self.status = status

    def send_header(self, name, value):
        pass

    def end_headers(self):
        pass


@pytest.fixture
def octavias(monkeypatch):
    """What Octavia's proxy makes of a text."""

    def made_of(text):
        monkeypatch.setattr(
            prometheus_proxy.urllib.request,
            "urlopen",
            lambda url: closing(io.BytesIO(text.encode())),
        )
        proxy = Proxy()
        proxy.do_GET()
        assert proxy.status == 200
        return proxy.wfile.getvalue().decode()

    return made_of


def families(text):
    """Name -> type, help and samples."""
    return {f.name: f for f in exposition.read(text)}


def test_the_words_are_those_of_octavias_proxy(octavias):
    text = SAMPLE.read_text()
    translator = names.Translator(octavia_metrics())
    own = exposition.written(local.machine_families()).decode()

    ours = families(own + translator.translated(text))
    theirs = families(octavias(text))

    assert len(theirs) > 100
    machine = {"octavia_loadbalancer_cpu", "octavia_loadbalancer_memory"}
    for name in machine:
        one, other = ours.pop(name), theirs.pop(name)
        assert (one.kind, one.help) == (other.kind, other.help)
        assert len(one.lines) == len(other.lines) == 1
    assert ours == theirs


def test_what_octavia_has_no_word_for_is_left_out():
    translator = names.Translator(octavia_metrics())
    text = (
        "# TYPE haproxy_process_nbthread gauge\nhaproxy_process_nbthread 1\n"
        'haproxy_frontend_status{proxy="prometheus-exporter-internal"} 1\n'
        "nonsense\n\n# \n"
    )
    assert translator.translated(text) == ""


def test_only_names_of_labels_are_changed():
    translator = names.Translator(octavia_metrics())
    value = r"x,proxy=\"y\",server=\"z\""
    text = f'haproxy_server_status{{proxy="{value}",server="s"}} 1\n'
    assert translator.translated(text) == (
        f'octavia_member_status{{pool="{value}",member="s"}} 1\n'
    )


def test_the_start_of_a_process_is_found():
    assert names.started_at(SAMPLE.read_text()) == 1644875239
    assert names.started_at("") is None
