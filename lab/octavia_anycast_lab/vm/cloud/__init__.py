# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What Nova needs beside the lab's control plane: bus, schemas, APIs."""
