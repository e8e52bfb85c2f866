# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``make demo`` as a newcomer runs it: a fresh clone, no cache; then again.

Everything but Debian's packages is fetched or built anew: the environment,
the wheels, the database schema, the image. The lab has its own name.
"""

import collections.abc
import os
import pathlib
import subprocess
import tempfile
import time

from octavia_anycast_lab.amphora import image
from octavia_anycast_lab.bench import result

_LAB = "benchd"
_LIMIT_SECONDS = 1200.0
COLD = result.Question(
    name="demo_first",
    unit="s",
    expected="240-330 s: environment 60-90, image 60-90, the demo 100; "
    "without the installation of Debian's packages",
    target=result.Target(quantity="ours", limit=360.0),
)
WARM = result.Question(
    name="demo_second",
    unit="s",
    expected="85-110 s: the lab is up, all is cached",
    target=result.Target(quantity="ours", limit=120.0),
)
AFTER_DOWN = result.Question(
    name="demo_after_lab_down",
    unit="s",
    expected="100-125 s: 15-20 s more than the second one, for the lab",
    target=result.Target(quantity="ours", limit=120.0),
)


def measure(
    say: collections.abc.Callable[[str], None],
) -> tuple[result.Result, ...]:
    """One run of each; the first one takes minutes."""
    results = []
    with tempfile.TemporaryDirectory(prefix="octavia-anycast-bench-") as home:
        clone = pathlib.Path(home) / "clone"
        _call(["git", "clone", "-q", str(image.REPOSITORY), str(clone)])
        environment = {
            **os.environ,
            "XDG_CACHE_HOME": f"{home}/cache",
            "OA_LAB": _LAB,
        }
        try:
            for question, is_down_before in (
                (COLD, False),
                (WARM, False),
                (AFTER_DOWN, True),
            ):
                before = result.load()
                if is_down_before:
                    _make("lab-down", clone, environment)
                took = _make("demo", clone, environment, question.name)
                say(f"{question.name}: {took:.0f} s")
                run = result.Run(ours=took)
                results.append(question.answer([run], before))
        finally:
            _make("lab-down", clone, environment)
    return tuple(results)


def _make(
    target: str,
    clone: pathlib.Path,
    environment: dict[str, str],
    kept_as: str | None = None,
) -> float:
    """Seconds that a make target took; what it printed is kept if asked.

    :raises RuntimeError: it failed; with the end of what it printed.
    """
    began = time.monotonic()
    said = _call(["make", "-C", str(clone), target], environment)
    took = time.monotonic() - began
    if kept_as is not None:
        result.RESULTS.parent.mkdir(parents=True, exist_ok=True)
        result.RESULTS.with_name(f"{kept_as}.txt").write_text(said, "utf-8")
    return took


def _call(argv: list[str], environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        argv,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_LIMIT_SECONDS,
        check=False,
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise RuntimeError(f"{' '.join(argv)} failed:\n{tail}")
    return done.stdout
