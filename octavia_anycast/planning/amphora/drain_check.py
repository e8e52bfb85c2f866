# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A drain that is asked for: until when, and whether it may be.

Layer: planning. Pure. The API and the distributor driver refuse by it; what
is planned depends on what is seen at that moment (:mod:`.draining`).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import AmphoraRecord, DrainLimits
from octavia_anycast.model.registration import AmphoraRegistration


def wish(
    asked_of: AmphoraRecord | AmphoraRegistration,
    timeout: float | None,
    limits: DrainLimits,
    now: datetime,
) -> dict[str, datetime]:
    """Name -> value of the fields that ask for a drain; idempotent.

    :param timeout: seconds from when it was first asked for; None: as it
        was, or the limits' ``drain_timeout``
    """
    since = asked_of.drain_wanted_since or now
    deadline = asked_of.drain_deadline
    if timeout is not None or deadline is None:
        seconds = limits.drain_timeout if timeout is None else timeout
        deadline = since + timedelta(seconds=seconds)
    return {"drain_wanted_since": since, "drain_deadline": deadline}


def obstacle(
    amphora_id: str,
    announced: Mapping[str, frozenset[IPAddress]],
    minimum: int,
) -> str:
    """Why an amphora cannot be drained (invariant 1); empty if it can.

    :param announced: amphora_id -> the VIPs that it announces, of this
        amphora and of those that stay in service beside it
    :param minimum: the cluster's min_size
    """
    least = max(1, minimum)
    others = [vips for i, vips in announced.items() if i != amphora_id]
    if not others:
        return "it is the only one of its cluster in service"
    for vip in sorted(announced.get(amphora_id, ()), key=str):
        count = sum(1 for vips in others if vip in vips)
        if not count:
            return f"it is the last one that announces {vip}"
        if count < least:
            return (
                f"only {count} others announce {vip}, and min_size is {least}"
            )
    if len(others) < least:
        return (
            f"only {len(others)} others would be in service, and min_size "
            f"is {least}"
        )
    return ""
