# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The calls that concern amphorae of many load balancers."""

import time
from collections.abc import Iterator
from typing import Any

from openstack import exceptions
from openstack.load_balancer.v2 import _proxy

from octavia_anycast_client.sdk.fleet.change import (
    ABORTED,
    PAUSED,
    RUNNING,
    Fleet,
    FleetChange,
)
from octavia_anycast_client.sdk.fleet.zone_drain import (
    ENDED,
    ENDING,
    ZoneDrain,
)

WAIT_SECONDS = 900.0
_INTERVAL_SECONDS = 1.0


class FleetCalls(_proxy.Proxy):
    """Zone drains and fleet changes."""

    def create_zone_drain(self, **attrs: Any) -> ZoneDrain:
        """Have all amphorae of one place drained for a time.

        :param attrs: one of ``availability_zone``, ``compute_host`` and
            ``peer_id``; one of ``duration`` (seconds) and ``expires_at``;
            ``reason``, ``timeout``, ``is_booting_elsewhere``, ``is_forced``
        """
        made: ZoneDrain = self._create(ZoneDrain, **attrs)
        return made

    def zone_drains(self, **query: Any) -> Iterator[ZoneDrain]:
        """List those that match, the newest first."""
        found: Iterator[ZoneDrain] = self._list(ZoneDrain, **query)
        return found

    def get_zone_drain(self, zone_drain: str | ZoneDrain) -> ZoneDrain:
        """Get one as it is now."""
        found: ZoneDrain = self._get(ZoneDrain, zone_drain)
        return found

    def find_zone_drain(self, id_or_place: str) -> ZoneDrain:
        """Find one by id, or by the name of its place.

        :raises openstack.exceptions.NotFoundException: without any.
        """
        return ZoneDrain.of(self, id_or_place)

    def end_zone_drain(self, zone_drain: str | ZoneDrain) -> None:
        """Have its amphorae announce again."""
        self._delete(ZoneDrain, zone_drain, ignore_missing=False)

    def wait_for_zone_drain(
        self, zone_drain: str | ZoneDrain, wait: float = WAIT_SECONDS
    ) -> ZoneDrain:
        """Wait until no amphora at the place announces.

        :raises openstack.exceptions.ResourceFailure: if it ended before.
        :raises openstack.exceptions.ResourceTimeout: after ``wait`` seconds.
        """
        deadline = time.monotonic() + wait
        while True:
            found = self.get_zone_drain(zone_drain)
            if found.state == "DRAINED":
                return found
            if found.state in (ENDING, ENDED):
                raise exceptions.ResourceFailure(
                    f"Zone drain {found.id} is {found.state}: "
                    f"{found.end_reason}"
                )
            if time.monotonic() >= deadline:
                raise exceptions.ResourceTimeout(
                    f"{found.announcing_count} amphorae at the place "
                    f"announce still or boot; {found.waiting_count} wait and "
                    f"{found.draining_count} drain"
                )
            time.sleep(_INTERVAL_SECONDS)

    # Fleet changes

    def get_fleet(self) -> Fleet:
        """Get the amphorae of all load balancers, by their image."""
        found: Fleet = self._get(Fleet, requires_id=False)
        return found

    def create_fleet_change(self, **attrs: Any) -> FleetChange:
        """Have many amphorae replaced, a few of them first.

        :param attrs: ``change_kind`` (``image``, ``host`` or
            ``certificate``), and ``compute_host`` of the second;
            ``canaries``, ``soak``, ``parallel``
        """
        made: FleetChange = self._create(FleetChange, **attrs)
        return made

    def fleet_changes(self, **query: Any) -> Iterator[FleetChange]:
        """List those that match, the newest first."""
        found: Iterator[FleetChange] = self._list(FleetChange, **query)
        return found

    def get_fleet_change(self, change: str | FleetChange) -> FleetChange:
        """Get one as it is now."""
        found: FleetChange = self._get(FleetChange, change)
        return found

    def pause_fleet_change(self, change: str | FleetChange) -> FleetChange:
        """Begin nothing more; what is under way goes on."""
        return self._turn(change, PAUSED)

    def resume_fleet_change(self, change: str | FleetChange) -> FleetChange:
        """Go on, also with one that halted by itself."""
        return self._turn(change, RUNNING)

    def abort_fleet_change(self, change: str | FleetChange) -> FleetChange:
        """End one; its canaries are taken back."""
        return self._turn(change, ABORTED)

    def _turn(self, change: str | FleetChange, state: str) -> FleetChange:
        found: FleetChange = self._update(FleetChange, change, state=state)
        return found
