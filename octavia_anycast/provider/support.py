# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the provider supports, and why it refuses the rest.

It accepts what Octavia's amphora provider accepts, as the same HAProxy serves
it; UDP and SCTP unless the operator forbids them, or the load balancer's own
amphorae say that they cannot serve them (ADR 0134).
"""

from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any

from octavia.api.drivers.amphora_driver.v2 import driver as amphora_driver
from octavia.common import constants
from octavia_lib.common import constants as lib_constants

from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.octavia_adapter.load_balancer import rows

PROTOCOLS = frozenset(amphora_driver.AMPHORA_SUPPORTED_PROTOCOLS)
ALGORITHMS = frozenset(amphora_driver.AMPHORA_SUPPORTED_LB_ALGORITHMS)
ALPN_PROTOCOLS = frozenset(constants.AMPHORA_SUPPORTED_ALPN_PROTOCOLS)
L7_PROTOCOLS = frozenset(amphora_driver.VALID_L7POLICY_LISTENER_PROTOCOLS)
LVS_PROTOCOLS = frozenset(constants.LVS_PROTOCOLS)
LVS_MONITORS = frozenset(
    (
        lib_constants.HEALTH_MONITOR_UDP_CONNECT,
        lib_constants.HEALTH_MONITOR_SCTP,
    )
)


class Support:
    """Checks of what a user asks for.

    Each raises InvalidRequest naming the attribute. An attribute that is
    unset, as in an update, is not checked.

    :param lvs_refusal: load_balancer_id -> why its amphorae cannot serve UDP
        and SCTP; empty: they can, or that is not known yet
    """

    def __init__(
        self, *, udp_allowed: bool, lvs_refusal: Callable[[str], str]
    ) -> None:
        self._udp_allowed = udp_allowed
        self._lvs_refusal = lvs_refusal

    def check(self, kind: str, new: Any, old: Any) -> None:
        """Check an object that is new, or what changes of one.

        The address of a member, the type of a health monitor and the listener
        of an L7 policy cannot change.
        """
        if kind == "listener":
            self.check_listener(new)
            if old is None:
                self._check_amphorae(new)
        elif kind == "pool":
            self.check_pool(new)
        elif old is not None:
            return
        elif kind == "member":
            self.check_members_of(new.pool_id, [new])
        elif kind == "healthmonitor":
            self.check_health_monitor(new)
        elif kind == "l7policy":
            self.check_l7policy(rows.listener(new.listener_id).protocol)

    def check_members_of(self, pool_id: str, members: list[Any]) -> None:
        """Check members of a pool by their address families."""
        # Without UDP there are none of the pools that have a rule.
        if self._udp_allowed:
            self.check_members(rows.pool(pool_id), members)

    def check_listener(self, listener: Any) -> None:
        """Check protocol and ALPN, and all below in a graph."""
        if listener.protocol:
            self._check_protocol("listener", listener.protocol)
        _check_known("alpn_protocols", listener.alpn_protocols, ALPN_PROTOCOLS)
        if listener.default_pool:
            self.check_pool(listener.default_pool)
        if listener.l7policies:
            self.check_l7policy(listener.protocol)

    def check_pool(self, pool: Any) -> None:
        """Check protocol, algorithm and ALPN, and all below in a graph."""
        if pool.protocol:
            self._check_protocol("pool", pool.protocol)
        _check_known("lb_algorithm", pool.lb_algorithm, ALGORITHMS)
        _check_known("alpn_protocols", pool.alpn_protocols, ALPN_PROTOCOLS)
        if pool.healthmonitor:
            self.check_health_monitor(pool.healthmonitor)

    def check_health_monitor(self, monitor: Any) -> None:
        """Check the type."""
        if monitor.type in LVS_MONITORS and not self._udp_allowed:
            raise InvalidRequest(
                "type", _forbidden(f"{monitor.type} health monitors")
            )

    def check_l7policy(self, protocol: str) -> None:
        """Check the protocol of the listener."""
        if protocol not in L7_PROTOCOLS:
            raise InvalidRequest(
                "listener_id",
                f"{protocol} protocol listeners do not support L7 policies.",
            )

    def check_members(self, pool: Any, members: Iterable[Any]) -> None:
        """Refuse members of an address family without a VIP: ip_vs cannot mix.

        :param pool: Octavia's data model of the pool, with its listeners
        """
        if pool.protocol not in LVS_PROTOCOLS:
            return
        families = [
            {
                ip_address(vip.ip_address).version
                for vip in (
                    listener.load_balancer.vip,
                    *listener.load_balancer.additional_vips,
                )
            }
            for listener in pool.listeners
        ]
        for member in members:
            version = ip_address(member.address).version
            if any(version not in family for family in families):
                raise InvalidRequest(
                    "address",
                    f"{member.address}: a {pool.protocol} pool takes members "
                    "of the VIPs' address families only.",
                )

    def check_graph(self, load_balancer: Any) -> None:
        """Check all objects that a load balancer is created with.

        Octavia 19 hands over the listeners of a graph as they were before
        their L7 policies were added, so those are not seen here.
        """
        for listener in load_balancer.listeners or ():
            self.check_listener(listener)
        for pool in load_balancer.pools or ():
            self.check_pool(pool)

    def _check_protocol(self, what: str, protocol: str) -> None:
        _check_known("protocol", protocol, PROTOCOLS)
        if protocol in LVS_PROTOCOLS and not self._udp_allowed:
            raise InvalidRequest("protocol", _forbidden(f"{protocol} {what}s"))

    def _check_amphorae(self, listener: Any) -> None:
        """Refuse what the load balancer's own amphorae cannot serve."""
        if listener.protocol not in LVS_PROTOCOLS:
            return
        refusal = self._lvs_refusal(listener.loadbalancer_id)
        if refusal:
            raise InvalidRequest(
                "protocol", f"{listener.protocol}: {refusal}."
            )


def _check_known(name: str, given: Any, supported: frozenset[str]) -> None:
    values = [given] if isinstance(given, str) else given or ()
    unknown = set(values) - supported
    if unknown:
        raise InvalidRequest(
            name,
            f"the anycast provider does not support {_names(unknown)}. "
            f"Supported: {_names(supported)}.",
        )


def _names(values: Iterable[str]) -> str:
    return ", ".join(sorted(values))


def _forbidden(what: str) -> str:
    return f"{what} are forbidden here ([anycast] udp_allowed is false)."
