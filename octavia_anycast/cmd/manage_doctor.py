# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``octavia-anycast-manage doctor``: what is wrong, and what to type.

The same checks as ``openstack loadbalancer distributor check``, where no API
runs. It asks the agents itself, so no controller has to run either.

Layer: cmd.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from octavia_anycast.cmd.tables import say, show_json
from octavia_anycast.model import codec
from octavia_anycast.planning.doctor.checks import Result, examine
from octavia_anycast.planning.doctor.seen import Severity

# Something is wrong, as opposed to: the command failed (1).
EXIT_ERRORS = 4
FORMATS = ("text", "json")
_WRONG = (Severity.ERROR, Severity.WARNING)


def add_commands(parsers: Any) -> None:
    """Add the command to oslo.config's parser."""
    summary = "Say what is wrong between amphorae and fabric, and what to do."
    parser = parsers.add_parser("doctor", help=summary)
    parser.add_argument(
        "distributor",
        nargs="?",
        metavar="DISTRIBUTOR",
        help="name or ID; without one, all are looked at",
    )
    parser.add_argument(
        "--stored",
        action="store_true",
        help="take what the agents said last instead of asking them now",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="also tell what is well, and what could not be found out",
    )
    parser.add_argument("-f", "--format", choices=FORMATS, default=FORMATS[0])
    parser.set_defaults(prepare=_prepare)


def _prepare(conf: Any) -> Any:
    """Read the command line; the parser's answers do not last."""
    command = conf.command
    return partial(
        run,
        list(conf.config_file),
        command.distributor,
        is_asking=not command.stored,
        is_long=command.all,
        is_json=command.format == "json",
    )


def run(
    config_files: list[str],
    distributor: str | None,
    *,
    is_asking: bool,
    is_long: bool,
    is_json: bool,
) -> int:
    """Look, and print what was found; the exit code."""
    from octavia_anycast.cmd import one_shot

    seen = one_shot.look(config_files, distributor, is_asking=is_asking)
    results = examine(seen)
    chosen = [x for x in results if is_long or x.severity in _WRONG]
    if is_json:
        show_json([_document(result) for result in chosen])
    else:
        for result in chosen:
            _tell(result)
        say(summary_of(results))
    has_error = any(x.severity is Severity.ERROR for x in results)
    return EXIT_ERRORS if has_error else 0


def summary_of(results: Sequence[Result]) -> str:
    """How much was looked at, in one line."""
    total, wrong, unknown = (
        sum(x.count for x in results if x.severity in of)
        for of in (tuple(Severity), _WRONG, (Severity.UNKNOWN,))
    )
    return (
        f"{total} things were checked: {wrong} are wrong, {unknown} are not "
        "known."
    )


def _tell(result: Result) -> None:
    if result.severity is Severity.OK:
        say(f"ok: {result.check}, {result.count} checked")
        return
    say(f"{result.severity}: {result.check}: {result.summary}")
    for line in result.remedy.splitlines():
        say(f"    {line}")
    say(f"    see {result.reference}")


def _document(result: Result) -> dict[str, Any]:
    document: dict[str, Any] = codec.to_document(result)
    subject: dict[str, Any] = document.pop("subject")
    return {**document, **subject, "reference": result.reference}
