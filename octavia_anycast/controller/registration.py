# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Registered amphorae: what their dedicated distributors are to announce.

Read from our tables at each poll: rows, last reports and heartbeats. What
follows from them, planning/registration.py decides. Who notices that an
amphora is sick is its load balancer's own reconcile, which writes reports.

Layer: controller.
"""

import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from octavia_anycast.controller.ports import World
from octavia_anycast.db import dedicated
from octavia_anycast.db.amphora import serving_amphorae
from octavia_anycast.db.amphora.serving_amphorae import KnownReports
from octavia_anycast.db.registration import (
    amphora_registrations,
    registrations,
)
from octavia_anycast.db.registration.registrations import AnnouncedVip
from octavia_anycast.model.registration import RegisteredPath
from octavia_anycast.model.wire import Intent, VipState
from octavia_anycast.planning.registration import paths_of

# Who has not looked for so long was away, and has heard nobody meanwhile.
AWAY_SECONDS = 5.0
Paths = dict[str, tuple[RegisteredPath, ...]]


class RegisteredPaths:
    """Remembers reports that were read; safe for several threads."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._guard = threading.Lock()
        self._known: KnownReports = {}
        self._here_since: datetime = world.now()
        self._looked_at: datetime | None = None

    def read(self, session: Any, now: datetime) -> Paths:
        """distributor_id -> paths of what is registered with it.

        One query if nothing is; else seven, however much is.
        """
        wanted = amphora_registrations.by_distributor(session)
        here_since = self._note(now)
        if not wanted:
            return {}
        serving = serving_amphorae.registered(
            session, now, heard_since=here_since, known=self._known
        )
        self._known = serving.reports
        after = self._world.settings.silent_after
        return {
            distributor_id: tuple(
                path
                for one in some
                for path in paths_of(
                    one,
                    serving.by_load_balancer.get(one.load_balancer_id, ()),
                    now,
                    after,
                )
                if path.intent is not Intent.WITHDRAW
            )
            for distributor_id, some in wanted.items()
        }

    def row_versions(self, session: Any, now: datetime) -> dict[str, str]:
        """distributor_id -> what is another text when other paths are due."""
        found = dedicated.row_versions(session)
        for distributor_id, paths in self.read(session, now).items():
            if distributor_id in found:
                found[distributor_id] += f" {hash(paths)}"
        return found

    def _note(self, now: datetime) -> datetime:
        """Since when this controller has been listening without a gap."""
        with self._guard:
            before, self._looked_at = self._looked_at, now
            away = (now - before).total_seconds() if before else 0.0
            if away > AWAY_SECONDS:
                self._here_since = now
            return self._here_since


def record_confirmed(
    session: Any, amphora_id: str, confirmed: Sequence[VipState]
) -> None:
    """Write down which paths an amphora of a distributor's own announces."""
    rows = {
        AnnouncedVip(
            vip_ip=vip.vip_ip,
            nexthop_ip=vip.nexthop_ip,
            load_balancer_id=vip.load_balancer_id,
            peer_id=peer_id,
        )
        for vip in confirmed
        for peer_id in vip.peer_ids or (None,)
    }
    registrations.replace_vips(session, amphora_id, rows)
