# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""One request from the lab's client; a redirect is shown, not followed.

``python -m octavia_anycast_lab.traffic.fetch ADDRESS PORT PATH`` prints the
status and the headers as JSON.
"""

import dataclasses
import http.client
import json
import sys

from octavia_anycast_lab import settings
from octavia_anycast_lab.host import netns

_TIMEOUT_SECONDS = 5.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the load balancer answered; 0 if it did not."""

    status: int
    location: str | None = None


def fetch(
    lab: settings.Lab, address: settings.Address, port: int, path: str
) -> Answer:
    """Ask from the client's namespace."""
    argv = [sys.executable, "-m", __name__, str(address), str(port), path]
    done = netns.run(lab.namespace(settings.CLIENT), argv, check=False)
    if done.returncode:
        return Answer(status=0)
    return Answer(**json.loads(done.stdout))


def main(arguments: list[str]) -> None:
    """Entry point inside the namespace."""
    address, port, path = arguments
    connection = http.client.HTTPConnection(
        address, int(port), timeout=_TIMEOUT_SECONDS
    )
    connection.request("GET", path, headers={"Host": "lab.example"})
    response = connection.getresponse()
    response.read()
    answer = Answer(
        status=response.status, location=response.getheader("Location")
    )
    print(json.dumps(dataclasses.asdict(answer)))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
