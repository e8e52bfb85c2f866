# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``octavia-anycast-manage housekeeping``: each chore by hand.

They do what a running controller does from time to time, beside it: the
locks are the controllers' own.

Layer: cmd.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from octavia_anycast.cmd.tables import NONE, say, show, show_json
from octavia_anycast.model import codec
from octavia_anycast.model.housekeeping import Finding, Order, Outcome, Rotated

# The chore was done, but not all of it.
EXIT_UNDONE = 3
WAIT_SECONDS = 30.0
FORMATS = ("table", "json")
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
    purging = _add(chores, "purge", purge)
    rotating = _add(chores, "rotate-certificates", rotate)
    sweeping = _add(chores, "sweep", sweep)
    rotating.add_argument(
        "--load-balancer",
        metavar="ID",
        help="only the amphorae of this load balancer",
    )
    rotating.add_argument(
        "--all",
        action="store_true",
        help="also those whose certificate does not end soon",
    )
    for parser in (purging, rotating, sweeping):
        parser.add_argument(
            "--dry-run", action="store_true", help="only say what it would do"
        )
        parser.add_argument(
            "-f", "--format", choices=FORMATS, default=FORMATS[0]
        )
        parser.add_argument(
            "--wait",
            type=float,
            default=WAIT_SECONDS,
            metavar="SECONDS",
            help="how long to wait while somebody else is at it "
            "(default: %(default)s)",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line says; the parser's answers do not last."""

    is_dry_run: bool
    is_json: bool
    wait_seconds: float
    order: Order


def _asked(command: Any) -> Asked:
    is_rotation = command.action == "rotate-certificates"
    return Asked(
        is_dry_run=command.dry_run,
        is_json=command.format == "json",
        wait_seconds=command.wait,
        order=Order(
            is_forced=command.all, load_balancer_id=command.load_balancer
        )
        if is_rotation
        else Order(),
    )


def _add(parsers: Any, name: str, run: Any) -> Any:
    parser = parsers.add_parser(name, help=run.__doc__.splitlines()[0])
    parser.set_defaults(
        prepare=lambda conf: partial(
            run, list(conf.config_file), _asked(conf.command)
        )
    )
    return parser


def purge(config_files: list[str], asked: Asked) -> int:
    """Remove records of what is long gone."""
    from octavia_anycast.cmd import one_shot

    counts = one_shot.purge(
        config_files,
        is_dry_run=asked.is_dry_run,
        wait_seconds=asked.wait_seconds,
    )
    if asked.is_json:
        show_json({"is_dry_run": asked.is_dry_run, "rows": counts})
        return 0
    _show_counts(counts, "WOULD BE REMOVED" if asked.is_dry_run else "REMOVED")
    return 0


def rotate(config_files: list[str], asked: Asked) -> int:
    """Replace certificates of amphorae that end soon."""
    from octavia_anycast.cmd import one_shot

    lines = one_shot.rotate(
        config_files,
        asked.order,
        is_dry_run=asked.is_dry_run,
        wait_seconds=asked.wait_seconds,
    )
    if asked.is_json:
        show_json(
            {
                "is_dry_run": asked.is_dry_run,
                "certificates": [codec.to_document(x) for x in lines],
            }
        )
    else:
        _show_rotated(lines)
    return _exit_code(lines)


def sweep(config_files: list[str], asked: Asked) -> int:
    """Remove servers, ports, groups, rows and paths that nothing owns."""
    from octavia_anycast.cmd import one_shot

    findings = one_shot.sweep(
        config_files,
        is_dry_run=asked.is_dry_run,
        wait_seconds=asked.wait_seconds,
    )
    if asked.is_json:
        show_json(
            {
                "is_dry_run": asked.is_dry_run,
                "orphans": [_document(x) for x in findings],
            }
        )
    else:
        _show_findings(findings)
    return _exit_code(findings)


def _exit_code(lines: Sequence[Rotated] | Sequence[Finding]) -> int:
    is_undone = any(line.outcome in _UNDONE for line in lines)
    return EXIT_UNDONE if is_undone else 0


def _document(finding: Finding) -> Any:
    document = codec.to_document(finding)
    orphan = document.pop("orphan")
    return orphan | document


def _show_counts(counts: Mapping[str, int], header: str) -> None:
    show(("TABLE", header), sorted(counts.items()))


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
