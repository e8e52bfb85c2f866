# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Tasks on the amphorae of a distributor: their VIPs in the fabric.

Each observes the load balancer, makes actions of the planner's kind and has
them carried out by :mod:`.apply`, one amphora beside the other. The planner
keeps the last word: what contradicts the state wanted is put right by the
next reconcile (ADR 0057).

Layer: controller.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

from oslo_log import log as logging
from taskflow.types.failure import Failure

from octavia_anycast.controller.cluster.observe import Observation, Observer
from octavia_anycast.controller.distributor.distributor_tasks import (
    DistributorTask,
)
from octavia_anycast.controller.engine.apply import apply_plan
from octavia_anycast.controller.engine.job import Job
from octavia_anycast.controller.ports import World
from octavia_anycast.db.amphora import amphorae as amphora_rows
from octavia_anycast.db.registration import registrations
from octavia_anycast.model.actions import Action, SetAgentState, StartLeaving
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import AmphoraRecord
from octavia_anycast.model.errors import Conflict, NotFound, Retryable
from octavia_anycast.model.wire import Intent
from octavia_anycast.planning.amphora.agent_state import (
    Configuration,
    agent_state,
)
from octavia_anycast.planning.cluster.assessment import (
    Assessment,
    Cluster,
    is_ready,
)
from octavia_anycast.planning.cluster.rescue import wanted_rescue
from octavia_anycast.planning.cluster.rollout import keeping_speakers

LOG = logging.getLogger(__name__)
Intents = Callable[[AmphoraRecord, IPAddress], Intent]


@dataclass(frozen=True, slots=True)
class Means:
    """What a task works with."""

    world: World
    observer: Observer
    executor: Executor


class AmphoraeTask(DistributorTask):
    """A task that tells agents of amphorae what to announce."""

    def __init__(self, means: Means, **options: Any) -> None:
        super().__init__(means.world, **options)
        self._means = means

    def _observe(self, load_balancer_id: str) -> Observation:
        tree = self._world.load_balancers.read(load_balancer_id)
        seen = tree and self._means.observer.observe(tree)
        if not seen:
            raise NotFound("Load balancer", load_balancer_id)
        return seen

    def _by_load_balancer(
        self, amphorae: Iterable[Any]
    ) -> dict[str, set[str]]:
        """load_balancer_id -> ids of those amphorae of it.

        :raises NotFound: for one that there is not.
        """
        wanted = {amphora.id for amphora in amphorae}
        with self._world.database.transaction() as session:
            records = amphora_rows.list_all(session)
        found: dict[str, set[str]] = {}
        for record in records:
            if record.id in wanted and record.load_balancer_id:
                found.setdefault(record.load_balancer_id, set()).add(record.id)
        missing = wanted.difference(*found.values())
        if missing:
            raise NotFound("Amphora", ", ".join(sorted(missing)))
        return found

    def _announced(self, amphora_id: str) -> set[IPAddress]:
        """The VIPs that an amphora is registered for."""
        with self._world.database.transaction() as session:
            rows = registrations.list_vips(session, amphora_id)
        return {row.vip_ip for row in rows}

    def _tell(
        self, seen: Observation, ids: set[str], intents: Intents, why: str
    ) -> None:
        """Have the agents of these amphorae want just this.

        :raises Retryable: one of them could not be told.
        """
        actions: list[Action] = []
        cluster = Cluster(seen.desired, seen.observed, seen.now)
        for member in self._members(seen, ids):
            record, report = member.amphora.record, member.amphora.report
            if report is None:
                raise Retryable(f"Amphora {record.id} does not answer.")
            state = agent_state(
                seen.desired,
                record,
                intent=Intent.WITHDRAW,
                configuration=Configuration.of(report),
                flow_rescue=wanted_rescue(cluster, member),
            )
            vips = tuple(
                replace(vip, intent=intents(record, vip.vip_ip))
                for vip in state.vips
            )
            state = keeping_speakers(replace(state, vips=vips), report)
            actions.append(
                SetAgentState(amphora_id=record.id, state=state, why=why)
            )
        self._carry_out(seen, tuple(actions))

    def _carry_out(
        self, seen: Observation, actions: tuple[Action, ...]
    ) -> None:
        outcomes = apply_plan(
            Job(self._world, seen), actions, self._means.executor
        )
        failed = [outcome for outcome in outcomes if outcome.error]
        if failed:
            raise Retryable(
                failed[0].error, after_seconds=failed[0].retry_after_seconds
            )

    def _take_back(
        self, distributor_id: str, amphorae: Any, intent: Intent
    ) -> None:
        """Revert: have amphorae stay, with this intent; never raises."""
        try:
            found = self._by_load_balancer(amphorae)
            for load_balancer_id, ids in found.items():
                self._stay(ids)
                seen = self._observe(load_balancer_id)
                self._tell(seen, ids, lambda *_: intent, "reverted")
        except Exception as e:  # noqa: BLE001 - a revert never raises
            LOG.warning("Amphorae of %s: not reverted: %s", distributor_id, e)

    def _stay(self, ids: set[str]) -> None:
        """Record that amphorae do not leave."""
        with self._world.database.transaction() as session:
            for amphora_id in sorted(ids):
                amphora_rows.update(
                    session,
                    amphora_id,
                    leaving_since=None,
                    draining_since=None,
                    drained_at=None,
                )

    @staticmethod
    def _members(seen: Observation, ids: set[str]) -> list[Assessment]:
        cluster = Cluster(seen.desired, seen.observed, seen.now)
        return [member for member in cluster.members if member.id in ids]


class AnnounceVip(AmphoraeTask):
    """Add a VIP, or take it away, on every amphora of its load balancer."""

    def __init__(
        self, means: Means, *, is_wanted: bool, **options: Any
    ) -> None:
        super().__init__(means, **options)
        self._is_wanted = is_wanted

    def execute(self, distributor_id: str, vip: Any) -> None:
        """Announce or withdraw it.

        :raises NotFound: the VIP is none of the load balancer's.
        :raises Retryable: an agent could not be told.
        """
        self._announce(distributor_id, vip, self._is_wanted)

    def revert(
        self, result: Any, distributor_id: str, vip: Any, **_: Any
    ) -> None:
        """The other way round; nothing, if nothing was begun."""
        if _was_refused(result):
            return
        try:
            self._announce(distributor_id, vip, not self._is_wanted)
        except Exception as e:  # noqa: BLE001 - a revert never raises
            LOG.warning("VIP %s: not reverted: %s", vip.ip_address, e)

    def _announce(self, distributor_id: str, vip: Any, is_on: bool) -> None:
        seen = self._observe(vip.load_balancer_id)
        if seen.cluster.distributor_id != distributor_id:
            raise NotFound("Distributor of the VIP", distributor_id)
        wanted = [
            v.ip_address
            for v in seen.desired.vips
            if str(v.ip_address) == str(vip.ip_address)
        ]
        if is_on and not wanted:
            raise NotFound("VIP", str(vip.ip_address))

        def intents(record: AmphoraRecord, address: IPAddress) -> Intent:
            if address in wanted:
                return Intent.ADVERTISE if is_on else Intent.WITHDRAW
            is_announced = address in self._announced(record.id)
            return Intent.ADVERTISE if is_announced else Intent.WITHDRAW

        ids = {
            amphora.record.id
            for amphora in seen.observed.amphorae
            if amphora.record.leaving_since is None
            and amphora.record.drain_wanted_since is None
            and (is_ready(seen.desired, amphora) or not is_on)
        }
        self._tell(seen, ids, intents, "VIP added" if is_on else "VIP removed")


class RegisterAmphorae(AmphoraeTask):
    """Have amphorae announce the VIPs of their load balancer."""

    def execute(self, distributor_id: str, amphorae: Any) -> list[str]:
        """Register them; they are to be ready for traffic.

        :returns: the ids of those that announced nothing before
        :raises Conflict: one is not ready.
        """
        found = self._by_load_balancer(amphorae)
        fresh = [
            i for ids in found.values() for i in ids if not self._announced(i)
        ]
        seen = {i: self._observe(i) for i in found}
        for load_balancer_id, ids in found.items():
            self._check_ready(seen[load_balancer_id], ids)
        for load_balancer_id, ids in found.items():
            self._bind(distributor_id, seen[load_balancer_id], ids)
            self._tell(
                seen[load_balancer_id],
                ids,
                lambda *_: Intent.ADVERTISE,
                "registered",
            )
        return sorted(fresh)

    def revert(
        self, result: Any, distributor_id: str, amphorae: Any, **_: Any
    ) -> None:
        """Have those that are new announce nothing.

        After a failure of its own it leaves them to the planner: which of
        them announced before is not known then.
        """
        if isinstance(result, Failure):
            return
        new = [amphora for amphora in amphorae if amphora.id in result]
        self._take_back(distributor_id, new, Intent.WITHDRAW)

    def _check_ready(self, seen: Observation, ids: set[str]) -> None:
        for member in self._members(seen, ids):
            if not is_ready(seen.desired, member.amphora):
                raise Conflict(
                    f"Amphora {member.id} is not ready for traffic."
                )

    def _bind(
        self, distributor_id: str, seen: Observation, ids: set[str]
    ) -> None:
        speakers = [s.id for s in seen.desired.distributor.speakers]
        with self._world.database.transaction() as session:
            for amphora_id in sorted(ids):
                registrations.register(
                    session,
                    amphora_id,
                    load_balancer_id=seen.tree.id,
                    distributor_id=distributor_id,
                    speaker_ids=speakers,
                )
        self._stay(ids)


class ReleaseAmphorae(AmphoraeTask):
    """Drain amphorae, or unregister them: they leave, the others serve.

    Never the last one that announces a VIP (invariant 1).
    """

    def __init__(self, means: Means, *, intent: Intent, **options: Any):
        super().__init__(means, **options)
        self._intent = intent

    def execute(self, distributor_id: str, amphorae: Any) -> None:
        """Tell them.

        :raises Conflict: nobody else announces what one of them does.
        """
        found = self._by_load_balancer(amphorae)
        seen = {i: self._observe(i) for i in found}
        for load_balancer_id, ids in found.items():
            self._check_missed(seen[load_balancer_id], ids)
        for load_balancer_id, ids in found.items():
            leaving = tuple(
                StartLeaving(amphora_id=i, reason=str(self._intent))
                for i in sorted(ids)
            )
            self._carry_out(seen[load_balancer_id], leaving)
            self._tell(
                seen[load_balancer_id], ids, lambda *_: self._intent, "leaving"
            )

    def revert(
        self, result: Any, distributor_id: str, amphorae: Any, **_: Any
    ) -> None:
        """Have them announce again, as before."""
        if not _was_refused(result):
            self._take_back(distributor_id, amphorae, Intent.ADVERTISE)

    def _check_missed(self, seen: Observation, ids: set[str]) -> None:
        """See that those who stay announce what these do."""
        if not seen.desired.should_announce:
            return
        for vip in seen.desired.vips:
            announcing = {
                amphora.record.id
                for amphora in seen.observed.amphorae
                if amphora.report is not None
                and amphora.report.is_announcing(vip.ip_address)
            }
            if announcing & ids and not announcing - ids:
                raise Conflict(
                    f"Nobody else announces {vip.ip_address}: "
                    f"{', '.join(sorted(announcing & ids))} cannot leave."
                )


def _was_refused(result: Any) -> bool:
    """Whether the task failed before it had begun anything."""
    return isinstance(result, Failure) and bool(
        result.check(Conflict, NotFound)
    )
