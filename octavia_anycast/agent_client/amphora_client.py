# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The controller's side of the agent contract: HTTPS with both certificates.

The agent's certificate must name the amphora (its common name is the
amphora's id, as Octavia issues it), whatever address was dialled.

Layer: distributor. The one place that calls agents over HTTP.
"""

import socket
import ssl
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import requests
import requests.adapters
from cryptography import x509
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection

from octavia_anycast.model import codec
from octavia_anycast.model.errors import (
    InvalidRequest,
    NoConnection,
    Permanent,
    Retryable,
)
from octavia_anycast.model.wire import DesiredState, Report

_PATH = "/1.0/anycast"
# Answers that time may cure: the agent starts, or its daemon does.
_RETRYABLE = frozenset({404, 408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """Seconds; reading includes the agent's queue (one call at a time).

    ``connect_seconds``: until its kernel answers; ``handshake_seconds``:
    until the agent does, with TLS.
    """

    connect_seconds: float = 2.0
    handshake_seconds: float = 2.0
    read_seconds: float = 10.0


class _NamedAdapter(requests.adapters.HTTPAdapter):
    """Expects one name in the certificate instead of the address."""

    def __init__(self, name: str, pool: type[HTTPSConnectionPool]) -> None:
        self._name = name
        self._pool = pool
        super().__init__(pool_connections=1, pool_maxsize=2)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        kwargs["assert_hostname"] = self._name
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"https": self._pool}


def _pool_class(connect_seconds: float) -> type[HTTPSConnectionPool]:
    """Connections whose TCP part has less time than the handshake.

    For requests both are one: the time to connect.
    """

    class Connection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            whole, self.timeout = self.timeout, connect_seconds
            try:
                made = super()._new_conn()
            finally:
                self.timeout = whole
            made.settimeout(whole)
            return made

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection

    return Pool


class AmphoraClient:
    """Calls the agents of many amphorae; may be used by many threads.

    A connection a call: the agent (gunicorn's sync worker) keeps none.
    """

    def __init__(
        self,
        *,
        ca_file: str,
        client_cert_file: str,
        port: int = 9443,
        timeout: Timeout | None = None,
    ) -> None:
        self._ca_file = ca_file
        self._client_cert_file = client_cert_file
        self._port = port
        self._timeout = timeout or Timeout()
        self._pool = _pool_class(self._timeout.connect_seconds)

    def get_report(
        self, amphora_id: str, address: IPv4Address | IPv6Address
    ) -> Report:
        """Ask an agent what is.

        :raises NoConnection: nobody answers at its address.
        :raises Retryable: it cannot be reached, or not now.
        :raises Permanent: it answers what it must not.
        """
        answer = self._call("GET", amphora_id, address, None)
        try:
            report = codec.report_from(answer.json())
        except (ValueError, InvalidRequest) as e:
            raise Permanent(
                f"amphora {amphora_id} answered no report: {e}"
            ) from e
        if report.amphora_id != amphora_id:
            raise Permanent(
                f"amphora {amphora_id} answered for {report.amphora_id}"
            )
        return report

    def put_state(
        self,
        amphora_id: str,
        address: IPv4Address | IPv6Address,
        state: DesiredState,
    ) -> None:
        """Hand an agent its desired state, whole.

        :raises InvalidRequest: it refuses, and nothing has changed there.
        :raises Retryable: it cannot be reached, or not now.
        :raises Permanent: it answers what it must not.
        """
        document = codec.to_document(state)
        self._call("PUT", amphora_id, address, document)

    def served_serial(
        self, amphora_id: str, address: IPv4Address | IPv6Address
    ) -> int:
        """Read the serial number of the certificate that an agent shows.

        :raises Retryable: it cannot be reached, or what it shows is not
            valid for this amphora.
        """
        context = ssl.create_default_context(cafile=self._ca_file)
        context.load_cert_chain(self._client_cert_file)
        timeout = self._timeout.connect_seconds + self._timeout.read_seconds
        try:
            with (
                socket.create_connection(
                    (str(address), self._port), timeout
                ) as connection,
                context.wrap_socket(
                    connection, server_hostname=amphora_id
                ) as session,
            ):
                shown = session.getpeercert(binary_form=True)
        except OSError as e:
            raise Retryable(
                f"amphora {amphora_id} at {address} cannot be reached: {e}"
            ) from e
        return x509.load_der_x509_certificate(shown or b"").serial_number

    def _call(
        self,
        method: str,
        amphora_id: str,
        address: IPv4Address | IPv6Address,
        document: Any,
    ) -> requests.Response:
        host = f"[{address}]" if address.version == 6 else str(address)
        session = requests.Session()
        session.trust_env = False  # no proxy between us
        session.mount("https://", _NamedAdapter(amphora_id, self._pool))
        try:
            with session:
                answer = session.request(
                    method,
                    f"https://{host}:{self._port}{_PATH}",
                    json=document,
                    verify=self._ca_file,
                    cert=self._client_cert_file,
                    timeout=(
                        self._timeout.handshake_seconds,
                        self._timeout.read_seconds,
                    ),
                    allow_redirects=False,
                )
        except requests.ConnectTimeout as e:
            # Its kernel would have answered, however busy the agent is.
            raise NoConnection(
                f"amphora {amphora_id} at {address} cannot be reached: {e}"
            ) from e
        except requests.RequestException as e:
            # A wrong certificate too: it may be renewed on either side.
            raise Retryable(
                f"amphora {amphora_id} at {address} cannot be reached: {e}"
            ) from e
        _check(amphora_id, answer)
        return answer


def _check(amphora_id: str, answer: requests.Response) -> None:
    """Map an answer to the errors of the domain."""
    status = answer.status_code
    if status == 200:
        return
    if status == 400:
        try:
            body = answer.json()
            error = InvalidRequest(str(body["field"]), str(body["reason"]))
        except (ValueError, KeyError, TypeError):
            pass
        else:
            raise error
    message = f"amphora {amphora_id} answered {status}: {answer.text[:200]}"
    if status in _RETRYABLE:
        raise Retryable(message)
    raise Permanent(message)
