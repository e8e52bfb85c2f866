# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's names for HAProxy's metrics: the table of its prometheus-proxy.

Layer: octavia_adapter.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from octavia.cmd import prometheus_proxy


@dataclass(frozen=True, slots=True)
class OctaviaMetric:
    """What Octavia makes of a metric of HAProxy's.

    ``help``: empty: as HAProxy explains it. ``labels``: HAProxy's names of
    labels -> Octavia's.
    """

    name: str
    help: str
    labels: Mapping[str, str]


def octavia_metrics() -> dict[str, OctaviaMetric]:
    """HAProxy's name -> what Octavia makes of it; others are left out."""
    table = prometheus_proxy.METRIC_MAP
    found = {}
    for key, (octavia_name, said, *_) in table.items():
        if not key.endswith(" "):
            continue  # its samples with labels have a row of their own
        name = octavia_name.rstrip()
        with_labels = table.get(f"{key.rstrip()}{{")
        labels = (with_labels and with_labels[2]) or {}
        found[key.rstrip()] = OctaviaMetric(
            name=name,
            help=(said or "").removeprefix(f"# HELP {name} ").rstrip("\n"),
            labels={k.rstrip("="): v.rstrip("=") for k, v in labels.items()},
        )
    return found
