"""Platforms: which there are, those that others bring, and a directory that all see."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import ClassVar

import pytest
from synchrony.conftest import Person, answers, posix_only

from upload_client import synchrony
from upload_client.errors import Locked, UsageError
from upload_client.synchrony import platforms
from upload_client.synchrony.books import MOST_BOOK, table
from upload_client.synchrony.shared_folder import SharedFolder
from upload_client.synchrony.view import JsonView


def test_the_platforms_of_this_package_are_there():
    assert synchrony.get_supported_platforms() == ["S3", "folder"]


def test_a_platform_that_nobody_knows_is_refused_with_those_there_are():
    for call in (synchrony.smart_sync, synchrony.reset_all):
        with pytest.raises(UsageError, match="'GDrive'") as caught:
            call("GDrive")
        assert "S3, folder" in caught.value.hint


def test_an_argument_that_is_none_is_refused_by_its_name():
    with pytest.raises(UsageError, match="colour"):
        synchrony.smart_sync("S3", colour="red")
    with pytest.raises(UsageError, match="colour"):
        synchrony.DataPlatformConnection(colour="red")
    with pytest.raises(UsageError, match="on_conflict"):
        synchrony.S3Connection(on_conflict="mein")
    with pytest.raises(UsageError, match="no bucket"):
        synchrony.S3Connection(aws_prfx="x")


class Noting(synchrony.DataPlatformConnection):
    """A platform that notes what it is asked, in the old order of calls."""

    calls: ClassVar[list[str]] = []
    answer = True

    def __init__(self, **options) -> None:
        super().__init__()
        type(self).calls = ["made"]

    def __getattribute__(self, name):
        if name in (
            "intro_message",
            "establish_connection",
            "synchronize",
            "close_message",
        ) or name.startswith("reset_"):
            Noting.calls.append(name)
        return super().__getattribute__(name)

    def reset_confirm(self) -> bool:
        return Noting.answer


@pytest.fixture
def others(monkeypatch):
    """An entry point of another package."""
    point = EntryPoint("drive", "synchrony.test_platforms:Noting", platforms.GROUP)
    monkeypatch.setattr(platforms, "entry_points", lambda group: [point] * (group == platforms.GROUP))
    monkeypatch.setattr(EntryPoint, "load", lambda self: Noting)


def test_a_platform_of_others_is_there_by_its_name_and_called_in_order(others):
    assert synchrony.get_supported_platforms() == ["S3", "folder", "drive"]
    assert synchrony.smart_sync("drive", anything=1) is None
    assert Noting.calls == ["made", "intro_message", "establish_connection", "synchronize", "close_message"]


@pytest.mark.parametrize("answer", [True, False])
def test_a_reset_deletes_only_after_a_yes(others, answer):
    Noting.answer = answer
    assert synchrony.reset_all("drive") is answer
    deletes = ["reset_local", "reset_remote"] * answer
    assert Noting.calls == [
        *("made", "intro_message", "establish_connection", "reset_confirm", *deletes, "close_message")
    ]


def test_the_extra_that_is_missing_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "filelock", None)
    with pytest.raises(UsageError, match=r"upload-client\[synchrony\]"):
        synchrony.smart_sync(
            "folder", datafolder=tmp_path / "a", directory=tmp_path / "b", yes=True, name="A"
        )


def test_nothing_of_it_is_loaded_before_it_is_used():
    program = "import sys, upload_client, upload_client.synchrony; print('filelock' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# --- a directory that all see ---


class Neighbour(Person):
    """Somebody who shares a folder through a directory."""

    def __init__(self, tmp_path, name: str) -> None:
        super().__init__(tmp_path / name, name, None, None)
        self.shared = tmp_path / "shared"

    def connection(self, **options):
        self.said = []
        view = JsonView("the shared folder", lambda line: self.said.append(json.loads(line)))
        return synchrony.FolderConnection(self.folder, self.shared, self.name, **{"view": view, **options})

    def there(self) -> dict[str, str]:
        return {
            path.relative_to(self.shared).as_posix(): path.read_text()
            for path in self.shared.rglob("*")
            if path.is_file() and ".S3" not in path.relative_to(self.shared).parts
        }


@pytest.fixture
def anna(tmp_path):
    return Neighbour(tmp_path, "Anna")


@pytest.fixture
def bert(tmp_path):
    return Neighbour(tmp_path, "Bert")


def test_a_directory_does_what_a_prefix_does(anna, bert):
    anna.write("a", "1")
    anna.write("b/c", "2")
    anna.sync()
    bert.sync()
    assert anna.files() == bert.files() == anna.there()
    anna.write("a", "Anna's")
    bert.write("a", "Bert's")
    bert.delete("b/c")
    assert anna.sync().exit_code == 0
    assert bert.sync(on_conflict="both").exit_code == 0
    assert anna.sync().exit_code == 0
    assert anna.files() == bert.files() == anna.there()
    assert sorted(anna.files().values()) == ["Anna's", "Bert's"]
    [kept] = (anna.shared / ".S3/deleted/b").iterdir()
    assert kept.read_text() == "2"
    rows = table((anna.shared / ".S3/versions.csv").read_bytes(), "it")
    assert set(rows) == set(anna.there())
    for one in (anna, bert):
        assert one.sync().done == ()


def test_it_is_remembered_and_needs_no_words(anna, run, monkeypatch):
    anna.write("a", "1")
    anna.sync()
    anna.write("b", "2")
    said = run("sync", anna.folder, "--yes")
    assert (said.code, anna.there()) == (0, {"a": "1", "b": "2"})


def test_a_race_in_a_directory_is_seen(anna, bert, monkeypatch):
    from upload_client.synchrony.shared_folder import SharedFolder

    anna.write("a", "1")
    anna.sync()
    bert.sync()
    bert.write("a", "Bert's")
    send = SharedFolder.send

    def late(self, files, root):
        if anna.there()["a"] == "1":
            (anna.shared / "a").write_text("Anna's")
        return send(self, files, root)

    monkeypatch.setattr(SharedFolder, "send", late)
    assert bert.sync().exit_code == 3
    assert anna.there() == {"a": "Anna's"}
    assert bert.files() == {"a": "Bert's"}


def test_somebody_who_writes_is_waited_for_and_then_told(anna, monkeypatch):
    from upload_client.synchrony import shared_folder
    from upload_client.synchrony.locking import hold

    monkeypatch.setattr(shared_folder, "_WAIT", 0.05)
    anna.write("a", "1")
    (anna.shared / ".S3").mkdir(parents=True)
    with hold(anna.shared / ".S3/lock"), pytest.raises(Locked):
        anna.sync()
    assert anna.sync().exit_code == 0


def test_a_folder_in_itself_and_a_disk_that_is_not_there_are_refused(anna, tmp_path):
    anna.folder.mkdir()
    for shared in (anna.folder, anna.folder / "x", tmp_path, tmp_path / "no/disk"):
        anna.shared = shared
        with pytest.raises(UsageError, match=r"overlap|there is no"):
            anna.sync()


@posix_only()
def test_nothing_is_written_through_a_symlink_in_the_directory(anna, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    anna.shared.mkdir()
    (anna.shared / "x").symlink_to(outside)
    anna.write("x/a", "1")
    assert anna.sync().exit_code == 4
    assert list(outside.iterdir()) == []


# --- a notebook, and the delivery afterwards ---


def test_in_a_notebook_it_shows_what_it_did(tmp_path):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    (tmp_path / "Data").mkdir()
    (tmp_path / "Data/a.csv").write_text("1")
    there = str(tmp_path / "there")
    call = f"synchrony.smart_sync('folder', datafolder='Data', directory={there!r}, name='Anna'"
    cells = [
        "from upload_client import synchrony\nfrom upload_client.synchrony.view import find_prompt",
        "assert find_prompt() is not None",
        f"outcome = {call}, prompt=lambda question: 'all')",
        "outcome.exit_code",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(book, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = json.dumps(book.cells[2].outputs)
    assert "new here (1)" in shown
    assert "both sides are the same: 1 file" in shown
    assert book.cells[3].outputs[0]["data"]["text/plain"] == "0"


def test_a_delivery_afterwards_takes_nothing_of_the_books(anna):
    from upload_client.index import scan

    anna.write("a", "1")
    anna.write("b/c", "2")
    anna.sync()
    assert (anna.folder / ".S3/versions.csv").exists()
    assert list(scan(anna.folder)["path"]) == ["a", "b/c"]


def test_a_name_is_asked_for_until_it_is_one(anna):
    anna.name = None
    anna.write("a", "1")
    prompt = answers("None", "  ", "Anna", "all")
    assert anna.sync(yes=False, prompt=prompt).exit_code == 0
    assert (anna.folder / ".S3/user_name.txt").read_text() == "Anna"
    other = Neighbour(anna.folder.parent, "Nobody")
    other.name = None
    with pytest.raises(UsageError, match="your name is not known"):
        other.sync()


def test_a_file_becomes_a_folder_and_a_folder_a_file(anna, bert):
    anna.write("x", "1")
    anna.write("y/z", "2")
    anna.sync()
    bert.sync()
    anna.delete("x")
    anna.write("x/inner", "3")
    anna.delete("y/z")
    (anna.folder / "y").rmdir()
    anna.write("y", "4")
    assert anna.sync().exit_code == 0
    assert bert.sync().exit_code == 0
    assert bert.files() == anna.files() == anna.there() == {"x/inner": "3", "y": "4"}
    assert bert.sync().done == anna.sync().done == ()


def test_a_file_and_a_folder_of_one_name_are_told_once_with_what_to_do(anna, bert):
    """Nobody can have both: it fails, and is not said to be a matter of choosing."""
    anna.write("x", "a file")
    anna.write("y/z", "in a folder")
    assert anna.sync().exit_code == 0
    bert.write("x/z", "in a folder")
    bert.write("y", "a file")
    outcome = bert.sync()
    assert outcome.exit_code == 4
    told = {failure.path: failure.why for failure in outcome.failures}
    assert told == {
        "x": "a folder of this name is in its way here: rename, move or delete one of both",
        "y/z": "a file is in the way of its folder here: rename, move or delete one of both",
        **dict.fromkeys(
            ("x/z", "y"),
            "something else of this name, or of its folder's, is in its way there: rename, move or"
            " delete one of both",
        ),
    }
    assert {failure.code for failure in outcome.failures} == {"not_a_file"}
    assert bert.files() == {"x/z": "in a folder", "y": "a file"}
    assert anna.there() == anna.files() == {"x": "a file", "y/z": "in a folder"}
    (bert.folder / "x").rename(bert.folder / "x, too")
    bert.delete("y")
    assert bert.sync().exit_code == anna.sync().exit_code == 0
    assert bert.files() == anna.files() == {"x": "a file", "x, too/z": "in a folder", "y/z": "in a folder"}


@pytest.mark.parametrize("there", [(), ("of another disk.txt",)])
def test_a_disk_that_is_not_connected_does_not_pass_for_one_from_which_all_was_deleted(anna, there, tmp_path):
    anna.write("a", "1")
    anna.write("b/c", "2")
    anna.sync()
    anna.shared.rename(tmp_path / "taken away")
    if there:
        anna.shared.mkdir()
    for name in there:
        (anna.shared / name).write_text("x")
    for how in ({}, {"on_conflict": "theirs"}, {"yes": False, "dry_run": True}):
        with pytest.raises(UsageError, match="do not pass for deleted") as refused:
            anna.sync(**how)
        assert "Connect the disk" in refused.value.hint
    assert anna.files() == {"a": "1", "b/c": "2"}
    # Whoever has emptied it on purpose begins anew.
    synchrony.reset_all(
        "folder", datafolder=anna.folder, directory=anna.shared, name="Anna", prompt=answers("yes")
    )
    assert anna.sync().exit_code == 0
    assert {"a": "1", "b/c": "2"}.items() <= anna.there().items()


def test_what_others_delete_or_make_while_a_directory_is_listed_is_no_error(anna, bert, monkeypatch):
    anna.write("a/1", "1")
    anna.write("b", "2")
    anna.sync()
    bert.sync()
    look = SharedFolder._there

    def after_a_deletion(self, path, status, seen_ns):
        if path == "b" and (self.root / "a").exists():
            (self.root / "a/1").unlink()
            (self.root / "a").rmdir()
        return look(self, path, status, seen_ns)

    monkeypatch.setattr(SharedFolder, "_there", after_a_deletion)
    assert bert.sync().exit_code == 0
    assert bert.files() == {"b": "2"}


def test_two_who_begin_at_once_with_a_directory_that_is_not_there_yet(anna, monkeypatch):
    anna.write("a", "1")
    scan, n = os.scandir, 0

    def before_another(folder):
        nonlocal n
        try:
            return scan(folder)
        except FileNotFoundError:
            if Path(folder) == anna.shared:
                n += 1
                (anna.shared / ".S3").mkdir(parents=True)
            raise

    monkeypatch.setattr(os, "scandir", before_another)
    assert anna.sync().exit_code == 0
    assert n == 1
    assert anna.there() == {"a": "1"}


def test_a_name_as_long_as_may_be_is_deleted_and_what_it_held_is_kept(anna, bert):
    long = "ü" * 127
    for name in (long, f"in a folder/{long}"):
        anna.write(name, "kept")
    anna.sync()
    bert.sync()
    for name in (long, f"in a folder/{long}"):
        anna.delete(name)
    assert anna.sync().exit_code == bert.sync().exit_code == 0
    assert bert.files() == anna.there() == {}
    kept = [path for path in (anna.shared / ".S3/deleted").rglob("*") if path.is_file()]
    assert [path.read_text() for path in kept] == ["kept", "kept"]
    assert all(path.name.startswith("ü" * 100) for path in kept)


def test_a_file_that_others_replace_each_time_is_no_matter_of_choosing(anna, bert, monkeypatch):
    anna.write("a", "1")
    anna.sync()
    bert.sync()
    anna.write("a", "2")
    placed, n = SharedFolder._placed, 0

    def after_another(self, written, problem):
        nonlocal n
        n += 1
        (self.root / "a").write_text(f"of somebody else, {n}")
        return placed(self, written, problem)

    monkeypatch.setattr(SharedFolder, "_placed", after_another)
    outcome = anna.sync(on_conflict="mine")
    assert outcome.exit_code == 4
    ((path, act, why, code),) = outcome.failures
    assert (path, act, why, code) == ("a", "upload", "somebody else has changed it meanwhile", "changed")
    assert anna.there() == {"a": "of somebody else, 5"}
    assert anna.files() == {"a": "2"}


def _too_large(book):
    with book.open("wb") as file:
        file.truncate(MOST_BOOK + 1)  # takes no room


def _fifo(book):
    if not hasattr(os, "mkfifo"):
        pytest.skip("has no FIFOs")
    os.mkfifo(book)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_too_large, r"versions\.csv has 1,073,741,825 bytes"),
        (_fifo, r"versions\.csv cannot be read"),
        (Path.mkdir, r"versions\.csv cannot be read"),
    ],
)
def test_a_table_of_the_directory_that_is_none_is_told(anna, make, words):
    anna.write("a", "1")
    anna.sync()
    book = anna.shared / ".S3" / "versions.csv"
    book.unlink()
    make(book)
    anna.write("b", "2")
    with pytest.raises(UsageError, match=words):
        anna.sync()


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ({"session": 5}, "session is 5: it is a boto3 session"),
        ({"prompt": 5}, "prompt is 5: it is a function that asks a question, and gives back the answer"),
        ({"view": 5}, "view is 5: it is an upload_client.synchrony.view.View"),
        ({"datafolder": 5}, "datafolder is 5: it is the path of a folder"),
        ({"name": 5}, "name is 5: it is your name, as text"),
        ({"select": 5}, "select is 5: it is text, or a sequence of texts"),
        ({"yes": "no"}, "yes is of the type str: it is True or False"),
        ({"aws_bkt": 5}, "aws_bkt is 5: it is text"),
    ],
)
def test_an_argument_of_a_connection_that_cannot_be_meant_is_refused_where_it_is_given(
    tmp_path, argument, said
):
    with pytest.raises(UsageError) as refused:
        platforms.S3Connection(**{"datafolder": tmp_path, **argument})
    assert str(refused.value) == said
    with pytest.raises(UsageError, match="directory is 5: it is the path of a folder"):
        platforms.FolderConnection(tmp_path, directory=5)
