# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Chromium without a window, driven over a pipe (the DevTools protocol).

No driver and no library: each command is a JSON object that ends with NUL,
written to the browser's file descriptor 3 and answered on its 4. Used by the
tests of the picture and by what makes its screenshots.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from typing import Any

CHROMIUM = "chromium"
DEADLINE_SECONDS = 60.0
OPTIONS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--lang=en-GB",
)
KEYS = {"Tab": 9, "Enter": 13, "ArrowLeft": 37, "ArrowRight": 39}


class BrowserError(Exception):
    """The browser refused a command, ended, or did not answer in time."""


def is_there() -> bool:
    """Whether this machine has the browser."""
    return shutil.which(CHROMIUM) is not None


class Browser:
    """One browser with one page; ``with`` ends it.

    ``requests``: the URL of each request that the page made; ``problems``:
    what it complained of: exceptions, errors in the log, refused contents.

    :param host: the only one that is reached
    :param prefix: a command that runs the browser elsewhere, such as in a
        network namespace
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        prefix: Sequence[str] = (),
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self.requests: list[str] = []
        self.problems: list[str] = []
        self._deadline_seconds = deadline_seconds
        self._host = host
        self._prefix = prefix
        self._number = 0
        self._session: str | None = None
        self._rest = b""

    def __enter__(self) -> "Browser":
        self._home = tempfile.TemporaryDirectory(prefix="browser-")
        try:
            self._start()
            self._attach()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)
        # Its children write there until they notice that it is gone.
        shutil.rmtree(self._home.name, ignore_errors=True)
        self._home.cleanup()

    def _start(self) -> None:
        read_end, self._to = os.pipe()
        self._from, write_end = os.pipe()
        command = [
            *self._prefix,
            CHROMIUM,
            *OPTIONS,
            # Whatever a page asks for.
            f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {self._host}",
            f"--user-data-dir={self._home.name}",
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            "about:blank",
        ]
        joined = f'exec "$@" 3<&{read_end} 4>&{write_end}'
        self._process = subprocess.Popen(
            ["bash", "-c", joined, "bash", *command],
            pass_fds=(read_end, write_end),
            env=os.environ | {"HOME": self._home.name},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read_end)
        os.close(write_end)

    def _attach(self) -> None:
        targets = self._call("Target.getTargets")["targetInfos"]
        page = next(x for x in targets if x["type"] == "page")
        self._session = self._call(
            "Target.attachToTarget", targetId=page["targetId"], flatten=True
        )["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._call(f"{domain}.enable")
        # A page without a window has no focus, and tells of none.
        self._call("Emulation.setFocusEmulationEnabled", enabled=True)

    def open(self, url: str) -> None:
        """Go to a page, and wait until its files are loaded."""
        found = self._call("Page.navigate", url=url)
        if found.get("errorText"):
            raise BrowserError(f"{url}: {found['errorText']}")
        self.wait("document.readyState === 'complete'")

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression, as JSON has it."""
        found = self._call(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        if "exceptionDetails" in found:
            raise BrowserError(f"{expression}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def wait(self, expression: str) -> Any:
        """Wait until an expression is true, and return its value."""
        deadline = time.monotonic() + self._deadline_seconds
        while not (found := self.ask(expression)):
            if time.monotonic() > deadline:
                raise BrowserError(f"in vain waited for: {expression}")
            time.sleep(0.1)
        return found

    def press(self, key: str, text: str = "") -> None:
        """Press a key and let it go."""
        about = {
            "key": key,
            "code": key,
            "windowsVirtualKeyCode": KEYS.get(key, 0),
        }
        if key == "Enter":
            about["text"] = "\r"
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, **about)

    def type(self, text: str) -> None:
        """Type a text where the focus is."""
        self._call("Input.insertText", text=text)

    def size(self, width: int, height: int, *, is_phone: bool = False) -> None:
        """Give the page this size."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=is_phone,
        )

    def prefer(self, **features: str) -> None:
        """Set what a user prefers, such as ``color_scheme="dark"``."""
        self._call(
            "Emulation.setEmulatedMedia",
            features=[
                {"name": f"prefers-{name.replace('_', '-')}", "value": value}
                for name, value in features.items()
            ],
        )

    def picture(self) -> bytes:
        """What is seen, as PNG."""
        found = self._call("Page.captureScreenshot", format="png")
        return base64.b64decode(found["data"])

    def _call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        message = {
            "id": self._number,
            "method": method,
            "params": parameters,
        }
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + self._deadline_seconds
        while True:
            found = self._next(deadline, method)
            if found.get("id") == self._number:
                if "error" in found:
                    raise BrowserError(f"{method}: {found['error']}")
                return found["result"]
            self._note(found)

    def _next(self, deadline: float, method: str) -> Any:
        """The next message of the browser."""
        while b"\0" not in self._rest:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._from], [], [], left)[0]:
                raise BrowserError(f"{method}: no answer")
            piece = os.read(self._from, 65536)
            if not piece:
                raise BrowserError(f"{method}: the browser has ended")
            self._rest += piece
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def _note(self, event: Any) -> None:
        about = event.get("params", {})
        match event.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(about["request"]["url"])
            case "Runtime.exceptionThrown":
                self.problems.append(json.dumps(about["exceptionDetails"]))
            case "Log.entryAdded" if about["entry"]["level"] == "error":
                entry = about["entry"]
                self.problems.append(f"{entry['text']} {entry.get('url')}")
