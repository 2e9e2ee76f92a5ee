"""The end of a run in words: what came of it, what to do about it, and the command that does it."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from upload_client.core.codes import FileCode
from upload_client.core.hints import complete
from upload_client.core.left_out import sentence
from upload_client.core.opened import sentence as unopened
from upload_client.core.text import counted, for_terminal
from upload_client.events import Problem, Summary
from upload_client.support import figures

NAMED = 10
"""Files that are named at the end; all are in the state CSV."""
_KINDS = 6

_PLAIN_IN_WINDOWS = re.compile(r"[A-Za-z0-9_.:/\\@+-]+")


class Command(NamedTuple):
    """A command line, to be typed again.

    Attributes:
        arguments: The program and its arguments.
    """

    arguments: tuple[str, ...]

    def line(self, *more: str, windows: bool = os.name == "nt") -> str:
        """The command as it is typed into a shell, with these options added where they are missing.

        Args:
            more: Options without values.
            windows: For ``cmd`` and PowerShell, in place of a POSIX shell.
        """
        arguments = [*self.arguments, *(option for option in more if option not in self.arguments)]
        return " ".join(map(_windows if windows else _posix, arguments))


def _posix(argument: str) -> str:
    if argument.isprintable():
        return shlex.quote(argument)
    # It can neither be shown nor typed as it is; POSIX 2024 (2.2.4), bash, zsh and ksh have this.
    inside = argument.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{''.join(map(_escaped, inside))}'"


def _escaped(one: str) -> str:
    # Bytes in octal: every such shell knows them, and a name that is no UTF-8 has them too.
    if one.isprintable():
        return one
    return "".join(f"\\{byte:03o}" for byte in one.encode("utf-8", "surrogateescape"))


def _windows(argument: str) -> str:
    """As Windows' C library takes arguments apart; quoted wherever ``cmd`` or PowerShell would meddle."""
    if _PLAIN_IN_WINDOWS.fullmatch(argument):
        return argument
    argument = re.sub(r'(\\*)"', r'\1\1\\"', for_terminal(argument))
    argument = re.sub(r"(\\+)\Z", r"\1\1", argument)
    return f'"{argument}"'


EndKind: TypeAlias = Literal["well", "todo", "error"]


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a run, for a person. The texts are not yet safe for a terminal.

    Attributes:
        kind: whether all is well, something is to be done, or an error has ended it.
        title: what came of it.
        rows: label and text of the lines below.
        path: the state CSV; empty where there is none.
        command: what to type next; empty where nothing is to be typed.
    """

    kind: EndKind
    title: str
    rows: tuple[tuple[str, str], ...]
    path: str
    command: str


def headline(summary: Summary) -> str:
    """The outcome for a person: what kept a delivery from coming to its own end is an error."""
    if summary.exit_code == 130:
        return f"stopped: {summary.headline}"
    if summary.exit_code in {1, 2} or summary.exit_code >= 10:
        return f"error: {summary.headline}"
    return summary.headline


def ending(summary: Summary, command: Command | None = None) -> Ending:
    """Put the end of a run into words.

    Args:
        summary: the end.
        command: what was typed, if somebody has typed it.
    """
    code = summary.exit_code
    rows = []
    took = figures.duration(summary.seconds)
    if summary.files_sent or summary.bytes_sent:
        rate = summary.bytes_sent / summary.seconds if summary.seconds > 0 else 0.0
        sent = figures.files(summary.files_sent)
        if summary.bytes_sent:  # of what S3 has copied, nothing has passed through here
            sent += f", {figures.size(summary.bytes_sent)}"
        pace = f" ({figures.pace(rate, 0.0)})" if rate >= 1 else ""
        rows.append(("this run", f"sent {sent} in {took}{pace}"))
        if summary.requests:
            rows.append(("threads", f"{counted(summary.requests, 'request')} at once, as found out"))
    elif sum(summary.counts.values()):
        rows.append(("this run", f"sent nothing, took {took}"))
    if left_out := sentence(summary.left_out):
        rows.append(("left out", left_out.removeprefix("left out: ")))
    if summary.not_opened:
        rows.append(("valid", unopened(summary.not_opened)))
    if summary.receipt_file is not None:
        rows.append(("receipt", f"{summary.receipt_file}"))
        rows.append(("SHA-256", f"{summary.receipt_sha256}"))
    elif summary.receipt is not None:
        where = f"in the control bucket, {summary.receipt}; `upload-client receipt` fetches it"
        rows.append(("receipt", where if command is None else complete(where, command.arguments)))
    todo, more = _todo(summary)
    kind: EndKind = "well" if code == 0 else "error" if code in {1, 2} or 10 <= code < 130 else "todo"
    if todo:
        row = "next", todo if command is None else complete(todo, command.arguments)
        # What to do about an error belongs to it; of what had begun, the figures come first.
        is_first = kind == "error" or not any(summary.counts.values())
        rows.insert(0 if is_first else len(rows), row)
    typed = "" if command is None or more is None else command.line(*more)
    return Ending(
        kind,
        headline(summary),
        tuple(rows),
        "" if summary.state_csv is None else str(summary.state_csv),
        typed,
    )


def _todo(summary: Summary) -> tuple[str, tuple[str, ...] | None]:
    """The next step, and the options the same command needs for it; None: there is nothing to type."""
    again: tuple[str, ...] = ()
    asks = [problem for problem in summary.problems if "--resend-invalid" in problem.todo]
    if asks and len(asks) == len(summary.problems):
        again = ("--resend-invalid",)
    match summary.exit_code:
        case 0:
            return "Nothing is left to do.", None
        case 1:
            if summary.hint:
                return summary.hint, ()
            return "Run it again with --debug and report what it says.", ("--debug",)
        case 2 | 14:
            return summary.hint, None
        case 3 if again:
            return "Tell the receiver; when they have answered, send these files again.", again
        case 3:
            return "Fix these files, then run it again: only what has changed is sent.", ()
        case 4:
            return "See to these files, then run it again: only they are sent.", ()
        case 5 if _waits_for_the_receiver(summary):
            if all(problem.state == "done" for problem in summary.problems):
                return FileCode.UNABLE.todo, None
            todo = "Fix what is invalid or failed, tell the receiver what their validator lacks for the rest"
            return f"{todo}; then run it again.", ()
        case 5:
            return summary.hint or "Run it again later: the files are judged then, and not sent again.", ()
        case 6:
            return "Fix these files and those like them, then run it again.", ()
        case 130:
            return "Run it again to go on: what was confirmed is not sent again.", ()
        case _:
            return summary.hint, ()


def _waits_for_the_receiver(summary: Summary) -> bool:
    """Whether what is not judged lacks something at the receiver: waiting alone changes nothing."""
    todos = {problem.todo for problem in summary.problems if problem.state == "done"}
    return todos == {FileCode.UNABLE.todo}


def problem_lines(problems: Sequence[Problem]) -> Iterator[tuple[str, str]]:
    """The files that went wrong, by reason, the first ten by name.

    Yields:
        For each line what it is (a state, ``name``, ``more``, ``todo``), and its text, which is not yet safe
        for a terminal.
    """
    shown = problems[:_KINDS]
    named = _shares([len(problem.relpaths) for problem in shown], NAMED)
    for problem, n in zip(shown, named, strict=True):
        what = "not judged" if problem.state == "done" else problem.state
        reason = problem.reason.removeprefix("not judged: ")  # which `what` says already
        yield problem.state, f"{figures.files(problem.n)} {what}: {reason}"
        for relpath in problem.relpaths[:n]:
            yield "name", relpath
        if rest := problem.n - n:
            yield "more", f"and {figures.count(rest)} more"
        yield "todo", problem.todo
    if rest := sum(problem.n for problem in problems[_KINDS:]):
        kinds = len(problems) - _KINDS
        yield "more", f"{figures.files(rest)} for {counted(kinds, 'other reason')}"


def _shares(wanted: list[int], total: int) -> list[int]:
    """Share out so many names, one to each in turn until there are none left."""
    shares = [0] * len(wanted)
    while total and shares != wanted:
        for number, want in enumerate(wanted):
            if total and shares[number] < want:
                shares[number] += 1
                total -= 1
    return shares
