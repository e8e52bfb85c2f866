# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Check an amphora image: check_image.py IMAGE

IMAGE is what ``make image`` builds, or a folder with such a root file system.
As root: the image is mounted, read-only, in a mount namespace that ends with
this program. ``image_tree.py`` says what is looked for in the files; here the
Python environments of the image are run, and their versions compared with
requirements/constraints.txt.

Prints what is wrong, one finding a line; exit status 1 if there is any.
"""

import contextlib
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import image_tree
from image_tree import AGENT_VENV, EXABGP_VENV, Tree

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "requirements/constraints.txt"
OURS = "octavia-anycast"
# What an environment has to have, beside what that needs.
WANTED: dict[str, tuple[str, ...]] = {
    AGENT_VENV: ("octavia", "octavia-lib", OURS, "pyroute2"),
    EXABGP_VENV: ("exabgp",),
}
# Debian's venv brings these, and pip leaves what is satisfied alone.
FROM_VENV = ("pip", "setuptools", "wheel")
# Importing them imports all that the daemons need.
IMPORTED: dict[str, tuple[str, ...]] = {
    AGENT_VENV: (
        "octavia.cmd.agent",
        "octavia.cmd.interface",
        "octavia_anycast.cmd.agent",
        "octavia_anycast.cmd.metrics",
        "octavia_anycast.cmd.speakerd",
        "octavia_anycast.agent.speakers.exabgp.relay",
    ),
    EXABGP_VENV: ("exabgp.application.main",),
}
_IMPORT = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
"""
_LIST = """
import importlib.metadata, json
found = importlib.metadata.distributions()
print(json.dumps({each.name: each.version for each in found}))
"""
_LIBBPF = """
from octavia_anycast.agent.flow_rescue import libbpf
libbpf.Libbpf()
"""
_DEVICES = {
    "null": (1, 3),
    "zero": (1, 5),
    "random": (1, 8),
    "urandom": (1, 9),
}
_INSIDE = "--inside"
# ext4's magic number, and an MBR's: their places and their bytes.
_EXT4 = (1080, b"\x53\xef")
_MBR = (510, b"\x55\xaa")
_FIRST_PARTITION = 446 + 8
_SECTOR = 512


def main(argv: list[str]) -> int:
    """Print the findings."""
    if len(argv) == 2 and argv[0] == _INSIDE:
        return _report(Path(argv[1]))
    if len(argv) != 1 or argv[0].startswith("-"):
        sys.stderr.write("usage: check_image.py IMAGE\n")
        return 2
    if not Path(argv[0]).exists():
        sys.stderr.write(f"check_image.py: no such image: {argv[0]}\n")
        return 2
    if os.geteuid() != 0:
        sys.stderr.write("check_image.py: run it as root: it mounts\n")
        return 2
    namespace = ("unshare", "--mount", "--propagation", "private")
    program = (sys.executable, str(Path(__file__).resolve()), _INSIDE, argv[0])
    os.execvp(namespace[0], [*namespace, *program])


def _report(image: Path) -> int:
    attached: contextlib.AbstractContextManager[Path] = (
        contextlib.nullcontext(image) if image.is_dir() else _mounted(image)
    )
    try:
        with attached as root:
            found = list(findings(root))
    except (ValueError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"check_image.py: {error}\n")
        return 2
    sys.stdout.writelines(f"{finding}\n" for finding in found)
    if found:
        return 1
    sys.stdout.write(f"{image}: the image is sound\n")
    return 0


def findings(root: Path) -> Iterator[str]:
    """All that is wrong."""
    yield from image_tree.findings(Tree(root))
    with _kernel_folders(root):
        for venv in WANTED:
            yield from _environment(root, venv)
        failure = _run(root, AGENT_VENV, _LIBBPF)[1]
        if failure:
            yield f"the agent cannot use libbpf: {failure}"


def _environment(root: Path, venv: str) -> Iterator[str]:
    listed, failure = _run(root, venv, _LIST)
    if failure:
        yield f"{venv} does not run: {failure}"
        return
    yield from wrong_versions(venv, json.loads(listed), pins())
    failure = _run(root, venv, _IMPORT, *IMPORTED[venv])[1]
    if failure:
        yield f"{venv}: {failure}"


def pins() -> dict[str, str]:
    """name -> version, of constraints.txt and of our own distribution."""
    lines = CONSTRAINTS.read_text("utf-8").splitlines()
    found = dict(x.split("==") for x in lines if not x.startswith("#"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    found[OURS] = project["project"]["version"]
    return {_plain(name): version for name, version in found.items()}


def wrong_versions(
    venv: str, installed: dict[str, str], pinned: dict[str, str]
) -> Iterator[str]:
    """What is missing, and what is not of the version that was tested.

    ``installed``, ``pinned``: name -> version.
    """
    found = {_plain(name): version for name, version in installed.items()}
    for name in WANTED[venv]:
        if name not in found:
            yield f"{venv} has no {name}"
    for name, version in sorted(found.items()):
        if name in FROM_VENV:
            continue
        if name not in pinned:
            yield f"{venv}: {name} {version} is not in constraints.txt"
        elif version != pinned[name]:
            yield f"{venv}: {name} is {version}, not {pinned[name]}"


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _run(root: Path, venv: str, code: str, *words: str) -> tuple[str, str]:
    """Run Python in the image: what it printed, and why it failed."""
    done = subprocess.run(
        ["chroot", str(root), f"{venv}/bin/python", "-c", code, *words],
        env={
            "PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LC_ALL": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return done.stdout, ""
    last = done.stderr.strip().rpartition("\n")[2]
    return done.stdout, last or f"exit status {done.returncode}"


@contextlib.contextmanager
def _kernel_folders(root: Path) -> Iterator[None]:
    """/proc, and in /dev the few devices that Python may open."""
    devices, processes = root / "dev", root / "proc"
    _call("mount", "-t", "tmpfs", "tmpfs", str(devices))
    _call("mount", "-t", "proc", "proc", str(processes))
    try:
        for name, numbers in _DEVICES.items():
            mode = stat.S_IFCHR | 0o666
            os.mknod(devices / name, mode, os.makedev(*numbers))
        yield
    finally:
        _call("umount", str(processes))
        _call("umount", str(devices))


@contextlib.contextmanager
def _mounted(image: Path) -> Iterator[Path]:
    """The root file system of an image, read-only."""
    work = Path(tempfile.mkdtemp(prefix="check-image-"))
    raw, root = work / "raw", work / "root"
    root.mkdir()
    try:
        _call("qemu-img", "convert", "-O", "raw", str(image), str(raw))
        options = f"ro,loop,offset={root_offset(raw)}"
        _call("mount", "-o", options, str(raw), str(root))
        try:
            yield root
        finally:
            _call("umount", str(root))
    finally:
        # Nothing recursive here: something might still be mounted.
        raw.unlink(missing_ok=True)
        root.rmdir()
        work.rmdir()


def root_offset(raw: Path) -> int:
    """Where the root file system begins, in bytes.

    :raises ValueError: neither a file system nor a partition table is there.
    """
    with raw.open("rb") as stream:
        head = stream.read(4 * _SECTOR)
    if head[_EXT4[0] :].startswith(_EXT4[1]):
        return 0
    if head[_MBR[0] :].startswith(_MBR[1]):
        entry = head[_FIRST_PARTITION : _FIRST_PARTITION + 4]
        return int.from_bytes(entry, "little") * _SECTOR
    raise ValueError(f"{raw.name}: no ext4 file system and no partitions")


def _call(*argv: str) -> None:
    subprocess.run(argv, check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
