# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What an instance is: its description on disk, written whole or not at all.

Pure description: nothing here boots, wires or stops anything.
"""

import collections.abc
import contextlib
import dataclasses
import json
import os
import pathlib
import typing

DISK_ROOT = pathlib.Path("/var/lib/octavia-anycast-lab")
SHORT_ID_LENGTH = 8
NAME_PREFIX = "amphora-"
_TAP_ID_LENGTH = 11


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """Where the far end of an interface is."""

    namespace: str
    bridge: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """One interface: a Neutron port on a bridge.

    ``addresses`` (with prefix lengths) are set before each boot, as a
    configuration drive does for the management port; those of hot-plugged
    ports are the agent's business. An owned port was made for the instance
    and goes with it.
    """

    port_id: str
    network_id: str
    mac: str
    interface: str
    wire: Wire
    addresses: tuple[str, ...] = ()
    is_owned: bool = False

    @property
    def tap(self) -> str:
        """The name of the far end, as Neutron names taps."""
        return f"tap{self.port_id[:_TAP_ID_LENGTH]}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One amphora: an image, a disk, interfaces, a processor.

    ``host`` is the compute host that it is said to run on, as Nova would
    name it: each rack has some. ``processor`` is the number of the machine's
    which its one virtual processor runs on. The hypervisor chooses both.
    """

    id: str
    name: str
    zone: str
    layers: tuple[str, ...]
    disk: str
    host: str = ""
    processor: int | None = None
    next_interface: int = 0
    nics: tuple[Nic, ...] = ()

    @property
    def short_id(self) -> str:
        """Unique enough in one lab, and fit for names."""
        return self.id[:SHORT_ID_LENGTH]

    @property
    def label(self) -> str:
        """Its name in the lab: process, namespace, log."""
        return f"amp-{self.short_id}"

    @property
    def amphora_id(self) -> str:
        """The id that Octavia gave it: the server's name ends with it."""
        return self.name.removeprefix(NAME_PREFIX)

    def with_nic(self, nic: Nic) -> "Instance":
        """With one more interface."""
        return dataclasses.replace(
            self,
            nics=(*self.nics, nic),
            next_interface=self.next_interface + 1,
        )

    def without_nic(self, port_id: str) -> "Instance":
        """Without the interface of that port."""
        kept = tuple(nic for nic in self.nics if nic.port_id != port_id)
        return dataclasses.replace(self, nics=kept)

    def nic(self, port_id: str) -> Nic | None:
        """The interface of that port."""
        for nic in self.nics:
            if nic.port_id == port_id:
                return nic
        return None


def named(
    instances: collections.abc.Iterable[Instance], word: str
) -> Instance:
    """The one that a user means: a label, an id, or the beginning of one.

    The id is the instance's, or that of the amphora that Octavia's API has.

    :raises LookupError: none or several are meant; says which there are.
    """
    known = tuple(instances)
    found = [i for i in known if any(n.startswith(word) for n in _names(i))]
    if len(found) == 1:
        return found[0]
    labels = ", ".join(i.label for i in found or known) or "none"
    problem = "several amphorae are" if found else "no amphora is"
    raise LookupError(f"{problem} called {word!r}; there are: {labels}")


def _names(instance: Instance) -> tuple[str, str, str]:
    return instance.label, instance.id, instance.amphora_id


def disks(lab_name: str) -> pathlib.Path:
    """The directory of all disks of a lab: nothing else is in it."""
    return DISK_ROOT / lab_name


def load(path: pathlib.Path) -> Instance | None:
    """Read a description, None if there is none."""
    try:
        content: dict[str, typing.Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    nics = tuple(
        Nic(
            **{
                **nic,
                "wire": Wire(**nic["wire"]),
                "addresses": tuple(nic["addresses"]),
            }
        )
        for nic in content.pop("nics")
    )
    layers = tuple(content.pop("layers"))
    return Instance(layers=layers, nics=nics, **content)


def store(path: pathlib.Path, instance: Instance) -> None:
    """Write a description so that a crash leaves the old or the new one."""
    draft = path.with_suffix(".new")
    with draft.open("w", encoding="utf-8") as stream:
        json.dump(dataclasses.asdict(instance), stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)


def layers_in_use(run_root: pathlib.Path) -> frozenset[str]:
    """Image layers on which any instance of any lab stands."""
    found: set[str] = set()
    for path in run_root.glob("*/instances/*/instance.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            instance = load(path)
            if instance is not None:
                found.update(instance.layers)
    return frozenset(found)
