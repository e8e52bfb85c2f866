# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The desired state on the disk: survives restarts and reboots.

The file holds the sessions' passwords: mode 0600. Without one, the first
state is the controller's in the config drive.

Layer: agent.
"""

import json
import logging
import os
from contextlib import suppress

from octavia_anycast.agent import atomic_file
from octavia_anycast.model import codec
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.model.wire import DesiredState

LOG = logging.getLogger(__name__)


class Store:
    """The files of the desired state and of the first one."""

    def __init__(self, path: str, first_path: str) -> None:
        self._path = path
        self._first_path = first_path

    def save(self, state: DesiredState) -> None:
        """Write a state; it is on the disk on return."""
        atomic_file.write(self._path, codec.to_text(state), mode=0o600)

    def forget(self) -> None:
        """Remove the stored state: after a restart the first one is in force.

        That one announces nothing. A file can be removed from a full disk.
        """
        with suppress(OSError):
            os.unlink(self._path)

    def load(self, amphora_id: str) -> DesiredState | None:
        """Read the stored state, or else the first one; None without either.

        A file is ignored if it cannot be used, or if it is another amphora's
        (in an image that was made of a running amphora).
        """
        for path in (self._path, self._first_path):
            state = self._read(path)
            if state is None:
                continue
            if state.amphora_id == amphora_id:
                LOG.info("The desired state is restored from %s", path)
                return state
            LOG.warning(
                "%s is ignored: it belongs to amphora %s",
                path,
                state.amphora_id,
            )
        return None

    @staticmethod
    def _read(path: str) -> DesiredState | None:
        try:
            with open(path, encoding="utf-8") as stream:
                return codec.desired_state_from(json.load(stream))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, InvalidRequest) as e:
            LOG.error("%s cannot be used: %s", path, e)
            return None
