# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The size of a cluster, of flavor metadata and settings."""

from types import SimpleNamespace

import pytest

from octavia_anycast.model.cluster import ClusterSize
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.provider.metadata import (
    FLAVOR,
    check_schema,
    size_of,
    whole,
)

SETTINGS = SimpleNamespace(size=ClusterSize(desired=3, minimum=2, maximum=6))


@pytest.mark.parametrize(
    ("metadata", "desired", "minimum"),
    [
        ({}, 3, 2),
        ({"cluster_size": 6}, 6, 2),
        ({"cluster_size": 1}, 1, 1),  # the configured minimum gives way
        ({"cluster_min_size": 3}, 3, 3),
        ({"cluster_size": 4.0, "cluster_min_size": 4.0}, 4, 4),
    ],
)
def test_size(metadata, desired, minimum):
    check_schema(metadata, FLAVOR)

    size = size_of(metadata, SETTINGS)

    assert size == ClusterSize(desired=desired, minimum=minimum, maximum=6)
    assert isinstance(size.desired, int)


@pytest.mark.parametrize(
    ("metadata", "key"),
    [
        ({"cluster_size": 7}, "cluster_size"),
        ({"cluster_min_size": 4}, "cluster_min_size"),
        ({"cluster_size": 1, "cluster_min_size": 2}, "cluster_min_size"),
    ],
)
def test_what_does_not_fit_is_named(metadata, key):
    with pytest.raises(InvalidRequest) as refused:
        size_of(metadata, SETTINGS)

    assert refused.value.field == key


@pytest.mark.parametrize(
    ("metadata", "key"),
    [
        ({"colour": "red", "cluster_size": 2}, "colour"),
        ({"cluster_size": True}, "cluster_size"),
        ({"cluster_size": 1.5}, "cluster_size"),
        ({"distributor_id": None}, "distributor_id"),
    ],
)
def test_the_schema_names_the_key(metadata, key):
    with pytest.raises(InvalidRequest) as refused:
        check_schema(metadata, FLAVOR)

    assert refused.value.field == key


def test_every_key_is_described():
    for name, schema in FLAVOR["properties"].items():
        assert schema["description"].endswith("."), name


@pytest.mark.parametrize("key", ["cluster_cooldown", "cluster_spare_count"])
def test_whole_numbers_are_whole(key):
    check_schema({key: 2.0}, FLAVOR)
    number = whole({key: 2.0}, key)
    assert (number, type(number)) == (2, int)
    assert whole({}, key) == 0
