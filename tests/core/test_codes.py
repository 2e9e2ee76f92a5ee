"""The codes of what goes wrong: stable, and each with something to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from upload_client import errors
from upload_client.core.codes import FileCode, is_code, todo
from upload_client.core.exits import ExitCode
from upload_client.core.resume import Reason

PAGE = Path(__file__).parents[2] / "docs" / "codes.md"


@pytest.mark.parametrize("code", FileCode)
def test_each_has_the_form_of_a_code_and_a_sentence_of_advice(code):
    assert is_code(code)
    assert code.state in ("failed", "invalid", "done")
    assert code.todo[0].isupper()
    assert code.todo.endswith(".")
    assert todo(code.state, code) == code.todo


@pytest.mark.parametrize("state", ["failed", "invalid", "done"])
@pytest.mark.parametrize("code", [None, "", "of_another_make", "no code\x1b[2J"])
def test_what_nobody_here_knows_has_the_advice_of_its_state(state, code):
    assert (
        todo(state, code)
        == {
            "failed": FileCode.UNEXPECTED.todo,
            "invalid": FileCode.CONTENT.todo,
            "done": FileCode.NOT_JUDGED.todo,
        }[state]
    )


def test_a_code_of_another_state_does_not_mislead():
    assert todo("invalid", FileCode.UNREADABLE) == FileCode.CONTENT.todo


def test_about_a_file_that_is_tried_again_nothing_is_to_be_done():
    assert "by itself" in todo("failed", FileCode.NO_ANSWER, again=True)


def test_the_page_names_every_code_there_is():
    page = PAGE.read_text("utf-8")
    exceptions = [errors.__dict__[name] for name in errors.__all__]
    codes = {*FileCode, *Reason, *(one.code for one in exceptions), *(code.name.lower() for code in ExitCode)}
    assert sorted(code for code in codes if f"| `{code}` |" not in page) == []
    assert all(code.todo in page for code in FileCode)
    assert all(reason.sentence in page for reason in Reason)
