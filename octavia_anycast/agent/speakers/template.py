# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Templates of the daemons' configuration files.

Layer: agent. Pure, but for reading the template.
"""

from functools import cache
from importlib import resources
from typing import Any


@cache
def load(name: str) -> Any:
    """Read the template of that file name."""
    # Late: Jinja2 takes longer to import than the rest of the agent.
    from jinja2 import Environment, StrictUndefined

    source = resources.files("octavia_anycast.agent") / "templates"
    environment = Environment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.from_string((source / name).read_text(encoding="utf-8"))
