# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The last release's own code, for tests of this release beside it."""

import pathlib
import subprocess
import tarfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The last commit with the notes of one release only. A new release's tag
# takes its place when that release is out (ADR 0146).
RELEASED = "7b049b4"


def unpack(root: pathlib.Path) -> None:
    """Put its source into a directory; skip the test where git lacks it."""
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
