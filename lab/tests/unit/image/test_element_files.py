# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The elements as diskimage-builder takes them.

What it refuses, and what it ignores in silence, is found here and not after
minutes of ``make image``: the rules are those of diskimage-builder 3.43.
"""

import importlib.metadata
import os
import pathlib
import re
import subprocess
import sys
import tomllib

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[4]
ELEMENTS = sorted(x for x in (ROOT / "elements").iterdir() if x.is_dir())
# Their scripts run in the image; those of extra-data.d outside of it.
INSIDE = ("pre-install.d", "install.d", "post-install.d", "finalise.d")
PHASES = ("extra-data.d", *INSIDE)
# They are paths of the build host, and a path of it leads nowhere inside.
HOST_ONLY = (
    "DIB_IMAGE_CACHE",
    "DIB_OCTAVIA_ANYCAST_SOURCE",
    "DIB_OCTAVIA_ANYCAST_WHEELS",
    "TARGET_ROOT",
    "TMP_BUILD_DIR",
    "TMP_HOOKS_PATH",
    "TMP_MOUNT_PATH",
)
# Those of Octavia's own elements: a service that two elements name ends the
# build. The lab's base element stands in for them.
OCTAVIAS_SERVICES = {
    "amphora-agent",
    "certs-ramfs",
    "haproxy",
    "ipvsadmin",
    "prometheus-proxy",
    "vrrp-octavia",
}
LAB_BASE = "octavia-amphora-lab-base"
# What brings the programs that units start and that are not ours.
PACKAGES = {
    "/bin/sh": "",
    "/sbin/sysctl": "procps",
    "/usr/sbin/bird": "bird2",
}
# An element that uses the one has to name the other.
NEEDED = {
    r"\bsvc-map\b": "svc-map",
    r"\bDIB_INIT_SYSTEM\b": "dib-init-system",
    r"/usr/share/pkg-map\b": "pkg-map",
}
RULES = {
    "arch",
    "build-only",
    "installtype",
    "not-arch",
    "phase",
    "uninstall",
    "when",
}
EXEC = re.compile(r"^Exec\w+=[-@:+!]*(\S+)", re.MULTILINE)


def _scripts(*phases: str) -> list[pathlib.Path]:
    return [
        script
        for element in ELEMENTS
        for phase in phases
        for script in sorted((element / phase).glob("*"))
    ]


def _units() -> list[pathlib.Path]:
    return [u for element in ELEMENTS for u in element.rglob("*.service")]


def _static() -> dict[str, pathlib.Path]:
    """path in the image -> file, of all elements."""
    found = {}
    for element in ELEMENTS:
        top = element / "static"
        for path in top.rglob("*"):
            if path.is_file():
                found[f"/{path.relative_to(top)}"] = path
    return found


def _packages(element: pathlib.Path) -> dict[str, object]:
    path = element / "package-installs.yaml"
    return yaml.safe_load(path.read_text()) if path.exists() else {}


def _words(element: pathlib.Path, name: str) -> list[str]:
    path = element / name
    return path.read_text().split() if path.exists() else []


def _relative(path: pathlib.Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize(
    "unit",
    [u for u in _units() if "\nType=notify\n" in u.read_text()],
    ids=_relative,
)
def test_no_start_ends_because_the_machine_is_slow(
    unit: pathlib.Path,
) -> None:
    # systemd's 90 s would end it, and start it again, for ever.
    assert "\nTimeoutStartSec=infinity\n" in unit.read_text()


@pytest.mark.parametrize("script", _scripts(*PHASES), ids=_relative)
def test_script_runs_and_stops_at_the_first_failure(
    script: pathlib.Path,
) -> None:
    # Others are skipped, and nothing says so.
    assert re.fullmatch(r"[0-9A-Za-z_-]+", script.name)
    assert os.access(script, os.X_OK)
    text = script.read_text()
    assert text.startswith("#!/bin/bash\n")
    assert "\nset -eu\nset -o pipefail\n" in text


@pytest.mark.parametrize("script", _scripts(*INSIDE), ids=_relative)
def test_script_inside_uses_no_path_of_the_build_host(
    script: pathlib.Path,
) -> None:
    text = script.read_text()
    assert [name for name in HOST_ONLY if f"${{{name}" in text] == []
    assert [n for n in HOST_ONLY if re.search(rf"\${n}\b", text)] == []


@pytest.mark.parametrize("script", _scripts("environment.d"), ids=_relative)
def test_environment_is_read_and_not_run(script: pathlib.Path) -> None:
    assert re.fullmatch(r"[0-9A-Za-z_.-]+", script.name)
    text = script.read_text()
    assert not os.access(script, os.X_OK)
    assert not text.startswith("#!")
    # It is read by a shell that refuses what is not set.
    command = ["env", "-i", "/bin/bash", "-euo", "pipefail", str(script)]
    subprocess.run(command, check=True)


def test_no_two_scripts_have_one_name() -> None:
    for phase in (*PHASES, "environment.d"):
        names = [script.name for script in _scripts(phase)]
        assert sorted(names) == sorted(set(names))


def test_each_service_is_named_once_and_has_its_unit() -> None:
    named: set[str] = set(OCTAVIAS_SERVICES)
    for element in ELEMENTS:
        path = element / "svc-map"
        if not path.exists():
            continue
        for service, units in yaml.safe_load(path.read_text()).items():
            assert service not in named, element.name
            named.add(service)
            for unit in units.values():
                assert list(element.rglob(f"{unit}.service")), unit


@pytest.mark.parametrize("element", ELEMENTS, ids=lambda x: x.name)
def test_packages_are_well_formed(element: pathlib.Path) -> None:
    for name, rules in _packages(element).items():
        assert re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", name)
        if rules is not None:
            assert isinstance(rules, dict)
            assert set(rules) <= RULES


def test_the_lab_has_the_packages_that_its_agent_layer_asks_for() -> None:
    """It installs those of its base element alone."""
    base = _packages(ROOT / "elements" / LAB_BASE)
    agent = _packages(ROOT / "elements" / "octavia-anycast-agent")
    assert agent
    assert set(agent) <= set(base)


@pytest.mark.parametrize("element", ELEMENTS, ids=lambda x: x.name)
def test_element_names_what_it_needs(element: pathlib.Path) -> None:
    named = {element.name, *_words(element, "element-deps")}
    if (element / "package-installs.yaml").exists():
        assert "package-installs" in named
    if (element / "static").exists():
        assert "install-static" in named
    scripts = [s for s in _scripts(*PHASES) if element in s.parents]
    text = "".join(script.read_text() for script in scripts)
    for pattern, needed in NEEDED.items():
        if re.search(pattern, text) and element.name != LAB_BASE:
            assert needed in named


@pytest.mark.parametrize("unit", _units(), ids=_relative)
def test_what_a_unit_starts_is_installed(unit: pathlib.Path) -> None:
    declared = {name for element in ELEMENTS for name in _packages(element)}
    programs = EXEC.findall(unit.read_text())
    assert programs
    for program in programs:
        if program in PACKAGES:
            package = PACKAGES[program]
            assert not package or package in declared
        elif program in _static():
            assert os.access(_static()[program], os.X_OK)
        else:
            assert pathlib.PurePosixPath(program).name in _linked(program)


def _linked(program: str) -> set[str]:
    """The console scripts that install scripts link beside a program."""
    folder = str(pathlib.PurePosixPath(program).parent)
    scripts = [s.read_text() for s in _scripts("install.d")]
    words = {
        word
        for text in scripts
        if f"{folder}/" in text
        for word in re.findall(r"[\w-]+", text)
    }
    return words & _console_scripts()


def _console_scripts() -> set[str]:
    text = (ROOT / "pyproject.toml").read_text()
    found = set(tomllib.loads(text)["project"]["scripts"])
    for name in ("octavia", "exabgp"):
        entries = importlib.metadata.distribution(name).entry_points
        found |= {entry.name for entry in entries}
    return found


def test_files_that_scripts_and_units_name_are_there() -> None:
    static = _static()
    sources = [*_scripts(*INSIDE), *_units()]
    named = {
        name
        for source in sources
        for name in re.findall(
            r"/usr/local/(?:libexec|sbin)/[\w.-]+", source.read_text()
        )
    }
    assert "/usr/local/libexec/octavia-anycast-interface" in named
    for name in named:
        assert name in static
        assert os.access(static[name], os.X_OK)


def test_units_that_scripts_enable_are_there() -> None:
    """Or they are Octavia's, or a package's that the lab's base switches."""
    ours = {unit.name for unit in _units()}
    for script in _scripts("post-install.d"):
        if script.parts[-3] == LAB_BASE:
            continue
        text = script.read_text().replace("\\\n", " ")
        pattern = r"^ *systemctl (?:enable|mask) .*$"
        for line in re.findall(pattern, text, re.MULTILINE):
            for name in re.findall(r"[\w.-]+\.service", line):
                # Those of variables are svc-map's.
                if name not in ("agent.service", "proxy.service"):
                    assert name in ours


def test_the_lab_hides_no_fault_of_a_script() -> None:
    """It shows the scripts what diskimage-builder shows them, no more."""
    name = "lab/octavia_anycast_lab/amphora/templates/layer.sh"
    text = (ROOT / name).read_text()
    assert "TMP_HOOKS_PATH" not in text
    assert 'remount,ro,bind "$hooks" "$root/tmp/in_target.d"' in text


def test_the_build_script_names_elements_and_packages_that_are_there() -> None:
    script = ROOT / "tools" / "build-image.sh"
    subprocess.run(["bash", "-n", str(script)], check=True)
    text = script.read_text()
    (names,) = re.findall(r"DIB_LOCAL_ELEMENTS=(\S+)", text)
    ours = {element.name for element in ELEMENTS}
    assert set(names.split()) <= ours
    pinned = (ROOT / "requirements/constraints.txt").read_text()
    for name in re.findall(r"\$\(version ([\w-]+)\)", text):
        assert re.search(rf"^{name}==", pinned, re.MULTILINE)


def test_the_agent_starts_without_the_resolver_of_eventlet() -> None:
    """By the environment of its unit: two hundred modules less."""
    folder = ROOT / "elements/octavia-anycast-agent/static/usr/lib"
    unit = folder / "systemd/system/octavia-anycast-agent.service"
    environment = re.findall(
        r"^Environment=(\w+)=(\S+)$", unit.read_text(), re.MULTILINE
    )
    script = (
        "import sys, octavia_anycast.cmd.agent; sys.exit('dns' in sys.modules)"
    )
    for added, status in ((environment, 0), ([], 1)):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script],
            env={**os.environ, **dict(added)},
            check=False,
        )
        assert done.returncode == status
