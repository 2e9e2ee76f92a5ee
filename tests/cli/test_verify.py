"""``upload-client verify``: a receipt against itself and a folder."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from core.test_receipt import file, head

from upload_client.core import checksums
from upload_client.core.receipt import (
    Delivered,
    IndexNamed,
    LogTail,
    ReceiptHead,
    encode_receipt,
)
from upload_client.index import scan
from upload_client.receipts.store import local_copy

T = "2026-01-02T03:04:05.678Z"
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs names that are not UTF-8")


def receipt_of(folder, where):
    """What a delivery of this folder would have left."""
    index = scan(folder)
    files = [
        Delivered(row.path, int(row.size_), row.checksum, "ab" * 16, None, "1-0", T, T, "v")
        for row in index.rename(columns={"size": "size_"}).itertuples()
    ]
    of_all = ReceiptHead(
        *("D", "Y", "staging", 1, "a", T, len(files), sum(each.size for each in files)),
        *("s3://l/D/Y/", "s3://c/D/Y/", IndexNamed("staging/index/00000001.csv", "0" * 64)),
        *(LogTail(0, "1" * 64), (LogTail(0, "2" * 64),), (), ()),
    )
    digest = hashlib.sha256()
    with local_copy(of_all, where) as copy:
        for line in copy.of(encode_receipt(of_all, files)):
            digest.update(line)
    return copy.path, digest.hexdigest()


@pytest.fixture
def receipt(data, tmp_path):
    return receipt_of(data, tmp_path)[0]


def test_a_receipt_alone_is_checked_and_told(run, receipt, data):
    said = run("verify", receipt)
    assert said.code == 0
    assert said.out.splitlines()[0] == "receipt of D/Y (staging): 3 files, 6 B"
    assert f"SHA-256 {receipt_of(data, receipt.parent)[1]}" in said.out


def test_a_folder_that_is_as_delivered_is_proven_to_be(run, receipt, data):
    said = run("verify", receipt, "--source", data)
    assert said.code == 0
    assert f"folder {data}: as the receipt says\n" in said.out


def test_what_this_program_has_put_there_is_no_difference(run, receipt, data):
    (data / receipt.name).write_bytes(receipt.read_bytes())
    (data / "index.csv").write_text("path,checksum,size\na.csv,,\n")
    assert run("verify", data / receipt.name, "--source", data).code == 0


def test_every_difference_is_found_and_named(run, receipt, data, tmp_path):
    (data / "a.csv").write_text("x\n2\n")
    (data / "b" / "c.json").write_text("{ }")
    (data / "b" / "d.txt").unlink()
    (data / "new").write_text("")
    said = run("verify", receipt, "--source", data, "-o", tmp_path / "differs.csv")
    assert said.code == 3
    lines = said.out.splitlines()
    assert f"folder {data}: 4 differences" in lines
    assert [line for line in lines if line.startswith("1 ")] == [
        "1 file delivered, and not in the folder",
        "1 file in the folder, and not delivered",
        "1 file of another size than delivered",
        "1 file of another content than delivered",
    ]
    assert "  b/c.json: has 3 bytes; delivered were 2" in lines
    with (tmp_path / "differs.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["difference"], row["path"]) for row in rows} == {
        ("missing", "b/d.txt"),
        ("extra", "new"),
        ("size", "b/c.json"),
        ("content", "a.csv"),
    }


@linux
def test_what_is_no_file_leads_out_or_has_an_odd_name_is_told_and_not_followed(run, receipt, data, tmp_path):
    (tmp_path / "outside").write_bytes((data / "a.csv").read_bytes())
    (data / "a.csv").unlink()
    (data / "a.csv").symlink_to(tmp_path / "outside")
    (data / "b" / "c.json").unlink()
    os.mkfifo(data / "b" / "c.json")
    (data / os.fsdecode(b"=\xff\x1b[31m")).touch()
    said = run("verify", receipt, "--source", data, "--all", "-o", tmp_path / "differs.csv")
    assert said.code == 3
    assert "2 files that cannot be read" in said.out
    assert "a symlink leads out of it" in said.out
    assert r"  =\udcff\x1b[31m" in said.out
    assert "'=" in (tmp_path / "differs.csv").read_text("utf-8")


def test_a_program_is_told_every_difference_and_a_summary(run, receipt, data):
    for n in range(12):
        (data / f"new{n:02}").touch()
    said = run("verify", receipt, "--source", data, "--json")
    assert said.code == 3
    *lines, summary = map(json.loads, said.out.splitlines())
    assert [line["path"] for line in lines] == [f"new{n:02}" for n in range(12)]
    assert {(line["kind"], line["difference"]) for line in lines} == {("difference", "extra")}
    assert (summary["kind"], summary["exit_code"], summary["counts"]["extra"]) == ("summary", 3, 12)


def test_ten_are_named_and_the_rest_on_request(run, receipt, data):
    for n in range(12):
        (data / f"new{n:02}").touch()
    said = run("verify", receipt, "--source", data)
    assert said.out.count("  new") == 10
    assert "and 2 more (--all names all" in said.out
    assert run("verify", receipt, "--source", data, "--all").out.count("  new") == 12


def test_on_a_terminal_it_says_how_far_it_is_and_wipes_that_away(run, receipt, data, monkeypatch):
    monkeypatch.setattr("upload_client.ui.progress_line.SHOWN_EVERY", 0.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    said = run("verify", receipt, "--source", data)
    assert "3 files, 6 B read" in said.err
    assert said.err.endswith("\r")
    (data / "a.csv").unlink()
    assert (
        "3 files, 2 B read" in run("verify", receipt, "--source", data).err
    )  # of what is not there nothing is


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: b'{"a":1}\n',
        lambda data: data.replace(b"a.csv", b"../a"),
        lambda data: data.replace(b'"size":4', b'"size":' + b"4" * 5000),
        lambda data: data.replace(b'"size":4', b'"size":4,"size":4'),
        lambda data: data[:-20],
        lambda data: b"[" * 100_000 + b"\n",
        lambda data: json.dumps(json.loads(data), indent=1).encode(),
    ],
)
def test_what_is_no_receipt_ends_in_one_sentence_and_exit_2(run, receipt, data, spoil):
    receipt.write_bytes(spoil(receipt.read_bytes()))
    said = run("verify", receipt, "--source", data)
    assert (said.code, said.out) == (2, "")
    error, hint = said.err.splitlines()
    assert error.startswith(f"error: {receipt} is no receipt that can be used: ")
    assert len(error) < 500
    assert hint.startswith("hint: ")


def test_what_cannot_be_read_is_told(run, receipt, tmp_path):
    assert run("verify", tmp_path / "none").code == 2
    said = run("verify", receipt, "--source", tmp_path / "none")
    assert said.code == 2
    assert "none' is not there" in said.err


def test_differences_that_cannot_be_written_anywhere_are_told_before_anything_is_read(run, receipt, data):
    said = run("verify", receipt, "--source", data, "-o", data / "nowhere" / "differs.csv")
    assert said.code == 2
    assert "there is no folder" in said.err
    assert "a.csv" not in said.out


def test_a_full_disk_is_not_the_fault_of_the_receipt(run, receipt, data, monkeypatch):
    (data / "new").touch()
    (data / "a.csv").unlink()

    def full(difference):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("upload_client.cli.verify._row", full)
    said = run("verify", receipt, "--source", data, "-o", receipt.with_name("differs.csv"))
    assert said.code == 1
    assert "No space left" in said.err
    assert "cannot be read" not in said.err
    assert not receipt.with_name("differs.csv").exists()


@pytest.mark.skipif(os.name != "posix", reason="a shell of POSIX")
def test_a_receipt_may_come_from_a_pipe(receipt, data):
    env = {**os.environ, "U": f"{sys.executable} -m upload_client", "R": str(receipt), "D": str(data)}
    for way in ('cat "$R" | $U verify - --source "$D"', '$U verify <(cat "$R") --source "$D"'):
        said = subprocess.run(["bash", "-c", way], env=env, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stdout + said.stderr
        assert "as the receipt says" in said.stdout


PAGE = Path(__file__).parents[2] / "docs" / "receipt.md"


@pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("jq", "xxd", "sha256sum", "gzip")),
    reason="needs jq, xxd, GNU",
)
@pytest.mark.parametrize("spoil", [None, "another content", "one more", "another record"])
def test_the_commands_of_the_docs_hold_a_folder_against_it_without_this_program(tmp_path, spoil):
    folder, rows = tmp_path / "survey7", []
    folder.mkdir()
    for name in ("a.csv", "b c.txt", "ä.txt"):
        (folder / name).write_text(name)
        content = name.encode()
        row = file(name, len(content), crc32=checksums.encode(checksums.crc32(content)))
        rows.append(replace(row, sha256=hashlib.sha256(content).hexdigest()))
    (tmp_path / "x.receipt.json").write_bytes(b"".join(encode_receipt(head(rows), rows)))
    if spoil == "another content":
        (folder / "b c.txt").write_text("b d.txt")
    elif spoil == "one more":
        (folder / "z").touch()
    elif spoil == "another record":
        receipt = tmp_path / "x.receipt.json"
        receipt.write_bytes(receipt.read_bytes().replace(b'"upload":"1-0"', b'"upload":"1-1"', 1))
    (block,) = (
        each for each in re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL) if "sums" in each
    )
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", block.replace("/data/survey7", str(folder))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    if spoil in ("another content", "one more"):
        assert done.returncode != 0
        return
    digest, crc32 = done.stdout.split("  -\n")
    assert crc32.strip() == rows[0].crc32
    assert (f'"files_sha256":"{digest}"' in (tmp_path / "x.receipt.json").read_text()) == (spoil is None)
