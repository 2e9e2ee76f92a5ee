"""The report of a command's failure: a sentence, a hint, an exit code."""

from __future__ import annotations

import errno
import json
import os
import sys
import time
import traceback
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import click

from upload_client.core.hints import complete
from upload_client.core.text import for_log, for_terminal
from upload_client.core.times import timestamp
from upload_client.support.own_limits import DISK_FULL, advice, lack
from upload_client.support.secrets import hidden, without_secrets
from upload_client.support.streams import discard_pending, trouble_of

if TYPE_CHECKING:
    from upload_client.events import Summary

EXIT_CODES = (
    (0, "all files valid, or nothing left to do"),
    (1, "unexpected error; or standard output could not be written, where it would be 0"),
    (2, "wrong usage or input"),
    (
        3,
        "some files were judged invalid; `verify`: something differs from the receipt; `sync`: conflicts",
    ),
    (4, "some files could not be transferred"),
    (5, "not all files judged: the validator was silent, stopped or skipped files; or nothing progressed"),
    (6, "stopped early: too many invalid files"),
    (7, "not reachable: try again"),
    (8, "`status`, `receipt`: the delivery is not complete yet; `sync`: something was not chosen"),
    (10, "login refused, or not allowed"),
    (11, "locked by someone else (the message says by whom, since when, until when)"),
    (12, "the lock was lost"),
    (13, "the receiver's pipeline refused to start (the message says why)"),
    (14, "the store does not honour conditional writes, so a delivery would not be safe"),
    (130, "interrupted"),
)
"""Exit codes of the process, with their meaning. Where several apply: the first of 12, 6, 5, 4, 3."""


GIVEN: ContextVar[tuple[str, ...]] = ContextVar("given", default=())
"""The command line that is being run: what stands after the program's name."""
COMMAND: ContextVar[str | None] = ContextVar("command", default=None)
"""The command that is being run; None: a delivery."""
_SENDING: Final = {None, "receiver", "schedule", "sync"}  # those that resume where they ended


def goes_on() -> bool:
    """Whether the command, run again, resumes where it ended; else it starts from the beginning."""
    return COMMAND.get() in _SENDING


def _is_nowhere() -> bool:
    """Whether somebody has deleted the current directory."""
    try:
        os.getcwd()  # noqa: PTH109 - whether it fails is the question
    except OSError:
        return True
    return False


def _of_dashes(ctx: click.Context | None) -> str | None:
    """The advice where an option was typed with one hyphen, or with a dash, as word processors make it."""
    dashes = "\u2013\u2014"
    names = {name for option in ctx.command.params for name in option.opts} if ctx is not None else set()
    for argument in GIVEN.get():
        name = f"--{argument.lstrip('-' + dashes).partition('=')[0]}"
        if argument.startswith(tuple(dashes)) and name[2:].replace("-", "").isalnum():
            return f"Write two hyphens, {name}: this is a dash, as word processors insert it."
        if argument[:1] == "-" and argument[:2] != "--" and len(name) > len("--x") and name in names:
            return f"Write two hyphens: {name}."
    return None


@dataclass(frozen=True)
class Failure:
    """A failure as a person reads it; the texts are not yet safe for a terminal."""

    exit_code: int
    sentence: str
    hint: str
    code: str = "unexpected"

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """Put an exception into words."""
        from upload_client.core.layout import InvalidName  # noqa: PLC0415 # not for --help
        from upload_client.errors import DeliveryError, Interrupted, UsageError  # noqa: PLC0415 # not for --help

        match error:
            case DeliveryError():
                hint = error.hint
                if COMMAND.get() == "receiver" and (means := getattr(error, "meaning", None)) is not None:
                    from upload_client.core import preflight  # noqa: PLC0415 # not for --help

                    if hint == preflight.advice(means):  # as to a provider, of whom nobody asked
                        hint = preflight.advice(means, to_receiver=True)
                return cls(int(error.exit_code), str(error), hint, error.code)
            case InvalidName():
                return cls.of(UsageError(str(error)))
            case click.ClickException():
                ctx = error.ctx if isinstance(error, click.UsageError) else None
                command = ctx.command_path if ctx is not None else "upload-client"
                hint = _of_dashes(ctx) or f"`{command} --help` says what there is."
                text = error.format_message().replace("\n\t", " ")  # choices, of which click makes lines
                return cls(2, text, hint, UsageError.code)
            case KeyboardInterrupt() | click.Abort():
                if goes_on():
                    return cls.of(Interrupted())
                hint = "Run the same command again: it starts from the beginning."
                return cls(int(Interrupted.exit_code), str(Interrupted()), hint, Interrupted.code)
        name = type(error).__name__
        if any(kind.__module__.startswith("botocore.") for kind in type(error).__mro__):
            from upload_client.s3.bucket import refusal  # noqa: PLC0415 # imports boto3, which is there already
            from upload_client.s3.trouble import trouble_of  # noqa: PLC0415 # likewise

            if (trouble := trouble_of(error)) is not None:
                return cls.of(refusal("AWS", trouble))
        text = for_log(without_secrets(str(error)))
        if (lacks := lack(error)) is not None:
            return cls(1, lacks, advice(error) or "")
        if isinstance(error, FileNotFoundError) and _is_nowhere():
            return cls.of(
                UsageError(
                    "the current directory is not there any more",
                    hint="Change to one that is there (`cd`, also where its path is the same), and run"
                    " the command again.",
                )
            )
        if isinstance(error, OSError):
            where = f"{error.filename}: " if isinstance(error.filename, str) else ""
            if error.filename in (None, "-") and error.errno in DISK_FULL | {errno.EBADF}:
                where = "standard output: "  # every file that is written has a name
            if error.strerror:
                text = for_log(f"{where}{error.strerror}")
            todo = advice(error)
            return cls(1, text if todo else f"{text} ({name})", todo or DeliveryError.hint)
        return cls(
            1,
            f"unexpected: {name}: {text}",
            "This is a fault of upload-client. Run it again with --debug and report what it says;"
            " what was confirmed is not sent again.",
        )

    def summary(self) -> Summary:
        """The last line for a program, of a delivery that did not come to have one of its own."""
        from upload_client.core.states import STATES  # noqa: PLC0415 # not for --help
        from upload_client.events import Summary  # noqa: PLC0415 # not for --help

        return Summary(
            exit_code=self.exit_code,
            counts=dict.fromkeys(STATES, 0),
            bytes_sent=0,
            files_sent=0,
            seconds=0.0,
            state_csv=None,
            headline=self.sentence,
            hint=self.hint,
            code=self.code,
        )

    def print_for_program(self) -> None:
        """Write the last line of --json. Only a delivery's has figures of a delivery."""
        if COMMAND.get() is None:
            from upload_client.ui.jsonl import JsonlReporter  # noqa: PLC0415 # not for --help

            JsonlReporter().handle(self.summary())
            return
        line = {
            "schema_version": 1,
            "kind": "summary",
            "t": timestamp(time.time()),
            "exit_code": self.exit_code,
            "code": self.code,
            "headline": for_terminal(self.sentence, lines=True),
            "hint": for_terminal(complete(self.hint, GIVEN.get()), lines=True),
        }
        click.echo(json.dumps(line))

    def print(self) -> None:
        """Print sentence and hint on stderr."""
        prefix = "error: " if self.exit_code else ""
        click.echo(f"{prefix}{for_terminal(self.sentence, lines=True)}", err=True)
        if self.hint:
            hint = complete(self.hint, GIVEN.get())
            click.echo(f"hint: {for_terminal(hint, lines=True)}", err=True)

    def print_traceback(self, error: BaseException) -> None:
        """For --debug: where it happened, on stderr; without the hint, which follows."""
        report = traceback.TracebackException.from_exception(error)
        report.__notes__ = [note for note in report.__notes__ or () if note != self.hint]
        text = hidden("".join(report.format()))
        click.echo(for_terminal(text, lines=True), err=True, nl=False)


def written(code: int) -> int:
    """Write what the standard streams still hold; the exit code, which is not 0 where stdout lacks something.

    Lacking are lines, too, that could not be written while a delivery went on (`upload_client.ui.lines`). A
    reader that has left early changes nothing.
    """
    for stream in (sys.stdout, sys.stderr):
        trouble: OSError | ValueError | None = None
        try:
            stream.flush()
        except (OSError, ValueError) as error:
            discard_pending(stream)
            trouble = None if isinstance(error, BrokenPipeError) else error
        trouble = trouble or trouble_of(stream)
        if code == 0 and trouble is not None:
            failure = Failure.of(trouble)
            failure.print()
            code = failure.exit_code
    return code
