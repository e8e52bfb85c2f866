# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What a flavor may say of the health gate: the options, for one flavor."""

from typing import Any

from oslo_config import cfg

from octavia_anycast.gate_options import OPTIONS
from octavia_anycast.planning.amphora.gate_choice import KEYS


def _property(option: Any) -> dict[str, Any]:
    kind = "integer" if isinstance(option, cfg.IntOpt) else "string"
    return {
        "type": kind,
        "description": f"{option.help} Default: [anycast] {option.name}.",
    }


PROPERTIES: dict[str, dict[str, Any]] = {
    option.name: _property(option) for option in OPTIONS if option.name in KEYS
}
