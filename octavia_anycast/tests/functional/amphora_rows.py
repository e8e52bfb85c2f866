# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Rows of amphorae, ours and Octavia's, for the tests of the API."""

import uuid
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from octavia.db import api as octavia_db
from octavia.db import models

from octavia_anycast.db.amphora import amphorae
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
)
from octavia_anycast.model.wire import Frontend, FrontendAddress
from octavia_anycast.testing import octavia_rows

PATH = "/v2/octavia/amphorae"
LBS = "/v2/lbaas/loadbalancers"
UNKNOWN = "9f1c2a52-0000-4000-8000-00000000000f"
START = datetime(2026, 11, 22, 12, tzinfo=UTC)
LISTENERS = (str(uuid.UUID(int=1)), str(uuid.UUID(int=2)))


def make_lb(api, subnet, **attributes):
    created = api.create(
        LBS,
        {
            "loadbalancer": {
                "vip_subnet_id": subnet,
                "project_id": api.project_id,
            }
            | attributes
        },
    )
    octavia_rows.settle()
    return created


def make_ours(api, load_balancer_id, number, **changes):
    record = AmphoraRecord(
        **{
            "id": str(uuid.UUID(int=100 + number)),
            "load_balancer_id": load_balancer_id,
            "status": AmphoraStatus.ALLOCATED,
            "applied_revision": "r1",
            "status_since": START,
            "availability_zone": f"rack{number}",
            "compute_id": f"machine-{number}",
            "lb_network_ip": ip_address(f"172.31.1.{number}"),
            "cert_expiration": START + timedelta(days=30, microseconds=7),
            "frontend_port_id": str(uuid.UUID(int=500 + number)),
            "frontend_interface": "eth1",
            "frontend": Frontend(
                mac_address=f"fa:16:3e:00:00:{number:02x}",
                mtu=1500,
                addresses=(
                    FrontendAddress(
                        ip_address=ip_address(f"10.1.0.{number}"),
                        prefix_length=24,
                        subnet_id=str(uuid.UUID(int=900 + number)),
                    ),
                ),
            ),
        }
        | changes
    )
    with api.database.transaction() as session:
        amphorae.create(session, record)
        session.connection().exec_driver_sql(
            "UPDATE anycast_amphora SET created_at = ? WHERE id = ?",
            (_created(2 * number), record.id),
        )
    return record.id


def make_stock(load_balancer_id, number, **changes):
    session = octavia_db.get_session()
    values = {
        "id": str(uuid.UUID(int=200 + number)),
        "load_balancer_id": load_balancer_id,
        "compute_id": str(uuid.UUID(int=300 + number)),
        "status": "ALLOCATED",
        "role": "MASTER",
        "lb_network_ip": f"172.31.2.{number}",
        "vrrp_ip": f"10.2.0.{number}",
        "ha_ip": "198.51.100.200",
        "cached_zone": "nova",
        "created_at": datetime.fromisoformat(_created(2 * number + 1)),
    } | changes
    with session.begin():
        session.add(models.Amphora(**values))
    return values["id"]


def _created(minute):
    return f"2026-11-22 12:{minute:02}:00.000000"


def listed(api, query=""):
    answer = api.call("GET", f"{PATH}{query}")
    assert answer.status == 200, answer.text
    return [one["id"] for one in answer.body["amphorae"]]


def record(api, amphora_id):
    with api.database.transaction() as session:
        return amphorae.get(session, amphora_id)
