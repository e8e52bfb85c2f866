# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Do something again and again while a block of work takes long.

Layer: controller.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from oslo_context import context as oslo_context
from oslo_log import log as logging

LOG = logging.getLogger(__name__)


EVERY_SECONDS = 10.0


@contextmanager
def meanwhile(look: Callable[[], None]) -> Iterator[None]:
    """Call ``look`` in a thread of its own while the block runs.

    Not before EVERY_SECONDS have passed, so a quick block does without.
    The block's end waits for a look that has begun: nothing that it writes
    comes after what the caller writes then. Its errors are only logged.
    """
    is_over = threading.Event()
    given = oslo_context.get_current()

    def repeat() -> None:
        if given is not None:
            given.update_store()
        while not is_over.wait(EVERY_SECONDS):
            try:
                look()
            except Exception as e:  # noqa: BLE001 - the block goes on
                LOG.debug("A look in between failed: %s", e)

    thread = threading.Thread(target=repeat, name="meanwhile", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
