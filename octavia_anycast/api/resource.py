# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What our collections have in common: rights, a transaction, ``fields``."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from octavia.api.v2.controllers import base
from octavia.common import exceptions
from pecan import request
from wsme import types as wtypes
from wsmeext import pecan as wsme_pecan

from octavia_anycast.api import faults, listing
from octavia_anycast.api.fields import Resource
from octavia_anycast.db.distributor import distributors
from octavia_anycast.db.engine import Database
from octavia_anycast.db.listing import Request
from octavia_anycast.db.passwords import WithoutPasswords
from octavia_anycast.model import stored
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.octavia_adapter.load_balancer.vip_addresses import (
    VipHolders,
)


@contextmanager
def _begun(session: Any) -> Iterator[Any]:
    with session.begin():
        yield session


class Document(wtypes.UserType):
    """A JSON body that WSME hands over as it is (see requests)."""

    basetype = dict
    name = "document"


def shows(of: Resource) -> Any:
    """Expose a method that shows one."""
    return wsme_pecan.wsexpose(
        of.one_type, wtypes.text, [wtypes.text], ignore_extra_args=True
    )


def lists(of: Resource) -> Any:
    """Expose a method that lists them."""
    return wsme_pecan.wsexpose(
        of.list_type, [wtypes.text], ignore_extra_args=True
    )


def takes(of: Resource, *arguments: Any, status: int) -> Any:
    """Expose a method that takes a body and answers with one."""
    return wsme_pecan.wsexpose(
        of.one_type, *arguments, body=Document(), status_code=status
    )


def deletes() -> Any:
    """Expose a method that deletes one."""
    return wsme_pecan.wsexpose(None, wtypes.text, status_code=204)


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

    def _vip_holders(self) -> VipHolders:
        """Octavia's load balancers and VIPs, read by the request's session."""
        return VipHolders(
            lambda: _begun(request.context["octavia_context"].session)
        )

    def _one(self, of: Resource, shown: Any, fields: Any) -> Any:
        """The answer with one, or with the fields of it that are wanted."""
        return of.one(self._selected([shown], fields)[0])

    def _list(
        self, of: Resource, shown: list[Any], wanted: Request, fields: Any
    ) -> Any:
        """The answer with a page of them and links to those beside it."""
        links = listing.links(wanted, [one.id for one in shown])
        return of.list(self._selected(shown, fields), links)

    def _selected(self, shown: list[Any], fields: Any) -> list[Any]:
        if fields is None:
            return shown
        selected: list[Any] = self._filter_fields(shown, fields)
        return selected


@contextmanager
def keeping_whole(
    session: Any, distributor_ids: Sequence[str]
) -> Iterator[None]:
    """Refuse a change within that makes anything of distributors wrong.

    What an older release let in stays until it is changed itself: of two
    peers that are refused now, each can be mended alone.

    :raises InvalidRequest: naming the attribute that the change made wrong.
    """
    before = set(_complaints(session, distributor_ids))
    yield
    for distributor_id, complaint in _complaints(session, distributor_ids):
        if (distributor_id, complaint) not in before:
            raise InvalidRequest(
                complaint.field,
                f"{complaint.reason} (distributor {distributor_id})",
            )


def _complaints(
    session: Any, distributor_ids: Sequence[str]
) -> Iterator[tuple[str, stored.Complaint]]:
    for distributor_id in distributor_ids:
        found = distributors.get(
            session, distributor_id, WithoutPasswords(), stored.unchecked
        )
        if found is not None:
            for complaint in stored.about_distributor(found):
                yield distributor_id, complaint
