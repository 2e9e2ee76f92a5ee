"""Outcomes that are told to a webhook and a program, until these have taken them."""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import urllib3

from upload_client.core.serving import OLDEST_OUTCOME, retry_after, signature
from upload_client.core.text import for_log
from upload_client.errors import UsageError
from upload_client.receiver.serving.configuration import Serving
from upload_client.support.atomic import replacing

__all__ = ["Outcomes"]

_log = logging.getLogger(__name__)

_SECONDS = 30.0
"""For an answer of the webhook."""
_COMMAND_SECONDS = 120.0
_MIN_SECRET = 16


class Outcomes:
    """Keeps outcomes in a folder until they are taken, those of an earlier process, too.

    A message may come twice, where this process was ended in the middle: ``id`` is the same then.

    Args:
        serving: where they go.
        folder: where they wait.
        count: told ``webhook`` or ``command``, and ``taken``, ``refused`` or ``given_up``.

    Raises:
        UsageError: the secret cannot be read, or is too short.
    """

    def __init__(self, serving: Serving, folder: Path, count: Callable[[str, str], None]) -> None:
        self._folder = folder
        self._count = count
        self._ways: dict[str, Callable[[bytes], str]] = {}
        if serving.webhook is not None:
            assert serving.webhook_secret_file is not None  # the configuration has seen to it
            self._url, self._secret = serving.webhook, _secret(serving.webhook_secret_file)
            self._pool = urllib3.PoolManager(retries=False, timeout=_SECONDS)
            self._ways["webhook"] = self._post
        if serving.command is not None:
            self._command = serving.command
            self._ways["command"] = self._run
        self._tries: dict[Path, tuple[int, float]] = {}
        self._wake = threading.Event()
        self._stopping = False
        folder.mkdir(parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._work, name="outcomes", daemon=True)

    def start(self) -> None:
        """Begin to tell."""
        self._thread.start()

    def stop(self) -> None:
        """Tell what waits once more, and end."""
        self._stopping = True
        self._wake.set()
        self._thread.join(_SECONDS)

    def add(self, told: Mapping[str, object]) -> None:
        """Take an outcome; on disk when this returns."""
        name = secrets.token_hex(8)
        for way in self._ways:
            path = self._folder / f"{time.time_ns():020}-{name}.{way}.json"
            with replacing(path, private=True) as file:
                file.write(json.dumps({"id": name, **told}) + "\n")
        self._wake.set()

    def _work(self) -> None:
        while True:
            due = self._tell()
            if self._stopping:
                return
            self._wake.wait(due)
            self._wake.clear()

    def _tell(self) -> float:
        """Try all that is due; seconds until the next one is."""
        soonest = 3600.0
        for path in sorted(self._folder.glob("*.json")):
            way = path.name.split(".")[-2]
            if way not in self._ways:
                continue  # of another configuration
            n_tries, at = self._tries.get(path, (0, 0.0))
            wait = at - time.monotonic()
            if wait > 0 and not self._stopping:
                soonest = min(soonest, wait)
                continue
            try:
                why = self._ways[way](path.read_bytes())
                age = time.time() - path.stat().st_mtime
            except OSError as error:
                why, age = str(error.strerror or error), 0.0
            except Exception as error:  # noqa: BLE001 - what one way raises keeps no other from being told
                why, age = f"{type(error).__name__}: {error}", 0.0
            if not why:
                self._count(way, "taken")
                self._tries.pop(path, None)
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    _log.error("%s was taken, and cannot be removed: %s", path, error.strerror)
                    self._tries[path] = n_tries + 1, time.monotonic() + retry_after(n_tries + 1)
            elif age > OLDEST_OUTCOME:
                self._count(way, "given_up")
                _log.error(
                    "an outcome is not told any more, it is kept as %s.given-up: %s", path, for_log(why)
                )
                with contextlib.suppress(OSError):
                    path.rename(f"{path}.given-up")
                self._tries.pop(path, None)
            else:
                self._count(way, "refused")
                _log.warning("an outcome was not taken (%s), it is told again: %s", way, for_log(why))
                self._tries[path] = n_tries + 1, time.monotonic() + retry_after(n_tries + 1)
                soonest = min(soonest, retry_after(n_tries + 1))
        return soonest

    def _post(self, body: bytes) -> str:
        """Why the webhook did not take it; empty where it did."""
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "X-Upload-Client-Timestamp": timestamp,
            "X-Upload-Client-Signature": signature(self._secret, timestamp, body),
        }
        try:
            answer = self._pool.request(
                "POST", self._url, body=body, headers=headers, redirect=False, preload_content=False
            )
            answer.close()  # whatever it says, and however long, is not read
        except urllib3.exceptions.HTTPError as error:
            return f"the webhook was not reached ({type(error).__name__})"
        return "" if 200 <= answer.status < 300 else f"the webhook answered {answer.status}"

    def _run(self, body: bytes) -> str:
        try:
            done = subprocess.run(  # noqa: S603 - the operator's own
                self._command,
                input=body,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=_COMMAND_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"the program took more than {_COMMAND_SECONDS:.0f} s"
        except OSError as error:
            return f"the program cannot be run: {error.strerror or error}"
        said = done.stderr.decode("utf-8", "replace").strip()[-300:]
        return "" if done.returncode == 0 else f"the program ended with {done.returncode}: {said}"


def _secret(path: Path) -> bytes:
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    if len(secret) < _MIN_SECRET:
        raise UsageError(
            f"the secret in {path} has fewer than {_MIN_SECRET} characters",
            hint="Make one: head -c 32 /dev/urandom | base64 > secret",
        )
    return secret
