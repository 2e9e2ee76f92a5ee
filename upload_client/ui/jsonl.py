r"""For programs: one JSON object a line, the last of them the summary.

Every object has ``schema_version``, ``kind`` (``message``, ``connected``, ``planned``, ``file``,
``progress``, ``summary``), ``t`` (UTC) and the event's own fields. The text is ASCII. Paths and messages are
exact, but for lone surrogates, which not every reader takes: they become visible as ``\udcff``. Within a
version, kinds and fields may be added.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, TextIO

from upload_client.clock import SYSTEM, Clock
from upload_client.core.times import timestamp
from upload_client.events import Connected, Event, FileChanged, Message, Planned, Progress, Summary
from upload_client.ui.lines import Lines

__all__ = ["SCHEMA_VERSION", "JsonlReporter"]

SCHEMA_VERSION = 1

KINDS: dict[type[Event], str] = {
    Message: "message",
    Connected: "connected",
    Planned: "planned",
    FileChanged: "file",
    Progress: "progress",
    Summary: "summary",
}

OUTCOMES = frozenset({"failed", "done", "valid", "invalid"})
"""The states a program is told of; the others are passed within moments."""

PROGRESS_SECONDS = 1.0


class JsonlReporter:
    """Writes each event as a line; how far it is at most every second.

    Args:
        stream: Where to write, instead of stdout.
        clock: Gives each line its time.
    """

    def __init__(self, *, stream: TextIO | None = None, clock: Clock = SYSTEM) -> None:
        self._lines = Lines(stream or "stdout")
        self._clock = clock
        self._told_at = -PROGRESS_SECONDS

    def handle(self, event: Event) -> None:
        """Write this, or leave it out."""
        if isinstance(event, FileChanged) and event.state not in OUTCOMES:
            return
        if isinstance(event, Progress):
            if event.seconds - self._told_at < PROGRESS_SECONDS:
                return
            self._told_at = event.seconds
        self.write(
            KINDS[type(event)],
            **{field.name: getattr(event, field.name) for field in dataclasses.fields(event)},
        )

    def write(self, kind: str, **fields: Any) -> None:  # noqa: ANN401 # any JSON value, and paths
        """Write a line of this kind."""
        head = {"schema_version": SCHEMA_VERSION, "kind": kind, "t": timestamp(self._clock.wall())}
        self._lines.write(json.dumps(head | _plain(fields), allow_nan=False))

    def close(self) -> None:
        """Nothing is held back."""


def _plain(value: Any) -> Any:  # noqa: ANN401 # any JSON value, and paths
    """The same in JSON's types, in text that every JSON reader takes."""
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(one) for key, one in value.items()}
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value).encode("utf-8", "backslashreplace").decode()
