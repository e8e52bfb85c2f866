# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's HAProxy templates, with each user's text quoted for HAProxy.

Octavia renders with HTML escapes: ``&`` becomes ``&amp;``, and the ``#`` of
``&#39;`` begins a comment, which ends the line there. So does a plain ``#``: a
redirect to ``https://example.org/#top`` loses its condition, and all requests
are redirected (ADR 0095).

Layer: octavia_adapter.
"""

import os
import re
from functools import cache
from typing import Any

import jinja2
from octavia.common import utils as octavia_utils
from octavia.common.jinja.haproxy.combined_listeners import jinja_cfg
from oslo_utils import versionutils

# What HAProxy does not take as it is in a word (its manual, 2.2).
_SPECIAL = re.compile(r"[\s#\\\"']")
_GLOBAL = re.compile(r"^global\n", re.M)


def word(text: str) -> str:
    """Write a text as one word of HAProxy's configuration.

    The text has no NUL and no end of line; quotes cannot hold these.
    """
    if not _SPECIAL.search(text):
        return text
    return "'" + text.replace("'", r"'\''") + "'"


def pattern(text: str) -> str:
    """Write a text as a pattern of an ACL, never as one of its flags."""
    return f"-- {word(text)}" if text.startswith("-") else word(text)


def argument(text: str) -> str:
    """Write a text between the parentheses of a fetch method."""
    return text.replace("#", r"\#")


class Templater(jinja_cfg.JinjaTemplater):
    """Octavia's templater; only texts that need quotes come out changed."""

    @classmethod
    def of(cls, stock: Any) -> Any:
        """Make one with the attributes of Octavia's own."""
        templater = cls.__new__(cls)
        templater.__dict__.update(vars(stock))
        return templater

    def build_config(
        self,
        host_amphora: Any,
        listeners: Any,
        tls_certs: Any,
        haproxy_versions: Any,
        *args: Any,
    ) -> str:
        """Render, with an option that lets HAProxy start with fewer files.

        Without it, HAProxy does not start if the connection limits of all
        listeners need more open files than the system allows.
        """
        text = super().build_config(
            host_amphora, listeners, tls_certs, haproxy_versions, *args
        )
        version = ".".join(haproxy_versions)
        if not versionutils.is_compatible("2.2.0", version, same_major=False):
            return str(text)
        return _GLOBAL.sub(r"\g<0>    no strict-limits\n", text, count=1)

    def _get_template(self) -> Any:
        return _environment(
            os.path.dirname(self.haproxy_template)
        ).get_template(os.path.basename(self.haproxy_template))

    @staticmethod
    def _escape_haproxy_config_string(value: str) -> str:
        return pattern(value)

    def _transform_l7rule(self, l7rule: Any, *args: Any) -> Any:
        found = super()._transform_l7rule(l7rule, *args)
        return _changed(found, argument, "key")

    def _transform_l7policy(self, l7policy: Any, *args: Any) -> Any:
        found = super()._transform_l7policy(l7policy, *args)
        return _changed(found, word, "redirect_url", "redirect_prefix")

    def _transform_health_monitor(self, monitor: Any, *args: Any) -> Any:
        found = super()._transform_health_monitor(monitor, *args)
        found = _changed(found, word, "url_path")
        return _changed(found, _codes, "expected_codes")

    def _transform_session_persistence(
        self, persistence: Any, *args: Any
    ) -> Any:
        found = super()._transform_session_persistence(persistence, *args)
        return _changed(found, argument, "cookie_name")

    def _transform_member(self, member: Any, *args: Any) -> Any:
        found = super()._transform_member(member, *args)
        return _changed(found, _address, "monitor_address")


def _codes(text: str) -> str:
    """Write alternatives of a regular expression, always in one order."""
    return "|".join(sorted(code.strip() for code in text.split("|")))


def _address(text: str) -> str:
    return f"[{text}]" if ":" in text else text


def _changed(found: Any, write: Any, *names: str) -> Any:
    return found | {name: write(found[name]) for name in names if found[name]}


@cache
def _environment(directory: str) -> jinja2.Environment:
    environment = jinja2.Environment(
        autoescape=False,
        loader=jinja2.FileSystemLoader(searchpath=directory),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["hash_amp_id"] = octavia_utils.base64_sha1_string
    return environment
