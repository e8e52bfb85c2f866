# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What HAProxy would refuse, and how text is written for it."""

import ctypes
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavia_anycast.model.errors import InvalidValue
from octavia_anycast.octavia_adapter import compat
from octavia_anycast.octavia_adapter.haproxy_syntax import content, pcre2
from octavia_anycast.octavia_adapter.haproxy_syntax.templates import (
    pattern,
    word,
)
from octavia_anycast.testing.nasty_content import REFUSED

KINDS = {"rule": "l7rule"}
MEANT = {
    "l7rule": [
        {"type": "PATH", "compare_type": "REGEX", "value": value}
        for value in (
            "^/a/[0-9]+$",
            "(?i)x",
            "a++",
            "(?P<n>a)",
            "[[:alpha:]]",
            "é",
        )
    ]
    + [
        {"type": "PATH", "compare_type": "STARTS_WITH", "value": r"\u0041"},
        {
            "type": "COOKIE",
            "compare_type": "EQUAL_TO",
            "key": "a",
            "value": "b",
        },
        {
            "type": "SSL_VERIFY_RESULT",
            "compare_type": "EQUAL_TO",
            "value": "9223372036854775807",
        },
    ],
    "healthmonitor": [
        {"delay": 1, "timeout": 0},
        {"delay": 2147483, "timeout": 2147483},
        {"expected_codes": "200, 201"},
        {"expected_codes": "200-204"},
        {"url_path": "/a?b=c#d"},
    ],
    "listener": [
        {"tls_ciphers": "HIGH:!aNULL"},
        {"tls_ciphers": "FOO:ECDHE-RSA-AES128-GCM-SHA256"},
        {"tls_versions": ["TLSv1", "TLSv1.2"]},
        {"tls_versions": None, "tls_ciphers": None},
    ],
    "pool": [
        {"tls_versions": ["TLSv1"]},
        {"session_persistence": None},
        {
            "session_persistence": {
                "type": "APP_COOKIE",
                "cookie_name": "a#b",
            }
        },
    ],
}


@pytest.mark.parametrize(
    "row",
    [row for row in REFUSED if not row.is_carried],
    ids=lambda row: f"{row.kind} {row.attributes}",
)
def test_what_haproxy_refuses_is_refused(row):
    with pytest.raises(InvalidValue) as refused:
        content.check(KINDS.get(row.kind, row.kind), row.attributes)

    assert refused.value.field.split(".")[0] in row.attributes


@pytest.mark.parametrize(
    ("kind", "document"),
    [(kind, document) for kind, many in MEANT.items() for document in many],
)
def test_what_haproxy_takes_is_taken(kind, document):
    content.check(kind, document)


@pytest.mark.parametrize(
    "document",
    [
        {"tls_ciphers": "TLS_AES_128_GCM_SHA256"},
        {"tls_ciphers": "FOO", "tls_versions": ["TLSv1.3"]},
    ],
)
def test_ciphers_of_tls_1_3_are_taken_where_octavia_tells_them_apart(document):
    """Octavia 18 hands them to HAProxy as older ones, which it refuses."""
    if compat.tls13_ciphers() is not None:
        content.check("listener", document)
    else:
        with pytest.raises(InvalidValue, match=r"cannot choose those of TLS"):
            content.check("listener", document)


def test_a_change_is_checked_with_what_stays():
    before = {"type": "PATH", "compare_type": "REGEX", "value": "x"}

    with pytest.raises(InvalidValue, match=r"^value: .*PCRE2"):
        content.check("l7rule", {"value": r"\u0041"}, before)
    with pytest.raises(InvalidValue):
        content.check(
            "l7rule",
            {"compare_type": "REGEX"},
            before | {"compare_type": "EQUAL_TO", "value": r"\u0041"},
        )


def test_what_was_stored_before_does_not_hinder_another_change():
    before = {"type": "PATH", "compare_type": "REGEX", "value": r"\u0041"}

    content.check("l7rule", {"name": "a"}, before)


def test_a_tree_is_checked_to_its_leaves():
    rule = {"type": "PATH", "compare_type": "REGEX", "value": "a\n  deny"}
    tree = {"listeners": [{}, {"l7policies": [{"rules": [rule]}]}]}

    with pytest.raises(InvalidValue) as refused:
        content.check("load_balancer", tree)

    assert refused.value.field == "listeners[1].l7policies[0].rules[0].value"


def test_without_the_library_nothing_is_checked(monkeypatch, caplog):
    def missing(name):
        raise OSError(f"{name}: cannot open shared object file")

    pcre2._library.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", missing)
    try:
        assert pcre2.complaint_about(r"\u0041") is None
        assert pcre2.complaint_about("(") is None
    finally:
        pcre2._library.cache_clear()

    assert caplog.text.count("libpcre2-8-0") == 1


@given(st.text(st.characters(exclude_characters="\0\r\n", codec="utf-8")))
def test_a_word_is_read_as_it_was_meant(text):
    """A shell has the quotes of HAProxy, and its comments."""
    if text:
        assert shlex.split(word(text), comments=True) == [text]


@given(st.text(st.characters(exclude_characters="\0\r\n", codec="utf-8")))
def test_a_pattern_is_never_a_flag(text):
    if text:
        first, *rest = shlex.split(pattern(text), comments=True)
        assert not first.startswith("-") or (first, rest) == ("--", [text])
