# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The body of a PUT of a cluster: read, checked, and made a change of ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from octavia_anycast.api import requests
from octavia_anycast.model import codec
from octavia_anycast.model.autoscale import Autoscale
from octavia_anycast.model.bgp import check_range
from octavia_anycast.model.cluster import (
    CLUSTER_SIZE_MAX,
    COOLDOWN_MAX_SECONDS,
    SPARE_COUNT_MAX,
    ClusterRecord,
    ClusterSize,
)
from octavia_anycast.model.errors import InvalidRequest

CLUSTER = "cluster"
MAX_SIZE = "max_size"
ENABLED = "enabled"
_SIZES = ("desired_size", "min_size", MAX_SIZE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterChange:
    """What of a cluster can be changed; each attribute is in its range."""

    desired_size: int
    min_size: int
    max_size: int
    cooldown: int = 0
    enabled: bool = True
    spare_count: int = 0
    autoscale: Autoscale | None = None

    def __post_init__(self) -> None:
        for name in _SIZES:
            check_range(name, getattr(self, name), 1, CLUSTER_SIZE_MAX)
        check_range("cooldown", self.cooldown, 0, COOLDOWN_MAX_SECONDS)
        check_range("spare_count", self.spare_count, 0, SPARE_COUNT_MAX)

    @classmethod
    def of(cls, record: ClusterRecord) -> "ClusterChange":
        """What is stored."""
        return cls(
            desired_size=record.size.desired,
            min_size=record.size.minimum,
            max_size=record.size.maximum,
            cooldown=record.cooldown_seconds,
            enabled=record.is_enabled,
            spare_count=record.spare_count,
            autoscale=record.autoscale,
        )


def is_switch(body: Any) -> bool:
    """Whether a body changes ``enabled`` and nothing else."""
    given = body.get(CLUSTER) if isinstance(body, Mapping) else None
    return isinstance(given, Mapping) and set(given) == {ENABLED}


def changed(
    body: Any, stored: ClusterRecord, *, size_limit: int
) -> ClusterChange:
    """Read a body: what is given, laid over what is stored.

    :param size_limit: the largest max_size that the deployment allows
    :raises InvalidRequest: naming the attribute, one that was given if the
        given ones contradict what is stored.
    """
    given = requests.under(CLUSTER, body)
    document = codec.to_document(ClusterChange.of(stored))
    change = requests.merged(ClusterChange, given, document)
    if change.max_size > max(size_limit, stored.size.maximum):
        raise InvalidRequest(
            MAX_SIZE,
            f"{change.max_size} is more than {size_limit}, the most that "
            "this deployment allows ([anycast] cluster_max_size)",
        )
    _check_order(change, given)
    return change


def _check_order(change: ClusterChange, given: Mapping[str, Any]) -> None:
    """Check min <= desired <= max."""
    desired = change.desired_size
    for name, limit, is_wrong, word in (
        ("min_size", change.min_size, desired < change.min_size, "less"),
        (MAX_SIZE, change.max_size, desired > change.max_size, "more"),
    ):
        if not is_wrong:
            continue
        if "desired_size" in given or name not in given:
            raise InvalidRequest(
                "desired_size", f"{desired} is {word} than {name}, {limit}"
            )
        other = "more" if word == "less" else "less"
        raise InvalidRequest(
            name, f"{limit} is {other} than desired_size, {desired}"
        )


def updates(
    change: ClusterChange, stored: ClusterRecord, now: datetime
) -> dict[str, Any]:
    """Fields of :class:`ClusterRecord` that a change sets; none: no change."""
    if change == ClusterChange.of(stored):
        return {}
    fields: dict[str, Any] = {
        "size": ClusterSize(
            desired=change.desired_size,
            minimum=change.min_size,
            maximum=change.max_size,
        ),
        "cooldown_seconds": change.cooldown,
        "is_enabled": change.enabled,
        "spare_count": change.spare_count,
        "autoscale": change.autoscale,
        "changed_at": now,
    }
    if change.desired_size != stored.size.desired:
        fields |= {"scaled_at": now, "scaling_reason": ""}
    return fields
