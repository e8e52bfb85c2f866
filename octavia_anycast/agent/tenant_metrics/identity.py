# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Who amphorae of one cluster are to each other: TLS with certificates.

Each shows the certificate that it has for the controller: Octavia's authority
signed it, for servers and for clients, and it names the amphora. All amphorae
of a cloud have one of that authority, so the name decides.

Layer: agent.
"""

import os
import ssl
import threading
from collections.abc import Collection

from octavia_anycast.agent.tenant_metrics.told import Told


class Contexts:
    """TLS contexts of a certificate; made anew when its file is replaced."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[bool, tuple[object, ssl.SSLContext]] = {}

    def asking(self, told: Told) -> ssl.SSLContext:
        """The context of who asks; give it the name of who is to answer.

        :raises OSError: the certificate cannot be used.
        """
        return self._context(told, is_asking=True)

    def answering(self, told: Told) -> ssl.SSLContext:
        """The context of who answers; then ask :func:`is_one_of`.

        :raises OSError: the certificate cannot be used.
        """
        return self._context(told, is_asking=False)

    def _context(self, told: Told, *, is_asking: bool) -> ssl.SSLContext:
        metrics = told.tenant_metrics
        authority = metrics.authority if metrics else ""
        found = os.stat(told.certificate_path)
        made_of = (
            told.certificate_path,
            found.st_ino,
            found.st_mtime_ns,
            authority,
        )
        with self._lock:
            known = self._made.get(is_asking)
            if known is None or known[0] != made_of:
                context = _context(told.certificate_path, authority, is_asking)
                known = self._made[is_asking] = made_of, context
        return known[1]


def _context(
    certificate_path: str, authority: str, is_asking: bool
) -> ssl.SSLContext:
    context = ssl.SSLContext(
        ssl.PROTOCOL_TLS_CLIENT if is_asking else ssl.PROTOCOL_TLS_SERVER
    )
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=authority)
    context.load_cert_chain(certificate_path)
    if not is_asking:
        context.num_tickets = 0  # nobody comes back with one
    return context


def is_one_of(session: ssl.SSLSocket, amphora_ids: Collection[str]) -> bool:
    """Whether the other side's certificate names one of these amphorae."""
    shown = session.getpeercert() or {}
    names = shown.get("subjectAltName", ())
    return any(("DNS", amphora_id) in names for amphora_id in amphora_ids)
