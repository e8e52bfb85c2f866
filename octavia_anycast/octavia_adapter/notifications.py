# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Notifications on the message bus, by Octavia's own notifier and options.

Octavia's services send ``octavia.loadbalancer.create.end`` and so on when a
flow of the amphora provider ends; these are the same, with the same payload.
Events of ours are ``octavia.anycast.`` and their kind.

Layer: octavia_adapter.
"""

from typing import Any

from octavia.api.drivers import utils as provider_utils
from octavia.common import context, rpc
from oslo_config import cfg
from oslo_messaging import opts

from octavia_anycast.model.errors import NotFound
from octavia_anycast.model.monitoring.event import Event
from octavia_anycast.octavia_adapter.load_balancer import object_rows
from octavia_anycast.octavia_adapter.load_balancer.rows import transaction

GROUP = "oslo_messaging_notifications"
NOTHING = "noop"


def sender() -> "OctaviaNotifications | None":
    """Make what sends them; None: they go nowhere.

    As for Octavia's own services: ``[controller_worker] event_notifications``,
    and a driver in ``[oslo_messaging_notifications]``; there is none by
    default.
    """
    if not cfg.CONF.controller_worker.event_notifications:
        return None
    if _drivers() <= {NOTHING}:
        return None
    rpc.init()
    return OctaviaNotifications()


def _drivers() -> set[str]:
    """The drivers of notifications; no transport is made for that."""
    for group, options in opts.list_opts():
        if group == GROUP:
            cfg.CONF.register_opts(options, group=GROUP)
    return set(cfg.CONF[GROUP].driver)


class OctaviaNotifications:
    """Sends notifications; a call may wait for the bus, and may fail."""

    def __init__(self) -> None:
        self._notifier = rpc.get_notifier()

    def event(self, event: Event) -> None:
        """Send an event of ours."""
        self._send(
            event.owner.project_id,
            f"octavia.anycast.{event.kind}",
            payload_of(event),
        )

    def change(self, load_balancer_id: str, change: str) -> None:
        """Send that a load balancer was created, changed or deleted.

        :raises NotFound: Octavia's row is gone already.
        """
        with transaction() as session:
            row = object_rows.load_balancer(session, id=load_balancer_id)
            if row is None:
                raise NotFound("Load balancer", load_balancer_id)
            found = row.to_data_model()
        # What is below is not in Octavia's payload; TLS secrets are below.
        found.listeners, found.pools = [], []
        payload = provider_utils.db_loadbalancer_to_provider_loadbalancer(
            found
        ).to_dict()
        self._send(
            found.project_id, f"octavia.loadbalancer.{change}.end", payload
        )

    def _send(
        self, project_id: str | None, event_type: str, payload: dict[str, Any]
    ) -> None:
        self._notifier.info(
            context.RequestContext(project_id=project_id), event_type, payload
        )


def payload_of(event: Event) -> dict[str, Any]:
    """The payload of an event: the attributes that the API shows."""
    return {
        "kind": event.kind.value,
        "created_at": event.at.replace(tzinfo=None).isoformat(),
        "load_balancer_id": event.owner.load_balancer_id,
        "distributor_id": event.owner.distributor_id,
        "project_id": event.owner.project_id,
        "amphora_id": event.amphora_id,
        "availability_zone": event.availability_zone,
        "peer_id": event.peer_id,
        "peer_ip": str(event.peer_ip) if event.peer_ip else None,
        "from_state": event.from_state,
        "to_state": event.to_state,
        "cause": event.cause,
        "change_count": event.change_count,
    }
