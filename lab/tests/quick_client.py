# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The unmodified openstack client, loaded once: each command is a fork.

    python quick_client.py serve SOCKET        stay, and run what comes
    python quick_client.py SOCKET ARGUMENTS    run one command there

Loading the client takes longer than most commands. The fork gets the
caller's arguments, environment, directory, input and outputs, so what is
typed behaves as if it had been started anew.
"""

import json
import os
import socket
import sys

LENGTH_BYTES = 4
FAILED = 70


def serve(path: str) -> None:
    """Load the client and all its commands, and run commands for ever."""
    from importlib import metadata

    from openstackclient import shell

    for group in ("openstack.load_balancer.v2", "openstack.extension"):
        for point in metadata.entry_points(group=group):
            point.load()
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    while True:
        caller, _ = server.accept()
        if os.fork():
            caller.close()
            _bury()
            continue
        server.close()
        _run(caller, shell.main)


def _run(caller: socket.socket, main: object) -> None:
    """Be the caller's command; answer with its exit status; no return."""
    head, files, _, _ = socket.recv_fds(caller, LENGTH_BYTES, 3)
    rest = caller.makefile("rb").read(int.from_bytes(head, "big"))
    wanted = json.loads(rest)
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.environ.clear()
    os.environ.update(wanted["environment"])
    os.chdir(wanted["directory"])
    sys.argv = ["openstack", *wanted["arguments"]]
    code = FAILED
    try:
        code = main(wanted["arguments"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        caller.sendall(bytes([code or 0]))
        os._exit(0)


def _bury() -> None:
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return


def call(path: str, arguments: list[str]) -> int:
    """Run one command; returns its exit status."""
    body = json.dumps(
        {
            "arguments": arguments,
            "environment": dict(os.environ),
            "directory": os.getcwd(),
        }
    ).encode()
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        head = len(body).to_bytes(LENGTH_BYTES, "big")
        socket.send_fds(server, [head], [0, 1, 2])
        server.sendall(body)
        return (server.recv(1) or bytes([FAILED]))[0]


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    sys.exit(call(sys.argv[1], sys.argv[2:]))
