# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Properties: the same examples in each run, or a search for new ones.

A test that fails by chance says nothing of the change that it was run for.
``make test-search`` looks for histories that nobody has tried yet; one that it
finds becomes an ``@example``.
"""

import collections

import pytest
from hypothesis import HealthCheck, settings

# No timing decides a test, on a busy machine either.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fixed", PATIENT, derandomize=True)
settings.register_profile("search", PATIENT, derandomize=False)
settings.load_profile("fixed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse two tests of one id: pytest-xdist would run one of them."""
    ids = collections.Counter(item.nodeid for item in items)
    twice = [name for name, count in ids.items() if count > 1]
    if twice:
        raise pytest.UsageError(
            f"Give each of these tests its own id: {twice}"
        )
