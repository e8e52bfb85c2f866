# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which amphorae get a new certificate now.

Layer: planning. Pure.
"""

from datetime import datetime, timedelta

from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus


def is_rotatable(record: AmphoraRecord) -> bool:
    """Whether it has an agent that stays: others are replaced anyhow."""
    return (
        record.status is AmphoraStatus.ALLOCATED
        and record.lb_network_ip is not None
        and record.leaving_since is None
    )


def left_when_due(buffer_seconds: float, validity_seconds: float) -> float:
    """How many seconds before its end a certificate is to be replaced.

    A buffer of more than half the validity would have new certificates
    rotated again and again: half the validity is the most.
    """
    return min(buffer_seconds, validity_seconds / 2)


def is_due(
    record: AmphoraRecord,
    now: datetime,
    *,
    buffer_seconds: float,
    validity_seconds: float,
) -> bool:
    """Whether it is time; one whose end is unknown is due."""
    if not is_rotatable(record):
        return False
    if record.cert_expiration is None:
        return True
    left = left_when_due(buffer_seconds, validity_seconds)
    return record.cert_expiration <= now + timedelta(seconds=left)
