# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What a BGP daemon itself says of a file, before the file replaces its own.

A file that is refused is looked at peer by peer: the refused peers are named,
and the others need not go with them.

Layer: agent.
"""

import logging
import os
import re
import tempfile
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace

from octavia_anycast.agent import process
from octavia_anycast.agent.speakers.bird import bird_syntax
from octavia_anycast.agent.speakers.exabgp import exabgp_syntax
from octavia_anycast.model.bgp import Peer, Speaker

LOG = logging.getLogger(__name__)

# The speakers of one daemon, a directory of its own -> its file.
Renderer = Callable[[tuple[Speaker, ...], str], str]
_ROUTER_ID = "192.0.2.1"  # of files that are only looked at
_PLACE = re.compile(r"^\S*\.conf:(\d+):\d+ ")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCheck:
    """Has a daemon look at a file.

    :param argv: its command; the file's path is put behind it
    """

    argv: tuple[str, ...]
    render: Renderer

    def refused(self, speakers: tuple[Speaker, ...]) -> dict[str, str]:
        """Tell which peers the daemon refuses: peer_id -> its sentence.

        None where it takes the file, or refuses one without peers: then it
        is not the peers. Where it refuses the file and each peer alone would
        do, all are refused.
        """
        complaint = self._ask(speakers)
        if not complaint:
            return {}
        if broken := self._ask(()):
            LOG.error("%s cannot look at files: %s", self.argv[0], broken)
            return {}
        alone = {
            peer.id: self._ask((replace(speaker, peers=(peer,)),))
            for speaker in speakers
            for peer in speaker.peers
        }
        found = {peer_id: text for peer_id, text in alone.items() if text}
        return found or dict.fromkeys(alone, complaint)

    def _ask(self, speakers: tuple[Speaker, ...]) -> str:
        with tempfile.TemporaryDirectory(prefix="oa-check-") as directory:
            path = os.path.join(directory, "check.conf")
            # Only its owner reads what is in there (mkdtemp).
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(self.render(speakers, directory))
            said = process.complaint([*self.argv, path])
        return _sentence(said, [p for s in speakers for p in s.peers])


def bird(program: str) -> FileCheck:
    """BIRD's own check: ``bird -p``."""
    return FileCheck(argv=(program, "-p", "-c"), render=_render_bird)


def exabgp(*argv: str) -> FileCheck:
    """ExaBGP's own check: ``exabgp validate``."""
    return FileCheck(argv=(*argv, "validate"), render=_render_exabgp)


def _render_bird(speakers: tuple[Speaker, ...], directory: str) -> str:
    files = bird_syntax.render(_ROUTER_ID, speakers, {}, directory).files
    return files[bird_syntax.MAIN_FILE]


def _render_exabgp(speakers: tuple[Speaker, ...], directory: str) -> str:
    # Any program that is there: it is not run.
    return exabgp_syntax.render(_ROUTER_ID, speakers, "/bin/true").text


def _sentence(said: str, peers: list[Peer]) -> str:
    """The last line, which says what is wrong; no password is in it."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if not lines:
        return ""
    sentence = lines[-1].removeprefix("bird: ")
    for password in {peer.password for peer in peers if peer.password}:
        for secret in (password, b64encode(password.encode()).decode()):
            sentence = sentence.replace(secret, "...")
    return _PLACE.sub(r"line \1: ", sentence)
