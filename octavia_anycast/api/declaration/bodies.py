# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Bodies of requests: strict documents that become the domain's types.

WSME would read "3", 3.9 and true as integers, and would repeat a whole body,
passwords included, in its complaint. So the codec of the agent contract reads
bodies: the dataclasses of the model, and those of the rooms, are the schema.
A complaint names the path of the field, such as
``speakers[0].peers[1].hold_time``.

A PUT is partial: what is given replaces what is stored, and the whole is
read like the body of a POST.
"""

import uuid
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from octavia_anycast.api.declaration.fields import NO_NAMES, Resource
from octavia_anycast.db.models import new_id
from octavia_anycast.model import codec
from octavia_anycast.model.errors import InvalidRequest

T = TypeVar("T")


def under(of: Resource, body: Any) -> Any:
    """What the body has below the root element of a resource.

    :raises InvalidRequest: if that is not all of the body.
    """
    if not isinstance(body, dict) or set(body) != {of.root}:
        raise InvalidRequest(
            of.root, "the body is not an object with this one attribute"
        )
    return body[of.root]


def read(
    of: Resource,
    kind: type[T],
    body: Any,
    *,
    without: frozenset[str] = NO_NAMES,
) -> T:
    """Read the body of a POST; what gets an id gets a new one.

    :param without: attributes that the user may not give
    :raises InvalidRequest: with the path of the offending field.
    """
    given = under(of, body)
    if isinstance(given, dict):
        for name in sorted(without & given.keys()):
            raise unknown(name)
        if "id" in without:
            given = given | {"id": new_id()}
    made = codec.read(kind, given)
    for name, field in of.fields.items():
        value = getattr(made, name, None)
        if field.is_id and value is not None:
            check_id(name, value)
    return made


def changed(of: Resource, kind: type[T], given: Any, record: Any) -> T:
    """Lay what is given over what is stored; null means the default.

    :param given: the content of the body of a PUT
    :param record: what is stored, as answers show it
    :raises InvalidRequest: with the path of the offending field.
    """
    if not isinstance(given, dict):
        return codec.read(kind, given)  # which says that it is no object
    document = {}
    for field in fields(kind):  # type: ignore[arg-type]
        name = field.name
        if name not in given:
            document[name] = codec.to_document(of.value(name, record))
        elif given[name] is None and field.default is not MISSING:
            document[name] = codec.to_document(field.default)
    return codec.read(kind, given | document)


def check_id(name: str, value: str) -> None:
    """Check that it is a UUID as Octavia writes them.

    :raises InvalidRequest: naming the field.
    """
    try:
        is_id = str(uuid.UUID(value)) == value.lower()
    except ValueError:
        is_id = False
    if not is_id:
        raise InvalidRequest(name, f"{value!r} is not a UUID")


def with_id(document: Any, prefix: str = "") -> Any:
    """Give an object its id, which the user may not give.

    What is no object stays as it is: the codec refuses it.
    """
    if not isinstance(document, dict):
        return document
    if "id" in document:
        raise unknown(f"{prefix}id")
    return document | {"id": new_id()}


def unknown(path: str) -> InvalidRequest:
    """The complaint about an attribute that a body may not have."""
    return InvalidRequest(path, "unknown attribute")


def no_peer(path: str, peer_id: object) -> InvalidRequest:
    """The complaint about a reference to a peer that does not exist."""
    return InvalidRequest(path, f"there is no BGP peer {peer_id!r}")
