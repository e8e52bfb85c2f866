# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The literal blocks of a guide, and what its source says about them.

Every literal block of a guide is typed by the lab's tests, as printed and in
order, unless a comment in the source before its paragraph says otherwise::

    .. not run: REASON    nobody types it in a lab
    .. on vms: REASON     typed in the lab of virtual machines only
    .. shown: WHAT        it is no command: a file, a picture, an answer
    .. fails              its last command is refused
    .. typed: TEXT        the answer to each question on the terminal

These hold from there to the end of the document, or to the next one::

    .. as: USER           the user of clouds.yaml; ``admin`` without it
    .. at: PLACE          ``control`` (make lab-shell), ``machine``, or what
                          ``octavia-anycast-lab enter`` takes; a variable of
                          the shell at ``control`` may stand for it

In Markdown a comment is ``<!-- not run: REASON -->``. In a block with ``$ ``
before its commands, the other lines are what they print; ``...`` and ids stand
for anything.
"""

import dataclasses
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

GUIDES = (
    "README.md",
    "doc/source/user",
    "doc/source/user/automation",
    "doc/source/contributor/demo.rst",
    "doc/source/contributor/lab.rst",
    "doc/source/operator",
)
# The order in which they are typed: each may use what one before it made.
ORDER = (
    "doc/source/user/automation/sdk.rst",
    "doc/source/user/load-balancers.rst",
    "doc/source/user/scaling.rst",
    "doc/source/contributor/lab.rst",
    "doc/source/operator/install.rst",
    "doc/source/operator/distributors.rst",
    "doc/source/user/client.rst",
    "doc/source/operator/clusters.rst",
    "doc/source/operator/out-of-service.rst",
    "doc/source/operator/housekeeping.rst",
    "doc/source/operator/fabric.rst",
    "doc/source/operator/events.rst",
    "doc/source/operator/troubleshooting.rst",
    "doc/source/user/automation/ansible.rst",
    "doc/source/user/automation/heat.rst",
)
# Typed only by a suite of their own (make test-clients), which has the tools.
OWN_SUITE = (
    "doc/source/user/automation/ansible.rst",
    "doc/source/user/automation/heat.rst",
)
CONTROL = "control"
MACHINE = "machine"
ADMIN = "admin"
_MARK = re.compile(
    r"(not run|on vms|shown|typed|as|at): (\S[^\0]*)|(fails)", re.MULTILINE
)
_COMMENT = {
    ".rst": re.compile(r"^\.\. (?!\S+::|_|\[)(.*(?:\n {3,}\S.*)*)", re.M),
    ".md": re.compile(r"^<!-- ((?:.|\n)*?) -->", re.M),
}
# The paragraph's last line, and all that is indented further.
_LITERAL = re.compile(
    r"^(?P<indent> *)(?!\.\. \w|\s).*::\n\n"
    r"(?P<text>(?:(?P=indent) +.*\n|\n)+)",
    re.M,
)
_INDENTED = re.compile(r"(?<=\n\n)(?P<text>(?:    .*\n|\n)+)")
_UNTYPED = ("not run", "on vms", "shown")
# Like a mark, perhaps misspelt, or without what has to follow it.
_ALIKE = re.compile(
    r"(not[ _-]?run|on[ _-]?vms?|shown?|typed?|as|at|fails?)\b", re.I
)
# An id, whole or only its beginning.
_ID = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]+\.\.\."
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One literal block. ``reason``: why nobody types it in the lab of
    containers, None if somebody does; ``is_on_vms``: somebody does in that of
    virtual machines.
    """

    document: str
    line: int
    text: str
    user: str = ADMIN
    place: str = CONTROL
    reason: str | None = None
    is_shown: bool = False
    is_on_vms: bool = False
    is_refused: bool = False
    typed: str | None = None

    @property
    def name(self) -> str:
        """Where it is."""
        return f"{self.document}:{self.line}"

    @property
    def has_prompts(self) -> bool:
        """Whether its commands are told from what they print."""
        return self.text.startswith("$ ")

    @property
    def commands(self) -> str:
        """What is typed."""
        if not self.has_prompts:
            return self.text
        return "".join(
            command for command, _ in self._dialogue() if command is not None
        )

    def unsaid(self, said: str) -> list[str]:
        """What the guide prints and the commands did not."""
        return [
            printed
            for _, printed in self._dialogue()
            if printed and not re.search(_pattern(printed), _flat(said))
        ]

    def _dialogue(self) -> Iterator[tuple[str | None, str]]:
        """Each command, and what it prints."""
        if not self.has_prompts:
            return
        for part in re.split(r"^\$ ", self.text, flags=re.M)[1:]:
            lines = part.splitlines(keepends=True)
            end = next(
                n + 1
                for n, line in enumerate(lines)
                if not line.rstrip().endswith("\\")
            )
            yield "".join(lines[:end]), "".join(lines[end:]).strip()


def blocks(path: Path, root: Path) -> tuple[Block, ...]:
    """Each literal block of a document, in order.

    :raises ValueError: a mark that nobody knows.
    """
    text = path.read_text() + "\n"
    document = str(path.relative_to(root))
    pattern = _LITERAL if path.suffix == ".rst" else _INDENTED
    found = []
    lasting = {"as": ADMIN, "at": CONTROL}
    before = 0
    for match in pattern.finditer(text):
        marks = _marks(_COMMENT[path.suffix], text[before : match.start()])
        lasting |= {k: v for k, v in marks.items() if k in lasting}
        before = match.end()
        found.append(
            Block(
                document=document,
                line=text.count("\n", 0, match.start("text")) + 1,
                text=_whole(match["text"]),
                user=lasting["as"],
                place=lasting["at"],
                reason=next(filter(None, map(marks.get, _UNTYPED)), None),
                is_shown="shown" in marks,
                is_on_vms="on vms" in marks,
                is_refused="fails" in marks,
                typed=marks.get("typed"),
            )
        )
    return tuple(found)


def guides(root: Path) -> tuple[Path, ...]:
    """The documents whose blocks are typed, in the order of typing.

    Those without a place in the order come last: they have to have no block
    that is typed.
    """
    found = [
        path
        for name in GUIDES
        for path in (
            [root / name]
            if (root / name).is_file()
            else sorted((root / name).glob("*.rst"))
        )
    ]
    order = {name: n for n, name in enumerate(ORDER)}
    return tuple(
        sorted(
            found,
            key=lambda p: order.get(str(p.relative_to(root)), len(order)),
        )
    )


def _whole(text: str) -> str:
    """The block without its indentation, and without what follows a list's."""
    lines = text.strip("\n").splitlines()
    indent = len(lines[0]) - len(lines[0].lstrip())
    kept = []
    for line in lines:
        if line.strip() and len(line) - len(line.lstrip()) < indent:
            break
        kept.append(line)
    return textwrap.dedent("\n".join(kept)).strip("\n") + "\n"


def wrong(block: Block) -> str | None:
    """What is wrong with a block: nobody types it, or cannot."""
    if block.reason is None:
        if block.document not in ORDER:
            return "its document has no place in guide_blocks.ORDER"
        if not block.commands.strip():
            return "it has no command"
        return None
    if block.is_shown and re.search(r"^(openstack|make) ", block.text, re.M):
        return "it has commands: say why they are not run, not what it is"
    return None


def wrong_marks(suffix: str, text: str) -> Iterator[str]:
    """Comments that begin as a mark does and are none."""
    for said in _COMMENT[suffix].findall(text):
        flat = " ".join(said.split())
        if _ALIKE.match(flat) and not _MARK.fullmatch(flat):
            yield f"a mark that means nothing: {flat}"


def _marks(comment: re.Pattern[str], text: str) -> dict[str, str]:
    found = {}
    for said in comment.findall(text):
        mark = _MARK.fullmatch(" ".join(said.split()))
        if mark is not None:
            found[mark[1] or mark[3]] = mark[2] or ""
    return found


def _flat(text: str) -> str:
    return " ".join(text.split())


def _pattern(printed: str) -> str:
    """The printed text with ``...`` and ids for anything, as a pattern."""
    parts = _ID.sub("...", _flat(printed)).split("...")
    return ".*?".join(re.escape(part) for part in parts)
