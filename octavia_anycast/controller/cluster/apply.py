# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Apply: a plan as a TaskFlow graph.

The actions of one amphora run in order, those of different amphorae in
parallel. Ports are made after what the load balancer as a whole needs, and
servers after their server group. A failed action ends the chain of its amphora
only: tasks hand an :class:`Outcome` to the next one instead of raising,
because TaskFlow would revert the whole graph. Nothing is ever reverted; the
next plan starts from what there is.

Layer: controller.
"""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from oslo_log import log as logging
from taskflow import engines, task
from taskflow.patterns import graph_flow

from octavia_anycast import log_lines
from octavia_anycast.controller.cluster.tasks import carry_out
from octavia_anycast.controller.engine.job import Job
from octavia_anycast.model.actions import (
    Action,
    BootAmphora,
    EnsureServerGroup,
    PlugFrontend,
    PrepareLoadBalancer,
    RemoveLoadBalancer,
    ScaleCluster,
)
from octavia_anycast.model.cluster import ActionFailure
from octavia_anycast.model.errors import (
    AnycastError,
    Conflict,
    ContentRefused,
    Overtaken,
    Permanent,
    Retryable,
    SecretUnread,
)

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one action went.

    ``failures``: what did not work of it; if it is done all the same, what
    it went into force without. ``is_news``: it failed, and what it recorded
    calls for another plan at once.
    """

    is_done: bool
    is_news: bool = False
    action: str = ""
    failures: tuple[ActionFailure, ...] = ()
    retry_after_seconds: float = 0.0
    error: str = ""


DONE = Outcome(is_done=True)  # before the first of a chain
SKIPPED = Outcome(is_done=False)


class ActionTask(task.Task):
    """One action as a task; ``after`` names the outcome it waits for."""

    def __init__(
        self, attempt: Callable[[], Outcome], name: str, after: str | None
    ) -> None:
        super().__init__(
            name=name,
            provides=name,
            rebind={"before": after} if after else None,
        )
        self._attempt = attempt

    def execute(self, before: Outcome = DONE) -> Outcome:
        """Carry the action out, unless the one before it failed."""
        if not before.is_done:
            return SKIPPED
        return self._attempt()


def apply_plan(
    job: Job, actions: tuple[Action, ...], executor: Executor
) -> tuple[Outcome, ...]:
    """Carry out a plan; returns when all of it was tried."""
    if not actions:
        return ()
    flow = graph_flow.Flow(job.owner)
    names: list[str] = []
    last: dict[str, str] = {}
    for index, action in enumerate(actions):
        name = f"{index}-{type(action).__name__}"
        chain = _chain(action)
        before = _GROUP if isinstance(action, BootAmphora) else chain
        attempt = partial(_attempt, job, action)
        flow.add(ActionTask(attempt, name, last.get(before)))
        last[chain] = name
        names.append(name)
    engine = engines.load(flow, engine="parallel", executor=executor)
    engine.run()
    results = engine.storage.fetch_all()
    return tuple(results[name] for name in names)


_GROUP = "server group"


def _chain(action: Action) -> str:
    """Name the chain of an action; the actions of a chain run in order."""
    if isinstance(action, EnsureServerGroup):
        return _GROUP
    return getattr(action, "amphora_id", "")


def _with_group(job: Job, actions: tuple[Action, ...]) -> tuple[Action, ...]:
    """Put the server group before boots: a server cannot join one later."""
    if job.tree is None or not any(
        isinstance(action, BootAmphora) for action in actions
    ):
        return actions
    return (EnsureServerGroup(load_balancer_id=job.tree.id), *actions)


def is_common(action: Action) -> bool:
    """Whether the action concerns the load balancer as a whole."""
    return isinstance(action, PrepareLoadBalancer | RemoveLoadBalancer)


def _attempt(job: Job, action: Action) -> Outcome:
    kind = type(action).__name__
    amphora_id = getattr(action, "amphora_id", "-")
    try:
        with log_lines.kept():
            job.check()
            lacks = carry_out(job, action)
    except Exception as e:  # noqa: BLE001 - the others go on
        is_ours = isinstance(e, AnycastError)
        log = LOG.warning if is_ours else LOG.exception
        log("%s of %s, amphora %s: %s", kind, job.owner, amphora_id, e)
        return _failed(job, action, e)
    return Outcome(
        is_done=True,
        action=kind,
        failures=tuple(
            _failure(job, action, lack, is_refused=True, is_aside=True)
            for lack in lacks
        ),
    )


def _failed(job: Job, action: Action, error: Exception) -> Outcome:
    if isinstance(error, Overtaken):
        # Nothing is recorded of it: the next look is another controller's.
        return Outcome(is_done=False, error=str(error))
    if isinstance(error, ContentRefused):
        # It is recorded, and what follows from it is the next plan's.
        return Outcome(is_done=False, error=str(error), is_news=True)
    after = error.after_seconds if isinstance(error, Retryable) else 5.0
    if isinstance(error, SecretUnread):
        # The amphora's row says so, and the rest is in force.
        return Outcome(
            is_done=False, error=str(error), retry_after_seconds=after
        )
    failure = _failure(
        job,
        action,
        str(error) or type(error).__name__,
        is_refused=isinstance(error, Permanent),
    )
    # The replacement limit tells of itself, and a user's change is no failure.
    is_held = isinstance(error, Conflict) and isinstance(
        action, BootAmphora | ScaleCluster
    )
    return Outcome(
        is_done=False,
        action=type(action).__name__,
        failures=() if is_held else (failure,),
        retry_after_seconds=after,
        error=failure.reason,
    )


def _failure(
    job: Job,
    action: Action,
    reason: str,
    *,
    is_refused: bool,
    is_aside: bool = False,
) -> ActionFailure:
    is_boot = isinstance(action, BootAmphora)  # each try is another amphora
    return ActionFailure(
        action=type(action).__name__,
        amphora_id="" if is_boot else getattr(action, "amphora_id", ""),
        reason=reason,
        since=job.world.now(),
        is_refused=is_refused,
        is_aside=is_aside,
    )


def run_phases(
    job: Job, actions: tuple[Action, ...], executor: Executor
) -> tuple[Outcome, ...]:
    """Carry out a plan in phases.

    If it begins with another size, the rest waits until that is recorded.
    Front-end ports wait for the security group that the common actions make.
    Otherwise all of it runs at once: preparing takes a dozen calls to the
    network service, and a configuration need not wait for them.
    """
    if actions and isinstance(actions[0], ScaleCluster):
        (scaling,) = apply_plan(job, actions[:1], executor)
        if not scaling.is_done:
            return (scaling,)
        return scaling, *run_phases(job, actions[1:], executor)
    actions = _with_group(job, actions)
    if not any(isinstance(action, PlugFrontend) for action in actions):
        return apply_plan(job, actions, executor)
    common = tuple(action for action in actions if is_common(action))
    others = tuple(action for action in actions if not is_common(action))
    return (
        *apply_plan(job, common, executor),
        *apply_plan(job, others, executor),
    )
