# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The jobs of zuul.d and the environments of tox.ini, as far as files tell."""

import configparser
import itertools
import pathlib
import re

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[4]
FILES = sorted((ROOT / "zuul.d").glob("*.yaml"))
# Jobs of other repositories, and the environment of tox.ini that each runs.
UPSTREAM = {
    "devstack": None,
    "octavia-v2-dsvm-noop-api": None,
    "openstack-tox": None,
    "openstack-tox-cover": "cover",
    "openstack-tox-docs": "docs",
    "openstack-tox-functional-py311": "functional-py311",
    "openstack-tox-pep8": "pep8",
    "openstack-tox-py311": "py311",
    "openstack-tox-py312": "py312",
    "openstack-tox-py313": "py313",
}
# What Zuul knows of a job, as far as it is used here.
OF_A_JOB = {
    "name",
    "parent",
    "description",
    "timeout",
    "vars",
    "files",
    "irrelevant-files",
    "override-checkout",
    "required-projects",
}
PIPELINES = ("check", "gate")


def _items(kind: str) -> list[dict]:
    return [
        item[kind]
        for path in FILES
        for item in yaml.safe_load(path.read_text())
        if kind in item
    ]


JOBS = {job["name"]: job for job in _items("job")}


def _named(jobs: list) -> list[str]:
    """Names of jobs; one with settings of its own is a map."""
    return [job if isinstance(job, str) else next(iter(job)) for job in jobs]


def _used() -> set[str]:
    """Each job that a pipeline runs."""
    return {
        name
        for item in _items("project-template") + _items("project")
        for pipeline in PIPELINES
        for name in _named(item.get(pipeline, {}).get("jobs", []))
    }


def _tox() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string((ROOT / "tox.ini").read_text())
    return parser


def _expanded(name: str) -> list[str]:
    """``a{,-b}`` -> ``a``, ``a-b``."""
    parts = re.split(r"\{([^}]*)\}", name)
    choices = [
        part.split(",") if n % 2 else [part] for n, part in enumerate(parts)
    ]
    return ["".join(chosen) for chosen in itertools.product(*choices)]


def _environments() -> set[str]:
    """What `tox -e` takes."""
    sections = [s.partition(":")[2] for s in _tox().sections() if ":" in s]
    named = {name for section in sections for name in _expanded(section)}
    listed = _tox()["tox"]["envlist"].replace(" ", "").split(",")
    return named | {name for name in listed if re.fullmatch(r"py3\d+", name)}


def test_each_file_is_a_list_of_what_zuul_knows():
    assert FILES
    for path in FILES:
        for item in yaml.safe_load(path.read_text()):
            (kind,) = item
            assert kind in {"job", "project", "project-template"}, path


@pytest.mark.parametrize("name", JOBS)
def test_a_job_has_a_parent_and_settings_that_zuul_knows(name):
    job = JOBS[name]
    assert name.startswith("octavia-anycast-")
    assert job["description"].strip()
    assert job["parent"] in UPSTREAM or job["parent"] in JOBS
    assert set(job) <= OF_A_JOB
    for pattern in job.get("irrelevant-files", []) + job.get("files", []):
        assert re.compile(pattern).pattern.startswith("^")


@pytest.mark.parametrize("name", JOBS)
def test_a_job_runs_an_environment_that_there_is(name):
    job = JOBS[name]
    environment = job.get("vars", {}).get("tox_envlist")
    if job["parent"] == "openstack-tox":
        assert environment in _environments()
    else:
        assert environment is None


def test_each_job_is_used_and_there():
    assert _used() <= JOBS.keys() | UPSTREAM.keys()
    assert _used() >= JOBS.keys()
    for name in _used() & UPSTREAM.keys():
        assert UPSTREAM[name] in _environments()


def test_the_project_has_the_template():
    (template,) = _items("project-template")
    (project,) = _items("project")
    assert project["templates"] == [template["name"]]
    assert set(_named(template["gate"]["jobs"])) >= JOBS.keys()


def test_devstack_jobs_enable_the_plugin_after_octavias():
    for job in JOBS.values():
        plugins = list(job.get("vars", {}).get("devstack_plugins", {}))
        if plugins:
            assert plugins.index("octavia") < plugins.index("octavia-anycast")
            assert "openstack/octavia" in job["required-projects"]


def test_environments_run_what_there_is():
    tox = _tox()
    listed = tox["tox"]["envlist"].replace(" ", "").split(",")
    assert set(listed) <= _environments()
    for section in tox.sections():
        said = " ".join(dict(tox[section]).values())
        for path in re.findall(
            r"(?<![\w/.{}])((?:octavia_anycast|lab|client|doc|tools|"
            r"requirements)/[\w./-]+)",
            said,
        ):
            if path != "doc/build/html":
                assert (ROOT / path).exists(), (section, path)


def test_tox_runs_the_tests_that_make_runs():
    tox = _tox()
    commands = " ".join(
        tox[section]["commands"]
        for section in ("testenv", "testenv:functional{,-py311,-py312,-py313}")
    )
    for folder in ROOT.glob("*/tests/unit"):
        assert str(folder.relative_to(ROOT)) in commands
    for folder in ROOT.glob("*/tests/functional"):
        assert str(folder.relative_to(ROOT)) in commands
