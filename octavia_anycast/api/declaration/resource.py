# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The controllers' common part, driven by the declared calls.

The controller of a resource names its declaration and its calls, and says
only what is peculiar to it: how a record is read, made, changed, deleted.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FunctionType
from typing import Any, ClassVar, Self

from octavia.api.v2.controllers import base
from octavia.common import exceptions
from oslo_log import log as logging
from pecan import expose, request

from octavia_anycast.api.declaration import faults, listing
from octavia_anycast.api.declaration.calls import Call
from octavia_anycast.api.declaration.fields import Resource
from octavia_anycast.db.distributor import distributors
from octavia_anycast.db.engine import Database
from octavia_anycast.db.passwords import WithoutPasswords
from octavia_anycast.model import stored
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.octavia_adapter.load_balancer.rows import VipHolders
from octavia_anycast.options import Settings

LOG = logging.getLogger(__name__)


class Controller(base.BaseController):
    """Exposes its methods as the calls that ``CALLS`` declares.

    :cvar CALLS: method -> call
    :cvar BELOW: part of the path below one -> its controller
    """

    CALLS: ClassVar[Mapping[str, Call]] = {}
    BELOW: ClassVar[Mapping[str, type["Controller"]]] = {}
    _database: Database
    _settings: Settings
    _ids: tuple[Any, ...] = ()  # those in the path, above what it serves

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, call in vars(cls).get("CALLS", {}).items():
            setattr(cls, name, call.exposed(vars(cls)[name]))

    @classmethod
    def below(cls, parent: Any, *ids: str) -> Self:
        """Make one for a single request, below one of ``parent``'s."""
        made = cls.__new__(cls)
        # Not Octavia's constructor, which loads plug-ins: they are shared.
        made.__dict__.update(vars(parent))
        made._ids = (*getattr(parent, "_ids", ()), *ids)
        return made

    @property
    def _id(self) -> str:
        """The id of what it is below."""
        return self._ids[-1] if self._ids else ""

    @property
    def _context(self) -> Any:
        return request.context["octavia_context"]

    def _authorize(self, method: str, project_id: str | None) -> None:
        """Check that the user may make a call for a project.

        :raises PolicyForbidden: the policy does not allow it.
        """
        self.CALLS[method].rule.allows(project_id, do_raise=True)

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        """A transaction; our errors become faults."""
        with faults.translated(), self._database.transaction() as session:
            yield session

    @contextmanager
    def _octavia_transaction(self) -> Iterator[Any]:
        session = self._context.session
        with session.begin():
            yield session

    def _selected(self, shown: list[Any], fields: Any) -> list[Any]:
        if fields is None:
            return shown
        selected: list[Any] = self._filter_fields(shown, fields)
        return selected


class Collection(Controller):
    """A collection of ours.

    :cvar OF: its declaration
    :cvar ROWS: the module of ``db`` with its records
    """

    OF: ClassVar[Resource]
    ROWS: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        for name in vars(cls).get("CALLS", {}):
            if name not in vars(cls):
                setattr(cls, name, _copy(_METHODS[name], f"{cls.OF.root}_"))
        super().__init_subclass__(**kwargs)

    def __init__(self, database: Database, settings: Settings) -> None:
        super().__init__()
        self._database, self._settings = database, settings

    def _check(self, method: str, id: object = "") -> None:
        """Ask the policy, and check that an id comes from the path.

        Pecan fills any argument from a body's key of the same name.
        """
        self._authorize(method, self._context.project_id)
        if not isinstance(id, str) or id not in request.path_info:
            raise exceptions.ValidationException(
                detail="id: it belongs in the path, not in the body."
            )

    def _get(self, session: Any, id: str) -> Any:
        return self.ROWS.get(session, *self._ids, id)

    def _page(self, session: Any, wanted: Any) -> Sequence[Any]:
        found: Sequence[Any] = self.ROWS.page(session, *self._ids, wanted)
        return found

    def _answers(self, session: Any, records: Sequence[Any]) -> list[Any]:
        return [self.OF.shown(record) for record in records]

    def _prepare(self, body: Any, id: str | None = None) -> Any:
        """Read what is needed before the transaction that changes rows.

        :return: the body for ``_create`` or ``_update``
        """
        return body

    def _create(self, session: Any, body: Any) -> Any:
        """Create what a body asks for; return its record."""
        raise NotImplementedError

    def _update(self, session: Any, id: str, body: Any) -> Any:
        """Change one as a body asks for."""
        raise NotImplementedError

    def _delete(self, session: Any, id: str) -> None:
        """Delete one."""
        self.ROWS.unregister(session, *self._ids, id)

    def _shown(self, session: Any, id: str) -> Any:
        return self._answers(session, [self._get(session, id)])[0]

    def _vip_holders(self) -> VipHolders:
        """Octavia's load balancers and VIPs, read by the request's session."""
        return VipHolders(self._octavia_transaction)

    @expose()
    def _lookup(self, id: str, *remainder: str) -> Any:
        kind = self.BELOW.get(remainder[0]) if remainder else None
        return kind and (kind.below(self, id), remainder[1:])


def log_accepted(what: str = "") -> None:
    """Log that the request is stored.

    :param what: the attributes that matter, if its path does not say enough
    """
    LOG.info("Accepted %s %s%s", request.method, request.path, what)


def said(of: Resource, shown: Any) -> str:
    said = [f"{name} {getattr(shown, name)}" for name in ("id", *of.logged)]
    return f": {of.title} {', '.join(said)}"


# The methods of a collection. Pecan fills arguments by name from the keys of
# a body; hence the underscore of the body, as everywhere in Octavia.


def _get_one(self: Collection, id: str, fields: Any = None) -> Any:
    self._check("get_one", id)
    with self._transaction() as session:
        shown = self._shown(session, id)
    return self.OF.one(self._selected([shown], fields)[0])


def _get_all(self: Collection, fields: Any = None) -> Any:
    self._check("get_all")
    wanted = listing.requested()
    with self._transaction() as session:
        shown = self._answers(session, self._page(session, wanted))
    links = listing.links(wanted, [one.id for one in shown])
    return self.OF.list(self._selected(shown, fields), links)


def _post(self: Collection, body_: Any) -> Any:
    self._check("post")
    body = self._prepare(body_)
    with self._transaction() as session:
        (shown,) = self._answers(session, [self._create(session, body)])
    log_accepted(said(self.OF, shown))
    return self.OF.one(shown)


def _put(self: Collection, id: str, body_: Any) -> Any:
    self._check("put", id)
    body = self._prepare(body_, id)
    with self._transaction() as session:
        self._update(session, id, body)
        shown = self._shown(session, id)
    log_accepted(said(self.OF, shown))
    return self.OF.one(shown)


def _delete(self: Collection, id: str) -> None:
    self._check("delete", id)
    with self._transaction() as session:
        self._delete(session, id)
    log_accepted()


_METHODS = {
    "get_one": _get_one,
    "get_all": _get_all,
    "post": _post,
    "put": _put,
    "delete": _delete,
}


def _copy(method: Any, body_name: str) -> Any:
    """Copy a function: WSME stores the types of a call in it.

    :param body_name: the name of the argument with the body, as in the
        document: complaints name it
    """
    code = method.__code__
    names = (body_name if n == "body_" else n for n in code.co_varnames)
    return FunctionType(
        code.replace(co_varnames=tuple(names)),
        method.__globals__,
        method.__name__.removeprefix("_"),
        method.__defaults__,
    )


@contextmanager
def keeping_whole(
    session: Any, distributor_ids: Sequence[str]
) -> Iterator[None]:
    """Refuse a change within the block that makes a distributor invalid.

    What an older release accepted stays until it is changed itself: of two
    peers that are refused now, each can be corrected alone.

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
