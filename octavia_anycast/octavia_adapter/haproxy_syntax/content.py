# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Refuse attributes that HAProxy would refuse, before they are stored.

Every attribute whose text or number reaches HAProxy's configuration is checked
with the libraries that HAProxy uses (PCRE2, OpenSSL). What depends on the
amphora's image is found when the amphora refuses the file.

Objects are mappings of attribute -> value, as ``to_dict`` of Octavia's API
types and of octavia_lib's data models makes them.

Layer: octavia_adapter.
"""

import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from octavia.common import constants
from octavia.common import utils as octavia_utils
from octavia_lib.common import constants as lib_constants

from octavia_anycast.model.errors import InvalidValue
from octavia_anycast.octavia_adapter import compat
from octavia_anycast.octavia_adapter.haproxy_syntax import pcre2

Document = Mapping[str, Any]
# A check of an object as it will be: yields (attribute, what is wrong).
Check = Callable[[Document], Iterator[tuple[str, str]]]

# HAProxy counts in milliseconds, in 31 bits: 24.8 days.
SECONDS_MAX = (2**31 - 1) // 1000
_INTEGER_MAX = 2**63 - 1
_ENDS_A_LINE = re.compile(r"[\0\r\n]")
_NEVER_IN_ARGUMENTS = re.compile(r"[',]")
_SSL_3 = lib_constants.SSL_VERSION_3
_NEW_TLS = frozenset(
    (lib_constants.TLS_VERSION_1_2, lib_constants.TLS_VERSION_1_3)
)
_NUMBER = re.compile(r"[0-9]+")


def check(kind: str, given: Document, before: Document | None = None) -> None:
    """Check what is given for an object, and all objects below it.

    :param kind: as in ``CHECKS``
    :param given: the attributes of the request
    :param before: those that the object has, if it exists
    :raises InvalidValue: naming the attribute, with its path in the request.
    """
    whole = {**(before or {}), **given}
    for names, run in CHECKS.get(kind, ()):
        if all(given.get(name) is None for name in names):
            continue
        for attribute, complaint in run(whole):
            raise InvalidValue(attribute, complaint)
    for name, below in _BELOW.items():
        _check_below(name, below, given.get(name))


def _check_below(name: str, kind: str, value: Any) -> None:
    many = isinstance(value, list)
    for number, document in enumerate(value if many else [value]):
        if not isinstance(document, Mapping):
            continue
        try:
            check(kind, document)
        except InvalidValue as e:
            said = _SAID.get(name, name)
            path = f"{said}[{number}]" if many else said
            raise InvalidValue(f"{path}.{e.field}", e.reason) from e


def _texts(*names: str) -> Check:
    """Check that texts stay in their line, and add no directive."""

    def run(whole: Document) -> Iterator[tuple[str, str]]:
        for name in names:
            if _ENDS_A_LINE.search(str(whole.get(name) or "")):
                yield name, "it must not contain an end of line or NUL"

    return run


def _seconds(name: str, minimum: int) -> Check:
    def run(whole: Document) -> Iterator[tuple[str, str]]:
        value = whole.get(name)
        if isinstance(value, int) and not minimum <= value <= SECONDS_MAX:
            yield (
                name,
                f"HAProxy takes {minimum} to {SECONDS_MAX} seconds, "
                f"not {value}",
            )

    return run


def _key(whole: Document) -> Iterator[tuple[str, str]]:
    found = _NEVER_IN_ARGUMENTS.search(str(whole.get("key") or ""))
    if found:
        yield "key", f"HAProxy does not take the character {found[0]} in it"


def _value(whole: Document) -> Iterator[tuple[str, str]]:
    value = str(whole.get("value") or "")
    if whole.get("compare_type") == constants.L7RULE_COMPARE_TYPE_REGEX:
        complaint = pcre2.complaint_about(
            value,
            ignores_case=whole.get("type") == constants.L7RULE_TYPE_HOST_NAME,
        )
        if complaint:
            yield (
                "value",
                f"HAProxy's library of regular expressions (PCRE2) refuses "
                f"{value!r}: {complaint}",
            )
    if whole.get("type") == constants.L7RULE_TYPE_SSL_VERIFY_RESULT and (
        not _NUMBER.fullmatch(value) or int(value) > _INTEGER_MAX
    ):
        yield "value", f"HAProxy takes a number of 0 to {_INTEGER_MAX}"


def _codes(whole: Document) -> Iterator[tuple[str, str]]:
    codes = str(whole.get("expected_codes") or "")
    if not codes:
        return
    if not codes.isascii() or not octavia_utils.expand_expected_codes(codes):
        yield "expected_codes", f"{codes!r} contains no HTTP status"


def _cookie(whole: Document) -> Iterator[tuple[str, str]]:
    persistence = whole.get("session_persistence")
    if not isinstance(persistence, Mapping):
        return
    name = str(persistence.get("cookie_name") or "")
    if "'" in name or _ENDS_A_LINE.search(name):
        yield (
            "session_persistence.cookie_name",
            "HAProxy does not take a single quote in it",
        )


def _ciphers(whole: Document) -> Iterator[tuple[str, str]]:
    """Ask OpenSSL about the ciphers, in the order of Octavia's template."""
    older = compat.older_ciphers(
        str(whole.get("tls_ciphers") or ""), whole.get("tls_versions")
    )
    if not older:
        return
    try:
        _context().set_ciphers(older)
    except (ssl.SSLError, ValueError):
        yield (
            "tls_ciphers",
            f"OpenSSL takes no cipher from {older[:200]!r}; {_of_tls13()}",
        )


def _of_tls13() -> str:
    """What to say of the ciphers of TLS 1.3."""
    names = compat.tls13_ciphers()
    if names is None:
        return "this release of Octavia cannot choose those of TLS 1.3"
    return f"for TLS 1.3 it knows {', '.join(sorted(names))}"


def _listener_versions(whole: Document) -> Iterator[tuple[str, str]]:
    versions = whole.get("tls_versions")
    if versions and not set(versions) & _NEW_TLS:
        yield (
            "tls_versions",
            "HAProxy serves TLSv1.2 and TLSv1.3; older versions only together "
            "with one of them",
        )


def _pool_versions(whole: Document) -> Iterator[tuple[str, str]]:
    versions = whole.get("tls_versions")
    if versions and set(versions) == {_SSL_3}:
        yield "tls_versions", "OpenSSL does not support SSLv3 any more"


@cache
def _context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


_RULE = ("type", "compare_type", "key", "value")
_TLS = ("tls_ciphers", "tls_versions")
# kind -> (attributes, check): checked if one of the attributes is given.
CHECKS: dict[str, tuple[tuple[tuple[str, ...], Check], ...]] = {
    "listener": ((_TLS, _ciphers), (("tls_versions",), _listener_versions)),
    "pool": (
        (_TLS, _ciphers),
        (("tls_versions",), _pool_versions),
        (("session_persistence",), _cookie),
    ),
    "healthmonitor": (
        (("delay",), _seconds("delay", 1)),
        (("timeout",), _seconds("timeout", 0)),
        (("expected_codes",), _texts("expected_codes")),
        (("expected_codes",), _codes),
        (("url_path",), _texts("url_path")),
        (("domain_name",), _texts("domain_name")),
    ),
    "l7policy": (
        (("redirect_url",), _texts("redirect_url")),
        (("redirect_prefix",), _texts("redirect_prefix")),
    ),
    "l7rule": (
        (_RULE, _texts("key", "value")),
        (_RULE, _key),
        (_RULE, _value),
    ),
}
# attribute -> kind of the objects in it; some have two names in Octavia.
_BELOW = {
    "listeners": "listener",
    "pools": "pool",
    "default_pool": "pool",
    "redirect_pool": "pool",
    "l7policies": "l7policy",
    "l7rules": "l7rule",
    "rules": "l7rule",
    "healthmonitor": "healthmonitor",
    "health_monitor": "healthmonitor",
}
# attribute in Octavia's models -> in the request
_SAID = {"l7rules": "rules", "health_monitor": "healthmonitor"}
