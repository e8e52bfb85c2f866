# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Three controller nodes: etcd, Galera and a controller on each."""
