# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Certificates and revocation lists of listeners and pools.

Reading them from the key manager and uploading them to an amphora is
Octavia's code. What its errors mean is told apart here: a secret whose
content cannot be used is refused, and a secret that cannot be read just now
is not (ADR 0090). Octavia raises the same exception for both; the key
manager's own is in the chain of contexts.

Layer: octavia_adapter.
"""

from collections.abc import Iterator
from typing import Any

from octavia.common import exceptions

from octavia_anycast.model.errors import ContentRefused, Retryable
from octavia_anycast.octavia_adapter.load_balancers import (
    LoadBalancerTree,
    haproxy_listeners,
)

# What is wrong with the content of a secret.
_BAD_CONTENT = (
    exceptions.MissingCertSubject,
    exceptions.UnreadableCert,
    exceptions.MisMatchedKey,
    exceptions.NeedsPassphrase,
    exceptions.UnreadablePKCS12,
)
# How the key managers say that they could not read a secret.
_UNREAD = (
    exceptions.CertificateRetrievalException,
    exceptions.CertificateStorageException,
)
UNREAD_RETRY_SECONDS = 10.0


def upload_files(
    driver: Any, tree: LoadBalancerTree, amphora: Any
) -> dict[str, Any]:
    """Upload what the listeners refer to.

    :returns: the file names that Octavia's template wants
    :raises ContentRefused: a secret's content cannot be used.
    :raises Retryable: a secret cannot be read now; nothing was pushed.
    """
    files: dict[str, Any] = {}
    blamed: dict[str, str] = {}
    for listener in haproxy_listeners(tree.model):
        try:
            files |= _files_of(driver, tree, amphora, listener)
        except (*_BAD_CONTENT, *_UNREAD) as e:
            sentence = _bad_content(e)
            if not sentence:
                raise _unread(listener.id, e) from e
            blamed[listener.id] = sentence
    if blamed:
        sentence = "; ".join(blamed.values())
        raise ContentRefused(sentence, sentence, blamed=blamed)
    return files


def _files_of(
    driver: Any, tree: LoadBalancerTree, amphora: Any, listener: Any
) -> dict[str, Any]:
    found = driver._process_tls_certificates(listener, amphora, tree.id)
    files = {listener.tls_certificate_id: found["tls_cert"]}
    for reference in (
        listener.client_ca_tls_certificate_id,
        listener.client_crl_container_id,
    ):
        files[reference] = driver._process_secret(
            listener, reference, amphora, tree.id
        )
    files |= driver._process_listener_pool_certs(listener, amphora, tree.id)
    return files


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _bad_content(error: Exception) -> str:
    """What is wrong with the content; empty: it could not be read."""
    for one in _chain(error):
        if isinstance(one, _BAD_CONTENT):
            reference = getattr(error, "kwargs", {}).get("ref", "")
            text = f"{one}".rstrip(".")
            return f"{text} ({reference})" if reference else text
    return ""


def _unread(listener_id: str, error: Exception) -> Retryable:
    """Say which secret could not be read, in the key manager's words."""
    last = error.__cause__ or error.__context__
    words = f": {last}" if last is not None and str(last) else ""
    return Retryable(
        f"Listener {listener_id} keeps the configuration that it has: "
        f"{str(error).rstrip('.')}{words}",
        after_seconds=UNREAD_RETRY_SECONDS,
    )
