# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Certificates and revocation lists of listeners and pools.

Octavia's code reads them from the key manager and uploads them to an amphora.
This module tells its errors apart: a secret whose content cannot be used is
refused, a secret that cannot be read now is tried again (ADR 0099). Octavia
raises the same exception for both; the key manager's own is in the chain of
contexts.

Layer: octavia_adapter.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from keystoneauth1 import exceptions as keystone_exceptions
from octavia.common import exceptions

from octavia_anycast.model.errors import ContentRefused, Retryable
from octavia_anycast.octavia_adapter.errors import chain
from octavia_anycast.octavia_adapter.load_balancer.data_model import (
    haproxy_listeners,
)

# The content of a secret cannot be used.
_BAD_CONTENT = (
    exceptions.MissingCertSubject,
    exceptions.UnreadableCert,
    exceptions.MisMatchedKey,
    exceptions.NeedsPassphrase,
    exceptions.UnreadablePKCS12,
)
# A key manager could not read a secret.
_UNREAD = (
    exceptions.CertificateRetrievalException,
    exceptions.CertificateStorageException,
)
# There is no token, or the key manager cannot be reached.
_CLIENTS = (keystone_exceptions.ClientException,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The file names that Octavia's template needs.

    ``unread``: listener id -> sentence, of those whose secrets cannot be
    read now; ``lacking_ids``: those of them that the amphora does not serve.
    """

    names: dict[str, Any]
    unread: dict[str, str] = field(default_factory=dict)
    lacking_ids: frozenset[str] = frozenset()


def upload_files(
    driver: Any, load_balancer: Any, amphora: Any, in_force: Callable[[], str]
) -> Files:
    """Upload the secrets of the listeners.

    A listener with a secret that cannot be read keeps the files that it has
    in this amphora.

    :param in_force: reads the configuration that the amphora runs
    :raises ContentRefused: a secret's content cannot be used.
    :raises Retryable: a listener that is served needs a file that it does not
        have: without the file it would be another listener.
    """
    names: dict[str, Any] = {}
    blamed: dict[str, str] = {}
    unread: dict[str, str] = {}
    for listener in haproxy_listeners(load_balancer):
        try:
            names |= _files_of(driver, load_balancer.id, amphora, listener)
        except (*_BAD_CONTENT, *_UNREAD, *_CLIENTS) as e:
            sentence = _bad_content(e)
            if sentence:
                blamed[listener.id] = sentence
            else:
                unread[listener.id] = _unread(listener.id, e)
    if blamed:
        sentence = "; ".join(blamed.values())
        raise ContentRefused(sentence, sentence, blamed=blamed)
    if not unread:
        return Files(names=names)
    configuration = in_force()
    held = {
        listener.id: held_names(listener, configuration)
        for listener in haproxy_listeners(load_balancer)
        if listener.id in unread
    }
    short_of = [i for i, found in held.items() if found is None]
    if short_of:
        words = "; ".join(unread[i] for i in short_of)
        raise Retryable(f"Nothing is pushed: {words}", after_seconds=10.0)
    for found in held.values():
        names = (found or {}) | names  # what was read is newer
    return Files(
        names=names,
        unread=unread,
        lacking_ids=frozenset(i for i, found in held.items() if not found),
    )


def held_names(listener: Any, configuration: str) -> dict[str, Any] | None:
    """Read which files an amphora serves the listener with.

    :returns: the names; empty if it does not serve the listener, None if it
        serves it without some of them
    """
    section = _section(configuration, f"frontend {listener.id}")
    if not section:
        return {}
    if listener.tls_certificate_id and "crt-list" not in section:
        return None
    names: dict[str, Any] = {}
    for reference, option in (
        (listener.client_ca_tls_certificate_id, "ca-file"),
        (listener.client_crl_container_id, "crl-file"),
    ):
        path = _option(section, option)
        if reference and not path:
            return None
        names[reference] = os.path.basename(path)
    for pool in _pools(listener):
        found = _held_by_pool(pool, configuration, listener.id)
        if found is None:
            return None
        names[pool.id] = found
    return names


def _held_by_pool(
    pool: Any, configuration: str, listener_id: str
) -> dict[str, str] | None:
    section = _section(configuration, f"backend {pool.id}:{listener_id}")
    found = {}
    for reference, option, name in (
        (pool.tls_certificate_id, "crt", "client_cert"),
        (pool.ca_tls_certificate_id, "ca-file", "ca_cert"),
        (pool.crl_container_id, "crl-file", "crl"),
    ):
        path = _option(section, option)
        if reference and pool.members and not path:
            return None
        if reference and path:
            found[name] = path
    return found


def _pools(listener: Any) -> list[Any]:
    pools = {pool.id: pool for pool in listener.pools}
    for policy in listener.l7policies:
        if policy.redirect_pool is not None:
            pools.setdefault(policy.redirect_pool.id, policy.redirect_pool)
    return list(pools.values())


def _section(configuration: str, head: str) -> str:
    found = re.search(
        rf"^{re.escape(head)}$(.*?)(?=^\S|\Z)",
        configuration,
        re.MULTILINE | re.DOTALL,
    )
    return found[1] if found else ""


def _option(section: str, name: str) -> str:
    found = re.search(rf" {name} (\S+)", section)
    return found[1] if found else ""


def _files_of(
    driver: Any, load_balancer_id: str, amphora: Any, listener: Any
) -> dict[str, Any]:
    found = driver._process_tls_certificates(
        listener, amphora, load_balancer_id
    )
    files = {listener.tls_certificate_id: found["tls_cert"]}
    for reference in (
        listener.client_ca_tls_certificate_id,
        listener.client_crl_container_id,
    ):
        files[reference] = driver._process_secret(
            listener, reference, amphora, load_balancer_id
        )
    files |= driver._process_listener_pool_certs(
        listener, amphora, load_balancer_id
    )
    return files


def _bad_content(error: Exception) -> str:
    """Return what is wrong with the content; empty: it was not read."""
    for one in chain(error):
        if isinstance(one, _BAD_CONTENT):
            reference = getattr(error, "kwargs", {}).get("ref", "")
            text = f"{one}".rstrip(".")
            return f"{text} ({reference})" if reference else text
    return ""


def _unread(listener_id: str, error: Exception) -> str:
    """Say which secret could not be read, in the key manager's words."""
    last = error.__cause__ or error.__context__
    words = f": {last}" if last is not None and str(last) else ""
    text = " ".join(f"{str(error).rstrip('.')}{words}".split())
    return f"listener {listener_id} stays as it is: {text}"
