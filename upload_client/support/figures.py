"""Figures as people read them, and how fast a delivery goes."""

from __future__ import annotations

import math
from collections.abc import Mapping

from upload_client.core.left_out import sentence
from upload_client.core.resume import Reason
from upload_client.core.states import STATES, State
from upload_client.core.text import counted
from upload_client.events import FileChanged, Planned, Progress

_SENTENCES = {one.value: one.sentence for one in Reason}
_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")
_HALF_LIFE = 8.0
_TELLING = 2.0  # seconds that a rate has to be seen for to tell anything
STALLED = 10.0
"""Seconds without a byte, a file or a verdict after which that is said, and no rate."""
_MAX_NOTICES = 100


def count(n: int) -> str:
    """``1234567`` as ``1,234,567``."""
    return f"{n:,}"


def files(n: int) -> str:
    """``1 file``, ``2,000 files``."""
    return counted(n, "file")


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


def judged(by_state: Mapping[State, int]) -> int:
    """Files that have a verdict."""
    return by_state.get("valid", 0) + by_state.get("invalid", 0)


def share(done: float, total: float) -> float:
    """From 0 to 1; of nothing, all is done."""
    return min(max(done / total, 0.0), 1.0) if total > 0 else 1.0


def sent(n_bytes: int, of_bytes: int, n_files_left: int, of_files: int) -> float:
    """The share that is sent, from 0 to 1: by bytes, where there are any; never all while a file is left."""
    done = share(n_bytes, of_bytes) if of_bytes else share(of_files - n_files_left, of_files)
    return min(done, 0.999) if n_files_left > 0 else done


def pace(bytes_per_second: float, seconds_left: float) -> str:
    """How fast it goes, and how long it takes; what nobody knows is left out, and so this may be empty."""
    parts = [f"{size(bytes_per_second)}/s"] if bytes_per_second >= 1 else []
    if 0 < seconds_left < math.inf:
        parts.append(f"{duration(seconds_left)} left")
    return ", ".join(parts)


def percent(of_one: float) -> str:
    """Four columns, rounded down, as nothing is done before it is: `` 7 %``, ``99 %``, ``100%``."""
    return "100%" if of_one >= 1 else f"{int(of_one * 100):2} %"


def reason(code: str) -> str:
    """Why files start as they do, in a sentence, by the code of a `upload_client.core.resume.Reason`."""
    return _SENTENCES.get(code, code)


def plan(planned: Planned) -> str:
    """The plan in one sentence: what will be sent."""
    left_out = sentence(planned.left_out)
    end = f"; {left_out}." if left_out else "."
    if not planned.n_files:
        return f"Nothing to send{end}"
    return f"{files(planned.n_files)} to send, {size(planned.n_bytes)}{end}"


class Rates:
    """The recent rates of bytes, files and verdicts, and the time that the rest takes.

    Each rate is an average over this run in which what was long ago counts less and less: by half after
    `_HALF_LIFE` seconds. What was in place before the run, and parts that were kept, are no part of it; nor
    is the time before anything moved. What was seen for a moment only, or no longer moves, has no rate.
    """

    def __init__(self) -> None:
        self._last: Progress | None = None
        self._seconds = 0.0
        self._bytes = self._files = self._verdicts = 0.0
        self._best_files = self._best_verdicts = 0.0
        self._moved_at = 0.0

    def see(self, progress: Progress) -> None:
        """Take note of how far it is."""
        last, self._last = self._last, progress
        if last is None:
            self._moved_at = progress.seconds
            return
        seconds = max(progress.seconds - last.seconds, 0.0)
        fading = 0.5 ** (seconds / _HALF_LIFE)
        # A file that is sent again takes its bytes back.
        n_bytes = max(_moved(progress) - _moved(last), 0)
        n_files = max(progress.files_sent - last.files_sent, 0)
        n_verdicts = max(judged(progress.counts) - judged(last.counts), 0)
        if not (n_bytes or n_files or n_verdicts or self._seconds):
            return
        self._seconds = self._seconds * fading + seconds
        self._bytes = self._bytes * fading + n_bytes
        self._files = self._files * fading + n_files
        self._verdicts = self._verdicts * fading + n_verdicts
        if self._seconds >= _TELLING:
            self._best_files = max(self._best_files, self.files_per_second)
            self._best_verdicts = max(self._best_verdicts, self.verdicts_per_second)
        if n_bytes or n_files or n_verdicts:
            self._moved_at = progress.seconds

    @property
    def bytes_per_second(self) -> float:
        """0.0 while nobody knows."""
        return self._rate(self._bytes)

    @property
    def files_per_second(self) -> float:
        """Files brought over; 0.0 while nobody knows."""
        return self._rate(self._files)

    @property
    def verdicts_per_second(self) -> float:
        """0.0 while nobody knows."""
        return self._rate(self._verdicts)

    @property
    def idle(self) -> float:
        """Seconds since anything moved."""
        return 0.0 if self._last is None else self._last.seconds - self._moved_at

    @property
    def seconds_left(self) -> float:
        """Until all is sent and judged; infinite while nobody knows.

        Many small files take their time by their number, large ones by their bytes, and the validator its
        own: the longest counts. While larger files are sent than those that are left, the many small ones
        that come after them are taken to go as fast as such files have gone at best.
        """
        last = self._last
        if last is None:
            return math.inf
        n_files = last.files_total - last.files_sent
        n_bytes = last.bytes_total - last.bytes_done
        alike = self._bytes * n_files <= 4 * n_bytes * self._files
        files_rate = self.files_per_second if alike else self._best_files
        verdict_rate = self.verdicts_per_second if alike or n_files <= 0 else self._best_verdicts
        many = 1.0 if n_files > 0 else 0.0
        rests = (
            (n_bytes, self.bytes_per_second, 0.0),
            (n_files, files_rate, many),
            (sum(last.counts.values()) - judged(last.counts), verdict_rate, many),
        )
        known = [rest / rate for rest, rate, least in rests if rest > 0 and rate > least]
        return max(known) if known else math.inf if any(rest > 0 for rest, *_ in rests) else 0.0

    def _rate(self, amount: float) -> float:
        return amount / self._seconds if self._seconds >= _TELLING and self.idle < STALLED else 0.0


def _moved(progress: Progress) -> int:
    return progress.bytes_done - progress.bytes_kept


class FileNotices:
    """Which single files are shown: those with problems, once each, up to a limit; with -v all."""

    MORE = "More files go wrong. They are not listed one by one; all are in the state CSV."

    def __init__(self, verbosity: int) -> None:
        self._verbosity = verbosity
        self._wrong: set[tuple[str, str]] = set()
        self.left_out = False
        """Whether this is the moment to say `MORE`."""

    def announces(self, event: FileChanged) -> bool:
        """Whether to show this one."""
        self.left_out = False
        if event.state not in {"failed", "invalid"}:
            return self._verbosity > 0 and event.state in {"done", "valid"}
        if self._verbosity > 0:
            return True
        # A file that fails at each of its tries is told of at the first.
        wrong = (event.relpath, event.state)
        if wrong in self._wrong or len(self._wrong) > _MAX_NOTICES:
            return False
        self._wrong.add(wrong)
        self.left_out = len(self._wrong) > _MAX_NOTICES
        return not self.left_out
