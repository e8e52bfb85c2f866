# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The job: what each task of a plan works with.

Layer: controller.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from octavia_anycast.controller.engine.fence import Fence
from octavia_anycast.controller.ports import World
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.model.actions import BootAmphora
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ClusterRecord,
    Desired,
    ObservedAmphora,
    ObservedCluster,
    ServiceType,
)
from octavia_anycast.model.errors import NotFound
from octavia_anycast.model.monitoring.event import Owner

REASON_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Job:
    """The world, what is wanted of some amphorae, and what was seen of them.

    ``tree``, ``cluster``: the load balancer, and our row beside it; None:
    they are a distributor's own. ``fence``: None: nobody else works on them.
    """

    world: World
    desired: Desired
    observed: ObservedCluster
    tree: Any = None
    cluster: ClusterRecord | None = None
    fence: Fence | None = None

    @property
    def owner(self) -> str:
        """Whose amphorae they are, for logs: kind and id."""
        if self.tree is None:
            return f"distributor {self.desired.distributor.id}"
        return f"load balancer {self.tree.id}"

    @property
    def event_owner(self) -> Owner:
        """To whom events of these amphorae belong."""
        return Owner(
            distributor_id=self.desired.distributor.id,
            load_balancer_id=self.tree and self.tree.id,
            project_id=self.tree and self.tree.project_id,
        )

    def seen(self, amphora_id: str) -> ObservedAmphora | None:
        """What was seen of one of them."""
        for amphora in self.observed.amphorae:
            if amphora.record.id == amphora_id:
                return amphora
        return None

    def new_record(self, action: BootAmphora) -> AmphoraRecord:
        """The record of one that boots; nothing is written.

        Until it first announces, nobody else is given what it has.
        """
        now, is_own = self.world.now(), self.tree is None
        return AmphoraRecord(
            id=action.amphora_id,
            load_balancer_id=None if is_own else self.tree.id,
            distributor_id=self.desired.distributor.id if is_own else None,
            service_type=ServiceType.DISTRIBUTOR
            if is_own
            else ServiceType.COMBINED,
            status=AmphoraStatus.BOOTING,
            status_since=now,
            generation=action.generation,
            availability_zone=action.zone.availability_zone,
            is_replacing=action.is_replacement,
            speakers_changed_at=now,
        )

    def record(self, amphora_id: str) -> AmphoraRecord:
        """Read the amphora's record, as earlier tasks left it.

        :raises NotFound: if there is none.
        """
        with self.world.database.transaction() as session:
            record = amphorae.get(session, amphora_id)
        if record is None:
            raise NotFound("Amphora", amphora_id)
        return record

    def check(self) -> None:
        """See that what cannot be undone may be begun.

        :raises Overtaken: another controller has taken over.
        """
        if self.fence is not None:
            self.fence.check()

    def transact(self, work: Callable[[Any], None]) -> None:
        """Run a transaction, unless another controller has taken over.

        :raises Overtaken: one has; nothing is recorded.
        """

        def guarded(session: Any) -> None:
            # First: who locks both rows takes the cluster's before this.
            if self.fence is not None:
                self.fence.guard(session)
            work(session)

        self.world.database.transact(guarded)

    def update(self, amphora_id: str, **changes: Any) -> None:
        """Change the amphora's record.

        :raises Overtaken: another controller has taken over.
        """
        self.transact(
            lambda session: amphorae.update(
                session, amphora_id, now=self.world.now(), **changes
            )
        )


def short(reason: object) -> str:
    """Truncate a reason to the width of its column."""
    return str(reason)[:REASON_LENGTH]
