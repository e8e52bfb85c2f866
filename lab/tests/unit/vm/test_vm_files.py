# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The files of the lab of virtual machines, and what they leave alone."""

import configparser
import itertools
import pathlib
import subprocess
import sys

import pytest
from octavia_anycast_lab import deployment, settings
from octavia_anycast_lab.cloud import neutron, octavia_api
from octavia_anycast_lab.vm import settings as vm_settings
from octavia_anycast_lab.vm.api import image
from octavia_anycast_lab.vm.cloud import kind, nova, resources
from octavia_anycast_lab.vm.network import racks


@pytest.fixture
def plane(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> deployment.Deployment:
    lab = settings.Lab(name="vmunit", run_root=tmp_path / "run")
    monkeypatch.setattr(
        "octavia_anycast_lab.amphora.machine.DISK_ROOT", tmp_path / "disks"
    )
    return deployment.Deployment.of(lab)


def read(path: pathlib.Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(path.read_text())
    return parser


def test_only_a_lab_of_virtual_machines_adds_files(
    plane: deployment.Deployment,
) -> None:
    before = neutron.configure(plane), octavia_api.configure(plane)
    assert plane.added_config("neutron") == ()
    assert before[0].environment["OS_NEUTRON_CONFIG_FILES"] == "neutron.conf"
    kind.configure(plane)
    after = neutron.configure(plane), octavia_api.configure(plane)
    files = after[0].environment["OS_NEUTRON_CONFIG_FILES"]
    assert files == "neutron.conf;kind/neutron.conf"
    (added,) = plane.added_config("octavia")
    # The last file wins.
    assert after[1].arguments[-1] == str(added)
    assert plane.octavia_config_files[-1] == added
    assert len(after[1].arguments) == len(before[1].arguments) + 2


def test_octavia_uses_its_own_drivers(plane: deployment.Deployment) -> None:
    kind.configure(plane)
    (added,) = plane.added_config("octavia")
    worker = read(added)["controller_worker"]
    assert worker["compute_driver"] == "compute_nova_driver"
    assert worker["image_driver"] == "image_glance_driver"
    assert worker["amp_flavor_id"] == vm_settings.FLAVOR


def test_a_compute_has_no_database(plane: deployment.Deployment) -> None:
    nova.configure(plane)
    central = read(plane.config_dir / "nova.conf")
    assert "nova_api" in central["api_database"]["connection"]
    for hypervisor in vm_settings.HYPERVISORS:
        text = vm_settings.render(
            plane,
            "nova.conf.j2",
            hypervisor=hypervisor,
            config_file=plane.config_dir / "x.conf",
        )
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(text)
        assert not {"database", "api_database"} & set(parser.sections())
        assert parser["DEFAULT"]["host"] == hypervisor.host
        assert parser["DEFAULT"]["instances_path"].startswith(
            str(vm_settings.place(plane.lab, hypervisor))
        )


def test_secrets_are_readable_by_root_alone(
    plane: deployment.Deployment,
) -> None:
    kind.configure(plane)
    nova.configure(plane)
    resources.configure_glance(plane)
    resources.configure_placement(plane)
    password = plane.secrets.service_password
    found = [
        path
        for path in plane.config_dir.rglob("*.conf")
        if password in path.read_text()
    ]
    assert len(found) >= 3
    assert {path.stat().st_mode & 0o077 for path in found} == {0}


def test_a_hypervisor_is_where_its_network_is() -> None:
    lab = settings.Lab(name="vmunit")
    assert [
        (racks.namespace(lab, h.rack), str(h.address))
        for h in vm_settings.HYPERVISORS
    ] == [
        ("vmunit-hv1", "172.31.0.101/22"),
        ("vmunit-hv2", "172.31.0.102/22"),
    ]
    for hypervisor in vm_settings.HYPERVISORS:
        assert vm_settings.hypervisor(hypervisor.rack) is hypervisor
    with pytest.raises(KeyError):
        vm_settings.hypervisor("rack9")


def test_no_two_services_share_a_port() -> None:
    ports = (
        deployment.KEYSTONE_PORT,
        deployment.NEUTRON_PORT,
        deployment.OCTAVIA_PORT,
        deployment.STOCK_OCTAVIA_PORT,
        vm_settings.NOVA_PORT,
        vm_settings.PLACEMENT_PORT,
        vm_settings.GLANCE_PORT,
        vm_settings.RABBIT_PORT,
    )
    assert all(a != b for a, b in itertools.combinations(ports, 2))


def test_a_missing_image_is_named(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = image.folder()
    folder.mkdir(parents=True)
    for suffix in ("qcow2", "vmlinuz"):
        (folder / f"{image.NAME}.{suffix}").touch()
    with pytest.raises(image.ImageMissingError, match=r"initrd: run `make"):
        image.require()
    (folder / f"{image.NAME}.initrd").touch()
    image.require()


def test_the_image_is_where_make_leads_to_it() -> None:
    """A link of its own: the one of the install guide stays as it is."""
    root = pathlib.Path(__file__).resolve().parents[4]
    assert f"VM_LINK := {image.LINK}\n" in (root / "Makefile").read_text()
    assert image.folder().name == image.LINK != image.NAME


def test_the_lab_of_containers_imports_none_of_it() -> None:
    code = (
        "import sys; import octavia_anycast_lab.cli; "
        "print([m for m in sys.modules if 'lab.vm' in m or m == 'nova'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
