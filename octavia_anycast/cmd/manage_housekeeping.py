# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``octavia-anycast-manage housekeeping``: each chore by hand.

The commands do what a controller does from time to time. They may run beside
it, as they take the same locks.

Layer: cmd.
"""

import argparse
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from octavia_anycast.cmd.tables import NONE, say, show, show_json
from octavia_anycast.model import codec
from octavia_anycast.model.housekeeping import Finding, Order, Outcome, Rotated

# The chore was done, but not all of it.
EXIT_UNDONE = 3
WAIT_SECONDS = 30.0
FORMATS = ("table", "json")
ROTATE = "rotate-certificates"
# command -> what it does, and what a JSON document calls its results
CHORES = {
    "purge": ("Remove old records of what does not exist any more.", "rows"),
    ROTATE: (
        "Replace certificates of amphorae that expire soon.",
        "certificates",
    ),
    "sweep": (
        "Remove servers, ports, groups, rows and paths that nothing owns.",
        "orphans",
    ),
}
_UNDONE = (Outcome.FAILED, Outcome.BUSY)
_SWEEP_WORDS = {
    Outcome.FOUND: "would be removed",
    Outcome.DONE: "removed",
    Outcome.YOUNG: "kept: too young",
    Outcome.FOREIGN: "kept: maybe not ours",
}
_ROTATION_WORDS = {
    Outcome.FOUND: "would be replaced",
    Outcome.DONE: "replaced",
}


def add_commands(parsers: Any) -> None:
    """Add the commands to oslo.config's parser."""
    housekeeping = parsers.add_parser(
        "housekeeping", help="what a controller does from time to time"
    )
    chores = housekeeping.add_subparsers(dest="action", required=True)
    for name, (summary, _) in CHORES.items():
        parser = chores.add_parser(name, help=summary)
        parser.set_defaults(prepare=_prepare)
        if name == ROTATE:
            parser.add_argument(
                "--load-balancer",
                metavar="ID",
                help="only the amphorae of this load balancer",
            )
            parser.add_argument(
                "--all",
                action="store_true",
                help="also those whose certificate does not expire soon",
            )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="only show what would be done",
        )
        parser.add_argument(
            "-f", "--format", choices=FORMATS, default=FORMATS[0]
        )
        parser.add_argument(
            "--wait",
            type=_seconds,
            default=WAIT_SECONDS,
            metavar="SECONDS",
            help="how long to wait while somebody else does the same "
            "(default: %(default)s)",
        )


def _seconds(text: str) -> float:
    """Read a duration of the command line; argparse says what is wrong."""
    seconds = float(text)
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of seconds from 0 on"
        )
    return seconds


def _prepare(conf: Any) -> Any:
    """Read the command line; the parser's answers do not last."""
    command = conf.command
    order = None
    if command.action == ROTATE:
        order = Order(
            is_forced=command.all, load_balancer_id=command.load_balancer
        )
    return partial(
        run,
        list(conf.config_file),
        command.action,
        is_json=command.format == "json",
        is_dry_run=command.dry_run,
        wait_seconds=command.wait,
        order=order,
    )


def run(
    config_files: list[str], chore: str, *, is_json: bool, **how: Any
) -> int:
    """Do a chore and print what came of it; the exit code.

    :param how: see :func:`one_shot.do_chore`
    """
    from octavia_anycast.cmd import one_shot

    found = one_shot.do_chore(config_files, chore, **how)
    is_counted = isinstance(found, Mapping)
    if is_json:
        key = CHORES[chore][1]
        results = found if is_counted else [_document(x) for x in found]
        show_json({"is_dry_run": how["is_dry_run"], key: results})
    elif is_counted:
        header = "WOULD BE REMOVED" if how["is_dry_run"] else "REMOVED"
        show(("TABLE", header), sorted(found.items()))
    elif chore == ROTATE:
        _show_rotated(found)
    else:
        _show_findings(found)
    is_undone = not is_counted and any(x.outcome in _UNDONE for x in found)
    return EXIT_UNDONE if is_undone else 0


def _document(line: Rotated | Finding) -> Any:
    document = codec.to_document(line)
    return document.pop("orphan", {}) | document


def _show_rotated(lines: Sequence[Rotated]) -> None:
    if not lines:
        say("No certificate ends soon.")
        return
    show(
        ("AMPHORA", "LOAD BALANCER", "CERTIFICATE ENDS", "OUTCOME", "DETAIL"),
        (
            (
                line.amphora_id,
                line.load_balancer_id or NONE,
                line.expires_at or NONE,
                _ROTATION_WORDS.get(line.outcome, line.outcome.value),
                line.detail or NONE,
            )
            for line in lines
        ),
    )


def _show_findings(findings: Sequence[Finding]) -> None:
    if not findings:
        say("There are no orphans.")
        return
    show(
        ("KIND", "ID", "LOAD BALANCER", "SINCE", "OUTCOME", "REASON"),
        (
            (
                line.orphan.kind,
                line.orphan.id,
                line.orphan.load_balancer_id or NONE,
                line.orphan.since or NONE,
                _SWEEP_WORDS.get(line.outcome, line.outcome.value),
                ": ".join(filter(None, (line.orphan.reason, line.detail))),
            )
            for line in findings
        ),
    )
