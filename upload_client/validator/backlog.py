"""`Backlog`: announced uploads that have no verdict yet, in the order of the client's log.

For the validator's own thread, but for `_ended`, which is called in any, and `lag`, which others may ask.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import NamedTuple, Protocol

from upload_client.core.uploads import Upload
from upload_client.validator.checks import Abandoned, Judgement


class Judges(Protocol):
    """Judges uploads; `upload_client.validator.judging.Judging` is the real one."""

    def submit(self, path: str, announced: Upload) -> Future[Judgement]:
        """Begin to judge one upload. What comes out is `Abandoned` after `stop`."""

    def stop(self) -> None:
        """Let judgements that are under way end soon."""


class _UnderWay(NamedTuple):
    """An upload that is being judged, and the segment that announces it."""

    seq: int
    upload: Upload
    future: Future[Judgement]


class Backlog:
    """The uploads that wait to be judged, and those that are being judged.

    Args:
        judges: judges uploads.
        width: how many uploads are handed out at once to be judged.
        wake: called in any thread when a judgement has ended.
    """

    def __init__(self, judges: Judges, width: int, wake: Callable[[], object]) -> None:
        self._judges = judges
        self._width = width
        self._wake = wake
        # By path, each with the number of the segment that announces it; what was announced first is first.
        self._waiting: dict[str, int] = {}
        self._judging: dict[str, _UnderWay] = {}
        self._done: deque[str] = deque()  # paths of those of which something has come out
        # When each segment of the client's log was read, for those that are not all judged.
        self._read_at: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._judging)

    @property
    def is_judging(self) -> bool:
        """Whether uploads are being judged."""
        return bool(self._judging)

    def read(self, seq: int, now: float, paths: Iterable[str] = ()) -> None:
        """Note that a segment of the client's log was read, and which uploads it announces."""
        self._read_at[seq] = now
        self._waiting.update(dict.fromkeys(paths, seq))

    def add(self, path: str, seq: int) -> None:
        """An upload waits to be judged, as the last one."""
        self.withdraw(path)
        self._waiting[path] = seq

    def withdraw(self, path: str) -> None:
        """An upload no longer waits to be judged."""
        self._waiting.pop(path, None)

    def take(self) -> Iterator[tuple[str, int]]:
        """As many as may be judged now, each with the segment that announces it: they no longer wait."""
        free = self._width - len(self._judging)
        # What is announced again while it is judged waits for that.
        paths = (path for path in self._waiting if path not in self._judging)
        for path in list(itertools.islice(paths, max(0, free))):
            yield path, self._waiting.pop(path)

    def judge(self, path: str, seq: int, upload: Upload) -> None:
        """Have an upload judged."""
        future = self._judges.submit(path, upload)
        self._judging[path] = _UnderWay(seq, upload, future)
        future.add_done_callback(partial(self._ended, path))

    def judged(self) -> Iterator[tuple[str, Upload, Judgement]]:
        """The judgements that have come out. Those that were abandoned wait again, as the first."""
        abandoned: dict[str, int] = {}
        while self._done:
            path = self._done.popleft()
            seq, upload, future = self._judging.pop(path)
            try:
                judgement = future.result()
            except (Abandoned, CancelledError):
                abandoned[path] = seq
                continue
            except Exception as error:  # noqa: BLE001 — one file must not end the judging of the others
                judgement = Judgement("error", f"it could not be judged: {type(error).__name__}")
            yield path, upload, judgement
        if abandoned:
            self._waiting = {**abandoned, **self._waiting}

    def all_judged(self, next_seq: int) -> int:
        """The last segment of those before `next_seq` up to which all uploads are judged."""
        beyond = [under_way.seq for under_way in self._judging.values()]
        beyond += itertools.islice(self._waiting.values(), 1)
        cursor = min(beyond, default=next_seq) - 1
        for seq in [seq for seq in self._read_at if seq <= cursor]:
            del self._read_at[seq]
        return cursor

    def lag(self, now: float) -> float:
        """Seconds since the oldest announcement that is not judged was read; 0 where all is judged."""
        # A copy: others may ask, in their own thread.
        oldest = min(self._read_at.copy().values(), default=None)
        return now - oldest if oldest is not None and len(self) else 0.0

    def _ended(self, path: str, _: object) -> None:
        """Something has come out. In any thread."""
        self._done.append(path)
        self._wake()
