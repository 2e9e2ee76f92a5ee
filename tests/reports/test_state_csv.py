"""The state dump."""

from __future__ import annotations

import csv
import os
import stat

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from upload_client.core import checksums
from upload_client.core.files import ClientFile, FileLedger
from upload_client.core.history import DeliveryHistory
from upload_client.core.observed import states_of_client
from upload_client.core.own_files import is_left_over, is_ours
from upload_client.core.states import STATES
from upload_client.core.text import from_csv_cell
from upload_client.core.times import from_milliseconds
from upload_client.core.uploads import Upload
from upload_client.reports.state_csv import COLUMNS, dump_name, page_name, write_dump
from upload_client.support.atomic import replacing

WALL = 1767323045.678
ODD = st.sampled_from("=+-@'\";,\t\r\n\0\x1a\x1b\u202e\ufeff\ud800NA01 /\\é")
texts = st.text(st.one_of(ODD, st.characters(), st.characters(categories=["Cs"])), max_size=12)
maybe = st.none() | texts
files = st.builds(
    ClientFile,
    abspath=texts,
    relpath=texts,
    state=st.sampled_from(STATES),
    retries=st.integers(0, 9),
    max_retries=st.integers(0, 9),
    message=maybe,
    checksum=st.none() | st.integers(0, 2**32 - 1).map(checksums.encode) | texts,
    size=st.none() | st.integers(0, 2**50),
    etag=maybe | st.just("d41d8cd98f00b204e9800998ecf8427e-3"),
    transferred_at=st.none() | st.just("2026-01-02T03:04:05.678Z"),
    judged_at=st.none() | st.just("2026-01-02T03:04:05.678Z"),
)


def a_file(relpath="a", **changes):
    known = {"abspath": f"/data/{relpath}", "state": "valid", "retries": 0, "max_retries": 2}
    return ClientFile(relpath=relpath, **known | changes)


def dump(directory, rows):
    return write_dump(rows, dataset="D", delivery_id="Y", wall=WALL, directory=directory)


def read_back(path):
    return pd.read_csv(path, dtype=str, keep_default_na=False)


@given(st.lists(files, max_size=4))
@example(
    [a_file("NA"), a_file("001"), a_file("a,b"), a_file('"'), a_file("a\nb"), a_file("a\rb"), a_file("\r\n")]
)
def test_a_dump_gives_back_every_text_exactly(tmp_path_factory, rows):
    path = dump(tmp_path_factory.mktemp("dump"), rows)
    frame = read_back(path)
    assert frame.columns.tolist() == list(COLUMNS)
    assert len(frame) == len(rows)
    for column in COLUMNS:
        told = [getattr(file, column) for file in rows]
        assert [from_csv_cell(cell) for cell in frame[column]] == ["" if x is None else str(x) for x in told]


@given(st.lists(files, max_size=4))
def test_no_cell_of_a_dump_is_a_formula(tmp_path_factory, rows):
    frame = read_back(dump(tmp_path_factory.mktemp("dump"), rows))
    for column in COLUMNS:
        for cell in frame[column]:
            crc = column == "checksum" and len(cell) == 8 and cell.endswith("==")
            assert crc or not cell.strip('"\0\x1a \u202e\ufeff').startswith(tuple("=+-@"))


@given(
    st.lists(st.one_of(texts, st.sampled_from(["a/b.csv", "c d", ".e"])), min_size=1, max_size=6, unique=True)
)
@example(["a", "b\nc"])
@example(["a"] + [f"b{n}" for n in range(5000)] + ['"'])
def test_all_files_of_a_ledger_are_written_as_one_by_one(tmp_path_factory, names):
    ledger = FileLedger(names, abspaths="/data/", checksums=["+H2GHg=="] * len(names))
    ledger.place(
        0,
        "invalid",
        upload=Upload(1, 1, 3, "yH2GHg==", "ab-2"),
        message="=1",
        judged_at="2026-01-02T03:04:06.000Z",
    )
    directory = tmp_path_factory.mktemp("dump")
    whole = dump(directory, ledger).read_bytes()
    assert dump(directory, iter(list(ledger))).read_bytes() == whole


def test_names_that_are_no_formula_need_no_decoding(tmp_path):
    names = ["NA", "001", "a,b", 'say "x"', "a\nb", "a\rb", " lead", "Ü/é", "null", "1e5"]
    frame = read_back(dump(tmp_path, [a_file(name, message=name) for name in names]))
    assert frame["relpath"].tolist() == names
    assert frame["message"].tolist() == names


def test_a_checksum_is_the_same_text_as_in_the_index(tmp_path):
    frame = read_back(dump(tmp_path, [a_file(checksum="+H2GHg=="), a_file(checksum="=1+1")]))
    assert frame["checksum"].tolist() == ["+H2GHg==", "'=1+1"]


def test_the_columns_are_these_in_this_order(tmp_path):
    file = a_file(
        "b/c", state="invalid", retries=1, message="broken", checksum="yH2GHg==", size=3, etag="ab-2",
        transferred_at="2026-01-02T03:04:05.678Z", judged_at="2026-01-02T03:04:06.000Z",
        code="content", opened="csv as expected of 'a, b'",
    )  # fmt: skip
    assert dump(tmp_path, [file]).read_bytes().decode() == (
        "relpath,abspath,state,retries,max_retries,message,checksum,size,etag,transferred_at,judged_at,code,"
        "opened\r\n"
        '"b/c","/data/b/c",invalid,1,2,"broken",yH2GHg==,3,"ab-2",'
        "2026-01-02T03:04:05.678Z,2026-01-02T03:04:06.000Z,content,\"csv as expected of 'a, b'\"\r\n"
    )


def test_a_dump_is_named_after_its_delivery_and_time(tmp_path):
    path = dump(tmp_path, [])
    assert path == tmp_path / "upload-client_D_Y_20260102T030405678Z.csv"
    assert is_ours("state", path.read_bytes())
    assert path.name == dump_name("D", "Y", WALL)


def test_a_dump_replaces_no_file_of_somebody_else(tmp_path):
    theirs = tmp_path / dump_name("D", "Y", WALL)
    theirs.write_text("relpath,my own\n")
    with pytest.raises(FileExistsError, match="upload-client has not written it"):
        dump(tmp_path, [a_file()])
    assert theirs.read_text() == "relpath,my own\n"
    theirs.unlink()
    assert dump(tmp_path, [a_file()]) == dump(tmp_path, [a_file(), a_file("b")])


def test_the_report_of_a_delivery_has_a_name_of_its_own():
    assert page_name("D", "Y") == "upload-client_D_Y_report.html"


def test_a_dump_that_fails_leaves_no_trace(tmp_path):
    def rows():
        yield a_file()
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        dump(tmp_path, rows())
    assert list(tmp_path.iterdir()) == []


def test_a_dump_that_cannot_be_written_says_so(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        dump(tmp_path / "nowhere", [a_file()])


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_dump_is_as_readable_as_any_file_of_this_person(tmp_path):
    (tmp_path / "any").touch()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "any", dump(tmp_path, []))}
    assert len(modes) == 1


def test_a_file_is_replaced_whole_or_stays_as_it_was(tmp_path):
    path = tmp_path / "file"
    path.write_text("before")

    def interrupted():
        with replacing(path) as file:
            file.write("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "before"
    with replacing(path) as file:
        file.write("after\n")
        assert path.read_text() == "before"
        (half,) = [one for one in tmp_path.iterdir() if one != path]
    assert path.read_bytes() == b"after\n"
    assert not half.exists()


def test_what_an_interrupted_dump_leaves_is_known_as_one(tmp_path):
    with replacing(tmp_path / dump_name("D", "Y", WALL)):
        (left,) = tmp_path.iterdir()
        assert is_left_over(left.name)


def test_a_dump_does_not_hold_all_files_in_memory(tmp_path):
    alive = 0

    class Counted(ClientFile):
        def __del__(self):
            nonlocal alive
            alive -= 1

    def rows():
        nonlocal alive
        for _ in range(1000):
            alive += 1
            assert alive <= 3
            yield Counted("/data/a", "a", "valid", 0, 2)

    assert len(read_back(dump(tmp_path, rows()))) == 1000


AT, LATER = "2026-01-02T03:04:05.678Z", "2026-01-02T03:04:09.000Z"
ENDS = ["ready", "pending", "transferring", "failed", "done", "unjudged", "valid", "invalid", "abandoned"]


@given(ends=st.lists(st.sampled_from(ENDS), max_size=8), heard=st.booleans())
def test_the_report_and_the_csv_of_the_same_end_say_the_same(tmp_path_factory, ends, heard):
    """The logs may say more by then: a validator goes on when a client has gone."""
    names = [f"f{n}" for n in range(len(ends))]
    ledger, history = FileLedger(names, abspaths="/data/", max_retries=1), DeliveryHistory()
    for row, end in enumerate(ends):
        upload = Upload(1, row, 9, "AAAAAA==", "0" * 32)
        if end != "ready":
            ledger.queue(row)
        if end not in ("ready", "pending", "abandoned"):
            ledger.start(row)
        if end == "abandoned":
            ledger.abandon(row)
        elif end == "failed":
            ledger.fail(row, "is not there", now=0.0, again=False, code="missing")
        elif end in ("done", "unjudged", "valid", "invalid"):
            ledger.transferred(row, upload, AT)
            if end in ("valid", "invalid"):
                ledger.judge(row, end, None if end == "valid" else "torn", LATER)
    files = list(states_of_client(iter(ledger), history if heard else None))
    path = write_dump(
        ledger, dataset="d", delivery_id="1", wall=1e9, directory=tmp_path_factory.mktemp("csv")
    )
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["relpath"] for row in rows] == [file.path for file in files]
    unsent = {"pending": "ready", "transferring": "ready"}
    assert [unsent.get(row["state"], row["state"]) for row in rows] == [file.state for file in files]
    judged = [from_milliseconds(file.judged) if file.judged else "" for file in files]
    assert [row["judged_at"] for row in rows] == judged
    assert [row["message"] for row in rows] == [file.message or "" for file in files]
