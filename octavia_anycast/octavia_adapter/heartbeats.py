# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Heartbeats: Octavia's signed datagrams, read.

Layer: octavia_adapter. The format is that of Octavia's amphora agent,
version 3: statistics are what was added since the last heartbeat.
"""

import zlib
from typing import Any

from octavia.amphorae.backends.health_daemon import status_message
from octavia.common import exceptions as octavia_exceptions
from oslo_config import cfg
from oslo_log import log as logging

from octavia_anycast.model.heartbeat import (
    Heartbeat,
    ListenerBeat,
    PoolBeat,
)

LOG = logging.getLogger(__name__)
_DELTAS_SINCE_VERSION = 3


def read(datagram: bytes) -> Heartbeat | None:
    """Read a datagram; None if it is not one of an amphora of ours.

    The key is [health_manager] heartbeat_key. What is wrong with a datagram
    from anywhere is no error of ours: DEBUG.
    """
    try:
        document = status_message.unwrap_envelope(
            datagram, cfg.CONF.health_manager.heartbeat_key
        )
        return _heartbeat(document)
    except (
        octavia_exceptions.InvalidHMACException,
        zlib.error,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ) as e:
        LOG.debug("A datagram is not a heartbeat: %s", e)
        return None


def _heartbeat(document: dict[str, Any]) -> Heartbeat:
    has_deltas = int(document.get("ver", 0)) >= _DELTAS_SINCE_VERSION
    return Heartbeat(
        amphora_id=str(document["id"]),
        listeners=tuple(
            _listener(identifier, listener, has_deltas)
            for identifier, listener in document.get("listeners", {}).items()
        ),
        pools=tuple(
            PoolBeat(
                pool_id=identifier.split(":")[0],
                status=str(pool.get("status")),
                members=dict(pool.get("members", {})),
            )
            for identifier, pool in document.get("pools", {}).items()
        ),
    )


def _listener(
    identifier: str, listener: dict[str, Any], has_deltas: bool
) -> ListenerBeat:
    added = listener.get("stats", {}) if has_deltas else {}
    return ListenerBeat(
        listener_id=identifier,
        status=str(listener.get("status")),
        bytes_in=max(0, int(added.get("rx", 0))),
        bytes_out=max(0, int(added.get("tx", 0))),
        total_connections=max(0, int(added.get("totconns", 0))),
        request_errors=max(0, int(added.get("ereq", 0))),
        active_connections=max(
            0, int(listener.get("stats", {}).get("conns", 0))
        ),
    )
