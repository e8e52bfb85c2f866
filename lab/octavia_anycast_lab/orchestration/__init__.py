# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Heat beside the lab's control plane: for tests of templates only.

It needs an environment that has Heat (``make test-clients`` makes one); no
other part of the lab knows of it.
"""
