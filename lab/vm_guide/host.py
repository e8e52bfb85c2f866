# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The controller host of the install guide, in a lab of virtual machines.

It has what the guide takes for granted: ``/opt/octavia`` with Octavia, its
API and ``/etc/octavia/octavia.conf``, and a user ``octavia``. All of it is in
a mount namespace of its own, above the machine's ``/opt``, ``/etc`` and
``/var/lib``, which stay as they are. Nothing of ours is installed yet.
"""

import collections.abc
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess

from octavia_anycast_lab import deployment
from octavia_anycast_lab.cloud import controller, database, service
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.registry import Registry

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONSTRAINTS = ROOT / "requirements/constraints.txt"
CONFIGURATION = "/etc/octavia/octavia.conf"
USER = "octavia"
_USER_ID = 64321
# Debian's: the one that runs this may be nobody else's to read.
_PYTHON = "/usr/bin/python3"
_PLACES = ("/opt", "/etc", "/var/lib")
_HOST = "guide-host"
_API = "octavia-api"
_MOUNTED_SECONDS = 30.0
_INSTALL_SECONDS = 900.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Where an operator types; ``plane`` is the cloud around it."""

    plane: deployment.Deployment
    registry: Registry

    @property
    def _folder(self) -> pathlib.Path:
        return self.plane.state_dir / "guide"

    @property
    def client(self) -> pathlib.Path:
        """The environment of whoever uses the openstack client."""
        return self._folder / "client"

    def start(self) -> None:
        """Make the host, with an Octavia that serves its own providers."""
        process.stop(self.registry, _HOST)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._add_user()
        self._configure_octavia()
        self._mount()
        self._install_octavia()
        controller.stop(self.registry)
        self._forget_us()
        self.serve("octavia.wsgi.api:application")

    def enter(
        self, argv: collections.abc.Sequence[str], *, is_networked: bool = True
    ) -> list[str]:
        """The command as it runs there, in the control namespace or not."""
        pid = process.pid_of(self.registry, _HOST)
        assert pid is not None, "the controller host has ended"
        network = [f"--net={netns.path(self.plane.namespace)}"]
        return [
            *("nsenter", f"--mount=/proc/{pid}/ns/mnt"),
            *(network if is_networked else []),
            *("--wd=" + str(ROOT), "--", *argv),
        ]

    def environment(self) -> dict[str, str]:
        """Variables of a shell there; pip takes the tested versions."""
        kept = service.clean_environment()
        path = f"{self.client}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return {
            **{name: value for name, value in kept.items() if name != "PATH"},
            "PATH": f"{path}:/opt/octavia/bin",
            "PIP_CONSTRAINT": str(CONSTRAINTS),
            "OS_CLIENT_CONFIG_FILE": str(
                self.plane.config_dir / "clouds.yaml"
            ),
        }

    def run(
        self, argv: collections.abc.Sequence[str], *, is_networked: bool = True
    ) -> None:
        """Run a command there.

        :raises AssertionError: it failed; with what it said.
        """
        done = subprocess.run(
            self.enter(argv, is_networked=is_networked),
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{argv}: {done.stdout}\n{done.stderr}"

    def append(self, text: str) -> None:
        """Add lines to octavia.conf; the last one of an option counts."""
        self.run(["sh", "-c", f"cat >> {CONFIGURATION} <<'END'\n{text}\nEND"])

    def serve(self, application: str, *words: str) -> None:
        """Have Gunicorn serve an application, as Octavia's API.

        :param words: its command line; what is not there is in its file
        """
        process.stop(self.registry, _API)
        place = self._folder / "gunicorn.conf.py"
        settings = {
            "bind": [
                f"{self.plane.address}:{deployment.OCTAVIA_PORT}",
                f"unix:{self.plane.service_socket(_API)}",
            ],
            "control_socket_disable": True,
            "threads": 8,
            "timeout": int(service.READY_SECONDS),
            "user": USER,
            "wsgi_app": application,
        }
        lines = (f"{name} = {value!r}\n" for name, value in settings.items())
        place.write_text("".join(lines))
        self._spawn(
            _API,
            ["/opt/octavia/bin/gunicorn", *words],
            GUNICORN_CMD_ARGS=f"--config {place}",
        )
        service.await_answer(
            self.plane,
            self.registry,
            service.Service(
                label=_API,
                application=application,
                port=deployment.OCTAVIA_PORT,
                program=_API,
            ),
            3 * service.READY_SECONDS,
        )

    def start_unit(self, unit: str) -> None:
        """Start what a unit of systemd says, as its user.

        No systemd runs here; what it would do before the start is done.
        """
        value = dict(re.findall(r"^(\w+)=(.*)$", unit, re.M))
        state = f"/var/lib/{value['StateDirectory']}"
        self.run(["install", "-d", "-o", value["User"], state])
        self._spawn(
            controller.LABEL,
            [
                *("runuser", "-u", value["User"], "--"),
                *value["ExecStart"].split(),
            ],
        )

    def _spawn(self, label: str, argv: list[str], **also: str) -> None:
        process.spawn(
            self.registry,
            label,
            self.enter(argv),
            namespace=self.plane.namespace,
            env={**self.environment(), **also},
            log=self.plane.log(label),
        )

    def _upper(self, place: str) -> pathlib.Path:
        return self._folder / place.strip("/").replace("/", "-") / "upper"

    def _mount(self) -> None:
        lines = []
        for place in _PLACES:
            upper = self._upper(place)
            work = upper.with_name("work")
            for folder in (upper, work):
                folder.mkdir(parents=True, exist_ok=True)
            options = f"lowerdir={place},upperdir={upper},workdir={work}"
            lines.append(f"mount -t overlay -o {options} overlay {place}")
        mounted = self._folder / "mounted"
        lines += [f"touch {mounted}", "exec sleep infinity"]
        process.spawn(
            self.registry,
            _HOST,
            [
                *("unshare", "--mount", "--propagation", "private", "--"),
                *("sh", "-ec", "\n".join(lines)),
            ],
            namespace=self.plane.namespace,
            log=self.plane.log(_HOST),
        )
        process.wait_until(
            mounted.exists, _MOUNTED_SECONDS, "the controller host is mounted"
        )

    def _add_user(self) -> None:
        folder = self._upper("/etc")
        folder.mkdir(parents=True)
        for name, line in (
            ("passwd", f"{USER}:x:{_USER_ID}:{_USER_ID}::/:/bin/sh"),
            ("group", f"{USER}:x:{_USER_ID}:"),
        ):
            text = pathlib.Path("/etc", name).read_text()
            (folder / name).write_text(f"{text}{line}\n")

    def _install_octavia(self) -> None:
        for folder in ("/opt/octavia", str(self.client)):
            self.run([_PYTHON, "-m", "venv", folder])
        self.run(
            [
                *("/opt/octavia/bin/pip", "install", "-q"),
                *("octavia", "gunicorn", "PyMySQL"),
            ],
            is_networked=False,
        )

    def _configure_octavia(self) -> None:
        plane = self.plane
        folder = self._upper("/etc") / "octavia"
        shutil.copytree(plane.config_dir / "pki", folder / "pki")
        (folder / "certificate-store").mkdir()
        password = plane.secrets.service_password
        account = f"'{USER}'@'localhost'"
        for sql in (
            f"CREATE OR REPLACE USER {account} IDENTIFIED BY '{password}'",
            f"GRANT ALL ON octavia.* TO {account}",
        ):
            database.query(plane, "octavia", sql)
        text = "\n".join(p.read_text() for p in plane.octavia_config_files)
        text = stock(text).replace(str(plane.config_dir), "/etc/octavia")
        text = text.replace("//root@", f"//{USER}:{password}@")
        (folder / "octavia.conf").write_text(text)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, _USER_ID, _USER_ID)

    def _forget_us(self) -> None:
        """Drop our tables, which the lab has made."""
        sql = (
            "SELECT table_name FROM information_schema.tables WHERE "
            "table_schema = 'octavia' AND table_name LIKE 'anycast%'"
        )
        names = database.query(self.plane, "octavia", sql).split()
        dropped = "; ".join(f"DROP TABLE {name}" for name in names)
        database.query(
            self.plane, "octavia", f"SET FOREIGN_KEY_CHECKS = 0; {dropped}"
        )


def stock(text: str) -> str:
    """Octavia's configuration without anything of ours."""
    text = re.sub(r"^\[anycast\]\n(?:(?!\[).*\n?)*", "", text, flags=re.M)
    text = re.sub(
        r"^enabled_provider_drivers = .*$",
        "enabled_provider_drivers = amphora:The Octavia Amphora driver",
        text,
        flags=re.M,
    )
    return re.sub(
        r"^default_provider_driver = .*$",
        "default_provider_driver = amphora",
        text,
        flags=re.M,
    )
