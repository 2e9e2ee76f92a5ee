"""How a run ends: in words, and with the command to type next."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import shlex
import shutil
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from ui.strategies import hostile

from upload_client.core.codes import FileCode
from upload_client.core.exits import ExitCode
from upload_client.events import Problem, Summary
from upload_client.ui.ending import Command, ending, headline, problem_lines

TYPED = Command(("upload-client", "--dataset", "toy"))
END = Summary(
    exit_code=0,
    counts={"valid": 3},
    bytes_sent=3 * 2**20,
    files_sent=3,
    seconds=3.0,
    state_csv=None,
    headline="so it ended",
)


def ended(exit_code, **changed):
    return ending(dataclasses.replace(END, exit_code=int(exit_code), **changed), TYPED)


def problem(todo="Fix it.", state="invalid", n=1, names=("x",)):
    return Problem(state, "no", todo, n, names)


@pytest.mark.parametrize("code", list(ExitCode))
def test_each_exit_code_has_its_own_good_ending(code):
    end = ended(code, hint="" if code in (0, 3, 4, 130) else "Do this.")
    assert end.kind == ("well" if code == 0 else "error" if code in (1, 2, 10, 11, 12, 13, 14) else "todo")
    assert dict(end.rows)["next"].endswith(".")
    assert bool(end.command) == (code not in (0, 2, 14))
    assert len(end.rows) <= 2  # with title, details and command: five lines


@pytest.mark.parametrize(
    ("code", "counts", "labels"),
    [
        (10, {}, ["next", "left out"]),
        (7, {}, ["next", "left out"]),
        (11, {"valid": 3}, ["next", "this run", "left out"]),
        (7, {"valid": 3}, ["this run", "left out", "next"]),
        (0, {"valid": 3}, ["this run", "left out", "next"]),
    ],
)
def test_what_to_do_follows_at_once_where_there_is_an_error_and_else_the_figures_come_first(
    code, counts, labels
):
    sent = {} if counts else {"files_sent": 0, "bytes_sent": 0}
    end = ended(code, counts=counts, hint="Do this.", left_out={"excluded": 1}, **sent)
    assert [label for label, _ in end.rows] == labels


@pytest.mark.parametrize(
    ("exit_code", "said"),
    [
        (0, "so it ended"),
        (3, "so it ended"),
        (6, "so it ended"),
        (1, "error: so it ended"),
        (2, "error: so it ended"),
        (10, "error: so it ended"),
        (130, "stopped: so it ended"),
    ],
)
def test_an_outcome_is_no_error_but_what_kept_a_delivery_from_one_is(exit_code, said):
    assert headline(dataclasses.replace(END, exit_code=exit_code)) == said


def test_what_was_sent_is_said_and_how_fast():
    assert dict(ended(0).rows)["this run"] == "sent 3 files, 3.0 MiB in 0:03 (1.0 MiB/s)"
    assert dict(ended(0, files_sent=0, bytes_sent=0).rows)["this run"] == "sent nothing, took 0:03"
    assert dict(ended(0, bytes_sent=0).rows)["this run"] == "sent 3 files in 0:03"  # copied by S3


def test_files_to_be_fixed_are_sent_by_the_same_command():
    assert ended(3, problems=(problem(),)).command == "upload-client --dataset toy"


def test_nobody_is_told_to_wait_for_what_the_receiver_lacks():
    unable = problem(FileCode.UNABLE.todo, state="done")
    assert ended(5, problems=(unable,)).command == ""
    both = ended(5, problems=(problem(), unable))
    assert "tell the receiver what their validator lacks" in dict(both.rows)["next"]
    assert both.command == "upload-client --dataset toy"
    silent = problem("Run it again later.", state="done")
    assert "Run it again later" in dict(ended(5, problems=(problem(), unable, silent)).rows)["next"]


def test_files_that_are_right_as_they_are_need_an_option_more():
    ask = problem(
        "The receiver's validator contradicts itself: tell them, then send it with --resend-invalid."
    )
    assert ended(3, problems=(ask,)).command == "upload-client --dataset toy --resend-invalid"
    assert ended(3, problems=(ask, problem())).command == "upload-client --dataset toy"


def test_an_option_that_is_there_is_not_added():
    assert Command(("x", "--debug")).line("--debug") == "x --debug"


def test_a_fault_of_ours_is_looked_into_with_debug():
    assert ended(1).command == "upload-client --dataset toy --debug"


def test_where_nobody_has_typed_anything_nothing_is_to_be_typed():
    assert ending(dataclasses.replace(END, exit_code=3)).command == ""


# --- problems ------------------------------------------------------------------------------------


def test_ten_files_are_named_and_the_rest_counted():
    many = problem(n=300, names=tuple(f"{n}.csv" for n in range(10)))
    lines = list(problem_lines([many]))
    assert [kind for kind, _ in lines] == ["invalid", *["name"] * 10, "more", "todo"]
    assert lines[0][1] == "300 files invalid: no"
    assert lines[-2][1] == "and 290 more"


def test_each_reason_names_some_of_its_files():
    kinds = [problem(n=n, names=tuple(map(str, range(min(n, 10))))) for n in (300, 2, 1)]
    named = [text for kind, text in problem_lines(kinds) if kind == "name"]
    assert len(named) == 10
    assert named == ["0", "1", "2", "3", "4", "5", "6", "0", "1", "0"]


def test_of_many_reasons_the_most_frequent_are_told():
    lines = list(problem_lines([problem(n=2) for _ in range(9)]))
    assert lines[-1] == ("more", "6 files for 3 other reasons")
    assert sum(kind == "invalid" for kind, _ in lines) == 6


def test_who_waits_for_a_validator_that_lacks_something_is_told_whom_to_ask():
    from upload_client.core.codes import FileCode

    lacks, waits = problem(FileCode.UNABLE.todo, "done"), problem(FileCode.NOT_JUDGED.todo, "done")
    alone = ended(ExitCode.NOT_JUDGED, hint="", problems=(lacks,))
    assert (dict(alone.rows)["next"], alone.command) == (FileCode.UNABLE.todo, "")
    both = ended(ExitCode.NOT_JUDGED, hint="", problems=(lacks, waits))
    assert "again later" in dict(both.rows)["next"]


def test_a_file_that_was_not_judged_is_called_so():
    (kind, text), *_ = problem_lines([problem(state="done")])
    assert (kind, text) == ("done", "1 file not judged: no")
    (_, again), *_ = problem_lines([dataclasses.replace(problem(state="done"), reason="not judged: no")])
    assert again == text


# --- the command ---------------------------------------------------------------------------------


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1))
def test_a_posix_shell_takes_printable_words_as_they_are(words):
    line = Command(tuple(words)).line(windows=False)
    assert line.isprintable()
    if all(word.isprintable() for word in words):
        assert shlex.split(line) == words


def test_what_cannot_be_shown_is_typed_as_bytes():
    assert Command(("it's\x1b7\udcff",)).line(windows=False) == r"$'it\'s\0337\377'"


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@limits(max_examples=15)
@given(
    st.lists(
        st.one_of(hostile.filter(lambda word: len(word) < 99), st.text(max_size=9)).filter(
            lambda word: word.encode("utf-8", "ignore").decode() == word and "\0" not in word
        ),
        min_size=1,
        max_size=5,
    )
)
def test_bash_gives_the_program_the_very_words(words):
    line = Command(
        (sys.executable, "-c", "import sys,os;print([os.fsencode(a) for a in sys.argv[1:]])", *words)
    )
    said = subprocess.run(
        ["bash", "-c", line.line(windows=False)], capture_output=True, text=True, check=True
    ).stdout
    assert said.strip() == str([word.encode() for word in words])


@pytest.mark.parametrize(
    ("word", "typed"),
    [
        ("C:\\data\\x.csv", "C:\\data\\x.csv"),
        ("my data", '"my data"'),
        ("C:\\my data\\", '"C:\\my data\\\\"'),
        ("a&b", '"a&b"'),
        ("50%", '"50%"'),
        ("a^b", '"a^b"'),
        ("it's", '"it\'s"'),
        ('a"b', '"a\\"b"'),
        ("", '""'),
    ],
)
def test_on_windows_words_are_quoted_wherever_a_shell_would_meddle(word, typed):
    assert Command((word,)).line(windows=True) == typed


@pytest.mark.skipif(os.name != "nt", reason="asks Windows itself")
@given(st.lists(st.text(st.characters(categories=["L", "N", "P", "Zs"])), min_size=1))
def test_windows_takes_the_line_apart_into_the_very_words(words):
    split = ctypes.windll.shell32.CommandLineToArgvW
    split.restype = ctypes.POINTER(ctypes.c_wchar_p)
    n = ctypes.c_int()
    found = split(Command(("x", *words)).line(windows=True), ctypes.byref(n))
    assert [found[i] for i in range(1, n.value)] == words
