"""A directory that others write to as well: who put symlinks into it, and write at the same moment."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from functools import partial
from pathlib import Path

import pytest

from upload_client.cli.app import main
from upload_client.errors import UsageError
from upload_client.synchrony import folder, shared_folder
from upload_client.synchrony.remote import ConcurrentChange, Fetch, Remove, Send
from upload_client.synchrony.shared_folder import SharedFolder

pytest.importorskip("filelock")

MD5 = "9dd4e461268c8034f5c8564e155c67a6"  # of b"x"


@pytest.fixture
def outside(tmp_path) -> Path:
    """A folder of somebody else's, with a file in it."""
    made = tmp_path / "outside"
    made.mkdir()
    (made / "precious").write_text("kept")
    return made


@pytest.fixture
def shared(tmp_path) -> SharedFolder:
    folder = SharedFolder(tmp_path / "shared")
    folder.root.mkdir()
    (folder.root / "a").write_text("x")
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("link", [".S3", ".S3/lock", ".S3/tmp", ".S3/deleted", "folder"])
def test_nothing_is_written_moved_or_deleted_through_a_symlink(shared, outside, tmp_path, link):
    at = shared.root / link
    at.parent.mkdir(exist_ok=True)
    at.symlink_to(outside / "precious" if link.endswith("lock") else outside)
    (tmp_path / "mine").write_text("x")
    there = shared.listing().files["a"]
    send = Send("folder/new", str(tmp_path / "mine"), 1, MD5, None)
    for act in (
        lambda: shared.write_book("versions.csv", b"File,Edited By,Time Edited,Checksum\n", None),
        lambda: list(shared.send([send], tmp_path)),
        lambda: list(shared.fetch([Fetch("folder/precious", there, tmp_path / "fetched")])),
        lambda: list(shared.remove([Remove("folder/precious", there, ".S3/deleted/a.1")], print)),
        lambda: list(shared.remove([Remove("a", there, ".S3/deleted/a.1")], print)),
        shared.check,
    ):
        try:
            act()
        except UsageError as error:
            assert "is a symlink, or lies behind one" in str(error)  # noqa: PT017 - of some of them
    if link == ".S3":
        with pytest.raises(UsageError):
            shared.forget()
    assert contents(outside) == {"precious": "kept"}


def test_who_has_put_it_there_is_to_be_looked_for(shared, outside, tmp_path, capsys):
    (shared.root / ".S3").symlink_to(outside)
    command = ["sync", str(tmp_path / "mine"), "--to", str(shared.root), "--name", "Anna", "--yes"]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert "is a symlink, or lies behind one" in said
    assert "Traceback" not in said
    assert contents(outside) == {"precious": "kept"}


# --- files whose time does not tell their versions apart


def at(path: Path, text: str, moment: int) -> Path:
    """A file that is modified at a moment as whole seconds tell it: on FAT, on many a network disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (moment, moment))
    return path


@pytest.fixture
def now() -> int:
    """A moment that two changes fall into, as whole seconds tell it; not yet over."""
    return int(time.time()) + 60


@pytest.fixture
def mine(tmp_path) -> Path:
    return at(tmp_path / "mine", "mine", int(time.time()) - 100)


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def test_a_file_that_is_written_twice_at_one_time_is_two_versions(shared, now):
    at(shared.root / "a", "1", now)
    seen = shared.listing().files["a"]
    at(shared.root / "a", "2", now)
    for again in (shared, SharedFolder(shared.root)):
        assert again.listing().files["a"].etag != seen.etag
        assert again.look(["a"])["a"] != seen
    at(shared.root / "a", "1", now)
    assert shared.look(["a"])["a"] == seen


def test_a_version_that_somebody_else_has_written_at_the_same_time_is_not_replaced_read_or_moved(
    shared, now, mine, tmp_path
):
    at(shared.root / "a", "1", now)
    there = shared.listing().files["a"]
    at(shared.root / "a", "2", now)
    (sent,) = shared.send([Send("a", str(mine), 4, md5("mine"), there.etag)], tmp_path)
    (fetched,) = shared.fetch([Fetch("a", there, tmp_path / "fetched")])
    (removed,) = shared.remove([Remove("a", there, ".S3/deleted/a.1")], print)
    assert (sent.raced, fetched.raced, removed.raced) == (True, True, True)
    assert dict(shared.md5s([("a", there)], doubted=False)) == {"a": None}
    assert (shared.root / "a").read_text() == "2"


def test_a_version_that_was_seen_at_its_time_is_replaced_read_and_moved_later(shared, now, mine, tmp_path):
    at(shared.root / "a", "1", now)
    there = shared.listing().files["a"]
    (fetched,) = shared.fetch([Fetch("a", there, tmp_path / "fetched")])
    assert (fetched.error, fetched.raced, fetched.md5) == (None, False, md5("1"))
    (sent,) = shared.send([Send("a", str(mine), 4, md5("mine"), there.etag)], tmp_path)
    assert (sent.error, sent.raced) == (None, False)
    (removed,) = shared.remove([Remove("a", sent.there, ".S3/deleted/a.1")], print)
    assert (removed.error, removed.raced) == (None, False)
    assert (shared.root / ".S3/deleted/a.1").read_text() == "mine"


@pytest.mark.parametrize("whole", [True, False])
def test_what_two_have_sent_at_one_time_are_two_versions(shared, mine, tmp_path, whole, monkeypatch):
    """As where a file system keeps whole seconds, and where it keeps more."""
    moment = int(time.time()) * 10**9 + (0 if whole else 123_456_000)
    monkeypatch.setattr(folder.time, "time_ns", lambda: moment)
    other = at(tmp_path / "other", "hers", 1)
    (ours,) = shared.send([Send("b", str(mine), 4, md5("mine"), None)], tmp_path)
    assert shared.look(["b"])["b"] == ours.there
    seen = SharedFolder(shared.root).listing().files["b"]
    if whole:
        at(shared.root / "b", "hers", moment // 10**9)
    else:
        other.replace(shared.root / "b")
    (again,) = shared.send([Send("b", str(mine), 4, md5("mine"), ours.there.etag)], tmp_path)
    assert again.raced
    assert SharedFolder(shared.root).listing().files["b"] != seen


def test_a_table_that_is_written_twice_at_one_time_is_two_versions(shared, now):
    first = shared.write_book("versions.csv", b"1", None)
    book = shared.root / ".S3/versions.csv"
    os.utime(book, (now, now))
    _, seen = shared.read_book("versions.csv")
    at(book, "2", now)
    with pytest.raises(ConcurrentChange):
        shared.write_book("versions.csv", b"3", seen)
    assert shared.listing().books["versions.csv"] not in (seen, first)
    assert shared.read_book("versions.csv")[0] == b"2"


@pytest.mark.parametrize("hours", [-5, 0, 5])
def test_what_was_written_just_now_says_the_file_systems_own_clock(shared, hours, monkeypatch):
    """Which may be another machine's; this one's is so many hours ahead of it."""
    (shared.root / ".S3").mkdir()
    real = time.time_ns
    monkeypatch.setattr(shared_folder.time, "time_ns", lambda: real() + hours * 3600 * 10**9)
    os.utime(shared.root / "a", (time.time() - 60,) * 2)
    (shared.root / "b").write_text("x")
    etags = {path: there.etag for path, there in shared.listing().files.items()}
    assert ":" not in etags["a"]
    assert etags["b"].endswith(":" + MD5)
    assert not list(shared.root.glob(".S3/tmp/*"))


def test_a_change_at_the_time_of_the_last_sync_is_seen_by_the_next_one(tmp_path, now):
    """Also where neither side's file system tells times apart."""
    folder, there = tmp_path / "mine", tmp_path / "there"
    command = ["sync", str(folder), "--to", str(there), "--name", "Anna", "--yes"]
    at(there / "a", "1", now)
    at(folder / "b", "1", now)
    assert main(command) == 0
    for side in (folder, there):
        for name in "ab":
            os.utime(side / name, (now, now))
    assert main(command) == 0  # remembers both at this time
    at(there / "a", "2", now)
    at(folder / "b", "2", now)
    assert main(command) == 0
    for side in (folder, there):
        assert {name: (side / name).read_text() for name in "ab"} == {"a": "2", "b": "2"}


@pytest.mark.parametrize("act", ["put", "delete"])
def test_a_file_that_is_edited_at_the_time_at_which_it_was_read_is_neither_replaced_nor_deleted(
    tmp_path, act, now
):
    at(tmp_path / "a", "1", now)
    mine = folder.Folder(tmp_path)
    mine.make()
    here = mine.look({})[0]["a"]
    at(tmp_path / "a", "2", now)
    whole = at(mine.temporary(), "3", now)
    change = partial(mine.delete if act == "delete" else partial(mine.put, whole), "a", here)
    with pytest.raises(folder.Changed, match="has been changed meanwhile"):
        change()
    assert (tmp_path / "a").read_text() == "2"


@pytest.mark.parametrize("whole", [True, False])
def test_a_file_that_came_at_a_time_that_tells_nothing_is_read_again(tmp_path, whole, monkeypatch):
    moment = int(time.time()) * 10**9 + (0 if whole else 1000)
    monkeypatch.setattr(folder.time, "time_ns", lambda: moment)
    mine = folder.Folder(tmp_path)
    mine.make()
    status, is_told = mine.put(at(mine.temporary(), "3", 1), "a", None)
    assert is_told == (status.st_mtime_ns == moment and not whole)  # this disk may have whole seconds itself


@pytest.mark.parametrize("hours", [-48, 0, 48])
def test_what_a_killed_sync_has_left_is_deleted_after_a_day_of_the_file_system(shared, hours, monkeypatch):
    """This machine's clock is so many hours ahead of it."""
    tmp = shared.root / ".S3/tmp"
    real, now = time.time_ns, int(time.time())
    monkeypatch.setattr(shared_folder.time, "time_ns", lambda: real() + hours * 3600 * 10**9)
    at(tmp / "old.part", "x", now - 25 * 3600)
    at(tmp / "being written.part", "x", now - 23 * 3600)
    at(tmp / "of somebody else", "x", now - 25 * 3600)
    shared.check()
    assert {path.name for path in tmp.iterdir()} == {"being written.part", "of somebody else"}


# --- on the disk before it has its name


def test_files_are_on_the_disk_before_they_have_their_names(shared, tmp_path, monkeypatch):
    """They are brought there together."""
    flushed, real = [], shared._flusher.flush

    def flush(fds, *args):
        inodes = [os.fstat(fd).st_ino for fd in fds]
        assert not {path.stat().st_ino for path in shared.root.glob("new/*")} & set(inodes)
        flushed.append(inodes)
        return real(fds, *args)

    monkeypatch.setattr(shared._flusher, "flush", flush)
    for n in range(100):
        at(tmp_path / f"mine{n}", "x", 1)
    sends = [Send(f"new/{n}", str(tmp_path / f"mine{n}"), 1, MD5, None) for n in range(100)]
    sent = {one.path: one.there for one in shared.send(sends, tmp_path)}
    assert {path.stat().st_ino for path in shared.root.glob("new/*")} == {n for one in flushed for n in one}
    assert [len(one) for one in flushed] == [64, 36]
    flushed.clear()
    fetches = [Fetch(path, there, tmp_path / f"come{path[4:]}") for path, there in sent.items()]
    for one in shared.fetch(fetches):
        assert one.error is None
        assert (tmp_path / f"come{one.path[4:]}").stat().st_ino in {n for one in flushed for n in one}


def test_files_that_the_disk_refuses_are_told_and_have_no_names(shared, tmp_path, mine, monkeypatch):
    problem = OSError(errno.EIO, "the disk is broken")
    monkeypatch.setattr(shared._flusher, "flush", lambda fds: [problem] + [None] * (len(fds) - 1))
    files = [Send(name, str(mine), 4, md5("mine"), None) for name in ("b", "c")]
    broken, done = shared.send(files, tmp_path)
    assert "the disk is broken" in broken.error
    assert done.error is None
    assert contents(shared.root) == {"a": "x", "c": "mine", "lock": ""}
    there = shared.listing().files["a"]
    (fetched,) = shared.fetch([Fetch("a", there, tmp_path / "fetched")])
    assert "the disk is broken" in fetched.error
