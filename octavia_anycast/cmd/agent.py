# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``octavia-anycast-agent``: Octavia's amphora agent and our route.

Options are those of Octavia's ``amphora-agent``.
"""

from octavia_anycast.agent.control import ControlClient
from octavia_anycast.agent.frontend import netns
from octavia_anycast.agent.http import make_blueprint, make_certificate_view
from octavia_anycast.agent.watchdog import Watchdog
from octavia_anycast.octavia_adapter.amphora import amphora_agent


def main() -> None:
    """Entry point."""
    amphora_agent.main(
        lambda: make_blueprint(ControlClient()),
        make_certificate_view,
        Watchdog(),
        netns.read_in,
        ControlClient().await_news,
    )
