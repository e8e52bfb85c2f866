# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Interfaces of the amphora, brought up by a fork of the agent.

Octavia's agent runs the program ``amphora-interface``, which takes a second of
processor time for imports before it begins. The agent has imported all of it
already: a child of the agent does the same work at once.

Layer: octavia_adapter.
"""

import multiprocessing
from multiprocessing.connection import Connection
from typing import Any

import webob
from octavia.amphorae.backends.agent.api_server import osutils
from octavia.cmd import interface as octavia_interface
from octavia.common import constants, exceptions
from oslo_log import log as logging
from pyroute2 import netns

LOG = logging.getLogger(__name__)
_FORK = multiprocessing.get_context("fork")
_DEADLINE_SECONDS = 60.0


class OsUtils:
    """Octavia's class for the distribution, with another way of "up"."""

    def __init__(self, found: osutils.BaseOS) -> None:
        self._found = found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._found, name)

    @staticmethod
    def bring_interface_up(interface: str, name: str) -> None:
        """Set an interface of amphora-haproxy up as its file says.

        :raises HTTPException: Octavia's, 500 with what went wrong.
        """
        error = _in_child(interface)
        if error is None:
            return
        LOG.error("Interface %s did not come up: %s", interface, error)
        raise osutils.exceptions.HTTPException(
            response=webob.Response(
                json={"message": f"Error plugging {name}", "details": error},
                status=500,
            )
        )


def _in_child(interface: str) -> str | None:
    """Bring it up in a child; return what went wrong, or None."""
    ours, theirs = _FORK.Pipe(duplex=False)
    child = _FORK.Process(target=_bring_up, args=(interface, theirs))
    child.start()
    theirs.close()
    try:
        if not ours.poll(_DEADLINE_SECONDS):
            return f"it did not end within {_DEADLINE_SECONDS:.0f} s"
        said: str | None = ours.recv()
        return said
    except EOFError:
        return "the process died"
    finally:
        ours.close()
        child.kill()
        child.join()


def _bring_up(interface: str, said: Connection) -> None:
    """Run in the child: it enters the namespace, the parent must not."""
    try:
        netns.setns(constants.AMPHORA_NAMESPACE)
        octavia_interface.interface_cmd(interface, "up")
    except (exceptions.OctaviaException, OSError, ValueError) as e:
        said.send(str(e) or repr(e))
    else:
        said.send(None)
