# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Compile a regular expression as HAProxy does, with its library PCRE2.

Octavia's API compiles it with Python's ``re``, whose syntax differs. The
library comes with Debian (libpcre2-8-0); where it is missing, nothing is
checked.

Layer: octavia_adapter.
"""

import ctypes
from functools import cache
from typing import Any

from oslo_log import log as logging

LOG = logging.getLogger(__name__)
LIBRARY = "libpcre2-8.so.0"
# HAProxy's regex_comp() with these options (pcre2.h).
_CASELESS = 0x00000008
_NO_AUTO_CAPTURE = 0x00002000
_JIT_COMPLETE = 0x00000001
_ERROR_JIT_BADOPTION = -45
_MESSAGE_LENGTH = 256


def complaint_about(pattern: str, *, ignores_case: bool = False) -> str | None:
    """Return why PCRE2 refuses a pattern; None: it takes it, or is missing.

    An ACL of HAProxy captures nothing, so a group has no number.
    """
    library = _library()
    if library is None:
        return None
    options = _NO_AUTO_CAPTURE | (_CASELESS if ignores_case else 0)
    data = pattern.encode()
    error, offset = ctypes.c_int(), ctypes.c_size_t()
    code = library.pcre2_compile_8(
        data,
        len(data),
        options,
        ctypes.byref(error),
        ctypes.byref(offset),
        None,
    )
    if not code:
        return f"{_message(library, error.value)} at byte {offset.value}"
    try:
        status = library.pcre2_jit_compile_8(code, _JIT_COMPLETE)
    finally:
        library.pcre2_code_free_8(code)
    if status < 0 and status != _ERROR_JIT_BADOPTION:
        return _message(library, status)
    return None


@cache
def _library() -> Any:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as e:
        LOG.warning(
            "Regular expressions of L7 rules are not checked with PCRE2: %s. "
            "Install the package libpcre2-8-0 on this host.",
            e,
        )
        return None
    library.pcre2_compile_8.restype = ctypes.c_void_p
    library.pcre2_compile_8.argtypes = (
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint32,
        ctypes.POINTER(ctypes.c_int),
        ctypes.POINTER(ctypes.c_size_t),
        ctypes.c_void_p,
    )
    library.pcre2_jit_compile_8.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
    library.pcre2_code_free_8.argtypes = (ctypes.c_void_p,)
    library.pcre2_code_free_8.restype = None
    return library


def _message(library: Any, number: int) -> str:
    buffer = ctypes.create_string_buffer(_MESSAGE_LENGTH)
    library.pcre2_get_error_message_8(
        ctypes.c_int(number), buffer, ctypes.c_size_t(_MESSAGE_LENGTH)
    )
    return buffer.value.decode(errors="replace")
