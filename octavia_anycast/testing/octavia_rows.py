# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's rows: what a controller would see, and settling them."""

from typing import Any

from octavia.common import constants
from octavia.db import api as octavia_db
from octavia.db import models, repositories

KINDS: dict[str, Any] = {
    "loadbalancer": models.LoadBalancer,
    "listener": models.Listener,
    "pool": models.Pool,
    "member": models.Member,
    "healthmonitor": models.HealthMonitor,
    "l7policy": models.L7Policy,
    "rule": models.L7Rule,
}


def statuses() -> dict[tuple[str, str], str]:
    """(kind, id) -> provisioning status, of every row."""
    session = octavia_db.get_session()
    with session.begin():
        return {
            (kind, row.id): row.provisioning_status
            for kind, model in KINDS.items()
            for row in session.query(model).all()
        }


def pending() -> set[tuple[str, str]]:
    """(kind, status) of every row in PENDING_*."""
    return {
        (kind, status)
        for (kind, _), status in statuses().items()
        if status.startswith("PENDING_")
    }


def settle() -> None:
    """Make all rows ACTIVE and remove those to be deleted; no quotas."""
    session = octavia_db.get_session()
    with session.begin():
        for model in reversed(KINDS.values()):
            for row in session.query(model).all():
                if row.provisioning_status != constants.PENDING_DELETE:
                    row.provisioning_status = constants.ACTIVE
                elif model is models.LoadBalancer:
                    row.provisioning_status = constants.DELETED
                else:
                    session.delete(row)


def set_status(kind: str, row_id: str, status: str) -> None:
    """Put one row into a status."""
    session = octavia_db.get_session()
    with session.begin():
        session.get(KINDS[kind], row_id).provisioning_status = status


def set_protocol(listener_id: str, protocol: str) -> None:
    """Give a listener a protocol that the API would not have let in."""
    session = octavia_db.get_session()
    with session.begin():
        session.get(models.Listener, listener_id).protocol = protocol


def load_balancer(load_balancer_id: str) -> Any:
    """The whole tree, as Octavia's data models."""
    session = octavia_db.get_session()
    with session.begin():
        return repositories.LoadBalancerRepository().get(
            session, id=load_balancer_id
        )
