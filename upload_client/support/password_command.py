"""A password, from a program that prints it: so it stands in no file and in no command line."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from upload_client.errors import LoginRefused
from upload_client.support.program import TooMuchOutput, run_program

PASSWORD_COMMAND_SECONDS = 120.0
"""It may ask somebody to touch a key."""


def check_password_command(command: list[str] | str) -> None:
    """Look whether the program is there, and run nothing. Of a command line of Windows nothing is known.

    Raises:
        LoginRefused: there is no such program, or it may not be run.
    """
    arguments, name = _arguments(command)
    # A path is one from the home folder, in which it is run.
    where = str(Path("~").expanduser() / name) if "/" in name else name
    if not isinstance(arguments, str) and shutil.which(where) is None:
        raise LoginRefused(
            f"the password command ({name}) cannot be run: there is no such program",
            hint="Install it, or correct `password_command`.",
        )


def _arguments(command: list[str] | str) -> tuple[list[str] | str, str]:
    """Split a command into what is run, and the name of the program in it."""
    # Windows takes a command line as it is; elsewhere it is split as a shell would, but no shell runs.
    arguments = shlex.split(command) if isinstance(command, str) and os.name != "nt" else command
    return arguments, arguments.split()[0] if isinstance(arguments, str) else arguments[0]


def password_from_command(command: list[str] | str) -> str:
    """The first line that a program prints. It is run without a shell, and in the person's home folder.

    So a relative path among its arguments means the same, whatever folder a delivery is begun in.

    Raises:
        LoginRefused: it failed, or printed nothing. What it printed is not told.
    """
    arguments, name = _arguments(command)
    home = Path("~").expanduser()
    try:
        done = run_program(
            arguments,
            seconds=PASSWORD_COMMAND_SECONDS,
            reads_output=True,
            reads_errors=False,
            inherits_input=True,
            cwd=home if home.is_dir() else None,
        )
    except subprocess.TimeoutExpired:
        raise LoginRefused(f"the password command ({name}) did not end in time") from None
    except TooMuchOutput:
        raise LoginRefused(f"the password command ({name}) printed more than a password") from None
    except OSError as error:
        raise LoginRefused(f"the password command ({name}) cannot be run: {error.strerror}") from None
    if done.returncode:
        raise LoginRefused(
            f"the password command ({name}) ended with {done.returncode}",
            hint="Try the command in a terminal; password_command in the profile names it.",
        )
    lines = done.output.decode(errors="surrogateescape").splitlines()
    if not lines or not lines[0]:
        raise LoginRefused(f"the password command ({name}) printed nothing")
    return lines[0]
