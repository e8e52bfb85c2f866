# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
r"""Debian's Prometheus in the lab's control namespace, and what it answers.

controller :9180    controller-2 :9181 (on demand)
       \               /
        Prometheus :9090 -- asked by curl, from inside the namespace
"""

import dataclasses
import json
import pathlib
import shutil
import typing

import yaml

from octavia_anycast_lab import deployment
from octavia_anycast_lab.cloud import second_controller, service
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.registry import Registry

LABEL = "prometheus"
PORT = 9090
JOB = "octavia-anycast"
_INTERVAL = "1s"
_READY_SECONDS = 60.0
_ASK_SECONDS = 10.0
_FIRING = "firing"
Labels = dict[str, str]


class QueryError(Exception):
    """Prometheus does not answer, or not with a result."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    """The server of one lab; ``rules``: the text of its rules."""

    plane: deployment.Deployment
    registry: Registry
    rules: str

    @property
    def _place(self) -> pathlib.Path:
        return self.plane.state_dir / LABEL

    def start(self) -> None:
        """Start it with nothing stored, and wait until it has scraped.

        :raises TimeoutError: it does not come up.
        """
        program = shutil.which(LABEL)
        if program is None:
            raise QueryError("prometheus is not installed (make packages)")
        self.stop()
        shutil.rmtree(self._place, ignore_errors=True)
        self._place.mkdir()
        (self._place / "rules.yaml").write_text(self.rules, "utf-8")
        (self._place / "prometheus.yaml").write_text(self._configuration())
        process.spawn(
            self.registry,
            LABEL,
            [
                program,
                f"--config.file={self._place / 'prometheus.yaml'}",
                f"--storage.tsdb.path={self._place / 'data'}",
                f"--web.listen-address={self.plane.address}:{PORT}",
                "--log.level=warn",
            ],
            namespace=self.plane.namespace,
            env=service.clean_environment(),
            log=self.plane.log(LABEL),
        )
        process.wait_until(
            self._has_scraped, _READY_SECONDS, "a first scrape by Prometheus"
        )

    def stop(self) -> None:
        """Stop it, if it runs."""
        process.stop(self.registry, LABEL)

    def targets(self) -> list[str]:
        """The metrics' addresses of both controllers."""
        ports = (deployment.METRICS_PORT, second_controller.METRICS_PORT)
        return [f"{self.plane.address}:{port}" for port in ports]

    def _configuration(self) -> str:
        configuration = {
            "global": {
                "scrape_interval": _INTERVAL,
                "scrape_timeout": _INTERVAL,
                "evaluation_interval": _INTERVAL,
            },
            "rule_files": ["rules.yaml"],
            "scrape_configs": [
                {
                    "job_name": JOB,
                    "static_configs": [{"targets": self.targets()}],
                }
            ],
        }
        return str(yaml.safe_dump(configuration, sort_keys=False))

    def _has_scraped(self) -> bool:
        try:
            return bool(self.query(f'up{{job="{JOB}"}} == 1'))
        except QueryError:
            return False

    def query(self, expression: str) -> list[typing.Any]:
        """The result now: a list of series, empty if there is none.

        :raises QueryError: there is no answer, or the query is none.
        """
        return list(self._ask("query", query=expression)["result"])

    def query_since(
        self, expression: str, begin: float, end: float
    ) -> list[typing.Any]:
        """The results from one moment to another, a second apart.

        :param begin: seconds since 1970, as ``end``; three hours at most
        """
        found = self._ask(
            "query_range",
            query=expression,
            start=f"{begin:.3f}",
            end=f"{end:.3f}",
            step="1",
        )
        return list(found["result"])

    def firing(self) -> dict[str, list[Labels]]:
        """Name of each alert that fires -> labels of each time it does."""
        found: dict[str, list[Labels]] = {}
        for alert in self._ask("alerts")["alerts"]:
            if alert["state"] == _FIRING:
                labels = dict(alert["labels"])
                found.setdefault(labels.pop("alertname"), []).append(labels)
        return found

    def failed_rules(self) -> dict[str, str]:
        """Name of each rule that could not be evaluated -> why."""
        return {
            rule["name"]: rule["lastError"]
            for group in self._ask("rules")["groups"]
            for rule in group["rules"]
            if rule["health"] == "err"
        }

    def _ask(self, what: str, **parameters: str) -> typing.Any:
        url = f"http://{self.plane.address}:{PORT}/api/v1/{what}"
        words = [
            word
            for name, value in parameters.items()
            for word in ("--data-urlencode", f"{name}={value}")
        ]
        done = netns.run(
            self.plane.namespace,
            ["curl", "-sS", "-m", f"{_ASK_SECONDS:g}", "--get", *words, url],
            check=False,
        )
        if done.returncode:
            raise QueryError(f"{what}: {done.stderr.strip()}")
        try:
            answer = json.loads(done.stdout)
        except json.JSONDecodeError as error:  # it is on its way up
            raise QueryError(f"{what}: {done.stdout.strip()}") from error
        if answer["status"] != "success":
            raise QueryError(f"{what}: {answer['error']}")
        return answer["data"]
