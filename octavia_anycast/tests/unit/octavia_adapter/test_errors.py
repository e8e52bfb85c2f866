# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The table of what the services of the cloud answer, and what it means."""

import json

import pytest
import requests
from cinderclient import exceptions as cinder_exceptions
from glanceclient import exc as glance_exceptions
from keystoneauth1 import exceptions as keystone_exceptions
from novaclient import exceptions as nova_exceptions
from octavia.amphorae.drivers.haproxy import exceptions as agent_exceptions
from octavia.common import exceptions as octavia_exceptions
from octavia.network import base as network_base
from openstack import exceptions as sdk_exceptions

from octavia_anycast.model.errors import NoRoom, Permanent, Retryable
from octavia_anycast.octavia_adapter.errors import answer_of, translated


def response(status, *, kind="", sentence="no", headers=None):
    """What Neutron or Nova answers."""
    found = requests.Response()
    found.status_code = status
    found.headers.update({"Content-Type": "application/json"})
    found.headers.update(headers or {})
    found.url = "http://network.example/v2.0/ports"
    error = {"type": kind, "message": sentence, "detail": ""}
    found._content = json.dumps({"NeutronError": error}).encode()
    return found


def neutron(status, kind="", sentence="no"):
    """The exception of Neutron's client."""
    with pytest.raises(sdk_exceptions.SDKException) as caught:
        sdk_exceptions.raise_from_response(
            response(status, kind=kind, sentence=sentence)
        )
    return caught.value


def nova(status, sentence="no", headers=None):
    """The exception of Nova's client."""
    return nova_exceptions.from_response(
        response(status, headers=headers),
        {"error": {"message": sentence}},
        "http://compute.example/servers",
    )


def wrapped(outer, inner, *, is_chained=True):
    """As Octavia's drivers raise theirs in place of a client's."""
    outer.__context__ = inner
    if is_chained:
        outer.__cause__ = inner
    return outer


NO_ADDRESS = "No more IP addresses available on network n1."
REFUSED = (
    neutron(400, "InvalidIpForSubnet", "IP address 9.9.9.9 is not valid"),
    neutron(403, "PolicyNotAuthorized"),
    neutron(404, "PortNotFound", "Port p1 could not be found."),
    neutron(409, "OverQuota", "Quota exceeded for resources: ['port']."),
    neutron(409, "IpAddressGenerationFailure", NO_ADDRESS),
    neutron(409, "IpAddressAlreadyAllocated"),
    neutron(409, "IpAddressInUse"),
    neutron(422),
    neutron(501),
    nova(400, "Invalid key_name provided."),
    nova(403, "Quota exceeded for cores: Requested 2"),
    nova(404, "Flavor f1 could not be found."),
    nova(413, "Quota exceeded"),
    glance_exceptions.HTTPForbidden("no"),
    cinder_exceptions.from_response(response(413), {}),
    octavia_exceptions.ImageGetException(tag="amphora"),
    network_base.SubnetNotFound("subnet not found"),
    agent_exceptions.InvalidRequest(),
)
NO_ROOM = (
    neutron(409, "OverQuota", "Quota exceeded for resources: ['port']."),
    nova(403, "Quota exceeded for cores: Requested 2"),
    nova(413, "Quota exceeded"),
)
MAY_PASS = (
    neutron(401),
    neutron(408),
    neutron(409, "NetworkInUse"),
    neutron(409, "SecurityGroupInUse"),
    neutron(412, "RevisionNumberConstraintFailed"),
    neutron(429),
    neutron(500),
    neutron(503),
    neutron(504),
    nova(409, "Cannot 'attach_interface' while it is in task_state None"),
    nova(413, headers={"Retry-After": "20"}),
    nova(429, headers={"Retry-After": "20"}),
    nova(503),
    glance_exceptions.CommunicationError("no route"),
    keystone_exceptions.Unauthorized(),
    keystone_exceptions.NotFound(),
    keystone_exceptions.ConnectFailure("refused"),
    keystone_exceptions.EndpointNotFound(),
    sdk_exceptions.ResourceTimeout("too slow"),
    requests.ConnectionError("reset"),
    octavia_exceptions.ComputeGetException(),
    network_base.DeallocateVIPException("all attempts have failed"),
    agent_exceptions.NotFound(),
    agent_exceptions.ServiceUnavailable(),
)


def name(error):
    """The same in every process that collects, as an address is not."""
    return f"{type(error).__module__}.{type(error).__name__}: {error}"


def raised(error):
    """What the adapters raise in place of it."""
    with (
        pytest.raises((Permanent, Retryable)) as caught,
        translated("making it"),
    ):
        raise error
    return caught.value


@pytest.mark.parametrize("error", REFUSED, ids=name)
def test_what_is_refused_is_permanent(error):
    found = raised(error)
    assert isinstance(found, Permanent)
    assert str(found).startswith("making it was refused: ")


@pytest.mark.parametrize("error", MAY_PASS, ids=name)
def test_what_may_pass_is_retryable(error):
    found = raised(error)
    assert isinstance(found, Retryable)
    assert str(found).startswith("making it failed: ")


@pytest.mark.parametrize("is_chained", [True, False])
@pytest.mark.parametrize(
    ("outer", "inner", "kind"),
    [
        (
            network_base.CreatePortException("Error creating a port"),
            neutron(409, "IpAddressGenerationFailure", NO_ADDRESS),
            Permanent,
        ),
        (
            network_base.PlugVIPException("Error creating the base port"),
            neutron(503),
            Retryable,
        ),
        (
            network_base.NetworkException("Error retrieving subnet"),
            keystone_exceptions.ConnectFailure("refused"),
            Retryable,
        ),
        (
            octavia_exceptions.ComputeBuildException(fault="no"),
            nova(403, "Quota exceeded for cores"),
            Permanent,
        ),
        (
            octavia_exceptions.ServerGroupObjectCreateException(),
            nova(403, "Quota exceeded, too many server groups."),
            Permanent,
        ),
        (
            # Being handled when the next call failed: it is the past.
            wrapped(
                keystone_exceptions.ConnectFailure("refused"), neutron(404)
            ),
            ValueError(),
            Retryable,
        ),
    ],
)
def test_what_octavia_wraps_is_found(outer, inner, kind, is_chained):
    error = outer
    if not isinstance(inner, ValueError):
        error = wrapped(outer, inner, is_chained=is_chained)
    assert isinstance(raised(error), kind)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            neutron(404, "PortNotFound", "Port p1 could not be found."),
            "Port p1 could not be found (HTTP 404)",
        ),
        (
            nova(403, "Quota exceeded for cores: Requested 2"),
            "Quota exceeded for cores: Requested 2 (HTTP 403)",
        ),
        (keystone_exceptions.ConnectFailure("refused"), "refused"),
    ],
)
def test_the_sentence_is_the_services_own(error, sentence):
    assert answer_of(error).sentence == sentence


def test_what_no_client_raised_is_no_answer():
    assert answer_of(octavia_exceptions.ComputeBuildException(fault="x")) is (
        None
    )


@pytest.mark.parametrize("error", NO_ROOM, ids=str)
def test_a_quota_that_is_used_up_is_want_of_room(error):
    with pytest.raises(NoRoom), translated("building"):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        nova(400, "Invalid key_name provided."),
        nova(403, "Policy does not allow it"),
        nova(404, "Flavor f1 could not be found."),
        octavia_exceptions.ImageGetException(tag="amphora"),
    ],
    ids=str,
)
def test_room_would_not_help_what_is_refused_otherwise(error):
    with pytest.raises(Permanent) as caught, translated("building"):
        raise error
    assert not isinstance(caught.value, NoRoom)
