# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The faults of three controllers: no amphora's is left out."""

from octavia_anycast_lab.chaos import three_controllers
from octavia_anycast_lab.chaos.catalog import FAULTS
from octavia_anycast_lab.chaos.fault import Toll
from octavia_anycast_lab.ha import controllers


def test_they_take_the_place_of_those_of_one_controller() -> None:
    nothing = lambda node: ""  # noqa: E731
    files = controllers.Files(etcd=nothing, galera=nothing, octavia=nothing)
    found = three_controllers.faults(files)
    missing = FAULTS.keys() - found.keys()
    assert all(
        "controller" in name or name in ("database-down", "api-down")
        for name in missing
    )
    added = found.keys() - FAULTS.keys()
    assert len(added) >= 6
    assert all(found[name].toll is Toll.NOTHING for name in added)
