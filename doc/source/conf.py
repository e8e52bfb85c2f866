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
    "cliff.sphinxext",
    "fabric_configuration",
    "openapi_reference",
    "oslo_config.sphinxext",
    "oslo_policy.sphinxext",
    "reno.sphinxext",
    "sphinx.ext.autodoc",
]
exclude_patterns = []
nitpicky = True
# Of the client's base classes.
nitpick_ignore_regex = [("py:.*", r"(openstack|collections)\..*")]
autodoc_class_signature = "separated"
# How openstacksdk makes a request of a resource.
autodoc_default_options = {
    "exclude-members": "allow_commit, allow_create, allow_delete, "
    "allow_fetch, allow_list, base_path, find, kind, register, request, "
    "requires_id, resource_key, resources_key, unregister",
}
# Every command that prints has these.
autoprogram_cliff_ignored = [
    "--help",
    "--format",
    "--column",
    "--noindent",
    "--quote",
    "--variable",
    "--prefix",
    "--max-width",
    "--fit-width",
    "--print-empty",
    "--sort-column",
    "--sort-ascending",
    "--sort-descending",
]
html_theme = "alabaster"
html_theme_options = {
    "description": "Active-active load balancing for OpenStack Octavia",
    "fixed_sidebar": True,
}
html_show_sphinx = False
