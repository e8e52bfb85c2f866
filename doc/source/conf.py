# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Sphinx: `make docs`. Warnings are errors there."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "doc" / "ext"))
sys.path.insert(0, str(ROOT))

project = "octavia-anycast"
author = "The octavia-anycast authors"
copyright = "2026, The octavia-anycast authors"

extensions = [
    "anycast_reference",
    "fabric_configuration",
    "oslo_config.sphinxext",
    "oslo_policy.sphinxext",
    "reno.sphinxext",
]
exclude_patterns = []
nitpicky = True
html_theme = "alabaster"
html_theme_options = {
    "description": "Active-active load balancing for OpenStack Octavia",
    "fixed_sidebar": True,
}
html_show_sphinx = False
