# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Print each test of a stream of subunit v2 as a line of JSON.

Run by the Python that has tempest, which has subunit, too; it imports nothing
of the lab. One line a test: id, status (success, fail, skip), reason.
"""

import json
import sys
from typing import Any

import subunit
import testtools


def main() -> None:
    """Read standard input."""
    stream = subunit.ByteStreamToStreamResult(sys.stdin.buffer)
    result = testtools.StreamToDict(_show)
    result.startTestRun()
    stream.run(result)
    result.stopTestRun()


def _show(test: dict[str, Any]) -> None:
    details = {
        name: content.as_text()
        for name, content in test["details"].items()
        if name in ("reason", "traceback")
    }
    line = {
        "id": test["id"],
        "status": test["status"],
        "reason": details.get("reason", details.get("traceback", "")),
    }
    sys.stdout.write(f"{json.dumps(line)}\n")


if __name__ == "__main__":
    main()
