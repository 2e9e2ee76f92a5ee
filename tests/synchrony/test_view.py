"""What a person is shown and asked, and what a program is told."""

from __future__ import annotations

import io
import json
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console
from synchrony.conftest import answers, posix_only, shared

from upload_client.core.codes import FileCode, MessageCode
from upload_client.core.synchrony import Act, Change, Choice
from upload_client.synchrony.differences import differing
from upload_client.synchrony.folder import FolderFile, Skipped
from upload_client.synchrony.remote import RemoteFile
from upload_client.synchrony.state import Failure, Offer
from upload_client.synchrony.view import JsonView, ScreenView, ask_conflict, ask_rows, find_prompt

EVIL = "a\x1b[2J\n[red]b\u202e.csv"
HERE = FolderFile(26, 1_784_542_272_000_000_000, 1, "0" * 32)
THERE = RemoteFile(1024**2, "etag", 1_784_542_272.0)


def offer(change: Change, **more) -> Offer:
    sides = {"here": HERE, "there": THERE, "by": EVIL, "when": EVIL, "note": EVIL} | more
    return Offer(EVIL, change, **sides)


def screen(width: int) -> tuple[ScreenView, io.StringIO]:
    file = io.StringIO()
    console = Console(file=file, width=width, emoji=False, markup=False, highlight=False)
    return ScreenView("S3", console), file


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("change", [one for one in Change if one not in (Change.NOTHING, Change.BOOKS)])
def test_nothing_that_others_named_moves_the_cursor_or_takes_more_than_its_line(width, change):
    view, file = screen(width)
    view.offers(change, [offer(change)] * 3, {EVIL: ["-old", "+new"]})
    view.skipped([Skipped(EVIL, "is a symlink", FileCode.NOT_A_FILE)] * 12)
    view.did([(EVIL, Act.UPLOAD)], [Failure(EVIL, Act.UPLOAD, EVIL, FileCode.UNEXPECTED)])
    view.warn(EVIL.replace("\n", ""), MessageCode.NAMES_ALIKE)
    said = file.getvalue()
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert max(map(len, said.splitlines())) <= width


def test_a_conflict_on_a_narrow_terminal_names_both_sides_below_each_other():
    view, file = screen(80)
    one = Offer("trees.csv", Change.BOTH_CHANGED, HERE, THERE, "Anna", "2026-07-20 10:11:12")
    view.offers(Change.BOTH_CHANGED, [one], {"trees.csv": ["row 2, height: yours '22', theirs '21'"]})
    assert file.getvalue() == (
        "\nConflict: changed here and on S3 (1)\n"
        "  1  trees.csv\n"
        "     here   26 B, 2026-07-20 10:11:12 UTC\n"
        "     on S3  1.0 MiB, 2026-07-20 10:11:12 UTC, by Anna\n"
        "  1: what differs (- yours, + theirs)\n"
        "     row 2, height: yours '22', theirs '21'\n"
        "You may choose\n"
        "  mine    upload yours\n"
        "  theirs  download theirs over yours\n"
        "  both    keep both, theirs beside yours under another name\n"
        "  later   decide another time (Enter)\n"
    )


def test_of_many_rows_the_first_are_shown_and_all_are_counted():
    view, file = screen(80)
    rows = [Offer(f"{n}", Change.NEW_HERE, HERE, None, "", "") for n in range(1000)]
    view.offers(Change.NEW_HERE, rows, {})
    assert "and 800 more" in file.getvalue()
    assert len(file.getvalue().splitlines()) < 210


def test_an_answer_that_is_none_is_asked_for_again():
    view, file = screen(80)
    assert ask_rows(view, answers("x", "9", "1,r2"), Change.CHANGED_HERE, 2) == ({1}, {2})
    assert "rows 1 to 2" in file.getvalue()
    assert ask_rows(view, answers("r1", "2"), Change.NEW_HERE, 2) == ({2}, set())


@pytest.mark.parametrize(
    ("typed", "choice"),
    [
        (["m"], (Choice.MINE, False)),
        (["huh", "both all"], (Choice.BOTH, True)),
        ([""], (Choice.LATER, False)),
        (["L"], (Choice.LATER, False)),
    ],
)
def test_a_conflict_is_answered_by_the_beginning_of_a_word(typed, choice):
    view, _ = screen(80)
    assert ask_conflict(view, answers(*typed), offer(Change.BOTH_CHANGED)) == choice


def test_both_is_not_offered_where_there_is_one_alone():
    view, _ = screen(80)
    assert ask_conflict(view, answers("both", "theirs"), offer(Change.DELETED_HERE_CHANGED_THERE)) == (
        Choice.THEIRS,
        False,
    )


def test_every_line_for_a_program_is_ascii_and_json():
    lines = []
    view = JsonView("S3", lines.append)
    view.offers(Change.BOTH_CHANGED, [offer(Change.BOTH_CHANGED, here=None)], {})
    view.skipped([Skipped("\udcff", "why", FileCode.ILLEGAL_PATH)])
    view.did([(EVIL, Act.DOWNLOAD)], [Failure(EVIL, Act.UPLOAD, "why", FileCode.NO_ANSWER)])
    view.ended({"exit_code": 3}, "what")
    view.warn("look", MessageCode.NAMES_ALIKE)
    assert all(line.isascii() and "\n" not in line for line in lines)
    assert [json.loads(line)["kind"] for line in lines] == [
        *("offer", "skipped", "done", "failed", "summary", "warning")
    ]
    assert {json.loads(line)["schema_version"] for line in lines} == {1}
    codes = {json.loads(line)["kind"]: json.loads(line).get("code") for line in lines}
    assert (codes["skipped"], codes["failed"], codes["warning"]) == (
        *("illegal_path", "no_answer", "names_alike"),
    )


@pytest.mark.parametrize(
    ("mine", "theirs", "path", "told"),
    [
        (b"a,b\n1,2\n", b"a,b\n1,3\n", "t.csv", ["row 2, b: yours '2', theirs '3'"]),
        (b"a\tb\n1\t2\n", b"a\tb\n1\t3\n", "t.tsv", ["row 2, b: yours '2', theirs '3'"]),
        (b"a,b\n1,2\n", b"a,b\n1,2\n3,4\n", "t.csv", ["@@ -2,0 +3 @@", "+3,4"]),
        (b"x\ny\n", b"x\nz\n", "t.txt", ["@@ -2 +2 @@", "-y", "+z"]),
        (b"x\n", b"x\r\n", "t.txt", ["only in how lines end"]),
        (b"\0", b"\1", "t.bin", []),
        (b"\xff", b"x", "t.txt", []),
        (b"\x1b[2J", b"x", "t.txt", ["@@ -1 +1 @@", "-\\x1b[2J", "+x"]),
    ],
)
def test_what_differs_is_told_line_by_line_or_cell_by_cell(mine, theirs, path, told):
    assert differing(mine, theirs, path) == told


def test_of_much_that_differs_the_first_is_told_and_the_rest_counted():
    mine, theirs = (("\n".join(f"{what}{n}" for n in range(500))).encode() for what in "xy")
    told = differing(mine, theirs, "t.txt")
    assert len(told) == 13
    assert told[-1] == "and 989 more"


# --- as it is typed ---


@pytest.fixture
def typed(run, bucket, tmp_path, monkeypatch):
    """``typed("--yes")``: `upload-client sync Data` at this test's prefix."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.client.meta.endpoint_url)
    monkeypatch.chdir(tmp_path)

    def sync(*words: str):
        return run("sync", *words)

    return sync


def test_as_it_is_typed(typed, bucket, tmp_path):
    place = f"s3://{bucket.name}/{bucket.prefix}"
    (tmp_path / "Data").mkdir()
    (tmp_path / "Data/a.csv").write_text("1")
    said = typed()
    assert (said.code, "no shared place is known yet" in said.err) == (2, True)
    said = typed("--to", place, "--name", "Anna")
    assert (said.code, "new here (1)" in said.out, "run it at a terminal" in said.out) == (2, True, True)
    said = typed("--name", "None", "--yes")
    assert (said.code, "empty cell" in said.err) == (2, True)
    said = typed("--name", "Anna", "--yes", "--json")
    summary = json.loads(said.out.splitlines()[-1])
    assert (said.code, summary["kind"], summary["done"]) == (0, "summary", {"upload": 1})
    assert shared(bucket) == {"a.csv": "1"}
    said = typed()
    assert (said.code, "both sides are the same: 1 file" in said.out) == (0, True)
    said = typed("--reset")
    assert (said.code, "nobody can be asked" in said.err) == (2, True)
    assert typed("--reset", "--yes").code == 0
    assert not (tmp_path / "Data/.S3").exists()
    assert bucket.ls() == ("a.csv",)


@pytest.mark.parametrize("place", ["s3://", "https://x/y", "s3://b/../x", "s3://b/.S3"])
def test_a_place_that_is_none_is_refused(typed, place):
    said = typed("--to", place)
    assert said.code == 2, said
    assert "Traceback" not in said.err


def test_a_bucket_that_is_not_there_is_told_and_nothing_is_made_of_it(typed, tmp_path):
    said = typed("--to", "s3://no-such-bucket-there/x", "--name", "Anna", "--yes")
    assert said.code == 2
    assert "there is no bucket 'no-such-bucket-there'" in said.err
    assert "--dataset" not in said.err
    assert "is shared with" not in typed("--to", "s3://no-such-bucket-either/x").err


@posix_only()
def test_a_file_that_fails_is_told_and_logged_and_the_others_are_done(typed, bucket, tmp_path):
    bucket.put("a/b", b"1")
    bucket.put("ok", b"2")
    (tmp_path / "Data").mkdir()
    (tmp_path / "Data/ok2").write_text("3")
    long = "x" * 300
    try:
        bucket.put(long, b"no file can be called so")
    except Exception:  # noqa: BLE001 - this store has no such names either
        pytest.skip("no such key here")
    said = typed("--to", f"s3://{bucket.name}/{bucket.prefix}", "--name", "Anna", "--yes")
    assert said.code == 4
    assert "File name too long" in said.out
    assert (tmp_path / "Data/ok").read_text() == "2"
    [log] = (tmp_path / "Data/.S3/logs").iterdir()
    assert long in log.read_text()


@pytest.mark.parametrize(
    ("shell", "asks"), [(None, False), (object(), False), (SimpleNamespace(kernel=1), True)]
)
def test_a_person_is_asked_in_a_notebook_and_not_where_ipython_is_merely_imported(monkeypatch, shell, asks):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert (find_prompt() is not None) is asks
