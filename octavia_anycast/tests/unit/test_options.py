# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What tests take for granted is what operators get."""

from operator import attrgetter

import pytest
from oslo_config import cfg, generator

from octavia_anycast import options
from octavia_anycast.model.cluster import ClusterPolicy
from octavia_anycast.model.errors import InvalidRequest


def read(**values):
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[])
    options.register(conf)
    for name, value in values.items():
        conf.set_override(name, value, group=options.GROUP)
    return options.read(conf)


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
        ("dead_after", 7.5, "policy.dead_after", 7.5),
        ("gate_fall_count", 4, "policy.gate.fall_count", 4),
        ("gate_request_path", "/up", "policy.gate.request.path", "/up"),
    ],
)
def test_what_an_operator_sets_is_read(name, value, path, expected):
    assert attrgetter(path)(read(**{name: value})) == expected


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


def test_a_port_is_one():
    (option,) = (o for o in options.OPTIONS if o.name == "heartbeat_bind_port")

    assert isinstance(option, cfg.PortOpt)
