# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Servers: where they run, and the zones that there are."""

from datetime import datetime
from types import SimpleNamespace

import pytest
from novaclient import exceptions as nova_exceptions
from octavia.common import data_models as dm
from octavia.common import exceptions as octavia_exceptions
from oslo_config import cfg

from octavia_anycast.model.cluster import ComputeState
from octavia_anycast.model.errors import Permanent, Retryable
from octavia_anycast.octavia_adapter.amphora_files import ConfigDrive
from octavia_anycast.octavia_adapter.compute import Compute


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
    """Remembers what it was asked to build."""

    def build(self, **asked):
        self.asked = asked
        return "server"


def built(tree, **ours):
    driver = Builder()
    compute = Compute(driver, **ours)
    drive = ConfigDrive(files={}, cert_expiration=datetime(2027, 1, 1))
    compute.build(tree, "11111111-1111-1111-1111-111111111111", None, drive)
    return driver.asked["image_tag"], driver.asked["amphora_flavor"]


def test_one_without_a_flavor_has_our_image():
    cfg.CONF.set_override("amp_image_tag", "amphora", "controller_worker")
    cfg.CONF.set_override("amp_flavor_id", "small", "controller_worker")
    try:
        assert built(None) == ("amphora", "small")
        ours = {"image_tag": "amphora-anycast", "flavor_id": "large"}
        assert built(None, **ours) == ("amphora-anycast", "large")
    finally:
        cfg.CONF.clear_override("amp_image_tag", "controller_worker")
        cfg.CONF.clear_override("amp_flavor_id", "controller_worker")
