# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The calls of one VIP and one amphora, on top of the desired state.

Pure: from the state in force to the next one. Each call may be repeated; a
state that is as asked for already is the same object again.

Layer: agent.
"""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from octavia_anycast.model import codec
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.errors import Conflict, InvalidRequest, NotFound
from octavia_anycast.model.wire import (
    AgentCall,
    AmphoraList,
    AmphoraPath,
    DesiredState,
    Intent,
    ListedAmphora,
    NoBody,
    RegisteredAmphora,
    RegisteredVip,
    VipList,
    VipState,
)


def carry_out(
    state: DesiredState | None, call: AgentCall, name: str, body: Any
) -> tuple[DesiredState, Any]:
    """Make the next state, and the answer as a JSON document.

    :param name: the VIP or the amphora's id; empty for a list
    :param body: a JSON document, None without one
    :raises InvalidRequest: naming the field.
    :raises NotFound: there is no such VIP or amphora.
    :raises Conflict: this amphora announces for itself only.
    """
    if state is None or not state.is_distributor:
        raise Conflict("This amphora is not a distributor's own.")
    if call is AgentCall.LIST_VIPS:
        return state, codec.to_document(_vips(state))
    if call is AgentCall.LIST_AMPHORAE:
        return state, codec.to_document(_amphorae(state))
    return _change(state, call, name, body), None


def _vips(state: DesiredState) -> VipList:
    return VipList(
        vips=tuple(_path(vip) for vip in state.vips if vip.amphora_id is None)
    )


def _amphorae(state: DesiredState) -> AmphoraList:
    found: dict[str, list[VipState]] = {}
    for vip in state.vips:
        if vip.amphora_id is not None:
            found.setdefault(vip.amphora_id, []).append(vip)
    return AmphoraList(
        amphorae=tuple(
            ListedAmphora(
                amphora_id=amphora_id,
                load_balancer_id=vips[0].load_balancer_id,
                is_draining=all(v.intent is Intent.DRAIN for v in vips),
                paths=tuple(_path(vip) for vip in vips),
            )
            for amphora_id, vips in sorted(found.items())
        )
    )


def _path(vip: VipState) -> AmphoraPath:
    return AmphoraPath(
        vip_ip=vip.vip_ip, nexthop_ip=vip.nexthop_ip, peer_ids=vip.peer_ids
    )


def _change(
    state: DesiredState, call: AgentCall, name: str, body: Any
) -> DesiredState:
    resource, key = _named(call, name)
    old = tuple(vip for vip in state.vips if _key(vip) == key)
    if call is AgentCall.REGISTER_VIP:
        new = _external_vip(state, ip_address(key), body)
    elif call is AgentCall.REGISTER_AMPHORA:
        new = _amphora_vips(state, key, body)
    else:
        codec.read(NoBody, {} if body is None else body)
        if not old:
            raise NotFound(resource, name)
        if call is AgentCall.DRAIN_AMPHORA:
            vips = tuple(
                _drained(v) if _key(v) == key else v for v in state.vips
            )
            return state if vips == state.vips else replace(state, vips=vips)
        new = ()
    if old == new:
        return state
    others = tuple(vip for vip in state.vips if _key(vip) != key)
    return replace(state, vips=others + new)


def _key(vip: VipState) -> str:
    """The amphora's id, or the address of an external VIP."""
    return vip.amphora_id or str(vip.vip_ip)


def _named(call: AgentCall, name: str) -> tuple[str, str]:
    """What a call is about: the resource's kind, and its key."""
    if call in (AgentCall.REGISTER_VIP, AgentCall.UNREGISTER_VIP):
        try:
            return "VIP", str(ip_address(name))
        except ValueError:
            reason = f"{name!r} is no IP address"
            raise InvalidRequest("vip_ip", reason) from None
    try:
        return "Amphora", str(UUID(name))
    except ValueError:
        reason = f"{name!r} is no UUID"
        raise InvalidRequest("amphora_id", reason) from None


def _external_vip(
    state: DesiredState, vip_ip: IPAddress, body: Any
) -> tuple[VipState, ...]:
    asked = codec.read(RegisteredVip, body)
    _check_peers(state, asked.peer_ids, "peer_ids")
    return (
        VipState(
            vip_ip=vip_ip,
            nexthop_ip=asked.nexthop_ip,
            load_balancer_id=None,
            intent=Intent.ADVERTISE,
            peer_ids=asked.peer_ids,
        ),
    )


def _amphora_vips(
    state: DesiredState, amphora_id: str, body: Any
) -> tuple[VipState, ...]:
    asked = codec.read(RegisteredAmphora, body)
    for i, path in enumerate(asked.paths):
        _check_peers(state, path.peer_ids, f"paths[{i}].peer_ids")
        if path.vip_ip.version != path.nexthop_ip.version:
            raise InvalidRequest(
                f"paths[{i}].nexthop_ip", "it is of another family"
            )
    return tuple(
        VipState(
            vip_ip=path.vip_ip,
            nexthop_ip=path.nexthop_ip,
            load_balancer_id=asked.load_balancer_id,
            intent=Intent.ADVERTISE,
            peer_ids=path.peer_ids,
            amphora_id=amphora_id,
        )
        for path in asked.paths
    )


def _drained(vip: VipState) -> VipState:
    if vip.intent is Intent.WITHDRAW:
        return vip
    return replace(vip, intent=Intent.DRAIN)


def _check_peers(
    state: DesiredState, peer_ids: tuple[str, ...] | None, field: str
) -> None:
    """Refuse a path to nobody."""
    known = {peer.id for _, peer in state.peers()}
    if peer_ids is not None and not (peer_ids and known >= set(peer_ids)):
        raise InvalidRequest(field, "they are not all peers of this amphora")
