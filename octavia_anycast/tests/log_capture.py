# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The lines of a logger, as the product's daemons write them."""

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from oslo_config import cfg
from oslo_log import log as oslo_log

from octavia_anycast import log_lines


@contextmanager
def captured(log: Any) -> Iterator[Callable[[], list[str]]]:
    """Give a function: the lines since it was last called.

    :param log: of ``oslo_log.log.getLogger``
    """
    conf = cfg.ConfigOpts()
    oslo_log.register_options(conf)
    conf([])
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log_lines.Formatter(config=conf))
    level = log.logger.level
    log.logger.addHandler(handler)
    log.logger.setLevel(logging.INFO)

    def take() -> list[str]:
        text = stream.getvalue()
        stream.seek(0)
        stream.truncate()
        return text.splitlines()

    try:
        yield take
    finally:
        log.logger.removeHandler(handler)
        log.logger.setLevel(level)
