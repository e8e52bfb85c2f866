# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What Neutron says of a VIP is the API's answer, by its status."""

import pytest
from keystoneauth1 import exceptions as keystone
from octavia.network import base as network_base
from openstack import exceptions as sdk

from octavia_anycast.tests.functional.balancers import (
    assert_nothing_is_left,
    post,
)


def test_an_address_outside_its_subnet_is_400_in_neutrons_words(
    api, vip, default
):
    answer = post(api, vip, vip_address="203.0.113.9")

    assert answer.status == 400, answer.text
    assert "vip_address: IP address 203.0.113.9 is not a valid IP" in (
        answer.fault
    )
    assert_nothing_is_left(api)


def sdk_error(status, words="no"):
    kinds = {400: sdk.BadRequestException, 404: sdk.NotFoundException}
    kind = kinds.get(status, sdk.HttpException)
    return kind("HttpException", http_status=status, details=words)


@pytest.mark.parametrize(
    ("cause", "status", "words"),
    [
        (sdk_error(400, "bad"), 400, "vip_subnet_id: bad"),
        (sdk_error(404, "gone"), 400, "vip_subnet_id: gone"),
        (sdk_error(403, "not yours"), 409, "not yours"),
        (sdk_error(413, "too many"), 409, "too many"),
        (sdk_error(429), 503, "try again later"),
        (sdk_error(500), 503, "try again later"),
        (sdk_error(503), 503, "try again later"),
        (keystone.ConnectFailure("refused"), 503, "try again later"),
        (keystone.Unauthorized("expired"), 503, "try again later"),
    ],
    ids=repr,
)
def test_each_answer_of_neutron_has_its_status(
    api, vip, default, monkeypatch, cause, status, words
):
    def refuse(load_balancer):
        raise network_base.AllocateVIPException("wrapped") from cause

    monkeypatch.setattr(api.neutron, "allocate_vip", refuse)

    answer = post(api, vip)

    assert answer.status == status, answer.text
    assert words in answer.fault
    assert "wrapped" not in answer.fault
    assert_nothing_is_left(api)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("tags=x", 200),
        ("tags-any=x,y", 200),
        ("not-tags=x", 200),
        ("not-tags-any=x&tags=y", 200),
        ("fields=id", 200),
        ("sort=id:desc", 200),
        ("limit=1&page_reverse=True", 200),
        ("marker=9f1c2a52-0000-4000-8000-00000000000f", 400),
        ("colour=red", 400),
        ("sort=colour", 400),
    ],
)
def test_amphorae_are_listed_with_octavias_arguments(api, query, status):
    answer = api.call("GET", f"/v2/octavia/amphorae?{query}")

    assert answer.status == status, answer.text
