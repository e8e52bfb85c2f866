# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Documents of the agent contract: dataclass <-> JSON, strictly.

One generic walk over the dataclasses of :mod:`octavia_anycast.model.wire`:
the types are the schema. Unknown keys, missing keys and wrong types are
refused with the path of the field, such as ``speakers[0].local_as``.

Layer: model. Pure.
"""

import hashlib
import json
import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from functools import cache, lru_cache, partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, TypeVar

from octavia_anycast.model.bgp import Speaker
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.model.wire import (
    DesiredState,
    FlowRescueReport,
    LvsReport,
    MemberCounts,
    Report,
    VipState,
)
from octavia_anycast.remembered import Remembered

T = TypeVar("T")
# The path of a field: that of what it is in, and its name or its index. Only a
# complaint makes a text of it: a document may have 10,000 VIPs.
Place = tuple[Any, str | int]
Parser = Callable[[Any, Place | None], Any]  # value, path of the field
# The one field whose value no complaint repeats, whatever it is.
PASSWORD = "password"
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
# A state is named, sent or stored, and compared with the one before.
_TEXTS_KEPT = 4
# Next hops repeat; VIPs do not.
_ADDRESSES_KEPT = 1024
_HOLE = "\0"  # no JSON text has it: in strings it is escaped


@cache
def _field_names(kind: Any) -> tuple[str, ...] | None:
    if not is_dataclass(kind):
        return None
    return tuple(f.name for f in fields(kind))


@cache
def _may_be_absent(kind: Any) -> tuple[tuple[str, Any], ...]:
    """Fields that a document lacks if they have their default: (name, it)."""
    return tuple(
        (f.name, f.default)
        for f in fields(kind)
        if f.metadata.get("absent_if_default")
    )


def to_document(value: Any) -> Any:
    """Make a JSON document of a dataclass, recursively.

    By exact type first: a distributor's state has 10,000 VIPs.
    """
    kind: Any = type(value)
    if value is None or kind is str or kind is int or kind is bool:
        return value
    if kind is IPv4Address or kind is IPv6Address:
        return str(value)
    if kind is tuple:
        return [to_document(item) for item in value]
    names = _field_names(kind)
    if names is not None:
        document = {name: to_document(getattr(value, name)) for name in names}
        for name, default in _may_be_absent(kind):
            if getattr(value, name) == default:
                del document[name]
        return document
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: to_document(item) for key, item in value.items()}
    return value


_OF_SPEAKERS = ("speakers", "driver", "keeps_speakers", "kept_peer_ids")


def to_text(state: DesiredState) -> str:
    """Make the JSON text of a desired state, its keys sorted."""
    return _joined(_texts_of(state))


def digest(state: DesiredState) -> str:
    """Name a desired state by its content but the speakers (SHA-256, hex)."""
    texts = _texts_of(state)
    for name in _OF_SPEAKERS:
        texts.pop(name, None)
    return hashlib.sha256(_joined(texts).encode()).hexdigest()


def _joined(texts: dict[str, str]) -> str:
    """Make the text of an object: key -> the text of its value."""
    pairs = ", ".join(f'"{name}": {texts[name]}' for name in sorted(texts))
    return f"{{{pairs}}}"


def _texts_of(state: DesiredState) -> dict[str, str]:
    """Name of each field of a state's document -> its JSON text."""
    absent = {
        name
        for name, default in _may_be_absent(DesiredState)
        if getattr(state, name) == default
    }
    texts = {
        f.name: _text(to_document(getattr(state, f.name)))
        for f in fields(state)
        if f.name != "vips" and f.name not in absent
    }
    texts["vips"] = _text_of_vips(state.vips)
    return texts


def _make_text_of_vips(vips: tuple[VipState, ...]) -> str:
    """Make the text of a list of VIPs, which differ by two addresses."""
    frames: dict[Any, tuple[str, ...]] = {}
    texts = []
    for vip in vips:
        # To hash the enum's member takes longer than all of the others.
        others = id(vip.intent), vip.load_balancer_id, vip.amphora_id
        kind = *others, vip.peer_ids
        frame = frames.get(kind)
        if frame is None:
            frame = frames[kind] = _frame(vip)
        begin, between, end = frame
        texts.append(f"{begin}{vip.nexthop_ip}{between}{vip.vip_ip}{end}")
    return f"[{', '.join(texts)}]"


def _frame(vip: VipState) -> tuple[str, ...]:
    """Return what stands around the next hop and the address of a VIP."""
    texts = {name: _text(value) for name, value in to_document(vip).items()}
    texts["nexthop_ip"] = texts["vip_ip"] = f'"{_HOLE}"'
    return tuple(_joined(texts).split(_HOLE))


_text_of_vips = Remembered(_make_text_of_vips, _TEXTS_KEPT)


@lru_cache(maxsize=1024)
def speakers_digest(speakers: tuple[Speaker, ...]) -> str:
    """Name speakers with their peers by their content (SHA-256, hex).

    The password is part of it, so that a changed one is carried out.
    """
    return _hash(to_document(speakers))


@lru_cache(maxsize=1024)
def peer_digests(speakers: tuple[Speaker, ...]) -> dict[str, str]:
    """Name each peer by all that its session is made of: peer_id -> digest.

    The speaker is part of it: its AS and driver are the session's too. The
    map is shared; nobody changes it.
    """
    return {
        peer.id: _hash(to_document(replace(speaker, peers=(peer,))))
        for speaker in speakers
        for peer in speaker.peers
    }


def report_digest(report: Report) -> str:
    """Name what a report says, without counts, ages and times of now.

    Whoever compares two of them asks whether anything has happened in between
    that a controller acts on or tells of. The agent alone makes it: a
    controller of another release compares it with nothing of its own.
    """
    return _hash(to_document(_without_counts(report)))


def _without_counts(report: Report) -> Report:
    """Return what of a report stays the same while nothing happens."""
    rescue, lvs, machine = report.flow_rescue, report.lvs, report.machine
    return replace(
        report,
        report_digest="",
        connections={},
        cpu=None,
        flow_rescue=rescue
        and FlowRescueReport(
            state=rescue.state,
            reason=rescue.reason,
            members=dict.fromkeys(sorted(rescue.members), MemberCounts()),
        ),
        lvs=lvs and LvsReport(lack=lvs.lack),
        machine=machine
        and replace(machine, clock=_NO_TIME, accepted={}, ttl_drops=None),
    )


def _text(document: Any) -> str:
    return json.dumps(document, sort_keys=True)


def _hash(document: Any) -> str:
    return hashlib.sha256(_text(document).encode()).hexdigest()


def read(kind: type[T], document: Any) -> T:
    """Read any dataclass whose fields are of the kinds of the wire.

    :raises InvalidRequest: with the path of the offending field.
    """
    parser: Parser = _parser(typing.cast("Any", kind))
    value = parser(document, None)
    assert isinstance(value, kind)
    return value


desired_state_from: Callable[[Any], DesiredState] = partial(read, DesiredState)
report_from: Callable[[Any], Report] = partial(read, Report)


@cache
def _parser(kind: Any) -> Parser:
    """What reads values of a type: looked up once, not for each value."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _union_parser(typing.get_args(kind))
    if origin is tuple:
        return partial(_parse_list, _parser(typing.get_args(kind)[0]))
    if origin is dict:
        return partial(_parse_map, _parser(typing.get_args(kind)[1]))
    if is_dataclass(kind):
        return partial(_parse_object, kind)
    return partial(_parse_scalar, getattr(kind, "__supertype__", kind))


def _union_parser(choices: tuple[Any, ...]) -> Parser:
    if IPv4Address in choices:
        parser: Parser = _parse_address
    else:
        (kind,) = (choice for choice in choices if choice is not type(None))
        parser = _parser(kind)
    if type(None) in choices:
        return partial(_parse_optional, parser)
    return parser


def _parse_optional(parser: Parser, value: Any, path: Place | None) -> Any:
    return None if value is None else parser(value, path)


_address = lru_cache(maxsize=_ADDRESSES_KEPT)(ip_address)


def _parse_address(
    value: Any, path: Place | None
) -> IPv4Address | IPv6Address:
    try:
        if isinstance(value, str):
            return _address(value)
    except ValueError:
        pass
    raise _refused(value, path, "is not an IP address")


def _parse_list(
    parser: Parser, value: Any, path: Place | None
) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _refused(value, path, "is not a list")
    return tuple(
        [parser(item, (path, index)) for index, item in enumerate(value)]
    )


def _parse_map(
    parser: Parser, value: Any, path: Place | None
) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _refused(value, path, "is not an object")
    return {
        str(key): parser(item, (path, str(key))) for key, item in value.items()
    }


@dataclass(frozen=True, slots=True)
class _Field:
    parser: Parser
    is_required: bool


@cache
def _fields_of(kind: Any) -> dict[str, _Field]:
    """A dataclass's fields; working them out takes longer than parsing."""
    hints = typing.get_type_hints(kind)
    return {
        f.name: _Field(
            _parser(hints[f.name])
            if f.repr
            else partial(_parse_secret, _parser(hints[f.name])),
            f.default is MISSING and f.default_factory is MISSING,
        )
        for f in fields(kind)
    }


def _parse_object(kind: Any, value: Any, path: Place | None) -> Any:
    if not isinstance(value, dict):
        where = _name(path) or "document"
        raise InvalidRequest(where, "it is not a JSON object")
    known = _fields_of(kind)
    if not value.keys() <= known.keys():
        unknown = next(key for key in value if key not in known)
        raise InvalidRequest(_name((path, unknown)), "unknown attribute")
    arguments = {}
    for name, f in known.items():
        if name in value:
            arguments[name] = f.parser(value[name], (path, name))
        elif f.is_required:
            raise InvalidRequest(_name((path, name)), "it is missing")
    try:
        return kind(**arguments)
    except InvalidRequest as e:
        raise InvalidRequest(_name((path, e.field)), e.reason) from e


def _parse_secret(parser: Parser, value: Any, path: Place | None) -> Any:
    """Parse a value that no complaint repeats."""
    try:
        return parser(value, path)
    except InvalidRequest:
        complaint = "its value has the wrong type"
        raise InvalidRequest(_name(path), complaint) from None


def _parse_scalar(kind: Any, value: Any, path: Place | None) -> Any:
    if type(value) is kind:
        return value
    if kind is datetime:
        return _parse_moment(value, path)
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(value)
        except ValueError as e:
            allowed = ", ".join(str(member.value) for member in kind)
            raise _refused(value, path, f"is none of {allowed}") from e
    if kind is float and type(value) is int:
        return float(value)  # JSON has one kind of number
    if not isinstance(value, kind) or (
        isinstance(value, bool) and kind is not bool
    ):
        raise _refused(value, path, f"is not of type {kind.__name__}")
    return value


def _parse_moment(value: Any, path: Place | None) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError) as e:
        raise _refused(value, path, "is not an ISO date") from e
    if moment.tzinfo is None:
        raise InvalidRequest(_name(path), f"{value!r} has no time zone")
    return moment


def _refused(value: Any, path: Place | None, complaint: str) -> InvalidRequest:
    """Say what a value is not, but no password, nor what may hold one."""
    where = _name(path)
    if where.rpartition(".")[2] == PASSWORD:
        shown = "it"
    elif isinstance(value, dict):
        shown = "an object"
    else:
        shown = "a list" if isinstance(value, list) else repr(value)
    return InvalidRequest(where, f"{shown} {complaint}")


def _name(path: Place | None) -> str:
    """Write a path down, such as ``speakers[0].local_as``."""
    steps: list[str] = []
    while path is not None:
        path, step = path
        steps.append(f"[{step}]" if isinstance(step, int) else f".{step}")
    return "".join(reversed(steps)).removeprefix(".")
