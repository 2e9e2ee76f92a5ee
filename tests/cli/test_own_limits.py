"""What this machine has too little of is waited for, or told as what it is; no file is to blame."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("resource")
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


def started(*arguments, cwd: Path, files: int | None = None, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "upload_client", *map(str, arguments)]
    if files is not None:
        command = ["/bin/sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *command]
    return subprocess.run(
        command, cwd=cwd, text=True, stdin=subprocess.DEVNULL, timeout=200, check=False, **options
    )


@pytest.mark.parametrize("threads", ["auto", pytest.param("64", marks=pytest.mark.long)])
def test_with_few_open_files_everything_is_delivered_all_the_same(tmp_path, threads):
    folder = tmp_path / "data"
    folder.mkdir()
    for n in range(200):  # more than may be open at once, twice over
        (folder / f"{n}.csv").write_text(f"a,b\n{n},1\n", encoding="utf-8")
    (folder / "large.bin").write_bytes(os.urandom(40 * 1024**2))
    (tmp_path / "out").mkdir()
    place = ("--source", folder, "--output-dir", tmp_path / "out")
    said = started(
        "--sandbox", *place, "--threads", threads, "-q", cwd=tmp_path, files=80, capture_output=True
    )
    assert said.returncode == 0, said.stderr


@needs_full
def test_a_full_disk_behind_stdout_or_the_log_is_told_and_ends_no_delivery_but_is_no_success(tmp_path, data):
    (tmp_path / "out").mkdir()
    place = ("--sandbox", "--source", data, "--output-dir", tmp_path / "out")
    with FULL.open("w") as full:
        said = started(
            *place, "--json", "--log-file", FULL, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE
        )
    assert said.returncode == 1, said.stderr
    assert " files valid" in said.stderr
    assert said.stderr.count("error: standard output: No space left on device\n") == 1
    assert said.stderr.count("the lines for a program cannot be written any more: No space left") == 1
    assert said.stderr.count("the log /dev/full is not complete: No space left") == 1
    assert "Traceback" not in said.stderr


@needs_full
@pytest.mark.parametrize("words", [("--help",), ("receiver", "template"), ("index", "--help")], ids=" ".join)
def test_whatever_is_printed_onto_a_full_disk_ends_with_an_exit_code_of_ours(tmp_path, words):
    with FULL.open("w") as full:
        said = started(*words, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE)
    assert said.returncode == 1  # not Python's 120
    assert said.stderr.startswith("error: standard output: No space left on device\n")
    assert "Exception ignored" not in said.stderr


PRINTS = {
    "a page": "docs tutorial",
    "a list": "index {data} -o -",
    "a list for a program": "sync {data} --to {out} --name ann --push --yes --json",
    "tables": "sync {data} --to {out} --name ann --push --yes",
    "a failure": "verify {out} --json",
}


@needs_full
@pytest.mark.parametrize("words", PRINTS.values(), ids=PRINTS)
def test_no_command_succeeds_whose_output_is_lost_and_a_reader_that_leaves_changes_nothing(
    tmp_path, data, words
):
    """Printed at once, or written as it comes; and nor does it change anything that stderr takes nothing."""
    (tmp_path / "out").mkdir()
    command = words.format(data=data, out=tmp_path / "out").split()
    usual = started(*command, cwd=tmp_path, capture_output=True)
    assert usual.returncode == (2 if command[0] == "verify" else 0), usual.stderr
    lost = usual.returncode or 1
    with FULL.open("w") as full:
        said = started(*command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE)
        deaf = started(*command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=full)
    closed = started(*command, cwd=tmp_path, stderr=subprocess.PIPE, preexec_fn=partial(os.close, 1))
    reader, writer = os.pipe()
    os.close(reader)
    left = started(*command, cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert [said.returncode, closed.returncode] == [lost, lost], said.stderr + closed.stderr
    assert [left.returncode, deaf.returncode] == [usual.returncode] * 2, left.stderr
    assert left.stderr == usual.stderr
    assert "Traceback" not in said.stderr + closed.stderr
    assert ("standard output: No space left on device\n" in said.stderr) is (command[0] != "verify")


@needs_full
def test_a_list_for_which_there_is_no_room_is_named_with_what_to_do(run, data):
    said = run("index", data, "-o", FULL)
    assert said.code == 1
    assert "/dev/full: No space left on device" in said.err
    assert "Make room there" in said.err


@needs_full
def test_standard_output_on_a_full_disk_is_named_as_such(tmp_path, data):
    with FULL.open("w") as full:
        said = started("index", data, "-o", "-", cwd=tmp_path, stdout=full, stderr=subprocess.PIPE)
    assert said.returncode == 1
    assert "error: standard output: No space left on device" in said.stderr


WRITES = {
    "a list": ("index {data} -o {out}/list.csv", "{out}/list.csv"),
    "a table of Parquet": ("index {data} -o {out}/list.parquet", "{out}/list.parquet"),
    "a bag's list": ("index {data} -o {out}/manifest-md5.txt", "{out}/manifest-md5.txt"),
    "a template": ("receiver template -o {out}/t.yaml", "{out}/t.yaml"),
    "a package": ("receiver package -o {out}/p.zip", "{out}/p.zip"),
    "a key": ("receiver key make {out}/k.pem", "{out}/k.pem"),
    "a draft": ("expectations infer {data} -o {out}/e.yaml", "{out}/e.yaml"),
    "a person's books": ("sync {out} --to {shared} --name ann --pull --yes", "{out}/.S3/user_name.txt"),
    "the books of all": ("sync {data} --to {out} --name ann --push --yes", "{out}/.S3/"),
}


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EIO], ids=errno.errorcode.get)
@pytest.mark.parametrize(("command", "names"), WRITES.values(), ids=WRITES)
def test_a_disk_that_takes_nothing_is_named_with_the_file_and_what_to_do(
    run, data, tmp_path, monkeypatch, command, names, error
):
    """What is written whole is brought to the disk before it has its name: there each of these comes."""
    places = {"data": data, "out": tmp_path / "out", "shared": tmp_path / "shared"}
    places["out"].mkdir()
    places["shared"].mkdir()
    sync = os.fsync

    def fails(descriptor):
        try:
            where = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        except OSError:
            pytest.skip("needs Linux' /proc")
        if where.startswith(str(places["out"])):
            raise OSError(error, os.strerror(error))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fails)
    said = run(*command.format_map(places).split())
    assert said.code == 1
    assert f"error: {names.format_map(places)}" in said.err
    assert f": {os.strerror(error)}\n" in said.err
    assert "hint: Make room there" in said.err or "hint: See whether that disk is sound" in said.err
    left = [path.name for path in places["out"].rglob("*") if path.is_file() and path.stat().st_size]
    assert left == []


@pytest.mark.parametrize(
    ("closed", "command", "code"),
    [
        (">&-", "index {data} -o -", 1),
        (">&-", "index {data} -o {out}", 0),
        (">&-", "--sandbox --source {data} --output-dir {here} --json", 1),
        (">&- 2>&-", "index {data} -o {out}", 0),
        ("<&- >&- 2>&-", "index {data} -o {out}", 0),
        ("2>&-", "index {data} -o -", 0),
    ],
)
def test_a_stream_that_is_closed_is_no_file_of_ours(tmp_path, data, closed, command, code):
    out = tmp_path / "list.csv"
    words = command.format(data=data, out=out, here=tmp_path)
    shell = f"exec '{sys.executable}' -m upload_client {words} {closed}"
    said = subprocess.run(
        ["/bin/sh", "-c", shell], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert said.returncode == code, said.stderr
    assert "Traceback" not in said.stderr
    if command.startswith("index"):
        text = out.read_text() if out.exists() else said.stdout
        assert text.splitlines()[:1] == ["path,checksum,size"] * (code == 0)
    assert code == 0 or "error: standard output: Bad file descriptor" in said.stderr


@pytest.mark.parametrize("words", [["--sandbox", "--source", "{data}"], ["index", "{data}"]])
def test_a_current_directory_that_was_deleted_is_named_as_that(tmp_path, data, words):
    gone = tmp_path / "gone"
    gone.mkdir()
    shell = 'rmdir ../gone; exec "$@"'
    command = [sys.executable, "-m", "upload_client", *(word.format(data=data) for word in words)]
    said = subprocess.run(
        ["/bin/sh", "-c", shell, "sh", *command],
        cwd=gone,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said.returncode == 2, said.stderr
    assert "error: the current directory is not there any more" in said.stderr
    assert "cd" in said.stderr
