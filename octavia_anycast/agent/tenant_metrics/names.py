# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""HAProxy's exposition in Octavia's words, line by line.

What Octavia's prometheus-proxy does with the same table, by a look-up for each
line in place of a search through the whole table (ADR 0153).

Layer: agent. Pure.
"""

import re
from collections.abc import Iterator, Mapping

from octavia_anycast.octavia_adapter.amphora.prometheus_names import (
    OctaviaMetric,
)

# The front end and the back end by which HAProxy asks for metrics itself.
_INTERNAL = "prometheus-exporter"
_NAME = re.compile(r"(?:# (HELP|TYPE) )?([a-zA-Z_:][a-zA-Z0-9_:]*)")
_STARTED = re.compile(r"^haproxy_process_start_time_seconds (\d+)$", re.M)


class Translator:
    """Translates expositions of HAProxy's."""

    def __init__(self, table: Mapping[str, OctaviaMetric]) -> None:
        self._table = table

    def translated(self, text: str) -> str:
        """Put it in Octavia's words; what these have no name for is gone."""
        return "".join(f"{line}\n" for line in self._lines(text))

    def _lines(self, text: str) -> Iterator[str]:
        for line in text.split("\n"):
            found = _NAME.match(line)
            if found is None or _INTERNAL in line:
                continue
            comment, name = found.groups()
            metric = self._table.get(name)
            if metric is None:
                continue
            rest = line[found.end() :]
            if comment == "HELP":
                rest = f" {metric.help}" if metric.help else rest
                yield f"# HELP {metric.name}{rest}"
            elif comment:
                yield f"# TYPE {metric.name}{rest}"
            else:
                yield metric.name + _renamed(rest, metric.labels)


def started_at(text: str) -> int | None:
    """When the process that answered was started; seconds since 1970."""
    found = _STARTED.search(text)
    return int(found[1]) if found else None


def _renamed(rest: str, labels: Mapping[str, str]) -> str:
    """Rename labels. No value holds an unescaped quote, so none is hit."""
    for old, new in labels.items():
        for before in "{,":
            rest = rest.replace(f'{before}{old}="', f'{before}{new}="')
    return rest
