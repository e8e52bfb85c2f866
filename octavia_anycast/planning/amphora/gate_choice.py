# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What a flavor says of the health gate, over what the operator says.

Layer: planning. Pure.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.model.wire import GateSettings, SyntheticRequest

PREFIX = "gate_"
REQUEST_PREFIX = "gate_request_"
_OF_GATE = tuple(
    f.name
    for f in fields(GateSettings)
    if f.name not in ("is_enabled", "request")
)
_OF_REQUEST = tuple(f.name for f in fields(SyntheticRequest))
# The keys of a flavor's metadata, which are the names of the options too.
KEYS = tuple(PREFIX + name for name in _OF_GATE) + tuple(
    REQUEST_PREFIX + name for name in _OF_REQUEST
)


def chosen_gate(
    settings: GateSettings, metadata: Mapping[str, Any]
) -> GateSettings:
    """Lay a flavor's metadata over the operator's settings.

    An empty ``gate_request_path`` turns the synthetic request off.

    :raises InvalidRequest: naming the key whose value does not fit.
    """
    gate = {
        name: _plain(metadata[PREFIX + name])
        for name in _OF_GATE
        if PREFIX + name in metadata
    }
    request = {
        name: _plain(metadata[REQUEST_PREFIX + name])
        for name in _OF_REQUEST
        if REQUEST_PREFIX + name in metadata
    }
    try:
        settings = replace(settings, **gate)
    except InvalidRequest as e:
        raise InvalidRequest(PREFIX + e.field, e.reason) from e
    try:
        return replace(settings, request=_request(settings.request, request))
    except InvalidRequest as e:
        raise InvalidRequest(REQUEST_PREFIX + e.field, e.reason) from e


def _plain(value: Any) -> Any:
    """JSON has one kind of number, and 4.0 is an integer to it."""
    return int(value) if isinstance(value, float) else value


def _request(
    before: SyntheticRequest | None, chosen: dict[str, Any]
) -> SyntheticRequest | None:
    path = chosen.pop("path", before.path if before else "")
    if not path:
        return None
    if before is None:
        return SyntheticRequest(path=path, **chosen)
    return replace(before, path=path, **chosen)
