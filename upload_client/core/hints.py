"""Commands named in a hint, completed so that they can be typed as they stand."""

from __future__ import annotations

import html
import re
import shlex
from collections.abc import Callable, Sequence

_COMMAND = re.compile(r"`upload-client (check|receipt|status|unlock)((?: [^`]*)?)`")
_QUOTED = re.compile(r"`([^`\n]+)`")
_NAMING = ("--profile", "--dataset", "--delivery-id")


def as_html(hint: str) -> str:
    """A hint as HTML, with commands in it, which stand in backticks, as code. Nothing in it is markup.

    Args:
        hint: made safe by `upload_client.core.text.for_terminal`.
    """
    return _QUOTED.sub(r"<code>\1</code>", html.escape(hint))


def install(extra: str) -> str:
    """Say what to do where a library is not installed.

    Args:
        extra: the one that brings it; several with commas between.
    """
    return f"Install it: pip install 'upload-client[{extra}]'."


def place_of(arguments: Sequence[str]) -> tuple[str, ...]:
    """Those words of a command line that say which delivery is meant, as they were given.

    Args:
        arguments: what stands after the program's name.
    """
    found: list[str] = []
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=False):
        if argument in _NAMING and following:
            found += [argument, following]
        elif argument == "--sample" or ("=" in argument and argument.partition("=")[0] in _NAMING):
            found.append(argument)
    return tuple(found)


def complete(
    hint: str, arguments: Sequence[str], *, line: Callable[[Sequence[str]], str] = shlex.join
) -> str:
    """A hint whose commands about a delivery name the delivery.

    Args:
        hint: commands in it stand in backticks: ```upload-client check```.
        arguments: the command line that was typed.
        line: how words become what is typed into a shell.
    """
    place = place_of(arguments)
    if not place:
        return hint

    def completed(command: re.Match[str]) -> str:
        if "--dataset" in command[2]:
            return command[0]
        rest = command[2].replace(" --sample", "") if "--sample" in place else command[2]
        return f"`{line(['upload-client', command[1], *place])}{rest}`"

    return _COMMAND.sub(completed, hint)
