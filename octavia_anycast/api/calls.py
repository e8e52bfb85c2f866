# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The calls of the OpenAPI document, as each resource's schema names them.

A call says its method and path, what it is for, what it takes and answers.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from octavia_anycast.api.fields import Resource, Schema, reference

JSON = "application/json"
FAULTS = {
    400: "A value is refused; the fault names the attribute.",
    401: "There is no valid token.",
    403: "The policy does not allow it.",
    404: "There is no such resource.",
    409: "It contradicts the state of the resource; the fault says how.",
    503: "The database did not answer; try again later.",
}
FAULTS_OF_ALL = frozenset((401, 403, 503))


@dataclass(frozen=True, slots=True)
class Call:
    """A call.

    :param name: its operationId
    :param status: what it answers if all is well
    :param answer: the schema of the body; None: it has none
    :param faults: what else it answers, beside what all calls may
    :param query: what it takes in the query
    :param body: the schema of the body of the request; None: there is none
    :param is_body_required: whether the body may be left out
    """

    method: str
    path: str
    name: str
    summary: str
    status: int
    answer: Schema | None = None
    faults: tuple[int, ...] = ()
    query: Collection[Schema] = ()
    body: Schema | None = None
    is_body_required: bool = True

    def operation(self) -> Schema:
        """What the document says of it."""
        answers: Schema = {str(self.status): {"description": "Done."}}
        if self.answer:
            answers[str(self.status)]["content"] = _json(self.answer)
        for status in sorted(FAULTS_OF_ALL.union(self.faults)):
            answers[str(status)] = {
                "description": FAULTS[status],
                "content": _json(reference("Fault")),
            }
        operation: Schema = {
            "summary": self.summary,
            "operationId": self.name,
            "responses": answers,
        }
        if self.query:
            operation["parameters"] = list(self.query)
        if self.body:
            operation["requestBody"] = {
                "required": self.is_body_required,
                "content": _json(self.body),
            }
        return operation


def paths(calls: Iterable[Call]) -> Schema:
    """The paths of the document."""
    found: Schema = {}
    for call in calls:
        item = found.setdefault(call.path, _path_parameters(call.path))
        item[call.method.lower()] = call.operation()
    return found


def collection(
    of: Resource,
    path: str,
    *,
    delete_query: Collection[Schema] = (),
    delete_faults: tuple[int, ...] = (404, 409),
) -> tuple[Call, ...]:
    """The five calls of a collection of ours."""
    title, name = of.root.replace("_", " "), of.name
    one = f"{path}/{{{of.root}_id}}"
    return (
        lists(of, path, f"list{name}s", f"List {title}s", 400),
        creates(of, path, f"create{name}", f"Create a {title}", 400, 409),
        shows(of, one, f"show{name}", f"Show a {title}"),
        Call(
            "PUT",
            one,
            f"update{name}",
            f"Change a {title}: what is given only",
            200,
            whole(of),
            (400, 404, 409),
            body=rooted(of.root, reference(f"{name}Change")),
        ),
        deletes(
            one,
            f"delete{name}",
            f"Delete a {title}",
            *delete_faults,
            query=delete_query,
        ),
    )


def lists(
    of: Resource,
    path: str,
    name: str,
    summary: str,
    *faults: int,
    query: Collection[Schema] = (),
) -> Call:
    """A call that lists resources.

    :param query: what the query may have beside what every list takes
    """
    items = {
        of.plural: {"type": "array", "items": reference(of.name)},
        f"{of.plural}_links": {"type": "array", "items": reference("Link")},
    }
    answer = rooted(of.plural, {}) | {"properties": items}
    given = [*_list_parameters(of), *query]
    return Call("GET", path, name, summary, 200, answer, faults, given)


def shows(of: Resource, path: str, name: str, summary: str) -> Call:
    """A call that shows one, or those attributes of it that are wanted."""
    answer = rooted(of.root, reference(of.name))
    return Call("GET", path, name, summary, 200, answer, (404,), [_fields(of)])


def creates(
    of: Resource, path: str, name: str, summary: str, *faults: int
) -> Call:
    """A call that creates one, or registers it."""
    body = rooted(of.root, reference(f"{of.name}Request"))
    return Call("POST", path, name, summary, 201, whole(of), faults, body=body)


def drains(of: Resource, path: str, name: str, summary: str) -> Call:
    """A call that drains one."""
    return Call(
        "PUT",
        path,
        name,
        summary,
        202,
        whole(of),
        (400, 404, 409),
        body=reference("DrainRequest"),
        is_body_required=False,
    )


def deletes(
    path: str,
    name: str,
    summary: str,
    *faults: int,
    query: Collection[Schema] = (),
) -> Call:
    """A call that deletes one, or takes something back."""
    return Call("DELETE", path, name, summary, 204, None, faults, query)


def whole(of: Resource) -> Schema:
    """The body with one, of which nothing is left out."""
    required = {"required": sorted(of.names)}
    return rooted(of.root, {"allOf": [reference(of.name), required]})


def rooted(root: str, schema: Schema) -> Schema:
    """An object with this one attribute."""
    return {
        "type": "object",
        "properties": {root: schema},
        "required": [root],
        "additionalProperties": False,
    }


def query(name: str, description: str, schema: Schema) -> Schema:
    """An argument of the query."""
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": schema,
    }


def _json(schema: Schema) -> Schema:
    return {JSON: {"schema": schema}}


def _path_parameters(path: str) -> Schema:
    """The ids in a path."""
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "format": "uuid"},
        }
        for name in re.findall(r"{(\w+)}", path)
    ]
    return {"parameters": parameters} if parameters else {}


def _fields(of: Resource) -> Schema:
    return query(
        "fields",
        "Only these attributes; may be given more than once.",
        {"type": "array", "items": {"enum": sorted(of.names)}},
    )


def _list_parameters(of: Resource) -> list[Schema]:
    """What a list can be asked for: filters, order, pages."""
    properties = of.answer()["properties"]
    names = sorted(of.filters)
    sort = f"^({'|'.join(names)})(:(asc|desc))?"
    return [
        _fields(of),
        query("limit", "How many at most.", {"type": "integer"}),
        query("marker", "The id of the last one before.", {"type": "string"}),
        query(
            "page_reverse",
            "Whether the page before the marker is wanted.",
            {"type": "boolean"},
        ),
        query(
            "sort",
            "Attributes, each with :asc or :desc, with commas between.",
            {"type": "string", "pattern": f"{sort}$"},
        ),
        *(
            query(
                one,
                "Only those of which it is this value; may be given more "
                "than once.",
                _filter(properties[one]),
            )
            for one in names
        ),
    ]


def _filter(schema: Schema) -> Schema:
    """What a filter may be: the attribute's type, never null."""
    kept = {"type", "format", "pattern", "anyOf"}
    kinds = schema["type"]
    plain = {key: schema[key] for key in kept & set(schema)}
    if isinstance(kinds, list):
        plain["type"] = kinds[0]
    if "anyOf" in plain:
        plain["anyOf"] = [
            one for one in plain["anyOf"] if one != {"type": "null"}
        ]
    return plain
