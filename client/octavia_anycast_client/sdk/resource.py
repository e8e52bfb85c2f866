# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What our resources have in common."""

import uuid
from typing import Any, Self

from openstack import exceptions, resource


def is_id(text: str) -> bool:
    """Whether a text can be the id of a resource."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


class Resource(resource.Resource):
    """A resource of octavia-anycast: all five verbs, partial PUT."""

    allow_create = True
    allow_fetch = True
    allow_commit = True
    allow_delete = True
    allow_list = True

    #: What a sentence calls it.
    kind = "resource"

    @classmethod
    def find(
        cls,
        session: Any,
        name_or_id: str,
        ignore_missing: bool = True,
        **params: Any,
    ) -> Self | None:
        """Find one by id or name.

        A name never becomes part of a URL's path, whatever is in it.

        :raises openstack.exceptions.NotFoundException: without any, unless
            it may be missing.
        :raises openstack.exceptions.DuplicateResource: with several of that
            name.
        """
        found = cls._fetched(session, name_or_id)
        if found is None and "name" in cls._query_mapping._mapping:
            found = cls._named(session, name_or_id, **params)
        if found is None and not ignore_missing:
            raise exceptions.NotFoundException(
                f"No {cls.kind} found for {name_or_id}"
            )
        return found

    @classmethod
    def _fetched(cls, session: Any, name_or_id: str) -> Self | None:
        if not is_id(name_or_id):
            return None
        one = cls.new(id=name_or_id, connection=session._get_connection())
        try:
            fetched: Self = one.fetch(session)
        except exceptions.NotFoundException:
            return None
        return fetched

    @classmethod
    def _named(cls, session: Any, name: str, **params: Any) -> Self | None:
        found = list(cls.list(session, name=name, **params))
        if len(found) > 1:
            raise exceptions.DuplicateResource(
                f"{len(found)} {cls.kind}s have the name {name}; "
                f"give the ID of one"
            )
        return found[0] if found else None
