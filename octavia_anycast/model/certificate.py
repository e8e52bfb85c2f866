# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The certificates that agents show to the controller, and their renewal."""

from dataclasses import dataclass, field
from datetime import datetime

from octavia_anycast.model.inventory import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate with its key; ``pem`` holds a secret.

    ``pem`` is the certificate and then the private key, as Octavia's agent
    keeps them in one file.
    """

    pem: str = field(repr=False)
    serial: int
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Whose certificates to replace: those due, or all with ``is_forced``."""

    is_forced: bool = False
    load_balancer_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """A line of the rotation's report.

    ``expires_at``: of the certificate that it has after it.
    """

    amphora_id: str
    load_balancer_id: str | None
    expires_at: datetime | None
    outcome: Outcome
    detail: str = ""
