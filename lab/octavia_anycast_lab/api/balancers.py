# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A load balancer that the lab made, as its API shows it; pure, no I/O."""

import dataclasses

from octavia_anycast_lab import settings
from octavia_anycast_lab.cloud import survey


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Balancer:
    """A load balancer; ``before``: what there was without it."""

    id: str
    name: str
    vips: tuple[settings.Address, ...]
    before: survey.Survey

    @property
    def v4(self) -> str:
        """The VIP."""
        return next(str(vip) for vip in self.vips if vip.version == 4)

    @property
    def v6(self) -> str:
        """The additional VIP."""
        return next(str(vip) for vip in self.vips if vip.version == 6)
