# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""tempest.conf of a lab."""

import configparser
import pathlib

from octavia_anycast_lab import deployment, settings
from octavia_anycast_lab.cloud import octavia_api
from octavia_anycast_lab.tempest import configuration


def _written(tmp_path: pathlib.Path) -> configparser.RawConfigParser:
    lab = settings.Lab(name="unit", run_root=tmp_path)
    plane = deployment.Deployment.of(lab)
    sections = configuration.sections(plane, vip_subnet_id="a-subnet")
    parser = configparser.RawConfigParser()
    parser.read_string(configuration.render(sections, tmp_path))
    secrets = deployment.Deployment.of(lab).secrets
    assert parser["auth"]["admin_password"] == secrets.admin_password
    return parser


def test_tempest_logs_in_as_the_operator_and_makes_its_own_users(tmp_path):
    written = _written(tmp_path)
    assert written["auth"]["admin_username"] == "admin"
    assert written.getboolean("auth", "use_dynamic_credentials")
    assert written["identity"]["uri_v3"].endswith(":5000/v3")


def test_it_asks_our_provider_for_load_balancers(tmp_path):
    written = _written(tmp_path)
    options = written["load_balancer"]
    assert options["provider"] == "anycast"
    providers = octavia_api.providers()
    said = dict(
        pair.split(":", 1)
        for pair in options["enabled_provider_drivers"].split(",")
    )
    assert said == providers
    assert options["availability_zone"] in {
        str(leaf.rack) for leaf in settings.RACK_LEAVES
    }
    assert written["load_balancer_anycast"]["vip_subnet_id"] == "a-subnet"


def test_the_flavor_key_that_octavias_tests_look_for_is_one(tmp_path):
    """Its description is a value of a map: without comma and colon."""
    said = _written(tmp_path)["load_balancer"]["expected_flavor_capability"]
    name, _, description = said.partition(":")
    assert name == configuration.FLAVOR_KEY
    assert description
    assert not set(description) & {",", ":"}


def test_a_lab_has_neither_servers_nor_volumes(tmp_path):
    """Nova and Glance have to be said to be there; see the module."""
    available = _written(tmp_path)["service_available"]
    assert {n for n, value in available.items() if value == "true"} == {
        "load_balancer",
        "neutron",
        "nova",
        "glance",
    }
