"""The events so far, summed up as a screen or a page needs them at this moment.

Each event takes the same time and none leaves anything behind but the figures, the few files that are shown
on their way, and the last few problems: so a million files cost no more than ten.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from upload_client.core.codes import todo
from upload_client.events import (
    Connected,
    Event,
    FileChanged,
    Health,
    InFlight,
    Phase,
    PhaseName,
    Planned,
    Progress,
    Summary,
)
from upload_client.support import figures
from upload_client.support.clock import SYSTEM, Clock

_PROBLEMS = 6
_FIGURES_EVERY = 1.0  # seconds: what changes more often cannot be read

PHASES: dict[PhaseName, str] = {
    "connecting": "connecting to the receiver",
    "planning": "checking what is there already",
    "starting": "starting the receiver's validator",
    "sending": "sending",
    "judging": "all is sent; waiting for verdicts",
    "finishing": "coming to an end",
}


@dataclass(frozen=True, slots=True)
class ShownProblem:
    """A file that went wrong; the texts are not yet safe for a terminal."""

    relpath: str
    state: str
    message: str
    todo: str


class RunView:
    """The figures and files that a person wants to see at this moment.

    Args:
        clock: counts the seconds between events.

    Attributes:
        phase: where the run is; None before it begins.
        progress: the last figures; None before there are any.
        health: the last report on lock and validator; None before.
        rate: bytes a second; rounded in time, so that it can be read.
        files_a_second: the same, of files brought over.
        verdicts_a_second: the same, of verdicts.
        left: seconds until all is sent and judged; infinite while nobody knows.
        idle: seconds for which nothing has moved.
        room: how many files on their way can be shown; set by whoever shows them.
        places: files on their way, each at its place until it has arrived; None: the place is free.
    """

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        self._pace = figures.Rates()
        self._figured_at = -_FIGURES_EVERY
        self._seen_at = self._began_at = clock.monotonic()
        self._before: frozenset[str] = frozenset()
        self._troubles: OrderedDict[str, ShownProblem] = OrderedDict()
        self.phase: PhaseName | None = None
        self.progress: Progress | None = None
        self.health: Health | None = None
        self.rate = self.files_a_second = self.verdicts_a_second = 0.0
        self.left = float("inf")
        self.idle = 0.0
        self.room = 8
        self.places: list[InFlight | None] = []

    def take(self, event: Event) -> None:
        """Take in an event."""
        match event:
            case FileChanged():  # first: there are millions of them
                self._file(event)
            case Phase(phase):
                self.phase = phase
            case Connected() | Planned() | Summary():
                self._seen_at = self._clock.monotonic()
            case Progress():
                self._progress(event)
            case Health():
                self.health = event
            case _:
                pass

    @property
    def since(self) -> float:
        """Seconds since the last figures."""
        return max(self._clock.monotonic() - self._seen_at, 0.0)

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        if self.progress is None:
            return max(self._clock.monotonic() - self._began_at, 0.0)
        return self.progress.seconds + self.since

    @property
    def on_the_way(self) -> int:
        """Number of files on their way."""
        return 0 if self.progress is None else self.progress.counts.get("transferring", 0)

    @property
    def troubles(self) -> list[ShownProblem]:
        """The last files that went wrong, the last of them last."""
        return list(self._troubles.values())

    def _progress(self, event: Progress) -> None:
        self.progress = event
        self._seen_at = self._clock.monotonic()
        self._pace.see(event)
        if event.seconds - self._figured_at >= _FIGURES_EVERY or event.seconds < self._figured_at:
            self._figured_at = event.seconds
            self.rate = self._pace.bytes_per_second
            self.files_a_second = self._pace.files_per_second
            self.verdicts_a_second = self._pace.verdicts_per_second
            self.left = self._pace.seconds_left
            self.idle = self._pace.idle
        del self.places[self.room :]
        now = {file.relpath: file for file in event.in_flight}
        were_free = [place is None for place in self.places]
        self.places = [None if place is None else now.pop(place.relpath, None) for place in self.places]
        # Who is gone before the next look would only flicker by.
        newcomers = [file for file in now.values() if file.relpath in self._before]
        self._before = frozenset(file.relpath for file in event.in_flight)
        for number, was_free in enumerate(were_free):
            if number < len(self.places) and self.places[number] is None:
                if newcomers:
                    self.places[number] = newcomers.pop(0)
                elif was_free:  # for longer than a newcomer is waited for: the last one closes the gap
                    last = self.places.pop()
                    self.places[number : number + 1] = [last] if number < len(self.places) else []
        self.places += newcomers[: max(self.room - len(self.places), 0)]

    def _file(self, event: FileChanged) -> None:
        if event.state in ("failed", "invalid"):
            self._troubles.pop(event.relpath, None)
            message = event.message or "no reason was given"
            advice = todo(event.state, event.code, again=event.again)
            self._troubles[event.relpath] = ShownProblem(event.relpath, event.state, message, advice)
            if len(self._troubles) > _PROBLEMS:
                self._troubles.popitem(last=False)
        elif event.state in ("done", "valid"):
            self._troubles.pop(event.relpath, None)
