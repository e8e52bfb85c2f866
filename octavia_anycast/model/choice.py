# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The choice: which distributor and front end a load balancer is to have.

Said by the user, the flavor or the availability zone, in this order; what
nobody says is the default distributor and the VIP's own network.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

DISTRIBUTOR_ID = "distributor_id"
FRONTEND_NETWORK_ID = "frontend_network_id"
FRONTEND_SUBNET_ID = "frontend_subnet_id"
# What carries a whole choice from the API to the provider driver.
CHOICE = "octavia_anycast"
ATTRIBUTES = (DISTRIBUTOR_ID, FRONTEND_NETWORK_ID, FRONTEND_SUBNET_ID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is said; None: nothing."""

    distributor_id: str | None = None
    frontend_network_id: str | None = None
    frontend_subnet_id: str | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Choice":
        """Pick it out of a request, or of metadata."""
        return cls(**{name: values.get(name) or None for name in ATTRIBUTES})

    @property
    def has_frontend(self) -> bool:
        """Whether it says anything about the front end."""
        return bool(self.frontend_network_id or self.frontend_subnet_id)

    def or_else(self, other: "Choice") -> "Choice":
        """Add what another one says where this one is silent.

        Network and subnet belong together: they come from one of them.
        """
        frontend = self if self.has_frontend else other
        return replace(
            frontend,
            distributor_id=self.distributor_id or other.distributor_id,
        )

    def said(self) -> dict[str, str]:
        """attribute -> value, of those that are said."""
        return {k: v for k, v in asdict(self).items() if v is not None}
