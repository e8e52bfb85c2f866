# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The agent's own certificate: a good one replaces it, nothing else does."""

import datetime
import os
import stat

import flask
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from octavia_anycast.agent import certificate
from octavia_anycast.agent.http import make_certificate_view
from octavia_anycast.model.errors import InvalidRequest

AMPHORA = "7d1f8a52-5a5e-4c62-9c7b-0d7f4c1d2e3f"
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def key_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def issue(name=AMPHORA, *, key=None, has_names=True):
    """A self-signed certificate and its key."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW)
        .not_valid_after(NOW + datetime.timedelta(days=30))
    )
    if has_names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
        )
    made = builder.sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM), key_pem(key)


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "server.pem"
    file.write_bytes(b"the old one")
    return file


def test_it_is_replaced(path):
    pem = b"".join(issue())
    certificate.replace(str(path), pem, AMPHORA)
    assert path.read_bytes() == pem
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["server.pem"]


def bad():
    certificate_only, key = issue()
    _, other_key = issue()
    return {
        "nothing": b"",
        "text": b"hello",
        "bytes": b"\xff\xfe" * 400,
        "no key": certificate_only,
        "no certificate": key,
        "another key": certificate_only + other_key,
        "cut short": (certificate_only + key)[:-40],
        "another amphora": b"".join(issue("somebody")),
        "no name": b"".join(issue(has_names=False)),
    }


@pytest.mark.parametrize("what", bad())
def test_the_old_one_stays(path, what):
    with pytest.raises(InvalidRequest):
        certificate.replace(str(path), bad()[what], AMPHORA)
    assert path.read_bytes() == b"the old one"


def test_the_route_answers_as_octavia_expects(path):
    app = flask.Flask("agent")
    app.add_url_rule(
        "/1.0/certificate",
        view_func=make_certificate_view(str(path), AMPHORA),
        methods=["PUT"],
    )
    client = app.test_client()
    pem = b"".join(issue())
    assert client.put("/1.0/certificate", data=pem).status_code == 202
    refused = client.put("/1.0/certificate", data=pem[:100])
    assert refused.status_code == 400
    assert refused.json["message"] == "Invalid certificate"
    assert path.read_bytes() == pem
