"""Asking the person at the terminal."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from upload_client.cli.prompt import find_prompt


def test_where_stdin_is_no_terminal_nobody_is_asked(monkeypatch):
    with open(os.devnull) as nobody:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdin", nobody)
        assert find_prompt() is None
    monkeypatch.setattr(sys, "stdin", None)
    assert find_prompt() is None


@pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo-terminals")
@pytest.mark.parametrize("secret", [True, False])
def test_a_question_is_asked_on_the_terminal_and_a_secret_is_not_shown(secret):
    import pty

    program = (
        "import sys; from upload_client.cli.prompt import find_prompt;"
        f"answer = find_prompt()('Code\\x1b[2J', secret={secret}); print(len(answer))"
    )
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
        text=True,
    )
    os.close(theirs)
    seen = b""
    while b"2J: " not in seen:
        seen += os.read(ours, 1000)
    os.write(ours, b"hunter2\n")
    assert child.stdout.read() == "7\n"
    child.stdout.close()
    child.wait()
    try:
        while more := os.read(ours, 1000):
            seen += more
    except OSError:
        pass  # the other end is closed
    os.close(ours)
    assert b"Code\\x1b[2J: " in seen
    assert (b"hunter2" in seen) is not secret


@pytest.mark.parametrize("end", [KeyboardInterrupt, EOFError])
def test_who_does_not_want_to_answer_has_interrupted_it(monkeypatch, end):
    def refuse(_prompt):
        raise end

    monkeypatch.setattr(sys, "stdin", type("Terminal", (), {"isatty": staticmethod(lambda: True)})())
    monkeypatch.setattr("click.termui.visible_prompt_func", refuse)
    with pytest.raises(KeyboardInterrupt):
        find_prompt()("User name", secret=False)
