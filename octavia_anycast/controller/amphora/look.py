# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Observe one amphora: ask its agent, or else whoever knows of it.

Layer: controller. No database transaction is open meanwhile.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from oslo_log import log as logging

from octavia_anycast.controller.amphora.server_looks import ServerLooks
from octavia_anycast.controller.ports import World
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ComputeState,
    ObservedAmphora,
    Server,
)
from octavia_anycast.model.errors import (
    AnycastError,
    NoConnection,
    NotYetValid,
    Retryable,
)
from octavia_anycast.model.load_balancer import LoadBalancerTree
from octavia_anycast.model.wire import Report
from octavia_anycast.planning.heartbeat import silent_seconds

LOG = logging.getLogger(__name__)
# Who was asked for longer is not judged by heartbeats read before.
STALE_SECONDS = 1.0


class AmphoraObserver:
    """Looks at one amphora at a time; safe for several threads."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._servers = ServerLooks(world.compute)
        # amphora_id -> what was last logged of its answers
        self._complaints: dict[str, str] = {}

    def look(
        self,
        record: AmphoraRecord,
        heard_at: datetime | None,
        *,
        tree: LoadBalancerTree | None = None,
        is_watched: bool = False,
        is_under_way: bool = False,
    ) -> ObservedAmphora:
        """Look at an amphora.

        :param heard_at: when it was last heard of; None: never
        :param tree: the load balancer that it serves; None: it serves none
        :param is_watched: whether the spare monitor watches it
        :param is_under_way: whether a plan is being carried out: servers
            come and go, and are not asked for
        """
        report, error, is_not_yet_valid = self._ask(record, is_watched)
        if error and _is_alive(record, heard_at):
            report = self._ask_speakerd(record)
        server = (
            Server(state=ComputeState.UNKNOWN)
            if is_under_way and report is None
            else self._server(tree, record, report)
        )
        return ObservedAmphora(
            record=record,
            compute_state=server.state,
            compute_address=server.address,
            compute_host=server.host,
            compute_fault=server.fault,
            compute_image_id=server.image_id,
            report=report,
            report_error=error,
            is_agent_mute=bool(error),
            is_not_yet_valid=is_not_yet_valid,
            silent_seconds=silent_seconds(
                heard_at,
                self._world.now(),
                counted_from=record.status_since,
                has_answered=report is not None,
            ),
        )

    def _ask_speakerd(self, record: AmphoraRecord) -> Report | None:
        """Ask speakerd itself where the agent does not answer."""
        speakerds = self._world.speakerds
        if speakerds is None or record.lb_network_ip is None:
            return None
        try:
            return speakerds.get_report(record.id, record.lb_network_ip)
        except AnycastError as e:
            LOG.debug("Amphora %s: %s", record.id, e)
            return None

    def _ask(
        self, record: AmphoraRecord, is_watched: bool
    ) -> tuple[Report | None, str, bool]:
        """The report, why there is none, and whether a clock is to blame."""
        if record.lb_network_ip is None:
            return None, "", False
        try:
            report = self._report(record.id, record.lb_network_ip, is_watched)
        except Retryable as e:
            return None, str(e), isinstance(e, NotYetValid)
        except AnycastError as e:
            self._complain(record, str(e))
            return None, str(e), False
        self._complaints.pop(record.id, None)
        return report, "", False

    def _report(
        self, amphora_id: str, address: IPAddress, is_watched: bool
    ) -> Report:
        """Ask an agent; the spare of a watched one must not wait for it.

        :raises AnycastError: it does not answer, or nothing that is
            understood.
        """
        world = self._world
        if world.fast_agents is None or not is_watched:
            return world.agents.get_report(amphora_id, address)
        if world.memory.is_gone(amphora_id):
            raise NoConnection(f"amphora {amphora_id} does not answer")
        try:
            return world.fast_agents.get_report(amphora_id, address)
        except NoConnection:
            raise
        except Retryable:
            if world.memory.is_unreachable(amphora_id):
                raise
            # Maybe it is busy: the spare monitor has had an answer.
            return world.agents.get_report(amphora_id, address)

    def _complain(self, record: AmphoraRecord, error: str) -> None:
        """Log once that an agent's answer is not understood.

        Image and controller do not fit together: an operator has to act.
        """
        if self._complaints.get(record.id) != error:
            self._complaints[record.id] = error
            LOG.error(
                "Amphora %s of load balancer %s: %s.",
                record.id,
                record.load_balancer_id,
                error,
            )

    def _server(
        self,
        tree: LoadBalancerTree | None,
        record: AmphoraRecord,
        report: Report | None,
    ) -> Server:
        """Ask the compute service only when the agent does not answer."""
        if report is not None:
            return Server(state=ComputeState.ACTIVE)
        if record.status in (
            AmphoraStatus.ERROR,
            AmphoraStatus.PENDING_DELETE,
        ):
            return Server(state=ComputeState.UNKNOWN)
        if record.compute_id is None:
            # A controller recorded it and stopped before it knew the
            # server's id. Nobody else builds it: we hold the lock.
            return Server(state=ComputeState.GONE)
        return self._servers.look(record.compute_id, tree)


def _is_alive(record: AmphoraRecord, heard_at: datetime | None) -> bool:
    """Whether it was heard of since its agent stopped answering.

    The speakerd of a dead amphora is not asked: that takes time.
    """
    return (
        heard_at is not None
        and record.mute_since is not None
        and heard_at > record.mute_since
    )


def with_silence(
    seen: ObservedAmphora, heard: Mapping[str, datetime], now: datetime
) -> ObservedAmphora:
    """What was seen, with its silence as it is now.

    :param heard: amphora_id -> when it was last heard of
    """
    return replace(
        seen,
        silent_seconds=silent_seconds(
            heard.get(seen.record.id),
            now,
            counted_from=seen.record.status_since,
            has_answered=seen.report is not None,
        ),
    )
