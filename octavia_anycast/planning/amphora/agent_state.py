# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The desired state of one amphora's agent.

Layer: planning. Pure: from the cluster and the amphora's record to the
document of the agent contract.
"""

import hashlib
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from octavia_anycast.model.bgp import Speaker
from octavia_anycast.model.cluster import AmphoraRecord, DesiredCluster
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.wire import (
    DesiredState,
    FlowRescue,
    Intent,
    ListenerSocket,
    Report,
    TenantMetrics,
    VipState,
)
from octavia_anycast.planning.amphora.assessment import Paths


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A configuration as the health gate knows it: what it is to open.

    The default is that of an amphora which has none yet.
    """

    revision: str = ""
    listeners: tuple[ListenerSocket, ...] = ()
    lvs_listener_ids: tuple[str, ...] = ()

    @classmethod
    def of(cls, source: DesiredCluster | Report) -> "Configuration":
        """The one that is wanted, or the one that an agent watches."""
        return cls(
            revision=source.revision,
            listeners=source.listeners,
            lvs_listener_ids=source.lvs_listener_ids,
        )

    def without(self, listener_ids: tuple[str, ...]) -> "Configuration":
        """This one without some listeners."""
        return replace(
            self,
            listeners=tuple(
                socket
                for socket in self.listeners
                if socket.listener_id not in listener_ids
            ),
            lvs_listener_ids=tuple(
                identifier
                for identifier in self.lvs_listener_ids
                if identifier not in listener_ids
            ),
        )

    def kept_by(self, following: "Configuration") -> "Configuration":
        """This one with only the listeners that stay; all, if none does."""
        sockets = tuple(
            socket
            for socket in self.listeners
            if socket in following.listeners
        )
        lvs_ids = tuple(
            identifier
            for identifier in self.lvs_listener_ids
            if identifier in following.lvs_listener_ids
        )
        if not sockets and not lvs_ids:
            return self
        return Configuration(
            revision=self.revision, listeners=sockets, lvs_listener_ids=lvs_ids
        )


def router_id(amphora_id: str) -> str:
    """Choose the BGP Identifier (RFC 4271, section 4.2), for good.

    Four octets of the amphora id's hash, the first one in 1..223. It is not
    the management address: that one is unknown when the first state is
    written, and a changed identifier resets every session. RFC 6286 asks for
    uniqueness within the AS only, and no session runs between amphorae.
    """
    octets = hashlib.sha256(amphora_id.encode()).digest()[:4]
    return str(IPv4Address(bytes([octets[0] % 223 + 1]) + octets[1:]))


def speakers_for(
    distributor: Distributor, zone: str | None, host: str | None
) -> tuple[Speaker, ...]:
    """The speakers with only the peers that select this place.

    Without what is nothing to a session: a new name resets none.
    """
    return tuple(
        replace(
            speaker,
            peers=tuple(
                replace(
                    peer, name="", availability_zone=None, compute_host=None
                )
                for peer in speaker.peers
                if peer.selects(zone, host)
            ),
        )
        for speaker in distributor.speakers
    )


def agent_state(
    desired: DesiredCluster,
    record: AmphoraRecord,
    *,
    intent: Intent,
    configuration: Configuration,
    flow_rescue: FlowRescue | None = None,
    tenant_metrics: TenantMetrics | None = None,
    withdrawn: Paths = frozenset(),
) -> DesiredState:
    """Compose the whole desired state of one amphora.

    :param withdrawn: VIPs that it does not announce, whatever the intent is

    A VIP whose family the front end lacks has no next hop and is left out:
    an announcement without a data path is worse than none.
    """
    speakers = speakers_for(
        desired.distributor, record.availability_zone, record.compute_host
    )
    return DesiredState(
        amphora_id=record.id,
        revision=configuration.revision,
        router_id=router_id(record.id),
        driver=desired.distributor.driver,
        speakers=speakers,
        vips=_vips(desired, record, intent, withdrawn),
        frontend=record.frontend,
        load_balancer_id=desired.load_balancer_id,
        listeners=configuration.listeners,
        lvs_listener_ids=configuration.lvs_listener_ids,
        gate=desired.policy.gate,
        flow_rescue=flow_rescue,
        tenant_metrics=tenant_metrics,
    )


def _vips(
    desired: DesiredCluster,
    record: AmphoraRecord,
    intent: Intent,
    withdrawn: Paths,
) -> tuple[VipState, ...]:
    if record.frontend is None:
        return ()
    next_hops = {
        address.ip_address.version: address.ip_address
        for address in reversed(record.frontend.addresses)
    }
    return tuple(
        VipState(
            vip_ip=vip.ip_address,
            nexthop_ip=next_hops[vip.ip_address.version],
            load_balancer_id=desired.load_balancer_id,
            intent=(
                Intent.WITHDRAW if vip.ip_address in withdrawn else intent
            ),
        )
        for vip in desired.vips
        if vip.ip_address.version in next_hops
    )
