# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The settings that an operator gets who wrote some options into a file."""

from oslo_config import cfg

from octavia_anycast import options


def read(**values: object) -> options.Settings:
    """Read the options, these ones with these values.

    :raises ValueError: oslo.config refuses a value.
    :raises InvalidRequest: options contradict one another.
    """
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[])
    options.register(conf)
    for name, value in values.items():
        conf.set_override(name, value, group=options.GROUP)
    return options.read(conf)
