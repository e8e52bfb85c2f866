# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The declaration of a call: each is declared once, in a resource's schema.

A :class:`Call` determines the operation of the OpenAPI document, the policy
rule that guards it, and how WSME exposes the controller's method.
"""

import inspect
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

from octavia.common import constants, policy
from pecan import request
from wsme import types as wtypes
from wsmeext import pecan as wsme_pecan

from octavia_anycast.api.declaration.fields import Resource, Schema, reference
from octavia_anycast.api.declaration.retry import retried

JSON = "application/json"
FAULTS = {
    400: "A value is refused; the fault names the attribute.",
    401: "The request has no valid token.",
    403: "The policy does not allow it.",
    404: "No such resource exists.",
    409: "It contradicts the state of the resource; the fault says how.",
    503: "The database did not answer; try again later.",
}
FAULTS_OF_ALL = frozenset((401, 403, 503))
STATUSES = {"GET": 200, "POST": 201, "PUT": 200, "DELETE": 204}
OPERATORS = constants.RULE_API_READ_GLOBAL
_WORDS = {"register": "Create", "unregister": "Delete", "update": "Change"}
# What the schema of a request's body adds to the name of the resource.
_BODIES = {"POST": "Request", "PUT": "Change"}


class Document(wtypes.UserType):
    """A JSON body that WSME hands over as it is (see bodies)."""

    basetype = dict
    name = "document"


@dataclass(frozen=True, slots=True)
class Rule:
    """A policy rule.

    :param check: who is allowed by default; empty: the rule is Octavia's own
    """

    name: str
    check: str = ""

    def allows(
        self, project_id: str | None, *, do_raise: bool = False
    ) -> bool:
        """Whether it allows the user something of a project.

        :raises PolicyForbidden: it does not, and ``do_raise``.
        """
        return bool(
            policy.get_enforcer().authorize(
                self.name,
                {"project_id": project_id},
                request.context["octavia_context"],
                do_raise=do_raise,
            )
        )


def ours(action: str, check: str = constants.RULE_API_ADMIN) -> Rule:
    """A rule of ours, such as ``bgp-peer:put``; for administrators."""
    return Rule(f"{constants.LOADBALANCER_API}:{action}", check)


# It guards a part of several calls.
SEE_AMPHORAE = ours("cluster:get_amphorae", OPERATORS)


def stock(action: str) -> Rule:
    """A rule of Octavia's own."""
    return ours(action, "")


@dataclass(frozen=True, slots=True)
class Call:
    """A call.

    :param name: its operationId
    :param rule: the policy rule that guards it
    :param of: the resource that it answers with; None: no body
    :param faults: its other statuses, beside those that all calls have
    :param is_list: whether it answers with a list of them
    :param has_fields: whether the query may choose their attributes
    :param status: the status of its answer on success; 0: its method's
    :param query: the parameters of its query, beside those that follow
    :param body: the schema of the body of the request; None: there is none
    :param is_body_required: whether the body may be left out
    """

    method: str
    path: str
    name: str
    summary: str
    rule: Rule
    of: Resource | None = None
    faults: tuple[int, ...] = ()
    _: KW_ONLY
    is_list: bool = False
    has_fields: bool = False
    status: int = 0
    query: Collection[Schema] = ()
    body: Schema | None = None
    is_body_required: bool = True

    @property
    def success(self) -> int:
        """The status of its answer on success."""
        return self.status or STATUSES[self.method]

    def exposed(self, method: Any) -> Any:
        """Expose a controller's method, whose last argument is the body."""
        names = inspect.getfullargspec(method).args[1:]
        options: dict[str, Any] = {}
        if self.body:
            names.pop()
            options["body"] = Document()
        answer = None
        if self.of:
            answer = self.of.list_type if self.is_list else self.of.one_type
        exposed = wsme_pecan.wsexpose(
            answer,
            *([wtypes.text] if n == "fields" else wtypes.text for n in names),
            status_code=self.success,
            ignore_extra_args=self.has_fields,
            **options,
        )(retried(method))
        # It is WSME's to know; Pecan gives what WSME makes any arguments.
        del exposed.__signature__
        return exposed

    def operation(self) -> Schema:
        """Its operation in the OpenAPI document."""
        answers: Schema = {str(self.success): {"description": "Done."}}
        if self.of:
            answers[str(self.success)]["content"] = _json(
                self._answer(self.of)
            )
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
        query = [*self._parameters(), *self.query]
        if query:
            operation["parameters"] = query
        if self.body:
            operation["requestBody"] = {
                "required": self.is_body_required,
                "content": _json(self.body),
            }
        return operation

    def _answer(self, of: Resource) -> Schema:
        shown = reference(of.name)
        if self.is_list:
            body = rooted(of.plural, {"type": "array", "items": shown})
            if of.has_links:
                links = {"type": "array", "items": reference("Link")}
                body["properties"][f"{of.plural}_links"] = links
            return body
        if self.has_fields:
            return rooted(of.root, shown)
        required = {"required": sorted(set(of.names) - {*of.optional})}
        return rooted(of.root, {"allOf": [shown, required]})

    def _parameters(self) -> Iterator[Schema]:
        if not self.of or not self.has_fields:
            return
        yield query(
            "fields",
            "Show only these attributes; may be given more than once.",
            {"type": "array", "items": {"enum": sorted(self.of.names)}},
        )
        if self.is_list:
            yield from _list_parameters(self.of)


def paths(calls: Iterable[Call]) -> Schema:
    """The paths of the document."""
    found: Schema = {}
    for call in calls:
        item = found.setdefault(call.path, _path_parameters(call.path))
        item[call.method.lower()] = call.operation()
    return found


def on(
    of: Resource,
    action: str,
    path: str,
    verb: str,
    rule: Rule,
    faults: tuple[int, ...],
) -> Call:
    """A call on a resource or its collection.

    :param action: the controller's method, such as ``get_all``
    :param verb: the first word of its operationId
    """
    method = action.partition("_")[0].upper()
    is_list = action == "get_all"
    # What is registered has its root element's name there.
    name = of.root.capitalize() if "register" in verb else of.name
    body = _BODIES.get(method, "")
    return Call(
        method,
        path,
        f"{verb}{name}{'s' if is_list else ''}",
        f"{_WORDS.get(verb, verb.capitalize())} "
        + (f"{of.title}s" if is_list else of.a),
        rule,
        None if method == "DELETE" else of,
        faults,
        is_list=is_list,
        has_fields=method == "GET",
        body=rooted(of.root, reference(f"{of.name}{body}")) if body else None,
    )


def collection(
    of: Resource, path: str, readers: str, **of_delete: Any
) -> dict[str, Call]:
    """The five calls of a collection: controller's method -> call.

    :param readers: who may list and show by default
    :param of_delete: what is different in the call that deletes
    """
    one = f"{path}/{{{of.root}_id}}"
    rules = of.root.replace("_", "-")

    def call(action: str, where: str, verb: str, *faults: int) -> Call:
        reading = [readers] if action.startswith("get") else []
        rule = ours(f"{rules}:{action}", *reading)
        return on(of, action, where, verb, rule, faults)

    return {
        "get_all": call("get_all", path, "list", 400),
        "post": call("post", path, "create", 400, 409),
        "get_one": call("get_one", one, "show", 404),
        "put": call("put", one, "update", 400, 404, 409),
        "delete": replace(
            call("delete", one, "delete", 404, 409), **of_delete
        ),
    }


def registry(of: Resource, path: str, id: str) -> dict[str, Call]:
    """The four calls of what is registered with a distributor.

    :param id: the parameter of the path that names one
    """
    one = f"{path}/{{{id}}}"
    rule = "distributor:{}_{}".format
    reading = ours(rule("get", of.plural), OPERATORS)
    showing = ours(rule("get", of.root), OPERATORS)
    adding, removing = (ours(rule(n, of.root)) for n in ("post", "delete"))
    return {
        "get_all": on(of, "get_all", path, "list", reading, (400, 404)),
        "post": on(of, "post", path, "register", adding, (400, 404, 409)),
        "get_one": on(of, "get_one", one, "show", showing, (404,)),
        "delete": on(of, "delete", one, "unregister", removing, (404,)),
    }


def drain(
    of: Resource, path: str, name: str, summary: str, rule: Rule
) -> Call:
    """A call that drains one."""
    return Call(
        "PUT",
        path,
        name,
        summary,
        rule,
        of,
        (400, 404, 409),
        status=202,
        body=reference("DrainRequest"),
        is_body_required=False,
    )


def rooted(root: str, schema: Schema) -> Schema:
    """An object with this one attribute."""
    return {
        "type": "object",
        "properties": {root: schema},
        "required": [root],
        "additionalProperties": False,
    }


def query(name: str, description: str, schema: Schema) -> Schema:
    """A parameter of the query."""
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": schema,
    }


def _json(schema: Schema) -> Schema:
    return {JSON: {"schema": schema}}


def _path_parameters(path: str) -> Schema:
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


def _list_parameters(of: Resource) -> Iterator[Schema]:
    names = sorted(of.filters)
    sort = f"^({'|'.join(names)})(:(asc|desc))?$"
    for name, text, schema in (
        ("limit", "How many at most are listed.", {"type": "integer"}),
        (
            "marker",
            "The id of the one after which the page begins.",
            {"type": "string"},
        ),
        (
            "page_reverse",
            "Whether to list the page before the marker instead.",
            {"type": "boolean"},
        ),
        (
            "sort",
            "Attributes to sort by, separated by commas; :asc or :desc may "
            "follow each.",
            {"type": "string", "pattern": sort},
        ),
    ):
        yield query(name, text, schema)
    for name in names:
        text = "Only those of which it is this value; may be given repeatedly."
        kind = of.fields[name].kind.schema
        plain = {k: v for k, v in kind.items() if k != "enum"}
        yield query(name, text, plain)
