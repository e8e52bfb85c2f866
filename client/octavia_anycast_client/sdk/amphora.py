# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Amphorae: one of them out of service, and back."""

import datetime
from typing import Any

from openstack import resource


class AmphoraDrain(resource.Resource):
    """How far an amphora is on its way out of the fabric."""

    resource_key = "drain"
    base_path = "/octavia/amphorae/%(drained_id)s/drain"
    allow_fetch = True
    allow_delete = True
    requires_id = False

    #: The amphora, for the request.
    drained_id = resource.URI("drained_id")
    #: ``NONE``, ``PENDING``, ``DRAINING`` or ``DRAINED``.
    state = resource.Body("state")
    #: Since when it is wanted.
    since = resource.Body("since")
    #: Until when connections are given time.
    deadline = resource.Body("deadline")
    #: TCP connections that are left; None: nobody knows. *Type: int*
    connections = resource.Body("connections", type=int)
    #: What is left of each VIP. *Type: list of dicts*
    vips = resource.Body("vips", type=list)
    #: When the amphora said so.
    reported_at = resource.Body("reported_at")

    @property
    def seconds(self) -> float:
        """How long connections are given, by the clock of the API."""
        if not self.since or not self.deadline:
            return 0.0
        since = datetime.datetime.fromisoformat(self.since)
        until = datetime.datetime.fromisoformat(self.deadline)
        return (until - since).total_seconds()

    def ask(self, session: Any, timeout: int | None) -> "AmphoraDrain":
        """Ask for it; None: as long as the deployment says."""
        body = {} if timeout is None else {"drain": {"timeout": timeout}}
        url = self.base_path % {"drained_id": self.drained_id}
        self._translate_response(session.put(url, json=body))
        return self
