# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Columns of the resources, and how a person reads those with a structure.

With ``-f json`` and the other formats of machines they are what the API
returned.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from cliff import columns

DISTRIBUTORS = (
    "id",
    "name",
    "provisioning_status",
    "operating_status",
    "enabled",
    "is_default",
    "load_balancer_count",
)
DISTRIBUTOR = (
    "amphora_count",
    "created_at",
    "dedicated_count",
    "description",
    "distributor_type",
    "enabled",
    "id",
    "is_default",
    "load_balancer_count",
    "name",
    "operating_status",
    "provisioning_status",
    "speakers",
    "status_reason",
    "updated_at",
    "vip_count",
    "zones",
)
PATHS = (
    "amphora_id",
    "prefix",
    "next_hop",
    "peer_name",
    "session_state",
    "state",
    "reason",
    "report_age",
)
PATHS_LONG = (
    "id",
    "amphora_id",
    "load_balancer_id",
    "vip_address",
    "prefix",
    "next_hop",
    "speaker_id",
    "peer_id",
    "peer_name",
    "peer_ip",
    "session_state",
    "session_since",
    "state",
    "reason",
    "reported_at",
    "report_age",
)
FLEET_CHANGE = (
    "canaries",
    "compute_host",
    "created_at",
    "ended_at",
    "held_count",
    "id",
    "kind",
    "parallel",
    "proven",
    "reason",
    "replaced_count",
    "soak",
    "state",
    "under_way_count",
    "waiting_count",
)
ZONE_DRAINS = (
    "id",
    "availability_zone",
    "compute_host",
    "peer_id",
    "state",
    "amphora_count",
    "drained_count",
    "expires_at",
    "reason",
)
ZONE_DRAIN = (
    "amphora_count",
    "announcing_count",
    "availability_zone",
    "boot_elsewhere",
    "compute_host",
    "created_at",
    "drained_count",
    "draining_count",
    "end_reason",
    "ended_at",
    "expires_at",
    "force",
    "id",
    "peer_id",
    "reason",
    "returning_count",
    "state",
    "timeout",
    "waiting_count",
)
EVENTS = (
    "created_at",
    "kind",
    "amphora_id",
    "peer_ip",
    "from_state",
    "to_state",
    "cause",
)
EVENTS_LONG = (
    "id",
    "created_at",
    "kind",
    "load_balancer_id",
    "distributor_id",
    "amphora_id",
    "availability_zone",
    "peer_id",
    "peer_ip",
    "from_state",
    "to_state",
    "cause",
    "change_count",
)
CHECKS = ("severity", "check", "summary", "steps")
CHECKS_LONG = (
    "id",
    "severity",
    "check",
    "distributor_id",
    "load_balancer_id",
    "amphora_id",
    "peer_id",
    "count",
    "summary",
    "steps",
    "reference",
)
EXTERNAL_VIPS = (
    "id",
    "vip_address",
    "next_hop",
    "peer_id",
    "announcing_count",
)
EXTERNAL_VIP = (
    "announcing_count",
    "created_at",
    "distributor_id",
    "id",
    "next_hop",
    "peer_id",
    "updated_at",
    "vip_address",
)
REGISTRATIONS = (
    "id",
    "load_balancer_id",
    "amphora_id",
    "peer_id",
    "draining",
)
REGISTRATION = (
    "amphora_id",
    "created_at",
    "distributor_id",
    "drain_deadline",
    "draining",
    "id",
    "load_balancer_id",
    "paths",
    "peer_id",
    "updated_at",
)
BGP_PEERS = (
    "id",
    "name",
    "peer_ip",
    "remote_as",
    "peering_network",
    "availability_zone",
    "compute_host",
)
BGP_PEER = (
    "as_path_prepend",
    "auth_type",
    "availability_zone",
    "bfd",
    "communities",
    "compute_host",
    "created_at",
    "hold_time",
    "id",
    "keepalive_interval",
    "local_pref",
    "max_prefixes",
    "med",
    "name",
    "peer_ip",
    "peer_port",
    "peering_network",
    "remote_as",
    "speakers",
    "ttl_hops",
    "updated_at",
)
BGP_SPEAKERS = (
    "id",
    "distributor_id",
    "ip_version",
    "local_as",
    "driver",
)
BGP_SPEAKER = (
    "created_at",
    "distributor_id",
    "driver",
    "id",
    "ip_version",
    "local_as",
    "peers",
    "updated_at",
)
CLUSTER = (
    "amphora_count",
    "amphorae",
    "announcing_count",
    "autoscale",
    "cluster_type",
    "config_revision",
    "cooldown",
    "desired_size",
    "distributor_id",
    "enabled",
    "flow_rescue",
    "frontend_network_id",
    "frontend_subnet_id",
    "load_balancer_id",
    "max_size",
    "min_size",
    "operating_status",
    "provisioning_status",
    "reason",
    "scaled_at",
    "scaling_reason",
    "spare_count",
    "stand_in_count",
)
DRAIN = ("connections", "deadline", "reported_at", "since", "state", "vips")
FRONTEND = ("frontend_network_id", "frontend_subnet_id", "distributor_id")


class Lines(columns.FormattableColumn):
    """A list, an item a line."""

    def human_readable(self) -> str:
        """The lines."""
        return "\n".join(self.line_of(item) for item in self._value or ())

    def line_of(self, item: Any) -> str:
        """One line."""
        return str(item)


class Ids(Lines):
    """References, as ids."""

    def line_of(self, item: Any) -> str:
        """The id."""
        return str(item["id"])


class Pairs(columns.FormattableColumn):
    """An object, ``key=value`` a line; nothing if there is none."""

    def human_readable(self) -> str:
        """The lines."""
        return "\n".join(_pairs(self._value or {}))


class Objects(Lines):
    """Objects, one a line."""

    def line_of(self, item: Any) -> str:
        """All that the object has, but what is not set."""
        return ", ".join(_pairs(item))


class Sentence(columns.FormattableColumn):
    """A long sentence, in lines that fit beside other columns."""

    width = 60

    def human_readable(self) -> str:
        """The lines."""
        return textwrap.fill(str(self._value or ""), self.width)


class Steps(Lines):
    """What to do; each command whole, to be copied."""

    def line_of(self, item: Any) -> str:
        """Where, and the command below it."""
        return f"on the {item['place']}:\n  {item['command']}"


def _pairs(item: Mapping[str, Any]) -> list[str]:
    return [
        f"{key}={_word(value)}"
        for key, value in item.items()
        if value is not None
    ]


def _word(value: Any) -> str:
    if isinstance(value, str) or not isinstance(value, Sequence):
        return str(value)
    words = (v["id"] if isinstance(v, Mapping) else str(v) for v in value)
    return " ".join(words)


FORMATTERS: dict[str, Any] = {
    "amphorae": Objects,
    "autoscale": Pairs,
    "bfd": Pairs,
    "communities": Lines,
    "peers": Ids,
    "speakers": Objects,
    "vips": Objects,
    "zones": Objects,
}
PEER_FORMATTERS = {**FORMATTERS, "speakers": Ids}
CHECK_FORMATTERS: dict[str, Any] = {"summary": Sentence, "steps": Steps}
REGISTRATION_FORMATTERS = {**FORMATTERS, "paths": Objects}
