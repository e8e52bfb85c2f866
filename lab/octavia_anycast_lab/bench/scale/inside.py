# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Runs a module in the control namespace, in the place of the controller.

``python -m MODULE OUTPUT ORDER OCTAVIA-ARGUMENTS``: ORDER is JSON, and what it
found is written to OUTPUT as JSON.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import typing

from octavia_anycast_lab.bench import world
from octavia_anycast_lab.cloud import controller, service
from octavia_anycast_lab.host import netns

_LIMIT_SECONDS = 900.0


def run(lab: world.World, module: str, **order: typing.Any) -> typing.Any:
    """Run it while the lab's controller rests; returns what it found.

    :raises CalledProcessError: it failed; its log says why.
    """
    controller.stop(lab.registry)
    try:
        return _run(lab, module, order)
    finally:
        controller.start(lab.plane, lab.registry)


def _run(
    lab: world.World, module: str, order: dict[str, typing.Any]
) -> typing.Any:
    label = module.rpartition(".")[2].replace("_", "-")
    with tempfile.TemporaryDirectory(prefix=f"octavia-anycast-{label}-") as at:
        output = pathlib.Path(at) / "result.json"
        with lab.plane.log(label).open("ab") as log:
            subprocess.run(
                [
                    *("nsenter", f"--net={netns.path(lab.plane.namespace)}"),
                    *("--", sys.executable, "-m", module),
                    *(str(output), json.dumps(order)),
                    *controller.config_arguments(lab.plane),
                ],
                env=service.environment(lab.plane),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=_LIMIT_SECONDS,
                check=True,
            )
        return json.loads(output.read_text("utf-8"))
