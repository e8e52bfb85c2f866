# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``octavia-anycast-manage``: the commands for operators.

Layer: cmd. It reads octavia.conf as Octavia's own commands do. What only
reads our tables does not import Octavia. A command that did part of its
work exits with 3, one that failed with 1, a doctor that found errors with 4.
"""

import logging
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from oslo_config import cfg
from oslo_db import options as oslo_db_options
from oslo_db.exception import DBError

from octavia_anycast import options
from octavia_anycast.cmd import (
    manage_doctor,
    manage_housekeeping,
    manage_state,
)
from octavia_anycast.cmd.tables import say
from octavia_anycast.db import schema
from octavia_anycast.db.engine import Database
from octavia_anycast.model.errors import AnycastError, Permanent

PROGRAM = "octavia-anycast-manage"
_ADDED = ("(Background on this error", "[SQL: ", "[parameters: ")
# The commands that do not need the tables of this release.
MIGRATIONS = "db"
_GROUPS: tuple[tuple[str, str, dict[str, Callable[..., None]]], ...] = (
    (
        MIGRATIONS,
        "migrations of our tables",
        {
            "upgrade": manage_state.upgrade,
            "current": manage_state.current,
            "check": manage_state.check,
        },
    ),
    (
        "distributor",
        "distributors",
        {
            "list": manage_state.distributor_list,
            "check": manage_state.distributor_check,
        },
    ),
)


def reconcile(config_files: list[str], load_balancer_id: str) -> None:
    """Reconcile one load balancer now, as a controller would."""
    from octavia_anycast.cmd import one_shot

    result = one_shot.reconcile(config_files, load_balancer_id)
    if result.is_gone:
        say("The load balancer does not exist (any more).")
    elif result.is_settled:
        say("The load balancer is settled.")
    else:
        say("The load balancer is not settled yet; a controller continues.")


def add_commands(parsers: Any) -> None:
    """Add the commands to oslo.config's parser."""
    for name, summary, runs in _GROUPS:
        group = parsers.add_parser(name, help=summary)
        actions = group.add_subparsers(dest="action", required=True)
        for action, run in runs.items():
            _add(actions, action, run)
    _add(parsers, "status", manage_state.status)
    _add(parsers, "export", manage_state.export)
    one = parsers.add_parser("reconcile", help=_summary(reconcile))
    one.add_argument("load_balancer_id")
    one.set_defaults(
        prepare=lambda conf: partial(
            reconcile, list(conf.config_file), conf.command.load_balancer_id
        )
    )
    manage_housekeeping.add_commands(parsers)
    manage_doctor.add_commands(parsers)


def main(argv: list[str] | None = None) -> int:
    """Entry point; the exit code."""
    conf = cfg.CONF
    command = cfg.SubCommandOpt(
        "command", title="commands", handler=add_commands
    )
    conf.register_cli_opt(command)
    options.register(conf)
    conf.register_opts(oslo_db_options.database_opts, group="database")
    # It logs, with a traceback, what is said below in a sentence.
    logging.getLogger("oslo_db").setLevel(logging.CRITICAL)
    try:
        _read_configuration(conf, sys.argv[1:] if argv is None else argv)
        if conf.command.name != MIGRATIONS:
            with _database(conf).transaction() as session:
                schema.require(session)
        task = conf.command.prepare(conf)
        _forget(conf, command)
        return task() or 0
    except (AnycastError, cfg.Error, DBError) as e:
        sys.stderr.write(f"{PROGRAM}: {_sentence(e)}\n")
        return 1
    finally:
        _forget(conf, command)


def _read_configuration(conf: Any, argv: list[str]) -> None:
    try:
        conf(args=argv, project="octavia", prog=PROGRAM)
    except OSError as e:  # a directory, for instance
        raise Permanent(
            f"the configuration {e.filename} cannot be read: {e.strerror}"
        ) from e


def _sentence(error: Exception) -> str:
    """What went wrong, without what SQLAlchemy adds for programmers."""
    lines = str(error).splitlines()
    said = [line for line in lines if not line.startswith(_ADDED)]
    return "\n".join(said) or type(error).__name__


def _forget(conf: Any, command: Any) -> None:
    """Remove our command from the configuration, which Octavia shares."""
    conf.reset()
    conf.unregister_opt(command)


def _database(conf: Any) -> Database:
    connection = options.read(conf).connection or conf.database.connection
    if not connection:
        raise Permanent(
            "neither [anycast] connection nor [database] connection is set; "
            "name a file with --config-file"
        )
    return Database(connection)


def _add(parsers: Any, name: str, run: Callable[..., None]) -> None:
    parsers.add_parser(name, help=_summary(run)).set_defaults(
        prepare=lambda conf: partial(run, _database(conf))
    )


def _summary(run: Callable[..., None]) -> str:
    return (run.__doc__ or "").splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())
