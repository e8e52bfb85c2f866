# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""One load balancer of a class: two amphorae, a VIP, a listener."""

from octavia_tempest_plugin.tests import waiters
from oslo_serialization import jsonutils
from tempest import config
from tempest.lib.common.utils import data_utils

from octavia_anycast_tempest_plugin.services.clients import Document
from octavia_anycast_tempest_plugin.tests import base

CONF = config.CONF
SIZE = 2


class ScenarioTest(base.BaseTest):
    """Tests that leave the cluster as it was: SIZE amphorae, all announce."""

    @classmethod
    def skip_checks(cls) -> None:
        """Skip all where no router answers, or no VIP can be had."""
        super().skip_checks()
        options = CONF.load_balancer_anycast
        if not options.has_fabric:
            raise cls.skipException("[load_balancer_anycast] has_fabric")
        if not options.vip_subnet_id:
            raise cls.skipException("[load_balancer_anycast] vip_subnet_id")

    @classmethod
    def setup_clients(cls) -> None:
        """Name the clients of the administrator and of the owner."""
        super().setup_clients()
        cls.clusters = cls.client("ClusterClient")
        cls.own_cluster = cls.client("ClusterClient", base.MEMBER)
        cls.drains = cls.client("DrainClient")
        cls.paths = cls.client("PathClient")
        cls.balancers = cls.octavia("LoadbalancerClient", base.MEMBER)
        cls.amphorae = cls.octavia("AmphoraClient")

    @classmethod
    def resource_setup(cls) -> None:
        """Make the load balancer and wait until it serves."""
        super().resource_setup()
        made = cls.balancers.create_loadbalancer(
            name=data_utils.rand_name(name="lb", prefix=base.PREFIX),
            provider=CONF.load_balancer_anycast.provider,
            vip_subnet_id=CONF.load_balancer_anycast.vip_subnet_id,
            flavor_id=cls._make_flavor(),
        )
        cls.balancer_id, cls.vip = made["id"], made["vip_address"]
        cls.addClassResourceCleanup(
            cls.balancers.cleanup_loadbalancer, made["id"], cascade=True
        )
        cls.await_active()
        listeners = cls.octavia("ListenerClient", base.MEMBER)
        listeners.create_listener(
            loadbalancer_id=made["id"], protocol="HTTP", protocol_port=80
        )
        cls.await_active()
        cls.await_cluster(SIZE)

    @classmethod
    def _make_flavor(cls) -> str:
        """A flavor of clusters of SIZE amphorae, at most one more."""
        sizes = {
            "cluster_size": SIZE,
            "cluster_min_size": 1,
            "cluster_max_size": SIZE + 1,
        }
        profiles = cls.octavia("FlavorProfileClient")
        profile = profiles.create_flavor_profile(
            name=data_utils.rand_name(name="profile", prefix=base.PREFIX),
            provider_name=CONF.load_balancer_anycast.provider,
            flavor_data=jsonutils.dumps(sizes),
        )["id"]
        cls.addClassResourceCleanup(profiles.cleanup_flavor_profile, profile)
        flavors = cls.octavia("FlavorClient")
        flavor: str = flavors.create_flavor(
            name=data_utils.rand_name(name="flavor", prefix=base.PREFIX),
            flavor_profile_id=profile,
        )["id"]
        cls.addClassResourceCleanup(flavors.cleanup_a_flavor, flavor)
        return flavor

    @classmethod
    def await_active(cls) -> None:
        """Wait until the load balancer is ACTIVE."""
        waiters.wait_for_status(
            cls.balancers.show_loadbalancer,
            cls.balancer_id,
            base.PROVISIONING,
            "ACTIVE",
            CONF.load_balancer.lb_build_interval,
            CONF.load_balancer.lb_build_timeout,
        )

    @classmethod
    def await_cluster(cls, size: int) -> Document:
        """Wait until there are that many amphorae and all announce."""
        wanted = {
            "amphora_count": size,
            "announcing_count": size,
            "operating_status": "ONLINE",
            base.PROVISIONING: "ACTIVE",
        }

        def is_so() -> bool:
            found = cls.clusters.show(cls.balancer_id)
            return all(found[name] == wanted[name] for name in wanted)

        seconds = CONF.load_balancer.lb_build_timeout
        cls.wait_until(is_so, f"a cluster of {size}", seconds)
        found: Document = cls.clusters.show(cls.balancer_id)
        return found

    @classmethod
    def announcers(cls) -> set[str]:
        """The amphorae of whose paths a peer has one."""
        distributor = cls.clusters.show(cls.balancer_id)["distributor_id"]
        found = cls.paths.list_all(
            distributor, f"load_balancer_id={cls.balancer_id}"
        )
        return {p["amphora_id"] for p in found if p["state"] == "advertised"}
