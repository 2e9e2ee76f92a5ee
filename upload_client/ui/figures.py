"""Figures as people read them, and how fast a delivery goes."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from upload_client.core.files import STATES, State
from upload_client.events import FileChanged, Planned, Progress

__all__ = ["FilesTold", "Pace", "count", "counts", "duration", "files", "plan", "size"]

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")
_WINDOW_SECONDS = 15.0
_FILES_TOLD = 100


def count(n: int) -> str:
    """``1234567`` as ``1,234,567``."""
    return f"{n:,}"


def files(n: int) -> str:
    """``1 file``, ``2,000 files``."""
    return f"{count(n)} file{'' if n == 1 else 's'}"


def size(n_bytes: float) -> str:
    """Bytes in binary units: ``0 B``, ``999 B``, ``1.5 KiB``, ``2,048.0 PiB``."""
    if n_bytes < 1000:
        return f"{n_bytes:.0f} B"
    value = n_bytes / 1024
    for unit in _UNITS:
        # Not 1024: there would be five characters where four are enough.
        if value < 1000 or unit == _UNITS[-1]:
            return f"{value:,.1f} {unit}"
        value /= 1024
    raise AssertionError


def duration(seconds: float) -> str:
    """``0:07``, ``12:34``, ``3:00:00``, ``2 d 03:00``; ``-:--`` where nobody knows."""
    if not 0 <= seconds < 10**9:
        return "-:--"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days} d {hour:02}:{minute:02}"
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def counts(by_state: Mapping[State, int]) -> list[tuple[State, int]]:
    """The states that have files, in the order of a file's life."""
    return [(state, by_state[state]) for state in STATES if by_state.get(state)]


def plan(planned: Planned) -> str:
    """What will be sent, in one sentence."""
    if not planned.n_files:
        return "Nothing to send."
    return f"{files(planned.n_files)} to send, {size(planned.n_bytes)}."


class Pace:
    """How fast bytes and files go, over the last seconds, and how long the rest takes."""

    def __init__(self) -> None:
        self._seen: deque[Progress] = deque()

    def see(self, progress: Progress) -> None:
        """Take note of how far it is."""
        self._seen.append(progress)
        # One older than the window stays, so that it is always spanned.
        while len(self._seen) > 2 and progress.seconds - self._seen[1].seconds >= _WINDOW_SECONDS:
            self._seen.popleft()

    @property
    def bytes_per_second(self) -> float:
        """0.0 while nobody knows."""
        return self._rate(self._seen[-1].bytes_sent - self._seen[0].bytes_sent) if self._seen else 0.0

    @property
    def files_per_second(self) -> float:
        """0.0 while nobody knows."""
        return self._rate(self._seen[-1].files_sent - self._seen[0].files_sent) if self._seen else 0.0

    def seconds_left(self, n_files: int) -> float:
        """Until all `n_files` of this run are sent; infinite while nobody knows.

        Many small files take their time by their number, large ones by their bytes: the longer counts.
        """
        if not self._seen:
            return float("inf")
        last = self._seen[-1]
        rests = (
            (last.bytes_total - last.bytes_sent, self.bytes_per_second),
            (n_files - last.files_sent, self.files_per_second),
        )
        # A large file counts as sent at its end only: with none sent lately, its bytes alone tell.
        known = [rest / rate for rest, rate in rests if rest > 0 and rate > 0]
        return max(known) if known else float("inf") if any(rest > 0 for rest, _ in rests) else 0.0

    def _rate(self, amount: int) -> float:
        span = self._seen[-1].seconds - self._seen[0].seconds
        # A file that is sent again takes its bytes back.
        return max(amount, 0) / span if span > 0 else 0.0


class FilesTold:
    """Which single files a person is told of: those gone wrong, once each, up to a number; with -v all."""

    MORE = "More files go wrong. They are not told one by one; all are in the state file."

    def __init__(self, verbosity: int) -> None:
        self._verbosity = verbosity
        self._wrong: set[tuple[str, str]] = set()
        self.left_out = False
        """Whether this is the moment to say `MORE`."""

    def tell(self, event: FileChanged) -> bool:
        """Whether to tell of this one."""
        self.left_out = False
        if self._verbosity > 0:
            return event.state in {"done", "valid", "failed", "invalid"}
        if event.state not in {"failed", "invalid"}:
            return False
        # A file that fails at each of its tries is told of at the first.
        wrong = (event.relpath, event.state)
        if wrong in self._wrong or len(self._wrong) > _FILES_TOLD:
            return False
        self._wrong.add(wrong)
        self.left_out = len(self._wrong) > _FILES_TOLD
        return not self.left_out
