# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What our collections have in common: rights, a transaction, ``fields``."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from octavia.api.v2.controllers import base
from octavia.common import exceptions
from pecan import request
from wsme import types as wtypes

from octavia_anycast.api import faults
from octavia_anycast.db import distributors
from octavia_anycast.db.engine import Database
from octavia_anycast.db.passwords import WithoutPasswords
from octavia_anycast.model.errors import InvalidRequest


class Document(wtypes.UserType):
    """A JSON body that WSME hands over as it is (see requests)."""

    basetype = dict
    name = "document"


class Collection(base.BaseController):
    """A collection of ours; subclasses say their RBAC_TYPE."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database

    def _authorize(self, action: str, id: object = "") -> None:
        """Ask the policy; and see that an id is one of the path.

        Pecan fills any argument from a body's key of the same name.
        """
        context = request.context["octavia_context"]
        self._auth_validate_action(context, context.project_id, action)
        if not isinstance(id, str) or id not in request.path_info:
            raise exceptions.ValidationException(
                detail="id: it belongs in the path, not in the body."
            )

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        """A transaction; our errors become faults."""
        with faults.translated(), self._database.transaction() as session:
            yield session

    def _selected(self, responses: list[Any], fields: Any) -> list[Any]:
        if fields is None:
            return responses
        selected: list[Any] = self._filter_fields(responses, fields)
        return selected


def check_whole(session: Any, distributor_ids: Iterable[str]) -> None:
    """See that distributors are valid as they are in this transaction.

    :raises InvalidRequest: naming the attribute that a change made wrong.
    """
    for distributor_id in distributor_ids:
        try:
            distributors.get(session, distributor_id, WithoutPasswords())
        except InvalidRequest as e:
            attribute = e.field.rpartition(".")[2]
            raise InvalidRequest(
                attribute, f"{e.reason} (distributor {distributor_id})"
            ) from e
