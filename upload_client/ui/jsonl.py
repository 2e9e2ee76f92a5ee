r"""For programs: one JSON object a line, the last of them the summary.

Every object has ``schema_version``, ``kind``, ``t`` (UTC) and the event's own fields: all kinds and fields
are in ``docs/events.md``. The text is ASCII. Paths and messages are exact, but for lone surrogates, which not
every reader takes: they become visible as ``\udcff``. Within a version, kinds and fields may be added.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from upload_client.core.problems import Problem
from upload_client.core.resume import Reason
from upload_client.core.times import timestamp
from upload_client.events import (
    Connected,
    Event,
    FileChanged,
    Health,
    InFlight,
    Message,
    Phase,
    Planned,
    Progress,
    Summary,
)
from upload_client.support.clock import SYSTEM, Clock
from upload_client.ui.lines import Lines

SCHEMA_VERSION = 1

KINDS: dict[type[Event], str] = {
    Message: "message",
    Phase: "phase",
    Connected: "connected",
    Planned: "planned",
    FileChanged: "file",
    Progress: "progress",
    Health: "health",
    Summary: "summary",
}

OUTCOMES = frozenset({"failed", "done", "valid", "invalid"})
"""The states that are reported to programs; the others last only moments."""

PROGRESS_SECONDS = 1.0
HEALTH_SECONDS = 30.0

_encode = json.JSONEncoder(allow_nan=False).encode


class JsonlReporter:
    """Writes each event as a line.

    How far it is comes at most every second; how lock and validator are, every 30 seconds and at changes.

    Args:
        stream: Where to write, instead of stdout.
        clock: Gives each line its time.
    """

    def __init__(self, *, stream: TextIO | None = None, clock: Clock = SYSTEM) -> None:
        self._lines = Lines(stream or "stdout")
        self._clock = clock
        self._progress_at = -PROGRESS_SECONDS
        self._health: Health | None = None

    def handle(self, event: Event) -> None:
        """Write this event, or ignore it."""
        if isinstance(event, FileChanged):
            if event.state in OUTCOMES:
                # Thousands a second: they go out with the next figures of progress, which are never far.
                self._write("file", _fields(event), flush=False)
        elif isinstance(event, Progress) and event.seconds - self._progress_at < PROGRESS_SECONDS:
            self._lines.flush()
        elif isinstance(event, Health) and not self._is_news(event):
            pass
        else:
            if isinstance(event, Progress):
                self._progress_at = event.seconds
            self._write(KINDS[type(event)], _fields(event), flush=True)

    def _is_news(self, event: Health) -> bool:
        before = self._health
        if (
            before is not None
            and (before.validator, before.trouble) == (event.validator, event.trouble)
            and (before.lease_left is None) == (event.lease_left is None)
            and event.seconds - before.seconds < HEALTH_SECONDS
        ):
            return False
        self._health = event
        return True

    def planned(self, relpath: str, state: str, reason: Reason) -> None:
        """Write what a dry run has found out about a file, as a line of the kind ``plan``."""
        body = {"relpath": relpath, "state": state, "code": reason.value, "reason": reason.sentence}
        self._write("plan", body, flush=False)

    def close(self) -> None:
        """Write what is held back."""
        self._lines.flush()
        self._report_trouble()

    def _write(self, kind: str, body: Mapping[str, Any], *, flush: bool) -> None:
        line = {"schema_version": SCHEMA_VERSION, "kind": kind, "t": timestamp(self._clock.wall())}
        for name, value in body.items():
            line[name] = _plain(value)
        self._lines.write(_encode(line), flush=flush)
        self._report_trouble()

    def _report_trouble(self) -> None:
        """Notify people, once, that a program hears nothing more."""
        error, self._lines.trouble = self._lines.trouble, None
        if error is not None:
            why = f"the lines for a program cannot be written any more: {error.strerror}"
            Lines("stderr").write(f"warning: {why}")


def _fields(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__dataclass_fields__}


def _plain(value: Any) -> Any:  # noqa: ANN401 # any JSON value, and paths
    """The same in JSON's types, in text that every JSON reader takes."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, InFlight):
        value = value._asdict()
    elif isinstance(value, Problem):
        value = {name: getattr(value, name) for name in Problem.__dataclass_fields__}
    elif isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(one) for key, one in value.items()}
    text = str(value)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
