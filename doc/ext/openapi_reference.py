# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Sphinx directives that render the OpenAPI document that our API serves.

``.. openapi-operations::``
    Every call: parameters, body, answers.

``.. openapi-faults::``
    What the statuses of refusals mean.

``.. openapi-schemas::``
    Every object of a body or an answer: one table each.

There is no second list of calls and attributes that could differ from it.
"""

import json
from collections.abc import Iterator
from typing import Any

from anycast_reference import _Generated, list_table

from octavia_anycast.api import openapi

# Parameters whose schema is a long list of names.
COMMON = {
    "fields": "names of attributes",
    "sort": "``attribute:asc`` or ``attribute:desc``, with commas between",
}
ANYTHING = "anything"
FILTER = "Only those of which"
METHODS = ("get", "post", "put", "delete", "patch")


def resolved(document: Any, value: Any) -> Any:
    """Follow a ``$ref`` into the components of the document."""
    while isinstance(value, dict) and "$ref" in value:
        target: Any = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        value = target
    return value


def label(name: str) -> str:
    """The label of a schema's table."""
    return f"api-schema-{name.lower()}"


def one_line(text: str) -> str:
    """Prose for a cell of a table."""
    return " ".join(text.split())


def prose(text: str) -> list[str]:
    """Paragraphs as they are, without their common indent."""
    return [line.strip() for line in text.strip().splitlines()] + [""]


def type_text(schema: Any) -> str:
    """What a schema lets a value be, for a cell of a table."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f":ref:`{name} <{label(name)}>`"
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            # One without a type is what ``fields`` leaves of the other.
            texts = [type_text(one) for one in schema[word]]
            named = [text for text in texts if text != ANYTHING]
            return " or ".join(dict.fromkeys(named or texts))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return ", ".join(f"``{json.dumps(value)}``" for value in values)
    kinds = schema.get("type", ANYTHING)
    kinds = kinds if isinstance(kinds, list) else [kinds]
    text = " or ".join(_kind_text(kind, schema) for kind in kinds)
    limits = "; ".join(limits_of(schema))
    return f"{text} ({limits})" if limits else text


def _kind_text(kind: str, schema: Any) -> str:
    if kind == "array":
        items = schema.get("items", {})
        if items.get("properties"):
            return "list of objects"
        return f"list of {type_text(items)}"
    if kind == "string" and "format" in schema:
        return f"string, {schema['format']}"
    return kind


def limits_of(schema: Any) -> Iterator[str]:
    """The bounds of a schema in words."""
    words = {
        "minimum": "at least",
        "maximum": "at most",
        "minLength": "length at least",
        "maxLength": "length at most",
        "minItems": "items at least",
        "maxItems": "items at most",
    }
    for key, word in words.items():
        if key in schema:
            yield f"{word} {schema[key]}"
    if "pattern" in schema:
        pattern = schema["pattern"].replace("\\", "\\\\")
        yield f"pattern ``{pattern}``"
    if "default" in schema:
        yield f"default ``{json.dumps(schema['default'])}``"
    if schema.get("writeOnly"):
        yield "write-only"
    if schema.get("readOnly"):
        yield "read-only"
    if schema.get("nullable"):
        yield "or null"


def operations(document: Any) -> Iterator[tuple[str, str, Any, list[Any]]]:
    """Each call: method, path, operation, its and its path's parameters."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                call = item[method]
                given = item.get("parameters", []) + call.get("parameters", [])
                parameters = [resolved(document, one) for one in given]
                yield method.upper(), path, call, parameters


def heading_lines(text: str, mark: str) -> list[str]:
    """A section's title."""
    return [text, mark * len(text), ""]


def operation_lines(document: Any) -> list[str]:
    """The reference of all calls."""
    lines: list[str] = []
    for method, path, call, parameters in operations(document):
        lines += heading_lines(f"{method} {path}", "^")
        lines += prose(f"{call.get('summary', '').rstrip('.')}.")
        if call.get("description"):
            lines += prose(call["description"])
        lines += _parameter_lines(parameters)
        lines += _body_lines(document, call)
        lines += _answer_lines(document, call)
    return lines


def fault_lines(document: Any) -> list[str]:
    """What each status of a refusal means, wherever it is given."""
    meanings = {
        str(status): resolved(document, answer)["description"]
        for _, _, call, _ in operations(document)
        for status, answer in call["responses"].items()
        if not is_good(status)
    }
    return list_table(
        ["Status", "Meaning"],
        [[status, one_line(meanings[status])] for status in sorted(meanings)],
    )


def is_good(status: str | int) -> bool:
    """Whether a status says that it was done."""
    return str(status).startswith("2")


def _parameter_lines(parameters: list[Any]) -> list[str]:
    """Those in the path and of a list; filters by their names only."""
    filters = [one["name"] for one in parameters if _is_filter(one)]
    rows = [
        [
            f"``{one['name']}``",
            one["in"],
            type_text(one.get("schema", {}))
            if one["name"] not in COMMON
            else COMMON[one["name"]],
            one_line(one.get("description", "")),
        ]
        for one in parameters
        if not _is_filter(one)
    ]
    lines = []
    if rows:
        lines += list_table(["Parameter", "In", "Type", "Meaning"], rows)
    if filters:
        names = ", ".join(f"``{name}``" for name in filters)
        lines += [f"Filters: {names}.", ""]
    return lines


def _is_filter(parameter: Any) -> bool:
    return parameter["in"] == "query" and parameter.get(
        "description", ""
    ).startswith(FILTER)


def _body_lines(document: Any, call: Any) -> list[str]:
    if "requestBody" not in call:
        return []
    body = resolved(document, call["requestBody"])
    (content,) = body["content"].values()
    return [f"Body: {root_text(content['schema'])}.", ""]


def root_text(schema: Any) -> str:
    """A body: the object under its root element, or the schema's name."""
    properties = schema.get("properties")
    if not properties:
        return type_text(schema)
    return ", ".join(
        f"``{name}``: {type_text(one)}" for name, one in properties.items()
    )


def _answer_lines(document: Any, call: Any) -> list[str]:
    lines = []
    for status, given in call["responses"].items():
        if is_good(status):
            answer = resolved(document, given)
            contents = list(answer.get("content", {}).values())
            text = root_text(contents[0]["schema"]) if contents else "no body"
            lines += [f"Answer: {status}, {text}.", ""]
    faults = [str(s) for s in call["responses"] if not is_good(s)]
    return [*lines, f"Refusals: {', '.join(faults)}.", ""]


def schema_lines(document: Any) -> list[str]:
    """One table for each schema of the components."""
    lines: list[str] = []
    for name, schema in document["components"]["schemas"].items():
        lines += [f".. _{label(name)}:", "", *heading_lines(name, "^")]
        if schema.get("description"):
            lines += prose(schema["description"])
        properties = schema.get("properties")
        if not properties:
            lines += [type_text(schema), ""]
            continue
        rows = [
            [
                f"``{key}``",
                type_text(one) + (", required" if is_required else ""),
                one_line(resolved_description(document, one)),
            ]
            for key, one, is_required in attributes(schema)
        ]
        lines += list_table(["Attribute", "Type", "Meaning"], rows)
    return lines


def attributes(
    schema: Any, prefix: str = ""
) -> Iterator[tuple[str, Any, bool]]:
    """Name, schema, whether it is required: of an object, nested ones too."""
    required = set(schema.get("required", ()))
    for key, one in schema["properties"].items():
        yield f"{prefix}{key}", one, key in required
        inner, mark = one, "."
        if one.get("type") == "array":
            inner, mark = one.get("items", {}), "[]."
        for choice in (inner, *inner.get("anyOf", ())):
            if choice.get("properties"):
                yield from attributes(choice, f"{prefix}{key}{mark}")


def resolved_description(document: Any, schema: Any) -> str:
    """The description of an attribute, its own before its type's."""
    own = schema.get("description")
    return str(own or resolved(document, schema).get("description", ""))


class Operations(_Generated):
    """``.. openapi-operations::``"""

    def lines(self) -> list[str]:
        """Every call."""
        return operation_lines(openapi.document())


class Faults(_Generated):
    """``.. openapi-faults::``"""

    def lines(self) -> list[str]:
        """Every status."""
        return fault_lines(openapi.document())


class Schemas(_Generated):
    """``.. openapi-schemas::``"""

    def lines(self) -> list[str]:
        """Every object."""
        return schema_lines(openapi.document())


def setup(app: Any) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("openapi-operations", Operations)
    app.add_directive("openapi-faults", Faults)
    app.add_directive("openapi-schemas", Schemas)
    return {"parallel_read_safe": True}
