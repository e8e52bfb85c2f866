# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``PUT /1.0/config`` of our agent: Octavia's code, run for itself."""

import json
import os
import subprocess
import sys

AGENT = """
import json, queue, sys
from types import SimpleNamespace
import flask
from octavia.cmd import agent as stock
from octavia.common import config
from oslo_config import cfg
from octavia_anycast.octavia_adapter.amphora import amphora_agent

HEARTBEATS = queue.Queue()
found = {}

def main():
    # What Octavia's main does, without gunicorn and heartbeats.
    config.init(sys.argv[1:])
    server = stock.server.Server(HEARTBEATS)
    client = server.app.test_client()
    before = cfg.CONF.health_manager.heartbeat_interval
    answer = client.put(
        "/1.0/config",
        data=b"[health_manager]\\nheartbeat_interval = 7\\n",
    )
    found.update(
        status=answer.status_code,
        before=before,
        after=cfg.CONF.health_manager.heartbeat_interval,
        told=HEARTBEATS.get_nowait(),
    )

stock.main = main
amphora_agent.main(
    lambda: flask.Blueprint("ours", "ours"),
    lambda *_: lambda: None,
    SimpleNamespace(ready=lambda: None, beat=lambda: None),
    lambda namespace, path: "",
    lambda known, seconds: "",
)
print(json.dumps(found))
"""


def test_the_agent_takes_a_new_configuration_while_it_runs(tmp_path):
    directory = tmp_path / ".octavia"
    directory.mkdir()
    path = directory / "amphora-agent.conf"
    path.write_text("[health_manager]\nheartbeat_interval = 3\n")

    ended = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            AGENT,
            "--config-file",
            str(path),
        ],
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout.splitlines()[-1])
    assert found == {
        "status": 202,
        "before": 3,
        "after": 7,
        "told": "reload",
    }
    assert path.read_text() == "[health_manager]\nheartbeat_interval = 7\n"
