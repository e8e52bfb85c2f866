# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Python reads this before anything else, where libfaketime is preloaded.

That of Debian 12 refuses clock_nanosleep, by which ``time.sleep`` sleeps; by
``select`` it can.
"""

import select
import time
import typing


def _sleep(seconds: typing.SupportsIndex | float) -> None:
    select.select([], [], [], float(seconds))


time.sleep = _sleep
