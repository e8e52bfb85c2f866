# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""One frame through one program: BPF_PROG_TEST_RUN (bpf(2))."""

import ctypes
from dataclasses import dataclass

from octavia_anycast.agent.flow_rescue.libbpf import LIBRARY, program_pin
from octavia_anycast.agent.frontend import netns

# TC_ACT_UNSPEC (-1) and TC_ACT_SHOT.
PASSED, DROPPED = 0xFFFFFFFF, 2
_MARK_OFFSET, _IFINDEX_OFFSET, _GSO_SIZE_OFFSET = 8, 40, 176
_CONTEXT_SIZE = 192


class _Options(ctypes.Structure):
    _fields_ = [
        ("sz", ctypes.c_size_t),
        ("data_in", ctypes.c_char_p),
        ("data_out", ctypes.c_void_p),
        ("data_size_in", ctypes.c_uint32),
        ("data_size_out", ctypes.c_uint32),
        ("ctx_in", ctypes.c_char_p),
        ("ctx_out", ctypes.c_void_p),
        ("ctx_size_in", ctypes.c_uint32),
        ("ctx_size_out", ctypes.c_uint32),
        ("retval", ctypes.c_uint32),
        ("repeat", ctypes.c_int),
        ("duration", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("cpu", ctypes.c_uint32),
        ("batch_size", ctypes.c_uint32),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What became of a frame, and how long it took."""

    verdict: int
    nanoseconds: int


class Runner:
    """A pinned program of a member of the bench."""

    def __init__(self, member, program):
        self.library = ctypes.CDLL(LIBRARY, use_errno=True)
        pin = program_pin(member.rescuer.loader.paths.pins, program)
        self.descriptor = self.library.bpf_obj_get(pin.encode())
        assert self.descriptor >= 0
        self.namespace_path = f"/run/netns/{member.namespace}"
        (self.link,) = [
            link
            for name, link in member.rescuer.loader.links().items()
            if name == "eth1"
        ]

    def ethernet(self, packet, *, is_ours=True):
        """The frame in which the fabric sends a packet to the member."""
        mac = bytes.fromhex(self.link.mac_address.replace(":", ""))
        target = mac if is_ours else b"\x02\0\0\0\0\x99"
        kind = b"\x86\xdd" if packet[:1] and packet[0] >> 4 == 6 else b"\x08\0"
        return target + b"\x02\0\0\0\0\1" + kind + packet

    def run(self, frame, *, repeat=1, mark=0):
        """One frame."""
        return self.run_all([frame], repeat=repeat, mark=mark)[0]

    def run_all(self, frames, *, repeat=1, mark=0, gso_size=0):
        """Many frames, in the member's namespace."""

        def call():
            context = bytearray(_CONTEXT_SIZE)
            context[_MARK_OFFSET : _MARK_OFFSET + 4] = mark.to_bytes(
                4, "little"
            )
            context[_IFINDEX_OFFSET : _IFINDEX_OFFSET + 4] = (
                self.link.index.to_bytes(4, "little")
            )
            context[_GSO_SIZE_OFFSET : _GSO_SIZE_OFFSET + 4] = (
                gso_size.to_bytes(4, "little")
            )
            options = _Options(
                sz=ctypes.sizeof(_Options),
                ctx_in=bytes(context),
                ctx_size_in=_CONTEXT_SIZE,
                repeat=repeat,
            )
            return [self._run(options, frame) for frame in frames]

        return netns.call_in(self.namespace_path, call)

    def _run(self, options, frame):
        options.data_in = frame
        options.data_size_in = len(frame)
        options.data_size_out = options.ctx_size_out = 0
        result = self.library.bpf_prog_test_run_opts(
            self.descriptor, ctypes.byref(options)
        )
        assert result == 0, (result, frame.hex())
        return Run(verdict=options.retval, nanoseconds=options.duration)
