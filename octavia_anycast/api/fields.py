# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The declaration of a resource: each attribute is said once.

From a :class:`Resource` follow WSME's types, the answers, and the JSON Schemas
of requests and answers; with them the OpenAPI document and the reference. What
a request requires, and its defaults, are those of the dataclass that the codec
reads.
"""

import typing
from collections.abc import Callable, Collection
from dataclasses import KW_ONLY, MISSING, dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import cached_property
from operator import attrgetter
from typing import Any

from octavia.api.common import types
from wsme import types as wtypes

from octavia_anycast.model import codec

Schema = dict[str, Any]
NO_NAMES: frozenset[str] = frozenset()
# RFC 3339 without a zone, as Octavia shows times: they are UTC.
MOMENT_PATTERN = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$"


class StoredAddressType(types.IPAddressType):
    """An address as it is stored: an older release let interfaces in."""

    @staticmethod
    def validate(value: str) -> str:
        """Look at the address; what follows it is shown, too."""
        types.IPAddressType.validate(value.partition("%")[0])
        return value


def moment(value: datetime) -> datetime:
    """A time as Octavia shows it: UTC, whole seconds, no zone."""
    if value.tzinfo is not None:
        value = value.astimezone(UTC)
    return value.replace(tzinfo=None, microsecond=0)


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What the values of an attribute are.

    :param wsme: the type of an answer's, for WSME
    :param schema: the schema of an answer's
    :param asked: makes the schema of a request's; None: the same
    :param shown: makes an answer's value of one of the model, never of None
    :param is_nullable: whether an answer's may be null
    """

    wsme: Any
    schema: Schema
    asked: Callable[[], Schema] | None = None
    shown: Callable[[Any], Any] = _same
    is_nullable: bool = False

    @property
    def or_null(self) -> "Kind":
        """The same, for an attribute that may be null in an answer."""
        return replace(self, is_nullable=True)

    def answer(self) -> Schema:
        """The schema of an answer's value."""
        return or_null(self.schema) if self.is_nullable else self.schema

    def request(self) -> Schema:
        """The schema of a request's value."""
        return self.asked() if self.asked else self.schema


_ADDRESS: Schema = {
    "type": "string",
    "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}],
}
TEXT = Kind(wsme=wtypes.StringType(), schema={"type": "string"}, shown=str)
UUID = Kind(
    wsme=wtypes.UuidType(), schema={"type": "string", "format": "uuid"}
)
INTEGER = Kind(wsme=int, schema={"type": "integer"})
NUMBER = Kind(wsme=float, schema={"type": "number"})
FLAG = Kind(wsme=bool, schema={"type": "boolean"})
ADDRESS = Kind(wsme=types.IPAddressType(), schema=_ADDRESS, shown=str)
STORED_ADDRESS = Kind(wsme=StoredAddressType(), schema=_ADDRESS, shown=str)
MOMENT = Kind(
    wsme=datetime,
    schema={"type": "string", "pattern": MOMENT_PATTERN},
    shown=moment,
)
# An id that a request's schema calls a text; the request is checked.
ID_AS_TEXT = Kind(
    wsme=UUID.wsme, schema=UUID.schema, asked=lambda: TEXT.schema
)


def one_of(*values: str) -> Kind:
    """A text that is one of these."""
    schema = {"type": "string", "enum": list(values)}
    return Kind(wsme=TEXT.wsme, schema=schema, shown=str)


def list_of(items: Kind, **limits: Any) -> Kind:
    """A list.

    :param limits: what the schema of a request's items has beside their type
    """

    def asked() -> Schema:
        return {"type": "array", "items": items.request() | limits}

    return Kind(
        wsme=[items.wsme],
        schema={"type": "array", "items": items.schema},
        asked=asked,
        shown=lambda values: [items.shown(value) for value in values],
    )


def nested(of: "Resource", asked_as: Any = None, *references: str) -> Kind:
    """An object.

    :param asked_as: the dataclass that it is in a request; None: in none
    :param references: names of schemas that a request's is one of, instead
    """

    def asked() -> Schema:
        if not references:
            return of.request(asked_as, without=frozenset(("id",)))
        choices = [reference(name) for name in references]
        return choices[0] if len(choices) == 1 else {"anyOf": choices}

    return Kind(wsme=of.type, schema=of.answer(), asked=asked, shown=of.shown)


@dataclass(frozen=True, slots=True)
class Field:
    """An attribute of a resource.

    :param text: what it means, in a sentence
    :param limits: what its schema in a request has beside its type
    :param at: where its value is in what is shown, such as ``peer.name``
    :param is_shown: whether answers have it
    """

    name: str
    kind: Kind
    text: str
    limits: Schema = field(default_factory=dict)
    _: KW_ONLY
    at: str = ""
    is_shown: bool = True

    def answer(self) -> Schema:
        """Its schema in an answer."""
        return self.kind.answer() | {"description": self.text}


ID = Field("id", UUID, "Its identifier.")
CREATED_AT = Field(
    "created_at", MOMENT, "When it was created (UTC).", at="created_at"
)
UPDATED_AT = Field(
    "updated_at",
    MOMENT.or_null,
    "When it was last changed (UTC); null if never.",
    at="updated_at",
)


def between(low: int, high: int) -> Schema:
    """The limits of a number."""
    return {"minimum": low, "maximum": high}


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource, or an object within one.

    :param name: of its schema in the OpenAPI document
    :param fields: its attributes, in the order of the reference
    :param root: the root element of a body with one
    :param plural: the root element of a list
    :param at: where its attributes are in what is shown, if not said
    :param filters: the attributes by which a list is filtered and sorted
    :param base: Octavia's type that ours extends
    """

    name: str
    fields: tuple[Field, ...]
    root: str = ""
    plural: str = ""
    at: str = ""
    filters: Collection[str] = ()
    base: Any = types.BaseType

    @cached_property
    def type(self) -> Any:
        """WSME's type of an answer."""
        attributes = {f.name: f.kind.wsme for f in self._shown}
        return _wsme_type(f"{self.name}Response", attributes, self.base)

    @cached_property
    def one_type(self) -> Any:
        """WSME's type of a body with one."""
        return _wsme_type(f"{self.name}RootResponse", {self.root: self.type})

    @cached_property
    def list_type(self) -> Any:
        """WSME's type of a list, with links to the pages beside it."""
        return _wsme_type(
            f"{self.name}ListResponse",
            {
                self.plural: [self.type],
                f"{self.plural}_links": [types.PageType],
            },
        )

    @property
    def _shown(self) -> list[Field]:
        return [f for f in self.fields if f.is_shown]

    def one(self, shown: Any) -> Any:
        """The body with one."""
        return self.one_type(**{self.root: shown})

    def list(self, shown: Any, links: Any) -> Any:
        """The body with a list."""
        return self.list_type(
            **{self.plural: shown, f"{self.plural}_links": links}
        )

    def shown(self, record: Any, **computed: Any) -> Any:
        """Make the answer of a record; ``computed`` is not in there."""
        if isinstance(record, self.type):
            return record
        values = {}
        for f in self._shown:
            if f.name in computed:
                value = computed[f.name]
            else:
                value = attrgetter(f.at or f"{self.at}{f.name}")(record)
            values[f.name] = None if value is None else f.kind.shown(value)
        return self.type(**values)

    @property
    def names(self) -> Collection[str]:
        """The attributes that answers have."""
        return [f.name for f in self._shown]

    def answer(self, only: Collection[str] | None = None) -> Schema:
        """The schema of an answer; ``fields`` may leave anything out."""
        return _object(
            {
                f.name: f.answer()
                for f in self._shown
                if only is None or f.name in only
            },
            [],
        )

    def request(
        self, kind: Any, *, without: frozenset[str] = NO_NAMES
    ) -> Schema:
        """The schema of a whole body, as for a POST.

        :param kind: the dataclass that the codec makes of it
        :param without: attributes that the user does not say
        """
        declared = {f.name: f for f in self.fields}
        hints = typing.get_type_hints(kind)
        properties, required = {}, []
        for f in fields(kind):
            if f.name in without:
                continue
            one = declared[f.name]
            schema = one.kind.request() | one.limits
            if type(None) in typing.get_args(hints[f.name]):
                schema = or_null(schema) | one.limits
            schema |= {"description": one.text}
            if f.default is not MISSING and f.default is not None:
                schema |= {"default": codec.to_document(f.default)}
            if f.default is MISSING and f.default_factory is MISSING:
                required.append(f.name)
            properties[f.name] = schema
        return _object(properties, required)

    def change(
        self, kind: Any, *, without: frozenset[str] = NO_NAMES
    ) -> Schema:
        """The schema of a partial body, as for a PUT.

        Null means the default.
        """
        schema = self.request(kind, without=without)
        required = schema.pop("required", [])
        for name, attribute in schema["properties"].items():
            if name not in required:
                schema["properties"][name] = or_null(attribute)
        return schema


def reference(name: str) -> Schema:
    """Refer to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def or_null(schema: Schema) -> Schema:
    """The same, or null."""
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


def _object(properties: Schema, required: list[str]) -> Schema:
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    return schema | ({"required": required} if required else {})


def _wsme_type(
    name: str, attributes: dict[str, Any], base: Any = types.BaseType
) -> Any:
    """Make a type of WSME's, which would look for its order in our source."""
    inherited = [a.name for a in getattr(base, "_wsme_attributes", ())]
    members = {one: wtypes.wsattr(kind) for one, kind in attributes.items()}
    order = (*attributes, *(n for n in inherited if n not in attributes))
    return type(base)(name, (base,), members | {"_wsme_attr_order": order})
