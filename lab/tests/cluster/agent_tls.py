# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What an agent's TLS port shows, for tests in the control namespace.

``python agent_tls.py PKI AMPHORA_ID ADDRESS`` prints one JSON object:
``serial`` of the certificate shown to the controller, which must be the
amphora's, and the ``status`` of a GET; ``stranger``: the same status for a
caller without a certificate, or why there was none.
"""

import http.client
import json
import ssl
import sys

from cryptography import x509

PORT = 9443
PATH = "/1.0/anycast"
SECONDS = 20.0


class _Connection(http.client.HTTPSConnection):
    """Expects the amphora's name, whatever address is dialled."""

    def __init__(self, address: str, name: str, context: ssl.SSLContext):
        super().__init__(address, PORT, timeout=SECONDS, context=context)
        self._name = name

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = self._context.wrap_socket(
            self.sock, server_hostname=self._name
        )


def get(
    pki: str, amphora_id: str, address: str, *, is_controller: bool
) -> tuple[int, int]:
    """Serial number shown, and status of the answer."""
    context = ssl.create_default_context(cafile=f"{pki}/server-ca.pem")
    if is_controller:
        context.load_cert_chain(f"{pki}/client.pem")
    connection = _Connection(address, amphora_id, context)
    try:
        connection.request("GET", PATH)
        shown = connection.sock.getpeercert(binary_form=True)
        status = connection.getresponse().status
    finally:
        connection.close()
    return x509.load_der_x509_certificate(shown).serial_number, status


def look(pki: str, amphora_id: str, address: str) -> dict:
    """Call it as the controller, and as nobody."""
    serial, status = get(pki, amphora_id, address, is_controller=True)
    try:
        _, stranger = get(pki, amphora_id, address, is_controller=False)
    except (OSError, http.client.HTTPException) as e:
        stranger = type(e).__name__
    return {"serial": serial, "status": status, "stranger": stranger}


if __name__ == "__main__":
    print(json.dumps(look(*sys.argv[1:])))  # noqa: T201 - the interface
