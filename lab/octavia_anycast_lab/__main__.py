# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``python -m octavia_anycast_lab`` is ``octavia-anycast-lab``."""

from octavia_anycast_lab.cli import main

main()
