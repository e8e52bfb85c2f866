# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Heat's API with Heat's engine in the same process.

Both are unmodified. oslo.messaging's transport ``fake:/`` is the memory of one
process, so the two need no message bus.
"""

from oslo_service import backend

# Before anything imports oslo.service: the engine's own program does so, too.
backend.init_backend(backend.BackendType.THREADING)

from heat.api.openstack import wsgi  # noqa: E402
from heat.common import config  # noqa: E402
from heat.rpc import api as rpc_api  # noqa: E402
from oslo_config import cfg  # noqa: E402


def _start_engine() -> None:
    """Serve the engine's calls in threads of this process."""
    # It reads the configuration when it is imported.
    from heat.engine import service

    config.startup_sanity_check()
    service.EngineService(cfg.CONF.host, rpc_api.ENGINE_TOPIC).start()


application = wsgi.init_application()
_start_engine()

__all__ = ("application",)
