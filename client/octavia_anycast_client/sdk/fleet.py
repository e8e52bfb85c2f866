# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The calls that concern amphorae of many load balancers."""

import time
from collections.abc import Iterator
from typing import Any

from openstack import exceptions
from openstack.load_balancer.v2 import _proxy

from octavia_anycast_client.sdk.zone_drain import (
    ENDED,
    ENDING,
    ZoneDrain,
)

WAIT_SECONDS = 900.0
_INTERVAL_SECONDS = 1.0


class FleetCalls(_proxy.Proxy):
    """Zone drains."""

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
        """Wait until none of its amphorae announces.

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
                    f"{found.waiting_count} amphorae wait and "
                    f"{found.draining_count} drain still"
                )
            time.sleep(_INTERVAL_SECONDS)
