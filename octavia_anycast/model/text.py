# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Texts of users: names and descriptions.

Layer: model. Pure.
"""

import unicodedata

from octavia_anycast.model.errors import InvalidRequest

TEXT_MAX_LENGTH = 255


def check_text(name: str, value: str | None) -> None:
    """Check that a text fits its column, and that it is one at all.

    :raises InvalidRequest: naming ``name``.
    """
    if value is None:
        return
    if len(value) > TEXT_MAX_LENGTH:
        raise InvalidRequest(
            name, f"it is longer than {TEXT_MAX_LENGTH} characters"
        )
    try:
        value.encode()
    except UnicodeEncodeError as e:
        raise InvalidRequest(name, "it is not valid Unicode") from e


def check_name(name: str, value: str | None) -> None:
    """Check a text of one line: no control characters.

    :raises InvalidRequest: naming ``name``.
    """
    check_text(name, value)
    if any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in value or ""):
        raise InvalidRequest(name, "it has a control character")


def check_place(name: str, value: str | None) -> None:
    """Check the name of an availability zone or host; None is any.

    :raises InvalidRequest: naming ``name``.
    """
    check_name(name, value)
    if value is not None and not value.strip():
        raise InvalidRequest(name, "it is empty; leave it out to mean any")
