"""Drawing in place on a terminal: wiped without a trace, also where the terminal has become narrower.

A terminal that is made narrower breaks the lines on it into several rows (xterm and GNU screen do not), and a
program learns of it later: tmux tells it up to a quarter of a second after. Who moves the cursor up by the
number of lines that were drawn, at the width that is known, leaves debris then. So nothing here counts what
stands on the terminal:

- what is drawn does not wrap (DECAWM is off meanwhile): each line is one row, however narrow the terminal is;
- the cursor then rests where the drawing begins: a terminal keeps it at its character when it breaks lines;
- from there to the terminal's end is wiped, however many rows that are by now.

Each picture is shown whole by terminals that know how; others pass over these sequences (synchronized output:
https://gist.github.com/christianparpart/d8a62cc1ab659194337d73e399004036).
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING, cast

from rich.console import (
    Console,
    ConsoleOptions,
    ConsoleRenderable,
    Group,
    RenderableType,
    RenderHook,
    RenderResult,
)
from rich.control import Control
from rich.file_proxy import FileProxy
from rich.segment import ControlType, Segment

from upload_client.support.background import Background
from upload_client.ui.progress_line import NO_WRAP, WIPE, WRAP

if TYPE_CHECKING:
    from typing import TextIO

_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
_HIDE_CURSOR = "\x1b[?25l"  # in each picture: a shell may have shown it since the last one


class InPlace(RenderHook):
    """Draws lines in place, below all else that is printed on a console (or to stderr) meanwhile.

    Each is one write. Any thread may print and draw. A console that is no terminal is drawn nothing on.

    Args:
        lines: Gives the lines to be seen now, for so many columns and rows. Only those are drawn that are
            fewer than there are rows.
        console: Where to draw.
        every: Seconds between two pictures; None: drawn when `draw` is called.
    """

    def __init__(
        self,
        lines: Callable[[int, int], Iterable[RenderableType]],
        console: Console,
        *,
        every: float | None = None,
    ) -> None:
        self._lines = lines
        self._console = console
        self._thread = None if every is None else Background(self._step(every), "drawing", longest=every)
        self._lock = threading.RLock()
        self._is_drawing = False
        self._stderr: TextIO | None = None

    def start(self) -> None:
        """Draw from now on."""
        with self._lock:
            can_draw = self._console.is_interactive and not self._console.is_jupyter
            if self._is_drawing or not can_draw or self._console.legacy_windows:
                return
            self._is_drawing = True
            if not isinstance(sys.stderr, FileProxy):
                self._stderr = sys.stderr
                sys.stderr = cast("TextIO", FileProxy(self._console, sys.stderr))
            self._console.push_render_hook(self)
        if self._thread is not None:
            self._thread.start()

    def draw(self) -> None:
        """Draw the lines of this moment."""
        with self._lock:
            if self._is_drawing:
                self._console.print(Control())

    def stop(self, *, keep: bool = False) -> None:
        """Give the terminal back.

        Args:
            keep: Leave the last picture there.
        """
        if self._thread is not None:
            self._thread.stop()
        with self._lock:
            if not self._is_drawing:
                return
            self._is_drawing = False
            if self._stderr is not None:
                sys.stderr, self._stderr = self._stderr, None
            self._console.pop_render_hook()
            last = self._lines(*self._console.size) if keep else ()
            self._console.print(Group(_Raw(WIPE), *last), end="")
            self._console.show_cursor(show=True)

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Let what is printed take the picture's place, and put a new picture below it."""
        return [
            _Raw(_BEGIN + _HIDE_CURSOR + WIPE),
            *renderables,
            _Picture(self._lines(*self._console.size), self._console.height - 1),
            _Raw(_END),
        ]

    def _step(self, every: float) -> Callable[[], float]:
        def step() -> float:
            with contextlib.suppress(OSError):  # the terminal has gone
                self.draw()
            return every

        return step


class _Raw:
    """Sequences for the terminal, which take no place on it."""

    def __init__(self, sequences: str) -> None:
        self._sequences = sequences

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # A segment with any control code is written as it stands.
        yield Segment(self._sequences, None, [(ControlType.CARRIAGE_RETURN,)])


class _Picture:
    """Lines, each of them one row, with the cursor at the first one afterwards."""

    def __init__(self, lines: Iterable[RenderableType], room: int) -> None:
        self._lines = list(islice(lines, max(room, 1)))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield _Raw(NO_WRAP)
        yield from self._lines
        if self._lines:  # on a line of their own: one that is cut to the width loses what follows
            yield _Raw(f"{WRAP}\x1b[{len(self._lines)}A\r")
        else:
            yield _Raw(WRAP)
