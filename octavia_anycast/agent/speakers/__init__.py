# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""BGP speakers of the amphora. The syntax of a daemon stays in here."""
