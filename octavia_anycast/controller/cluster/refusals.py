# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Records what amphorae refuse, and finds the objects to blame.

Everything is in the database, so another controller can go on. It begins an
unfinished search again, which changes nothing in any amphora.

Layer: controller.
"""

from collections.abc import Mapping
from typing import Any

from oslo_log import log as logging

from octavia_anycast.controller.engine.job import Job, short
from octavia_anycast.db.cluster import clusters
from octavia_anycast.model.actions import FindCulprits
from octavia_anycast.model.cluster import AmphoraRecord
from octavia_anycast.model.errors import ContentRefused, SecretUnread

LOG = logging.getLogger(__name__)


def record_refusal(
    job: Job, record: AmphoraRecord, revision: str, error: ContentRefused
) -> None:
    """Record that this amphora refused this configuration, and why."""
    is_again = record.refused_revision == revision
    job.update(
        record.id,
        refused_revision=revision,
        refused_at=job.world.now(),
        refusal=short(error.sentence),
        refusal_count=record.refusal_count + 1 if is_again else 1,
        refuses_anything=False,
    )


def record_unread(
    job: Job, record: AmphoraRecord, revision: str, error: SecretUnread
) -> None:
    """Record which listeners wait for secrets that cannot be read."""
    changes = {
        "refused_revision": "",
        "partial_revision": revision,
        "unread": short(error),
        "unread_listener_ids": error.unread_ids,
        "lacking_listener_ids": error.lacking_ids,
    }
    if any(getattr(record, name) != value for name, value in changes.items()):
        job.update(record.id, **changes)


def find_culprits(job: Job, action: FindCulprits) -> None:
    """Find the objects that the amphora refuses, and show them as ERROR.

    :raises Retryable: the amphora could not be reached or failed.
    """
    record, tree = job.record(action.amphora_id), job.tree
    peers = [seen.record for seen in map(job.seen, action.peer_ids) if seen]
    found = job.world.haproxy.find_culprits(tree, record, peers)
    if found.refuses_anything:
        job.update(record.id, refuses_anything=True)
        return
    if not found.culprits:
        # It takes it now: the refusal was of something that has passed.
        job.update(record.id, refused_revision="")
        return
    _record_culprits(job, found.culprits)
    if job.world.statuses.refuse(tree, found.culprits.keys()):
        for identifier, sentence in found.culprits.items():
            LOG.error(
                "Load balancer %s: %s is refused and left out: %s",
                tree.id,
                identifier,
                sentence,
            )


def _record_culprits(job: Job, culprits: Mapping[str, str]) -> None:
    tree = job.tree

    def record(session: Any) -> None:
        cluster = clusters.lock(session, tree.id)
        if cluster is None:
            return
        kept = {
            identifier: sentence
            for identifier, sentence in cluster.refusals.items()
            if identifier in tree.left_out_ids
        }
        new = {
            identifier: short(f"{identifier} is refused: {sentence}")
            for identifier, sentence in culprits.items()
        }
        clusters.update(session, tree.id, refusals=kept | new)

    job.world.database.transact(record)
