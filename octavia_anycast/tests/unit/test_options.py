# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What tests take for granted is what operators get."""

from oslo_config import cfg

from octavia_anycast import options
from octavia_anycast.model.cluster import ClusterPolicy


def test_the_model_has_the_values_of_the_options() -> None:
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[])
    assert options.read(conf).policy == ClusterPolicy()
