# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The declaration of a resource: each attribute is declared once.

A :class:`Resource` determines WSME's types, the answers, and the JSON Schemas
of requests and answers; these make the OpenAPI document and the reference.
What a request requires, and its defaults, are those of the dataclass that the
codec reads.
"""

import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
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
    """An address as it is stored: an older release accepted an interface."""

    @staticmethod
    def validate(value: str) -> str:
        """Check the address only; the interface behind it is kept."""
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
    """The type of an attribute. Calling it makes an attribute of that type.

    :param wsme: its type in an answer, for WSME
    :param schema: its schema in an answer
    :param asked: makes its schema in a request; None: the same schema
    :param shown: makes the value in an answer from the model's, never of None
    :param is_nullable: whether it may be null in an answer
    """

    wsme: Any
    schema: Schema
    asked: Callable[[], Schema] | None = None
    shown: Callable[[Any], Any] = _same
    is_nullable: bool = False

    def __call__(
        self,
        text: str,
        limits: Schema | None = None,
        *,
        at: str = "",
        is_shown: bool = True,
    ) -> "Field":
        """Make an attribute of this type; see :class:`Field`."""
        return Field(self, text, limits or {}, at, is_shown)

    @property
    def or_null(self) -> "Kind":
        """The same type, or null in an answer."""
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
# An id that is a text in the schema of a request; the code checks it.
ID_AS_TEXT = Kind(
    wsme=UUID.wsme, schema=UUID.schema, asked=lambda: TEXT.schema
)


def one_of(*values: str) -> Kind:
    """A text that is one of these."""
    schema = {"type": "string", "enum": list(values)}
    return Kind(wsme=TEXT.wsme, schema=schema, shown=str)


def list_of(items: Kind, **limits: Any) -> Kind:
    """A list.

    :param limits: what the schema of an item in a request has beside its type
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
    :param references: names of schemas, of which it is one in a request
    """

    def asked() -> Schema:
        if not references:
            return of.request(asked_as, without=frozenset(("id",)))
        choices = [reference(name) for name in references]
        return choices[0] if len(choices) == 1 else {"anyOf": choices}

    return Kind(wsme=of.type, schema=of.answer(), asked=asked, shown=of.shown)


@dataclass(frozen=True, slots=True)
class Field:
    """An attribute of a resource; its name is the key in the declaration.

    :param text: what it means, in a sentence
    :param limits: what its schema in a request has beside its type
    :param at: path of its value in the record, such as ``peer.name``
    :param is_shown: whether answers have it
    """

    kind: Kind
    text: str
    limits: Schema = field(default_factory=dict)
    at: str = ""
    is_shown: bool = True

    @property
    def is_id(self) -> bool:
        """Whether its values are UUIDs."""
        return self.kind.schema.get("format") == "uuid"

    def answer(self) -> Schema:
        """Its schema in an answer."""
        return self.kind.answer() | {"description": self.text}


ID = UUID("Its identifier.")
CREATED_AT = MOMENT("When it was created (UTC).", at="created_at")
UPDATED_AT = MOMENT.or_null(
    "When it was last changed (UTC); null if never.", at="updated_at"
)


def between(low: int, high: int) -> Schema:
    """The limits of a number."""
    return {"minimum": low, "maximum": high}


@dataclass(frozen=True, kw_only=True, eq=False)
class Resource:
    """A resource, or an object within one.

    :param name: name of its schema in the OpenAPI document
    :param fields: name -> attribute, in the order of the reference
    :param title: what logs and summaries call it
    :param logged: the attributes that a log line of a change has
    :param root: the root element of a body with one
    :param plural: the root element of a list
    :param at: path of its attributes in a record, where they name none
    :param filters: the attributes by which a list is filtered and sorted
    :param optional: attributes that an answer may lack
    :param has_links: whether a list has links to the pages beside it
    :param base: Octavia's type that ours extends
    """

    name: str
    fields: Mapping[str, Field]
    title: str = ""
    logged: Collection[str] = ()
    root: str = ""
    plural: str = ""
    at: str = ""
    filters: Collection[str] = ()
    optional: Collection[str] = ()
    has_links: bool = True
    base: Any = types.BaseType

    @cached_property
    def type(self) -> Any:
        """WSME's type of an answer."""
        attributes = {name: f.kind.wsme for name, f in self._shown.items()}
        return _wsme_type(f"{self.name}Response", attributes, self.base)

    @cached_property
    def one_type(self) -> Any:
        """WSME's type of a body with one."""
        return _wsme_type(f"{self.name}RootResponse", {self.root: self.type})

    @cached_property
    def list_type(self) -> Any:
        """WSME's type of a body with a list."""
        attributes = {self.plural: [self.type]}
        if self.has_links:
            attributes[f"{self.plural}_links"] = [types.PageType]
        return _wsme_type(f"{self.name}ListResponse", attributes)

    @property
    def a(self) -> str:
        """Its title with the article."""
        return f"{'an' if self.title[0] in 'aeiou' else 'a'} {self.title}"

    @property
    def _shown(self) -> dict[str, Field]:
        return {name: f for name, f in self.fields.items() if f.is_shown}

    def one(self, shown: Any) -> Any:
        """The body with one."""
        return self.one_type(**{self.root: shown})

    def list(self, shown: Sequence[Any], links: Any = None) -> Any:
        """The body with a list."""
        of_links = {f"{self.plural}_links": links} if self.has_links else {}
        return self.list_type(**{self.plural: shown}, **of_links)

    def shown(self, record: Any, **computed: Any) -> Any:
        """Make the answer of a record; ``computed`` is not in the record."""
        if isinstance(record, self.type):
            return record
        values = {}
        for name, f in self._shown.items():
            value = (
                computed[name]
                if name in computed
                else self.value(name, record)
            )
            values[name] = None if value is None else f.kind.shown(value)
        return self.type(**values)

    def value(self, name: str, record: Any) -> Any:
        """The value of an attribute in a record."""
        return attrgetter(self.fields[name].at or f"{self.at}{name}")(record)

    @property
    def names(self) -> Collection[str]:
        """The attributes that answers have."""
        return self._shown.keys()

    def answer(self) -> Schema:
        """The schema of an answer; ``fields`` may leave anything out."""
        return _object({n: f.answer() for n, f in self._shown.items()}, [])

    def request(
        self, kind: Any, *, without: frozenset[str] = NO_NAMES
    ) -> Schema:
        """The schema of a whole body, as for a POST.

        :param kind: the dataclass that the codec makes of it
        :param without: attributes that the user may not give
        """
        hints = typing.get_type_hints(kind)
        properties, required = {}, []
        for f in fields(kind):
            if f.name in without:
                continue
            one = self.fields[f.name]
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
