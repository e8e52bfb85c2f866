# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Whether an amphora can be missed, in the words of an operator.

Layer: planning. Pure. The API refuses by it; what is planned depends on
what is seen at that moment (:mod:`.draining`).
"""

from collections.abc import Mapping

from octavia_anycast.model.bgp import IPAddress


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
