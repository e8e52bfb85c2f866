# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Flow rescue as the agent sees it: brought about, counted, removed.

Layer: agent. For one thread, that of the front end.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from octavia_anycast.agent.flow_rescue import contents, layout
from octavia_anycast.agent.flow_rescue.contents import Devices
from octavia_anycast.agent.flow_rescue.layout import Map
from octavia_anycast.agent.flow_rescue.loader import Loader, Unsupported
from octavia_anycast.model.errors import Retryable
from octavia_anycast.model.flow_rescue import (
    FlowRescue,
    MemberCounts,
    RescueState,
)

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RescueStatus:
    """What flow rescue is, and why; ``reason`` is empty if ON or OFF."""

    state: RescueState = RescueState.OFF
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RescueCounts:
    """What was counted: of the amphora itself, and by id of the member."""

    own: MemberCounts = field(default_factory=MemberCounts)
    members: Mapping[str, MemberCounts] = field(default_factory=dict)


class Rescuer:
    """Brings about the flow rescue that is wanted; idempotent.

    ``amphora_id``: which of the members is this amphora.
    """

    def __init__(self, loader: Loader, amphora_id: str) -> None:
        self.loader = loader
        self._amphora_id = amphora_id
        self.status = RescueStatus()

    def apply(
        self, wanted: FlowRescue | None, ip_versions: frozenset[int]
    ) -> RescueStatus:
        """Bring it about; None removes all of it.

        ``ip_versions``: of which families the front end has an address.
        """
        before = self.status
        try:
            if wanted is None:
                self._remove()
                self.status = RescueStatus()
            else:
                self._put(wanted, ip_versions)
                self.status = RescueStatus(state=RescueState.ON)
        except Unsupported as e:
            self.status = RescueStatus(
                state=RescueState.UNSUPPORTED, reason=str(e)
            )
            self._remove()
        except (OSError, Retryable) as e:
            self.status = RescueStatus(state=RescueState.FAILED, reason=str(e))
        if self.status != before:
            state, reason = self.status.state, self.status.reason
            LOG.info("Flow rescue is %s %s", state, reason)
        return self.status

    def counts(self) -> RescueCounts:
        """What was counted since it was switched on.

        :raises OSError: it is not loaded.
        """
        loader = self.loader
        with loader.map(Map.MEMBERS) as members:
            held = members.entries()
        with loader.map(Map.STATISTICS) as statistics:
            own = statistics.get_of_all_cpus(layout.KEY.pack(0))
            return RescueCounts(
                own=layout.summed_counts(own),
                members={
                    layout.member_id(value): layout.summed_counts(
                        statistics.get_of_all_cpus(key)
                    )
                    for key, value in held.items()
                },
            )

    def count_learned(self) -> int:
        """How many flows have a learnt owner; takes a while if many."""
        with self.loader.map(Map.OWNERS) as owners:
            return len(owners.keys())

    def _put(self, wanted: FlowRescue, ip_versions: frozenset[int]) -> None:
        attached = self.loader.ensure()
        devices = Devices(
            amphora_id=self._amphora_id,
            frontend_index=attached.frontend.index,
            frontend_mac=attached.frontend.mac_address,
            tunnel_index=attached.tunnel.index,
            ip_versions=ip_versions,
        )
        self._write(wanted, devices)
        self.loader.attach(attached)

    def _write(self, wanted: FlowRescue, devices: Devices) -> None:
        with (
            self.loader.map(Map.MEMBERS) as members,
            self.loader.map(Map.SLOTS) as slots,
            self.loader.map(Map.SERVICES) as services,
            self.loader.map(Map.CONFIGS) as configs,
        ):
            maps = {
                Map.MEMBERS: members,
                Map.SLOTS: slots,
                Map.SERVICES: services,
                Map.CONFIGS: configs,
            }
            held = {name: map.entries() for name, map in maps.items()}
            entries = contents.wanted_entries(
                wanted, devices, held[Map.MEMBERS]
            )
            for change in contents.changes(held, entries):
                if change.value is None:
                    maps[change.map].delete(change.key)
                else:
                    maps[change.map].put(change.key, change.value)

    def _remove(self) -> None:
        if self.loader.is_loaded():
            self.loader.remove()
