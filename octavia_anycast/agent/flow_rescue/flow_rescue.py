# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Flow rescue as the agent sees it: brought about, counted, removed.

Layer: agent. Works in a thread of its own: to load the program takes a while.
"""

import logging

from octavia_anycast.agent.flow_rescue import contents, layout
from octavia_anycast.agent.flow_rescue.contents import Devices, Services
from octavia_anycast.agent.flow_rescue.layout import Map
from octavia_anycast.agent.flow_rescue.loader import Loader, Unsupported
from octavia_anycast.agent.loop import Loop
from octavia_anycast.model.errors import Retryable
from octavia_anycast.model.wire import (
    DesiredState,
    FlowRescue,
    FlowRescueReport,
    Frontend,
    ListenerSocket,
    MemberCounts,
    RescueState,
)

LOG = logging.getLogger(__name__)

# Until the next turn, by what came of this one.
_PAUSE_SECONDS = {
    RescueState.ON: 2.0,
    RescueState.OFF: 2.0,
    RescueState.FAILED: 0.5,
    RescueState.UNSUPPORTED: 60.0,
}


class Rescuer:
    """Brings about the flow rescue that is wanted; idempotent.

    ``amphora_id``: which of the members is this amphora.
    """

    def __init__(self, loader: Loader, amphora_id: str) -> None:
        self.loader = loader
        self._amphora_id = amphora_id
        self._state, self._reason = RescueState.OFF, ""

    def apply(
        self,
        wanted: FlowRescue | None,
        services: Services,
        ip_versions: frozenset[int],
    ) -> RescueState:
        """Bring it about; None removes all of it.

        ``ip_versions``: of which families the front end has an address.
        """
        try:
            if wanted is None:
                self._remove()
                self._become(RescueState.OFF)
            else:
                self._put(wanted, services, ip_versions)
                self._become(RescueState.ON)
        except Unsupported as e:
            self._become(RescueState.UNSUPPORTED, str(e))
            self._remove()
        except Retryable as e:
            self._become(RescueState.FAILED, str(e))
        except OSError as e:
            self.loader.doubt()
            self._become(RescueState.FAILED, str(e))
        return self._state

    def _become(self, state: RescueState, reason: str = "") -> None:
        if (state, reason) != (self._state, self._reason):
            LOG.info(
                "Flow rescue is %s%s", state, f": {reason}" if reason else ""
            )
        self._state, self._reason = state, reason

    def report(self) -> FlowRescueReport:
        """Say what it is and what was counted; any thread may ask."""
        state, reason = self._state, self._reason
        if state is not RescueState.ON:
            return FlowRescueReport(state=state, reason=reason)
        try:
            return self._counts()
        except OSError as e:
            return FlowRescueReport(state=RescueState.FAILED, reason=str(e))

    def standing(self) -> FlowRescueReport:
        """Say what it is and who its members are, without counts."""
        state, reason = self._state, self._reason
        if state is not RescueState.ON:
            return FlowRescueReport(state=state, reason=reason)
        try:
            with self.loader.map(Map.MEMBERS) as members:
                held = members.entries().values()
        except OSError as e:
            return FlowRescueReport(state=RescueState.FAILED, reason=str(e))
        return FlowRescueReport(
            state=state,
            members={layout.member_id(x): MemberCounts() for x in held},
        )

    def _counts(self) -> FlowRescueReport:
        loader = self.loader
        with loader.map(Map.MEMBERS) as members:
            held = members.entries()
        with loader.map(Map.OWNERS) as owners:
            learned = owners.count()
        with loader.map(Map.STATISTICS) as statistics:
            own = statistics.get_of_all_cpus(layout.KEY.pack(0))
            return FlowRescueReport(
                state=RescueState.ON,
                learned=learned,
                own=layout.summed_counts(own),
                members={
                    layout.member_id(value): layout.summed_counts(
                        statistics.get_of_all_cpus(key)
                    )
                    for key, value in held.items()
                },
            )

    def _put(
        self,
        wanted: FlowRescue,
        services: Services,
        ip_versions: frozenset[int],
    ) -> None:
        attached = self.loader.ensure()
        devices = Devices(
            amphora_id=self._amphora_id,
            frontend_index=attached.frontend.index,
            frontend_mac=attached.frontend.mac_address,
            tunnel_index=attached.tunnel.index,
            ip_versions=ip_versions,
        )
        self._write(wanted, services, devices)
        self.loader.attach(attached)

    def _write(
        self, wanted: FlowRescue, services: Services, devices: Devices
    ) -> None:
        with (
            self.loader.map(Map.MEMBERS) as members,
            self.loader.map(Map.SLOTS) as slots,
            self.loader.map(Map.SERVICES) as served,
            self.loader.map(Map.CONFIGS) as configs,
            self.loader.map(Map.STATISTICS) as statistics,
        ):
            maps = {
                Map.MEMBERS: members,
                Map.SLOTS: slots,
                Map.SERVICES: served,
                Map.CONFIGS: configs,
            }
            held = {name: map.entries() for name, map in maps.items()}
            entries = contents.wanted_entries(
                wanted, services, devices, held[Map.MEMBERS]
            )
            for key in contents.new_slots(
                held[Map.MEMBERS], entries[Map.MEMBERS]
            ):
                statistics.clear_of_all_cpus(key)
            for change in contents.changes(held, entries):
                if change.value is None:
                    maps[change.map].delete(change.key)
                else:
                    maps[change.map].put(change.key, change.value)

    def _remove(self) -> None:
        if self.loader.is_loaded():
            self.loader.remove()


class RescueSetup:
    """Sets flow rescue up as the desired state wants it, and repairs it."""

    def __init__(self, rescuer: Rescuer) -> None:
        self._rescuer = rescuer
        self._wanted: (
            tuple[
                FlowRescue | None,
                tuple[ListenerSocket, ...],
                Frontend | None,
            ]
            | None
        ) = None
        self._loop = Loop("flow rescue", self._turn)
        self._loop.start()

    def want(self, state: DesiredState) -> None:
        """Tell what is wanted; returns at once."""
        wanted = (state.flow_rescue, state.listeners, state.frontend)
        if wanted != self._wanted:
            self._wanted = wanted
            self._loop.wake()

    def report(self) -> FlowRescueReport:
        """Say what it is and what was counted."""
        return self._rescuer.report()

    def standing(self) -> FlowRescueReport:
        """Say what it is and who its members are."""
        return self._rescuer.standing()

    def close(self) -> None:
        """End the thread; packets go on to be rescued."""
        self._loop.close()

    def _turn(self) -> float:
        if self._wanted is None:
            return _PAUSE_SECONDS[RescueState.OFF]
        flow_rescue, listeners, frontend = self._wanted
        addresses = frontend.addresses if frontend else ()
        state = self._rescuer.apply(
            flow_rescue,
            frozenset((each.ip_address, each.port) for each in listeners),
            frozenset(each.ip_address.version for each in addresses),
        )
        return _PAUSE_SECONDS[state]
