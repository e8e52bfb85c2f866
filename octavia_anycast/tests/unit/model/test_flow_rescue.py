# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What flow rescue may be told."""

from ipaddress import ip_address
from uuid import UUID

import pytest

from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.model.wire import (
    FlowRescue,
    Member,
)

SECRET = "0123456789abcdef0123"


def member(number, *addresses):
    """A member of this number."""
    given = addresses or (f"10.0.0.{number}",)
    return Member(
        id=str(UUID(int=number)),
        addresses=tuple(ip_address(address) for address in given),
    )


def rescue(**changes):
    """A state of two members."""
    values = {
        "members": (member(1), member(2)),
        "secrets": (SECRET,),
    }
    return FlowRescue(**values | changes)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("secrets", {"secrets": ()}),
        ("secrets", {"secrets": ("short",)}),
        ("secrets", {"secrets": (SECRET.upper(),)}),
        ("secrets", {"secrets": (SECRET,) * 3}),
        ("members", {"members": (member(1), member(1, "10.0.0.2"))}),
        ("addresses", {"members": (member(1), member(2, "10.0.0.1"))}),
        (
            "members",
            {"members": tuple(member(n) for n in range(1, 66))},
        ),
        ("probe_rate", {"probe_rate": 0}),
        ("probe_burst", {"probe_burst": 63}),
    ],
)
def test_what_is_refused(field, changes):
    with pytest.raises(InvalidRequest) as caught:
        rescue(**changes)
    assert caught.value.field == field


def test_a_member_has_an_id_and_an_address():
    with pytest.raises(InvalidRequest):
        Member(id="amphora", addresses=(ip_address("10.0.0.1"),))
    with pytest.raises(InvalidRequest):
        Member(id=str(UUID(int=1)), addresses=())


def test_a_secret_is_in_no_text():
    assert SECRET not in repr(rescue())


def test_a_cluster_of_64_fits():
    members = tuple(member(n) for n in range(1, 65))
    assert len(rescue(members=members).members) == 64
