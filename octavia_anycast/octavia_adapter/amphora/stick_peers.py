# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What Octavia's HAProxy template is to see of a cluster: its peer group.

Octavia renders the peers of stick tables for its topology ACTIVE_STANDBY, with
as many amphorae as there are. So it is shown a copy of the load balancer that
has this topology and the amphorae of one peer group (ADR 0084).

Layer: octavia_adapter. Touches no network.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from octavia.common import constants, data_models

from octavia_anycast.model.cluster import AmphoraRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """What one amphora's configuration is made from.

    ``load_balancer`` and ``amphora`` are Octavia's data models.
    """

    load_balancer: Any
    amphora: Any
    peers: Sequence[AmphoraRecord] = ()

    def with_peers(self, listeners: list[Any]) -> list[Any]:
        """The listeners of a copy of the load balancer that has the peers.

        The model is shared with the threads of the other amphorae. Octavia's
        renderer takes the load balancer from the first listener.
        """
        if not self.peers:
            return listeners
        balancer = copy.copy(self.load_balancer)
        balancer.topology = constants.TOPOLOGY_ACTIVE_STANDBY
        balancer.amphorae = [
            amphora_model(self.load_balancer, peer)
            for peer in sorted(self.peers, key=lambda record: record.id)
        ]
        first = copy.copy(listeners[0])
        first.load_balancer = balancer
        return [first, *listeners[1:]]


def amphora_model(load_balancer: Any, record: AmphoraRecord) -> Any:
    """Make Octavia's data model of one of our amphorae."""
    vip = load_balancer.vip
    frontend = record.frontend
    address = frontend.addresses[0].ip_address if frontend else None
    return data_models.Amphora(
        id=record.id,
        load_balancer_id=load_balancer.id,
        load_balancer=load_balancer,
        compute_id=record.compute_id,
        status=constants.AMPHORA_ALLOCATED,
        role=constants.ROLE_STANDALONE,
        lb_network_ip=str(record.lb_network_ip),
        vrrp_ip=str(address) if address else None,
        vrrp_port_id=record.frontend_port_id,
        ha_ip=vip.ip_address if vip else None,
        ha_port_id=vip.port_id if vip else None,
    )
