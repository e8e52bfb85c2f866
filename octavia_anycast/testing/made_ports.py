# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The ports and rules that the controller makes for a load balancer.

Made by our network adapter and Octavia's own driver; Neutron is a fake.
"""

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from octavia.common import data_models as dm

from octavia_anycast.model.actions import PlugFrontend
from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.model.load_balancer import LoadBalancerTree
from octavia_anycast.octavia_adapter.cloud.network import Network
from octavia_anycast.octavia_adapter.load_balancer.load_balancers import (
    snapshot,
)
from octavia_anycast.testing.fakes.fake_network_proxy import (
    FakeNetworkDriver,
    FakeNetworkProxy,
)

FRONT_END, VIPS, MEMBERS = "fe", "vips", "members"


def listener(port: int, protocol: str, *cidrs: str) -> Any:
    """A listener, with its allowed CIDRs."""
    return dm.Listener(
        id=f"listener-{port}",
        protocol=protocol,
        protocol_port=port,
        peer_port=1025,
        enabled=True,
        provisioning_status="ACTIVE",
        allowed_cidrs=[dm.ListenerCidr(cidr=cidr) for cidr in cidrs],
    )


def record(amphora_id: str, **fields: Any) -> AmphoraRecord:
    """An amphora of the load balancer."""
    return AmphoraRecord(
        id=amphora_id,
        load_balancer_id="lb",
        status=AmphoraStatus.ALLOCATED,
        status_since=datetime(2026, 1, 1, tzinfo=UTC),
        compute_id="server",
        **fields,
    )


class MadePorts:
    """A load balancer's ports and groups, as the controller has them made."""

    def __init__(
        self,
        *vips: str,
        listeners: Iterable[Any] = (),
        frontend_groups: Iterable[str] = (),
        opens_rescue_port: bool = True,
    ) -> None:
        self.proxy = FakeNetworkProxy()
        self.proxy.add_network(FRONT_END, "10.9.0.0/24", "fd00:9::/64")
        self.proxy.add_network(MEMBERS, "10.10.0.0/24")
        self.proxy.add_network(VIPS, "198.51.100.0/24", "2001:db8:100::/64")
        groups = [
            self.proxy.create_security_group(name=name).id
            for name in frontend_groups
        ]
        self.network = Network(
            lambda tree: self.balancer,
            groups,
            driver=FakeNetworkDriver(self.proxy),
            opens_rescue_port=opens_rescue_port,
        )
        self.vip_port = self.proxy.create_port(
            network_id=VIPS, security_groups=[]
        )
        self.balancer = dm.LoadBalancer(
            id=str(uuid.uuid4()), enabled=True, listeners=list(listeners)
        )
        self.balancer.vip = dm.Vip(
            ip_address=vips[0], port_id=self.vip_port.id, sg_ids=[]
        )
        self.balancer.additional_vips = [
            dm.AdditionalVip(ip_address=vip) for vip in vips[1:]
        ]
        self._versions = tuple(sorted({6 if ":" in v else 4 for v in vips}))

    @property
    def group(self) -> Any:
        """The load balancer's own group."""
        return self.proxy.find_security_group(f"lb-{self.balancer.id}")

    def tree(self) -> LoadBalancerTree:
        """The load balancer as the controller reads it."""
        return snapshot(self.balancer)

    def prepare(self, *records: AmphoraRecord) -> None:
        """Bring groups and ports to what the load balancer is now."""
        self.network.prepare(self.tree(), records)

    def plug(self) -> Any:
        """Make the front-end port of a new amphora; returns it."""
        self.prepare()
        amphora_id = str(uuid.uuid4())
        port_id, _ = self.network.plug_frontend(
            self.tree(),
            record(amphora_id),
            PlugFrontend(
                amphora_id=amphora_id,
                network_id=FRONT_END,
                subnet_ids=(),
                ip_versions=self._versions,
            ),
        )
        return self.proxy.get_port(port_id)
