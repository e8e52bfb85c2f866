# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What a distributor's own amphorae announce: external VIPs, registrations.

Each change counts the distributor's ``vips_revision`` up, under a lock of
its row: the controller sees by it that the amphorae have to be told, and an
agent's report names the revision that it has.
"""

from typing import Any, Generic, TypeVar

from sqlalchemy.orm import Session

from octavia_anycast.db import listing, mapping, models
from octavia_anycast.db.distributor import distributors, lifecycle
from octavia_anycast.model.errors import Conflict, NotFound

Record = TypeVar("Record")


def lock_taker(session: Session, distributor_id: str) -> models.Distributor:
    """Lock the row of a distributor that can be given something to announce.

    :raises NotFound: if there is no such distributor.
    :raises Conflict: it is to be deleted, or has no amphorae of its own.
    """
    row = lifecycle.locked(session, distributor_id)
    if lifecycle.is_going(row):
        raise lifecycle.Immutable(row.id, row.provisioning_status)
    if not row.dedicated_count:
        raise Conflict(
            f"Distributor {row.id} has no amphorae of its own that could "
            "announce it: its dedicated_count is 0."
        )
    return row


class Announced(Generic[Record]):
    """The functions on one table of what distributors announce.

    :param kind: the model's type of one
    :param record: shows one with the columns of its row
    :param field: the field of ``record`` that has the model's object
    """

    def __init__(
        self,
        table: Any,
        kind: type[Any],
        record: type[Record],
        field: str,
        columns: listing.Columns,
    ) -> None:
        self._table, self._kind = table, kind
        self._record_type, self._field = record, field
        self._columns = columns

    def add(
        self,
        session: Session,
        distributor: models.Distributor,
        one: Any,
        **others: Any,
    ) -> Record:
        """Store one; the distributor's row is locked.

        :param others: columns that have another value than in ``one``
        """
        values = mapping.columns_of(self._table, one) | others
        row = self._table(distributor_id=distributor.id, **values)
        session.add(row)
        session.flush()
        return self.record_of(row)

    def unregister(
        self, session: Session, distributor_id: str, row_id: str
    ) -> None:
        """Delete one.

        :raises NotFound: if there is no such distributor, or no such row of
            it.
        """
        distributor = lifecycle.locked(session, distributor_id)
        session.delete(self.row(session, distributor_id, row_id))
        distributor.vips_revision += 1
        session.flush()

    def get(
        self, session: Session, distributor_id: str, row_id: str
    ) -> Record:
        """Get one.

        :raises NotFound: if this distributor has no such row.
        """
        return self.record_of(self.row(session, distributor_id, row_id))

    def page(
        self, session: Session, distributor_id: str, request: listing.Request
    ) -> list[Record]:
        """Get a page of the list; two queries, three with a marker.

        :raises NotFound: if there is no such distributor.
        """
        if not distributors.exists(session, distributor_id):
            raise NotFound("Distributor", distributor_id)
        rows = listing.page(
            session,
            self._table,
            self._columns,
            request,
            self._table.distributor_id == distributor_id,
        )
        return [self.record_of(row) for row in rows]

    def count(self, session: Session, distributor_id: str) -> int:
        """How many a distributor has."""
        return distributors.count_of_one(session, self._table, distributor_id)

    def row(self, session: Session, distributor_id: str, row_id: str) -> Any:
        """Get the row of one.

        :raises NotFound: if this distributor has no such row.
        """
        row = session.get(self._table, row_id)
        if row is None or row.distributor_id != distributor_id:
            raise NotFound(self._table.NOUN, row_id)
        return row

    def record_of(self, row: Any) -> Record:
        """Make what is shown of a row."""
        one = mapping.read(self._kind, row)
        return mapping.read(self._record_type, row, **{self._field: one})
