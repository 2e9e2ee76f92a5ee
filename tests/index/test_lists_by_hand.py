"""Lists as people, spreadsheets, editors and other programs write them: taken where the meaning is clear."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import subprocess
import sys
import threading
import unicodedata
from pathlib import Path

import pandas as pd
import pytest

from upload_client.errors import InvalidIndex, UsageError
from upload_client.index import Choice, check_index, left_out_of
from upload_client.index.loading import take
from upload_client.index.manifests import read_manifest
from upload_client.s3.bucket import Bucket

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
CONTENT = {"a.csv": b"a", "b/c d.csv": b"bc", "b/Größe.csv": b"", "e.bin": b"1234"}


@pytest.fixture
def source(tmp_path):
    root = tmp_path / "data"
    for name, data in CONTENT.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def taken(source: Path, content: str | bytes, name: str = "list.csv") -> pd.DataFrame:
    """The index that a list of that content gives, checked."""
    path = source.parent / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    frame = take(source, path, Choice())
    checked = check_index(frame, source).frame
    checked.attrs = frame.attrs
    return checked


def problems(source: Path, content: str | bytes, name: str = "list.csv") -> tuple[str, ...]:
    with pytest.raises(InvalidIndex) as caught:
        taken(source, content, name)
    return caught.value.problems


EXCEL = "Path;Checksum;Size\r\na.csv;;1,0\r\nb/c d.csv;;2\r\n;;\r\n;;\r\n"


@pytest.mark.parametrize(
    "content",
    [
        EXCEL,
        "\ufeff" + EXCEL,
        EXCEL.encode("utf-16"),
        EXCEL.replace(";", "\t").encode("utf-16"),
        "sep=;\r\n" + EXCEL,
        EXCEL.replace(",", ".").replace(";", ","),
        "File name,Label,Size (bytes)\na.csv,cat,1.0\nb/c d.csv,dog,2\n",
        "path,checksum,size\n./a.csv,,1\n.\\b\\c d.csv,,2\n",
        "path,size,will_transfer\na.csv,1,TRUE\nb/c d.csv,2,WAHR\n",
    ],
    ids=["Excel", "with a mark", "UTF-16", "Unicode text", "sep", "English", "names", "paths", "true"],
)
def test_a_table_is_taken_as_a_spreadsheet_saves_it(source, content):
    frame = taken(source, content)
    assert frame["path"].tolist() == ["a.csv", "b/c d.csv"]
    assert frame["size"].tolist() == [1, 2]


@pytest.mark.parametrize(
    "content",
    [
        "path,checksum,size\na.csv\nb/c d.csv,,2\ne.bin,\n",
        "path\tsize\tnote\na.csv\nb/c d.csv\t2\ne.bin\t4\tlast\n",
        "Path;Size\r\na.csv\r\nb/c d.csv;2;;\r\ne.bin\r\n;;\r\n",
        'path,sha256\n"a.csv"\nb/c d.csv\ne.bin',
    ],
    ids=["commas", "tabs", "Excel", "other checksums"],
)
def test_empty_cells_at_the_end_of_a_row_may_be_left_out(source, content):
    assert taken(source, content)["path"].tolist() == ["a.csv", "b/c d.csv", "e.bin"]


@pytest.mark.parametrize(
    "above", ["\n", "# made by hand\n#\n", "sep=,\r\n\r\n", ",,\n", "# a, b\n\n"], ids=repr
)
def test_what_stands_above_the_header_is_passed_over_and_counted(source, above):
    n = above.count("\n")
    frame = taken(source, f"{above}path,size\na.csv,1\nb/c d.csv,2\n")
    assert frame["path"].tolist() == ["a.csv", "b/c d.csv"]
    assert problems(source, f"{above}path,size\na.csv,1\ngone,2\n") == (f"row {n + 3}: 'gone' is not there",)
    assert problems(source, f'{above}path,size\na.csv,1\n"b,2\n')[0].startswith(
        f"line {n + 3} cannot be read"
    )
    assert taken(source, f"{above}#path,size\na.csv,1\n")["path"].tolist() == ["a.csv"]


def test_a_path_that_is_nearly_that_of_a_file_is_told_with_it(source):
    assert problems(source, "path\nA.CSV\n b/c d.csv \n") == (
        "row 2: 'A.CSV' is not there, but 'a.csv' is",
        "row 3: ' b/c d.csv ' cannot be reached: its folder ' b' is not there, but 'b/c d.csv' is",
    )
    decomposed = unicodedata.normalize("NFD", "b/Größe.csv")
    assert problems(source, f"path\n{decomposed}\nb/C D.csv\n")[-1] == (
        "row 3: 'b/C D.csv' is not there, but 'b/c d.csv' is"
    )
    assert problems(source, "path\nb/d.csv\n") == ("row 2: 'b/d.csv' is not there",)


def test_a_row_that_ends_before_its_path_or_its_answer_is_told(source):
    assert problems(source, "size,path\n1,a.csv\n2\n") == ("row 3: '2' has 1 cell instead of 2",)
    assert problems(source, "path,size,will_transfer\na.csv,1,true\ne.bin,4\n")[0].startswith(
        "row 3: 'e.bin' has '' as will_transfer"
    )


def test_columns_that_are_not_used_are_told(source, tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("Label;File;Split\nx;a.csv;train\n")
    told = []
    take(source, path, Choice(), notify=told.append)
    assert told == [f"not used of '{path}': 'Label', 'Split'"]


def test_an_empty_cell_amid_others_is_told_with_all_that_is_wrong(source):
    found = problems(source, "path,size\n,\ngone,1\na.csv,1\n,\n")
    assert [text.split()[1].rstrip(":") for text in found] == ["2", "3"]


def test_a_file_that_is_not_to_be_transferred_is_left_out_and_counted(source):
    frame = taken(source, "path,will_transfer\na.csv,true\n../x,false\ne.bin,FALSCH\nb/c d.csv,1\n")
    assert frame["path"].tolist() == ["a.csv", "b/c d.csv"]
    assert left_out_of(frame).counts == {"not_to_transfer": 2}
    assert problems(source, "path,will_transfer\na.csv,false\nnowhere,true\n") == (
        "row 3: 'nowhere' is not there",
    )
    assert problems(source, "path,will_transfer\na.csv,perhaps\n")[0] == (
        "row 2: 'a.csv' has 'perhaps' as will_transfer: write true or false"
    )


def test_a_list_in_another_encoding_is_refused_with_its_fix(source):
    with pytest.raises(InvalidIndex) as caught:
        taken(source, "path\na.csv\nb/Größe.csv\n".encode("latin-1"))
    assert caught.value.problems[0].startswith("row 3: 'b/Gr\\udcf6")
    assert "CSV UTF-8" in caught.value.hint
    assert len(taken(source, "path\nb/Größe.csv\n".encode("utf-16"))) == 1


def test_a_number_that_a_spreadsheet_has_rounded_is_refused_with_its_fix(source):
    (problem,) = problems(source, "path;size\na.csv;1,23457E+11\n")
    assert "format that column as a number without decimals" in problem


@posix
def test_a_path_with_a_backslash_that_is_really_there_is_not_taken_for_another(source):
    (source / "b\\c d.csv").write_text("another")
    assert "contains a backslash" in problems(source, "path\nb\\c d.csv\n")[0]


def test_absolute_paths_below_the_source_are_taken(source):
    lines = f"path\n{source}/a.csv\n{os.path.relpath(source)}/a.csv\n"
    assert problems(source, lines)[0].startswith(f"row 3: '{os.path.relpath(source)}/a.csv'")
    link = source.parent / "link"
    link.symlink_to(source)
    (source.parent / "list.txt").write_text(f"{source}/a.csv\n{link}/e.bin\n")
    assert take(link, source.parent / "list.txt", Choice()).paths == ["a.csv", "e.bin"]
    files, _ = read_manifest(source.parent / "list.txt", Bucket("x", client=None), as_format="paths")
    assert files.paths[0] == f"{source}/a.csv"
    (source.parent / "list.txt").write_text("path\ns3://my/in/a.csv\ns3://my/in/b.csv\n")
    files, _ = read_manifest(source.parent / "list.txt", Bucket("my", prefix="in/", client=None))
    assert files.paths == ["a.csv", "b.csv"]


# --------------------------------------------------------------------------------------- of other programs


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.txt", "a.csv\nb/c d.csv\n"),
        ("list", "./a.csv\r\n./b/c d.csv\r\n"),
        ("list.csv", "a.csv\n\nb/c d.csv"),
        ("find", "./a.csv\0./b/c d.csv\0"),
        ("find", "./a.csv\0./b/c d.csv"),
        ("Get-ChildItem", ".\\a.csv\r\nb\\c d.csv\r\n".encode("utf-16")),
    ],
)
def test_one_path_a_line_is_a_list_where_they_are_there(source, name, content):
    assert taken(source, content, name)["path"].tolist() == ["a.csv", "b/c d.csv"]


def test_one_path_a_line_is_told_by_its_row_and_may_be_said(source):
    path = source.parent / "list.txt"
    path.write_text("gone\na.csv\n")
    with pytest.raises(UsageError, match="is not recognised") as caught:
        take(source, path, Choice())
    assert "paths" in caught.value.hint
    frame = take(source, path, Choice(), as_format="paths")
    with pytest.raises(InvalidIndex, match="row 1: 'gone' is not there"):
        check_index(frame, source)


@posix
@pytest.mark.parametrize("program", ["md5sum", "sha1sum", "sha256sum", "sha512sum"])
@pytest.mark.parametrize("options", [[], ["--binary"], ["--tag"]])
def test_what_checksum_programs_write_is_taken_with_its_digests(source, program, options):
    try:
        made = subprocess.run(
            [program, *options, "a.csv", "./e.bin"], cwd=source, capture_output=True, check=True
        )
    except FileNotFoundError:
        pytest.skip(f"{program} is not here")
    frame = taken(source, made.stdout, "SUMS")
    algorithm = program.removesuffix("sum")
    assert frame["path"].tolist() == ["a.csv", "e.bin"]
    expected = [hashlib.new(algorithm, CONTENT[name]).digest() for name in ("a.csv", "e.bin")]
    assert [pd.NA if value is None else value for value in frame[algorithm]] == [
        __import__("base64").b64encode(one).decode() for one in expected
    ]


def test_a_line_that_is_none_is_told(source):
    made = f"{'0' * 32}  a.csv\nnonsense\n"
    with pytest.raises(InvalidIndex, match="row 2 is no line of md5sum"):
        read_manifest_as(source, made, "sums")


def read_manifest_as(source, content, as_format):
    path = source.parent / "x"
    path.write_text(content)
    return read_manifest(path, source, as_format=as_format)


def test_a_list_has_an_end(source, monkeypatch):
    monkeypatch.setattr("upload_client.index.manifests.MAX_FILES", 1)
    for as_format, content in (("sums", f"{'0' * 32}  a.csv\n" * 3), ("paths", "a.csv\n" * 3)):
        with pytest.raises(InvalidIndex, match="too many files"):
            read_manifest_as(source, content, as_format)


@pytest.mark.parametrize(
    ("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
def test_a_compressed_list_is_taken_as_it_is(source, suffix, pack):
    assert taken(source, pack(b"path\na.csv\n"), "list.csv" + suffix)["path"].tolist() == ["a.csv"]
    digest = hashlib.md5(CONTENT["a.csv"]).hexdigest()
    manifest = f"{digest}  data/a.csv\n".encode()
    assert len(taken(source, pack(manifest), "manifest-md5.txt" + suffix)) == 1
    with pytest.raises(UsageError, match="cannot be"):
        taken(source, pack(b"path\na.csv\n" * 1000)[:-20], "list.csv" + suffix)


@pytest.mark.parametrize(
    ("suffix", "pack", "padding"),
    [
        (".gz", gzip.compress, 0),
        (".bz2", bz2.compress, 0),
        (".xz", lzma.compress, 0),
        (".xz", lzma.compress, 4),
    ],
)
def test_what_cat_has_put_together_is_read_to_its_end(source, suffix, pack, padding):
    first, second = pack(b"path\na.csv\n"), pack(b"e.bin\n")
    whole = first + bytes(padding) + second
    assert taken(source, whole, "list.csv" + suffix)["path"].tolist() == ["a.csv", "e.bin"]
    with pytest.raises(UsageError, match="cannot be uncompressed"):
        taken(source, first + bytes(padding) + b"?" + second[1:], "list.csv" + suffix)


def test_excluded_files_need_not_be_as_a_bag_says(source):
    digest = hashlib.md5(CONTENT["a.csv"]).hexdigest()
    path = source.parent / "manifest-md5.txt"
    path.write_text(f"{'0' * 32}  data/e.bin\n{digest}  data/a.csv\n")
    with pytest.raises(InvalidIndex, match=r"row 1: 'e\.bin' has changed"):
        take(source, path, Choice())
    frame = take(source, path, Choice.of(exclude="*.bin"))
    assert frame.paths == ["a.csv"]
    assert left_out_of(frame).counts == {"excluded": 1}
    path.write_text(f"{digest}  data/e.bin\n{'0' * 32}  data/a.csv\n")
    with pytest.raises(InvalidIndex, match=r"row 2: 'a\.csv' has changed"):
        take(source, path, Choice.of(exclude="*.bin"))


# -------------------------------------------------------------------------------------------- read once


def through_a_pipe(tmp_path: Path, content: bytes) -> Path:
    """A named pipe that somebody writes into, once."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=(content,), daemon=True).start()
    return pipe


@posix
@pytest.mark.parametrize("n", [3, 3000])
def test_a_list_from_a_pipe_is_read_to_its_end(tmp_path, n):
    """More than fits into a pipe, and into what tells its kind."""
    root = tmp_path / "data"
    root.mkdir()
    for number in range(n):
        (root / f"{number:060}").touch()
    lines = "path,checksum,size\n" + "".join(f"{number:060},,0\n" for number in range(n))
    frame = take(root, through_a_pipe(tmp_path, lines.encode()), Choice())
    assert len(frame) == n


@posix
def test_any_kind_of_list_may_come_from_a_pipe(source, tmp_path):
    parquet = io.BytesIO()
    pd.DataFrame({"path": ["a.csv"]}).to_parquet(parquet)
    for content in (parquet.getvalue(), gzip.compress(b"path\na.csv\n"), b"a.csv\0", b"Path;Size\na.csv;1\n"):
        pipe = through_a_pipe(tmp_path, content)
        assert take(source, pipe, Choice()).paths == ["a.csv"]
        pipe.unlink()


@posix
@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
@pytest.mark.parametrize("way", ["pipe", "file"])
def test_a_list_may_be_standard_input(source, tmp_path, name, way):
    program = (
        "import sys; from pathlib import Path; from upload_client.index import Choice;"
        "from upload_client.index.loading import take;"
        "print(len(take(Path(sys.argv[1]), Path(sys.argv[2]), Choice())))"
    )
    lines = b"path\na.csv\ne.bin\n"
    (tmp_path / "list").write_bytes(lines)
    with (tmp_path / "list").open("rb") as file:
        given = {"input": lines} if way == "pipe" else {"stdin": file}
        done = subprocess.run(
            [sys.executable, "-c", program, source, name], capture_output=True, check=True, **given
        )
    assert done.stdout == b"2\n"


# ----------------------------------------------------------------------------------------- the source's own


@pytest.mark.parametrize("content", ["file,label\na.csv,cat\n", "Path;Size\na.csv;1\n", "file\nb.csv\n"])
def test_a_table_that_may_be_the_list_or_data_is_asked_about(source, content):
    (source / "index.csv").write_text(content)
    with pytest.raises(UsageError, match="may be a list of the files, or one of them") as caught:
        take(source, None, Choice())
    assert "--no-index" in caught.value.hint
    assert len(take(source, None, Choice(), own=False)) == len(CONTENT) + 1
