"""A headless Chromium, spoken to over two pipes: no driver, no port, no library.

Chromium reads commands from descriptor 3 and writes answers and events to descriptor 4, as JSON between NULs
(``--remote-debugging-pipe``; https://chromedevtools.github.io/devtools-protocol/).
"""

from __future__ import annotations

import base64
import json
import os
import select
import shlex
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = shlex.split(
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars"
)
PATIENCE = 120.0  # seconds for one answer: a busy machine is no failure


def find() -> str | None:
    """The browser on this machine; None where there is none that can be spoken to like this."""
    return None if os.name == "nt" else next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One tab.

    Attributes:
        complaints: what the browser has said against the page: errors, refusals, exceptions.
        asked: every URL it asked for.
    """

    def __init__(self, program: str, folder: Path) -> None:
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()
        # A shell puts the pipes where they are expected; nothing else here can, without threads' dangers.
        command = f'exec "$0" "$@" 3<&{to_read} 4>&{to_write}'
        self._process = subprocess.Popen(
            [
                "/bin/bash",
                "-c",
                command,
                program,
                *FLAGS,
                f"--user-data-dir={folder}",
                "--remote-debugging-pipe",
            ],
            pass_fds=(to_read, to_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._number = 0
        self._rest = b""
        self._session = ""
        self._loaded = False
        self.complaints: list[str] = []
        self.asked: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Give a command, and take its answer."""
        self._number += 1
        order: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            order["sessionId"] = self._session
        os.write(self._to, json.dumps(order).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == self._number:
                assert "error" not in told, told
                return told["result"]

    def open(
        self, path: Path, *, width: int = 1200, height: int = 900, dark: bool = False, media: str = ""
    ) -> None:
        """Load a file and wait until all of it ran."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self._loaded = False
        self.call("Page.navigate", url=path.absolute().as_uri())
        while not self._loaded:
            self._next()

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        told = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def texts(self, selector: str) -> list[str]:
        """What a person reads in each element that matches."""
        return self.run(f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.innerText)")

    def click(self, selector: str, n: int = 0) -> None:
        """Click on what matches."""
        self.run(f"document.querySelectorAll({json.dumps(selector)})[{n}].click()")

    def picture(self, path: Path, *, width: int, height: int, y: int = 0) -> None:
        """Take a picture of a part of the page, for people to look at."""
        clip = {"x": 0, "y": y, "width": width, "height": height, "scale": 1}
        told = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(told["data"]))

    def _next(self) -> dict[str, Any]:
        """The next thing it says; what concerns the page is noted."""
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], max(0.0, deadline - time.monotonic()))
            said = os.read(self._from, 1 << 20) if ready else b""
            if not said:
                raise AssertionError("the browser has ended" if ready else "the browser is silent")
            self._rest += said
        one, _, self._rest = self._rest.partition(b"\0")
        told: dict[str, Any] = json.loads(one)
        match told.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case (
                "Runtime.exceptionThrown"
                | "Runtime.consoleAPICalled"
                | "Log.entryAdded"
                | "Page.javascriptDialogOpening"
            ):
                self.complaints.append(json.dumps(told["params"])[:1000])
            case "Network.requestWillBeSent":
                self.asked.append(told["params"]["request"]["url"])
        return told
