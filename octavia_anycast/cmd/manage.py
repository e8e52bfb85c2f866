# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``octavia-anycast-manage``: migrations, and looking into the state.

Layer: cmd. It reads octavia.conf as Octavia's own commands do. What only
reads our tables does not import Octavia.
"""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from oslo_config import cfg
from oslo_db import options as oslo_db_options
from oslo_db.exception import DBError

from octavia_anycast import options
from octavia_anycast.db import (
    amphorae,
    clusters,
    distributors,
    health,
    registrations,
    schema,
)
from octavia_anycast.db.engine import Database
from octavia_anycast.db.passwords import WithoutPasswords
from octavia_anycast.model import codec
from octavia_anycast.model.cluster import AmphoraRecord
from octavia_anycast.model.errors import AnycastError, Permanent

PROGRAM = "octavia-anycast-manage"
NONE = "-"
Row = Sequence[Any]


def db_upgrade(database: Database) -> None:
    """Bring our tables to the version of this release."""
    before = schema.version(database.engine()).current
    schema.upgrade(database.engine())
    after = schema.version(database.engine()).current
    _say(
        f"The tables are at version {after}."
        if before == after
        else f"The tables went from version {before or 'none'} to {after}."
    )


def db_current(database: Database) -> None:
    """Say the version."""
    version = schema.version(database.engine())
    _say(f"{version.current or 'none'} (this release: {version.head})")


def db_check(database: Database) -> None:
    """Compare the tables with what this release wants.

    :raises Permanent: if they differ.
    """
    version = schema.version(database.engine())
    if not version.is_current:
        raise Permanent(
            f"the tables are at version {version.current or 'none'}, this "
            f"release wants {version.head}: run '{PROGRAM} db upgrade'"
        )
    differences = schema.differences(database.engine())
    if differences:
        raise Permanent(f"the tables differ from the models: {differences}")
    _say(f"The tables are at version {version.head}, as they should be.")


def status(database: Database) -> None:
    """Show clusters and amphorae, two tables."""
    now = datetime.now(UTC)
    with database.transaction() as session:
        records = clusters.list_all(session)
        members = amphorae.list_all(session)
        heard = health.last_updates(session, [a.id for a in members])
    _table(
        (
            "LOAD BALANCER",
            "DISTRIBUTOR",
            "SIZE",
            "PROVISIONING",
            "OPERATING",
            "REASON",
        ),
        (
            (
                record.load_balancer_id,
                record.distributor_id,
                f"{_count(members, record.load_balancer_id)}"
                f"/{record.size.desired} (min {record.size.minimum})",
                record.provisioning_status,
                record.operating_status,
                record.reason or NONE,
            )
            for record in records
        ),
    )
    _say("")
    _table(
        (
            "AMPHORA",
            "LOAD BALANCER",
            "STATUS",
            "SINCE",
            "ZONE",
            "MANAGEMENT",
            "FRONT END",
            "HEARTBEAT",
        ),
        (_amphora_row(a, heard.get(a.id), now) for a in members),
    )


def distributor_list(database: Database) -> None:
    """Show the distributors with their speakers."""
    with database.transaction() as session:
        found = distributors.list_all(session, WithoutPasswords())
        users = {d.id: distributors.users_of(session, d.id) for d in found}
    _table(
        ("DISTRIBUTOR", "NAME", "DEFAULT", "AS", "DRIVER", "PEERS", "USERS"),
        (
            (
                d.id,
                d.name or NONE,
                "yes" if d.is_default else "no",
                ", ".join(sorted({str(s.local_as) for s in d.speakers}))
                or NONE,
                d.speakers[0].driver if d.speakers else NONE,
                sum(len(speaker.peers) for speaker in d.speakers),
                users[d.id],
            )
            for d in found
        ),
    )


def export(database: Database) -> None:
    """Write all that is recorded as JSON, without passwords."""
    with database.transaction() as session:
        found = distributors.list_all(session, WithoutPasswords())
        members = amphorae.list_all(session)
        state = {
            "distributors": [_without_passwords(d) for d in found],
            "clusters": [
                codec.to_document(c) for c in clusters.list_all(session)
            ],
            "amphorae": [
                codec.to_document(a)
                | {
                    "announced": [
                        codec.to_document(vip)
                        for vip in registrations.list_vips(session, a.id)
                    ]
                }
                for a in members
            ],
        }
    _say(json.dumps(state, indent=2, sort_keys=True))


def reconcile(config_files: list[str], load_balancer_id: str) -> None:
    """Reconcile one load balancer now, as a controller would."""
    from octavia_anycast.cmd import one_shot

    result = one_shot.reconcile(config_files, load_balancer_id)
    if result.is_gone:
        _say("There is no such load balancer (any more).")
    elif result.is_settled:
        _say("It is settled.")
    else:
        _say("It is not settled; a controller goes on from here.")


def sweep(config_files: list[str], is_dry_run: bool) -> None:
    """Remove records that belong to no load balancer."""
    from octavia_anycast.cmd import one_shot

    orphans = one_shot.sweep(config_files, is_dry_run=is_dry_run)
    verb = "would be removed" if is_dry_run else "removed"
    for load_balancer_id in orphans.clusters:
        _say(f"cluster of load balancer {load_balancer_id}: {verb}")
    for record in orphans.amphorae:
        _say(f"amphora {record.id}: {verb}")
    if not orphans:
        _say("There are no orphans.")


def add_commands(parsers: Any) -> None:
    """Add the commands to oslo.config's parser."""
    database = parsers.add_parser("db", help="migrations of our tables")
    actions = database.add_subparsers(dest="action", required=True)
    for name, run in (
        ("upgrade", db_upgrade),
        ("current", db_current),
        ("check", db_check),
    ):
        _add(actions, name, run)
    _add(parsers, "status", status)
    distributor = parsers.add_parser("distributor", help="distributors")
    actions = distributor.add_subparsers(dest="action", required=True)
    _add(actions, "list", distributor_list)
    _add(parsers, "export", export)
    one = parsers.add_parser("reconcile", help=_summary(reconcile))
    one.add_argument("load_balancer_id")
    one.set_defaults(
        prepare=lambda conf: partial(
            reconcile, list(conf.config_file), conf.command.load_balancer_id
        )
    )
    sweeping = parsers.add_parser("sweep", help=_summary(sweep))
    sweeping.add_argument("--dry-run", action="store_true")
    sweeping.set_defaults(
        prepare=lambda conf: partial(
            sweep, list(conf.config_file), conf.command.dry_run
        )
    )


def main(argv: list[str] | None = None) -> int:
    """Entry point; the exit code."""
    conf = cfg.CONF
    command = cfg.SubCommandOpt(
        "command", title="commands", handler=add_commands
    )
    conf.register_cli_opt(command)
    options.register(conf)
    conf.register_opts(oslo_db_options.database_opts, group="database")
    try:
        conf(
            args=sys.argv[1:] if argv is None else argv,
            project="octavia",
            prog=PROGRAM,
        )
        task = conf.command.prepare(conf)
        _forget(conf, command)
        task()
    except (AnycastError, cfg.Error, DBError) as e:
        sys.stderr.write(f"{PROGRAM}: {e}\n")
        return 1
    finally:
        _forget(conf, command)
    return 0


def _forget(conf: Any, command: Any) -> None:
    """Take our command out of the configuration, which Octavia shares."""
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


def _count(members: Iterable[AmphoraRecord], load_balancer_id: str) -> int:
    return sum(a.load_balancer_id == load_balancer_id for a in members)


def _amphora_row(
    record: AmphoraRecord, heard: datetime | None, now: datetime
) -> Row:
    frontend = record.frontend
    return (
        record.id,
        record.load_balancer_id or NONE,
        record.status,
        _age(record.status_since, now),
        record.availability_zone or NONE,
        record.lb_network_ip or NONE,
        ",".join(str(a.ip_address) for a in frontend.addresses)
        if frontend
        else NONE,
        _age(heard, now) if heard else NONE,
    )


def _age(moment: datetime, now: datetime) -> str:
    return f"{(now - moment).total_seconds():.0f} s ago"


def _without_passwords(distributor: Any) -> Any:
    document = codec.to_document(distributor)
    for speaker in document["speakers"]:
        for peer in speaker["peers"]:
            del peer["password"]
    return document


def _table(header: Row, rows: Iterable[Row]) -> None:
    lines = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = zip(line, widths, strict=True)
        _say("  ".join(cell.ljust(width) for cell, width in cells).rstrip())


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
