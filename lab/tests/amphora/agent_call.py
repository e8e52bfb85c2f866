# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The agent client from a command line, for tests in the control namespace.

``python agent_call.py PKI put|report AMPHORA_ID ADDRESS [PORT]``: the desired
state on standard input, the report or the refusal on standard output; JSON.
"""

import json
import sys
from ipaddress import ip_address

from octavia_anycast.agent_client.amphora_client import AmphoraClient
from octavia_anycast.model import codec
from octavia_anycast.model.errors import InvalidRequest


def call(
    pki: str, verb: str, amphora_id: str, address: str, port: str = "9443"
) -> dict:
    """Make one call."""
    client = AmphoraClient(
        ca_file=f"{pki}/server-ca.pem",
        client_cert_file=f"{pki}/client.pem",
        port=int(port),
    )
    where = amphora_id, ip_address(address)
    if verb == "report":
        return codec.to_document(client.get_report(*where))
    state = codec.desired_state_from(json.load(sys.stdin))
    try:
        client.put_state(*where, state)
    except InvalidRequest as e:
        return {"field": e.field, "reason": e.reason}
    return {}


if __name__ == "__main__":
    print(json.dumps(call(*sys.argv[1:])))  # noqa: T201 - the interface
