# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Content that Octavia 19's API takes and HAProxy 2.6 of Debian 12 refuses.

Each row was seen: ``POST`` or ``PUT`` answered 200 or 201, Octavia's own
templates rendered it, and ``haproxy -c`` said ``alert`` of the file.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Attributes of one object, and a part of HAProxy's ALERT line."""

    kind: str  # the root element of its body
    attributes: dict[str, Any]
    alert: str
    # What the file would have to be instead is known: a right rendering
    # carries the value, and no refusal is needed.
    is_carried: bool = False


def _rule(value: str, alert: str, **more: Any) -> Refused:
    is_carried = bool(more.pop("is_carried", False))
    attributes = {"type": "PATH", "compare_type": "REGEX", "value": value}
    return Refused(
        kind="rule",
        attributes=attributes | more,
        alert=alert,
        is_carried=is_carried,
    )


def _one(kind: str, alert: str, **attributes: Any) -> Refused:
    return Refused(kind=kind, attributes=attributes, alert=alert)


_NO_ACL = "error detected while parsing ACL"
_NUMBER = "is not a number"
_TIMER = "timer overflow in argument"
_CIPHERS = "unable to set SSL cipher list to"
_CODES = "expects a <pattern> as argument"
TLS_CIPHERS = (
    "FOO",
    "TLS_FOO",
    "TLS_AES_128_GCM_SHA256:TLS_FOO",
    "TLS_AES_128_GCM_SHA256:@SECLEVEL=1",
    "HIGH:@SECLEVEL=9",
    "ALL:@SECLEVEL=x",
    "@SECLEVEL=0",
    "@STRENGTH",
    "-ALL",
    "!ALL",
    "=",
    "+",
    "AES+GCM",
    "RC4-MD5",
    "PROFILE=SYSTEM",
)
REFUSED: tuple[Refused, ...] = (
    _rule(r"\u0041", "PCRE2 does not support"),
    _rule(r"[\u0041]", "PCRE2 does not support"),
    _rule(r"\U00000041", "PCRE2 does not support"),
    _rule(r"[[:foo:]]", "unknown POSIX class name"),
    _rule(r"a{65536}", "number too big in {} quantifier"),
    _rule(r"a{1,70000}", "number too big in {} quantifier"),
    _rule(r"\u0041", "PCRE2 does not support", type="HOST_NAME"),
    _rule(r"\u0041", "PCRE2 does not support", type="FILE_TYPE"),
    _rule(r"\u0041", "PCRE2 does not support", type="HEADER", key="X"),
    _rule(r"\u0041", "PCRE2 does not support", type="COOKIE", key="X"),
    _rule(r"\u0041", "PCRE2 does not support", type="SSL_DN_FIELD", key="CN"),
    _rule(r"(?P<n>a)", "unrecognized character after (?P", is_carried=True),
    _rule(r"(?#c)x", "missing closing parenthesis", is_carried=True),
    _rule(r"a\#b", "\\ at end of pattern", is_carried=True),
    _rule("-f", "failed to open pattern file", is_carried=True),
    _rule("-m", "unknown matching method", is_carried=True),
    _rule("a\0b", "Stray NUL character"),
    _rule("x", _NO_ACL, type="HEADER", key="X'A"),
    _rule("x", _NO_ACL, type="HEADER", key="a,b"),
    _rule("x", _NO_ACL, type="COOKIE", key="X'A"),
    _rule("x", _NO_ACL, type="COOKIE", key="a,b"),
    _rule("x", _NO_ACL, type="HEADER", key="X#A", is_carried=True),
    _rule("x", _NO_ACL, type="COOKIE", key="X#A", is_carried=True),
    *(
        _rule(
            value, _NUMBER, type="SSL_VERIFY_RESULT", compare_type="EQUAL_TO"
        )
        for value in ("9223372036854775808", "\u0663")
    ),
    *(
        _one(kind, _CIPHERS, tls_ciphers=ciphers)
        for kind in ("listener", "pool")
        for ciphers in TLS_CIPHERS
    ),
    _one(
        "listener", "all SSL/TLS versions are disabled", tls_versions=["TLSv1"]
    ),
    _one(
        "listener", "all SSL/TLS versions are disabled", tls_versions=["SSLv3"]
    ),
    _one("pool", "all SSL/TLS versions are disabled", tls_versions=["SSLv3"]),
    _one("healthmonitor", _CODES, expected_codes="999-100"),
    _one("healthmonitor", _CODES, expected_codes="204-200"),
    _one("healthmonitor", "invalid value 0 for argument 'inter'", delay=0),
    _one("healthmonitor", _TIMER, delay=2147484),
    _one("healthmonitor", _TIMER, delay=31536000),
    _one("healthmonitor", _TIMER, timeout=2147484),
    Refused(
        kind="healthmonitor",
        attributes={"expected_codes": "200 , 201 , 202"},
        alert="'http-check expect'",
        is_carried=True,
    ),
    Refused(
        kind="healthmonitor",
        attributes={"expected_codes": "200 ,\n201"},
        alert="unknown keyword '201'",
    ),
    Refused(
        kind="pool",
        attributes={
            "session_persistence": {
                "type": "APP_COOKIE",
                "cookie_name": "a'b",
            }
        },
        alert="expected ')'",
    ),
    Refused(
        kind="pool",
        attributes={
            "session_persistence": {
                "type": "APP_COOKIE",
                "cookie_name": "a#b",
            }
        },
        alert="expected ')'",
        is_carried=True,
    ),
    Refused(
        kind="member",
        attributes={"monitor_address": "fe80::1"},
        alert="'addr' : invalid address",
        is_carried=True,
    ),
    Refused(
        kind="l7policy",
        attributes={"redirect_url": "https://example.org/a\\"},
        alert="while parsing redirect rule",
        is_carried=True,
    ),
)
