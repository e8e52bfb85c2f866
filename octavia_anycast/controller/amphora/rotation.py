# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""New certificates for the agents, before the old ones end.

The certificate is of the agent's management port only: no packet of a
tenant meets it. Within a cluster one amphora follows the other, each under
the load balancer's lock, so that no reconcile talks to that agent meanwhile.

The row is written last. Whatever dies before leaves an amphora that still is
due, with an agent that shows the old certificate or the new one, both valid:
it gets another.

Layer: controller. Which amphorae are due is decided in
planning/amphora/certificates.py.
"""

import functools
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import groupby

from oslo_log import log as logging

from octavia_anycast.controller.ports import World
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.log_lines import CarryingExecutor
from octavia_anycast.model.cluster import AmphoraRecord
from octavia_anycast.model.errors import AnycastError, Retryable
from octavia_anycast.model.housekeeping import (
    Certificate,
    Order,
    Outcome,
    Rotated,
)
from octavia_anycast.planning.amphora import certificates

LOG = logging.getLogger(__name__)
# Holds a lock that all controllers share, by its name; False: it is not free.
Lock = Callable[[str], AbstractContextManager[bool]]


class _NotShown(AnycastError):
    """The agent took the new certificate, and shows another."""


def _never() -> bool:
    return False


@dataclass(slots=True)
class Rotation:
    """Finds the certificates that end soon, and replaces them.

    ``is_stopping``: whether the process is to end; no new one is begun then.
    """

    world: World
    lock: Lock
    is_stopping: Callable[[], bool] = _never

    def find(self, order: Order | None = None) -> tuple[Rotated, ...]:
        """Whose certificates are to be replaced; nothing is touched."""
        return tuple(
            _line(record, Outcome.FOUND)
            for record in self._due(order or Order())
        )

    def run(self, order: Order | None = None) -> tuple[Rotated, ...]:
        """Replace them; clusters side by side, amphorae one by one."""
        due = self._due(order or Order())
        groups = [list(g) for _, g in groupby(due, key=_load_balancer_of)]
        if not groups:
            return ()
        threads = self.world.settings.cert_rotate_threads
        with CarryingExecutor(threads, "rotate") as executor:
            done = executor.map(
                functools.partial(self._rotate_cluster, order or Order()),
                groups,
            )
            return tuple(line for lines in done for line in lines)

    def rotate(self, amphora_id: str) -> Rotated:
        """Replace one certificate now, whether it is due or not.

        BUSY: its load balancer is being reconciled. SILENT: its agent does
        not answer, as of one that boots or died; FAILED is only an agent that
        does.
        """
        record = self._read(amphora_id)
        if record is None or not certificates.is_rotatable(record):
            return Rotated(
                amphora_id=amphora_id,
                load_balancer_id=record.load_balancer_id if record else None,
                expires_at=record.cert_expiration if record else None,
                outcome=Outcome.SKIPPED,
                detail="it does not run",
            )
        assert record.lb_network_ip is not None
        try:
            self.world.agents.served_serial(record.id, record.lb_network_ip)
        except Retryable as e:
            return _line(record, Outcome.SILENT, str(e))
        try:
            return self._rotate(record, Order(is_forced=True))
        except AnycastError as e:
            return _line(record, Outcome.FAILED, str(e))

    def _due(self, order: Order) -> list[AmphoraRecord]:
        with self.world.database.transaction() as session:
            records = amphorae.list_all(session)
        wanted = order.load_balancer_id
        return sorted(
            (
                record
                for record in records
                if wanted in (None, record.load_balancer_id)
                and self._is_due(record, order)
            ),
            key=lambda record: (_load_balancer_of(record), record.id),
        )

    def _is_due(self, record: AmphoraRecord, order: Order) -> bool:
        if order.is_forced:
            return certificates.is_rotatable(record)
        return certificates.is_due(
            record,
            self.world.now(),
            buffer_seconds=self.world.settings.cert_expiry_buffer,
            validity_seconds=self.world.files.certificate_seconds,
        )

    def _rotate_cluster(
        self, order: Order, records: Iterable[AmphoraRecord]
    ) -> list[Rotated]:
        """One amphora after the other.

        If an agent does not show what it was given, the next ones keep what
        they have: something is wrong that one amphora is enough to show.
        """
        done: list[Rotated] = []
        broken = ""
        for record in records:
            if self.is_stopping():
                broken = "the controller stops"
            if broken:
                done.append(_line(record, Outcome.SKIPPED, broken))
                continue
            try:
                done.append(self._rotate(record, order))
            except AnycastError as e:
                LOG.warning(
                    "The certificate of amphora %s was not replaced: %s",
                    record.id,
                    e,
                )
                done.append(_line(record, Outcome.FAILED, str(e)))
                if isinstance(e, _NotShown):
                    broken = f"amphora {record.id} failed"
        return done

    def _rotate(self, record: AmphoraRecord, order: Order) -> Rotated:
        # Making a key takes a while: before the lock.
        certificate = self.world.files.issue_certificate(record.id)
        with self.lock(_load_balancer_of(record)) as is_held:
            if not is_held:
                return _line(record, Outcome.BUSY, "it is being reconciled")
            current = self._read(record.id)
            if current is None or not self._is_due(current, order):
                return _line(record, Outcome.SKIPPED, "it is not due any more")
            self._install(current, certificate)
        return _line(
            replace(current, cert_expiration=certificate.expires_at),
            Outcome.DONE,
        )

    def _install(
        self, record: AmphoraRecord, certificate: Certificate
    ) -> None:
        assert record.lb_network_ip is not None
        self.world.haproxy.install_certificate(record, certificate)
        shown = self.world.agents.served_serial(
            record.id, record.lb_network_ip
        )
        if shown != certificate.serial:
            raise _NotShown(
                f"its agent shows certificate {shown:x} after it took "
                f"{certificate.serial:x}"
            )
        with self.world.database.transaction() as session:
            amphorae.update(
                session, record.id, cert_expiration=certificate.expires_at
            )
        LOG.info(
            "Amphora %s of load balancer %s has a new certificate until %s.",
            record.id,
            record.load_balancer_id,
            certificate.expires_at,
        )

    def _read(self, amphora_id: str) -> AmphoraRecord | None:
        with self.world.database.transaction() as session:
            return amphorae.get(session, amphora_id)


def _load_balancer_of(record: AmphoraRecord) -> str:
    """What to lock; a dedicated amphora has no load balancer."""
    return record.load_balancer_id or record.id


def _line(
    record: AmphoraRecord, outcome: Outcome, detail: str = ""
) -> Rotated:
    return Rotated(
        amphora_id=record.id,
        load_balancer_id=record.load_balancer_id,
        expires_at=record.cert_expiration,
        outcome=outcome,
        detail=detail,
    )
