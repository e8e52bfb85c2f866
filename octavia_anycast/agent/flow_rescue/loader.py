# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The program in the kernel: loaded, attached, replaced, removed.

Its maps are pinned in a file system of their own, so they and what was learnt
outlive the process. A new process, or a new release, loads its programs with
these maps and puts each in the place of the old one, which the kernel does in
one step (RTM_NEWTFILTER with NLM_F_REPLACE): no packet meets none.

Layer: agent. It decides nothing.
"""

import ctypes
import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from octavia_anycast.agent import process
from octavia_anycast.agent.flow_rescue import layout
from octavia_anycast.agent.flow_rescue.layout import Map, Program
from octavia_anycast.agent.flow_rescue.libbpf import (
    LIBRARY,
    Libbpf,
    PinnedMap,
    program_pin,
)
from octavia_anycast.agent.frontend.netlink import Link, Netlink
from octavia_anycast.model.errors import Permanent, Retryable
from octavia_anycast.model.wire import (
    ADDRESSES_MAX,
    FRONTEND_INTERFACE,
    MEMBERS_MAX,
    RESCUE_PORT,
)

LOG = logging.getLogger(__name__)

TUNNEL_INTERFACE = "rescue"
OBJECT_PATH = str(Path(__file__).with_name("flow_rescue.bpf.o"))
_BTF_PATH = "/sys/kernel/btf/vmlinux"
_PRIORITY, _HANDLE = 7, 1
_FILTER = ("protocol", "all", "prio", str(_PRIORITY), "handle", str(_HANDLE))
# Of keys, of values, and how many entries there are at most.
_SIZES = {
    Map.CONFIGS: (layout.KEY.size, layout.CONFIG.size, 1),
    Map.SERVICES: (
        layout.SERVICE.size,
        layout.KEY.size,
        layout.SERVICES_MAX,
    ),
    Map.MEMBERS: (layout.KEY.size, layout.MEMBER.size, MEMBERS_MAX),
    Map.SLOTS: (layout.ADDRESS.size, layout.KEY.size, ADDRESSES_MAX),
    Map.OWNERS: (layout.FLOW.size, layout.OWNER.size, layout.LEARNED_MAX),
    Map.STATISTICS: (layout.KEY.size, layout.COUNTERS.size, MEMBERS_MAX + 1),
}


class Unsupported(Permanent):
    """This kernel or this image cannot; a reboot or an image may change it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RescuePaths:
    """Where things are. ``pin_root``: a directory of our own."""

    namespace: str = "amphora-haproxy"
    frontend_interface: str = FRONTEND_INTERFACE
    object_path: str = OBJECT_PATH
    pin_root: str = "/run/octavia-anycast/flow-rescue"

    @property
    def namespace_path(self) -> str:
        """The namespace's file."""
        return f"/run/netns/{self.namespace}"

    @property
    def pins(self) -> str:
        """Where maps and programs of this layout are pinned."""
        return f"{self.pin_root}/{layout.VERSION}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """The two devices that the programs are attached to."""

    frontend: Link
    tunnel: Link


class Loader:
    """The programs and maps of one amphora; for one thread."""

    def __init__(self, paths: RescuePaths) -> None:
        self.paths = paths
        self._attached: Attached | None = None
        self._filters: dict[int, int] = {}  # index -> the program's id

    @cached_property
    def libbpf(self) -> Libbpf:
        """The library.

        :raises Unsupported: it is not there.
        """
        try:
            return Libbpf()
        except (OSError, AttributeError) as e:
            raise Unsupported(f"{LIBRARY} cannot be used: {e}") from None

    def ensure(self) -> Attached:
        """Have the maps, the programs and the tunnel; cheap if they are there.

        The caller writes the maps, then calls :meth:`attach`.

        :raises Unsupported: this kernel or image cannot.
        :raises Retryable: there is no front-end interface yet.
        """
        links = self.links()
        frontend = links.get(self.paths.frontend_interface)
        if frontend is None:
            raise Retryable("the front-end interface is not there yet")
        if self._attached is None or TUNNEL_INTERFACE not in links:
            self._load()
            self._make_tunnel()
            links = self.links()
        self._attached = Attached(
            frontend=links[self.paths.frontend_interface],
            tunnel=links[TUNNEL_INTERFACE],
        )
        return self._attached

    def attach(self, attached: Attached) -> None:
        """Put the programs in their place, if they are not there.

        The tunnel's comes first: who sends can also receive. Its device is
        down until then: without the program it would let all in.
        """
        for link, program in (
            (attached.tunnel, Program.TUNNEL),
            (attached.frontend, Program.FRONTEND),
        ):
            found = self._filter_id(link)
            if found is not None and found == self._filters.get(link.index):
                continue
            self._attach_to(link, program)
            if link is attached.tunnel:
                self._ip("link", "set", "dev", link.name, "up")
            found = self._filter_id(link)
            if found is None:
                raise Retryable(f"{program} is not attached to {link.name}")
            if link.index in self._filters:
                LOG.info(
                    "%s was not attached to %s any more; attached it again",
                    *(program, link.name),
                )
            self._filters[link.index] = found

    def doubt(self) -> None:
        """Load anew at the next :meth:`ensure`: something is not there."""
        self._attached = None

    def map(self, name: Map) -> PinnedMap:
        """Open a map; it is a context manager.

        :raises OSError: it is not loaded.
        """
        return PinnedMap(
            self.libbpf, f"{self.paths.pins}/{name}", *_SIZES[name]
        )

    def is_loaded(self) -> bool:
        """Whether there is anything to be removed."""
        return os.path.exists(self.paths.pin_root)

    def remove(self) -> None:
        """Leave nothing: no filter, qdisc, device, pin or mount."""
        paths = self.paths
        self._attached, self._filters = None, {}
        links = self.links()
        frontend = links.get(paths.frontend_interface)
        if frontend is not None:
            if self._filter_id(frontend) is not None:
                device = ("dev", frontend.name, "ingress")
                self._tc("filter", "del", *device, *_FILTER, "bpf")
            if not self._filter_programs(frontend):
                self._tc_quietly(
                    "qdisc", "del", "dev", frontend.name, "clsact"
                )
        if TUNNEL_INTERFACE in links:
            self._ip("link", "del", TUNNEL_INTERFACE)
        if _is_mounted(paths.pin_root):
            _umount(paths.pin_root)
        if os.path.exists(paths.pin_root):
            os.rmdir(paths.pin_root)

    # -- loading -----------------------------------------------------------

    def _load(self) -> None:
        paths = self.paths
        for path, reason in (
            (paths.object_path, "this build has no flow_rescue.bpf.o"),
            (_BTF_PATH, "the kernel has no BTF"),
        ):
            if not os.path.exists(path):
                raise Unsupported(f"{reason} ({path} is missing)")
        os.makedirs(paths.pin_root, mode=0o700, exist_ok=True)
        try:
            if not _is_mounted(paths.pin_root):
                _mount(paths.pin_root)
            with os.scandir(paths.pin_root) as found:
                others = [
                    entry.path
                    for entry in found  # the kernel has files of its own here
                    if entry.is_dir() and entry.name != layout.VERSION
                ]
            for path in others:
                shutil.rmtree(path)
            os.makedirs(paths.pins, mode=0o700, exist_ok=True)
            self.libbpf.load(paths.object_path, paths.pins)
        except OSError as e:
            raise Unsupported(
                f"the kernel {os.uname().release} does not take the program: "
                f"{e}"
            ) from None
        self._filters = {}

    def _make_tunnel(self) -> None:
        """One VXLAN device for all; what it sends to is in the packet."""
        if TUNNEL_INTERFACE not in self.links():
            kind = ("type", "vxlan", "external", "nolearning")
            port = ("dstport", str(RESCUE_PORT))
            if not self._ip("link", "add", TUNNEL_INTERFACE, *kind, *port):
                raise Unsupported("the kernel has no VXLAN device")
        device = ("link", "set", "dev", TUNNEL_INTERFACE)
        self._ip(*device, "addrgenmode", "none")

    def _attach_to(self, link: Link, program: Program) -> None:
        # It fails where it is already, and so it says nothing.
        self._tc_quietly("qdisc", "add", "dev", link.name, "clsact")
        pin = program_pin(self.paths.pins, program)
        if not self._tc(
            *("filter", "replace", "dev", link.name, "ingress", *_FILTER),
            *("bpf", "direct-action", "object-pinned", pin),
        ):
            raise Unsupported("the kernel has no clsact with BPF")

    # -- the kernel's tables -----------------------------------------------

    def links(self) -> dict[str, Link]:
        """The interfaces of the namespace, by name."""
        netlink = Netlink(self.paths.namespace_path)
        try:
            return {link.name: link for link in netlink.links()}
        finally:
            netlink.close()

    def _filter_programs(self, link: Link) -> dict[tuple[int, int], int]:
        netlink = Netlink(self.paths.namespace_path)
        try:
            return netlink.ingress_programs(link.index)
        finally:
            netlink.close()

    def _filter_id(self, link: Link) -> int | None:
        return self._filter_programs(link).get((_PRIORITY, _HANDLE))

    def _ip(self, *words: str) -> bool:
        return process.run(["ip", "-n", self.paths.namespace, *words])

    def _tc(self, *words: str) -> bool:
        return process.run(["tc", "-n", self.paths.namespace, *words])

    def _tc_quietly(self, *words: str) -> bool:
        argv: Sequence[str] = ["tc", "-n", self.paths.namespace, *words]
        return process.run(argv, level=logging.DEBUG)


def _is_mounted(path: str) -> bool:
    with open("/proc/self/mounts", encoding="utf-8") as stream:
        return any(line.split()[1:3] == [path, "bpf"] for line in stream)


def _mount(path: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"bpf", path.encode(), b"bpf", 0, b"mode=0700"):
        number = ctypes.get_errno()
        raise OSError(number, f"mount {path}: {os.strerror(number)}")


def _umount(path: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(path.encode(), 2):  # MNT_DETACH
        number = ctypes.get_errno()
        raise OSError(number, f"umount {path}: {os.strerror(number)}")
