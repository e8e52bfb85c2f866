# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Descriptions of instances, wiring, and files of configuration drives."""

import dataclasses
import io
import json
import types

import pytest
from octavia_anycast_lab import settings
from octavia_anycast_lab.amphora import compute, hypervisor, machine, wiring
from octavia_anycast_lab.host import netns

NIC = machine.Nic(
    port_id="423ac364-6c00-4000-8000-000000000000",
    network_id="net",
    mac="fa:16:3e:00:00:01",
    interface="eth0",
    wire=machine.Wire(namespace="oa-mgmt", bridge="br-mgmt"),
    addresses=("172.31.1.1/22",),
    is_owned=True,
)


def _instance(tmp_path, **changes):
    return machine.Instance(
        **{
            "id": "1e7a4110-0000-4000-8000-000000000000",
            "name": "amphora-1",
            "zone": "rack1",
            "layers": (str(tmp_path / "layer"),),
            "disk": str(tmp_path / "disk"),
            **changes,
        }
    )


def test_description_survives_the_disk(tmp_path):
    instance = _instance(tmp_path).with_nic(NIC)
    machine.store(tmp_path / "instance.json", instance)
    assert machine.load(tmp_path / "instance.json") == instance
    assert machine.load(tmp_path / "missing.json") is None


def test_interface_numbers_are_not_used_again(tmp_path):
    instance = _instance(tmp_path).with_nic(NIC)
    other = dataclasses.replace(NIC, port_id="other")
    later = instance.with_nic(other).without_nic("other")
    assert later.next_interface == 2
    assert later.nics == (NIC,)
    assert later.nic("other") is None


def test_tap_fits_an_interface_name():
    assert NIC.tap == "tap423ac364-6c"
    assert len(NIC.tap) < 16


def test_wire_is_that_of_the_zone_or_of_any(tmp_path):
    lab = settings.Lab(name="unit", run_root=tmp_path)
    lab.run_dir.mkdir()
    here = {"namespace": "unit-leaf1", "bridge": "fe"}
    anywhere = {"namespace": "unit-mgmt", "bridge": "br-mgmt"}
    lab.wiring.write_text(
        json.dumps({"front": {"rack1": here}, "mgmt": {"*": anywhere}})
    )
    assert wiring.wire_of(lab, "front", "rack1") == machine.Wire(**here)
    assert wiring.wire_of(lab, "mgmt", "rack2") == machine.Wire(**anywhere)
    for network, zone in (("front", "rack2"), ("unknown", "rack1")):
        with pytest.raises(wiring.WiringError, match=network):
            wiring.wire_of(lab, network, zone)


def test_a_tenants_network_has_a_bridge_of_its_own(tmp_path):
    lab = settings.Lab(name="unit", run_root=tmp_path)
    lab.run_dir.mkdir()
    lab.wiring.write_text(
        json.dumps({"*": {"*": {"namespace": "unit-tenant"}}})
    )
    network = "ba0af4a9-4ed1-4eb0-a63b-4ae3a1fca6a8"
    wire = wiring.wire_of(lab, network, "rack1")
    assert wire == machine.Wire(namespace="unit-tenant", bridge="nba0af4a9")
    # The bridge's dead end has a name, too (netns.bridge).
    assert len(wire.bridge + netns.SINK_SUFFIX) < 16


def test_unwired_lab_is_said_to_be_down(tmp_path):
    lab = settings.Lab(name="unit", run_root=tmp_path)
    with pytest.raises(wiring.WiringError, match="is the lab up"):
        wiring.wire_of(lab, "front", "rack1")


def test_injected_files_have_novas_limits():
    files = {"/a": "text", "/b": b"bytes", "/c": io.StringIO("stream")}
    assert compute._injected(files) == {
        "/a": b"text",
        "/b": b"bytes",
        "/c": b"stream",
    }
    with pytest.raises(ValueError, match="6 files"):
        compute._injected({f"/{n}": "" for n in range(6)})
    with pytest.raises(ValueError, match="/big: 10241 bytes"):
        compute._injected({"/big": "x" * 10241})


def test_management_address_is_that_of_the_boot_network(tmp_path):
    hot = dataclasses.replace(NIC, port_id="hot", addresses=())
    instance = _instance(tmp_path).with_nic(hot).with_nic(NIC)
    assert compute._management_address(instance, "net") == "172.31.1.1"
    assert compute._management_address(instance, "elsewhere") is None


def test_files_on_disk_keep_the_directories_of_the_image(tmp_path):
    layer = tmp_path / "layer"
    (layer / "etc" / "secret").mkdir(parents=True)
    (layer / "etc" / "secret").chmod(0o700)
    (tmp_path / "disk" / "upper").mkdir(parents=True)
    instance = _instance(tmp_path)
    hypervisor._write_to_disk(instance, "/etc/secret/key", b"k")
    upper = tmp_path / "disk" / "upper"
    assert (upper / "etc/secret").stat().st_mode & 0o777 == 0o700
    assert (upper / "etc/secret/key").stat().st_mode & 0o777 == 0o600
    assert (upper / "etc/secret/key").read_bytes() == b"k"


@pytest.mark.parametrize("path", ["relative", "/etc/../../outside"])
def test_files_stay_on_the_disk(tmp_path, path):
    with pytest.raises(ValueError, match="absolute"):
        hypervisor._write_to_disk(_instance(tmp_path), path, b"")


def test_layers_of_any_lab_are_in_use(tmp_path):
    instance = _instance(tmp_path)
    place = tmp_path / "run" / "lab" / "instances" / instance.id
    place.mkdir(parents=True)
    machine.store(place / "instance.json", instance)
    broken = tmp_path / "run" / "lab" / "instances" / "x"
    broken.mkdir()
    (broken / "instance.json").write_text("{")
    found = machine.layers_in_use(tmp_path / "run")
    assert found == frozenset(instance.layers)


def test_instances_share_the_processors_evenly(tmp_path, monkeypatch):
    lab = settings.Lab(name="unit", run_root=tmp_path)
    machines = hypervisor.Hypervisor(lab)
    monkeypatch.setattr(hypervisor.os, "sched_getaffinity", lambda _: {5, 3})
    monkeypatch.setattr(hypervisor, "_write_to_disk", lambda *_: None)
    for number in range(5):
        instance = _instance(
            tmp_path,
            id=f"{number}e7a4110-0000-4000-8000-000000000000",
            disk=str(tmp_path / f"disk{number}"),
        )
        machines.create(hypervisor.Order(instance=instance, files={}))
    taken = [instance.processor for instance in machines.instances()]
    assert taken == [3, 5, 3, 5, 3]


def test_hypervisor_knows_no_instance_of_an_empty_lab(tmp_path):
    lab = settings.Lab(name="unit", run_root=tmp_path)
    empty = hypervisor.Hypervisor(lab)
    assert empty.instances() == ()
    with pytest.raises(hypervisor.InstanceNotFound):
        empty.get("nothing")
    empty.delete("nothing")


def test_zones_are_racks():
    driver = types.SimpleNamespace()
    check = compute.LabComputeDriver.validate_availability_zone
    check(driver, "rack1")
    with pytest.raises(Exception, match="rack9 not found"):
        check(driver, "rack9")
