# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Records of amphorae, as the tasks of the controller read and write them.

Layer: controller.
"""

from dataclasses import dataclass
from typing import Any

from octavia_anycast.controller.ports import World
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.model.actions import BootAmphora
from octavia_anycast.model.cluster import AmphoraRecord, ObservedCluster
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.errors import NotFound

REASON_LENGTH = 255


@dataclass(frozen=True, slots=True)
class AmphoraRecords:
    """The records, in the world's database."""

    world: World

    @property
    def owner(self) -> str:
        """Whose amphorae they are, for logs: kind and id."""
        raise NotImplementedError

    @property
    def observed(self) -> ObservedCluster:
        """What was seen of all of them."""
        raise NotImplementedError

    @property
    def distributor(self) -> Distributor:
        """The distributor that they announce to."""
        raise NotImplementedError

    @property
    def tree(self) -> Any:
        """The load balancer that they serve; None: they serve none."""
        return None

    def new_record(self, action: BootAmphora) -> AmphoraRecord:
        """Whose an amphora is that boots; nothing is written."""
        raise NotImplementedError

    def record(self, amphora_id: str) -> AmphoraRecord:
        """Read the amphora's record, as earlier tasks left it.

        :raises NotFound: if there is none.
        """
        with self.world.database.transaction() as session:
            record = amphorae.get(session, amphora_id)
        if record is None:
            raise NotFound("Amphora", amphora_id)
        return record

    def update(self, amphora_id: str, **changes: Any) -> None:
        """Change the amphora's record."""
        self.world.database.transact(
            lambda session: amphorae.update(
                session, amphora_id, now=self.world.now(), **changes
            )
        )


def short(reason: object) -> str:
    """Truncate a reason to the width of its column."""
    return str(reason)[:REASON_LENGTH]
