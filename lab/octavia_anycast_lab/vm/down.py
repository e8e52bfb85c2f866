# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Take the lab of virtual machines down, and see that nothing is left."""

from octavia_anycast_lab import cleanup, settings
from octavia_anycast_lab import down as lab_down
from octavia_anycast_lab.progress import Progress
from octavia_anycast_lab.vm.settings import home


def down(lab: settings.Lab, progress: Progress) -> None:
    """Remove every guest, process, namespace and file of a lab.

    Guests and daemons run in the lab's network namespaces, and so are found
    there; libvirt's mounts are in mount namespaces that end with them.

    :raises LeftoverError: something is still there.
    :raises lock.BusyError: another command works on this lab.
    """
    lab_down.down(lab, progress)
    left = leftovers(lab)
    if left:
        raise lab_down.LeftoverError(f"still there: {', '.join(left)}")


def leftovers(lab: settings.Lab) -> tuple[str, ...]:
    """What of the lab is on the machine."""
    place = home(lab)
    found = list(lab_down.leftovers(lab))
    found += [f"mount {p}" for p in cleanup.mounts_below([str(place)])]
    if place.exists():
        found.append(f"directory {place}")
    return tuple(found)
