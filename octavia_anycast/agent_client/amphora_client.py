# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The controller's side of the agent contract: HTTPS with both certificates.

The agent's certificate must name the amphora (its common name is the
amphora's id, as Octavia issues it), whatever address was dialled.

Layer: agent_client. The one place that calls agents over HTTP.
"""

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from ipaddress import IPv4Address, IPv6Address

from cryptography import x509

from octavia_anycast.model import codec
from octavia_anycast.model.errors import (
    InvalidRequest,
    NoConnection,
    NotYetValid,
    Permanent,
    Retryable,
)
from octavia_anycast.model.wire import DesiredState, Report

_PATH = "/1.0/anycast"
# OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID.
_NOT_YET_VALID = 9
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

    def get_report(
        self, amphora_id: str, address: IPv4Address | IPv6Address
    ) -> Report:
        """Ask an agent what is.

        :raises NoConnection: nobody answers at its address.
        :raises Retryable: it cannot be reached, or not now.
        :raises Permanent: it answers what it must not.
        """
        answer = self._call("GET", amphora_id, address)
        try:
            report = codec.report_from(json.loads(answer))
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
        document = codec.to_text(state).encode()
        self._call("PUT", amphora_id, address, document)

    def served_serial(
        self, amphora_id: str, address: IPv4Address | IPv6Address
    ) -> int:
        """Read the serial number of the certificate that an agent shows.

        :raises Retryable: it cannot be reached, or what it shows is not
            valid for this amphora.
        """
        patience = self._timeout.read_seconds
        with self._session(amphora_id, address, patience) as session:
            shown = session.getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(shown or b"").serial_number

    def _call(
        self,
        method: str,
        amphora_id: str,
        address: IPv4Address | IPv6Address,
        document: bytes | None = None,
    ) -> bytes:
        patience = self._timeout.handshake_seconds
        with self._session(amphora_id, address, patience) as session:
            session.settimeout(self._timeout.read_seconds)
            connection = HTTPConnection(str(address), self._port)
            connection.sock = session
            connection.request(
                method, _PATH, document, {"Content-Type": "application/json"}
            )
            answer = connection.getresponse()
            content = answer.read()
        _check(amphora_id, answer.status, content)
        return content

    @contextmanager
    def _session(
        self,
        amphora_id: str,
        address: IPv4Address | IPv6Address,
        handshake_seconds: float,
    ) -> Iterator[ssl.SSLSocket]:
        """Open a TLS session with an agent; an error within is mapped too."""
        where = f"amphora {amphora_id} at {address}"
        try:
            # Somebody may be renewing these files.
            context = ssl.create_default_context(cafile=self._ca_file)
            context.load_cert_chain(self._client_cert_file)
            connection = socket.create_connection(
                (str(address), self._port), self._timeout.connect_seconds
            )
        except TimeoutError as e:
            # Its kernel would have answered, however busy the agent is.
            raise NoConnection(f"{where} cannot be reached: {e}") from e
        except OSError as e:
            raise Retryable(f"{where} cannot be reached: {e}") from e
        try:
            connection.settimeout(handshake_seconds)
            # Small documents would wait for the acknowledgement of headers.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with context.wrap_socket(
                connection, server_hostname=amphora_id
            ) as session:
                yield session
        except ssl.SSLError as e:
            # Time may cure it: certificates are renewed on either side.
            kind = NotYetValid if _is_not_yet_valid(e) else Retryable
            raise kind(f"{where} {_what_tls_says(e)}") from e
        except (OSError, HTTPException) as e:
            raise Retryable(f"{where} cannot be reached: {e}") from e
        finally:
            connection.close()


def _is_not_yet_valid(error: ssl.SSLError) -> bool:
    """By the clock of this host; that of whoever made it is another one."""
    return (
        isinstance(error, ssl.SSLCertVerificationError)
        and error.verify_code == _NOT_YET_VALID
    )


def _what_tls_says(error: ssl.SSLError) -> str:
    """Whose certificate is refused, if one is."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"shows a certificate that is not valid for it: {error}"
    if "_ALERT_" in (error.reason or ""):
        return f"refuses the controller's certificate, or its TLS: {error}"
    return f"cannot be reached: {error}"


def _check(amphora_id: str, status: int, content: bytes) -> None:
    if status == 200:
        return
    if status == 400:
        try:
            body = json.loads(content)
            error = InvalidRequest(str(body["field"]), str(body["reason"]))
        except (ValueError, KeyError, TypeError):
            pass
        else:
            raise error
    text = content.decode(errors="replace")[:200]
    message = f"amphora {amphora_id} answered {status}: {text}"
    if status in _RETRYABLE:
        raise Retryable(message)
    raise Permanent(message)
