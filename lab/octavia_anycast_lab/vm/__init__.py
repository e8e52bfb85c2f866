# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The lab whose compute is real: amphorae are virtual machines of Nova's."""
