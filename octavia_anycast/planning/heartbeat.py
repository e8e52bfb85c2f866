# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Since when an amphora is silent, and why its heartbeats do not arrive.

Layer: planning. Pure. An amphora whose agent answers and whose heartbeats do
not arrive is not dead, so nothing is done about it. But the statuses of its
members and its statistics stand still, and its death is noticed later:
somebody has to look.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from octavia_anycast.model.cluster import AmphoraRecord
from octavia_anycast.model.heartbeat import Refusal


def silent_seconds(
    heard_at: datetime | None,
    now: datetime,
    *,
    counted_from: datetime | None = None,
    has_answered: bool = False,
) -> float | None:
    """Say for how long nothing was heard of an amphora; None: it never was.

    :param heard_at: of its last heartbeat, or the agent's last answer
    :param counted_from: silence before that does not count
    :param has_answered: whether its agent has just answered
    """
    if has_answered:
        return 0.0
    if heard_at is None:
        return None
    since = max(heard_at, counted_from or heard_at)
    return max(0.0, (now - since).total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """What the controller knows of the heartbeats of one amphora.

    ``last_at``: when the last one came; None: none ever did.
    ``listening_since``: since when this controller has recorded all that
    came; None: it records none. ``refusal``: why
    a datagram from its address was lately refused. ``receiver_error``: why
    none is received at all. ``is_any_received``: whether this controller has
    received any amphora's since its start. ``port``: UDP.
    """

    last_at: datetime | None
    port: int
    listening_since: datetime | None = None
    refusal: Refusal | None = None
    receiver_error: str = ""
    is_any_received: bool = True


def trouble(
    record: AmphoraRecord,
    reception: Reception,
    now: datetime,
    patience: timedelta,
) -> str:
    """Say what is wrong with its heartbeats; empty: nothing, or too early.

    The sentence stays the same as long as its cause does.
    """
    began = (record.status_since, reception.last_at, reception.listening_since)
    if now - max(at for at in began if at is not None) <= patience:
        return ""
    if reception.last_at is None:
        what = "no heartbeat of it has ever arrived"
    else:
        what = f"no heartbeat of it since {reception.last_at:%H:%M:%S} UTC"
    return f"{what}: {_cause(reception)}"


def _cause(reception: Reception) -> str:
    if reception.receiver_error:
        return f"the controller receives none ({reception.receiver_error})"
    if reception.refusal is not None:
        return f"what its address sends is refused: {reception.refusal}"
    if not reception.is_any_received:
        return (
            "nor of any other amphora: see heartbeat_controllers, "
            f"heartbeat_bind_ip and whether UDP {reception.port} is let in"
        )
    return (
        f"nothing comes from its address: see whether UDP {reception.port} is "
        "let through, and controller_ip_port_list in its amphora-agent.conf"
    )
