# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What copies of a load balancer are called."""

import uuid

import pytest
from octavia_anycast_lab.bench.simulated import (
    clones,
)

IDS = sorted(str(uuid.uuid5(uuid.NAMESPACE_DNS, name)) for name in "abcdefgh")
VIPS = ("198.51.100.17", "2001:db8:100::b2")


@pytest.fixture
def names() -> clones.Names:
    return clones.Names({*IDS, *VIPS}, 3)


def test_each_copy_has_names_of_its_own(names: clones.Names) -> None:
    other = clones.Names({*IDS, *VIPS}, 4)
    made = {
        which.text(name) for which in (names, other) for name in (*IDS, *VIPS)
    }
    assert len(made) == 2 * len((*IDS, *VIPS))
    assert not made & {*IDS, *VIPS}
    assert names.text(VIPS[0]) == "10.64.0.3"
    assert names.text(VIPS[1]) == "2001:db8:64::3"


def test_ids_keep_their_order(names: clones.Names) -> None:
    """A revision is the hash of lists that are in the order of their ids."""
    made = [names.text(name) for name in IDS]
    assert made == sorted(made)
    assert [str(uuid.UUID(name)) for name in made] == made


def test_names_are_found_within_documents(names: clones.Names) -> None:
    text = f'{{"a": "{IDS[0]}", "vip": "{VIPS[0]}"}}'
    assert names.text(text) == (
        f'{{"a": "{names.text(IDS[0])}", "vip": "10.64.0.3"}}'
    )


def test_what_belongs_to_others_stays(names: clones.Names) -> None:
    row = {"id": IDS[0], "subnet": "shared", "ip": "198.51.100.171", "n": 1}
    assert names.row(row) == row | {"id": names.text(IDS[0])}


def test_a_name_that_is_added(names: clones.Names) -> None:
    names.add("0" * 64, "1" * 64)
    assert names.text(f"revision {'0' * 64}") == f"revision {'1' * 64}"
