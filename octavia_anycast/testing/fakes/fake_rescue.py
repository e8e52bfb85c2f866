# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What an agent that can rescue flows says of it, at once."""

from octavia_anycast.model.wire import (
    DesiredState,
    FlowRescueReport,
    MemberCounts,
    RescueState,
)


def members(state: DesiredState | None) -> frozenset[str]:
    """The members for whom it rescues flows; empty if it is off."""
    rescue = state.flow_rescue if state else None
    return frozenset(m.id for m in rescue.members) if rescue else frozenset()


def report(state: DesiredState | None) -> FlowRescueReport:
    """Its report: of a member, no counts."""
    if state is None or state.flow_rescue is None:
        return FlowRescueReport(state=RescueState.OFF)
    return FlowRescueReport(
        state=RescueState.ON,
        members={
            member_id: MemberCounts()
            for member_id in members(state) - {state.amphora_id}
        },
    )
