# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What speakerd tells the process of metrics."""

import os
import threading
from dataclasses import replace
from ipaddress import ip_address

import pytest

from octavia_anycast.agent.tenant_metrics import told as files
from octavia_anycast.agent.tenant_metrics.watch import FileWatch
from octavia_anycast.model.wire import MetricsMember, TenantMetrics
from octavia_anycast.tests.unit.agent.states import AMPHORA, state

METRICS = TenantMetrics(
    members=(
        MetricsMember(
            id=AMPHORA, zone="rack1", addresses=(ip_address("10.1.0.5"),)
        ),
    ),
    authority="-----BEGIN CERTIFICATE-----\n",
)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "run" / "metrics.json")


@pytest.fixture
def teller(path):
    return files.Teller(path, AMPHORA, "/etc/octavia/certs/server.pem")


def test_nothing_was_told_yet(path):
    assert files.read(path) is None


def test_what_is_told_is_read(path, teller):
    teller.tell(None)
    found = files.read(path)
    assert (found.amphora_id, found.members, found.addresses) == (
        AMPHORA,
        (),
        (),
    )
    teller.tell(replace(state(), tenant_metrics=METRICS))
    found = files.read(path)
    assert found.tenant_metrics == METRICS
    assert (found.zone, found.others) == ("rack1", ())
    assert found.addresses == (ip_address("10.1.0.5"),)


def test_what_was_told_stays_until_a_state_is_restored(path, teller):
    """A scrape while speakerd starts is answered as before."""
    teller.tell(replace(state(), tenant_metrics=METRICS))
    again = files.Teller(path, AMPHORA, "/etc/octavia/certs/server.pem")
    assert files.read(path).tenant_metrics == METRICS
    again.tell(replace(state(), tenant_metrics=METRICS))
    again.begin()
    assert files.read(path).tenant_metrics == METRICS
    without = files.Teller(path, AMPHORA, "/etc/octavia/certs/server.pem")
    without.begin()
    assert files.read(path).tenant_metrics is None


def test_no_password_is_told_and_nobody_else_may_read_it(path, teller):
    full = replace(state(), tenant_metrics=METRICS)
    teller.tell(full)
    passwords = [p.password for _, p in full.peers() if p.password]
    assert passwords
    with open(path) as stream:
        text = stream.read()
    assert not [password for password in passwords if password in text]
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_a_state_that_says_the_same_is_not_written_again(path, teller):
    teller.tell(replace(state(), tenant_metrics=METRICS))
    os.unlink(path)
    teller.tell(replace(state(revision="r9"), tenant_metrics=METRICS))
    assert not os.path.exists(path)


def test_a_file_that_cannot_be_written_is_tried_again(tmp_path, caplog):
    blocked = tmp_path / "run"
    blocked.write_text("no folder")
    path = str(blocked / "metrics.json")
    teller = files.Teller(path, AMPHORA, "/etc/octavia/certs/server.pem")
    teller.tell(None)
    assert "cannot" in caplog.text or "go on with" in caplog.text
    blocked.unlink()
    teller.tell(None)
    assert files.read(path).amphora_id == AMPHORA


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"amphora_id": 3}', "\0"])
def test_a_file_that_is_nonsense_says_nothing(path, teller, text, caplog):
    teller.tell(None)
    with open(path, "w") as stream:
        stream.write(text)
    assert files.read(path) is None
    assert "cannot be used" in caplog.text


def test_a_watch_tells_of_each_replacement_and_of_no_other_file(path, teller):
    watch = FileWatch(path)
    seen = []

    def wait():
        while len(seen) < 2:
            watch.wait()
            seen.append(files.read(path))

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    other = f"{path}.other"
    with open(other, "w"):
        pass
    os.rename(other, f"{path}.another")
    teller.tell(None)
    while not seen:
        thread.join(0.01)
    assert [found.tenant_metrics for found in seen] == [None]
    teller.tell(replace(state(), tenant_metrics=METRICS))
    thread.join(10)
    assert seen[1].tenant_metrics == METRICS
    watch.close()
