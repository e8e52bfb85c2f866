# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""ML2 mechanism driver of the lab: every port of a hypervisor is a tap.

It runs inside Neutron's API, if ``mechanism_drivers`` names it. It binds each
port on a host of the lab, tells the agents (``agent.py``) that something has
changed, and sets a port ACTIVE when its agent has plugged and filtered it.
"""

import pathlib
import threading
from typing import Any

from neutron_lib import constants, context
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.plugins import directory
from neutron_lib.plugins.ml2 import api
from oslo_config import cfg
from oslo_log import log

from octavia_anycast_lab import settings
from octavia_anycast_lab.vm.network import signals

LOG = log.getLogger(__name__)
GROUP = "octavia_anycast_lab_tap"
OPTIONS = [
    cfg.StrOpt(
        "directory",
        required=True,
        help="Where Neutron and the lab's agents meet: "
        "octavia_anycast_lab.vm.network.signals.",
    )
]
_WATCHED = (
    (resources.SECURITY_GROUP, events.AFTER_UPDATE),
    (resources.SECURITY_GROUP, events.AFTER_DELETE),
    (resources.SECURITY_GROUP_RULE, events.AFTER_CREATE),
    (resources.SECURITY_GROUP_RULE, events.AFTER_DELETE),
)


class TapDriver(api.MechanismDriver):
    """Binds ports as taps; the agent filters them."""

    def initialize(self) -> None:
        """Read the option, and hear of groups and of the agents."""
        cfg.CONF.register_opts(OPTIONS, group=GROUP)
        self._place = pathlib.Path(cfg.CONF[GROUP].directory)
        for resource, event in _WATCHED:
            registry.subscribe(self._rules_changed, resource, event)
        threading.Thread(
            target=self._follow_agents, name=GROUP, daemon=True
        ).start()

    @property
    def connectivity(self) -> str:
        """What the ports have."""
        return str(portbindings.CONNECTIVITY_L2)

    def bind_port(self, context: Any) -> None:
        """Bind a port on a host of the lab; it is DOWN until plugged."""
        if not is_host(context.host):
            return
        for segment in context.segments_to_bind:
            context.set_binding(
                segment[api.ID],
                portbindings.VIF_TYPE_TAP,
                {portbindings.CAP_PORT_FILTER: True},
                status=constants.PORT_STATUS_DOWN,
            )
            return

    def create_port_postcommit(self, context: Any) -> None:
        """Tell the agents."""
        signals.mark_changed(self._place)

    def update_port_postcommit(self, context: Any) -> None:
        """Tell the agents, unless only the status has changed."""
        if _told(context.current) != _told(context.original):
            signals.mark_changed(self._place)

    def delete_port_postcommit(self, context: Any) -> None:
        """Tell the agents."""
        signals.mark_changed(self._place)

    def _rules_changed(self, *args: Any, **kwargs: Any) -> None:
        signals.mark_changed(self._place)

    def _follow_agents(self) -> None:
        for port_id, is_up in signals.reports(self._place):
            try:
                self._set_status(port_id, is_up)
            except Exception:  # the thread has to live
                LOG.exception("The status of port %s is not set.", port_id)

    def _set_status(self, port_id: str, is_up: bool) -> None:
        plugin = directory.get_plugin()
        status = (
            constants.PORT_STATUS_ACTIVE
            if is_up
            else constants.PORT_STATUS_DOWN
        )
        plugin.update_port_status(context.get_admin_context(), port_id, status)


def is_host(name: str | None) -> bool:
    """True for the compute hosts of the lab's racks."""
    return any(
        name in settings.hosts(str(leaf.rack)) for leaf in settings.RACK_LEAVES
    )


def _told(port: Any) -> dict[str, Any]:
    """What of a port concerns an agent."""
    ignored = ("status", "updated_at", "revision_number")
    return {key: port[key] for key in port if key not in ignored}
