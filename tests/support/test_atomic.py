"""Files are written whole or not at all, and take nobody's place."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from upload_client.core.own_files import LOOKED_AT
from upload_client.errors import UsageError
from upload_client.support.atomic import check_free, claim, ends_of, keep_others, replacing

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

posix = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX file system")
INDEX = "path,checksum,size\na.csv,,4\n"


def write(path: Path, text: str = "new", **options) -> None:
    with replacing(path, **options) as file:
        file.write(text)


def test_an_older_one_of_its_kind_may_be_replaced_and_nothing_else(tmp_path):
    path = tmp_path / "index.csv"
    check_free(path, "index")
    path.write_text(INDEX)
    check_free(path, "index")
    with pytest.raises(UsageError, match="is there: it is not replaced") as caught:
        check_free(path, None)
    assert "--force" in caught.value.hint
    path.write_text("temperature\n3.5\n")
    with pytest.raises(UsageError, match="upload-client has not written it"):
        check_free(path, "index")
    with pytest.raises(FileExistsError, match="upload-client has not written it"):
        keep_others("index")(path)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("kind", ["index", None])
def test_a_place_where_no_file_can_be_made_is_refused_before_anything_is_read(
    tmp_path, monkeypatch, kind, force
):
    monkeypatch.chdir(tmp_path)
    for path, says, hint in (
        (tmp_path / "nowhere" / "index.csv", "there is no folder .*nowhere", "Make that folder"),
        (tmp_path, "is a folder", "Name a file in it"),
        (Path(), "is a folder", "Name a file in it"),
        (Path("~/index.csv"), "there is no folder", "without quotes"),
        (Path("s3://bucket/index.csv"), "there is no folder", "Make that folder"),
        (tmp_path / ("a" * 300), "cannot be written: File name too long", "elsewhere"),
        (tmp_path / ("a" * 300) / "index.csv", "cannot be written: File name too long", "elsewhere"),
    ):
        with pytest.raises(UsageError, match=says) as caught:
            check_free(path, kind, force=force)
        assert hint in caught.value.hint


@posix
def test_a_symlink_may_lead_to_a_file_that_is_not_there_yet(tmp_path):
    (tmp_path / "list.csv").symlink_to(tmp_path / "later.csv")
    check_free(tmp_path / "list.csv", "index")
    (tmp_path / "lost.csv").symlink_to(tmp_path / "nowhere" / "later.csv")
    with pytest.raises(UsageError, match="there is no folder"):
        check_free(tmp_path / "lost.csv", "index")


def meanwhile(path: Path) -> None:
    with replacing(path, keep_others("index")) as file:
        path.write_text("mine")
        file.write(INDEX)


def test_what_came_there_while_it_was_written_stays(tmp_path):
    path = tmp_path / "index.csv"
    with pytest.raises(FileExistsError):
        meanwhile(path)
    assert path.read_text() == "mine"
    assert os.listdir(tmp_path) == ["index.csv"]  # noqa: PTH208


@posix
def test_a_file_that_may_not_be_looked_at_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "index.csv"
    path.write_text(INDEX)
    monkeypatch.setattr("upload_client.support.atomic.ends_of", refused)
    with pytest.raises(UsageError, match="cannot be looked at: Permission denied"):
        check_free(path, "index")


def refused(path):
    raise PermissionError(13, "Permission denied")


def test_of_a_large_file_the_two_ends_are_read(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(b"a" * LOOKED_AT + b"b" * LOOKED_AT + b"c" * LOOKED_AT)
    assert ends_of(path) == (b"a" * LOOKED_AT, b"c" * LOOKED_AT)


@posix
def test_a_symlink_stays_and_its_target_is_replaced(tmp_path):
    target = tmp_path / "deeper" / "list.csv"
    target.parent.mkdir()
    link = tmp_path / "list.csv"
    link.symlink_to(target)
    write(link)
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert [one.name for one in target.parent.iterdir()] == ["list.csv"]


@posix
def test_another_name_of_a_replaced_file_keeps_its_content(tmp_path):
    (tmp_path / "data.csv").write_text(INDEX)
    (tmp_path / "list.csv").hardlink_to(tmp_path / "data.csv")
    write(tmp_path / "list.csv")
    assert (tmp_path / "data.csv").read_text() == INDEX


@posix
def test_who_may_read_a_file_does_not_change_when_it_is_replaced(tmp_path):
    path = tmp_path / "list.csv"
    path.touch(0o600)
    write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret = tmp_path / "secret"
    secret.touch(0o644)
    write(secret, private=True)
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


@posix
def test_a_device_is_written_to_and_stays_one(tmp_path):
    check_free(Path("/dev/null"), "index")
    before = Path("/dev/null").stat()
    write(Path("/dev/null"))
    now = Path("/dev/null").stat()
    assert (now.st_ino, now.st_mode) == (before.st_ino, before.st_mode)


@posix
def test_a_pipe_gets_what_is_written(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    said = []
    reader = threading.Thread(target=lambda: said.append(pipe.read_text()))
    reader.start()
    check_free(pipe, "index")
    write(pipe)
    reader.join()
    assert said == ["new"]
    assert [one.name for one in tmp_path.iterdir()] == ["pipe"]


@posix
@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_standard_output_is_a_place_to_write_to(capfd, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    check_free(Path(name), "index")
    write(Path(name))
    assert capfd.readouterr().out == "new"
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------ claimed


@posix
def test_a_file_is_written_by_one_at_a_time(tmp_path):
    path = str(tmp_path / "x.part")
    first = claim(path)
    program = f"from upload_client.support.atomic import claim; claim({path!r})"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "another process is writing this file" in other.stderr
    os.close(first)
    subprocess.run([sys.executable, "-c", program], check=True)


@posix
def test_what_got_its_name_is_not_claimed_by_who_waited_for_it(tmp_path, monkeypatch):
    """Between opening and claiming it was renamed: it is somebody's file now."""
    path, final = tmp_path / "x.part", tmp_path / "x"
    path.write_bytes(b"whole")
    lock = fcntl.flock
    taken = []

    def flock(fd, how):
        if not taken:
            taken.append(fd)
            path.rename(final)
        return lock(fd, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    fd = claim(str(path))
    os.ftruncate(fd, 0)
    os.close(fd)
    assert final.read_bytes() == b"whole"
    assert path.read_bytes() == b""


@posix
def test_where_a_file_system_has_no_such_locks_it_is_claimed_all_the_same(tmp_path, monkeypatch):
    def flock(_fd, _how):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    os.close(claim(str(tmp_path / "x.part")))
