# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The calls on registrations of amphorae with a distributor (see openapi)."""

from collections.abc import Iterable

from octavia_anycast.api import operations, policies
from octavia_anycast.api.registration.types import ROOT
from octavia_anycast.api.schemas import Schema, reference
from octavia_anycast.db.registration import amphora_registrations

NAME = "AmphoraRegistration"


def paths() -> Iterable[tuple[str, Schema]]:
    """(path, its calls)."""
    yield _collection()
    yield _one()
    yield _drain()


def _collection() -> tuple[str, Schema]:
    return (
        policies.REGISTRATIONS,
        {
            "parameters": [operations.path_parameter("distributor_id")],
            "get": operations.operation(
                "List the amphorae that are registered with a distributor",
                "listAmphoraRegistrations",
                {200: operations.list_of("amphorae", NAME)},
                (400, 404),
                parameters=operations.list_parameters(
                    NAME, amphora_registrations.COLUMNS
                ),
            ),
            "post": operations.operation(
                "Have a distributor's own amphorae announce others",
                "registerAmphora",
                {201: operations.one(ROOT, NAME, is_whole=True)},
                (400, 404, 409),
                body=operations.body(ROOT, f"{NAME}Request"),
            ),
        },
    )


def _one() -> tuple[str, Schema]:
    return (
        policies.REGISTRATION,
        {
            "parameters": _parameters(),
            "get": operations.operation(
                "Show a registration of amphorae",
                "showAmphoraRegistration",
                {200: operations.one(ROOT, NAME, is_whole=False)},
                (404,),
                parameters=[operations.fields(NAME)],
            ),
            "delete": operations.operation(
                "Have them announce themselves only",
                "unregisterAmphora",
                {204: None},
                (404,),
            ),
        },
    )


def _drain() -> tuple[str, Schema]:
    return (
        f"{policies.REGISTRATION}/drain",
        {
            "parameters": _parameters(),
            "put": operations.operation(
                "Drain a registration's paths, then withdraw them; twice is "
                "once",
                "drainAmphoraRegistration",
                {202: operations.one(ROOT, NAME, is_whole=True)},
                (400, 404, 409),
                body={
                    "required": False,
                    "content": {
                        operations.JSON: {"schema": reference("DrainRequest")}
                    },
                },
            ),
            "delete": operations.operation(
                "Have its paths announced again",
                "undoDrainOfAmphoraRegistration",
                {204: None},
                (404,),
            ),
        },
    )


def _parameters() -> list[Schema]:
    return [
        operations.path_parameter("distributor_id"),
        operations.path_parameter("registration_id"),
    ]
