"""The view of a sync: output for a person or a program, and their answers."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

from upload_client.core.codes import MessageCode
from upload_client.core.synchrony import (
    CONFLICTS,
    Act,
    Change,
    Choice,
    InvalidAnswer,
    choices,
    parse_answer,
)
from upload_client.core.text import for_log, for_terminal
from upload_client.core.times import timestamp
from upload_client.support import figures
from upload_client.synchrony.folder import Skipped
from upload_client.synchrony.state import Failure, Offer
from upload_client.ui.progress_line import ProgressLine

Prompt: TypeAlias = Callable[[str], str]
"""Asks a person a question of one line, and gives back what was typed."""

SCHEMA_VERSION: Final = 1
_NONE: Final = "-"
WIDE: Final = 120
"""Columns from which both sides of a file stand beside each other."""
MOST_ROWS: Final = 200
"""Rows of one table that are shown to a person; all are meant by ``all``."""

TITLES: Final[Mapping[Change, str]] = {
    Change.NEW_HERE: "To {there}: new here",
    Change.CHANGED_HERE: "To {there}: changed here",
    Change.DELETED_HERE: "To {there}: deleted here",
    Change.NEW_THERE: "From {there}: new",
    Change.CHANGED_THERE: "From {there}: changed",
    Change.DELETED_THERE: "From {there}: deleted",
    Change.BOTH_CHANGED: "Conflict: changed here and on {there}",
    Change.DELETED_HERE_CHANGED_THERE: "Conflict: deleted here, changed on {there}",
    Change.CHANGED_HERE_DELETED_THERE: "Conflict: changed here, deleted on {there}",
}
QUESTIONS: Final[Mapping[Change, str]] = {
    Change.NEW_HERE: "Upload which?",
    Change.CHANGED_HERE: "Upload which?",
    Change.DELETED_HERE: "Delete which on {there}?",
    Change.NEW_THERE: "Download which?",
    Change.CHANGED_THERE: "Download which?",
    Change.DELETED_THERE: "Delete which here?",
}
BACK: Final[Mapping[Change, str]] = {
    Change.CHANGED_HERE: "r1 goes back to the version on {there}",
    Change.DELETED_HERE: "r1 brings it back here",
    Change.CHANGED_THERE: "r1 puts your version back on {there}",
    Change.DELETED_THERE: "r1 puts it back on {there}",
}
WAYS: Final[Mapping[Change, Mapping[Choice, str]]] = {
    Change.BOTH_CHANGED: {
        Choice.MINE: "upload yours",
        Choice.THEIRS: "download theirs over yours",
        Choice.BOTH: "keep both, theirs beside yours under another name",
    },
    Change.DELETED_HERE_CHANGED_THERE: {
        Choice.MINE: "delete it on {there}",
        Choice.THEIRS: "download theirs",
        Choice.BOTH: "download theirs",
    },
    Change.CHANGED_HERE_DELETED_THERE: {
        Choice.MINE: "upload yours",
        Choice.THEIRS: "delete yours",
        Choice.BOTH: "upload yours",
    },
}
DONE: Final[Mapping[Act, str]] = {
    Act.UPLOAD: "uploaded",
    Act.DOWNLOAD: "downloaded",
    Act.DELETE_THERE: "deleted on {there}",
    Act.DELETE_HERE: "deleted here",
    Act.SET_ASIDE: "put beside yours",
}


class View(Protocol):
    """Shows a sync, and asks."""

    there: str
    """The name of the other side."""

    def show(self, text: str) -> None:
        """Show a sentence."""
        ...

    def warn(self, text: str, code: MessageCode) -> None:
        """Show a sentence that should be read; its code is for programs."""
        ...

    def progress(self, what: str, done: int, of: int) -> None:
        """Show how far it is: what is done, how many, of how many."""
        ...

    def offers(self, change: Change, rows: Sequence[Offer], differences: Mapping[str, list[str]]) -> None:
        """Show the choices of one kind, counted from 1."""
        ...

    def skipped(self, rows: Sequence[Skipped]) -> None:
        """Show the files that cannot be shared."""
        ...

    def did(self, done: Sequence[tuple[str, Act]], failures: Sequence[Failure]) -> None:
        """Show the steps that were taken, and those that could not be."""
        ...

    def ended(self, summary: Mapping[str, Any], sentence: str) -> None:
        """Show how it ended: figures for programs, a sentence for people."""
        ...


def find_prompt() -> Prompt | None:
    """`input`, where a person is there to answer: at a terminal, or in a notebook; else None."""
    in_notebook = getattr(_shell(), "kernel", None) is not None
    return _ask if in_notebook or (sys.stdin is not None and sys.stdin.isatty()) else None


def _shell() -> object | None:
    """The shell of IPython in which this runs, if it does: that IPython is imported says nothing."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def _ask(question: str) -> str:
    try:
        return input(for_terminal(question))
    except (EOFError, KeyboardInterrupt):  # Ctrl-D is no answer either
        sys.stdout.write("\n")  # below the question
        raise KeyboardInterrupt from None


class ScreenView:
    """For people: on a terminal, in a log, in a notebook.

    Args:
        there: what the other side is called.
        console: where to; None: standard output.
    """

    def __init__(self, there: str, console: Any = None) -> None:  # noqa: ANN401 - a rich Console
        from rich.console import Console  # noqa: PLC0415 - slow to import

        self.there = there
        self.console: Console = console or Console(
            emoji=False, markup=False, highlight=False, soft_wrap=False
        )
        self._line = ProgressLine(
            silent=not self.console.is_terminal or self.console.is_jupyter, file=self.console.file
        )

    def show(self, text: str) -> None:
        """See `View`."""
        self._print(text)

    def warn(self, text: str, code: MessageCode) -> None:  # noqa: ARG002 - for programs
        """See `View`."""
        self._warn(text)

    def _warn(self, text: str) -> None:
        self._print(f"warning: {text}", style="yellow")

    def _print(self, text: str, style: str = "") -> None:
        from rich.text import Text  # noqa: PLC0415 - slow to import

        self._line.wipe()
        self.console.print(Text(for_terminal(text, lines=True), style=style))

    def progress(self, what: str, done: int, of: int) -> None:
        """See `View`: one line that is written over, on a terminal alone."""
        self._line.show(f"{what} {done:,}{f' of {of:,}' if of else ''}")
        if done == of:
            self._line.wipe()

    def offers(self, change: Change, rows: Sequence[Offer], differences: Mapping[str, list[str]]) -> None:
        """See `View`: a table."""
        from rich.text import Text  # noqa: PLC0415 - slow to import

        self._line.wipe()
        title = TITLES[change].format(there=self.there)
        style = "bold red" if change in CONFLICTS else "bold"
        self.console.print()
        self.console.print(Text(f"{title} ({len(rows):,})", style=style))
        shown = rows[:MOST_ROWS]
        is_wide = self.console.width >= WIDE
        if all(row.here is None for row in rows) or not any(row.there or row.by for row in rows) or is_wide:
            self._table(shown)
        else:
            self._blocks(shown)
        for number, row in enumerate(rows[:MOST_ROWS], 1):
            if row.note:
                self._print(f"  {number}: {row.note}")
            lines = differences.get(row.path, ())
            if lines:
                self._print(f"  {number}: what differs (- yours, + theirs)")
            for line in lines:
                style = "green" if line.startswith("+") else "red" if line.startswith("-") else ""
                self._print(f"     {line}", style)
        if change in WAYS:
            self._print("You may choose")
            for choice, what in choices_of(change).items():
                self._print(f"  {choice:<8}{what.format(there=self.there)}")
            if len(rows) > 1:
                self._print("and for all that follow, too, with `all`: mine all")
        if len(rows) > MOST_ROWS:
            self._print(f"  and {len(rows) - MOST_ROWS:,} more; `all` means them too, --select narrows them")

    def _table(self, rows: Sequence[Offer]) -> None:
        """Rows side by side."""
        from rich.table import Table  # noqa: PLC0415 - slow to import
        from rich.text import Text  # noqa: PLC0415 - slow to import

        has_here = any(row.here is not None for row in rows)
        has_there = any(row.there is not None or row.by for row in rows)
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("", justify="right", no_wrap=True)
        table.add_column("file", overflow="fold", min_width=12)
        if has_here:
            table.add_column("size here", justify="right", no_wrap=True)
            table.add_column("modified here (UTC)", overflow="fold")
        if has_there:
            table.add_column(f"size on {self.there}", justify="right", no_wrap=True)
            table.add_column(f"on {self.there} (UTC)", overflow="fold")
            table.add_column("by", overflow="fold", max_width=24)
        for number, row in enumerate(rows, 1):
            cells = [str(number), for_terminal(row.path)]
            if has_here:
                cells += [figures.size(row.here.size) if row.here else _NONE, row.edited or _NONE]
            if has_there:
                cells += [
                    self._size_there(row),
                    for_log(row.when, 40) or _NONE,
                    for_log(row.by, 100) or _NONE,
                ]
            table.add_row(*(Text(cell) for cell in cells))
        self.console.print(table)

    def _blocks(self, rows: Sequence[Offer]) -> None:
        """The same where there is no room beside each other."""
        width = max(len("here"), len(f"on {self.there}"))
        for number, row in enumerate(rows, 1):
            self._print(f"{number:>3}  {row.path}")
            here = f"{figures.size(row.here.size)}, {row.edited} UTC" if row.here else "deleted"
            self._print(f"     {'here':<{width}}  {here}")
            there = self._size_there(row)
            there += f", {for_log(row.when, 40)} UTC" if row.when else ""
            there += f", by {for_log(row.by, 100)}" if row.by else ""
            self._print(f"     {f'on {self.there}':<{width}}  {there}")

    @staticmethod
    def _size_there(row: Offer) -> str:
        return figures.size(row.there.size) if row.there else "deleted" if row.by else _NONE

    def skipped(self, rows: Sequence[Skipped]) -> None:
        """See `View`."""
        for row in rows[:10]:
            self._warn(f"left alone: {for_log(row.path, 300)}: {row.why}")
        if len(rows) > 10:
            self._warn(f"and {len(rows) - 10:,} more")

    def did(self, done: Sequence[tuple[str, Act]], failures: Sequence[Failure]) -> None:
        """See `View`: counts of what went well, each that did not."""
        counts = {act: sum(1 for _, one in done if one is act) for act in Act}
        if parts := [f"{n:,} {DONE[act].format(there=self.there)}" for act, n in counts.items() if n]:
            self._print(", ".join(parts))
        for failure in failures[:50]:
            self._print(f"failed: {for_log(failure.path, 300)}: {for_log(failure.why, 500)}", "bold red")
        if len(failures) > 50:
            self._print(f"and {len(failures) - 50:,} more", "bold red")

    def ended(self, summary: Mapping[str, Any], sentence: str) -> None:
        """See `View`."""
        self._print(sentence, "bold green" if summary["exit_code"] == 0 else "bold yellow")


class JsonView:
    """For programs: one JSON object a line on standard output.

    Args:
        there: what the other side is called.
        write: where to; a line without its end.
    """

    def __init__(self, there: str, write: Callable[[str], None] | None = None) -> None:
        self.there = there
        self._write: Callable[[str], None] = write or print

    def _line(self, kind: str, **fields: Any) -> None:  # noqa: ANN401 - whatever JSON has
        line = {"schema_version": SCHEMA_VERSION, "kind": kind, "t": timestamp(time.time()), **fields}
        self._write(json.dumps(line).encode("ascii", "backslashreplace").decode())

    def show(self, text: str) -> None:
        """See `View`: only people need it."""

    def warn(self, text: str, code: MessageCode) -> None:
        """See `View`."""
        self._line("warning", code=code.value, message=text)

    def progress(self, what: str, done: int, of: int) -> None:
        """See `View`: only people need it."""

    def offers(self, change: Change, rows: Sequence[Offer], differences: Mapping[str, list[str]]) -> None:
        """See `View`: a line for each."""
        for row in rows:
            here = row.here and {"size": row.here.size, "modified": row.edited, "md5": row.here.md5}
            there = row.there and {"size": row.there.size}
            self._line(
                "offer",
                path=row.path,
                change=change.value,
                choices=[choice.value for choice in choices(change)],
                here=here,
                there=there,
                by=row.by,
                when=row.when,
                note=row.note,
                differences=differences.get(row.path, []),
            )

    def skipped(self, rows: Sequence[Skipped]) -> None:
        """See `View`."""
        for row in rows:
            self._line("skipped", path=for_terminal(row.path), code=row.code.value, message=row.why)

    def did(self, done: Sequence[tuple[str, Act]], failures: Sequence[Failure]) -> None:
        """See `View`."""
        for path, act in done:
            self._line("done", path=path, act=act.value)
        for failure in failures:
            self._line(
                "failed",
                path=failure.path,
                act=failure.act.value,
                code=failure.code.value,
                message=failure.why,
            )

    def ended(self, summary: Mapping[str, Any], sentence: str) -> None:
        """See `View`."""
        self._line("summary", headline=sentence, **summary)


def ask_rows(view: View, prompt: Prompt, change: Change, n: int) -> tuple[frozenset[int], frozenset[int]]:
    """Ask which rows of a table to do; see `core.synchrony.parse_answer`."""
    there = view.there
    ways = f"1,3-5, all, {BACK[change].format(there=there)}" if change in BACK else "1,3-5, all"
    question = f"{QUESTIONS[change].format(there=there)} ({ways}; Enter: none) "
    while True:
        try:
            rows, back = parse_answer(prompt(question), n)
        except InvalidAnswer as error:
            view.show(str(error))
            continue
        if back and change not in BACK:
            view.show("there is no other version to go back to")
            continue
        return rows, back


def choices_of(change: Change) -> dict[str, str]:
    """The choices about a conflict, and their effects."""
    offered = (*choices(change), Choice.LATER)
    if change is not Change.BOTH_CHANGED:
        offered = tuple(choice for choice in offered if choice is not Choice.BOTH)  # there is one alone
    return {choice.value: WAYS[change].get(choice, "decide another time (Enter)") for choice in offered}


def ask_conflict(view: View, prompt: Prompt, offer: Offer) -> tuple[Choice, bool]:
    """Ask what is to become of one conflict, and whether the same of all that follow it."""
    names = tuple(choices_of(offer.change))
    while True:
        text = prompt(f"{offer.path}: {'/'.join(names)}? ").strip().lower()
        name, _, more = text.partition(" ")
        found = [one for one in names if name and one.startswith(name)]
        if not text:
            return Choice.LATER, False
        if len(found) == 1 and more.strip() in {"", "all"}:
            return Choice(found[0]), more.strip() == "all"
        view.show(f"{for_terminal(text)!r} is none of them")


def ask_yes(prompt: Prompt, question: str) -> bool:
    """Ask a question of which only a clear yes is one."""
    return prompt(f"{question} [y/N] ").strip().lower() in {"y", "yes"}
