# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""JSON Schemas of our requests and responses, made of their very types.

Requests are the dataclasses that the codec reads, responses WSME's types.
What types do not say, such as ranges, is in the tables here, by attribute,
with the constants of the model.
"""

import types as python_types
import typing
from collections.abc import Collection, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from ipaddress import IPv4Address
from typing import Any

from octavia.api.common import types
from octavia.common import constants
from wsme import types as wtypes

from octavia_anycast.api import requests, responses
from octavia_anycast.api.descriptions import DESCRIPTIONS
from octavia_anycast.api.path.controller import ShownPath
from octavia_anycast.db.distributor import lifecycle
from octavia_anycast.model import bgp, cluster, codec, distributor, wire
from octavia_anycast.model.text import TEXT_MAX_LENGTH

Schema = dict[str, Any]
# RFC 3339 without a zone, as Octavia shows times: they are UTC.
MOMENT_PATTERN = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$"
UUID: Schema = {"type": "string", "format": "uuid"}
ADDRESS: Schema = {
    "type": "string",
    "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}],
}
MOMENT: Schema = {"type": "string", "pattern": MOMENT_PATTERN}


def _range(low: int, high: int) -> Schema:
    return {"minimum": low, "maximum": high}


# attribute -> what its schema has beside its type
LIMITS: dict[str, Schema] = {
    "name": {"maxLength": TEXT_MAX_LENGTH},
    "description": {"maxLength": TEXT_MAX_LENGTH},
    "availability_zone": {"maxLength": TEXT_MAX_LENGTH},
    "compute_host": {"maxLength": TEXT_MAX_LENGTH},
    "remote_as": _range(1, bgp.ASN_MAX),
    "local_as": _range(1, bgp.ASN_MAX),
    "password": {
        "minLength": 1,
        "maxLength": bgp.PASSWORD_MAX_LENGTH,
        "pattern": r"^[!#-\[\]-~]+$",
        "writeOnly": True,
    },
    "ttl_hops": _range(1, bgp.TTL_HOPS_MAX),
    "hold_time": _range(0, bgp.HOLD_TIME_MAX_SECONDS),
    "keepalive_interval": _range(1, bgp.KEEPALIVE_MAX_SECONDS),
    "min_tx_ms": _range(10, 60_000),
    "min_rx_ms": _range(10, 60_000),
    "multiplier": _range(2, 255),
    "max_prefixes": _range(1, bgp.PREFIXES_MAX),
    "as_path_prepend": _range(0, bgp.PREPEND_MAX),
    "med": _range(0, bgp.MED_MAX),
    "local_pref": _range(0, bgp.MED_MAX),
    "communities": {"maxItems": bgp.COMMUNITIES_MAX},
    "ip_version": {"enum": [4, 6]},
    "driver": {"enum": sorted(requests.DRIVERS)},
    "desired_size": _range(1, cluster.CLUSTER_SIZE_MAX),
    "min_size": _range(1, cluster.CLUSTER_SIZE_MAX),
    "max_size": _range(1, cluster.CLUSTER_SIZE_MAX),
    "cooldown": _range(0, cluster.COOLDOWN_MAX_SECONDS),
    "spare_count": _range(0, cluster.SPARE_COUNT_MAX),
    "dedicated_count": _range(0, distributor.DEDICATED_MAX),
    "distributor_id": {"format": "uuid"},
    "frontend_network_id": {"format": "uuid"},
}
# attribute -> what its items have beside their type
ITEM_LIMITS: dict[str, Schema] = {
    "communities": {"pattern": r"^[0-9]{1,10}(:[0-9]{1,10}){1,2}$"},
    "frontend_subnet_ids": {"format": "uuid"},
}


def _values(*members: str) -> Schema:
    return {"enum": list(members)}


# text of a response -> the values that it has
ENUMS: dict[str, Schema] = {
    "distributor_type": _values(*distributor.DistributorType),
    "driver": _values(*bgp.SpeakerDriver),
    "auth_type": _values(*bgp.AuthType),
    "peering_network": _values(*bgp.PeeringNetwork),
    "session_state": _values(*bgp.SessionState),
    "state": _values(*wire.PathState),
    "provisioning_status": _values(
        *lifecycle.PENDING, constants.ACTIVE, constants.ERROR
    ),
    "operating_status": _values(
        constants.ONLINE,
        constants.DEGRADED,
        constants.ERROR,
        constants.OFFLINE,
    ),
}
# response -> the dataclass that knows which attributes may be null
NULLABLE: Mapping[Any, Any] = {
    responses.PeerResponse: bgp.Peer,
    responses.ZoneResponse: distributor.Zone,
    responses.PathResponse: ShownPath,
}
NULLABLE_EVERYWHERE = frozenset(("updated_at",))
ID = "id"
_SCALARS: dict[Any, str] = {
    str: "string",
    int: "integer",
    bool: "boolean",
    float: "number",
}


def reference(name: str) -> Schema:
    """Refer to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def of_request(kind: Any, *, without: frozenset[str] = frozenset()) -> Schema:
    """The schema of a whole body, as for a POST.

    :param without: attributes that the user does not say
    """
    given = [f for f in fields(kind) if f.name not in without]
    hints = typing.get_type_hints(kind)
    return _object(
        {
            f.name: _attribute(f.name, hints[f.name]) | _default(f)
            for f in given
        },
        [
            f.name
            for f in given
            if f.default is MISSING and f.default_factory is MISSING
        ],
    )


def of_change(kind: Any, *, without: frozenset[str] = frozenset()) -> Schema:
    """The schema of a partial body, as for a PUT: null means the default."""
    schema = of_request(kind, without=without)
    required = schema.pop("required", [])
    for name, attribute in schema["properties"].items():
        if name not in required:
            schema["properties"][name] = _or_null(attribute)
    return schema


def of_response(
    kind: Any,
    *,
    nullable: Collection[str] = (),
    only: Collection[str] | None = None,
) -> Schema:
    """The schema of an answer; ``fields`` may leave any attribute out.

    :param nullable: attributes that may be null, beside those of NULLABLE
    :param only: the attributes to describe; None: all
    """
    properties = {
        attribute.name: _answered(kind, attribute)
        for attribute in kind._wsme_attributes
        if only is None or attribute.name in only
    }
    for name in nullable:
        properties[name] = _or_null(properties[name])
    return _object(properties, [])


def _object(properties: Schema, required: list[str]) -> Schema:
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    return schema | ({"required": required} if required else {})


def _default(f: Field[Any]) -> Schema:
    if f.default is MISSING or f.default is None:
        return {}
    return {"default": codec.to_document(f.default)}


def _attribute(name: str, kind: Any) -> Schema:
    """An attribute of a request."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        items = _attribute("", arguments[0]) | ITEM_LIMITS.get(name, {})
        schema: Schema = {"type": "array", "items": items}
    elif origin in (typing.Union, python_types.UnionType):
        if IPv4Address in arguments:
            schema = ADDRESS
        else:
            (inner,) = (a for a in arguments if a is not type(None))
            schema = _or_null(_attribute(name, inner))
    elif is_dataclass(kind):
        schema = _nested(kind)
    else:
        schema = _scalar(kind)
    return schema | LIMITS.get(name, {}) | _described(name)


def _nested(kind: Any) -> Schema:
    """An object within a request; what is new in it has no id yet."""
    if kind is bgp.Peer:
        return {
            "anyOf": [
                reference("PeerReference"),
                reference("PeerRequest"),
            ]
        }
    if kind is requests.PeerReference:
        return reference("PeerReference")
    return of_request(kind, without=frozenset((ID,)))


def _scalar(kind: Any) -> Schema:
    kind = getattr(kind, "__supertype__", kind)
    if issubclass(kind, Enum):
        return {"type": "string", "enum": [member.value for member in kind]}
    return {"type": _SCALARS[kind]}


def _or_null(schema: Schema) -> Schema:
    if "type" not in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    kinds = schema["type"]
    if "null" in kinds:
        return schema
    null: Schema = {"type": [kinds, "null"]}
    if "enum" in schema:
        null["enum"] = [*schema["enum"], None]
    if "anyOf" in schema:
        null["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    return schema | null


def _answered(kind: Any, attribute: Any) -> Schema:
    """An attribute of a response."""
    name = attribute.name
    schema = _of_wsme(attribute.datatype) | ENUMS.get(name, {})
    if name in ("ip_version",):
        schema |= LIMITS[name]
    if _may_be_null(kind, name):
        schema = _or_null(schema)
    return schema | _described(name)


def _may_be_null(kind: Any, name: str) -> bool:
    if name in NULLABLE_EVERYWHERE:
        return True
    source = NULLABLE.get(kind)
    hint = typing.get_type_hints(source).get(name) if source else None
    return type(None) in typing.get_args(hint)


def _of_wsme(kind: Any) -> Schema:
    if isinstance(kind, wtypes.ArrayType):
        return {"type": "array", "items": _of_wsme(kind.item_type)}
    if isinstance(kind, wtypes.UuidType):
        return UUID
    if isinstance(kind, types.IPAddressType):
        return ADDRESS
    if isinstance(kind, type) and issubclass(kind, types.BaseType):
        return of_response(kind)
    if kind is datetime:
        return MOMENT
    if isinstance(kind, wtypes.IntegerType):
        return {"type": "integer"}
    names = {int: "integer", bool: "boolean", float: "number"}
    return {"type": names.get(kind, "string")}


def _described(name: str) -> Schema:
    return {"description": DESCRIPTIONS[name]} if name else {}
