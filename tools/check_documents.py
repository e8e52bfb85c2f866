# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""See that what the documents name exists.

    python tools/check_documents.py

* no document has the markers of a merge that did not end;
* every path, and name of a Python file, of this repository in a document;
* every test, ``make`` target, console script and ``[anycast]`` option;
* decisions: one per number, with the sections of the template, short, and
  not the history of one; the index lists each once; each one that code or a
  document refers to is there;
* every status, phase and state that an operator can meet is explained, and
  so is every reason that the health gate gives;
* the sample distributor is one that the API and the agent accept;
* each ``openstack loadbalancer`` command is one that the client parses, and
  each other command, of guides, of --help and of messages, is there;
* each block of a guide is typed by the lab's tests, or says why not
  (``guide_blocks.py``), and waits for what it changes.

Prints what is wrong, one finding a line; exit status 1 if there is any.
"""

import ast
import functools
import itertools
import json
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import guide_blocks
from check_commands import unwaited, wrong_commands

from octavia_anycast.agent.speakers import choice
from octavia_anycast.api.distributor import distributor_from
from octavia_anycast.model.cluster import AmphoraStatus, DrainState
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.model.wire import GateState, PathState, Probe
from octavia_anycast.options import OPTIONS
from octavia_anycast.planning.amphora.assessment import Phase
from octavia_anycast.planning.cluster.status import OperatingStatus
from octavia_anycast.provider.metadata import FLAVOR

ROOT = Path(__file__).resolve().parents[1]
DECISIONS = ROOT / "doc/source/contributor/adr"
TROUBLESHOOTING = ROOT / "doc/source/operator/troubleshooting.rst"
SAMPLE = ROOT / "doc/source/operator/distributor.json"
GATE = ROOT / "octavia_anycast/agent/gate"
# Those that say what the health gate sees.
PROBES = ("probes", "haproxy", "processes", "synthetic")
SAMPLES = ("bad", "partial", "unknown", "_end")
TOP = (
    "octavia_anycast|client|lab|doc|elements|tools|bench|devstack|monitoring|"
    "releasenotes|tempest_plugin"
)
PATH = re.compile(rf"`((?:{TOP})/[\w./*-]*|[\w-]+\.toml|Makefile)`")
SHORT_PATH = re.compile(r"`((?:tests|planning|model|testing)/[\w./*-]+)`")
BARE = re.compile(r"``(\w+\.py)``")
TARGET = re.compile(r"\bmake ((?!sure\b|it\b|a\b|the\b)[a-z]+(?:-[a-z]+)*)")
COMMAND = re.compile(r"`(octavia-anycast-[a-z-]+)`")
OPTION = re.compile(r"``([a-z_]+)``")
SECTIONS = ("Context", "Decision", "Consequences")
LINES_MAX = 90
TEST = re.compile(r"``(test_\w+)``")
REFERENCE = re.compile(r"\bADR (\d{4})\b")
# What a page says that tells of its own past.
HISTORY = re.compile(
    r"\bamended\b|\bsuperseded\b|\b(?:changed|replaced) by\s+(?::doc:|ADR)"
    r"|\bsince ADR\b|\bthis replaces what\b",
    re.I,
)
LISTED = re.compile(r"^   (\d{4}-[\w-]+)$", re.M)
# What an operator sees, and has to find explained.
SHOWN = (
    AmphoraStatus,
    DrainState,
    GateState,
    PathState,
    Phase,
    OperatingStatus,
    Probe,
)
# Units and scripts of others that begin like ours.
NOT_SCRIPTS = {"octavia-anycast-lab-base"}
# What make writes.
MADE = {"doc/build/html", "bench/results/latest.json"}


def documents() -> list[Path]:
    """Every document, sorted."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("*.rst")]
    found += (ROOT / "doc/source").rglob("*.rst")
    for folder in ("bench", "client", "devstack", "elements/*"):
        found += ROOT.glob(f"{folder}/README.*")
    return sorted(found)


def merge_markers(text: str) -> Iterator[str]:
    """What git writes where two versions contradict each other."""
    if re.search(r"^(?:<{7}|>{7}) ", text, re.M):
        yield "a merge did not end here"


def missing_paths(text: str) -> Iterator[str]:
    """Paths that lead nowhere; a short one is below the package."""
    for path in sorted(set(PATH.findall(text))):
        if path not in MADE and not any(ROOT.glob(path.rstrip("/."))):
            yield f"no such file: {path}"
    for path in sorted(set(SHORT_PATH.findall(text))):
        if not any((ROOT / "octavia_anycast").glob(path.rstrip("/."))):
            yield f"no such file: octavia_anycast/{path}"


def missing_names(text: str) -> Iterator[str]:
    """Names of files, without a folder, that no folder has."""
    for name in sorted(set(BARE.findall(text)) - file_names()):
        yield f"no such file: {name}"


@functools.cache
def file_names() -> frozenset[str]:
    """The names of all Python files of this repository."""
    tops = (ROOT / top for top in TOP.split("|"))
    return frozenset(p.name for top in tops for p in top.rglob("*.py"))


def missing_targets(text: str) -> Iterator[str]:
    """Targets that the Makefile does not have."""
    makefile = (ROOT / "Makefile").read_text()
    literal = "\n".join(code_of(text))
    for target in sorted(set(TARGET.findall(literal))):
        if not re.search(rf"^{target}:", makefile, re.M):
            yield f"no such target: make {target}"


def missing_tests(text: str) -> Iterator[str]:
    """Tests that a document relies on and nobody wrote."""
    for name in sorted(set(TEST.findall(text))):
        if f"def {name}(" not in tests():
            yield f"no such test: {name}"


@functools.cache
def tests() -> str:
    """The text of all tests."""
    suites = (
        "octavia_anycast/tests",
        "client/tests",
        "lab/tests",
        "lab/vm_guide",
        "lab/vm_tests",
    )
    folders = (ROOT / suite for suite in suites)
    return "".join(
        path.read_text() for top in folders for path in top.rglob("*.py")
    )


def code_of(text: str) -> list[str]:
    """What a document sets in a fixed font."""
    inline = re.findall(r"`+([^`\n]+)`+", text)
    return inline + re.findall(r"^ {2,}(\S.*)$", text, re.M)


def missing_commands(text: str) -> Iterator[str]:
    """Console scripts that no distribution of ours installs."""
    known: set[str] = set()
    for file in ("pyproject.toml", "lab/pyproject.toml"):
        project = tomllib.loads((ROOT / file).read_text())["project"]
        known |= set(project["scripts"])
    units = {path.name for path in (ROOT / "elements").iterdir()}
    for name in sorted(set(COMMAND.findall(text)) - known - units):
        if name not in NOT_SCRIPTS:
            yield f"no such command: {name}"


def options_of_ours() -> set[str]:
    """The names of the options of ``[anycast]``."""
    return {option.dest for option in OPTIONS}


def missing_options(text: str) -> Iterator[str]:
    """Words like our options (by their first part) that are none."""
    options = options_of_ours()
    shapes = {"gate", "cluster", "heartbeat", "backoff", "announce", "orphan"}
    # Columns, columns' fields and keys of Octavia's that look alike.
    others = {"cluster_type", "heartbeat_key"}
    others |= set(FLAVOR["properties"])
    for word in sorted(set(OPTION.findall(text)) - options - others):
        if "_" in word and word.partition("_")[0] in shapes:
            yield f"no such option: {word}"


def wrong_blocks() -> Iterator[str]:
    """Blocks of guides that nobody types, and no reason is said."""
    for path in guide_blocks.guides(ROOT):
        text = path.read_text()
        for finding in guide_blocks.wrong_marks(path.suffix, text):
            yield f"{path.relative_to(ROOT)}: {finding}"
        for block in guide_blocks.blocks(path, ROOT):
            problem = guide_blocks.wrong(block)
            if problem:
                yield f"{block.name}: {problem}"
            if block.reason is None:
                for problem in unwaited(block.commands):
                    yield f"{block.name}: {problem}"


def wrong_words_of_programs() -> Iterator[str]:
    """Commands that --help, a message or a docstring names and nobody has."""
    tops = ("octavia_anycast", "lab/octavia_anycast_lab", "client", "tools")
    for source in (p for top in tops for p in (ROOT / top).rglob("*.py")):
        if "/tests/" in str(source) or source.name == Path(__file__).name:
            continue
        text = source.read_text()
        for check in (missing_targets_named, wrong_commands):
            for finding in check(text):
                yield f"{source.relative_to(ROOT)}: {finding}"


def missing_targets_named(text: str) -> Iterator[str]:
    """Targets in backquotes that the Makefile does not have."""
    makefile = (ROOT / "Makefile").read_text()
    for target in sorted(set(re.findall(r"`make ([a-z-]+)", text))):
        if not re.search(rf"^{target}:", makefile, re.M):
            yield f"no such target: make {target}"


def wrong_decisions() -> Iterator[str]:
    """Decisions that are double, incomplete or long."""
    pages = sorted(DECISIONS.glob("[0-9]*.rst"))
    numbers = Counter(page.name[:4] for page in pages)
    for number, count in numbers.items():
        if count > 1:
            yield f"{DECISIONS.name}: number {number} is there {count} times"
    for page in pages:
        text = page.read_text()
        lines = text.splitlines()
        if not lines[0].startswith(f"{page.name[:4]}: "):
            yield f"{page.name}: its title does not begin with its number"
        for section in SECTIONS:
            if not re.search(rf"^{section}\n-+$", text, re.M):
                yield f"{page.name}: no section {section}"
        if len(lines) > LINES_MAX:
            yield f"{page.name}: {len(lines)} lines are more than a page"
        for told in HISTORY.findall(text):
            yield f"{page.name}: say what holds now, not {told!r}"


def wrong_index() -> Iterator[str]:
    """Decisions that the index does not list, or lists twice."""
    listed = Counter(LISTED.findall((DECISIONS / "index.rst").read_text()))
    for page in sorted(DECISIONS.glob("[0-9]*.rst")):
        if listed[page.stem] != 1:
            yield f"index.rst: {page.stem} is there {listed[page.stem]} times"


def missing_decisions() -> Iterator[str]:
    """Decisions that something refers to and nobody wrote down."""
    there = {page.name[:4] for page in DECISIONS.glob("[0-9]*.rst")}
    sources = [*documents()]
    for top in ("octavia_anycast", "lab", "elements", "bench", "tools"):
        sources += sorted((ROOT / top).rglob("*.py"))
    for source in sources:
        for number in sorted(set(REFERENCE.findall(source.read_text()))):
            if number not in there:
                yield f"{source.relative_to(ROOT)}: no decision {number}"


def unexplained() -> Iterator[str]:
    """States that the operator's page does not name."""
    text = TROUBLESHOOTING.read_text()
    for kind in SHOWN:
        for member in kind:
            if f"``{member.value}``" not in text:
                yield (
                    f"{TROUBLESHOOTING.name}: {kind.__name__} "
                    f"{member.value} is not explained"
                )


def gate_reasons() -> Iterator[str]:
    """The fixed parts of all reasons, from the probes' sources."""
    sources = (ast.parse((GATE / f"{x}.py").read_text()) for x in PROBES)
    for node in itertools.chain.from_iterable(map(ast.walk, sources)):
        said: list[ast.expr] = []
        if isinstance(node, ast.Return) and node.value:
            said = [node.value]
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            said = node.args if name in SAMPLES else []
            said = [*said, *_reasons(node.keywords)]
        for value in said:
            parts = (
                value.values if isinstance(value, ast.JoinedStr) else [value]
            )
            for part in parts:
                text = getattr(part, "value", None)
                if isinstance(text, str) and len(text.split()) > 1:
                    yield text.strip(" :")


def _reasons(keywords: list[ast.keyword]) -> list[ast.expr]:
    return [one.value for one in keywords if one.arg == "reason"]


def unexplained_reasons() -> Iterator[str]:
    """Reasons of the gate that the operator's page does not have."""
    page = " ".join(TROUBLESHOOTING.read_text().split())
    for reason in dict.fromkeys(gate_reasons()):
        if reason not in page:
            yield f"{TROUBLESHOOTING.name}: the reason {reason!r} is missing"


def refused_sample() -> Iterator[str]:
    """The sample distributor, if it would be refused."""
    try:
        sample = distributor_from(json.loads(SAMPLE.read_text()), {})
        choice.check_addresses(sample.speakers)
    except (ValueError, InvalidRequest) as e:
        yield f"{SAMPLE.name}: {e}"


def findings() -> Iterator[str]:
    """All that is wrong."""
    checks = (
        merge_markers,
        missing_paths,
        missing_names,
        missing_targets,
        missing_tests,
        missing_commands,
        missing_options,
        wrong_commands,
    )
    for document in documents():
        text = document.read_text()
        for check in checks:
            for finding in check(text):
                yield f"{document.relative_to(ROOT)}: {finding}"
    yield from wrong_blocks()
    yield from wrong_words_of_programs()
    yield from wrong_decisions()
    yield from wrong_index()
    yield from missing_decisions()
    yield from unexplained()
    yield from unexplained_reasons()
    yield from refused_sample()


def main() -> int:
    """Print the findings."""
    found = list(findings())
    sys.stdout.writelines(f"{finding}\n" for finding in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
