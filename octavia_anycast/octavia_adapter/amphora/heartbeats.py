# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Heartbeats: Octavia's signed datagrams, read.

Layer: octavia_adapter. The format is that of Octavia's amphora agent, version
3: statistics are what was added since the last heartbeat. No image of ours
sends an older one. An image of now adds the digest of its report, and what
failed.
"""

import hmac
import zlib
from typing import Any

from octavia.amphorae.backends.health_daemon import status_message
from oslo_config import cfg
from oslo_log import log as logging

from octavia_anycast.model.heartbeat import (
    DIGEST,
    FAILED,
    OURS,
    Heartbeat,
    ListenerBeat,
    PoolBeat,
    Refusal,
)

LOG = logging.getLogger(__name__)


def read(datagram: bytes) -> Heartbeat | Refusal:
    """Read a datagram, or say why it is no heartbeat of our amphorae.

    The key is [health_manager] heartbeat_key. Octavia's own function would
    log two warnings for each datagram from anywhere, so its parts are used.
    """
    length = status_message.hex_hash_len
    payload, signature = datagram[:-length], datagram[-length:]
    key = cfg.CONF.health_manager.heartbeat_key or ""
    if not hmac.compare_digest(
        signature, status_message.get_hmac(payload, key)
    ):
        return Refusal.WRONG_KEY
    try:
        return _heartbeat(status_message.decode_obj(payload))
    except (zlib.error, ValueError, KeyError, TypeError, AttributeError) as e:
        LOG.debug("A datagram is not a heartbeat: %s", e)
        return Refusal.NOT_A_HEARTBEAT


def _heartbeat(document: dict[str, Any]) -> Heartbeat:
    ours = document.get(OURS, {})
    failed = ours.get(FAILED, {})
    return Heartbeat(
        amphora_id=str(document["id"]),
        listeners=tuple(
            _listener(identifier, listener, failed.get(identifier))
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
        report_digest=str(ours.get(DIGEST, "")),
    )


def _listener(
    identifier: str, listener: dict[str, Any], failed: Any
) -> ListenerBeat:
    stats = listener.get("stats", {})
    return ListenerBeat(
        listener_id=identifier,
        status=str(listener.get("status")),
        bytes_in=max(0, int(stats.get("rx", 0))),
        bytes_out=max(0, int(stats.get("tx", 0))),
        total_connections=max(0, int(stats.get("totconns", 0))),
        request_errors=max(0, int(stats.get("ereq", 0))),
        failed_requests=None if failed is None else max(0, int(failed)),
        active_connections=max(0, int(stats.get("conns", 0))),
    )
