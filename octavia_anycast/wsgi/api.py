# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The WSGI application: Octavia's API with our root.

For a WSGI server: ``octavia_anycast.wsgi.api:application``. Octavia reads
its configuration as in its own octavia.wsgi.api, ``--config-file`` in
sys.argv included.
"""

import threading
from typing import Any

from octavia.api import app
from oslo_config import cfg
from oslo_db.exception import DBError
from oslo_log import log as logging

from octavia_anycast import log_lines, options
from octavia_anycast.db import schema
from octavia_anycast.db.engine import Database
from octavia_anycast.model.errors import AnycastError
from octavia_anycast.octavia_adapter.cloud.answer_limit import limit_answers
from octavia_anycast.wsgi.request_validation import guarded

LOG = logging.getLogger(__name__)
ROOT = "octavia_anycast.api.root.RootController"


def build(argv: list[str] | None = None) -> Any:
    """Build the application.

    :param argv: the command line, sys.argv if None
    :raises TablesTooOld: our tables are those of an older release.
    """
    config = app.get_pecan_config()
    config.app.root = ROOT
    application = app.setup_app(pecan_config=config, argv=argv)
    log_lines.set_up(cfg.CONF)
    limit_answers(cfg.CONF)
    check_tables()
    return guarded(application)


def check_tables() -> None:
    """Check that our tables are not those of an older release.

    Where there are none, or nobody can tell, Octavia's part serves all the
    same: a deployment may make our tables after it has started the API.

    :raises TablesTooOld: a migration is missing.
    """
    settings = options.read(cfg.CONF)
    database = Database(settings.connection or cfg.CONF.database.connection)
    try:
        with database.transaction() as session:
            schema.require(session)
    except schema.TablesTooOld as e:
        LOG.error("Load balancers of the provider anycast: %s", e)
        if e.version.current is not None:
            raise
    except (AnycastError, DBError) as e:
        LOG.warning("The version of our tables is not known: %s", e)
    else:
        # The server may fork now: no process inherits a connection.
        database.engine().dispose()


_LOCK = threading.Lock()
_application: Any = None


def __getattr__(name: str) -> Any:
    """Build ``application`` when a server asks for it, once."""
    global _application
    if name != "application":
        raise AttributeError(name)
    with _LOCK:
        if _application is None:
            _application = build()
    return _application
