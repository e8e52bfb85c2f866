# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""openstacksdk's load balancer proxy, with the calls of octavia-anycast."""

import time
from collections.abc import Iterator
from typing import Any

from openstack import exceptions
from openstack.load_balancer.v2 import _proxy
from openstack.load_balancer.v2.amphora import Amphora

from octavia_anycast_client.sdk.amphora import AmphoraDrain
from octavia_anycast_client.sdk.balancer import Cluster, LoadBalancer
from octavia_anycast_client.sdk.bgp import BgpPeer, BgpSpeaker
from octavia_anycast_client.sdk.check import DistributorCheck
from octavia_anycast_client.sdk.distributor import Distributor, Path
from octavia_anycast_client.sdk.event import (
    DistributorEvent,
    LoadBalancerEvent,
)
from octavia_anycast_client.sdk.external_vip import ExternalVip
from octavia_anycast_client.sdk.fleet.calls import FleetCalls
from octavia_anycast_client.sdk.registration import AmphoraRegistration

WAIT_SECONDS = 300.0
_INTERVAL_SECONDS = 0.5


class Proxy(FleetCalls):
    """Everything of Octavia, and distributors, BGP peers and speakers.

    Where a call takes a resource, its id does as well; only ``find_*`` take
    a name. Whatever the API refuses is raised as the
    :class:`openstack.exceptions.HttpException` of its status.
    """

    _resource_registry = {
        **_proxy.Proxy._resource_registry,
        "load_balancer": LoadBalancer,
        "distributor": Distributor,
        "bgp_peer": BgpPeer,
        "bgp_speaker": BgpSpeaker,
    }

    def request(self, url: str, method: str, *args: Any, **kwargs: Any) -> Any:
        """Send a request; one with a password in it is not logged."""
        if _has_password(kwargs.get("json")):
            kwargs["log"] = False
        return super().request(url, method, *args, **kwargs)

    # Distributors

    def create_distributor(self, **attrs: Any) -> Distributor:
        """Create a distributor; it is PENDING_CREATE for a while."""
        return self._create(Distributor, **attrs)

    def distributors(self, **query: Any) -> Iterator[Distributor]:
        """List those that match, a page at a time."""
        return self._list(Distributor, **query)

    def get_distributor(self, distributor: str | Distributor) -> Distributor:
        """Get one as it is now."""
        return self._get(Distributor, distributor)

    def find_distributor(
        self, name_or_id: str, ignore_missing: bool = True
    ) -> Distributor | None:
        """Find one by name or id."""
        return self._find(Distributor, name_or_id, ignore_missing)

    def update_distributor(
        self, distributor: str | Distributor, **attrs: Any
    ) -> Distributor:
        """Change the attributes that are given."""
        return self._update(Distributor, distributor, **attrs)

    def delete_distributor(
        self,
        distributor: str | Distributor,
        cascade: bool = False,
        ignore_missing: bool = True,
    ) -> None:
        """Delete one that no load balancer uses.

        :param cascade: also its external VIPs and registrations of amphorae,
            and the peers that no other speaker has.
        """
        params = {"cascade": "true"} if cascade else None
        self._delete(Distributor, distributor, ignore_missing, params=params)

    def distributor_paths(
        self, distributor: str | Distributor, **query: Any
    ) -> Iterator[Path]:
        """List what is announced right now, as the amphorae report it."""
        return self._list(Path, distributor_id=_id_of(distributor), **query)

    def distributor_checks(self, **query: Any) -> Iterator[DistributorCheck]:
        """List what the doctor finds now; of all distributors, or of one.

        :param query: such as ``distributor_id`` or ``severity``
        """
        return self._list(DistributorCheck, **query)

    def distributor_events(
        self, distributor: str | Distributor, **query: Any
    ) -> Iterator[DistributorEvent]:
        """List what happened behind a distributor, the newest first."""
        return self._list(
            DistributorEvent, owner_id=_id_of(distributor), **query
        )

    def wait_for_distributor(
        self, distributor: str | Distributor, wait: float = WAIT_SECONDS
    ) -> Distributor:
        """Wait until the last change of a distributor is done.

        :raises openstack.exceptions.ResourceFailure: when it came to ERROR;
            with the reason.
        :raises openstack.exceptions.ResourceTimeout: after ``wait`` seconds.
        """
        deadline = time.monotonic() + wait
        while True:
            found = self.get_distributor(_id_of(distributor))
            status = found.provisioning_status
            if status == "ACTIVE":
                return found
            if status == "ERROR":
                raise exceptions.ResourceFailure(
                    f"Distributor {found.name or found.id} is in ERROR: "
                    f"{found.status_reason or 'no reason is given'}"
                )
            _pause(deadline, f"Distributor {found.id} is still {status}")

    def wait_for_no_distributor(
        self, distributor: str | Distributor, wait: float = WAIT_SECONDS
    ) -> None:
        """Wait until a distributor that is being deleted is gone.

        :raises openstack.exceptions.ResourceFailure: when it came to ERROR;
            with the reason.
        :raises openstack.exceptions.ResourceTimeout: after ``wait`` seconds.
        """
        deadline = time.monotonic() + wait
        while True:
            try:
                found = self.get_distributor(_id_of(distributor))
            except exceptions.NotFoundException:
                return
            if found.provisioning_status == "ERROR":
                raise exceptions.ResourceFailure(
                    f"Distributor {found.name or found.id} was not deleted: "
                    f"{found.status_reason or 'no reason is given'}"
                )
            _pause(deadline, f"Distributor {found.id} is still there")

    # External VIPs

    def register_external_vip(
        self, distributor: str | Distributor, **attrs: Any
    ) -> ExternalVip:
        """Have a distributor's own amphorae announce a VIP.

        :param attrs: ``vip_address``, ``next_hop`` and, for one peer only,
            ``peer_id``
        """
        return self._create(ExternalVip, owner_id=_id_of(distributor), **attrs)

    def external_vips(
        self, distributor: str | Distributor, **query: Any
    ) -> Iterator[ExternalVip]:
        """List those that match, a page at a time."""
        return self._list(ExternalVip, owner_id=_id_of(distributor), **query)

    def find_external_vip(
        self, distributor: str | Distributor, id_or_address: str
    ) -> ExternalVip:
        """Find one by id or by address.

        :raises openstack.exceptions.NotFoundException: without any.
        """
        return ExternalVip.of_address(self, _id_of(distributor), id_or_address)

    def unregister_external_vip(
        self,
        distributor: str | Distributor,
        vip: str | ExternalVip,
        ignore_missing: bool = True,
    ) -> None:
        """Have a VIP announced no more."""
        self._delete(
            ExternalVip,
            _id_of(vip),
            ignore_missing,
            owner_id=_id_of(distributor),
        )

    # Amphorae that are registered with a distributor

    def register_amphora(
        self, distributor: str | Distributor, **attrs: Any
    ) -> AmphoraRegistration:
        """Have a distributor's own amphorae announce others, too.

        :param attrs: ``load_balancer_id``; for one of its amphorae only,
            ``amphora_id``, and for one peer only, ``peer_id``
        """
        return self._create(
            AmphoraRegistration, owner_id=_id_of(distributor), **attrs
        )

    def amphora_registrations(
        self, distributor: str | Distributor, **query: Any
    ) -> Iterator[AmphoraRegistration]:
        """List those that match, a page at a time."""
        return self._list(
            AmphoraRegistration, owner_id=_id_of(distributor), **query
        )

    def find_amphora_registration(
        self, distributor: str | Distributor, id_or_amphora: str
    ) -> AmphoraRegistration:
        """Find one by its id, or that of the amphora that it is for alone.

        :raises openstack.exceptions.NotFoundException: without any.
        """
        return AmphoraRegistration.of(self, _id_of(distributor), id_or_amphora)

    def unregister_amphora(
        self,
        distributor: str | Distributor,
        registration: str | AmphoraRegistration,
        ignore_missing: bool = True,
    ) -> None:
        """Have amphorae announced by themselves only."""
        self._delete(
            AmphoraRegistration,
            _id_of(registration),
            ignore_missing,
            owner_id=_id_of(distributor),
        )

    def drain_amphora_registration(
        self,
        distributor: str | Distributor,
        registration: str | AmphoraRegistration,
        timeout: int | None = None,
    ) -> AmphoraRegistration:
        """Drain its paths, then withdraw them.

        :param timeout: seconds after which they are withdrawn
        """
        found = self.find_amphora_registration(
            distributor, _id_of(registration)
        )
        return self._at(distributor, found).drain(self, timeout)

    def undrain_amphora_registration(
        self,
        distributor: str | Distributor,
        registration: str | AmphoraRegistration,
    ) -> None:
        """Have its paths announced again."""
        found = self.find_amphora_registration(
            distributor, _id_of(registration)
        )
        self._at(distributor, found).undrain(self)

    def _at(
        self,
        distributor: str | Distributor,
        registration: AmphoraRegistration,
    ) -> AmphoraRegistration:
        """The same, with the place where it is asked."""
        return AmphoraRegistration.new(
            connection=self._get_connection(),
            id=registration.id,
            owner_id=_id_of(distributor),
        )

    # BGP peers

    def create_bgp_peer(self, **attrs: Any) -> BgpPeer:
        """Create a BGP peer profile."""
        return self._create(BgpPeer, **attrs)

    def bgp_peers(self, **query: Any) -> Iterator[BgpPeer]:
        """List those that match, a page at a time."""
        return self._list(BgpPeer, **query)

    def get_bgp_peer(self, peer: str | BgpPeer) -> BgpPeer:
        """Get one as it is now."""
        return self._get(BgpPeer, peer)

    def find_bgp_peer(
        self, name_or_id: str, ignore_missing: bool = True
    ) -> BgpPeer | None:
        """Find one by name or id."""
        return self._find(BgpPeer, name_or_id, ignore_missing)

    def update_bgp_peer(self, peer: str | BgpPeer, **attrs: Any) -> BgpPeer:
        """Change the attributes that are given; None resets one.

        Every distributor that uses it is PENDING_UPDATE for a while.
        """
        return self._update(BgpPeer, peer, **attrs)

    def delete_bgp_peer(
        self, peer: str | BgpPeer, ignore_missing: bool = True
    ) -> None:
        """Delete one that no speaker has."""
        self._delete(BgpPeer, peer, ignore_missing)

    # BGP speakers

    def create_bgp_speaker(self, **attrs: Any) -> BgpSpeaker:
        """Create the speaker of a distributor for one IP version."""
        return self._create(BgpSpeaker, **attrs)

    def bgp_speakers(self, **query: Any) -> Iterator[BgpSpeaker]:
        """List those that match, a page at a time."""
        return self._list(BgpSpeaker, **query)

    def get_bgp_speaker(self, speaker: str | BgpSpeaker) -> BgpSpeaker:
        """Get one as it is now."""
        return self._get(BgpSpeaker, speaker)

    def find_bgp_speaker(
        self, name_or_id: str, ignore_missing: bool = True
    ) -> BgpSpeaker | None:
        """Find one by id, or as ``DISTRIBUTOR/IP-VERSION``.

        Speakers have no names. A distributor, by name or id, has at most
        one for each IP version: ``fabric/4`` says which.
        """
        owner, slash, version = name_or_id.rpartition("/")
        if not slash or version not in ("4", "6"):
            return self._find(BgpSpeaker, name_or_id, ignore_missing)
        distributor = self.find_distributor(owner, ignore_missing)
        for speaker in distributor.speakers if distributor else ():
            if speaker["ip_version"] == int(version):
                return self.get_bgp_speaker(speaker["id"])
        if ignore_missing:
            return None
        raise exceptions.NotFoundException(
            f"Distributor {owner} has no BGP speaker for IPv{version}"
        )

    def update_bgp_speaker(
        self, speaker: str | BgpSpeaker, **attrs: Any
    ) -> BgpSpeaker:
        """Change its AS or its driver; the rest stays as it was made."""
        return self._update(BgpSpeaker, speaker, **attrs)

    def delete_bgp_speaker(
        self, speaker: str | BgpSpeaker, ignore_missing: bool = True
    ) -> None:
        """Delete one that no VIP needs."""
        self._delete(BgpSpeaker, speaker, ignore_missing)

    def register_bgp_peer(
        self, speaker: str | BgpSpeaker, peer: str | BgpPeer
    ) -> BgpSpeaker:
        """Have a speaker speak to a peer; the speaker as it is then."""
        found = self._get_resource(BgpSpeaker, speaker)
        return found.register(self, _id_of(peer))

    def unregister_bgp_peer(
        self, speaker: str | BgpSpeaker, peer: str | BgpPeer
    ) -> None:
        """Have a speaker speak to a peer no more."""
        found = self._get_resource(BgpSpeaker, speaker)
        found.unregister(self, _id_of(peer))

    # Load balancers

    def create_load_balancer(self, **attrs: Any) -> LoadBalancer:
        """Create one, if wanted with its own front end and distributor.

        :param attrs: as openstacksdk's, and ``frontend_network_id``,
            ``frontend_subnet_id`` and ``distributor_id``.
        """
        return self._create(LoadBalancer, **attrs)

    def get_load_balancer(
        self, load_balancer: str | LoadBalancer
    ) -> LoadBalancer:
        """Get one as it is now."""
        return self._get(LoadBalancer, load_balancer)

    def find_load_balancer(
        self, name_or_id: str, ignore_missing: bool = True
    ) -> LoadBalancer | None:
        """Find one by name or id."""
        return self._find(LoadBalancer, name_or_id, ignore_missing)

    def load_balancers(self, **query: Any) -> Iterator[LoadBalancer]:
        """List those that match, by the front end or distributor as well."""
        return self._list(LoadBalancer, **query)

    def load_balancer_events(
        self, load_balancer: str | LoadBalancer, **query: Any
    ) -> Iterator[LoadBalancerEvent]:
        """List what happened to a load balancer, the newest first."""
        return self._list(
            LoadBalancerEvent, owner_id=_id_of(load_balancer), **query
        )

    def get_load_balancer_cluster(
        self, load_balancer: str | LoadBalancer
    ) -> Cluster:
        """Get the cluster of a load balancer."""
        return self._get(
            Cluster, balancer_id=_id_of(load_balancer), requires_id=False
        )

    def update_load_balancer_cluster(
        self, load_balancer: str | LoadBalancer, **attrs: Any
    ) -> Cluster:
        """Change the attributes that are given; None resets one.

        It does not lock the load balancer.
        """
        return self._update(
            Cluster, None, balancer_id=_id_of(load_balancer), **attrs
        )

    def wait_for_load_balancer_cluster(
        self, load_balancer: str | LoadBalancer, wait: float = WAIT_SECONDS
    ) -> Cluster:
        """Wait until a cluster has as many amphorae as it wants, all well.

        Stand-ins of amphorae that are drained with a zone count as well.
        One that is not looked after stays as it is: it is not waited for.

        :raises openstack.exceptions.ResourceTimeout: after ``wait`` seconds.
        """
        deadline = time.monotonic() + wait
        while True:
            found = self.get_load_balancer_cluster(load_balancer)
            # An API of before has no stand-ins.
            wanted = (
                found.desired_size
                + (found.spare_count or 0)
                + (found.stand_in_count or 0)
            )
            is_there = found.amphora_count == wanted
            if not found.is_enabled:
                return found
            if is_there and found.operating_status == "ONLINE":
                return found
            _pause(
                deadline,
                f"The cluster has {found.amphora_count} of {wanted} amphorae "
                f"and is {found.operating_status}: {found.reason}",
            )

    # Amphorae

    def drain_amphora(
        self, amphora: str | Amphora, timeout: int | None = None
    ) -> AmphoraDrain:
        """Take an amphora out of service; another one is not booted.

        :param timeout: seconds that its connections are given
        """
        drain = AmphoraDrain.new(
            connection=self._get_connection(), drained_id=_id_of(amphora)
        )
        return drain.ask(self, timeout)

    def undrain_amphora(self, amphora: str | Amphora) -> None:
        """Have an amphora serve again."""
        drain = AmphoraDrain.new(
            connection=self._get_connection(), drained_id=_id_of(amphora)
        )
        drain.delete(self)

    def get_amphora_drain(self, amphora: str | Amphora) -> AmphoraDrain:
        """Get how far it is, and what is left."""
        return self._get(
            AmphoraDrain, drained_id=_id_of(amphora), requires_id=False
        )

    def wait_for_amphora_drain(
        self, amphora: str | Amphora, wait: float | None = None
    ) -> AmphoraDrain:
        """Wait until an amphora that is to drain has withdrawn.

        :param wait: seconds; by default as long as its connections are given,
            and five minutes more.
        :raises openstack.exceptions.ResourceFailure: if it was taken back.
        :raises openstack.exceptions.ResourceTimeout: after ``wait`` seconds.
        """
        began = time.monotonic()
        while True:
            found = self.get_amphora_drain(amphora)
            if found.state == "DRAINED":
                return found
            if found.state == "NONE":
                raise exceptions.ResourceFailure(
                    f"Amphora {_id_of(amphora)} is not to drain any more"
                )
            length = found.seconds + WAIT_SECONDS if wait is None else wait
            _pause(began + length, f"The amphora is still {found.state}")


def _id_of(value: Any) -> str:
    return str(getattr(value, "id", value))


def _pause(deadline: float, message: str) -> None:
    if time.monotonic() >= deadline:
        raise exceptions.ResourceTimeout(message)
    time.sleep(_INTERVAL_SECONDS)


def _has_password(document: Any) -> bool:
    if isinstance(document, dict):
        return any(
            key == "password" or _has_password(value)
            for key, value in document.items()
        )
    if isinstance(document, list | tuple):
        return any(_has_password(item) for item in document)
    return False
