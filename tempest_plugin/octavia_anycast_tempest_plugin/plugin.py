# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What tempest asks of a plug-in: options, service clients, tests."""

import pathlib
from typing import Any

from tempest import config
from tempest.test_discover import plugins

from octavia_anycast_tempest_plugin import config as own_config
from octavia_anycast_tempest_plugin import services

HERE = pathlib.Path(__file__).resolve().parent


class OctaviaAnycastTempestPlugin(plugins.TempestPlugin):
    """The entry point; the plug-in of Octavia has to be there, too."""

    def load_tests(self) -> tuple[str, str]:
        """Where the tests are, and where their package begins."""
        return str(HERE / "tests"), str(HERE.parent)

    def register_opts(self, conf: Any) -> None:
        """Add the options to those of tempest."""
        config.register_opt_group(conf, own_config.GROUP, own_config.OPTIONS)

    def get_opt_lists(self) -> list[tuple[str, list[Any]]]:
        """The options, for a sample of tempest.conf."""
        return [(own_config.GROUP.name, own_config.OPTIONS)]

    def get_service_clients(self) -> list[dict[str, Any]]:
        """The clients; region and endpoint are those of Octavia."""
        return [
            {
                "name": services.NAME,
                "service_version": "load-balancer.anycast",
                "module_path": services.__name__,
                "client_names": list(services.__all__),
                **config.service_client_config("load_balancer"),
            }
        ]
