# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A real BGP peer that forwards: FRR in the peers' namespace.

In place of the BIRD of address p1; its kernel's FIB is the witness.
"""

import json
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path as FilePath

from octavia_anycast.tests.contract.bird_peer import (
    ADDRESSES,
    SPEAKER_AS,
    ip,
)

_HOME = FilePath("/usr/lib/frr")
_SPEAKER = "172.31.1.5"
_CONFIGURATION = """
frr defaults datacenter
router bgp {asn}
 bgp router-id {address}
 no bgp default ipv4-unicast
 no bgp ebgp-requires-policy
 neighbor {speaker} remote-as {speaker_as}
 neighbor {speaker} passive
 neighbor {speaker} timers 1 9
 address-family ipv4 unicast
  maximum-paths 64
  neighbor {speaker} activate
 exit-address-family
 address-family ipv6 unicast
  maximum-paths 64
  neighbor {speaker} activate
 exit-address-family
"""


def missing() -> str | None:
    """Why it cannot run here."""
    has_all = (_HOME / "bgpd").exists() and shutil.which("vtysh")
    return None if has_all else "frr is not installed"


class FrrPeer:
    """zebra and bgpd; one session, at the address of p1.

    They run as FRR's own user, in a directory that is this user's.
    """

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._directory = FilePath(tempfile.mkdtemp(prefix="oac-frr-"))
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Run them."""
        shutil.chown(self._directory, "frr", "frr")
        address, asn = ADDRESSES["p1"]
        bgp = _CONFIGURATION.format(
            asn=asn, address=address, speaker=_SPEAKER, speaker_as=SPEAKER_AS
        )
        self._run("zebra", "")
        deadline = time.monotonic() + 10
        while not self._is_zebra_up():
            assert time.monotonic() < deadline, "zebra does not start"
            time.sleep(0.02)
        self._run("bgpd", bgp)

    def _run(self, daemon: str, configuration: str) -> None:
        home = self._directory
        (home / f"{daemon}.conf").write_text(configuration)
        shutil.chown(home / f"{daemon}.conf", "frr", "frr")
        argv = ["ip", "netns", "exec", self._namespace, str(_HOME / daemon)]
        argv += ["-A", "127.0.0.1", "-P", "0"]
        argv += ["-f", str(home / f"{daemon}.conf")]
        argv += ["-i", str(home / f"{daemon}.pid")]
        argv += ["-z", str(home / "zserv.api"), "--vty_socket", str(home)]
        with (home / f"{daemon}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen(argv, stdout=log, stderr=log)
            )

    def _is_zebra_up(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            path = str(self._directory / "zserv.api")
            return client.connect_ex(path) == 0

    def close(self) -> None:
        """End them."""
        for process in reversed(self._processes):
            process.kill()
            process.wait()
        shutil.rmtree(self._directory)

    def fib(self, prefix: str) -> set[str]:
        """The next hops of a prefix in the kernel."""
        family = "-6" if ":" in prefix else "-4"
        words = ("-j", family, "route", "show", prefix)
        text = ip("-n", self._namespace, *words, check=False)
        found = set()
        for route in json.loads(text or "[]"):
            for hop in route.get("nexthops", [route]):
                found.add(hop["gateway"])
        return found

    def established_count(self) -> int:
        """How often the session has been established."""
        done = subprocess.run(
            [
                *("vtysh", "--vty_socket", str(self._directory)),
                *("-c", f"show bgp neighbors {_SPEAKER} json"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        neighbour = json.loads(done.stdout or "{}").get(_SPEAKER, {})
        return int(neighbour.get("connectionsEstablished", 0))
