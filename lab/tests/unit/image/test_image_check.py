# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The check of a built image: it has to see each fault that it is there for.

A small tree is what a sound image looks like to the checks of files; each row
plants one fault in it.
"""

import pathlib
import sys
from collections.abc import Callable

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[4]
sys.path.append(str(ROOT / "tools"))

import check_image  # noqa: E402
import image_tree  # noqa: E402

VENV = "opt/amphora-agent-venv/lib/python3.11/site-packages/octavia_anycast"
OBJECT = f"{VENV}/agent/flow_rescue/flow_rescue.bpf.o"
ETC_UNITS = "etc/systemd/system"
USR_UNITS = "usr/lib/systemd/system"
NEEDS_RAM_DISK = (
    f"{ETC_UNITS}/octavia-anycast-agent.service.d/certs-ramfs.conf"
)
SYSCTL = "etc/sysctl.d"
WANTS = f"{ETC_UNITS}/multi-user.target.wants"
MODULES = "usr/lib/modules/6.1.0-1-amd64/modules.dep"
DPKG = "etc/dib-manifests/dib-manifest-dpkg-amphora"
KEY = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAAB\n"
)

Plant = Callable[[pathlib.Path], None]


def _write(root: pathlib.Path, name: str, text: str = "text\n") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def _program(root: pathlib.Path, name: str) -> None:
    _write(root, name.lstrip("/"), "#!/bin/sh\n")
    (root / name.lstrip("/")).chmod(0o755)


def _link(root: pathlib.Path, name: str, target: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def _units(root: pathlib.Path) -> None:
    for name in (
        *image_tree.ENABLED,
        *image_tree.STARTED_LATER,
        *image_tree.WANTED_BY_OTHERS,
    ):
        _write(
            root,
            f"{USR_UNITS}/{name}",
            "[Service]\nExecStartPre=+-/sbin/sysctl -w a=b\n"
            f"ExecStart=\nExecStart=/usr/local/bin/{name} --one\n",
        )
        # As Octavia links its programs: into a virtual environment.
        _program(root, f"/opt/venv/bin/{name}")
        _link(root, f"usr/local/bin/{name}", f"/opt/venv/bin/{name}")
    for name in image_tree.ENABLED:
        _link(root, f"{WANTS}/{name}", f"/lib/systemd/system/{name}")
    needs = "[Unit]\nRequires=certs-ramfs.service\n"
    _write(root, NEEDS_RAM_DISK, needs)
    for name, value in image_tree.OPEN_FILES.items():
        _write(root, f"{SYSCTL}/{name}.conf", f"{name} = {value}\n")
    for name in image_tree.MASKED:
        _link(root, f"{ETC_UNITS}/{name}", "/dev/null")


@pytest.fixture
def sound(tmp_path: pathlib.Path) -> pathlib.Path:
    root = tmp_path / "root"
    root.mkdir()
    for merged in ("bin", "sbin", "lib"):
        (root / "usr" / merged).mkdir(parents=True)
        _link(root, merged, f"usr/{merged}")
    for name in image_tree.PROGRAMS:
        _program(root, name)
    _units(root)
    _write(root, OBJECT, "\x7fELF...")
    names = ("vmlinuz-6.1", "initrd.img-6.1")
    for name in names:
        _write(root, f"boot/{name}")
    lines = (f"kernel/a/{name}.ko:\n" for name in image_tree.MODULES)
    _write(root, MODULES, "".join(lines))
    _write(root, "etc/network/interfaces.d/lo", "auto lo\n")
    _write(root, "etc/resolv.conf", "nameserver 127.0.0.1\n")
    _write(root, "etc/machine-id", "uninitialized\n")
    _write(root, "etc/shadow", "root:*:1:\ncloud:!:1:\n")
    _write(root, "etc/apt/sources.list.d/a.list", "deb http://host/debian a\n")
    _write(root, "opt/v/lib/python3.11/site-packages/x/tests/a.py", KEY)
    _write(root, "usr/lib/python3/dist-packages/ssh.py", KEY[:35] + '"\n')
    _write(root, "var/cache/apt/archives/lock", "")
    for name in image_tree.MANIFESTS:
        _write(root, f"etc/dib-manifests/{name.replace('*', 'amphora')}")
    return root


def _found(root: pathlib.Path) -> list[str]:
    return list(image_tree.findings(image_tree.Tree(root)))


def test_nothing_is_found_in_a_sound_tree(sound: pathlib.Path) -> None:
    assert _found(sound) == []


def _remove(name: str) -> Plant:
    return lambda root: (root / name).unlink()


def _add(name: str, text: str = "text\n") -> Plant:
    return lambda root: _write(root, name, text)


def _enable(name: str) -> Plant:
    return lambda root: _link(root, f"{WANTS}/{name}", f"/lib/{name}")


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (
            _remove(f"{WANTS}/octavia-anycast-agent.service"),
            "octavia-anycast-agent.service is not enabled",
        ),
        (
            _enable("bird.service"),
            "bird.service is enabled, but an agent has to start it",
        ),
        (
            _remove(f"{ETC_UNITS}/amphora-agent.service"),
            "amphora-agent.service is not masked: ours is in its place",
        ),
        (
            _remove(NEEDS_RAM_DISK),
            "octavia-anycast-agent.service starts without certs-ramfs.service",
        ),
        (
            _remove(f"{SYSCTL}/fs.nr_open.conf"),
            "fs.nr_open is not set to 2600000: HAProxy has too few files",
        ),
        (
            _add(f"{SYSCTL}/fs.file-max.conf", "fs.file-max = 65536\n"),
            "fs.file-max is not set to 2600000: HAProxy has too few files",
        ),
        (
            _remove(f"{USR_UNITS}/certs-ramfs.service"),
            "certs-ramfs.service is missing",
        ),
        (
            _remove("opt/venv/bin/exabgp.service"),
            "exabgp.service runs /usr/local/bin/exabgp.service, which is no"
            " program here",
        ),
        (
            lambda root: (root / "usr/sbin/ipvsadm").chmod(0o644),
            "/usr/sbin/ipvsadm is missing or cannot be run",
        ),
        (
            _remove(OBJECT),
            "flow_rescue.bpf.o is missing: amphorae could not rescue flows",
        ),
        (_add(OBJECT, "source"), f"/{OBJECT} is no ELF object"),
        (_add("usr/bin/clang-14"), "/usr/bin/clang-14: a compiler"),
        (
            _add("usr/lib/gcc/x86_64-linux-gnu/12/cc1"),
            "/usr/lib/gcc/x86_64-linux-gnu/12/cc1: a compiler",
        ),
        (_remove("boot/initrd.img-6.1"), "/boot has no initrd.img-*"),
        (
            _add(MODULES, "kernel/a/brd.ko:\n"),
            "the kernel 6.1.0-1-amd64 has no module ip_vs",
        ),
        (
            _add("etc/network/interfaces.d/eth0", "auto eth0\n"),
            "/etc/network/interfaces.d/eth0 brings eth0 up at boot",
        ),
        (
            _add("etc/network/interfaces.d/eth1", "auto eth1\n"),
            "/etc/network/interfaces.d/eth1 brings eth1 up at boot",
        ),
        (
            _add("etc/resolv.conf", "nameserver 192.0.2.1\n"),
            "/etc/resolv.conf is the build machine's: nameserver 192.0.2.1",
        ),
        (
            _add("etc/ssh/ssh_host_rsa_key", KEY),
            "/etc/ssh/ssh_host_rsa_key has a private key",
        ),
        (
            _add("etc/apt/auth.list", "deb http://me:secret@host/debian a\n"),
            "/etc/apt/auth.list has a URL with a password",
        ),
        (
            _add("etc/shadow", "root:$6$salt$hash:1:\n"),
            "/etc/shadow: root can log in with a password",
        ),
        (
            _add("etc/shadow", "root::1:\n"),
            "/etc/shadow: root can log in with a password",
        ),
        (
            _add("root/.ssh/authorized_keys"),
            "/root has authorized SSH keys",
        ),
        (
            _add("etc/machine-id", "0123456789abcdef\n"),
            "/etc/machine-id is set: all amphorae would have the same",
        ),
        (
            _add("var/lib/systemd/random-seed"),
            "/var/lib/systemd/random-seed is the same for all amphorae",
        ),
        (
            _add("var/lib/apt/lists/host_dists_InRelease"),
            "/var/lib/apt/lists/host_dists_InRelease is left over",
        ),
        (
            _add("root/.cache/pip/http/0/1"),
            "/root/.cache/pip/http/0/1 is left over",
        ),
        (_add("opt/a.whl"), "/opt/a.whl is left over"),
        (
            _add(f"{VENV}/tests/__init__.py"),
            f"/{VENV}/tests: our tests are left over",
        ),
        (
            _remove(DPKG),
            "/etc/dib-manifests has no dib-manifest-dpkg-*",
        ),
        (_add(DPKG, ""), "/etc/dib-manifests has no dib-manifest-dpkg-*"),
    ],
)
def test_planted_fault_is_found(
    sound: pathlib.Path, plant: Plant, said: str
) -> None:
    plant(sound)
    assert said in _found(sound)


def test_links_are_followed_as_the_image_would(tmp_path: pathlib.Path) -> None:
    tree = image_tree.Tree(tmp_path)
    _write(tmp_path, "usr/lib/a")
    _link(tmp_path, "lib", "usr/lib")
    _link(tmp_path, "etc/b", "/lib/../lib/a")
    _link(tmp_path, "out", "../../../../../../etc/passwd")
    _link(tmp_path, "round", "round")
    assert tree.find("/etc/b") == tmp_path / "usr/lib/a"
    assert tree.find("/out") is None
    assert tree.find("/round") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, []),
        ({"pip": "1", "setuptools": "2"}, []),
        ({"Pyroute2": "0.9"}, ["/venv: pyroute2 is 0.9, not 1.0"]),
        ({"octavia_lib": "1.0"}, []),
        ({"left.pad": "3"}, ["/venv: left-pad 3 is not in constraints.txt"]),
    ],
)
def test_versions_are_those_that_were_tested(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, str], said: list[str]
) -> None:
    monkeypatch.setitem(
        check_image.WANTED, "/venv", ("octavia", "octavia-lib", "pyroute2")
    )
    pinned = {"octavia": "1.0", "octavia-lib": "1.0", "pyroute2": "1.0"}
    installed = {"octavia": "1.0", "octavia-lib": "1.0", "pyroute2": "1.0"}
    installed = {
        name: version
        for name, version in installed.items()
        if name not in {x.lower().replace("_", "-") for x in change}
    }
    found = check_image.wrong_versions("/venv", installed | change, pinned)
    assert list(found) == said


def test_distribution_that_is_not_there_is_missed() -> None:
    found = check_image.wrong_versions(
        check_image.EXABGP_VENV, {}, {"exabgp": "5.0"}
    )
    assert list(found) == [f"{check_image.EXABGP_VENV} has no exabgp"]


def test_pins_have_ours_and_octavia() -> None:
    found = check_image.pins()
    assert found["octavia"].startswith("19.")
    assert {"octavia-lib", "octavia-anycast", "exabgp"} <= set(found)
    assert all(found.values())


def test_root_file_system_is_found_with_and_without_partitions(
    tmp_path: pathlib.Path,
) -> None:
    raw = tmp_path / "raw"
    raw.write_bytes(bytes(1080) + b"\x53\xef" + bytes(2000))
    assert check_image.root_offset(raw) == 0
    table = bytearray(4096)
    table[454:458] = (2048).to_bytes(4, "little")
    table[510:512] = b"\x55\xaa"
    raw.write_bytes(table)
    assert check_image.root_offset(raw) == 2048 * 512
    raw.write_bytes(bytes(4096))
    with pytest.raises(ValueError, match="no ext4"):
        check_image.root_offset(raw)


@pytest.mark.parametrize("argv", [[], ["a", "b"], ["-h"], ["/no/such/image"]])
def test_bad_arguments_are_refused(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_image.main(argv) == 2
    assert "check_image.py" in capsys.readouterr().err
