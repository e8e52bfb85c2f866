# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's and the clouds' exceptions, mapped once to ours.

Layer: octavia_adapter.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import requests
from keystoneauth1 import exceptions as keystone_exceptions
from octavia.amphorae.driver_exceptions import exceptions as amphora_exceptions
from octavia.amphorae.drivers.haproxy import exceptions as agent_exceptions
from octavia.common import exceptions as octavia_exceptions
from octavia.network import base as network_base
from openstack import exceptions as sdk_exceptions

from octavia_anycast.model.errors import Permanent, Retryable

_REFUSED = (
    agent_exceptions.InvalidRequest,
    octavia_exceptions.InvalidOption,
    octavia_exceptions.CertificateRetrievalException,
)
_MAY_PASS = (
    agent_exceptions.APIException,
    amphora_exceptions.AmphoraDriverError,
    octavia_exceptions.OctaviaException,
    octavia_exceptions.APIException,
    network_base.NetworkException,
    keystone_exceptions.ClientException,
    sdk_exceptions.SDKException,
    requests.RequestException,
)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise our own errors for those of the libraries below.

    :param what: what was being done, as the beginning of a sentence
    :raises Permanent: if the other side refused the request itself.
    :raises Retryable: for anything that may pass.
    """
    try:
        yield
    except _REFUSED as e:
        raise Permanent(f"{what} was refused: {_text(e)}") from e
    except _MAY_PASS as e:
        raise Retryable(f"{what} failed: {_text(e)}") from e


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
