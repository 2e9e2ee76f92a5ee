"""Sends outcomes to a webhook, by mail and to a program, again until each has accepted them."""

from __future__ import annotations

import contextlib
import email.utils
import hashlib
import json
import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import urllib3
from filelock import FileLock, Timeout

from upload_client.activities.mail import compose
from upload_client.core.serving import (
    MOST_OUTCOMES,
    OLDEST_OUTCOME,
    outcome_mail,
    retry_after,
    signature,
)
from upload_client.core.text import for_log
from upload_client.errors import DeliveryError, UsageError
from upload_client.receiver.serving.configuration import Serving
from upload_client.support.atomic import replacing
from upload_client.support.deadline import within
from upload_client.support.program import run_program

_log = logging.getLogger(__name__)

_SECONDS = 30.0
"""For the next bytes of an answer of the webhook."""
_WHOLE_SECONDS = 60.0
"""For the whole head of it, however it trickles: its body is not read."""
_COMMAND_SECONDS = 120.0
_MIN_SECRET = 16
_FAILED_IN_A_ROW = 3
_OTHERS = 5.0
"""Seconds between two looks for what another process has put into the folder, or for its end."""


class Outcomes:
    """Keeps outcomes in a folder until they are accepted, those of an earlier process, too.

    Of several processes with one folder, one sends on each channel: it holds a file lock beside the folder,
    which the system releases when the process ends. Each channel has a thread of its own, so that one that
    hangs does not delay the others. The outcome of an epoch is sent once, even if the process restarts. A
    message may arrive twice, where the process was killed while sending: ``id`` is the same then.

    Args:
        serving: where they go.
        folder: where they wait.
        count: called with ``webhook``, ``mail`` or ``command``, and ``taken``, ``refused`` or ``given_up``.

    Raises:
        UsageError: the secret cannot be read, or is too short.
    """

    def __init__(self, serving: Serving, folder: Path, count: Callable[[str, str], None]) -> None:
        self._folder = folder
        ways: dict[str, Callable[[bytes], str]] = {}
        if serving.webhook is not None:
            assert serving.webhook_secret_file is not None  # the configuration has seen to it
            self._url, self._secret = serving.webhook, _secret(serving.webhook_secret_file)
            self._pool = urllib3.PoolManager(retries=False, timeout=_SECONDS)
            ways["webhook"] = self._post
        if serving.mail is not None:
            self._recipients, self._smtp = serving.mail.recipients, serving.mail.server()
            ways["mail"] = self._mail
        if serving.command is not None:
            self._command = serving.command
            ways["command"] = self._run
        folder.mkdir(parents=True, exist_ok=True)
        self._ways = [_Channel(name, send, folder, count) for name, send in ways.items()]

    def start(self) -> None:
        """Start sending."""
        for way in self._ways:
            way.start()

    def stop(self) -> None:
        """Send what waits once more, and end."""
        by = time.monotonic() + _SECONDS
        for way in self._ways:
            way.stop()
        for way in self._ways:
            way.join(max(0.0, by - time.monotonic()))

    def add(self, outcome: Mapping[str, object], epoch: int = 0) -> None:
        """Take an outcome; on disk when this returns.

        Args:
            outcome: the message.
            epoch: of the client whose run has ended: by it and the message the same outcome has the same id.
                Why a receipt lacks something may be said in other words each time: that makes no other one.

        Raises:
            OSError: it cannot be written down.
        """
        body = json.dumps({key: value for key, value in outcome.items() if key != "receipt_problems"})
        name = hashlib.sha256(f"{epoch} {body}".encode()).hexdigest()[:16]
        for way in self._ways:
            way.add(name, json.dumps({"id": name, **outcome}) + "\n")

    def _post(self, body: bytes) -> str:
        """Why the webhook did not accept it; empty where it did."""
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "X-Upload-Client-Timestamp": timestamp,
            "X-Upload-Client-Signature": signature(self._secret, timestamp, body),
        }

        def ask() -> int:
            answer = self._pool.request(
                "POST", self._url, body=body, headers=headers, redirect=False, preload_content=False
            )
            answer.close()  # whatever it says, and however long, is not read
            return answer.status

        try:
            status = within(_WHOLE_SECONDS, ask)
        except TimeoutError:
            return "the webhook does not answer in time"
        except urllib3.exceptions.HTTPError as error:
            return f"the webhook was not reached ({type(error).__name__})"
        return "" if 200 <= status < 300 else f"the webhook answered {status}"

    def _mail(self, body: bytes) -> str:
        """Why nobody got it by mail; empty where somebody did."""
        outcome = json.loads(body)
        subject, text = outcome_mail(outcome)
        host = email.utils.parseaddr(self._smtp.sender)[1].rpartition("@")[2]
        message = compose(
            sender=self._smtp.sender,
            recipients=self._recipients,
            subject=subject,
            body=text + "\n",
            message_id=f"<{outcome['id']}@{host}>",
        )
        try:
            refused = self._smtp.send(message)
        except DeliveryError as error:
            return str(error)
        for who, reply in refused.items():
            _log.warning("an outcome was not sent to %s: %s", for_log(who), for_log(reply))
        return ""

    def _run(self, body: bytes) -> str:
        try:
            done = run_program(self._command, seconds=_COMMAND_SECONDS, given=body)
        except subprocess.TimeoutExpired:
            return f"the program took more than {_COMMAND_SECONDS:.0f} s"
        except OSError as error:
            return f"the program cannot be run: {error.strerror or error}"
        reason = done.error_output.decode("utf-8", "replace").strip()[-300:]
        return "" if done.returncode == 0 else f"the program ended with {done.returncode}: {reason}"


class _Channel:
    """One channel (webhook, mail or command): its messages, oldest first, and the thread that sends them."""

    def __init__(
        self, name: str, send: Callable[[bytes], str], folder: Path, count: Callable[[str, str], None]
    ) -> None:
        self.name = name
        self._send = send
        self._folder = folder
        self._count = count
        self._tries: dict[Path, tuple[int, float]] = {}  # how many, and when it is due again, monotonic
        self._since: dict[Path, float] = {}  # when this process has tried it first, monotonic
        self._n_failed = 0  # in a row
        self._not_before = 0.0
        self._unlocked = False
        self._lock_file = FileLock(folder.with_name(f"{folder.name}.{name}.lock"), timeout=0)
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name=f"outcomes by {name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def add(self, name: str, message: str) -> None:
        if next(self._folder.glob(f"*-{name}.{self.name}.json*"), None) is None:  # nor was it taken before
            path = self._folder / f"{time.time_ns():020}-{name}.{self.name}.json"
            self._folder.mkdir(parents=True, exist_ok=True)  # somebody may have cleared it away meanwhile
            with replacing(path, private=True) as file:
                file.write(message)
        self._wake.set()

    def _work(self) -> None:
        try:
            while True:
                stopping = self._stopping
                due = self._pass()
                if stopping:
                    return
                self._wake.wait(due)
                self._wake.clear()
        finally:
            self._lock_file.release()

    def _pass(self) -> float:
        """Try all that is due, until several in a row were not taken; seconds until the next look."""
        soonest = _OTHERS
        if not self._has_lock():
            return soonest
        # Those that were tried least come first: what nobody will ever take stands in no other's way.
        for path in sorted(self._waiting(), key=lambda path: self._tries.get(path, (0, 0.0))):
            n_tries, at = self._tries.get(path, (0, 0.0))
            wait = max(at, self._not_before) - time.monotonic()
            if wait > 0 and not self._stopping:
                soonest = min(soonest, wait)
                continue
            if not self._try(path, n_tries):
                soonest = min(soonest, retry_after(n_tries + 1))
                if self._stopping:
                    break  # the next process tells the rest
        return soonest

    def _has_lock(self) -> bool:
        """Whether this process sends what waits: one of several with one folder does."""
        try:
            if not self._lock_file.is_locked:
                self._lock_file.acquire()
        except Timeout:
            return False
        except (OSError, NotImplementedError) as error:
            if not self._unlocked:  # rather twice than never
                self._unlocked = True
                _log.warning("%s cannot be locked: two processes may send the same: %s", self._folder, error)
        return True

    def _waiting(self) -> list[Path]:
        """The messages that wait; what is too many of them is given up, the oldest first."""
        paths = sorted(self._folder.glob(f"*.{self.name}.json"))
        for path in paths[:-MOST_OUTCOMES]:
            self._give_up(path, f"more than {MOST_OUTCOMES:,} wait")
        for end in ("given-up", "taken"):
            for path in sorted(self._folder.glob(f"*.{self.name}.json.{end}"))[:-MOST_OUTCOMES]:
                with contextlib.suppress(OSError):
                    path.unlink()
        return paths[-MOST_OUTCOMES:]

    def _try(self, path: Path, n_tries: int) -> bool:
        """Whether it need not be sent any more.

        It is given up after a day of tries by one process. How old its file is says a clock that may have
        been set meanwhile, or is that of another machine: that would end what nobody had tried for long.
        """
        since = self._since.setdefault(path, time.monotonic())
        try:
            why = self._send(path.read_bytes())
        except OSError as error:
            why = str(error.strerror or error)
        except Exception as error:  # noqa: BLE001 - what one message raises keeps no other from being told
            why = f"{type(error).__name__}: {error}"
        if why:
            self._n_failed += 1
            if self._n_failed >= _FAILED_IN_A_ROW:  # nobody is there: it is not asked for each of them
                self._not_before = time.monotonic() + retry_after(self._n_failed - _FAILED_IN_A_ROW + 1)
            if time.monotonic() - since > OLDEST_OUTCOME:
                self._give_up(path, why)
                return True
            self._count(self.name, "refused")
            _log.warning("an outcome was not accepted (%s), it is sent again: %s", self.name, for_log(why))
            self._tries[path] = n_tries + 1, time.monotonic() + retry_after(n_tries + 1)
            return False
        self._n_failed, self._not_before = 0, 0.0
        self._count(self.name, "taken")
        self._tries.pop(path, None)
        self._since.pop(path, None)
        try:
            _remember(path)
        except OSError as error:
            _log.error("%s was taken, and cannot be renamed: %s", path, error.strerror)
            self._tries[path] = n_tries + 1, time.monotonic() + retry_after(n_tries + 1)
            return False
        return True

    def _give_up(self, path: Path, why: str) -> None:
        self._count(self.name, "given_up")
        _log.error("an outcome is not sent any more, it is kept as %s.given-up: %s", path, for_log(why))
        with contextlib.suppress(OSError):
            path.rename(f"{path}.given-up")
        self._tries.pop(path, None)
        self._since.pop(path, None)


def _remember(path: Path) -> None:
    """Keep that a message was taken, and nothing of what it says."""
    taken = Path(f"{path}.taken")
    try:
        path.rename(taken)
    except FileNotFoundError:
        return  # another process of this machine has told it as well
    os.truncate(taken, 0)


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
