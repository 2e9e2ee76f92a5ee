"""The command line. `upload-client --dataset … --delivery-id …` delivers; its commands do what goes with it.

Nothing heavy is imported before a command runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import contextlib
import io
import locale
import os
import sys
from collections.abc import Sequence
from typing import TextIO

from upload_client.cli import collect_garbage_rarely
from upload_client.cli.check import check
from upload_client.cli.completion import completion
from upload_client.cli.deliver import deliver
from upload_client.cli.docs import docs
from upload_client.cli.expectations import expectations
from upload_client.cli.failure import COMMAND, GIVEN, Failure
from upload_client.cli.index import index
from upload_client.cli.receipt import receipt
from upload_client.cli.receiver import receiver
from upload_client.cli.report import report
from upload_client.cli.sandbox import sandbox
from upload_client.cli.schedule import schedule
from upload_client.cli.signals import in_order
from upload_client.cli.status import status
from upload_client.cli.sync import sync
from upload_client.cli.unlock import unlock
from upload_client.cli.verify import verify
from upload_client.support.streams import guard_standard_streams, open_closed_streams

deliver.add_command(index)
deliver.add_command(sandbox)
deliver.add_command(check)
deliver.add_command(completion)
deliver.add_command(docs)
deliver.add_command(expectations)
deliver.add_command(unlock)
deliver.add_command(status)
deliver.add_command(receipt)
deliver.add_command(receiver)
deliver.add_command(report)
deliver.add_command(verify)
deliver.add_command(schedule)
deliver.add_command(sync)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What stands after the program's name; the process' own when None.

    Returns:
        The exit code, see ``--help``. A failure is one sentence and a hint on stderr, no traceback.
    """
    if arguments is None:
        open_closed_streams()
        _restart_in_utf_8_mode()
        guard_standard_streams()
        collect_garbage_rarely()
    for stream in (sys.stdout, sys.stderr):
        _write_any_name(stream)
    if arguments is not None:
        return _run(list(arguments))
    return in_order(lambda: _run(sys.argv[1:]))


def _run(given: list[str]) -> int:
    GIVEN.set(tuple(given))
    COMMAND.set(None)
    try:
        code = deliver.main(given, prog_name="upload-client", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 # the last place where it can be told
        failure = Failure.of(error)
        if "--debug" in given:
            failure.print_traceback(error)
        if "--json" in given:
            with contextlib.suppress(OSError):  # then the exit code and stderr tell it
                failure.print_for_program()
        failure.print()
        return failure.exit_code
    return code if isinstance(code, int) else 0


def _restart_in_utf_8_mode() -> None:
    """Begin anew in Python's UTF-8 mode where the locale has another encoding: file names are bytes in UTF-8.

    Else each path that is typed, and each that stands in a file, would have to be brought from one to the
    other (`upload_client.support.file_names`) by everything that opens it, other libraries included.
    """
    is_other = os.name == "posix" and sys.getfilesystemencoding().lower() != "utf-8"
    if is_other and not _is_asked_for_utf_8() and sys.executable:
        with contextlib.suppress(OSError):
            os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606


def _is_asked_for_utf_8() -> bool:
    return "utf8" in sys._xoptions  # noqa: SLF001 - documented as it is


def _write_any_name(stream: TextIO) -> None:
    """Have a stream take every file name: in a terminal's own encoding what that lacks is escaped.

    What goes to a file or a program is UTF-8, as the names are, whatever the locale says.
    """
    if not isinstance(stream, io.TextIOWrapper) or "PYTHONIOENCODING" in os.environ:
        return
    if stream.isatty() and _is_asked_for_utf_8():
        stream.reconfigure(encoding=locale.getencoding(), errors="backslashreplace")
    elif stream.isatty() or stream.encoding.lower() == "utf-8":
        stream.reconfigure(errors="backslashreplace")
    else:
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")
