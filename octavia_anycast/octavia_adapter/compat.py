# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What differs between the releases of Octavia that this product works with.

Nothing else asks which release is installed, or for what one of them lacks.
Here, too, the code looks for what it needs and not for a number: a stable
release may get what a newer one has (ADR 0135).

Layer: octavia_adapter. No I/O.
"""

from collections.abc import Collection
from functools import cache
from typing import Any

from octavia.common import constants
from octavia.common.jinja.haproxy.combined_listeners import jinja_cfg
from octavia.db import base_models


def answer(kind: Any, row: Any) -> Any:
    """Make an answer of Octavia's API.

    Octavia 19 makes it from a row. Octavia 18 makes it from its data model,
    which its repositories and controllers return in place of rows.

    :param kind: a response type of Octavia's, or derived from one
    :param row: a row, or what Octavia's repositories return
    """
    if hasattr(kind, "from_db_obj"):
        return kind.from_db_obj(row)
    if isinstance(row, base_models.OctaviaBase):
        # By its columns alone: to_data_model asks for what is related, too.
        values = {c.name: getattr(row, c.name) for c in row.__table__.columns}
        row = row.__data_model__(**values)
    return kind.from_data_model(row)


@cache
def tls13_ciphers() -> frozenset[str] | None:
    """Names that Octavia hands HAProxy as ciphers of TLS 1.3.

    None: it hands HAProxy none, as Octavia 18.
    """
    templater = jinja_cfg.JinjaTemplater()
    names = getattr(templater, "tlsv1_3_ciphers", None)
    return None if names is None else frozenset(names)


def older_ciphers(ciphers: str, versions: Collection[str] | None) -> str:
    """What HAProxy's option ``ciphers`` gets of a user's list; "": nothing.

    The option is for TLS 1.2 and below. Octavia 19 leaves out the names of
    TLS 1.3, which have another option, and sorts the others. Octavia 18
    writes the list as it is, whatever the versions are.
    """
    newer = tls13_ciphers()
    if newer is None:
        return ciphers
    if versions and not set(versions) & set(constants.TLS_PRE_1_3_VERSIONS):
        return ""
    return ":".join(sorted(set(ciphers.split(":")) - newer))
