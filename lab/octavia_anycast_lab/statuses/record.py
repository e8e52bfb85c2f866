# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The record of what Octavia's own provider writes, and the comparison."""

import json
import pathlib

from octavia_anycast_lab.statuses.play import Statuses

Chapters = dict[str, Statuses]  # chapter -> statuses
Table = dict[str, Chapters]  # story -> chapters
PATH = pathlib.Path(__file__).with_name("octavia.json")
_HOW = (
    "make statuses RECORD=1: Octavia's unmodified worker and health manager, "
    "provider amphora, topology SINGLE, in the lab"
)
# Octavia's worker does not write the operating status of L7 policies and
# rules that are created with their load balancer (ADR 0093).
_FORGOTTEN = ("l7policy ", "rule ")
# Kept on purpose, each with its reason (ADR 0093): (chapter, object) -> ours.
DELIBERATE = {
    # Its load balancer is disabled, so it serves nothing, as its user wants.
    # Octavia shows ERROR: HAProxy is gone and no heartbeat names it.
    ("disabled", "listener web"): ("ACTIVE", "OFFLINE"),
    # Its only L7 policy is deleted, so nothing uses it. Octavia leaves its
    # backend in HAProxy until the next change, which reports it.
    ("built one by one", "pool redirected"): ("ACTIVE", "OFFLINE"),
}


def load() -> Table:
    """Give what was recorded last."""
    stories = json.loads(PATH.read_text())["statuses"]
    return {
        story: {
            chapter: {key: (pair[0], pair[1]) for key, pair in found.items()}
            for chapter, found in chapters.items()
        }
        for story, chapters in stories.items()
    }


def save(stock: Table) -> None:
    """Record these stories; what is recorded of others stays."""
    kept = load() if PATH.exists() else {}
    document = {"made_by": _HOW, "statuses": kept | stock}
    PATH.write_text(json.dumps(document, indent=1) + "\n")


def differences(ours: Chapters, stock: Chapters) -> list[str]:
    """Each status that is not the same, as a line."""
    found = []
    for chapter, statuses in stock.items():
        for key in sorted(statuses.keys() | ours[chapter].keys()):
            mine, theirs = ours[chapter].get(key), statuses.get(key)
            is_meant = DELIBERATE.get((chapter, key)) == mine
            if mine == theirs or is_meant:
                continue
            if not _is_forgotten(key, mine, theirs):
                found.append(f"{chapter}: {key}: {mine}, Octavia {theirs}")
    return found


def _is_forgotten(
    key: str,
    mine: tuple[str, str] | None,
    theirs: tuple[str, str] | None,
) -> bool:
    return (
        key.startswith(_FORGOTTEN)
        and mine == ("ACTIVE", "ONLINE")
        and theirs == ("ACTIVE", "OFFLINE")
    )
