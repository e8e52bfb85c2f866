# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What an amphora image has to hold, and what must not be in it.

Checks of a root file system as files: nothing of it is run here, that is
``check_image.py``. Each check yields sentences, one for a finding.
"""

import dataclasses
import fnmatch
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

AGENT_VENV = "/opt/amphora-agent-venv"
EXABGP_VENV = "/opt/exabgp-speaker-venv"
_UNIT_FOLDERS = ("/etc/systemd/system", "/usr/lib/systemd/system")
ENABLED = (
    "octavia-anycast-agent.service",
    "octavia-anycast-metrics.service",
    "octavia-anycast-speakerd.service",
)
# Ours or Octavia's agent starts them, once there is something to do.
STARTED_LATER = (
    "bird.service",
    "bird-frontend.service",
    "exabgp.service",
    "exabgp-frontend.service",
    "haproxy.service",
)
MASKED = ("amphora-agent.service", "prometheus-proxy.service")
WANTED_BY_OTHERS = ("amphora-netns.service", "certs-ramfs.service")
# What the agents call by name; programs of units are read in the units.
PROGRAMS = (
    "/usr/bin/ip",
    "/usr/bin/nc",
    "/usr/sbin/birdc",
    "/usr/sbin/cryptsetup",
    "/usr/sbin/haproxy",
    "/usr/sbin/ipvsadm",
    "/usr/sbin/keepalived",
    "/usr/sbin/nft",
    "/usr/sbin/sysctl",
    "/usr/sbin/tc",
    "/usr/local/bin/amphora-health-checker",
    "/usr/local/bin/amphora-interface",
    "/usr/local/bin/exabgp",
    "/usr/local/bin/octavia-anycast-exabgp-relay",
)
# Disks and network cards of KVM, the RAM disk of certificates, UDP listeners,
# rules of Octavia's agent.
MODULES = (
    "brd",
    "dm-crypt",
    "ip_vs",
    "ip_vs_lc",
    "ip_vs_sh",
    "ip_vs_wrr",
    "nf_tables",
    "virtio_blk",
    "virtio_net",
)
MANIFESTS = (
    "dib_arguments",
    "dib_environment",
    "dib-manifest-dpkg-*",
    "dib-manifest-git-*",
)
# HAProxy's own limit of connections, 1,000,000, takes two files each; the unit
# that Octavia's agent writes asks for so many (LimitNOFILE).
OPEN_FILES = {"fs.file-max": 2_600_000, "fs.nr_open": 2_600_000}
_NEEDS_RAM_DISK = (
    "/etc/systemd/system/octavia-anycast-agent.service.d/certs-ramfs.conf"
)
_COMPILERS = ("*clang*", "llvm-*", "llc*", "*gcc*", "g++*", "cc", "c++")
_COMPILER_FILES = ("usr/lib/clang", "usr/lib/llvm-*", "usr/lib/gcc/*/*/cc1")
# None of these folders may hold a file.
_EMPTY = (
    "/root/.cache",
    "/tmp",
    "/var/tmp",
    "/var/cache/apt/archives",
    "/var/lib/apt/lists",
    "/opt/amphora-agent",
    "/opt/octavia-lib",
)
_HARMLESS = ("lock",)
_LOCAL_NAMESERVER = "127.0.0.1"
_EXEC = re.compile(r"^Exec\w+=[-@:+!]*(\S+)", re.MULTILINE)
_SETTING = re.compile(r"^\s*(fs\.[\w-]+)\s*=\s*(\d+)\s*$", re.MULTILINE)
_PRIVATE_KEY = re.compile(
    rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\r?\n"
    rb"(?:[\w-]+: [^\n]*\n|\r?\n)*[A-Za-z0-9+/=]{32,}"
)
_URL_WITH_PASSWORD = re.compile(rb"\w+://[^/\s:@]+:[^/\s@]+@")
_UNREAD = ("proc", "sys", "dev", "run", "usr/share/doc", "usr/lib/modules")
_READ_BYTES = 1 << 20
_LINKS_MAX = 40


@dataclasses.dataclass(frozen=True, slots=True)
class Tree:
    """A root file system, somewhere in this machine's."""

    root: Path

    def find(self, name: str) -> Path | None:
        """Where a path of the image is, or None if nothing is there.

        Links are followed as the image would, never out of it.
        """
        todo = _parts(name)
        done: list[str] = []
        links = 0
        while todo:
            part = todo.pop()
            if part == "..":
                done = done[:-1]
                continue
            here = self.root.joinpath(*done, part)
            if not here.is_symlink():
                done.append(part)
                continue
            links += 1
            if links > _LINKS_MAX:
                return None
            target = os.readlink(here)
            if target.startswith("/"):
                done = []
            todo += _parts(target)
        found = self.root.joinpath(*done)
        return found if found.exists() else None

    def entries(self, name: str) -> list[Path]:
        """What a folder holds, sorted; links are not followed."""
        folder = self.find(name)
        if folder is None or not folder.is_dir():
            return []
        return sorted(folder.iterdir())

    def text(self, name: str) -> str:
        """A file's text, empty if there is no such file."""
        found = self.find(name)
        return found.read_text("utf-8", "replace") if found else ""

    def name_of(self, path: Path) -> str:
        """The path inside of the image."""
        return f"/{path.relative_to(self.root)}"

    def files(self) -> Iterator[Path]:
        """Every regular file that may be somebody's text, links left out."""
        unread = {self.root / folder for folder in _UNREAD}
        for folder, folders, names in os.walk(self.root):
            here = Path(folder)
            folders[:] = sorted(x for x in folders if here / x not in unread)
            for name in sorted(names):
                path = here / name
                if path.is_file() and not path.is_symlink():
                    yield path


def _parts(name: str) -> list[str]:
    """The parts of a path, the first one last."""
    return [p for p in reversed(PurePosixPath(name).parts) if p != "/"]


def units(tree: Tree) -> Iterator[str]:
    """Which units start at boot, which do not, and whether they can."""
    for name in ENABLED:
        if not _is_enabled(tree, name):
            yield f"{name} is not enabled"
    for name in STARTED_LATER:
        if _is_enabled(tree, name):
            yield f"{name} is enabled, but an agent has to start it"
    for name in MASKED:
        link = tree.root / "etc/systemd/system" / name
        if not link.is_symlink() or os.readlink(link) != "/dev/null":
            yield f"{name} is not masked: ours is in its place"
    for name in (*ENABLED, *STARTED_LATER, *WANTED_BY_OTHERS):
        paths = (tree.find(f"{folder}/{name}") for folder in _UNIT_FOLDERS)
        unit = next((path for path in paths if path is not None), None)
        if unit is None:
            yield f"{name} is missing"
            continue
        for program in _EXEC.findall(unit.read_text("utf-8")):
            if not _is_program(tree, program):
                yield f"{name} runs {program}, which is no program here"


def keys_in_memory(tree: Tree) -> Iterator[str]:
    """Without its RAM disk the agent must not take keys of tenants."""
    if "Requires=certs-ramfs.service" not in tree.text(_NEEDS_RAM_DISK):
        yield (
            "octavia-anycast-agent.service starts without certs-ramfs.service"
        )


def open_files(tree: Tree) -> Iterator[str]:
    """As many as the connection limits of many listeners need."""
    found: dict[str, int] = {}
    for folder in ("/usr/lib/sysctl.d", "/etc/sysctl.d"):
        for path in tree.entries(folder):
            for name, value in _SETTING.findall(path.read_text("utf-8")):
                found[name] = int(value)
    for name, least in OPEN_FILES.items():
        if found.get(name, 0) < least:
            yield f"{name} is not set to {least}: HAProxy has too few files"


def _is_enabled(tree: Tree, name: str) -> bool:
    return any(
        os.path.lexists(folder / name)
        for folder in tree.entries("/etc/systemd/system")
        if folder.name.endswith(".wants")
    )


def _is_program(tree: Tree, name: str) -> bool:
    found = tree.find(name)
    return (
        found is not None
        and found.is_file()
        and found.stat().st_mode & 0o111 != 0
    )


def programs(tree: Tree) -> Iterator[str]:
    """What the agents call."""
    for name in PROGRAMS:
        if not _is_program(tree, name):
            yield f"{name} is missing or cannot be run"


def flow_rescue(tree: Tree) -> Iterator[str]:
    """The compiled program, since there is no compiler."""
    places = f"{AGENT_VENV}/lib/python3.*/site-packages/octavia_anycast"
    pattern = f"{places}/agent/flow_rescue/flow_rescue.bpf.o".lstrip("/")
    found = list(tree.root.glob(pattern))
    if not found:
        yield "flow_rescue.bpf.o is missing: amphorae could not rescue flows"
    for path in found:
        if path.read_bytes()[:4] != b"\x7fELF":
            yield f"{tree.name_of(path)} is no ELF object"


def compilers(tree: Tree) -> Iterator[str]:
    """None is wanted where nothing is compiled."""
    for folder in ("/usr/bin", "/usr/local/bin"):
        for path in tree.entries(folder):
            if any(fnmatch.fnmatch(path.name, one) for one in _COMPILERS):
                yield f"{tree.name_of(path)}: a compiler"
    for pattern in _COMPILER_FILES:
        for path in sorted(tree.root.glob(pattern)):
            yield f"{tree.name_of(path)}: a compiler"


def kernel(tree: Tree) -> Iterator[str]:
    """One that can be booted, with the modules that an amphora needs."""
    names = [path.name for path in tree.entries("/boot")]
    for kind in ("vmlinuz-*", "initrd.img-*"):
        if not fnmatch.filter(names, kind):
            yield f"/boot has no {kind}"
    kernels = tree.entries("/usr/lib/modules")
    if not kernels:
        yield "/usr/lib/modules has no kernel's modules"
    for folder in kernels:
        lists = [folder / x for x in ("modules.dep", "modules.builtin")]
        known = "".join(x.read_text("utf-8") for x in lists if x.exists())
        for name in MODULES:
            if f"/{name}.ko" not in known:
                yield f"the kernel {folder.name} has no module {name}"


def network(tree: Tree) -> Iterator[str]:
    """cloud-init alone configures interfaces: nothing waits for DHCP else."""
    for path in tree.entries("/etc/network/interfaces.d"):
        for name in re.findall(r"^auto (\S+)", path.read_text(), re.MULTILINE):
            if name != "lo":
                yield f"{tree.name_of(path)} brings {name} up at boot"
    for line in tree.text("/etc/resolv.conf").splitlines():
        words = line.split()
        if words[:1] == ["nameserver"] and words[1:] != [_LOCAL_NAMESERVER]:
            yield f"/etc/resolv.conf is the build machine's: {line}"


def secrets(tree: Tree) -> Iterator[str]:
    """Keys and passwords: what is in the image is in every amphora."""
    for path in tree.files():
        name = tree.name_of(path)
        # Samples that distributions of Python packages publish.
        if "-packages/" in name and "/tests/" in name:
            continue
        if path.stat().st_size > _READ_BYTES:
            continue
        content = path.read_bytes()
        if _PRIVATE_KEY.search(content):
            yield f"{name} has a private key"
        if name.startswith("/etc/") and _URL_WITH_PASSWORD.search(content):
            yield f"{name} has a URL with a password"
    for line in tree.text("/etc/shadow").splitlines():
        user, password = line.split(":")[:2]
        if not password.startswith(("!", "*")):
            yield f"/etc/shadow: {user} can log in with a password"
    homes = [tree.root / "root", *tree.entries("/home")]
    for home in homes:
        if (home / ".ssh/authorized_keys").exists():
            yield f"{tree.name_of(home)} has authorized SSH keys"


def identity(tree: Tree) -> Iterator[str]:
    """What the first boot of each amphora has to make."""
    if tree.text("/etc/machine-id").strip() not in ("", "uninitialized"):
        yield "/etc/machine-id is set: all amphorae would have the same"
    if tree.find("/var/lib/systemd/random-seed") is not None:
        yield "/var/lib/systemd/random-seed is the same for all amphorae"


def leftovers(tree: Tree) -> Iterator[str]:
    """What only the build needed."""
    for folder in _EMPTY:
        top = tree.find(folder)
        for path in sorted(top.rglob("*")) if top else []:
            if path.is_file() and path.name not in _HARMLESS:
                yield f"{tree.name_of(path)} is left over"
                break
    for pattern in ("var/cache/apt/*.bin", "opt/*.whl", "root/*.whl"):
        for path in sorted(tree.root.glob(pattern)):
            yield f"{tree.name_of(path)} is left over"
    pattern = "opt/*/lib/python3.*/site-packages/octavia_anycast/tests"
    for path in sorted(tree.root.glob(pattern)):
        yield f"{tree.name_of(path)}: our tests are left over"


def manifests(tree: Tree) -> Iterator[str]:
    """What the image was made of can be read in it."""
    found = {
        path.name: path.stat().st_size
        for path in tree.entries("/etc/dib-manifests")
    }
    for pattern in MANIFESTS:
        if not any(found[x] for x in fnmatch.filter(found, pattern)):
            yield f"/etc/dib-manifests has no {pattern}"


CHECKS = (
    units,
    keys_in_memory,
    open_files,
    programs,
    flow_rescue,
    compilers,
    kernel,
    network,
    secrets,
    identity,
    leftovers,
    manifests,
)


def findings(tree: Tree) -> Iterator[str]:
    """All that is wrong."""
    for check in CHECKS:
        yield from check(tree)
