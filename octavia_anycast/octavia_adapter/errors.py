# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's and the clouds' exceptions, mapped once to ours.

An answer of Neutron, Nova, Glance, Cinder or Keystone is mapped by its HTTP
status, in ``_BY_STATUS``. Octavia's drivers wrap the clients' exceptions, so
the answer is searched in the chain of causes.

Layer: octavia_adapter.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
from cinderclient import exceptions as cinder_exceptions
from glanceclient import exc as glance_exceptions
from keystoneauth1 import exceptions as keystone_exceptions
from novaclient import exceptions as nova_exceptions
from octavia.amphorae.driver_exceptions import exceptions as amphora_exceptions
from octavia.amphorae.drivers.haproxy import exceptions as agent_exceptions
from octavia.common import exceptions as octavia_exceptions
from octavia.network import base as network_base
from openstack import exceptions as sdk_exceptions

from octavia_anycast.model.errors import (
    AnycastError,
    NoRoom,
    Permanent,
    Retryable,
)

# HTTP status -> whether the same request will be refused again. The other
# 4xx will, the other 5xx may not.
_BY_STATUS = {
    400: True,
    401: False,  # the token has expired: the request was not judged
    403: True,  # Nova's quota, too
    404: True,
    408: False,
    409: False,  # busy, or in use; but see _FINAL_CONFLICTS
    412: False,
    413: True,  # Nova's quota; with Retry-After it is a rate limit
    423: False,
    425: False,
    429: False,
    501: True,
}
# Neutron's errors with status 409 that stay until somebody acts.
_FINAL_CONFLICTS = frozenset(
    {
        "ExternalIpAddressExhausted",
        "IpAddressAlreadyAllocated",
        "IpAddressGenerationFailure",
        "IpAddressGenerationFailureNoMatchingSubnet",
        "IpAddressInUse",
        "MacAddressInUse",
        "OverQuota",
    }
)
# The word is in Nova's and in Neutron's sentences; their statuses differ.
_OF_QUOTA = re.compile(r"\bquota\b", re.IGNORECASE)
# Octavia's exceptions that say the same without a client's exception.
_REFUSED = (
    agent_exceptions.InvalidRequest,
    octavia_exceptions.InvalidOption,
    octavia_exceptions.CertificateRetrievalException,
    octavia_exceptions.ImageGetException,
    network_base.NetworkNotFound,
    network_base.SubnetNotFound,
    network_base.PortNotFound,
    network_base.QosPolicyNotFound,
    network_base.SecurityGroupNotFound,
    network_base.VIPInUseException,
)
_CLIENTS = (
    keystone_exceptions.ClientException,
    sdk_exceptions.SDKException,
    nova_exceptions.ClientException,
    glance_exceptions.ClientException,
    glance_exceptions.CommunicationError,
    cinder_exceptions.ClientException,
    requests.RequestException,
)
_MAY_PASS = (
    agent_exceptions.APIException,
    amphora_exceptions.AmphoraDriverError,
    octavia_exceptions.OctaviaException,
    octavia_exceptions.APIException,
    network_base.NetworkException,
    *_CLIENTS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The error that a service of the cloud answered.

    :param status: the HTTP status; None: it did not answer
    :param sentence: the service's own words
    :param is_final: whether the same request will be refused again
    """

    status: int | None
    sentence: str
    is_final: bool


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise our own errors for those of the libraries below.

    :param what: what was being done, as the beginning of a sentence
    :raises Permanent: if the other side refused the request itself.
    :raises Retryable: for anything that may succeed later.
    """
    try:
        yield
    except (*_REFUSED, *_MAY_PASS) as e:
        raise as_ours(e, what) from e


def as_ours(error: BaseException, what: str) -> AnycastError:
    """Make our own error of one of the libraries below."""
    answer = answer_of(error)
    if answer is None:
        # Octavia's compute driver wraps whatever it meets.
        refused = [e for e in chain(error) if isinstance(e, _REFUSED)]
        is_final, text = bool(refused), _text((*refused, error)[0])
    else:
        is_final, text = answer.is_final, answer.sentence
    if is_final:
        kind = NoRoom if _OF_QUOTA.search(text) else Permanent
        return kind(f"{what} was refused: {text}")
    return Retryable(f"{what} failed: {text}")


def answer_of(error: BaseException) -> Answer | None:
    """Find what a service of the cloud answered; None: no client raised it.

    The outermost exception of a client is the last answer.
    """
    seen: Any = next(
        (e for e in chain(error) if isinstance(e, _CLIENTS)), None
    )
    if seen is None:
        return None
    status = _status(seen)
    return Answer(
        status=status,
        sentence=_sentence(seen, status),
        is_final=status is not None and _is_final(seen, status),
    )


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error, and what it was raised from."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        is_hidden = seen.__suppress_context__ and seen.__cause__ is None
        seen = None if is_hidden else seen.__cause__ or seen.__context__


def _is_final(error: Any, status: int) -> bool:
    if isinstance(error, keystone_exceptions.ClientException):
        return False  # there was no token: the request was not sent
    if status == 409:
        return _neutron_type(error) in _FINAL_CONFLICTS
    if status == 413 and getattr(error, "retry_after", None):
        return False
    return _BY_STATUS.get(status, status < 500)


def _status(error: Any) -> int | None:
    """Return the HTTP status; each client has another name for it."""
    for name in ("status_code", "http_status", "code"):
        status = getattr(error, name, None)
        if isinstance(status, int) and status >= 400:
            return status
    return None


def _neutron_type(error: Any) -> str:
    try:
        body = error.response.json()
        return str(body["NeutronError"]["type"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return ""


def _sentence(error: Any, status: int | None) -> str:
    """Return the service's words, without addresses and request ids."""
    if status is None:
        return _text(error)
    names = ("details", "message")
    if isinstance(error, nova_exceptions.ClientException):
        names = ("message", "details")
    words = (getattr(error, name, None) for name in names)
    text = next((str(w).strip() for w in words if w), _text(error))
    return f"{text.removesuffix('.')} (HTTP {status})"


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
