# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""An agent that dies while it sets flow rescue up, or removes it.

The main program is one life of the agent: it kills itself right after the
n-th call of a step (0: never), by a signal that nothing can catch.
"""

import os
import pickle
import signal
import sys

from octavia_anycast.agent import process
from octavia_anycast.agent.flow_rescue import flow_rescue, libbpf, loader

STEPS = {
    "mount": (loader, "_mount"),
    "umount": (loader, "_umount"),
    "load": (libbpf.Libbpf, "load"),
    "libbpf": (libbpf.Libbpf, "call"),
    "command": (process, "run"),
    "write": (libbpf.PinnedMap, "put"),
}


def die_after(step, number):
    """Have the process killed after the n-th call of a step."""
    owner, name = STEPS[step]
    real = getattr(owner, name)
    calls = []

    def counted(*words, **options):
        result = real(*words, **options)
        calls.append(name)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, counted)


def main():
    """One life; what is wanted comes by the standard input."""
    step, number = sys.argv[1], int(sys.argv[2])
    amphora_id, paths, wanted, services = pickle.load(sys.stdin.buffer)
    die_after(step, number)
    rescuer = flow_rescue.Rescuer(loader.Loader(paths), amphora_id)
    rescuer.apply(wanted, services, frozenset((4, 6)))


if __name__ == "__main__":
    main()
