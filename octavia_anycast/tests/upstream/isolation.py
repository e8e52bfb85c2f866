# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Whether Octavia's tests can do no harm here.

Run as root, some of them remove the addresses of the interfaces they find.
"""

import socket
from collections.abc import Iterable

LOOPBACK = "lo"
# The kernel puts them into each new network namespace, if such a tunnel's
# module is loaded (sysctl net.core.fb_tunnels_only_for_init_net).
FALLBACK_TUNNELS = frozenset(
    (
        "tunl0",
        "gre0",
        "gretap0",
        "erspan0",
        "ip_vti0",
        "sit0",
        "ip6tnl0",
        "ip6gre0",
        "ip6_vti0",
    )
)


def interfaces() -> list[str]:
    """The names of the interfaces in this network namespace."""
    return [name for _, name in socket.if_nameindex()]


def complaint(names: Iterable[str]) -> str | None:
    """Say what has to be done first; None: nothing."""
    harmed = sorted(set(names) - FALLBACK_TUNNELS - {LOOPBACK})
    if not harmed:
        return None
    return (
        "Octavia's tests may remove the addresses of network interfaces, and "
        f"this network namespace has {', '.join(harmed)}. Nothing was run. "
        "Use `make test-upstream`, which makes a namespace of its own."
    )
