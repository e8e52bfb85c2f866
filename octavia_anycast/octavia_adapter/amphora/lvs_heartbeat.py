# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What Octavia's heartbeats say of UDP and SCTP, with fewer processes.

Octavia's agent starts ``ip netns exec ... cat`` for each listener and VIP and
``ipvsadm`` twice, in each heartbeat. All but the counters of bytes stands in
``/proc/net/ip_vs``, which is read here without a process.

Layer: octavia_adapter.
"""

import subprocess
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from octavia.amphorae.backends.utils import keepalivedlvs_query

# (Path of a namespace, path of a file) -> the file's text, as seen in there.
ReadInside = Callable[[str, str], str]

_MEMBER = "->"
_SERVICE_COLUMNS = ("Prot", "LocalAddress:Port", "Scheduler")
_MEMBER_COLUMNS = (
    "RemoteAddress:Port",
    "Forward",
    "Weight",
    "ActiveConn",
    "InActConn",
)
_PROTOCOLS = ("UDP", "SCTP")


def install(read_inside: ReadInside) -> None:
    """Have the heartbeats of this process read so."""
    module = keepalivedlvs_query
    run_ipvsadm = module.get_ipvsadm_info

    def read_kernel_file(ns_name: str, file_path: str) -> str:
        namespace = f"/run/netns/{ns_name}"
        # Of the thread that reads, which alone is in the namespace.
        path = file_path.replace("/proc/net/", "/proc/thread-self/net/", 1)
        try:
            return read_inside(namespace, path)
        except OSError as e:
            # What Octavia's own raises: the heartbeat is left out.
            raise subprocess.CalledProcessError(
                1, f"read {file_path} in {namespace}", str(e)
            ) from e

    def get_ipvsadm_info(ns_name: str, is_stats_cmd: bool = False) -> Any:
        if is_stats_cmd:
            return run_ipvsadm(ns_name, is_stats_cmd=True)
        table = read_kernel_file(ns_name, module.KERNEL_LVS_PATH)
        return services_of(table)

    module.read_kernel_file = read_kernel_file
    module.get_ipvsadm_info = get_ipvsadm_info


def services_of(table: str) -> dict[str, Any]:
    """Make of ``/proc/net/ip_vs`` what Octavia makes of ``ipvsadm -Ln``."""
    services: dict[str, Any] = {}
    members: list[Any] = []
    for line in table.splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] in _PROTOCOLS:
            members = []
            words[1] = _socket_of(words[1])
            services[words[1]] = {
                "Listener": list(zip(_SERVICE_COLUMNS, words, strict=False)),
                "Members": members,
            }
        elif words[0] == _MEMBER and services:
            words[1] = _socket_of(words[1])
            members.append(list(zip(_MEMBER_COLUMNS, words[1:], strict=False)))
    return services


def _socket_of(text: str) -> str:
    """``0A010005:0035`` -> ``10.1.0.5:53``; ``[fd00:...]:0035`` likewise."""
    address, _, port = text.rpartition(":")
    if address.startswith("["):
        return f"[{ip_address(address.strip('[]'))}]:{int(port, 16)}"
    return f"{ip_address(int(address, 16))}:{int(port, 16)}"
