# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The elements of the image, and the reader which the lab has of them."""

import os
import subprocess

import pytest
from octavia_anycast_lab.amphora import elements, image

OURS = (
    "exabgp-speaker",
    "bird-speaker",
    "octavia-anycast-agent",
    "octavia-amphora-lab-base",
)


def _element(root, name, **files):
    (root / name).mkdir()
    for path, text in files.items():
        (root / name / path.replace("_", "-")).write_text(text)


@pytest.mark.parametrize("name", OURS)
def test_scripts_are_runnable_and_sound(name):
    element = elements.Element(path=image.ELEMENTS / name)
    phases = (elements.OUTSIDE_PHASE, *elements.INSIDE_PHASES)
    scripts = [s for phase in phases for s in element.scripts(phase)]
    assert scripts
    for script in scripts:
        assert os.access(script, os.X_OK), script
        subprocess.run(["bash", "-n", str(script)], check=True)


@pytest.mark.parametrize("name", OURS)
def test_units_say_nothing_that_systemd_ignores(name):
    """A misplaced key, or a variable with a dot, has no effect at all."""
    units = sorted((image.ELEMENTS / name).rglob("*.service"))
    for unit in units:
        said = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(unit)],
            capture_output=True,
            text=True,
            check=False,
        ).stderr.lower()
        ours = [line for line in said.splitlines() if unit.name in line]
        assert [line for line in ours if "ignoring" in line] == []


def test_agent_is_installed_after_what_it_needs():
    names = [e.name for e in elements.resolve(image.ELEMENTS, OURS)]
    agent = names.index("octavia-anycast-agent")
    assert names.index("exabgp-speaker") < agent
    assert names.index("bird-speaker") < agent


def test_lab_base_stands_in_for_octavias_elements():
    """Without it, Octavia's own are needed: an operator has them."""
    with pytest.raises(elements.ElementError, match="amphora-agent"):
        elements.resolve(image.ELEMENTS, ("octavia-anycast-agent",))
    elements.resolve(
        image.ELEMENTS, ("octavia-amphora-lab-base", "octavia-anycast-agent")
    )


def test_dependencies_come_first_and_once(tmp_path):
    _element(tmp_path, "top", element_deps="left right")
    _element(tmp_path, "left", element_deps="bottom")
    _element(tmp_path, "right", element_deps="bottom install-static")
    _element(tmp_path, "bottom")
    found = [e.name for e in elements.resolve(tmp_path, ("top",))]
    assert sorted(found) == ["bottom", "left", "right", "top"]
    assert found[0] == "bottom"
    assert found[-1] == "top"


def test_what_is_not_understood_is_refused(tmp_path):
    _element(tmp_path, "odd", root_d="")
    with pytest.raises(elements.ElementError, match="root-d"):
        elements.resolve(tmp_path, ("odd",))


def test_conditional_packages_are_refused(tmp_path):
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "package-installs.yaml").write_text(
        "plain:\nsometimes:\n  when: DISTRO_NAME = ubuntu\n"
    )
    (element,) = elements.resolve(tmp_path, ("odd",))
    with pytest.raises(elements.ElementError, match="sometimes"):
        elements.packages((element,))


def test_digest_sees_content_and_mode_but_not_prose(tmp_path):
    (tmp_path / "one" / "install.d").mkdir(parents=True)
    script = tmp_path / "one" / "install.d" / "10-it"
    script.write_text("#!/bin/sh\n")
    element = elements.resolve(tmp_path, ("one",))
    first = elements.digest(element)
    (tmp_path / "one" / "README.rst").write_text("prose")
    assert elements.digest(element) == first
    script.chmod(0o755)
    second = elements.digest(element)
    assert second != first
    script.write_text("#!/bin/sh\ntrue\n")
    assert elements.digest(element) not in (first, second)


def test_two_scripts_of_one_name_are_refused(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "install.d").mkdir(parents=True)
        (tmp_path / name / "install.d" / "10-it").write_text("")
    found = elements.resolve(tmp_path, ("one", "two"))
    with pytest.raises(elements.ElementError, match="10-it"):
        elements.lay_out_hooks(found, tmp_path / "hooks")


def test_static_files_keep_their_mode(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root: files come to belong to root")
    place = tmp_path / "one" / "static" / "usr" / "bin"
    place.mkdir(parents=True)
    (place / "it").write_text("#!/bin/sh\n")
    (place / "it").chmod(0o755)
    elements.copy_static(
        elements.resolve(tmp_path, ("one",)), tmp_path / "root"
    )
    copied = tmp_path / "root" / "usr" / "bin" / "it"
    assert copied.stat().st_mode & 0o777 == 0o755
