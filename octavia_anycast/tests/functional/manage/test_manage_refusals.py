# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""octavia-anycast-manage with a configuration that does not work.

Each command says in a sentence what is wrong, and fails. ``main`` is called
here as it is: whatever else it raised would end a process with a traceback.
"""

import pytest
from oslo_config import cfg

from octavia_anycast.cmd import manage

COMMANDS = (
    ("db", "upgrade"),
    ("db", "current"),
    ("db", "check"),
    ("distributor", "list"),
    ("distributor", "check"),
    ("status",),
    ("export",),
    ("reconcile", "11111111-1111-4111-8111-111111111111"),
    ("housekeeping", "purge"),
    ("housekeeping", "rotate-certificates"),
    ("housekeeping", "sweep", "--dry-run"),
)
HOST = "u:se:cret@"


@pytest.fixture(autouse=True)
def unparsed(monkeypatch):
    """Nothing is parsed yet, as in a process of its own.

    A test may have been before this one, and others come after it.
    """
    for name in ("_args", "_namespace", "_mutable_ns", "_oparser"):
        monkeypatch.setattr(cfg.CONF, name, None)


@pytest.fixture
def fails(capsys):
    """Run a command that is to fail; what it says, without its own name."""

    def run(*arguments):
        code = manage.main(list(arguments))
        said = capsys.readouterr()
        assert code == 1
        assert said.out == ""
        assert "Traceback" not in said.err
        assert "cret" not in said.err, "a password is told"
        (sentence,) = said.err.splitlines()
        name, _, text = sentence.partition(": ")
        assert name == manage.PROGRAM
        return text

    return run


@pytest.fixture
def configuration(tmp_path):
    """Write a configuration with this URL; its option."""

    def write(connection):
        path = tmp_path / "octavia.conf"
        path.write_text(f"[anycast]\nconnection = {connection}\n")
        return f"--config-file={path}"

    return write


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_configuration_file_that_is_not_there(fails, command, tmp_path):
    path = tmp_path / "octavia.conf"
    said = fails(f"--config-file={path}", *command)
    assert str(path) in said
    said = fails(f"--config-file={tmp_path}", *command)
    assert said == (
        f"the configuration {tmp_path} cannot be read: Is a directory"
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("nonsense", "Could not parse SQLAlchemy URL"),
        (f"mysql+pymysql://{HOST}db:port/octavia", "'port'"),
        (f"foo+bar://{HOST}db/octavia", "foo.bar"),
        (f"oracle+cx_oracle://{HOST}db/octavia", "cx_Oracle"),
    ],
)
def test_a_url_that_is_none(fails, configuration, command, url, part):
    said = fails(configuration(url), *command)
    assert said.startswith(
        "connection: the URL in [anycast] or [database] cannot be used: "
    )
    assert part in said


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("driver", ["", "+psycopg2", "+asyncpg"])
def test_postgresql_is_refused(fails, configuration, command, driver):
    """With its driver or without."""
    said = fails(configuration(f"postgresql{driver}://{HOST}db/o"), *command)
    assert said.startswith(
        "connection: the URL in [anycast] or [database] is one of PostgreSQL"
    )
    assert "MariaDB" in said


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_database_that_is_none(fails, configuration, command, tmp_path):
    path = tmp_path / "anycast.db"
    path.write_text("this is no database, however long it is\n" * 50)
    said = fails(configuration(f"sqlite:///{path}"), *command)
    assert "file is not a database" in said
    assert "unable to open database file" in fails(
        configuration(f"sqlite:///{tmp_path}/nowhere/anycast.db"), *command
    )


def test_a_database_that_does_not_answer(fails, configuration):
    url = f"mysql+pymysql://{HOST}127.0.0.1:1/octavia"
    said = fails(configuration(url), "status")
    assert said.startswith("The database cannot be reached: ")
    assert "127.0.0.1" in said


def test_a_configuration_that_is_none(fails, tmp_path):
    path = tmp_path / "octavia.conf"
    path.write_text("connection\n")
    said = fails(f"--config-file={path}", "status")
    assert said.startswith(f"Failed to parse {path}")
    path.write_text("[anycast]\nconnection = sqlite://\nerror_after = soon\n")
    assert "error_after" in fails(f"--config-file={path}", "status")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((), "required"),
        (("nonsense",), "invalid choice: 'nonsense'"),
        (("db",), "required: action"),
        (("db", "nonsense"), "invalid choice: 'nonsense'"),
        (("db", "upgrade", "extra"), "unrecognized arguments: extra"),
        (("status", "extra"), "unrecognized arguments: extra"),
        (("reconcile",), "required: load_balancer_id"),
        (("reconcile", "a", "b"), "unrecognized arguments: b"),
        (("housekeeping",), "required: action"),
        (("housekeeping", "purge", "--wait", "soon"), "--wait"),
        (("housekeeping", "purge", "--wait", "-1"), "--wait"),
        (("housekeeping", "purge", "--wait", "nan"), "--wait"),
        (("housekeeping", "sweep", "-f", "xml"), "invalid choice: 'xml'"),
    ],
)
def test_arguments_that_are_none(capsys, configuration, arguments, part):
    option = configuration("sqlite://")
    with pytest.raises(SystemExit) as exit_:
        manage.main([option, *arguments])
    assert exit_.value.code == 2
    said = capsys.readouterr().err
    assert part in said.splitlines()[-1]
    assert said.startswith("usage: ")
