# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Somebody with a guide in the hand: shells in the lab that keep their state.

One shell for each place and user of a guide, so that a variable set in one
block is there in the next one. A command that fails ends its shell, and the
block with it.
"""

import contextlib
import dataclasses
import os
import pathlib
import pty
import select
import subprocess
import sys
import threading
import typing

from octavia_anycast_lab import deployment, shell
from octavia_anycast_lab.host import process

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.append(str(ROOT / "tools"))

import guide_blocks  # noqa: E402

BLOCK_SECONDS = 240.0
_END = "guide-block-ended"
# What asks for a password ends so.
_QUESTION = b": "


class GuideError(AssertionError):
    """A guide does not say what is so."""


@dataclasses.dataclass(slots=True)
class Shell:
    """A bash that is told one block after the other."""

    argv: list[str]
    environment: dict[str, str]
    _process: "subprocess.Popen[bytes]" = dataclasses.field(init=False)
    _terminal: int = dataclasses.field(init=False)
    _answer: str = dataclasses.field(default="", init=False)

    def __post_init__(self) -> None:
        """Start it with a terminal that it can ask for a password."""
        self._terminal, slave = pty.openpty()
        self._process = subprocess.Popen(
            self.argv,
            env=self.environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: _take_terminal(slave),
            pass_fds=(slave,),
        )
        os.close(slave)
        threading.Thread(target=self._answer_questions, daemon=True).start()

    def run(
        self, block: guide_blocks.Block, seconds: float = BLOCK_SECONDS
    ) -> str:
        """Type a block; returns what was said.

        :raises GuideError: a command failed, or did not end.
        """
        self._answer = block.typed or ""
        text = block.commands
        if block.is_refused:
            text = f"! {{ {text.strip()}\n}}\n"
        if block.typed is not None:
            # The client that is loaded already has no terminal.
            text = (
                f"quick=$PATH; PATH=${{PATH#*:}}\n"
                f"{{ {text}}} </dev/tty\nPATH=$quick\n"
            )
        said = self.type(text, seconds)
        unsaid = block.unsaid(said)
        if unsaid:
            raise GuideError(f"the guide prints {unsaid}, and it said: {said}")
        return said

    def type(self, text: str, seconds: float) -> str:
        """Type lines and wait until they are done.

        :raises GuideError: a command failed, or did not end.
        """
        stdin = self._process.stdin
        assert stdin is not None
        with contextlib.suppress(BrokenPipeError):
            stdin.write(f"{text}\necho {_END}\n".encode())
            stdin.flush()
        said = self._read(seconds)
        if not said.rstrip().endswith(_END):
            raise GuideError(f"a command failed or did not end: {said}")
        return said.rpartition(_END)[0]

    def close(self) -> None:
        """End it, and what it left running."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._terminal)

    def _read(self, seconds: float) -> str:
        pipe = self._process.stdout
        assert pipe is not None
        said = b""

        def has_ended() -> bool:
            nonlocal said
            if not select.select([pipe], [], [], 0.5)[0]:
                return False
            more = os.read(pipe.fileno(), 65536)
            said += more
            return not more or said.rstrip().endswith(_END.encode())

        with contextlib.suppress(TimeoutError):
            process.wait_until(has_ended, seconds, "a block has ended", 0.0)
        return said.decode(errors="replace")

    def _answer_questions(self) -> None:
        """What asks on the terminal gets the answer of the block."""
        with contextlib.suppress(OSError):
            while True:
                if os.read(self._terminal, 4096).endswith(_QUESTION):
                    os.write(self._terminal, f"{self._answer}\n".encode())


def _take_terminal(slave: int) -> None:
    import fcntl
    import termios

    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)


@dataclasses.dataclass(slots=True)
class Reader:
    """Types the blocks of one guide after the other.

    ``directory``: commands that come before those of the machine.
    ``seconds``: how long one block may take.
    """

    plane: deployment.Deployment
    directory: pathlib.Path
    seconds: float = BLOCK_SECONDS
    _shells: dict[tuple[str, str, str], Shell] = dataclasses.field(
        default_factory=dict
    )

    def __enter__(self) -> typing.Self:
        """Nothing is typed yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End all shells."""
        for each in self._shells.values():
            each.close()

    def type(self, block: guide_blocks.Block) -> str:
        """Type a block where and as whom it says."""
        typed = self._shell(block.document, block.place, block.user)
        return typed.run(block, self.seconds)

    def _shell(self, document: str, place: str, user: str) -> Shell:
        if place.startswith("$"):
            control = self._shell(document, guide_blocks.CONTROL, user)
            place = control.type(f'echo "{place}"', 10.0).strip()
        key = (document, place, user)
        if key not in self._shells:
            self._shells[key] = Shell(*self._start(place, user))
        return self._shells[key]

    def _start(
        self, place: str, user: str
    ) -> tuple[list[str], dict[str, str]]:
        variables = {
            **shell.environment(self.plane),
            "OS_CLOUD": user,
            "PYTHONWARNINGS": "ignore",
        }
        path = f"{self.directory}:{variables['PATH']}"
        bash = ["bash", "-e"]
        if place == guide_blocks.CONTROL:
            argv = shell.command_line(self.plane, bash)
            return argv, {**variables, "PATH": path}
        # A shell within the shell ends with a failure, too.
        variables |= {"SHELLOPTS": "errexit"}
        if place == guide_blocks.MACHINE:
            return ["bash"], {**variables, "PATH": path}
        return ["octavia-anycast-lab", "enter", place, *bash], variables
