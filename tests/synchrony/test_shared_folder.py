"""A directory that others write to as well, one of whom puts symlinks into it."""

from __future__ import annotations

from pathlib import Path

import pytest

from upload_client.cli.app import main
from upload_client.errors import UsageError
from upload_client.synchrony.remote import Fetch, Remove, Send
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
