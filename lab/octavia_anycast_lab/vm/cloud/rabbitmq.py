# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""RabbitMQ, Nova's message bus, in the lab's control namespace.

Erlang's port mapper listens there, too, and ends with the namespace: a
broker of the machine has its own.
"""

import secrets

from octavia_anycast_lab import deployment
from octavia_anycast_lab.cloud import service
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.registry import Registry
from octavia_anycast_lab.vm import settings

LABEL = "rabbitmq"
PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server"
_START_SECONDS = 120.0


def start(plane: deployment.Deployment, registry: Registry) -> None:
    """Start the broker unless it runs; does not wait until it listens."""
    if process.is_alive(registry, LABEL):
        return
    service.clear_remains(plane, registry, LABEL)
    place = plane.config_dir / "rabbitmq"
    files = {
        "rabbitmq.conf": settings.render(plane, "rabbitmq.conf.j2"),
        "plugins": "[].\n",
    }
    for name, content in files.items():
        deployment.write_private(place / name, content)
    cookie = place / ".erlang.cookie"
    if not cookie.exists():
        deployment.write_private(cookie, secrets.token_hex(16))
        cookie.chmod(0o400)
    process.spawn(
        registry,
        LABEL,
        [PROGRAM],
        namespace=plane.namespace,
        env={**service.clean_environment(), **_environment(plane)},
        log=plane.log(LABEL),
    )


def is_listening(plane: deployment.Deployment) -> bool:
    """Whether Nova can connect."""
    return netns.listens(plane.namespace, settings.RABBIT_PORT)


def await_listening(plane: deployment.Deployment, registry: Registry) -> None:
    """Wait until Nova can connect.

    :raises ServiceError: the broker ended; with its log.
    """

    def is_up() -> bool:
        if not process.is_alive(registry, LABEL):
            raise service.ServiceError(
                f"{LABEL} ended; the end of its log:\n"
                + service.tail(plane.log(LABEL))
            )
        return is_listening(plane)

    process.wait_until(is_up, _START_SECONDS, "RabbitMQ listens", 0.3)


def _environment(plane: deployment.Deployment) -> dict[str, str]:
    place = plane.config_dir / "rabbitmq"
    data = settings.home(plane.lab) / "rabbitmq"
    data.mkdir(parents=True, exist_ok=True)
    return {
        "HOME": str(place),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_NODENAME": f"{plane.lab.name}@localhost",
        "RABBITMQ_CONFIG_FILE": str(place / "rabbitmq"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(place / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(data),
        "RABBITMQ_LOG_BASE": str(plane.lab.log_dir),
        "RABBITMQ_PID_FILE": str(data / "pid"),
        # One scheduler, which sleeps when it has nothing to do.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
    }
