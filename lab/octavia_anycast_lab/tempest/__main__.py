# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``python -m octavia_anycast_lab.tempest``: what ``make test-tempest`` runs.

Brings a lab up, runs tempest in its control namespace by another Python
environment, says what failed, what was skipped against the list, and how long
it took. The lab goes at the end, unless OA_LAB_KEEP is set.
"""

import argparse
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

from octavia_anycast_lab import (
    cleanup,
    deployment,
    down,
    lock,
    settings,
    shell,
    up,
)
from octavia_anycast_lab.api import distributors, rest
from octavia_anycast_lab.cli import EXPECTED
from octavia_anycast_lab.cloud import octavia_api
from octavia_anycast_lab.progress import Progress
from octavia_anycast_lab.tempest import configuration, processes, results

TEST_LAB = "oatt"
RESYNC_SECONDS = "20"
PROCESSES = 6
OURS = "octavia_anycast_tempest_plugin."
OCTAVIAS = "octavia_tempest_plugin.tests.api."
PARTS = {"ours": OURS, "octavia": OCTAVIAS}
_READER = pathlib.Path(__file__).with_name("read_subunit.py")


def main() -> None:
    """Exit with 1 if something is not as it should be."""
    options = _parser().parse_args()
    # SIGTERM ends a run as Ctrl-C does: the lab is removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    lab = settings.Lab.from_environment(
        os.environ.get(settings.LAB_ENVIRONMENT, TEST_LAB)
    )
    try:
        with _lab_up(lab) as plane:
            wrong = _run_parts(plane, options)
    except EXPECTED as error:
        sys.exit(f"test-tempest: {error}")
    except KeyboardInterrupt:
        sys.exit("test-tempest: interrupted")
    for sentence in wrong:
        _say(sentence)
    sys.exit(1 if wrong else 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="test-tempest")
    parser.add_argument("bin", type=pathlib.Path, help="where tempest is")
    parser.add_argument("skips", type=pathlib.Path, help="the list of skips")
    parser.add_argument("--part", choices=sorted(PARTS), help="one part alone")
    parser.add_argument(
        "--only", default="", help="a regular expression of ids: these alone"
    )
    parser.add_argument("--concurrency", type=int, default=PROCESSES)
    return parser


@contextlib.contextmanager
def _lab_up(lab: settings.Lab) -> Iterator[deployment.Deployment]:
    """Bring the lab up, and remove it, also what came up of it.

    One amphora is enough for calls; our tests ask for as many as they need.
    Most of Octavia's tests change a load balancer and wait: in between the
    controller need not look at it.
    """
    os.environ.setdefault(octavia_api.SIZE_ENVIRONMENT, "1")
    os.environ.setdefault(octavia_api.RESYNC_ENVIRONMENT, RESYNC_SECONDS)
    is_ours = True
    try:
        plane = up.up(lab, Progress())
        distributors.ensure_default(rest.Api(plane=plane))
        yield plane
    except lock.BusyError:
        is_ours = False
        raise
    finally:
        if is_ours:
            down.keep_logs(lab)
        if is_ours and not os.environ.get("OA_LAB_KEEP"):
            cleanup.clean(lab)


def _run_parts(
    plane: deployment.Deployment, options: argparse.Namespace
) -> list[str]:
    expected = results.Expected.read(options.skips.read_text())
    workspace = configuration.write(plane, rest.Api(plane=plane))
    runner = Runner(plane, options.bin.resolve(), workspace)
    runner.prepare()
    wrong = []
    for name in (options.part,) if options.part else PARTS:
        wrong += runner.run(name, expected, options)
    return wrong


class Runner:
    """stestr, in the lab's control namespace."""

    def __init__(
        self,
        plane: deployment.Deployment,
        programs: pathlib.Path,
        workspace: pathlib.Path,
    ) -> None:
        self._plane = plane
        self._programs = programs
        self._workspace = workspace

    def run(
        self,
        name: str,
        expected: results.Expected,
        options: argparse.Namespace,
    ) -> list[str]:
        """Run one part; returns what is wrong, in sentences."""
        began = time.monotonic()
        listed = [
            line.partition("[")[0] for line in self._read("stestr", "list")
        ]
        tests, wrong = results.chosen(listed, expected, PARTS[name])
        if options.only:
            pattern = re.compile(options.only)
            tests = [test for test in tests if pattern.search(test)]
        chosen = self._workspace / f"{name}.txt"
        chosen.write_text("".join(f"^{test}(\\[|$)\n" for test in tests))
        workers = self._workspace / f"{name}-workers.yaml"
        shares = processes.shared_out(tests, options.concurrency)
        workers.write_text(processes.worker_file(shares))
        code = self._call(
            "stestr",
            *("run", "--include-list", str(chosen)),
            *("--worker-file", str(workers)),
        )
        # Of a run that did not begin, the results are those of an earlier one.
        found = [
            result
            for result in results.read(self._results(name))
            if result.id.startswith(PARTS[name])
        ]
        failed = list(results.failures(found, PARTS[name]))
        if code and not failed:
            failed = [f"{name}: stestr ended with {code}, no test failed."]
        wrong += failed
        if not options.only:
            wrong += results.other_skips(found, expected, PARTS[name])
        minutes = (time.monotonic() - began) / 60
        counts = {
            status: sum(result.status == status for result in found)
            for status in (results.SUCCESS, results.SKIP, results.FAIL)
        }
        _say(
            f"{name}: {counts[results.SUCCESS]} passed, "
            f"{counts[results.SKIP]} skipped, {counts[results.FAIL]} failed "
            f"in {minutes:.1f} minutes"
        )
        return wrong

    def prepare(self) -> None:
        """Say where the tests are; tempest finds those of its plug-ins."""
        (found,) = self._read(
            "python", "-c", "import tempest; print(tempest.__file__)"
        )
        package = pathlib.Path(found).parent
        (self._workspace / ".stestr.conf").write_text(
            "[DEFAULT]\n"
            f"test_path={package / 'test_discover'}\n"
            f"top_dir={package.parent}\n"
        )
        if not (self._workspace / ".stestr").exists():
            self._read("stestr", "init")

    def _results(self, name: str) -> list[str]:
        stream = self._workspace / f"{name}.subunit"
        with stream.open("wb") as file:
            subprocess.run(
                self._command("stestr", "last", "--subunit"),
                env=self._environment(),
                cwd=self._workspace,
                stdout=file,
                check=False,
            )
        with stream.open("rb") as file:
            done = subprocess.run(
                [self._programs / "python", str(_READER)],
                stdin=file,
                capture_output=True,
                text=True,
                check=True,
            )
        return done.stdout.splitlines()

    def _call(self, program: str, *arguments: str) -> int:
        """Run it, its output shown; returns how it ended, 1: a test failed."""
        done = subprocess.run(
            self._command(program, *arguments),
            env=self._environment(),
            cwd=self._workspace,
            check=False,
        )
        return done.returncode

    def _read(self, program: str, *arguments: str) -> list[str]:
        done = subprocess.run(
            self._command(program, *arguments),
            env=self._environment(),
            cwd=self._workspace,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise LookupError(f"{program} {arguments}: {done.stderr[-2000:]}")
        return done.stdout.splitlines()

    def _command(self, program: str, *arguments: str) -> list[str]:
        return shell.command_line(
            self._plane, [str(self._programs / program), *arguments]
        )

    def _environment(self) -> dict[str, str]:
        return {
            "HOME": str(self._workspace),
            "PATH": f"{self._programs}:{os.environ['PATH']}",
            "TEMPEST_CONFIG_DIR": str(self._workspace),
            "TEMPEST_CONFIG": "tempest.conf",
        }


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
