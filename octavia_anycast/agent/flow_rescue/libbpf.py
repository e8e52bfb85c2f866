# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the agent needs of libbpf 1.x, by ctypes: objects and maps.

Layer: agent. No package of Python's has CO-RE: pyroute2 attaches programs,
but cannot load ELF.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self

LIBRARY = "libbpf.so.1"

_POINTER = ctypes.c_void_p
_SIGNATURES: dict[str, tuple[type | None, list[type]]] = {
    "libbpf_set_print": (_POINTER, [_POINTER]),
    "libbpf_num_possible_cpus": (ctypes.c_int, []),
    "bpf_object__open_file": (_POINTER, [ctypes.c_char_p, _POINTER]),
    "bpf_object__load": (ctypes.c_int, [_POINTER]),
    "bpf_object__close": (None, [_POINTER]),
    "bpf_object__next_map": (_POINTER, [_POINTER, _POINTER]),
    "bpf_object__next_program": (_POINTER, [_POINTER, _POINTER]),
    "bpf_map__name": (ctypes.c_char_p, [_POINTER]),
    "bpf_map__set_pin_path": (ctypes.c_int, [_POINTER, ctypes.c_char_p]),
    "bpf_program__name": (ctypes.c_char_p, [_POINTER]),
    "bpf_program__pin": (ctypes.c_int, [_POINTER, ctypes.c_char_p]),
    "bpf_obj_get": (ctypes.c_int, [ctypes.c_char_p]),
    "bpf_map_lookup_elem": (ctypes.c_int, [ctypes.c_int, _POINTER, _POINTER]),
    "bpf_map_lookup_batch": (
        ctypes.c_int,
        [ctypes.c_int, *[_POINTER] * 6],
    ),
    "bpf_map_update_elem": (
        ctypes.c_int,
        [ctypes.c_int, _POINTER, _POINTER, ctypes.c_uint64],
    ),
    "bpf_map_delete_elem": (ctypes.c_int, [ctypes.c_int, _POINTER]),
}


class Libbpf:
    """The library.

    :raises OSError: it is not installed, or a function of it fails.
    """

    def __init__(self) -> None:
        self._library = ctypes.CDLL(LIBRARY, use_errno=True)
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(self._library, name)
            function.restype, function.argtypes = result, arguments
        self._library.libbpf_set_print(None)

    def call(self, name: str, *arguments: object) -> int:
        """Call a function that answers a number, below 0 if it fails."""
        result: int = getattr(self._library, name)(*arguments)
        if result < 0:
            raise OSError(-result, f"{name}: {os.strerror(-result)}")
        return result

    def load(self, path: str, directory: str) -> None:
        """Load an object: its maps and programs are pinned in a directory.

        Maps that are pinned there are used again with what they hold; a
        program takes the place of the one that is pinned there.
        """
        lib = self._library
        loaded = lib.bpf_object__open_file(path.encode(), None)
        if not loaded:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
        try:
            for map in self._parts(loaded, "map"):
                pin = f"{directory}/{lib.bpf_map__name(map).decode()}"
                self.call("bpf_map__set_pin_path", map, pin.encode())
            self.call("bpf_object__load", loaded)
            for program in self._parts(loaded, "program"):
                pin = program_pin(
                    directory, lib.bpf_program__name(program).decode()
                )
                if os.path.exists(pin):
                    os.unlink(pin)
                self.call("bpf_program__pin", program, pin.encode())
        finally:
            lib.bpf_object__close(loaded)

    def _parts(self, loaded: int, kind: str) -> Iterator[int]:
        following = getattr(self._library, f"bpf_object__next_{kind}")
        part = following(loaded, None)
        while part:
            yield part
            part = following(loaded, part)


def program_pin(directory: str, name: str) -> str:
    """Where a program is pinned."""
    return f"{directory}/{name}"


class PinnedMap:
    """A map of fixed sizes, opened by its pin; a context manager.

    :raises OSError: it is not there.
    """

    def __init__(
        self,
        libbpf: Libbpf,
        path: str,
        key_size: int,
        value_size: int,
        max_entries: int,
    ) -> None:
        self._libbpf = libbpf
        self._key_size = key_size
        self._value_size = value_size
        self._max_entries = max_entries
        self._descriptor = libbpf.call("bpf_obj_get", path.encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def entries(self) -> dict[bytes, bytes]:
        """Key -> value, of a hash map."""
        keys, values, count = self._all()
        return dict(
            zip(
                _cut(keys, self._key_size, count),
                _cut(values, self._value_size, count),
                strict=True,
            )
        )

    def count(self) -> int:
        """How many entries a hash map has."""
        return self._all()[2]

    def _all(self) -> tuple[bytes, bytes, int]:
        """All keys, all values, and how many; in one call, however many."""
        keys = ctypes.create_string_buffer(self._key_size * self._max_entries)
        values = ctypes.create_string_buffer(
            self._value_size * self._max_entries
        )
        count = ctypes.c_uint32(self._max_entries)
        position = ctypes.create_string_buffer(self._key_size)
        # It ends with "not found" when there are no more of them.
        with suppress(FileNotFoundError):
            self._libbpf.call(
                "bpf_map_lookup_batch",
                *(self._descriptor, None, position, keys, values),
                *(ctypes.byref(count), None),
            )
        size = count.value
        return (
            keys.raw[: size * self._key_size],
            values.raw[: size * self._value_size],
            size,
        )

    def get_of_all_cpus(self, key: bytes) -> list[bytes]:
        """The values of a key of a map that has one for each processor."""
        cpus = self._libbpf.call("libbpf_num_possible_cpus")
        values = ctypes.create_string_buffer(self._value_size * cpus)
        self._libbpf.call("bpf_map_lookup_elem", self._descriptor, key, values)
        return _cut(values.raw, self._value_size, cpus)

    def clear_of_all_cpus(self, key: bytes) -> None:
        """Write zeros for each processor."""
        cpus = self._libbpf.call("libbpf_num_possible_cpus")
        self.put(key, bytes(self._value_size * cpus))

    def put(self, key: bytes, value: bytes) -> None:
        """Write an entry, whether it is there or not."""
        self._libbpf.call(
            "bpf_map_update_elem", self._descriptor, key, value, 0
        )

    def delete(self, key: bytes) -> None:
        """Delete an entry, if it is there."""
        try:
            self._libbpf.call("bpf_map_delete_elem", self._descriptor, key)
        except FileNotFoundError:
            return


def _cut(data: bytes, size: int, count: int) -> list[bytes]:
    return [data[i * size : (i + 1) * size] for i in range(count)]
