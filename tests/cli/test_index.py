"""``upload-client index``."""

from __future__ import annotations

import base64
import sys
import zlib

import boto3
import pytest


def crc32(path):
    return base64.b64encode(zlib.crc32(path.read_bytes()).to_bytes(4, "big")).decode()


def test_it_writes_index_csv_into_the_source(run, data):
    said = run("index", data)
    assert said.code == 0
    assert (data / "index.csv").read_text(encoding="utf-8").splitlines() == [
        "path,checksum,size",
        f"a.csv,{crc32(data / 'a.csv')},4",
        f"b/c.json,{crc32(data / 'b' / 'c.json')},2",
        "b/d.txt,AAAAAA==,0",
    ]
    assert said.out == ""
    assert said.err == f"{data / 'index.csv'}: 3 files, 6 B, with checksums\n"


def test_it_writes_where_it_is_told_and_leaves_checksums_out(run, data, tmp_path):
    said = run("index", data, "-o", tmp_path / "x.csv", "--no-checksums")
    assert said.code == 0
    assert (tmp_path / "x.csv").read_text(encoding="utf-8").splitlines()[1] == "a.csv,,4"
    assert not (data / "index.csv").exists()
    assert "without checksums" in said.err


def test_patterns_choose_files(run, data, tmp_path):
    run("index", data, "-o", tmp_path / "x.csv", "--include", "*.csv", "--include", "b", "--exclude", "d.*")
    paths = [line.split(",")[0] for line in (tmp_path / "x.csv").read_text(encoding="utf-8").splitlines()]
    assert paths == ["path", "a.csv", "b/c.json"]


def test_a_source_that_is_not_there_is_bad_input(run, tmp_path):
    said = run("index", tmp_path / "none")
    assert said.code == 2
    assert "none" in said.err


def test_a_folder_that_cannot_be_written_to_is_told(run, data, tmp_path):
    said = run("index", data, "-o", tmp_path / "none" / "x.csv")
    assert said.code == 2
    assert f"there is no folder {tmp_path / 'none'}" in said.err


def test_on_a_terminal_it_says_how_far_it_is_and_wipes_that_away(run, data, monkeypatch):
    monkeypatch.setattr("upload_client.ui.progress_line.SHOWN_EVERY", 0.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    said = run("index", data)
    assert "3 files, 6 B read" in said.err
    assert said.err.splitlines()[-1] == f"{data / 'index.csv'}: 3 files, 6 B, with checksums"


def test_a_bucket_is_listed_with_sizes(run, moto_server, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server)
    monkeypatch.setenv("UPLOAD_CLIENT_AUTH", "aws")
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="listed")
    for key in ("x/a.csv", "x/b/c.csv", "y/d.csv"):
        s3.put_object(Bucket="listed", Key=key, Body=b"123")
    monkeypatch.chdir(tmp_path)
    said = run("index", "s3://listed/x")
    assert said.code == 0
    assert (tmp_path / "index.csv").read_text(encoding="utf-8").splitlines() == [
        "path,checksum,size",
        "a.csv,,3",
        "b/c.csv,,3",
    ]


@pytest.mark.parametrize("source", ["s3://", "s3:///x"])
def test_a_bucket_without_a_name_is_bad_input(run, source, monkeypatch):
    monkeypatch.setenv("UPLOAD_CLIENT_AUTH", "aws")
    said = run("index", source)
    assert said.code == 2
    assert "names no bucket" in said.err


def test_the_kind_of_list_is_told_by_the_name_or_by_its_option(run, data, tmp_path):
    assert run("index", data, "-o", tmp_path / "x.tsv").code == 0
    assert (tmp_path / "x.tsv").read_text("utf-8").startswith("path\tchecksum\tsize\na.csv\t")
    assert run("index", data, "-o", tmp_path / "x.parquet").code == 0
    assert (tmp_path / "x.parquet").read_bytes().startswith(b"PAR1")
    said = run("index", data, "-o", tmp_path / "manifest-md5.txt")
    assert said.err == f"{tmp_path / 'manifest-md5.txt'}: 3 files, 6 B, with digests\n"
    assert "  data/b/d.txt" in (tmp_path / "manifest-md5.txt").read_text("utf-8")
    assert run("index", data, "-o", tmp_path / "x.txt", "--format", "tsv").code == 0
    assert (tmp_path / "x.txt").read_bytes() == (tmp_path / "x.tsv").read_bytes()


def test_of_a_bag_only_its_payload_is_listed_and_that_is_said(run, data, tmp_path):
    bag = tmp_path / "bag"
    bag.mkdir()
    data.rename(bag / "data")
    (bag / "bagit.txt").write_text("BagIt-Version: 1.0\n")
    said = run("index", bag, "-o", bag / "manifest-sha256.txt")
    assert said.err.endswith(": 3 files of 4 files, with digests\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--format", "parquet"], "no file is named for the parquet list"),
        (["--format", "bagit", "-o", "x.txt"], "cannot be called 'x.txt'"),
        (["--format", "s3", "-o", "x.csv"], "names objects of a bucket"),
    ],
)
def test_a_list_that_cannot_be_made_is_bad_usage(run, data, arguments, says):
    said = run("index", data, *arguments)
    assert said.code == 2
    assert says in said.err


def test_a_data_file_called_index_csv_is_neither_replaced_nor_forgotten(run, data, tmp_path):
    theirs = data / "index.csv"
    theirs.write_text("temperature,wind\n1,2\n")
    said = run("index", data)
    assert said.code == 2
    assert f"{theirs} is there, and upload-client has not written it: it is not replaced" in said.err
    assert "--force" in said.err
    assert theirs.read_text() == "temperature,wind\n1,2\n"
    assert run("index", data, "-o", tmp_path / "x.csv").code == 0
    assert [line.split(",")[0] for line in (tmp_path / "x.csv").read_text().splitlines()] == [
        "path", "a.csv", "b/c.json", "b/d.txt", "index.csv",
    ]  # fmt: skip
    assert run("index", data, "--force").code == 0
    assert theirs.read_text().startswith("path,checksum,size\n")


@pytest.mark.parametrize("name", ["x.csv", "x.tsv", "x.parquet"])
def test_an_older_list_of_ours_is_replaced_and_is_no_part_of_itself(run, data, name):
    for _ in range(2):
        assert run("index", data, "-o", data / name).code == 0
    (data / "new").write_text("x")
    said = run("index", data, "-o", data / name)
    assert said.code == 0
    assert "4 files" in said.err
    assert f"left out: 1 in use by this run\n  {name} (the list that is written)\n" in said.err
    if name == "x.csv":
        assert "x.csv" not in (data / name).read_text()


@pytest.mark.parametrize("name", ["manifest-md5.txt", "x.csv", "x.tsv", "x.parquet"])
def test_a_list_of_somebody_else_is_not_replaced(run, data, tmp_path, name):
    (tmp_path / name).write_text("0" * 32 + "  data/a.csv\n")
    said = run("index", data, "-o", tmp_path / name)
    assert said.code == 2
    assert (tmp_path / name).read_text().startswith("0000")
    assert run("index", data, "-o", tmp_path / name, "--force").code == 0


def test_patterns_of_a_file_and_what_was_left_out_are_told(run, data, tmp_path):
    (tmp_path / "patterns").write_text("b/\n")
    (data / ".uploadignore").write_text("a.*\n")
    (data / ".DS_Store").write_text("")
    (data / "z").write_text("")
    said = run("index", data, "-o", tmp_path / "x.csv", "--exclude-from", tmp_path / "patterns")
    assert said.code == 0
    assert (tmp_path / "x.csv").read_text() == "path,checksum,size\n.DS_Store,AAAAAA==,0\nz,AAAAAA==,0\n"
    assert "left out: 2 excluded by a pattern, 1 in use by this run\n" in said.err
    assert f"  b/ ({tmp_path / 'patterns'} line 1: b/)\n" in said.err
    assert "  a.csv (.uploadignore line 1: a.*)\n" in said.err
    assert (
        "warning: this may lie there by accident (--exclude leaves it out): left by macOS: .DS_Store"
        in said.err
    )
    said = run("index", data, "-o", tmp_path / "x.csv", "--exclude-from", tmp_path / "none")
    assert said.code == 2
    assert "cannot be read: No such file or directory" in said.err


def test_a_list_may_be_written_to_standard_output(process, data):
    said = process("index", data, "-o", "-", "--no-checksums")
    assert said.returncode == 0
    assert said.stdout == "path,checksum,size\na.csv,,4\nb/c.json,,2\nb/d.txt,,0\n"
