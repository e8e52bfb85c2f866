# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The options of ``[anycast]`` that are about the health gate."""

from typing import Any

from oslo_config import cfg

from octavia_anycast.model.wire import GateSettings, SyntheticRequest

OPTIONS = [
    cfg.IntOpt(
        "gate_interval_ms",
        default=100,
        help="Milliseconds between two probes of the health gate. HAProxy's "
        "death is seen at once, without a probe.",
    ),
    cfg.IntOpt("gate_rise_count", default=2, help="Good probes until UP."),
    cfg.IntOpt("gate_fall_count", default=2, help="Bad probes until DOWN."),
    cfg.IntOpt(
        "gate_unknown_hold_ms",
        default=5000,
        help="Milliseconds for which a probe that cannot tell keeps the last "
        "verdict.",
    ),
    cfg.IntOpt(
        "gate_answer_interval_ms",
        default=500,
        help="Milliseconds between two questions on HAProxy's own socket.",
    ),
    cfg.IntOpt(
        "gate_answer_timeout_ms",
        default=2000,
        help="Milliseconds that HAProxy may take to answer on its own socket. "
        "A process that is stopped is seen without this; one that loops is "
        "not. Shorter, and machines that are busy withdraw whole clusters.",
    ),
    cfg.IntOpt(
        "gate_accept_timeout_ms",
        default=1000,
        help="Milliseconds for which connections may wait at a listener, none "
        "of them accepted, while HAProxy does not answer on its own socket "
        "either. Then it hangs.",
    ),
    cfg.IntOpt(
        "gate_gateway_interval_ms",
        default=400,
        help="Milliseconds between two questions (ARP, neighbour discovery) "
        "to the front end's gateways. One that is silent is given up 0.4 s "
        "after the first question that it does not answer.",
    ),
    cfg.StrOpt(
        "gate_request_path",
        default="",
        help="Path of an HTTP request that the health gate makes to each HTTP "
        "and TERMINATED_HTTPS listener on the VIP, from inside the amphora. "
        "Empty: none is made. It is counted in the listener's statistics "
        "and appears in its log, so it is off by default.",
    ),
    cfg.StrOpt(
        "gate_request_method",
        default="GET",
        choices=["GET", "HEAD", "OPTIONS"],
        help="Method of that request.",
    ),
    cfg.StrOpt(
        "gate_request_host",
        default="",
        help="Host header of that request, and the server name for TLS. "
        "Empty: the VIP.",
    ),
    cfg.StrOpt(
        "gate_request_codes",
        default="200-599",
        help="Statuses that pass, such as 200-299,404. By default any answer "
        "passes: a 503 says that no member is up, which is so on every "
        "amphora, and withdrawing all of them helps nobody.",
    ),
    cfg.IntOpt(
        "gate_request_interval_ms",
        default=1000,
        help="Milliseconds between two such requests to one listener.",
    ),
    cfg.IntOpt(
        "gate_request_timeout_ms",
        default=1000,
        help="Milliseconds that the answer may take.",
    ),
    cfg.IntOpt(
        "gate_request_rise_count",
        default=1,
        help="Good answers of a listener in a row until it passes.",
    ),
    cfg.IntOpt(
        "gate_request_fall_count",
        default=3,
        help="Bad answers of a listener in a row until it fails.",
    ),
]

_OF_GATE = (
    "interval_ms",
    "rise_count",
    "fall_count",
    "unknown_hold_ms",
    "answer_interval_ms",
    "answer_timeout_ms",
    "accept_timeout_ms",
    "gateway_interval_ms",
)
_OF_REQUEST = (
    "method",
    "host",
    "codes",
    "interval_ms",
    "timeout_ms",
    "rise_count",
    "fall_count",
)


def read(ours: Any) -> GateSettings:
    """Read the gate's settings of the section's values.

    :raises InvalidRequest: if a value is out of its range.
    """
    request = None
    if ours.gate_request_path:
        request = SyntheticRequest(
            path=ours.gate_request_path,
            **{n: getattr(ours, f"gate_request_{n}") for n in _OF_REQUEST},
        )
    return GateSettings(
        request=request, **{n: getattr(ours, f"gate_{n}") for n in _OF_GATE}
    )
