"""Asking the person at the terminal."""

from __future__ import annotations

import sys

import click

from upload_client.aws.auth import Prompt
from upload_client.core.text import for_terminal


def find_prompt() -> Prompt | None:
    """Something that asks on stderr; None where nobody is there to answer."""
    return _ask if sys.stdin is not None and sys.stdin.isatty() else None


def _ask(question: str, *, secret: bool) -> str:
    try:
        answer: str = click.prompt(for_terminal(question), hide_input=secret, err=True)
    except click.Abort:
        # Ctrl-C, or the end of the input: click has a name of its own for it, which is no error of ours.
        click.echo(err=True)  # below the question
        raise KeyboardInterrupt from None
    return answer
