# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""How long to wait for an answer of a service of the cloud.

Octavia's clients wait without a limit. A service that takes a request and
never answers would hold a worker, and with it a load balancer, for ever.

Layer: octavia_adapter.
"""

from typing import Any

from octavia.common import constants

# Longer than a service waits for its own message bus (rpc_response_timeout,
# 60 s): its own sentence comes first. What it did after all, we find again
# by its name.
ANSWER_SECONDS = 90
# Sections whose sessions Octavia's clients of compute, image, volume and
# network service are made from.
_SECTIONS = (constants.SERVICE_AUTH, "neutron")


def limit_answers(conf: Any) -> None:
    """Make the limit the default of the option ``timeout`` of each section.

    What the operator's file says is left as it is.
    """
    for section in _SECTIONS:
        conf.set_default("timeout", ANSWER_SECONDS, group=section)
