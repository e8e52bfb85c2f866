# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What tests take for granted is what operators get."""

from operator import attrgetter

import pytest
from oslo_config import cfg, generator

from octavia_anycast import options
from octavia_anycast.model.cluster import ClusterPolicy
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.testing.operator_settings import read

DAY = 86_400.0


def test_the_model_has_the_values_of_the_options() -> None:
    assert read().policy == ClusterPolicy()


@pytest.mark.parametrize(
    ("name", "value", "path", "expected"),
    [
        ("connection", "sqlite://", "connection", "sqlite://"),
        ("workers", 3, "workers", 3),
        ("metrics_bind_port", 9180, "metrics_bind_port", 9180),
        (
            "frontend_security_groups",
            ["a"],
            "frontend_security_groups",
            ("a",),
        ),
        ("cluster_max_size", 5, "size.maximum", 5),
        ("rest_interval", 300.0, "rest_interval", 300.0),
        ("dead_after", 7.5, "policy.dead_after", 7.5),
        ("gate_fall_count", 4, "policy.gate.fall_count", 4),
        ("gate_request_path", "/up", "policy.gate.request.path", "/up"),
    ],
)
def test_what_an_operator_sets_is_read(name, value, path, expected):
    assert attrgetter(path)(read(**{name: value})) == expected


@pytest.mark.parametrize("name", ["udp_allowed", "udp_supported"])
@pytest.mark.parametrize(
    ("value", "expected"), [("false", False), ("1", True)]
)
def test_udp_is_forbidden_by_either_name(tmp_path, name, value, expected):
    path = tmp_path / "octavia.conf"
    path.write_text(f"[anycast]\n{name} = {value}\n")
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(path)])
    assert options.read(conf).udp_allowed is expected
    assert read().udp_allowed


def test_metrics_are_off_by_default():
    assert read().metrics_bind_port == 0
    assert read().metrics_bind_ip == "127.0.0.1"


def test_what_does_not_fit_is_named():
    with pytest.raises(InvalidRequest) as refused:
        read(gate_interval_ms=1)
    assert refused.value.field == "gate_interval_ms"


def test_a_file_with_every_default_says_what_none_says(tmp_path):
    """The sample has each default behind a #."""
    sample, used = tmp_path / "sample", tmp_path / "used.conf"
    generator.main(
        ["--namespace", "octavia_anycast", "--output-file", str(sample)]
    )
    lines = (
        line.removeprefix("#")
        for line in sample.read_text().splitlines()
        if not line.startswith("# ") and not line.endswith("<None>")
    )
    used.write_text("\n".join(lines))
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(used)])

    assert options.read(conf) == read()
    assert conf.anycast.heartbeat_controllers == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("heartbeat_bind_port", "70000"),
        ("metrics_bind_port", "x"),
        ("heartbeat_bind_ip", "localhost"),
        ("metrics_bind_ip", ""),
        ("metrics_bind_ip", "192.0.2.0/24"),
        ("metrics_per_load_balancer", "maybe"),
        ("picture_hosts", "proxy.example:443"),
        ("picture_hosts", "https://proxy.example"),
        ("picture_hosts", "proxy.example,two words"),
        ("picture_hosts", "*"),
        ("workers", "0"),
        ("poll_interval", "soon"),
        ("gate_request_method", "POST"),
    ],
)
def test_a_value_that_is_none_is_refused_by_its_name(tmp_path, name, value):
    """An address is no name, which may change, nor nothing: that is any."""
    written = tmp_path / "octavia.conf"
    written.write_text(f"[anycast]\n{name} = {value}\n")
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(written)])
    with pytest.raises(InvalidRequest) as refused:
        options.read(conf)
    assert refused.value.field == name
    assert refused.value.reason
    assert str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize("name", ["heartbeat_bind_ip", "metrics_bind_ip"])
@pytest.mark.parametrize(
    "value", ["192.0.2.1", "2001:db8::1", "0.0.0.0", "::"]
)
def test_an_address_to_bind_is_of_either_family(name, value):
    assert getattr(read(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("validity_days", "expected_days"), [(30, 14), (28, 14), (10, 5), (1, 0.5)]
)
def test_the_doctor_waits_for_a_certificate_until_it_is_due(
    validity_days, expected_days
):
    """Rotation waits for half the validity, if that is less than the buffer.

    Three searches may go by.
    """
    limits = read().doctor_limits(validity_days * DAY)
    assert limits.certificate_left == expected_days * DAY - 3 * 3600


def test_of_certificates_that_are_short_the_doctor_waits_for_the_end():
    assert read().doctor_limits(3600).certificate_left == 0


@pytest.mark.parametrize(
    ("controllers", "expected"),
    [
        ([], 3 * (9 + 10)),  # each resync
        (["192.0.2.1:5556"] * 3, 3 * (9 + 10)),
        (["192.0.2.1:5556"] * 5, 3 * (9 + 15)),  # each fifth heartbeat
    ],
)
def test_a_report_is_old_when_three_confirmations_are_missing(
    controllers, expected
):
    found = read(heartbeat_controllers=controllers)
    assert found.report_stale_after == expected
