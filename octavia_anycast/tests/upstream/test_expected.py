# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The list of expected differences names tests that exist."""

import importlib
import pkgutil

import pytest

from octavia_anycast.tests.upstream.expected import EXPECTED

pytest.importorskip("webtest", reason="make test-upstream runs it")


@pytest.fixture(scope="module")
def tests():
    """Name of class -> class, of all of Octavia's tests of its API."""
    package = importlib.import_module("octavia.tests.functional.api")
    found = {}
    for one in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if one.name.rpartition(".")[2].startswith("test_"):
            found |= vars(importlib.import_module(one.name))
    return found


@pytest.mark.parametrize("name", EXPECTED)
def test_each_expected_difference_is_of_a_test_that_exists(tests, name):
    case, _, method = name.partition("::")

    assert hasattr(tests.get(case), method)
    assert EXPECTED[name].reason
