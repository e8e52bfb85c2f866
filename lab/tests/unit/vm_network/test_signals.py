# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What Neutron's mechanism driver and the agents tell each other."""

import socket
import threading

import pytest
from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.plugins import directory
from octavia_anycast_lab.host import process
from octavia_anycast_lab.vm.network import mechanism, signals
from oslo_config import cfg


class FakePlugin:
    """What of ML2's plug-in the driver calls."""

    def __init__(self):
        self.statuses = []

    def update_port_status(self, context, port_id, status):
        assert context.is_admin
        if port_id == "broken":
            raise RuntimeError("the database is away")
        self.statuses.append((port_id, status))


class FakeBinding:
    """ML2's context of a port to be bound."""

    def __init__(self, host):
        self.host = host
        self.segments_to_bind = [{"id": "segment"}, {"id": "second"}]
        self.bindings = []

    def set_binding(self, segment_id, vif_type, details, status=None):
        self.bindings.append((segment_id, vif_type, details, status))


class FakeUpdate:
    """ML2's context of a port that was changed."""

    def __init__(self, original, current):
        self.original, self.current = original, current


@pytest.fixture
def plugin(monkeypatch):
    made = FakePlugin()
    monkeypatch.setattr(directory, "get_plugin", lambda: made)
    return made


@pytest.fixture
def driver(plugin, tmp_path):
    made = mechanism.TapDriver()
    # As in Neutron, whose contexts look for its files of policies.
    cfg.CONF([], default_config_files=[], default_config_dirs=[])
    cfg.CONF.register_opts(mechanism.OPTIONS, group=mechanism.GROUP)
    cfg.CONF.set_override("directory", str(tmp_path), mechanism.GROUP)
    made.initialize()
    process.wait_until(
        (tmp_path / signals.SOCKET).exists, 5.0, "the driver listens", 0.01
    )
    yield made
    cfg.CONF.reset()
    cfg.CONF.unregister_opts(mechanism.OPTIONS, group=mechanism.GROUP)


def test_port_of_the_lab_is_bound_as_a_tap(driver):
    context = FakeBinding("rack1-host1")
    driver.bind_port(context)
    assert context.bindings == [
        (
            "segment",
            portbindings.VIF_TYPE_TAP,
            {portbindings.CAP_PORT_FILTER: True},
            constants.PORT_STATUS_DOWN,
        )
    ]


@pytest.mark.parametrize("host", ["", None, "elsewhere"])
def test_port_of_another_host_is_not_bound(driver, host):
    context = FakeBinding(host)
    driver.bind_port(context)
    assert context.bindings == []


def test_status_follows_the_agents(driver, plugin, tmp_path):
    """And goes on doing so when a status could not be written."""
    for port_id, is_up in (("one", True), ("broken", True), ("one", False)):
        signals.report(tmp_path, port_id, is_up=is_up)
    process.wait_until(
        lambda: len(plugin.statuses) == 2, 5.0, "two statuses", 0.01
    )
    assert plugin.statuses == [("one", "ACTIVE"), ("one", "DOWN")]


def test_changes_are_told(driver, tmp_path):
    port = {"id": "one", "status": "DOWN", "revision_number": 1}
    moments = [signals.changed_at(tmp_path)]
    for call, context in (
        (driver.create_port_postcommit, None),
        (driver.update_port_postcommit, FakeUpdate(port, port | {"mac": 1})),
        (driver.delete_port_postcommit, None),
    ):
        call(context)
        moments.append(signals.changed_at(tmp_path))
    assert moments == sorted(set(moments))
    only_status = port | {"status": "ACTIVE", "revision_number": 2}
    driver.update_port_postcommit(FakeUpdate(port, only_status))
    assert signals.changed_at(tmp_path) == moments[-1]


def test_rules_of_groups_are_told(driver, tmp_path):
    """By Neutron's own call-backs."""
    for resource, event in (
        (resources.SECURITY_GROUP_RULE, events.AFTER_CREATE),
        (resources.SECURITY_GROUP_RULE, events.AFTER_DELETE),
        (resources.SECURITY_GROUP, events.AFTER_DELETE),
    ):
        before = signals.changed_at(tmp_path)
        registry.publish(resource, event, None, payload=None)
        assert signals.changed_at(tmp_path) > before, resource


def test_report_to_nobody_is_lost_quietly(tmp_path):
    signals.report(tmp_path, "one", is_up=True)
    assert signals.changed_at(tmp_path) == 0


def test_nonsense_is_skipped(tmp_path):
    heard = []
    thread = threading.Thread(
        target=lambda: heard.append(next(signals.reports(tmp_path))),
        daemon=True,
    )
    thread.start()
    target = tmp_path / signals.SOCKET
    process.wait_until(target.exists, 5.0, "it listens", 0.01)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        for message in (b"nonsense", b"{}", b"[1]"):
            sender.sendto(message, str(target))
    signals.report(tmp_path, "one", is_up=True)
    thread.join(5.0)
    assert heard == [("one", True)]
