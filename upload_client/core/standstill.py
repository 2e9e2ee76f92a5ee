"""A run that makes no progress, or whose thread does not return from a call: when it has lasted too long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from upload_client.core.states import State
from upload_client.core.text import counted
from upload_client.core.validator_watch import MAX_POLL_GAP


class Standstill:
    """Watches over a run that gets nowhere, for whatever reason nobody has thought of.

    Moments are seconds of one clock that never goes back. What counts is how far the run has ever been: files
    that go to and fro have not moved.

    Args:
        limit: seconds without progress after which a run has to end.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._seen_at: float | None = None
        self._farthest: tuple[int, ...] = ()
        self.seconds = 0.0
        """Without progress so far. A gap between two looks counts little: the machine may have slept."""

    def see(self, now: float, *figures: int) -> bool:
        """Take note of how far it is.

        Args:
            now: the moment.
            figures: whatever grows as the run goes on, always the same in the same order.

        Returns:
            Whether it has stood still for too long.
        """
        farthest = tuple(map(max, zip(figures, self._farthest or figures, strict=True)))
        if self._seen_at is None or farthest != self._farthest:
            self.seconds = 0.0
        else:
            self.seconds += min(now - self._seen_at, MAX_POLL_GAP)
        self._seen_at, self._farthest = now, farthest
        return self.seconds >= self._limit


def _span(seconds: float) -> str:
    return counted(round(seconds / 60), "minute") if seconds >= 120 else counted(round(seconds), "second")


class Stuck:
    """Whether a thread has been in one and the same call for too long.

    Looks come many times in that time. Where none has come for long, the whole process was suspended.

    Args:
        seconds: that are too long.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._seen: object = None
        self._since = self._last = 0.0

    def see(self, now: float, *signs: object) -> bool:
        """Look again, at what changes while it is not stuck.

        Args:
            now: a moment of one clock that never goes back, in seconds.
            signs: how often it has looked around, where it is, …
        """
        paused, self._last = now - self._last > self.seconds / 4, now
        if signs != self._seen or paused:
            self._seen, self._since = signs, now
        return now - self._since >= self.seconds


def why_stuck(files: Sequence[str], seconds: float) -> str:
    """Say what a thread is stuck in, for people.

    Args:
        files: with the code that it is in, the innermost first.
        seconds: for how long.
    """
    rooms = {part for file in files for part in file.replace("\\", "/").split("/")[-2:-1]}
    if "ui" in rooms:
        why = "nobody reads what this program writes to standard output or standard error"
    elif rooms & {"index", "support"}:
        why = "the folder with the data does not answer: a dead disk, or a network folder that hangs"
    else:
        why = "a call into the system does not return"
    return f"nothing has moved for {_span(seconds)}: {why}"


def why_still(
    counts: Mapping[State, int], seconds: float, *, passed_over: int = 0, trouble: str | None = None
) -> str:
    """Say what a run that gets nowhere waits for, for people.

    Args:
        counts: files in each state.
        seconds: without progress.
        passed_over: lines of the client's log that a validator could not read.
        trouble: what keeps lock or logs from being written or read; None: nothing.
    """
    unsent = counts["ready"] + counts["pending"] + counts["transferring"] + counts["failed"]
    reasons = []
    if unsent:
        reasons.append(f"{counted(unsent, 'file')} {'is' if unsent == 1 else 'are'} not sent")
    if counts["done"]:
        are = "is in S3 and has" if counts["done"] == 1 else "are in S3 and have"
        reasons.append(f"{counted(counts['done'], 'file')} {are} no verdict of the receiver's validator")
    if passed_over:
        reasons.append(f"it could not read {counted(passed_over, 'line')} of this run's log")
    if trouble:
        reasons.append(trouble)
    why = "; ".join(reasons) or "nobody knows why"
    return f"nothing has moved for {_span(seconds)}: {why}"
