# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Certificates by Octavia's own generator."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from octavia.common import config  # noqa: F401 - registers the options
from oslo_config import cfg

from octavia_anycast.agent import certificate as agent_certificate
from octavia_anycast.octavia_adapter.amphora_files import AmphoraFiles

AMPHORA = "7d1f8a52-5a5e-4c62-9c7b-0d7f4c1d2e3f"
VALID_SECONDS = 86_400


@pytest.fixture
def authority(tmp_path):
    """A CA, named in Octavia's settings."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "ca.pem").write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
    )
    (tmp_path / "ca.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    settings = {
        "ca_certificate": f"{tmp_path}/ca.pem",
        "ca_private_key": f"{tmp_path}/ca.key",
        "ca_private_key_passphrase": None,
        "cert_validity_time": VALID_SECONDS,
        "cert_generator": "local_cert_generator",
    }
    # Not oslo's fixture: it forgets what other tests have read.
    for name, value in settings.items():
        cfg.CONF.set_override(name, value, group="certificates")
    yield made
    for name in settings:
        cfg.CONF.clear_override(name, group="certificates")


def test_certificate(authority, tmp_path):
    files = AmphoraFiles(heartbeat_controllers=(), heartbeat_interval=3)
    assert files.certificate_seconds == VALID_SECONDS
    first, second = (files.issue_certificate(AMPHORA) for _ in range(2))
    assert first.serial != second.serial
    shown = x509.load_pem_x509_certificate(first.pem.encode())
    shown.verify_directly_issued_by(authority)
    assert shown.serial_number == first.serial
    assert shown.not_valid_after_utc == first.expires_at
    left = first.expires_at - datetime.datetime.now(datetime.UTC)
    assert VALID_SECONDS - 60 < left.total_seconds() <= VALID_SECONDS
    # It is what the agent takes.
    path = tmp_path / "server.pem"
    agent_certificate.replace(str(path), first.pem.encode(), AMPHORA)
    assert path.read_text() == first.pem


def test_the_key_is_in_no_text_of_it(authority):
    files = AmphoraFiles(heartbeat_controllers=(), heartbeat_interval=3)
    assert "PRIVATE KEY" not in repr(files.issue_certificate(AMPHORA))
