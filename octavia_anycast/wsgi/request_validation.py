# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Requests of which Octavia's web framework would die: refused with 400.

Found by schemathesis: JSON that is nested a thousand deep, a multipart body
without a boundary, and an argument of lists that is given twice each raise an
exception that nobody catches, which the WSGI server answers with 500. A list
or a text where an object is due makes WSME itself answer 500.
"""

import re
from typing import Any
from urllib.parse import parse_qs

from webob import Request, Response

from octavia_anycast import log_lines

# Octavia reads each of them as one text.
ONCE = ("limit", "marker", "sort", "sort_key", "sort_dir", "page_reverse")
MULTIPART = "multipart/"
# What Python says when WSME reads another type of JSON as an object.
_NO_OBJECT = re.compile(
    r"'(list|str|int|float|bool)' object has no attribute 'keys'"
)
_JSON = {"list": "a list", "str": "a text", "bool": "true or false"}


def guarded(application: Any) -> Any:
    """An application that answers them."""

    def call(environ: dict[str, Any], start_response: Any) -> Any:
        complaint = complaint_about(environ)
        if complaint is None:
            try:
                with log_lines.serving(environ):
                    response = Request(environ).get_response(application)
            except RecursionError:
                complaint = "The body is nested too deeply."
            else:
                complaint = complaint_in(response)
                if complaint is None:
                    return response(environ, start_response)
        return _fault(complaint)(environ, start_response)

    return call


def complaint_about(environ: dict[str, Any]) -> str | None:
    """What is wrong with a request before its body is read; None: nothing."""
    if environ.get("CONTENT_TYPE", "").lower().startswith(MULTIPART):
        return "Content-Type: the body has to be application/json."
    given = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    for name in ONCE:
        if len(given.get(name, ())) > 1:
            return f"{name}: it is given more than once."
    return None


def complaint_in(response: Any) -> str | None:
    """What is wrong with a body on which WSME failed; None: it did not."""
    if response.status_int != 500:
        return None
    found = _NO_OBJECT.search(response.text)
    if found is None:
        return None
    what = _JSON.get(found[1], "a number")
    return f"The body has {what} where a JSON object is due."


def _fault(complaint: str) -> Any:
    return Response(
        status=400,
        json_body={
            "faultcode": "Client",
            "faultstring": complaint,
            "debuginfo": None,
        },
    )
