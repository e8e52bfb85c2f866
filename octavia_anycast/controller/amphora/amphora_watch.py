# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Notices amphorae that fell silent, and what is asked for single ones.

Layer: controller.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from oslo_log import log as logging

from octavia_anycast.db.amphora import amphora_news
from octavia_anycast.db.amphora.amphora_news import Wish

LOG = logging.getLogger(__name__)


class AmphoraWatch:
    """Remembers what it told of.

    :param silent_after: seconds after which one not heard of is silent
    """

    def __init__(self, silent_after: float) -> None:
        self._patience = timedelta(seconds=silent_after)
        self._silent: dict[str, str | None] = {}
        self._wishes: set[Wish] = set()

    def news(self, session: Any, now: datetime) -> set[str]:
        """The load balancers to look at; two queries."""
        silent = amphora_news.silent(session, now - self._patience)
        wishes = amphora_news.wishes(session)
        news = {*self._fallen_silent(silent), *self._changed(wishes)}
        self._silent, self._wishes = silent, wishes
        return {owner for owner in news if owner is not None}

    def _fallen_silent(
        self, silent: dict[str, str | None]
    ) -> Iterator[str | None]:
        for amphora_id in silent.keys() - self._silent.keys():
            # Whether that matters, the look tells (report.py).
            LOG.debug("Amphora %s missed its heartbeats.", amphora_id)
            yield silent[amphora_id]

    def _changed(self, wishes: set[Wish]) -> Iterator[str | None]:
        """What is not asked any more is news, too: a drain was undone."""
        return (wish.load_balancer_id for wish in wishes ^ self._wishes)
