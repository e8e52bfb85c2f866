# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The agent's own certificate, replaced whole or not at all.

Octavia's agent opens its file for every connection, so a new one is shown
from the next call on, without a restart. Octavia writes into the file in
use: a call cut short would leave an agent that nobody can talk to any more.

Layer: agent.
"""

import logging

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from octavia_anycast.agent import atomic_file
from octavia_anycast.model.errors import InvalidRequest

LOG = logging.getLogger(__name__)
FIELD = "certificate"
_PUBLIC = (
    serialization.Encoding.DER,
    serialization.PublicFormat.SubjectPublicKeyInfo,
)


def replace(path: str, pem: bytes, amphora_id: str) -> None:
    """Replace the agent's certificate and its key.

    :raises InvalidRequest: it is not a certificate, it is another amphora's,
        or the key does not belong to it; the old one stays.
    """
    try:
        text = pem.decode("ascii")
        shown = x509.load_pem_x509_certificate(pem)
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as e:
        raise InvalidRequest(
            FIELD, "it is not a certificate with its private key in PEM"
        ) from e
    if key.public_key().public_bytes(
        *_PUBLIC
    ) != shown.public_key().public_bytes(*_PUBLIC):
        raise InvalidRequest(FIELD, "its private key is another one's")
    if amphora_id not in _names(shown):
        raise InvalidRequest(FIELD, f"it does not name amphora {amphora_id}")
    atomic_file.write(path, text, mode=0o600)
    LOG.info(
        "The agent has a new certificate, serial %x.", shown.serial_number
    )


def _names(shown: x509.Certificate) -> list[str]:
    try:
        found = shown.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except x509.ExtensionNotFound:
        return []
    return found.value.get_values_for_type(x509.DNSName)
