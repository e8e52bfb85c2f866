# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The amphora image: two layers, built once and cached by their inputs.

    agent layer   our wheel, octavia-anycast-agent     (a change of source)
    base layer    Debian, Octavia's agent, speakers    (a change of versions)

The recipe is ``elements/``: the same scripts which diskimage-builder runs for
a production image run here, by ``chroot``, without a network. An instance is
an overlay of its own disk over these layers; they are never written to.
"""

import collections.abc
import contextlib
import dataclasses
import enum
import json
import os
import pathlib
import shutil
import subprocess

from octavia_anycast_lab import cache, settings
from octavia_anycast_lab.amphora import elements, machine, wheels

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
ELEMENTS = REPOSITORY / "elements"
SUITE = "bookworm"
BASE_ELEMENTS = (
    "octavia-amphora-lab-base",
    "exabgp-speaker",
    "bird-speaker",
)
AGENT_ELEMENTS = ("octavia-anycast-agent",)
_LAYER_SCRIPT = pathlib.Path(__file__).parent / "templates/layer.sh"
_KEPT_LAYERS = 3
_PUBLISHED = "images.json"

Progress = collections.abc.Callable[[str], None]


class ImageError(Exception):
    """The image could not be built; holds the end of the log."""


class Flavour(enum.StrEnum):
    """Which image: its name is the image tag in Octavia's configuration."""

    ANYCAST = "amphora"
    STOCK = "amphora-stock"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """Directories for an overlay's ``lowerdir``, the uppermost first."""

    layers: tuple[pathlib.Path, ...]


def ensure(
    flavour: Flavour = Flavour.ANYCAST,
    progress: Progress = lambda text: None,
) -> Image:
    """The image, built if its inputs have changed.

    :raises ImageError: a step failed.
    :raises octavia_anycast_lab.amphora.wheels.WheelError: no wheel to be had.
    """
    pinned = wheels.pins()
    base_key = _base_key(pinned)
    with cache.exclusive(f"image-base-{base_key}") as base:
        if not base.exists():
            progress("base layer of the amphora image")
            _build_base(base, pinned)
    if flavour is Flavour.STOCK:
        return Image(layers=(base / "root",))
    key = cache.key_of((base_key, wheels.source_digest(), _agent_digest()))
    with cache.exclusive(f"image-agent-{key}") as agent:
        if not agent.exists():
            progress("agent layer of the amphora image")
            _build_agent(agent, base, pinned)
    return Image(layers=(agent / "root", base / "root"))


def publish(lab: settings.Lab, progress: Progress = lambda text: None) -> None:
    """Build both images and make them those that a lab boots from now on."""
    content = {
        flavour.value: [str(path) for path in ensure(flavour, progress).layers]
        for flavour in Flavour
    }
    lab.run_dir.mkdir(parents=True, exist_ok=True)
    draft = lab.run_dir / f".{_PUBLISHED}.new"
    draft.write_text(json.dumps(content, indent=1), "utf-8")
    draft.replace(lab.run_dir / _PUBLISHED)
    discard_unused(lab.run_root)


def is_published(lab: settings.Lab) -> bool:
    """Whether a lab has images to boot from."""
    return (lab.run_dir / _PUBLISHED).exists()


def published(lab: settings.Lab, flavour: Flavour) -> Image:
    """What a lab boots.

    :raises ImageError: nothing was published, or it was deleted.
    """
    try:
        text = (lab.run_dir / _PUBLISHED).read_text("utf-8")
    except FileNotFoundError as error:
        raise ImageError(f"lab {lab.name} has no image yet") from error
    layers = tuple(pathlib.Path(p) for p in json.loads(text)[flavour.value])
    if not all(layer.is_dir() for layer in layers):
        raise ImageError(f"the image of lab {lab.name} was deleted: lab-up")
    return Image(layers=layers)


def discard_unused(run_root: pathlib.Path) -> None:
    """Delete old layers, but none on which any lab of the machine stands."""
    in_use = machine.layers_in_use(run_root) | _published_anywhere(run_root)
    for kind in ("image-base-", "image-agent-", "wheels-"):
        entries = sorted(
            (p for p in cache.root().glob(f"{kind}*") if p.is_dir()),
            key=lambda path: path.stat().st_mtime,
            reverse=True,
        )
        for entry in entries[_KEPT_LAYERS:]:
            if str(entry / "root") not in in_use:
                shutil.rmtree(entry, ignore_errors=True)


def _published_anywhere(run_root: pathlib.Path) -> frozenset[str]:
    found: set[str] = set()
    for path in run_root.glob(f"*/{_PUBLISHED}"):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            for layers in json.loads(path.read_text("utf-8")).values():
                found.update(layers)
    return frozenset(found)


def _base_key(pinned: tuple[str, ...]) -> str:
    used = elements.resolve(ELEMENTS, BASE_ELEMENTS)
    return cache.key_of(
        (
            SUITE,
            *elements.packages(used),
            elements.digest(used),
            _LAYER_SCRIPT.read_text("utf-8"),
            *pinned,
        )
    )


def _agent_elements() -> tuple[elements.Element, ...]:
    base = elements.resolve(ELEMENTS, BASE_ELEMENTS)
    every = elements.resolve(ELEMENTS, (*BASE_ELEMENTS, *AGENT_ELEMENTS))
    return tuple(e for e in every if e not in base)


def _agent_digest() -> str:
    return elements.digest(_agent_elements())


def _build_base(entry: pathlib.Path, pinned: tuple[str, ...]) -> None:
    used = elements.resolve(ELEMENTS, BASE_ELEMENTS)
    with _draft(entry) as draft:
        _bootstrap(draft / "root", elements.packages(used), draft / "log")
        hooks = _hooks(draft, used, wheels.collect(pinned))
        _run_layer(draft, used, ("plain", str(draft / "root"), str(hooks)))


def _build_agent(
    entry: pathlib.Path, base: pathlib.Path, pinned: tuple[str, ...]
) -> None:
    used = _agent_elements()
    with _draft(entry) as draft:
        for name in ("root", "work", "merged"):
            (draft / name).mkdir()
        shutil.copytree(wheels.collect(pinned), draft / "wheels")
        wheels.build_own(draft / "wheels")
        hooks = _hooks(draft, used, draft / "wheels")
        overlay = (base / "root", draft / "root", draft / "work")
        _run_layer(
            draft,
            used,
            (
                "overlay",
                str(draft / "merged"),
                str(hooks),
                *(str(path) for path in overlay),
            ),
        )
        for name in ("work", "merged"):
            shutil.rmtree(draft / name)


class _draft:
    """A directory which becomes the entry only if nothing was raised."""

    def __init__(self, entry: pathlib.Path) -> None:
        self.entry = entry
        self.path = entry.with_name(f".{entry.name}.draft")

    def __enter__(self) -> pathlib.Path:
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        return self.path

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            for name in ("hooks", "static", "wheels"):
                shutil.rmtree(self.path / name, ignore_errors=True)
            self.path.rename(self.entry)


def _hooks(
    draft: pathlib.Path,
    used: tuple[elements.Element, ...],
    wheel_directory: pathlib.Path,
) -> pathlib.Path:
    """Lay out the phases and run the one which runs outside the image."""
    hooks = draft / "hooks"
    elements.lay_out_hooks(used, hooks)
    every = elements.resolve(ELEMENTS, (*BASE_ELEMENTS, *AGENT_ELEMENTS))
    handed = {
        "TMP_HOOKS_PATH": str(hooks),
        "DIB_OCTAVIA_ANYCAST_WHEELS": str(wheel_directory),
    }
    for element in every:
        for script in element.scripts(elements.OUTSIDE_PHASE):
            _call([str(script)], draft / "log", handed)
    return hooks


def _bootstrap(
    root: pathlib.Path, packages: tuple[str, ...], log: pathlib.Path
) -> None:
    command = ["unshare", "--mount", "--propagation", "private", "mmdebstrap"]
    _call(
        [
            *command,
            "--quiet",
            "--mode=root",
            "--variant=apt",
            f"--include={','.join(packages)}",
            SUITE,
            str(root),
        ],
        log,
        {},
    )


def _run_layer(
    draft: pathlib.Path,
    used: tuple[elements.Element, ...],
    arguments: tuple[str, ...],
) -> None:
    static = draft / "static"
    static.mkdir()
    elements.copy_static(used, static)
    namespaces = ["--mount", "--net", "--pid", "--fork", "--kill-child"]
    _call(
        [
            "unshare",
            *namespaces,
            "--propagation=private",
            "bash",
            str(_LAYER_SCRIPT),
            *arguments,
        ],
        draft / "log",
        {"STATIC": str(static)},
    )


def _call(
    command: list[str],
    log: pathlib.Path,
    environment: dict[str, str],
) -> None:
    with log.open("ab") as stream:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            check=False,
        )
    if done.returncode != 0:
        tail = log.read_text("utf-8", "replace")[-2000:]
        raise ImageError(f"{command[0]} ended {done.returncode}: {tail}")
