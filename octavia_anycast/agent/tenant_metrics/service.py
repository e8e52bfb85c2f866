# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The process of metrics: its parts, and what it is told.

Layer: agent.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from octavia_anycast.agent.tenant_metrics.answers import (
    ANSWER_SECONDS,
    Answer,
    Unanswered,
)
from octavia_anycast.agent.tenant_metrics.cluster import ClusterSeries
from octavia_anycast.agent.tenant_metrics.identity import Contexts
from octavia_anycast.agent.tenant_metrics.questions import ask, way_to
from octavia_anycast.agent.tenant_metrics.servers import (
    TENANT_ADDRESS,
    AmphoraServer,
    TenantServer,
)
from octavia_anycast.agent.tenant_metrics.told import Told
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.wire import METRICS_PORT, MetricsMember

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where it listens: for HAProxy, and for other amphorae."""

    tenant: tuple[str, int] = TENANT_ADDRESS
    amphorae: int = METRICS_PORT


class Service:
    """Answers tenants and other amphorae.

    :param own: this amphora's series; raises Unanswered
    :param seconds: how long another amphora may take
    :raises OSError: the tenants' port cannot be bound.
    """

    def __init__(
        self,
        own: Callable[[], Answer],
        ports: Ports | None = None,
        seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._own = own
        self._seconds = seconds
        self._ports = ports or Ports()
        self._contexts = Contexts()
        self._told: Told | None = None
        self._servers: dict[IPAddress, AmphoraServer] = {}
        self._cluster = ClusterSeries(own, self._ask)
        self.tenants = TenantServer(self._cluster.answer, self._ports.tenant)
        self.tenants.start()

    def tell(self, told: Told | None) -> None:
        """Tell who is in the cluster.

        :raises OSError: an own address cannot be bound.
        """
        self._told = told
        self._cluster.tell(told)
        wanted = set(told.addresses if told else ())
        for address in self._servers.keys() - wanted:
            self._servers.pop(address).end()
        for address in wanted - self._servers.keys():
            server = AmphoraServer(
                self._own,
                lambda: self._told,
                self._contexts,
                (str(address), self._ports.amphorae),
            )
            self._servers[address] = server
            server.start()
        LOG.info(
            "Metrics of %s amphorae are answered for",
            len(told.members) if told else 0,
        )

    def _ask(self, told: Told, member: MetricsMember) -> Answer:
        way = way_to(member, told.addresses, self._ports.amphorae)
        if way is None:
            raise Unanswered("it has no address of a family that is here, too")
        try:
            context = self._contexts.asking(told)
        except (OSError, ValueError) as e:
            raise Unanswered(f"the certificate cannot be used: {e}") from e
        return ask(member.id, way, context, self._seconds)
