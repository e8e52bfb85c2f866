# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Everything is in pyproject.toml but one build step: the BPF object.

A wheel carries the object that ``tools/compile-bpf.sh`` makes. Where there is
no compiler a wheel is made without it, and the agent reports flow rescue as
unsupported; with OCTAVIA_ANYCAST_BPF=required the build fails instead.
"""

import os
import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent


class BuildPy(build_py):
    """Compile first: what is found then is packed as package data."""

    def run(self) -> None:
        """Build."""
        script = HERE / "tools" / "compile-bpf.sh"
        done = subprocess.run(["sh", str(script)], check=False)
        if done.returncode and os.environ.get("OCTAVIA_ANYCAST_BPF"):
            sys.exit("The BPF object is required and cannot be compiled.")
        super().run()


setup(cmdclass={"build_py": BuildPy})
