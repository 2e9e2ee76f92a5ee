"""The file index: scanned, read, checked, written."""

from __future__ import annotations

import codecs
import csv
import math
import os
import socket
import stat
import threading
import unicodedata
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core import checksums
from upload_client.core.paths import check_relpath
from upload_client.delivery.source import Source
from upload_client.errors import ExitCode, InvalidIndex, UsageError
from upload_client.index import (
    check_index,
    checking,
    encode_index,
    folder,
    left_out_of,
    problems,
    read_index,
    scan,
    scan_listing,
    scanning,
    tables,
    write_index,
)
from upload_client.index.choosing import Choice, parse_patterns
from upload_client.index.files import Files, files_of
from upload_client.index.loading import list_bucket
from upload_client.index.selecting import select
from upload_client.s3.bucket import Bucket, StoreError, refusal
from upload_client.s3.trouble import Trouble

posix = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX file system")


def crc_of(data):
    return checksums.encode(zlib.crc32(data))


@pytest.fixture
def source(tmp_path):
    """A folder with four files, and one beside it that must not be reached."""
    root = tmp_path / "source"
    for name, data in {"a.csv": b"a", "b/c.csv": b"bc", "b/d/e.bin": b"", "z": b"z" * 3_000_000}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    return root


def frame(*paths, **columns):
    return pd.DataFrame({"path": pd.Series(paths, dtype=object), **columns})


def problems_of(call, *args, **kwargs):
    with pytest.raises(InvalidIndex) as caught:
        call(*args, **kwargs)
    assert caught.value.exit_code == ExitCode.USAGE
    return caught.value


# ------------------------------------------------------------------------------------------------ scanning


def test_files_are_looked_at_by_several_threads_only_where_each_takes_its_time(tmp_path, monkeypatch):
    for number in range(200):
        (tmp_path / f"{number:03d}.csv").write_bytes(b"x" * number)
    size, threads = scanning._size, set()

    def noted(path: str) -> tuple[int, int, float] | str:
        threads.add(threading.get_ident())
        return size(path)

    monkeypatch.setattr(scanning, "_size", noted)
    monkeypatch.setattr(scanning, "_QUICK", math.inf)
    alone = scanning.scan_files(tmp_path, Choice(), checksums=False)
    assert threads == {threading.get_ident()}
    threads.clear()
    monkeypatch.setattr(scanning, "_QUICK", 0.0)
    assert list(scanning.scan_files(tmp_path, Choice(), checksums=False).sizes) == list(alone.sizes)
    assert list(alone.sizes) == list(range(200))
    assert threads - {threading.get_ident()}


def test_a_scan_finds_every_file_with_its_checksum_and_size(source):
    found = scan(source)
    assert found["path"].tolist() == ["a.csv", "b/c.csv", "b/d/e.bin", "z"]
    data = [b"a", b"bc", b"", b"z" * 3_000_000]
    assert found["checksum"].tolist() == [crc_of(one) for one in data]
    assert found["size"].tolist() == [1, 2, 0, 3_000_000]
    assert found["size"].dtype == "Int64"


def test_a_scan_without_checksums_reads_no_file(source, monkeypatch):
    monkeypatch.setattr(scanning, "_crc32_and_size", lambda _: pytest.fail("a file was read"))
    found = scan(str(source), checksums=False)
    assert found["checksum"].tolist() == [None] * 4
    assert found["size"].tolist() == [1, 2, 0, 3_000_000]


def test_a_scan_of_many_files_keeps_each_with_its_own_checksum(tmp_path):
    for number in range(500):
        (tmp_path / f"{number:03}").write_bytes(b"%d" % number)
    told = []
    found = scan(tmp_path, n_threads=3, on_progress=lambda *done: told.append(done))
    assert found["checksum"].tolist() == [crc_of(b"%d" % number) for number in range(500)]
    assert told[-1] == (500, found["size"].sum())
    assert told == sorted(told)


def test_a_scan_that_is_interrupted_ends(tmp_path):
    for number in range(300):
        (tmp_path / str(number)).touch()

    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan(tmp_path, on_progress=interrupt)


def test_an_empty_folder_gives_an_empty_index(tmp_path):
    found = scan(tmp_path)
    assert found.columns.tolist() == ["path", "checksum", "size"]
    assert len(found) == 0


@pytest.mark.parametrize(
    ("include", "exclude", "found"),
    [
        (["*.csv"], [], ["a.csv", "b/c.csv"]),
        (["/*.csv"], [], ["a.csv"]),
        (["b"], [], ["b/c.csv", "b/d/e.bin"]),
        (["b/"], [], ["b/c.csv", "b/d/e.bin"]),
        (["b/*"], [], ["b/c.csv", "b/d/e.bin"]),
        (["b/*.bin"], [], []),
        (["**/e.bin"], [], ["b/d/e.bin"]),
        (["**/a.csv"], [], ["a.csv"]),
        (["b/**"], [], ["b/c.csv", "b/d/e.bin"]),
        (["b/**/e.bin"], [], ["b/d/e.bin"]),
        (["?"], [], ["b/c.csv", "b/d/e.bin", "z"]),
        (["[a-c].csv"], [], ["a.csv", "b/c.csv"]),
        (["[!a].csv"], [], ["b/c.csv"]),
        (["a.csv", "z"], [], ["a.csv", "z"]),
        ([], ["*.csv"], ["b/d/e.bin", "z"]),
        ([], ["d"], ["a.csv", "b/c.csv", "z"]),
        ([], ["z/"], ["a.csv", "b/c.csv", "b/d/e.bin", "z"]),
        (["*.csv"], ["b"], ["a.csv"]),
        (["a+csv"], [], []),
    ],
)
def test_patterns_choose_files(source, include, exclude, found):
    assert scan(source, include=include, exclude=exclude)["path"].tolist() == found
    listing = {"a.csv": 1, "b/c.csv": 2, "b/d/e.bin": 0, "z": 3, "b/": 0}
    assert scan_listing(listing, include=include, exclude=exclude).paths == found


@pytest.mark.parametrize("pattern", ["[z-a]", "[", "!", "!/", "/", "\\"])
def test_a_pattern_that_is_none_is_refused(source, pattern):
    with pytest.raises(UsageError, match="is no pattern"):
        scan(source, include=[pattern])
    with pytest.raises(UsageError, match="is no pattern"):
        scan(source, exclude=pattern)


def test_an_excluded_folder_is_not_even_listed(source, monkeypatch):
    listed = []
    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(Path(path).name) or real(path))
    scan(source, exclude=["b"])
    assert listed == ["source"]


@posix
def test_a_scan_refuses_all_it_cannot_deliver_and_says_why(source):
    os.mkfifo(source / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(source / "socket"))
    (source / "out").symlink_to(source.parent / "outside" / "secret")
    (source / "out_folder").symlink_to(source.parent / "outside")
    (source / "dangling").symlink_to("nowhere")
    (source / "unfetched").symlink_to(".git/annex/objects/xx/yy/SHA256E-s5--48/SHA256E-s5--48")
    (source / "circle").symlink_to("circle")
    (source / "b" / "back").symlink_to("..")
    (source / "esc\x1b[2J").touch()
    (source / "back\\slash").touch()
    os.close(os.open(os.fsencode(source) + b"/latin-\xe9", os.O_CREAT))
    error = problems_of(scan, source)
    assert sorted(error.problems) == sorted(
        [
            "'out' leads out of the source, through a symlink",
            "'out_folder' leads out of the source, through a symlink",
            "'dangling' is a symlink that leads nowhere",
            "'unfetched' stands for a file of git-annex that was not fetched (datalad get)",
            "'circle' cannot be looked at: Too many levels of symbolic links",
            "'b/back' leads back to a folder it lies in, through a symlink",
            "'esc\\x1b[2J' contains U+001B, a character S3 cannot list",
            "'back\\slash' contains a backslash; components are separated by '/'",
            "'latin-\\udce9' is not valid Unicode (a file name that is not UTF-8?)",
        ]
    )
    assert "\x1b" not in str(error)
    assert "--symlinks skip" in error.hint
    assert "--exclude" in error.hint


@posix
def test_what_is_excluded_may_be_anything(source):
    os.mkfifo(source / "fifo")
    (source / "out").symlink_to(source.parent / "outside")
    assert len(scan(source, exclude=["fifo", "out"])) == 4
    os.mkfifo(source / "b" / "fifo.csv")
    assert len(scan(source, include=["/a.csv"], exclude=["out"])) == 1


@posix
def test_symlinks_inside_the_source_are_followed(source):
    (source / "link.csv").symlink_to("b/c.csv")
    (source / "links").symlink_to("b")
    found = scan(source)
    assert found["path"].tolist() == [
        "a.csv", "b/c.csv", "b/d/e.bin", "link.csv", "links/c.csv", "links/d/e.bin", "z",
    ]  # fmt: skip
    assert found["checksum"][3] == crc_of(b"bc")
    assert len(check_index(found, source).frame) == 7


@posix
def test_folders_that_link_to_each_other_end_the_scan(tmp_path):
    for one, other in [("a", "b"), ("b", "a")]:
        (tmp_path / one).mkdir()
        (tmp_path / one / "to").symlink_to(tmp_path / other)
    error = problems_of(scan, tmp_path)
    assert set(error.problems) == {
        "'a/to/to' leads back to a folder it lies in, through a symlink",
        "'b/to/to' leads back to a folder it lies in, through a symlink",
    }


@posix
def test_a_source_that_is_itself_a_symlink_is_fine(source, tmp_path):
    (tmp_path / "link").symlink_to(source)
    assert len(check_index(scan(tmp_path / "link"), tmp_path / "link").frame) == 4


def test_a_file_that_cannot_be_read_is_named(source, monkeypatch):
    measure = scanning._crc32_and_size

    def vanishing(path):
        if path.endswith("c.csv"):
            Path(path).unlink()
        return measure(path)

    monkeypatch.setattr(scanning, "_crc32_and_size", vanishing)
    assert problems_of(scan, source).problems == ("'b/c.csv' cannot be read: No such file or directory",)
    (source / "b" / "c.csv").touch()
    monkeypatch.setattr(scanning, "_size", lambda path: measure(path + "x"))
    assert problems_of(scan, source, checksums=False).n_problems == 4


def test_a_vanished_file_has_no_size(tmp_path):
    assert scanning._size(str(tmp_path / "x")) == "cannot be looked at: No such file or directory"


def test_a_folder_that_cannot_be_listed_is_named(source, monkeypatch):
    real = os.scandir

    def scandir(path):
        if str(path).endswith("d"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert problems_of(scan, source).problems == ("'b/d' cannot be listed: Permission denied",)


@pytest.mark.parametrize("call", [scan, lambda path: check_index(frame("a"), path)])
def test_a_source_that_is_no_folder_is_refused(source, call):
    for path, why in ((source / "a.csv", "is not a directory"), (source / "nowhere", "is not there")):
        with pytest.raises(UsageError, match=why):
            call(path)


@pytest.mark.parametrize(
    ("typed", "advice"),
    [
        ("S3://bucket/x", "s3://BUCKET/PREFIX"),
        ("arn:aws:s3:::bucket/x", "s3://BUCKET/PREFIX"),
        ("https://bucket.s3.amazonaws.com/x", "s3://BUCKET/PREFIX"),
        ("~/data", "without quotes"),
        ("a.csv", "--include"),
    ],
)
def test_a_source_that_is_mistyped_is_told_with_what_is_meant(source, monkeypatch, typed, advice):
    monkeypatch.chdir(source)
    with pytest.raises(UsageError) as caught:
        folder.Folder(typed)
    assert advice in caught.value.hint


@pytest.mark.parametrize(
    ("code", "status", "advice"),
    [("NoSuchBucket", 404, "Look at --source"), ("AccessDenied", 403, "may not read")],
)
def test_a_source_that_cannot_be_listed_is_not_told_as_if_it_were_the_receivers(code, status, advice):
    class Refused:
        def list(self):
            raise refusal("LIST x/", Trouble(status, code, "no"))

    for call in (
        lambda: list_bucket(Refused(), Choice()),
        lambda: Source(Bucket("b", client=object()), None).look(SimpleNamespace(bucket=Refused()), "x/"),
    ):
        with pytest.raises(StoreError) as caught:
            call()
        assert advice in caught.value.hint
        assert caught.value.exit_code in (ExitCode.USAGE, ExitCode.LOGIN_REFUSED)


def test_of_a_prefix_below_which_nothing_lies_it_is_told_that_it_may_be_an_object():
    assert "one object" in problems_of(check_index, scanning.scan_listing({}), {}).hint


def test_a_listing_gives_an_index_without_checksums():
    found = scan_listing({"b": 2, "a/": 0, "a/x": 1, "c/": 7}).frame()
    assert found["path"].tolist() == ["a/x", "b", "c/"]
    assert found["size"].tolist() == [1, 2, 7]
    assert found["checksum"].tolist() == [None] * 3


# ---------------------------------------------------------------------------------------- reading, writing


def test_an_index_is_read_as_it_was_written(source, tmp_path):
    scanned = scan(source)
    write_index(scanned, tmp_path / "index.csv")
    pd.testing.assert_frame_equal(read_index(tmp_path / "index.csv"), scanned)


names = st.text(
    st.one_of(
        st.sampled_from("\r\n,\"' ;=\ufeff0a/"),
        st.characters(exclude_categories=["Cs"], exclude_characters="\\"),
    ),
    min_size=1,
).filter(lambda name: not name.startswith("./"))


@given(
    st.lists(
        st.tuples(
            names,
            st.none() | st.integers(0, 2**32 - 1).map(checksums.encode),
            st.none() | st.integers(0, 2**50),
        ),
        max_size=5,
    )
)
def test_every_name_survives_the_file_exactly(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("index") / "index.csv"
    written = pd.DataFrame(
        {
            "path": pd.Series([row[0] for row in rows], dtype=object),
            "checksum": pd.Series([row[1] for row in rows], dtype=object),
            "size": pd.Series([row[2] for row in rows], dtype="Int64"),
        }
    )
    write_index(written, path)
    read = read_index(path)
    assert read["path"].tolist() == written["path"].tolist()
    assert read["checksum"].tolist() == written["checksum"].tolist()
    assert read["size"].equals(written["size"])
    if not any(
        "\0" in row[0] for row in rows
    ):  # it ends a cell for pandas before 3.1, and no name may hold one
        cells = pd.read_csv(path, dtype=str, keep_default_na=False)
        assert cells["path"].tolist() == written["path"].tolist()


def test_an_index_for_the_receiver_says_what_this_run_sends(source, tmp_path):
    data = encode_index(scan(source, checksums=False, include=["*.csv"]), will_transfer=[True, False])
    assert data == b"path,checksum,size,will_transfer\na.csv,,1,true\nb/c.csv,,2,false\n"
    others = Files(["a", "b"], [None, "yH2GHg=="], [1, 2], {"md5": [None, "x"], "sha256": ["y", "z"]})
    assert encode_index(others, [True, False]) == (
        b"path,checksum,size,md5,sha256,will_transfer\na,,1,,y,true\nb,yH2GHg==,2,x,z,false\n"
    )
    (tmp_path / "back.csv").write_bytes(data)
    back = read_index(tmp_path / "back.csv")  # who takes it for a list means what it says
    assert back["path"].tolist() == ["a.csv"]
    assert left_out_of(back).named == [("b/c.csv", "where will_transfer is false")]


def test_an_index_is_written_whole_or_not_at_all(source, tmp_path):
    path = tmp_path / "index.csv"
    path.write_text("before")
    with pytest.raises(UnicodeEncodeError):
        write_index(frame("a", "\udcff", checksum=[None] * 2, size=pd.array([1, 2], "Int64")), path)
    assert path.read_text() == "before"
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["index.csv"]


def write(tmp_path, text):
    path = tmp_path / "index.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("path\na\nb\n", ["a", "b"]),
        ("path\r\na\r\nb\r\n", ["a", "b"]),
        ("\ufeffpath\na", ["a"]),
        ("path\nNA\n001\nnull\n", ["NA", "001", "null"]),
        ("size,path\n1,a\n,b\n", ["a", "b"]),
        ("path\na\n\n\n", ["a"]),
        ('path\n"a\r\nb"\n', ["a\r\nb"]),
        ("path\n", []),
    ],
)
def test_any_csv_with_a_column_of_paths_is_read(tmp_path, text, paths):
    assert read_index(write(tmp_path, text))["path"].tolist() == paths


@pytest.mark.parametrize(
    ("text", "says", "fix"),
    [
        ("a.csv\nb.csv\n", "'a.csv'", "Put a line above the list"),
        ("Pfad;Größe\na.csv;2\n", "'Pfad;Größe'", "change the name of that with the paths to path"),
        ("nom du fichier,taille\na.csv,2\n", "'nom du fichier,taille'", "change the name"),
        ("a.csv,2\n", "'a.csv,2'", "Put a line above the list"),
    ],
)
def test_a_list_whose_columns_have_other_names_is_refused_with_its_fix(tmp_path, text, says, fix):
    with pytest.raises(InvalidIndex) as refused:
        read_index(write(tmp_path, text))
    assert says in str(refused.value)
    assert fix in refused.value.hint


def test_what_is_not_in_the_file_is_unknown(tmp_path):
    read = read_index(write(tmp_path, "path,checksum,size\na,,\nb,yH2GHg==,3\n"))
    assert read["checksum"].tolist() == [None, "yH2GHg=="]
    assert read["size"].tolist() == [pd.NA, 3]
    assert read_index(write(tmp_path, "path\na\n"))["checksum"].tolist() == [None]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "row 1 must name the columns, path[,checksum[,size]], and is empty"),
        ("a.csv\nb.csv\n", "row 1 must name the columns, path[,checksum[,size]], and says 'a.csv'"),
        (
            "path,cheksum\na,b\n",
            (
                "row 1 must name the columns, path[,checksum[,size]], and says 'path,cheksum': it has a"
                " column 'cheksum'; if 'checksum' is meant, rename it"
            ),
        ),
        (
            "path,path\na,b\n",
            (
                "row 1 must name the columns, path[,checksum[,size]], and says 'path,path': it has two"
                " columns 'path': take one of them away"
            ),
        ),
        ("size,path\n1,a\n2\n", "row 3: '2' has 1 cell instead of 2"),
        ("path,will_transfer\na,true\nb\n", "row 3: 'b' has '' as will_transfer: write true or false"),
        ("path\na\nb,c\n", "row 3: 'b' has 2 cells instead of 1"),
        ("path\na\n\nb\n", "row 3 is empty"),
        ("path,size\na,x\n", "row 2: 'a' has no number of bytes as size, but 'x'"),
        ("path,size\na,-1\n", "row 2: 'a' has no number of bytes as size, but '-1'"),
        ("path,size\na,1.5\n", "row 2: 'a' has no number of bytes as size, but '1.5'"),
        ("path,size\na,\u0661\n", "row 2: 'a' has no number of bytes as size, but '\u0661'"),
        ("path,size\na," + "9" * 19, "row 2: 'a' has no number of bytes as size, but '9999999999999999999'"),
        ('path\n"a', "line 2 cannot be read: a cell begins with a quotation mark and never ends"),
        ('path\na\n"b"c\n', "line 3 cannot be read: ',' expected after '\"'"),
        ('"path', "line 1 cannot be read: a cell begins with a quotation mark and never ends"),
        ("path\n" + "a" * 200_000, "line 2 cannot be read: field larger than field limit (131072)"),
    ],
)
def test_a_file_that_is_no_index_is_refused_with_the_place(tmp_path, text, problem):
    limit = csv.field_size_limit(131_072)  # the whole process has one, and the validator raises it
    try:
        assert problems_of(read_index, write(tmp_path, text)).problems == (problem,)
    finally:
        csv.field_size_limit(limit)


@pytest.mark.parametrize(
    ("start", "problem"),
    [
        (b"PK\x03\x04\x14", "is a workbook of a spreadsheet, or a ZIP file: save it as CSV in UTF-8"),
        (bytes.fromhex("d0cf11e0a1b11ae1"), "is a workbook of an old Excel: save it as CSV in UTF-8"),
        (codecs.BOM_UTF16_BE + b"\xd8\x00", "is no sound UTF-16 (unexpected end of data): save it as UTF-8"),
    ],
)
def test_what_a_spreadsheet_has_saved_as_something_else_is_told_by_its_kind(tmp_path, start, problem):
    path = tmp_path / "index.csv"
    path.write_bytes(start)
    assert problems_of(read_index, path).problems == (problem,)


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere\.csv' cannot be read: No such file"):
        read_index(tmp_path / "nowhere.csv")


def test_more_files_than_a_delivery_may_have_are_refused(tmp_path, source, monkeypatch):
    monkeypatch.setattr(checking, "MAX_FILES", 1)
    monkeypatch.setattr(tables, "MAX_FILES", 1)
    assert "too many files: split" in problems_of(read_index, write(tmp_path, "path\na\nb\n")).problems[0]
    assert "has 2 files: split" in problems_of(check_index, frame("a.csv", "z"), source).problems[0]


# ------------------------------------------------------------------------------------------------ checking


def test_a_good_index_is_passed_on_with_its_columns_in_order(source):
    given_index = frame(
        "z", "a.csv", "b/c.csv", checksum=[None, "yH2GHg==", ""], size=[np.nan, 1, 2], other=[1, 2, 3]
    )
    checked = check_index(given_index, source)
    assert checked.warnings == ()
    assert checked.frame.columns.tolist() == ["path", "checksum", "size"]
    assert checked.frame["path"].tolist() == ["z", "a.csv", "b/c.csv"]
    assert checked.frame["checksum"].tolist() == [None, "yH2GHg==", None]
    assert checked.frame["size"].tolist() == [pd.NA, 1, 2]


def test_a_bare_column_of_paths_is_enough(source):
    checked = check_index(frame("z"), str(source))
    assert checked.frame["checksum"].tolist() == [None]
    assert checked.frame["size"].tolist() == [pd.NA]


@pytest.mark.parametrize("dtype", ["object", "str", "string", "category"])
def test_an_index_may_have_come_from_anywhere(source, dtype):
    texts = pd.DataFrame(
        {"path": ["a.csv", "z"], "checksum": ["yH2GHg==", None], "size": ["1", None]}, dtype=dtype
    )
    checked = check_index(texts, source)
    assert checked.frame["checksum"].tolist() == ["yH2GHg==", None]
    assert checked.frame["size"].tolist() == [1, pd.NA]


def test_all_that_is_wrong_is_said_at_once_by_row(source):
    wrong = frame(
        "a.csv", "/etc/passwd", "../x", "", "a.csv", "nul\0", "missing", "b", "a.csv/x", "nowhere/x", 7,
        "x" * 1025,
        checksum=["yH2GHg=", *[None] * 10, "yH2GHh=="],
        size=[-1, 1.5, None, np.inf, 2**60, *[1] * 7],
    )  # fmt: skip
    long = f"'{'x' * 80}…{'x' * 30}'"
    assert problems_of(check_index, wrong, source).problems == (
        "row 0: 'a.csv' has no CRC32 as checksum (base64 of 4 bytes, such as yH2GHg==), but 'yH2GHg='",
        "row 0: 'a.csv' has no number of bytes as size, but '-1.0'",
        "row 1: '/etc/passwd' has no number of bytes as size, but '1.5'",
        "row 1: '/etc/passwd' is absolute",
        "row 2: '../x' contains '..', which leaves its folder",
        "row 3: '' has no number of bytes as size, but 'inf'",
        "row 3: '' is empty",
        "row 4: 'a.csv' has no number of bytes as size, but '1.152921504606847e+18'",
        "row 4: 'a.csv' is there twice, first in row 0",
        "row 5: 'nul\\x00' contains a NUL character",
        "row 6: 'missing' is not there",
        "row 7: 'b' is not a regular file but a folder",
        "row 8: 'a.csv/x' cannot be reached: its folder 'a.csv' is not a folder but a file",
        "row 9: 'nowhere/x' cannot be reached: its folder 'nowhere' is not there",
        "row 10: '7' is not text; read paths as text (dtype=str)",
        f"row 11: {long} has no CRC32 as checksum (base64 of 4 bytes, such as yH2GHg==), but 'yH2GHh=='",
        f"row 11: {long} makes a key of 1025 bytes, and S3 allows 1024",
    )


@pytest.mark.parametrize(
    "checksum", ["yH2GHg==,yH2GHg==", "yH2GHg==\n", "c87d861e", 3, b"yH2GHg==", "=H2GHg==", " "]
)
def test_what_is_no_crc32_is_no_checksum(source, checksum):
    for rows in ([checksum], [checksum, None], [None, checksum], ["yH2GHg==", checksum]):
        paths = ["z", "a.csv"][: len(rows)]
        index = frame(*paths, checksum=pd.Series(rows, dtype=object))
        (problem,) = problems_of(check_index, index, source).problems
        assert "has no CRC32 as checksum" in problem


@given(st.text(alphabet="yH2GHg=,+/ ", max_size=10))
def test_a_checksum_is_let_pass_exactly_if_it_can_be_decoded(checksum):
    try:
        checksums.decode(checksum)
        fine = True
    except ValueError:
        fine = checksum == ""
    try:
        check_index(frame("a", "b", checksum=["yH2GHg==", checksum]), {"a": 1, "b": 2})
    except InvalidIndex:
        assert not fine
    else:
        assert fine


def test_only_the_first_problems_are_listed_and_all_are_counted(source):
    error = problems_of(check_index, frame(*(f"missing/{n}" for n in range(3000, 0, -1))), source)
    assert error.n_problems == 3000
    assert len(error.problems) == 20
    assert error.problems[0].startswith("row 0: 'missing/3000'")
    assert str(error).endswith("and 2,980 more")


def test_rows_of_a_file_are_counted_as_a_spreadsheet_does(tmp_path, source):
    index = read_index(write(tmp_path, "path\nz\nmissing\n"))
    error = problems_of(check_index, index, source)
    assert error.problems == ("row 3: 'missing' is not there",)
    assert "index.csv'" in str(error)


def test_an_index_without_paths_or_without_rows_is_refused(source):
    assert problems_of(check_index, pd.DataFrame({"file": ["a"]}), source).problems == (
        "has no column 'path'",
    )
    assert problems_of(check_index, frame(), source).problems == ("has no files",)


def test_the_prefix_of_the_key_counts(source):
    assert (
        "makes a key of" in problems_of(check_index, frame("z"), source, prefix="x" * 1024 + "/").problems[0]
    )


def test_of_files_that_were_found_no_rows_are_told_for_nobody_has_a_list(source):
    scanned = scanning.scan_files(source, Choice())
    long = "x" * 1024 + "/"
    error = problems_of(check_index, scanned, source, prefix=long)
    assert error.where == f"'{source}'"
    assert "row" not in str(error)
    assert "--exclude" in error.hint
    listing = {"a//b.csv": 1, "Read.me": 1, "read.me": 1}
    error = problems_of(check_index, scanning.scan_listing(listing), listing)
    assert str(error).startswith("1 problem in the source\n  'a//b.csv' ")
    del listing["a//b.csv"]
    (warning,) = check_index(scanning.scan_listing(listing), listing).warnings
    assert warning.startswith("'read.me' differs only in case from 'Read.me': ")


def test_rows_of_a_table_are_told_as_its_owner_counts_them_though_some_are_left_out(source):
    table = files_of(frame("x.tmp", "y.tmp", "../z"))
    left = select(table, Choice(exclude=parse_patterns(b"*.tmp", "x")), source, lambda _: None)
    error = problems_of(check_index, left, source)
    assert error.where == "the file index"
    assert error.problems[0].startswith("row 2: '../z'")


def test_paths_that_some_file_systems_take_for_one_are_a_warning():
    listing = {"Read.me": 1, "README": 1, "read.me": 1, "é": 1, unicodedata.normalize("NFD", "é"): 1}
    warnings = check_index(frame(*listing), listing).warnings
    assert warnings == (
        "row 2: 'read.me' differs only in case from row 0, 'Read.me': some file systems take both for one",
        "row 4: 'e\u0301' differs only in Unicode form from row 3, 'é': some file systems take both for one",
    )
    many = {one for n in range(30) for one in (f"a{n}", f"A{n}")}
    warnings = check_index(frame(*many), dict.fromkeys(many, 1)).warnings
    assert len(warnings) == 21
    assert warnings[-1] == "and 10 more pairs of this kind"


@posix
def test_an_index_does_not_reach_out_of_the_source(source):
    (source / "out").symlink_to(source.parent / "outside")
    (source / "b" / "secret").symlink_to(source.parent / "outside" / "secret")
    (source / "dangling").symlink_to("nowhere")
    os.mkfifo(source / "fifo")
    beside = source.parent / "source-2"  # begins like the source
    beside.mkdir()
    (beside / "x").touch()
    (source / "beside").symlink_to(beside / "x")
    paths = ["out/secret", "out/deeper/x", "b/secret", "dangling", "fifo", "beside"]
    reach = "cannot be reached: its folder 'out' leads out of the source, through a symlink"
    assert problems_of(check_index, frame(*paths), source).problems == (
        f"row 0: 'out/secret' {reach}",
        f"row 1: 'out/deeper/x' {reach}",
        "row 2: 'b/secret' leads out of the source, through a symlink",
        "row 3: 'dangling' is a symlink that leads nowhere",
        "row 4: 'fifo' is not a regular file but a FIFO",
        "row 5: 'beside' leads out of the source, through a symlink",
    )


@posix
def test_a_file_is_found_in_a_folder_that_may_be_entered_but_not_listed(source, monkeypatch):
    def scandir(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", scandir)
    assert len(check_index(frame("b/c.csv"), source).frame) == 1


def test_a_folder_is_listed_once_however_many_files_of_it_there_are(source, monkeypatch):
    for number in range(100):
        (source / "b" / str(number)).touch()
    calls = []
    for name in ("scandir", "lstat", "stat"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *args, real=real, name=name, **kw: calls.append(name) or real(*args, **kw)
        )
    check_index(frame(*(f"b/{n}" for n in range(100))), source)
    assert calls.count("scandir") == 1
    assert len(calls) < 20


def test_a_name_the_platform_cannot_look_at_is_missing(source):
    problem = problems_of(check_index, frame("x" * 300), source).problems[0]
    assert problem.endswith("cannot be looked at: File name too long")


def test_a_deep_path_is_followed_to_its_end(source):
    deep = "/".join(["d"] * 500)
    problem = problems_of(check_index, frame(f"{deep}/x"), source).problems[0]
    assert problem.endswith("cannot be reached: its folder 'd' is not there")


def test_junctions_of_windows_are_treated_as_symlinks():
    class Status:
        st_mode = stat.S_IFDIR
        st_file_attributes = stat.FILE_ATTRIBUTE_REPARSE_POINT

    assert folder._leads_on(Status)
    assert not folder._leads_on(Path("/").stat())
    assert folder._kind(0o160000) == "something else"


def test_a_bucket_is_checked_by_its_listing():
    listing = {"a": 1, "b": 2, "c": 3}
    checked = check_index(frame("a", "b", size=[None, 2]), listing)
    assert checked.frame["size"].tolist() == [1, 2]
    assert problems_of(check_index, frame("a", "x", "c", size=[1, 1, 1]), listing).problems == (
        "row 1: 'x' is not there",
        "row 2: 'c' has 3 bytes, and the index says 1",
    )


@posix
@pytest.mark.parametrize(
    "name",
    [
        "NA",
        "001",
        "=cmd|' /C calc'!A0",
        "-rf",
        "[/bold]",
        "a,b",
        'a"b',
        "a\nb",
        "a\rb",
        "a\u202eb",
        "e\u0301",
    ],
)
def test_an_odd_name_is_delivered_exactly(tmp_path, name):
    file = tmp_path / "source" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    scanned = scan(tmp_path / "source")
    write_index(scanned, tmp_path / "index.csv")
    checked = check_index(read_index(tmp_path / "index.csv"), tmp_path / "source")
    assert checked.frame["path"].tolist() == [name]
    assert check_relpath(name) is None


def test_the_data_set_made_elsewhere_is_indexed():
    data = Path(__file__).parents[2] / "shared" / "data" / "fast-toy" / "data"
    if not data.is_dir():
        pytest.skip("the shared data set is not beside this checkout")
    scanned = scan(data)
    for path, checksum, size in scanned.itertuples(index=False):
        content = (data / path).read_bytes()
        assert (checksum, size) == (crc_of(content), len(content))
    assert len(scanned) == sum(one.is_file() for one in data.rglob("*"))
    assert len(check_index(scanned, data).frame) == len(scanned)


def test_a_million_problems_are_not_all_kept():
    some = problems.Problems("i")
    for row in range(10_000, 0, -1):
        some.add(row, "x", "is wrong")
        assert len(some._first) <= 1000
    assert problems_of(some.raise_them).problems[0] == "row 1: 'x' is wrong"
