# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Secrets of listeners: refused, or only not read."""

from types import SimpleNamespace

import pytest
from keystoneauth1 import exceptions as keystone_exceptions
from octavia.common import exceptions

from octavia_anycast.model.errors import ContentRefused, Retryable
from octavia_anycast.octavia_adapter.amphora.tls_files import (
    held_names,
    upload_files,
)

IN_FORCE = """
frontend other
    bind 198.51.100.10:80
frontend l
    maxconn 5
    bind 198.51.100.10:443 ssl crt-list /c/lb/l.pem ca-file /c/lb/ca.pem \
verify required crl-file /c/lb/crl.pem ciphers X
    default_backend p:l
backend p:l
    mode http
    server m 10.10.0.11:443 weight 1 ssl crt /c/lb/own.pem ca-file \
/c/lb/pca.pem crl-file /c/lb/pcrl.pem verify required
"""


def pool(**fields):
    values = {
        "id": "p",
        "members": ["m"],
        "tls_certificate_id": None,
        "ca_tls_certificate_id": None,
        "crl_container_id": None,
    }
    return SimpleNamespace(**values | fields)


def listener(*pools, **fields):
    values = {
        "id": "l",
        "protocol": "TERMINATED_HTTPS",
        "tls_certificate_id": "tls",
        "client_ca_tls_certificate_id": None,
        "client_crl_container_id": None,
        "pools": list(pools),
        "l7policies": [],
    }
    return SimpleNamespace(**values | fields)


ALL = {
    "client_ca_tls_certificate_id": "ca",
    "client_crl_container_id": "crl",
}


@pytest.mark.parametrize(
    ("one", "held"),
    [
        (listener(), {None: ""}),
        (listener(**ALL), {"ca": "ca.pem", "crl": "crl.pem"}),
        (
            listener(
                pool(
                    tls_certificate_id="t",
                    ca_tls_certificate_id="c",
                    crl_container_id="r",
                )
            ),
            {
                None: "",
                "p": {
                    "client_cert": "/c/lb/own.pem",
                    "ca_cert": "/c/lb/pca.pem",
                    "crl": "/c/lb/pcrl.pem",
                },
            },
        ),
        (listener(pool()), {None: "", "p": {}}),
        (listener(pool(id="q", ca_tls_certificate_id="c")), None),
        (listener(pool(id="q")), {"q": {}}),
        (listener(id="another"), {}),
        (listener(id="other"), None),
    ],
    ids=[
        "plain",
        "clients",
        "pool",
        "plain pool",
        "new pool",
        "new plain pool",
        "new",
        "served without TLS",
    ],
)
def test_what_an_amphora_has_is_read_from_what_it_runs(one, held):
    found = held_names(one, IN_FORCE)
    if held is None:
        assert found is None
        return
    wanted = {key: value for key, value in held.items() if key}
    assert {key: value for key, value in found.items() if key} == wanted


class Driver:
    """Octavia's driver, whose key manager fails as told."""

    def __init__(self, error, context=None):
        self.error, self.context = error, context

    def _process_tls_certificates(self, one, amphora, balancer_id):
        if self.context is None:
            raise self.error
        try:
            raise self.context
        except Exception:  # noqa: BLE001
            raise self.error  # noqa: B904

    def _process_secret(self, *args):
        return None

    def _process_listener_pool_certs(self, *args):
        return {}


WRAPPED = exceptions.CertificateRetrievalException(ref="tls")
CASES = [
    (WRAPPED, exceptions.UnreadablePKCS12(error="asn1"), True),
    (WRAPPED, exceptions.NeedsPassphrase(), True),
    (WRAPPED, exceptions.MisMatchedKey(), True),
    (WRAPPED, exceptions.UnreadableCert(), True),
    (exceptions.MissingCertSubject(), None, True),
    (WRAPPED, OSError("Name or service not known"), False),
    (WRAPPED, keystone_exceptions.ConnectFailure("no Keystone"), False),
    (WRAPPED, TimeoutError("timed out"), False),
    (WRAPPED, None, False),
    (exceptions.CertificateStorageException(msg="gone"), None, False),
    (keystone_exceptions.Unauthorized("no token"), None, False),
]


@pytest.mark.parametrize(("error", "context", "is_bad"), CASES)
def test_bad_content_is_told_from_no_content(error, context, is_bad):
    balancer = SimpleNamespace(id="lb", listeners=[listener()])
    driver = Driver(error, context)
    if is_bad:
        with pytest.raises(ContentRefused) as refusal:
            upload_files(driver, balancer, None, lambda: IN_FORCE)
        assert set(refusal.value.blamed) == {"l"}
        return
    found = upload_files(driver, balancer, None, lambda: IN_FORCE)
    assert set(found.unread) == {"l"}
    assert not found.lacking_ids
    assert upload_files(driver, balancer, None, lambda: "").lacking_ids == {
        "l"
    }


def test_a_served_listener_does_not_lose_what_it_is_to_get():
    """Served without a pool's new CA it would trust anybody."""
    one = listener(pool(id="q", ca_tls_certificate_id="c"))
    balancer = SimpleNamespace(id="lb", listeners=[one])
    with pytest.raises(Retryable, match="listener l stays as it is"):
        upload_files(Driver(WRAPPED), balancer, None, lambda: IN_FORCE)
