# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What `make test-package` finds in a wheel and an sdist."""

import io
import pathlib
import sys
import tarfile
import tomllib
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[4]
sys.path.append(str(ROOT / "tools"))

import package_contents as contents  # noqa: E402

LOADER = "pkg/agent/loader.bpf.o"
OF = contents.Distribution(
    folder="sub",
    package="pkg",
    made=frozenset((LOADER,)),
    along=("elements/",),
)
TRACKED = (
    "README.md",
    "pkg/outside.py",
    "sub/README.md",
    "sub/elements/run.sh",
    "sub/pkg/__init__.py",
    "sub/pkg/py.typed",
    "sub/pkg/agent/loader.bpf.c",
    "sub/pkg/templates/page.conf.j2",
    "sub/pkg/tests/curve.json",
    "sub/pkg/tests/test_it.py",
    "sub/setup.py",
)
PROJECT = {
    "name": "a-pkg",
    "version": "1.0",
    "description": "What it is",
    "requires-python": ">=3.11",
    "dependencies": ["octavia>=19.0.0,<20", "Flask"],
    "scripts": {"a-run": "pkg.cli:main"},
    "entry-points": {"octavia.api.drivers": {"a": "pkg.driver:Driver"}},
}
METADATA = """\
Metadata-Version: 2.4
Name: a-pkg
Version: 1.0
Summary: What it is
Requires-Python: >=3.11
Requires-Dist: octavia<20,>=19.0.0
Requires-Dist: Flask
Provides-Extra: agent
Requires-Dist: pyroute2; extra == "agent"

# a-pkg
"""
ENTRY_POINTS = """\
[console_scripts]
a-run = pkg.cli:main

[octavia.api.drivers]
a = pkg.driver:Driver
"""
GOOD = {
    "pkg/__init__.py": "",
    "pkg/py.typed": "",
    LOADER: "\x7fELF...",
    "pkg/templates/page.conf.j2": "",
    "pkg/tests/test_it.py": "",
    "a_pkg-1.0.dist-info/METADATA": METADATA,
    "a_pkg-1.0.dist-info/entry_points.txt": ENTRY_POINTS,
    "a_pkg-1.0.dist-info/licenses/LICENSE": "Apache",
    "a_pkg-1.0.dist-info/RECORD": "",
}


def _wheel(folder: pathlib.Path, files: dict[str, str]) -> pathlib.Path:
    folder.mkdir(exist_ok=True)
    path = folder / "a_pkg-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return path


def _findings(folder: pathlib.Path, files: dict[str, str]) -> list[str]:
    path = _wheel(folder, files)
    found = contents.wrong_wheel(path, OF.shipped(TRACKED), PROJECT)
    return [line.removeprefix(path.name).lstrip(": ") for line in found]


def test_a_whole_wheel_has_no_finding(tmp_path):
    assert _findings(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pkg/py.typed", ["lacks pkg/py.typed"]),
        (LOADER, [f"lacks {LOADER}"]),
        (
            "pkg/templates/page.conf.j2",
            ["lacks pkg/templates/page.conf.j2"],
        ),
        ("a_pkg-1.0.dist-info/licenses/LICENSE", ["has no license"]),
        (
            "a_pkg-1.0.dist-info/entry_points.txt",
            ["its entry points are not those of pyproject.toml"],
        ),
    ],
)
def test_what_is_missing_is_named(tmp_path, name, said):
    files = {k: v for k, v in GOOD.items() if k != name}
    assert _findings(tmp_path, files) == said


@pytest.mark.parametrize(
    "name",
    [
        "pkg/__pycache__/cli.cpython-311.pyc",
        "pkg/.hypothesis/unicode.gz",
        "pkg/tests/curve.json",
        "pkg/agent/loader.bpf.c",
        "pkg_lab/__init__.py",
    ],
)
def test_what_does_not_belong_there_is_named(tmp_path, name):
    said = _findings(tmp_path, {**GOOD, name: ""})
    assert said == [f"has {name}, which does not belong there"]


def test_an_object_that_is_none_is_named(tmp_path):
    said = _findings(tmp_path, {**GOOD, LOADER: "int main"})
    assert said == [f"{LOADER} is no ELF object"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Version: 1.0", "Version: 1.1", "Version is '1.1' and not '1.0'"),
        (
            "Requires-Dist: Flask\n",
            "",
            "the requirement Flask is not the same in pyproject.toml",
        ),
        (
            "Requires-Dist: Flask\n",
            "Requires-Dist: Flask\nRequires-Dist: pecan\n",
            "the requirement pecan is not the same in pyproject.toml",
        ),
        ("\n# a-pkg\n", "", "it has no description"),
    ],
)
def test_metadata_are_those_of_pyproject(old, new, said):
    assert list(contents.wrong_metadata(METADATA, PROJECT)) == []
    text = METADATA.replace(old, new)
    assert list(contents.wrong_metadata(text, PROJECT)) == [said]


def _sdist(folder: pathlib.Path, names: set[str]) -> pathlib.Path:
    path = folder / "a_pkg-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in sorted(names):
            archive.addfile(tarfile.TarInfo(f"a_pkg-1.0/{name}"), io.BytesIO())
    return path


def test_an_sdist_has_its_sources_and_nothing_compiled(tmp_path):
    expected = OF.sources(TRACKED)
    assert "elements/run.sh" in expected
    assert LOADER not in expected
    whole = _sdist(tmp_path, {*expected, "setup.cfg"})
    assert list(contents.wrong_sdist(whole, expected)) == []
    wrong = _sdist(tmp_path, {*expected, LOADER} - {"LICENSE"})
    assert list(contents.wrong_sdist(wrong, expected)) == [
        "a_pkg-1.0.tar.gz lacks LICENSE",
        f"a_pkg-1.0.tar.gz has {LOADER}, which does not belong there",
    ]


def test_two_wheels_of_one_source_hold_the_same(tmp_path):
    one = _wheel(tmp_path / "one", GOOD)
    other = _wheel(
        tmp_path / "other", {**GOOD, "a_pkg-1.0.dist-info/RECORD": "order"}
    )
    assert list(contents.differences(one, other)) == []
    other = _wheel(tmp_path / "other", {**GOOD, LOADER: "\x7fELF of another"})
    (said,) = contents.differences(one, other)
    assert LOADER in said


@pytest.mark.parametrize(
    "of", contents.DISTRIBUTIONS, ids=lambda of: of.package
)
def test_distributions_are_those_of_this_repository(of):
    folder = ROOT / of.folder
    assert (folder / of.package / "py.typed").is_file()
    for start in of.along:
        assert (folder / start).exists(), start
    tables = tomllib.loads((folder / "pyproject.toml").read_text())
    find = tables["tool"]["setuptools"]["packages"]["find"]
    assert find["include"] == [f"{of.package}*"]
    assert set(of.needs) <= {each.package for each in contents.DISTRIBUTIONS}
    extras = tables["project"].get("optional-dependencies", {})
    assert not of.extra or of.extra in extras
