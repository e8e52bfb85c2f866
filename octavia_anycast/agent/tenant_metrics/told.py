# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What speakerd tells the process of metrics, by a file.

Only what that needs: the desired state itself holds passwords. The file is in
memory (``/run``), so speakerd writes it anew after each start.

Layer: agent.
"""

import json
import logging
from dataclasses import dataclass

from octavia_anycast.agent import atomic_file
from octavia_anycast.model import codec
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.model.wire import (
    DesiredState,
    MetricsMember,
    TenantMetrics,
)

LOG = logging.getLogger(__name__)

TOLD_PATH = "/run/octavia-anycast/metrics.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Who this amphora is, and of whom its cluster is made.

    ``certificate_path``: the agent's certificate with its key.
    ``tenant_metrics`` None: no more is known than the amphora itself.
    """

    amphora_id: str
    certificate_path: str
    tenant_metrics: TenantMetrics | None = None

    @property
    def members(self) -> tuple[MetricsMember, ...]:
        """The members of the cluster, by their ids."""
        if self.tenant_metrics is None:
            return ()
        return tuple(sorted(self.tenant_metrics.members, key=lambda m: m.id))

    @property
    def others(self) -> tuple[MetricsMember, ...]:
        """The members without the amphora itself."""
        return tuple(m for m in self.members if m.id != self.amphora_id)

    @property
    def addresses(self) -> tuple[IPAddress, ...]:
        """Where the others ask this amphora: on its front end."""
        return next(
            (m.addresses for m in self.members if m.id == self.amphora_id), ()
        )

    @property
    def zone(self) -> str:
        """The amphora's own zone."""
        return next(
            (m.zone for m in self.members if m.id == self.amphora_id), ""
        )


class Teller:
    """Writes the file, if it is to say something else."""

    def __init__(
        self, path: str, amphora_id: str, certificate_path: str
    ) -> None:
        self._path = path
        self._plain = Told(
            amphora_id=amphora_id, certificate_path=certificate_path
        )
        self._told: Told | None = None

    def begin(self) -> None:
        """Tell who this amphora is, if no state said more.

        To be called when the state was restored: a scrape in between is
        still answered by what was told before this process began.
        """
        if self._told is None:
            self.tell(None)

    def tell(self, state: DesiredState | None) -> None:
        """Tell what a state says; a failure is logged and no more."""
        told = Told(
            amphora_id=self._plain.amphora_id,
            certificate_path=self._plain.certificate_path,
            tenant_metrics=state.tenant_metrics if state else None,
        )
        if told == self._told:
            return
        try:
            text = json.dumps(codec.to_document(told))
            atomic_file.write(self._path, text, mode=0o600)
        except OSError as e:
            LOG.error("Metrics go on with what they were told before: %s", e)
            return
        self._told = told


def read(path: str) -> Told | None:
    """Read the file; None: nothing was told yet, or it cannot be used."""
    try:
        with open(path, encoding="utf-8") as stream:
            return codec.read(Told, json.load(stream))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, InvalidRequest) as e:
        LOG.error("%s cannot be used: %s", path, e)
        return None
