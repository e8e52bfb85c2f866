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
    """Where the desired state is kept, and where the first one comes from."""

    def __init__(self, path: str, first_path: str) -> None:
        self._path = path
        self._first_path = first_path

    def save(self, state: DesiredState) -> None:
        """Keep a state; it is on the disk when this returns."""
        text = json.dumps(codec.to_document(state), sort_keys=True)
        atomic_file.write(self._path, text, mode=0o600)

    def forget(self) -> None:
        """Drop the state kept: after a restart the first one is in force.

        It announces nothing. A full disk does not keep a file from going.
        """
        with suppress(OSError):
            os.unlink(self._path)

    def load(self, amphora_id: str) -> DesiredState | None:
        """Read the state kept, or the first one; None without either.

        A file that cannot be used, or is another amphora's (an image made of
        a running one), is as good as none.
        """
        for path in (self._path, self._first_path):
            state = self._read(path)
            if state is None:
                continue
            if state.amphora_id == amphora_id:
                LOG.info("The desired state is restored from %s", path)
                return state
            LOG.warning("%s is of amphora %s", path, state.amphora_id)
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
