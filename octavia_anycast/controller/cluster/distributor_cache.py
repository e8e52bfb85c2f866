# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Distributors, kept from one look at a load balancer to the next.

Thousands of load balancers share a few, and each look needs one with all its
speakers, peers and zones. Whoever changes any of these writes the
distributor's row in the same transaction, so that row tells that the rest is
as it was (ADR 0085).

Layer: controller.
"""

from collections.abc import Callable
from typing import Any

from octavia_anycast.db.distributor import distributors, lifecycle
from octavia_anycast.db.passwords import Cipher
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.errors import NotFound, Permanent


class DistributorCache:
    """Distributors by id; safe for several threads."""

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher
        self._kept: dict[str, tuple[distributors.RowVersion, Distributor]] = {}

    def get(self, session: Any, distributor_id: str) -> Distributor | None:
        """One as it is now; None if there is none. One query if unchanged.

        Row and content are of one transaction; while it is in PENDING_* it
        is not kept.
        """
        version = distributors.row_version(session, distributor_id)
        kept = self._kept.get(distributor_id)
        if kept is not None and kept[0] == version:
            return kept[1]
        self._kept.pop(distributor_id, None)
        found = distributors.get(session, distributor_id, self._cipher)
        if (
            version is not None
            and found is not None
            and version.provisioning_status == lifecycle.ACTIVE
        ):
            self._kept[distributor_id] = version, found
        return found


def needed(
    read: Callable[[], Distributor | None],
    distributor_id: str,
    *,
    is_going: bool,
) -> Distributor:
    """What is read; a bare one, if only a deletion is left to be done.

    :raises Permanent: there is none, or it cannot be read.
    """
    try:
        found = read()
        if found is None:
            raise NotFound("Distributor", distributor_id)
    except Permanent:
        if not is_going:
            raise
        return Distributor(id=distributor_id)
    return found
