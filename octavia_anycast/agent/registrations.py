# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The calls of one VIP and one amphora, on top of the desired state.

Pure: from the state in force to the next one. Each call may be repeated; a
state that is as asked for already is the same object again.

Layer: agent.
"""

from collections.abc import Callable
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
    return _CHANGES[call](state, name, body), None


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


def _register_vip(state: DesiredState, name: str, body: Any) -> DesiredState:
    vip_ip = _vip_named(name)
    asked = codec.read(RegisteredVip, body)
    _check_peers(state, asked.peer_ids, "peer_ids")
    wanted = VipState(
        vip_ip=vip_ip,
        nexthop_ip=asked.nexthop_ip,
        load_balancer_id=None,
        intent=Intent.ADVERTISE,
        peer_ids=asked.peer_ids,
    )
    return _with(state, lambda vip: _is_external(vip, vip_ip), (wanted,))


def _unregister_vip(state: DesiredState, name: str, body: Any) -> DesiredState:
    vip_ip = _vip_named(name)
    codec.read(NoBody, {} if body is None else body)
    if not any(_is_external(vip, vip_ip) for vip in state.vips):
        raise NotFound("VIP", name)
    return _with(state, lambda vip: _is_external(vip, vip_ip), ())


def _register_amphora(
    state: DesiredState, name: str, body: Any
) -> DesiredState:
    amphora_id = _amphora_named(name)
    asked = codec.read(RegisteredAmphora, body)
    for i, path in enumerate(asked.paths):
        _check_peers(state, path.peer_ids, f"paths[{i}].peer_ids")
        if path.vip_ip.version != path.nexthop_ip.version:
            raise InvalidRequest(
                f"paths[{i}].nexthop_ip", "it is of another family"
            )
    wanted = tuple(
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
    return _with(state, lambda vip: vip.amphora_id == amphora_id, wanted)


def _unregister_amphora(
    state: DesiredState, name: str, body: Any
) -> DesiredState:
    amphora_id = _registered_amphora(state, name, body)
    return _with(state, lambda vip: vip.amphora_id == amphora_id, ())


def _drain_amphora(state: DesiredState, name: str, body: Any) -> DesiredState:
    amphora_id = _registered_amphora(state, name, body)
    vips = tuple(
        replace(vip, intent=Intent.DRAIN)
        if vip.amphora_id == amphora_id and vip.intent is not Intent.WITHDRAW
        else vip
        for vip in state.vips
    )
    return state if vips == state.vips else replace(state, vips=vips)


_CHANGES: dict[AgentCall, Callable[[DesiredState, str, Any], DesiredState]] = {
    AgentCall.REGISTER_VIP: _register_vip,
    AgentCall.UNREGISTER_VIP: _unregister_vip,
    AgentCall.REGISTER_AMPHORA: _register_amphora,
    AgentCall.UNREGISTER_AMPHORA: _unregister_amphora,
    AgentCall.DRAIN_AMPHORA: _drain_amphora,
}


def _with(
    state: DesiredState,
    is_old: Callable[[VipState], bool],
    wanted: tuple[VipState, ...],
) -> DesiredState:
    """The state with these VIPs in place of the old ones."""
    old = tuple(vip for vip in state.vips if is_old(vip))
    if old == wanted:
        return state
    others = tuple(vip for vip in state.vips if not is_old(vip))
    return replace(state, vips=others + wanted)


def _is_external(vip: VipState, vip_ip: IPAddress) -> bool:
    return vip.amphora_id is None and vip.vip_ip == vip_ip


def _registered_amphora(state: DesiredState, name: str, body: Any) -> str:
    amphora_id = _amphora_named(name)
    codec.read(NoBody, {} if body is None else body)
    if not any(vip.amphora_id == amphora_id for vip in state.vips):
        raise NotFound("Amphora", name)
    return amphora_id


def _amphora_named(name: str) -> str:
    try:
        return str(UUID(name))
    except ValueError:
        raise InvalidRequest("amphora_id", f"{name!r} is no UUID") from None


def _vip_named(name: str) -> IPAddress:
    try:
        return ip_address(name)
    except ValueError:
        raise InvalidRequest("vip_ip", f"{name!r} is no IP address") from None


def _check_peers(
    state: DesiredState, peer_ids: tuple[str, ...] | None, field: str
) -> None:
    """Refuse a path to nobody."""
    known = {peer.id for _, peer in state.peers()}
    if peer_ids is not None and not (peer_ids and known >= set(peer_ids)):
        raise InvalidRequest(field, "they are not all peers of this amphora")
