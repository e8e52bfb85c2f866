# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The lab of the last release, made by that release's own code.

    source   the repository as it was at that commit
    cloud    its lab, brought up: its API, controller and amphora image

What it makes is found again by the lab of now: files, namespaces and the
registry are the same. The environment is that of now, too; the older code is
put before it by PYTHONPATH. Its cache is one of its own, so that neither
discards what the other one has built.
"""

import dataclasses
import os
import pathlib
import subprocess
import sys
import tarfile
import typing

import pytest
from octavia_anycast_lab import deployment, settings

ROOT = pathlib.Path(__file__).resolve().parents[3]
# The last commit with the notes of one release only. A new release's tag
# takes its place when that release is out (ADR 0146).
RELEASED = "7b049b4"
_UP_SECONDS = 1800.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The repository as it was; ``run`` is the lab's command of then."""

    root: pathlib.Path

    def run(self, lab: settings.Lab, command: str) -> None:
        """Run one command of the lab."""
        done = subprocess.run(
            [sys.executable, "-m", "octavia_anycast_lab", command],
            cwd=self.root,
            env=self._environment(lab),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_UP_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"

    def python(
        self, *arguments: str, stdin: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        """Run Python with the code of then."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=os.environ | self._path(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_UP_SECONDS,
            check=False,
        )

    def _environment(self, lab: settings.Lab) -> dict[str, str]:
        cache = settings.cache_dir() / "releases" / RELEASED
        return {
            **os.environ,
            **self._path(),
            "XDG_CACHE_HOME": str(cache),
            settings.LAB_ENVIRONMENT: lab.name,
        }

    def product(self) -> dict[str, str]:
        """The variables with which our programs are those of then."""
        return {"PYTHONPATH": str(self.root)}

    def _path(self) -> dict[str, str]:
        return {"PYTHONPATH": f"{self.root}:{self.root / 'lab'}"}


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """The last release's source; a checkout has it, an sdist has not."""
    root = tmp_path_factory.mktemp("release")
    archive = root.with_suffix(".tar")
    done = subprocess.run(
        ["git", "archive", f"--output={archive}", RELEASED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"git does not have {RELEASED}: {done.stderr.strip()}")
    with tarfile.open(archive) as opened:
        opened.extractall(root, filter="data")
    return Source(root=root)


@pytest.fixture(scope="session")
def cloud(lab: typing.Any, source: Source) -> deployment.Deployment:
    """All of the last release, with no load balancer yet.

    With ``OA_LAB_REUSE`` the lab is there: the last release has made it.
    """
    if not os.environ.get("OA_LAB_REUSE"):
        source.run(lab.lab, "up")
    return deployment.Deployment.of(lab.lab)
