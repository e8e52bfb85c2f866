# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The events of a look, stored with what they told, and then told on.

Layer: controller. What is an event, planning/events.py decides.
"""

from collections.abc import Sequence
from typing import Any

from octavia_anycast.controller.ports import World
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.monitoring import events
from octavia_anycast.model.monitoring.event import Event
from octavia_anycast.planning.events import News


def write(session: Any, news: News) -> None:
    """Store them in the transaction that reports the look.

    One INSERT for all events, and a prepared UPDATE for all amphorae that are
    told of; nothing if nothing happened.
    """
    amphorae.record_told(session, news.told)
    events.add(session, news.events)


def store(session: Any, found: Sequence[Event]) -> None:
    """Store events that are of no look at an amphora."""
    events.add(session, found)


def tell(world: World, stored: Sequence[Event]) -> None:
    """Have events counted and sent, after the transaction that stored them."""
    world.meter.happened(stored)
    world.notifier.happened(stored)
