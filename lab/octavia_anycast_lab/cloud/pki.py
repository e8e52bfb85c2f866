# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Certificates of a lab: Octavia's two authorities, its client, listeners'.

The server authority signs what amphorae present, the client authority what
the controller presents to them; as Octavia's own guide lays it out.
"""

import datetime
import hashlib
import uuid
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from octavia_anycast_lab import deployment

_LIFETIME = datetime.timedelta(days=365)
_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def write_authorities(plane: deployment.Deployment) -> None:
    """Make both authorities and the controller's client certificate."""
    directory = plane.config_dir / "pki"
    if (directory / "client.pem").exists():
        return
    server_key = rsa.generate_private_key(65537, 2048)
    server_ca = _issue("lab server authority", server_key)
    _write(
        directory / "server-ca.key",
        _key_pem(server_key, plane.secrets.ca_passphrase),
    )
    _write(directory / "server-ca.pem", _pem(server_ca))
    client_ca_key = rsa.generate_private_key(65537, 2048)
    client_ca = _issue("lab client authority", client_ca_key)
    _write(directory / "client-ca.pem", _pem(client_ca))
    client_key = rsa.generate_private_key(65537, 2048)
    client = _issue(
        "octavia-anycast-controller",
        client_key,
        issuer=(client_ca, client_ca_key),
        usage=ExtendedKeyUsageOID.CLIENT_AUTH,
    )
    _write(directory / "client.pem", _pem(client) + _key_pem(client_key))


def store_certificate(
    plane: deployment.Deployment, names: Sequence[str]
) -> str:
    """Make a listener's certificate and store it; returns its reference.

    Octavia's ``local_cert_manager`` finds it under that reference, which is
    what ``--default-tls-container-ref`` and ``--sni-container-refs`` take.
    The first name is the common name, all are alternative names.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _issue(
        names[0], key, usage=ExtendedKeyUsageOID.SERVER_AUTH, names=names
    )
    reference = str(uuid.uuid4())
    store = plane.config_dir / "certificate-store"
    _write(store / f"{reference}.crt", _pem(certificate))
    _write(store / f"{reference}.key", _key_pem(key))
    return reference


def _issue(
    common_name: str,
    key: _Key,
    *,
    issuer: tuple[x509.Certificate, _Key] | None = None,
    usage: x509.ObjectIdentifier | None = None,
    names: Sequence[str] = (),
) -> x509.Certificate:
    """Sign a certificate: with the issuer's key, else with its own."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + _LIFETIME)
        .add_extension(
            x509.BasicConstraints(ca=usage is None, path_length=None),
            critical=True,
        )
        .add_extension(_identifier(key), critical=False)
    )
    if usage is None:
        builder = builder.add_extension(_AUTHORITY_USAGE, critical=True)
    else:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([usage]), critical=False
        )
    if names:
        alternatives = [x509.DNSName(name) for name in names]
        builder = builder.add_extension(
            x509.SubjectAlternativeName(alternatives), critical=False
        )
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256())


def _identifier(key: _Key) -> x509.SubjectKeyIdentifier:
    """By SHA-256 (RFC 7093, method 4), as newer authorities do it.

    Whoever computes an authority's by SHA-1 instead of reading it, issues
    certificates that nobody can verify.
    """
    info = key.public_key().public_bytes(
        serialization.Encoding.DER,
        serialization.PublicFormat.SubjectPublicKeyInfo,
    )
    return x509.SubjectKeyIdentifier(hashlib.sha256(info).digest())


_AUTHORITY_USAGE = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    crl_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: _Key, passphrase: str | None = None) -> str:
    encryption: serialization.KeySerializationEncryption
    if passphrase is None:
        encryption = serialization.NoEncryption()
    else:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        encryption,
    ).decode()


def _write(path: Path, text: str) -> None:
    deployment.write_private(path, text)
