# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Servers: where they run, and the zones that there are."""

from types import SimpleNamespace

import pytest
from novaclient import exceptions as nova_exceptions
from octavia.common import config as octavia_config  # noqa: F401
from octavia.common import data_models as dm
from octavia.common import exceptions as octavia_exceptions
from octavia.compute.drivers.nova_driver import VirtualMachineManager
from octavia.image.drivers.glance_driver import ImageManager
from oslo_config import cfg
from oslo_config import fixture as config_fixture

from octavia_anycast.model.cluster import ComputeState
from octavia_anycast.model.errors import Permanent, Retryable
from octavia_anycast.octavia_adapter.cloud.compute import Compute, words_of


class Driver:
    """Octavia's compute driver, with one server."""

    address = "172.31.1.5"

    def get_amphora(self, server_id, network_id):
        return dm.Amphora(status="ACTIVE", lb_network_ip=self.address), None

    def validate_availability_zone(self, zone):
        if zone != "rack1":
            raise octavia_exceptions.InvalidSubresource(
                resource="Nova availability zone", id=zone
            )


class Servers:
    """Nova's own client."""

    def __init__(self, **attributes):
        self.attributes = attributes

    def get(self, server_id):
        if not self.attributes:
            raise nova_exceptions.Forbidden(403)
        return SimpleNamespace(**self.attributes)


def look(driver):
    server = Compute(driver).look("server", None)
    assert server.state is ComputeState.ACTIVE
    return server.host


def test_nova_tells_the_host():
    driver = Driver()
    driver.manager = Servers(**{"OS-EXT-SRV-ATTR:host": "compute-7"})
    assert look(driver) == "compute-7"


def test_nova_may_not_tell():
    driver = Driver()
    driver.manager = Servers(name="amphora")
    assert look(driver) is None
    driver.manager = Servers()
    assert look(driver) is None


def test_another_driver_tells():
    driver = Driver()
    driver.host_of = {"server": "rack1-host2"}.get
    assert look(driver) == "rack1-host2"
    driver.host_of = {"server": ""}.get
    assert look(driver) is None


def test_no_driver_tells():
    assert look(Driver()) is None


def test_a_server_without_an_address_is_not_asked_about():
    driver = Driver()
    driver.address = None
    driver.manager = Servers()
    assert look(driver) is None


def test_zones():
    compute = Compute(Driver())
    compute.check_zone("rack1")
    with pytest.raises(Permanent, match="no availability zone 'rack9'"):
        compute.check_zone("rack9")


def test_a_zone_that_cannot_be_looked_up():
    class Out(Driver):
        def validate_availability_zone(self, zone):
            raise octavia_exceptions.ComputeUnknownException(exc="Nova")

    with pytest.raises(Retryable):
        Compute(Out()).check_zone("rack1")


class Builder(Driver):
    """It makes servers and server groups, and knows what it was told."""

    def __init__(self):
        self.groups = []
        self.built = []

    def create_server_group(self, name, policy):
        self.groups.append((name, policy))
        return SimpleNamespace(id=f"group-{len(self.groups)}")

    def build(self, **arguments):
        self.built.append(arguments)
        return f"server-{len(self.built)}"


class Recorded(Compute):
    """Without Octavia's rows."""

    def _group_of(self, tree):
        return tree.server_group_id

    def _record_group(self, tree, group_id):
        tree.server_group_id = group_id


@pytest.fixture
def anti_affinity():
    with config_fixture.Config(cfg.CONF) as conf:
        conf.config(
            group="nova",
            enable_anti_affinity=True,
            anti_affinity_policy="anti-affinity",
        )
        yield conf


def tree_of(group_id=None):
    return SimpleNamespace(
        id="lb-1",
        server_group_id=group_id,
        flavor={},
        availability_zone={},
    )


def group_of_next_server(driver, tree):
    compute = Recorded(driver)
    compute.ensure_group(tree)
    drive = SimpleNamespace(files={})
    compute.build(tree, "amphora-1", None, drive)
    return driver.built[-1]["server_group_id"]


def test_a_server_is_built_in_its_group(anti_affinity):
    driver, tree = Builder(), tree_of()
    assert group_of_next_server(driver, tree) == "group-1"
    assert group_of_next_server(driver, tree) == "group-1"
    assert driver.groups == [("octavia-lb-lb-1", "anti-affinity")]


def test_a_group_that_is_there_is_kept(anti_affinity):
    driver = Builder()
    assert group_of_next_server(driver, tree_of("theirs")) == "theirs"
    assert driver.groups == []


def test_no_group_unless_it_is_wanted(anti_affinity):
    anti_affinity.config(group="nova", enable_anti_affinity=False)
    driver = Builder()
    assert group_of_next_server(driver, tree_of()) is None
    assert driver.groups == []


def built(**ours):
    driver = Builder()
    drive = SimpleNamespace(files={})
    Compute(driver, **ours).build(None, "amphora-1", None, drive)
    return driver.built[-1]["image_tag"], driver.built[-1]["amphora_flavor"]


def test_one_without_a_flavor_has_our_image(anti_affinity):
    anti_affinity.config(
        group="controller_worker",
        amp_image_tag="amphora",
        amp_flavor_id="small",
    )
    assert built() == ("amphora", "small")
    assert built(image_tag="ours", flavor_id="large") == ("ours", "large")


class Novas:
    """Nova's servers and Glance's images, as Octavia's driver asks them."""

    def __init__(self, error=None, images=({"id": "image"},)):
        self.error = error
        self.images = images

    def create(self, **_):
        raise self.error

    def list(self, **_):
        return list(self.images)


def nova(status, sentence):
    return nova_exceptions.from_response(
        SimpleNamespace(status_code=status, headers={}),
        {"fault": {"message": sentence, "code": status}},
        "url",
    )


@pytest.mark.parametrize(
    ("gone", "sentence"),
    [
        (
            Novas(nova(404, "Flavor small could not be found.")),
            "Flavor small could not be found (HTTP 404)",
        ),
        (
            Novas(nova(400, "Invalid key_name provided.")),
            "Invalid key_name provided (HTTP 400)",
        ),
        (Novas(images=()), "amphora"),  # of Octavia's own words, the tag
        (
            Novas(nova(400, "Image image is not active.")),
            "Image image is not active (HTTP 400)",
        ),
        (
            Novas(nova(400, "The requested availability zone is not there.")),
            "The requested availability zone is not there (HTTP 400)",
        ),
        (
            Novas(nova(400, "Network n1 requires a subnet.")),
            "Network n1 requires a subnet (HTTP 400)",
        ),
        (
            Novas(nova(400, "Unable to find security_group with name sg1")),
            "Unable to find security_group with name sg1 (HTTP 400)",
        ),
    ],
    ids=[
        "flavor",
        "keypair",
        "image",
        "image-off",
        "zone",
        "network",
        "group",
    ],
)
def test_what_a_boot_needs_is_gone(anti_affinity, gone, sentence):
    """It is a refusal with the service's own words, through Octavia's."""
    anti_affinity.config(group="controller_worker", amp_image_tag="amphora")
    driver = VirtualMachineManager.__new__(VirtualMachineManager)
    driver.manager = gone
    driver.image_driver = ImageManager.__new__(ImageManager)
    driver.image_driver.manager = gone
    drive = SimpleNamespace(files={})
    with pytest.raises(Permanent, match="was refused") as caught:
        Compute(driver).build(None, "amphora-1", None, drive)
    assert sentence in str(caught.value)


class Groups:
    """Nova's server groups, of which none is there."""

    def get(self, group_id):
        raise nova_exceptions.NotFound(404, f"group {group_id}")


@pytest.mark.parametrize(
    ("is_wanted", "expected"), [(1, "group-1"), (0, None)]
)
def test_a_group_that_is_gone_is_made_again_or_forgotten(
    anti_affinity, is_wanted, expected
):
    anti_affinity.config(group="nova", enable_anti_affinity=bool(is_wanted))
    driver = Builder()
    driver.server_groups = Groups()
    assert group_of_next_server(driver, tree_of("gone")) == expected


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            {"code": 500, "message": "No valid host was found. "},
            "No valid host was found",
        ),
        ("a sentence.", "a sentence"),
        (None, ""),
    ],
)
def test_novas_words_are_taken_out_of_its_fault(fault, words):
    assert words_of(fault) == words
