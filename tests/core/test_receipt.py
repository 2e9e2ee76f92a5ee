"""A receipt: one sequence of bytes for what it says, and nothing else is read as one."""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from upload_client.core import receipt_reading as module
from upload_client.core.checksums import encode
from upload_client.core.own_files import is_ours
from upload_client.core.paths import check_relpath
from upload_client.core.receipt import (
    HEAD_BYTES,
    TRAILER_BYTES,
    BadReceipt,
    ClientRun,
    Delivered,
    DeliveredBy,
    Due,
    IndexNamed,
    LogTail,
    ReceiptHead,
    ValidatorRun,
    digest_in_trailer,
    digest_of_files,
    due,
    encode_columns,
    encode_receipt,
    ended_at,
    hashed_name,
    receipt_name,
    schema_in_head,
)
from upload_client.core.receipt_differences import (
    DIFFERENCES,
    Difference,
    Findings,
    compare_content,
    compare_listing,
    compare_receipts,
    compare_size,
)
from upload_client.core.receipt_reading import ReceiptReader

T = "2026-01-02T03:04:05.678Z"


def file(path: str = "a", size: int = 3, **others) -> Delivered:
    fields = {
        "crc32": "yH2GHg==",
        "etag": "ab" * 16,
        "version_id": None,
        "upload": "1-0",
        "sent_at": T,
        "judged_at": T,
        "judged_by": "validator1",
    }
    return Delivered(path, size, **(fields | others))


def head(files=(), **others) -> ReceiptHead:
    fields = {
        "dataset": "D",
        "delivery_id": "Y",
        "transfer_type": "staging",
        "epoch": 3,
        "agent_id": "abcdefghijk",
        "finished_at": T,
        "n_files": len(files),
        "n_bytes": sum(each.size for each in files),
        "landing": "s3://landing/D/Y/",
        "control": "s3://control/D/Y/",
        "index": IndexNamed("staging/index/00000003.csv", "0" * 64),
        "client_log": LogTail(4, "1" * 64),
        "validator_logs": (LogTail(2, "2" * 64),),
        "clients": (ClientRun(1, "one"), ClientRun(3, "abcdefghijk")),
        "validators": (ValidatorRun(1, 3, "validator1"),),
        "versions": {"upload-client": "1", "boto3": "2"},
    }
    return ReceiptHead(**(fields | others))


def written(files, **others) -> bytes:
    return b"".join(encode_receipt(head(files, **others), files))


def read(data: bytes) -> tuple[ReceiptHead, list[Delivered], str]:
    reader = ReceiptReader(io.BytesIO(data).readline)
    return reader.head, list(reader), reader.sha256


paths = st.text(min_size=1, max_size=20).filter(lambda path: check_relpath(path) is None)
word = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True)
etags = st.from_regex(r"[!#-\[\]-~]{1,128}", fullmatch=True)
files = st.dictionaries(
    paths,
    st.builds(
        file,
        size=st.integers(0, 2**45),
        crc32=st.integers(0, 2**32 - 1).map(encode),
        etag=etags,
        version_id=st.none() | etags,
        judged_by=word,
        sha256=st.none() | st.binary(min_size=32, max_size=32).map(bytes.hex),
        opened=st.none() | st.text(min_size=1, max_size=200),
    ),
    min_size=1,
    max_size=6,
).map(lambda found: [replace(found[path], path=path) for path in sorted(found)])


def test_the_logs_of_all_shards_are_named():
    logs = (LogTail(2, "2" * 64), LogTail(7, "3" * 64, 1), LogTail(0, "4" * 64, 63))
    validators = (ValidatorRun(1, 3, "one"), ValidatorRun(1, 3, "other", 63))
    data = written([file()], validator_logs=logs, validators=validators)
    found, *_ = read(data)
    assert (found.validator_logs, found.validators) == (logs, validators)
    with pytest.raises(BadReceipt, match="head"):
        read(data.replace(b'"shard":63', b'"shard":64'))


@pytest.mark.parametrize("schema", [1, 2])
def test_each_schema_is_read_and_says_what_it_can(schema):
    more = {"sha256": "5" * 64, "opened": "csv as expected of 'tables'"}
    runs = {
        "clients": (ClientRun(3, "abcdefghijk", {"upload-client": "1"}),),
        "validators": (ValidatorRun(1, 3, "validator1", 0, {"python": "3"}, "6" * 64),),
        "delivered_by": DeliveredBy("anna", "host"),
        "store": "S3",
    }
    data = written([file(**more)], schema_version=schema, **runs)
    found, (read_file,), _ = read(data)
    if schema == 2:
        assert (found, read_file) == (head([file()], **runs), file(**more))
    else:
        plain = {"clients": (ClientRun(3, "abcdefghijk"),), "schema_version": 1}
        assert (found, read_file) == (head([file()], **plain), file())
    assert schema_in_head(data[:HEAD_BYTES]) == schema
    assert digest_in_trailer(data[-TRAILER_BYTES:]) == digest_of_files([file(**more)], schema)


def test_a_schema_of_nobody_is_none():
    assert schema_in_head(b'{"kind":"receipt","schema_version":3,') is None
    assert schema_in_head(b'{"kind":"other","schema_version":1,"x') is None


def test_a_hashed_name_is_another_one_in_each_delivery():
    assert hashed_name("anna", "D", "Y") == f"sha256:{hashlib.sha256(b'D/Y/anna').hexdigest()}"
    assert hashed_name("anna", "D", "Y") != hashed_name("anna", "D", "Z")


def test_a_file_of_which_an_empty_text_says_how_it_was_judged_is_read_back():
    assert read(written([file(opened="")]))[1] == [file(opened=None)]


@given(files, st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3), word)
def test_what_is_written_is_read_back_and_there_is_one_way_to_write_it(files, versions, agent):
    data = written(files, versions=versions, agent_id=agent)
    assert data == written(files, versions=dict(reversed(versions.items())), agent_id=agent)
    assert data.isascii()
    assert read(data) == (
        head(files, versions=versions, agent_id=agent),
        files,
        hashlib.sha256(data).hexdigest(),
    )
    assert [one["path"] for one in json.loads(data)["files"]] == [each.path for each in files]
    lines = data.splitlines(keepends=True)
    records = b"".join(line.removesuffix(b",\n").removesuffix(b"\n") + b"\n" for line in lines[2:-2])
    assert json.loads(data)["files_sha256"] == hashlib.sha256(records).hexdigest() == digest_of_files(files)
    assert digest_in_trailer(data[-TRAILER_BYTES:]) == digest_of_files(files)


def test_the_order_is_that_of_a_listing():
    names = ["\U0001f600", "\uffee", "z", "ä", "Z", "a/b", "a-b"]  # UTF-16 would have it another way
    files = [file(name) for name in sorted(names)]
    assert [each.path for each in read(written(files))[1]] == sorted(names, key=str.encode)


def test_its_file_has_a_name_of_its_own_and_is_known_by_its_content():
    assert receipt_name(head()) == "upload-client_D_Y_staging_00000003.receipt.json"
    assert is_ours("receipt", written([file("a")]))


def test_the_end_of_something_else_names_no_files():
    assert digest_in_trailer(b"}\n") is None


GOOD = written([file("a", sha256="7" * 64, opened="csv"), file("b/ü")], delivered_by=DeliveredBy("anna"))


@settings(max_examples=300)
@given(st.data())
def test_what_is_altered_anywhere_is_refused(data):
    at = data.draw(st.integers(0, len(GOOD) - 1))
    altered = bytearray(GOOD)
    altered[at] = data.draw(st.integers(0, 255).filter(lambda one: one != GOOD[at]))
    try:
        found = read(bytes(altered))
    except BadReceipt:
        return
    # In its head a receipt may say something else; then it is another one.
    assert at < GOOD.index(b"\n")
    assert b"".join(encode_receipt(found[0], found[1])) == altered


def facts(each: Delivered) -> tuple:
    return tuple(getattr(each, name) for name in Delivered.__annotations__)


def held(data: bytes, known: list[Delivered], schema=2, *, together=0, blocks=3) -> list[Delivered] | str:
    """What a receipt says, with what is known in the place of its number; or why it says nothing.

    Lines are looked at one by one, or so many together; what is known comes in blocks.
    """
    stream, told = io.BytesIO(data), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_ALIKE", together)
        try:
            reader = ReceiptReader(stream.readline, stream.read if together else None)
            for each in reader.against(due(numbered(known, blocks), schema)):
                told += [known[row] for row in each.rows] if isinstance(each, Due) else [each]
            assert reader.sha256 == hashlib.sha256(data).hexdigest()
        except BadReceipt as error:
            return str(error)
    return told


def numbered(known: list[Delivered], blocks: int) -> list[tuple[list[int], list]]:
    """In blocks: their numbers, and their facts in columns."""
    numbers = range(len(known))
    return [
        (list(some), list(zip(*(facts(known[n]) for n in some), strict=True)))
        for some in (numbers[start : start + blocks] for start in range(0, len(known), blocks))
    ]


@given(files, st.integers(0, 4), st.integers(1, 4), st.data())
def test_held_against_what_is_known_a_receipt_says_the_same(delivered, together, blocks, data):
    known = data.draw(st.lists(st.sampled_from(delivered), unique=True)) + data.draw(
        st.lists(st.builds(file, paths, opened=st.none() | st.text(max_size=3)), max_size=3)
    )
    if not data.draw(st.booleans()):
        known = [*delivered]
    known.sort(key=lambda each: each.path)
    body = bytearray(written(delivered))
    if data.draw(st.booleans()):
        body[data.draw(st.integers(body.index(b"\n"), len(body) - 1))] = data.draw(
            st.sampled_from(b'"09,\nz')
        )
    if data.draw(st.booleans()):
        del body[data.draw(st.integers(body.index(b"\n"), len(body))) :]
    assert held(bytes(body), known, together=together, blocks=blocks) == held(bytes(body), [])


def test_only_what_is_not_as_it_is_known_is_taken_apart(monkeypatch):
    delivered = [file("a"), file("b", opened="csv"), file("d"), file("e", sha256="7" * 64)]
    known = [delivered[0], file("b", opened="other"), file("c"), *delivered[2:]]
    taken_apart = []
    decode = ReceiptReader._decoded_file
    monkeypatch.setattr(
        ReceiptReader, "_decoded_file", lambda self, line: taken_apart.append(line) or decode(self, line)
    )
    assert held(written(delivered), known) == delivered
    assert [line[:11] for line in taken_apart] == ['{"path":"b"', '{"path":"d"']
    assert held(written(delivered[:1], schema_version=1), known, schema=1) == delivered[:1]
    assert held(written(delivered), known, together=2) == delivered
    taken_apart.clear()
    assert held(written(delivered), delivered, together=2) == delivered
    assert not taken_apart


@pytest.mark.parametrize(
    "odd",
    [
        file("../a"),
        file("a", size=2**60),
        file("a", judged_by=None),
        file("a", opened="x" * 201),
    ],
)
def test_nothing_is_due_of_which_no_receipt_may_have_a_line(odd):
    line = written([file("b")]).splitlines()[2]
    (some,) = due(numbered([odd, file("b")], 2), 2)
    assert [*map(list, some)] == [["b"], [3], [1], [line]]


@pytest.mark.parametrize("together", [0, 1, 2])
def test_a_file_that_stands_twice_is_refused_also_where_both_lines_are_known(together):
    twice = lines_with(record(), record(), n_files=2, n_bytes=6)
    assert "line 4: the path 'a' stands twice" in held(twice, [file(), file()], together=together)


@given(st.integers(0, len(GOOD) - 1))
def test_what_is_cut_off_is_refused(end):
    with pytest.raises(BadReceipt):
        read(GOOD[:end])


@given(st.binary(max_size=200))
def test_anything_else_is_refused(data):
    with pytest.raises(BadReceipt):
        read(data)


def lines_with(*records: bytes, n_files: int = 1, n_bytes: int = 3) -> bytes:
    digest = hashlib.sha256(b"".join(line + b"\n" for line in records)).hexdigest()
    start = b"".join(encode_receipt(head(n_files=n_files, n_bytes=n_bytes), []))
    return (
        start[: start.index(b"[\n") + 2]
        + b",\n".join(records)
        + (f'\n],\n"files_sha256":"{digest}"}}\n'.encode())
    )


def record(**others: str) -> bytes:
    """A line that says something that cannot be: the value of a key, as it is spelled in JSON."""
    line = written([file()]).splitlines()[2].decode()
    for key, said in others.items():
        line = re.sub(rf'("{key}":)("[^"]*"|[^,]*)', lambda found, said=said: found[1] + said, line, count=1)
    return line.encode()


def test_these_lines_are_otherwise_good():
    assert read(lines_with(record(path='"b"')))[1] == [file("b")]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (lambda: lines_with(record(path='"../a"')), "'..', which leaves its folder"),
        (lambda: lines_with(record(path='"/etc/passwd"')), "is absolute"),
        (lambda: lines_with(record(path=r'"a\\b"')), "backslash"),
        (lambda: lines_with(record(path=r'"\u0061"')), "not spelled as"),
        (lambda: lines_with(record(path=r'"\ud800"')), "not valid Unicode"),
        (lambda: lines_with(record(path=f'"{"x" * 20_000}"')), "line 3 is too long"),
        (lambda: lines_with(record(size="1" * 5000)), "no file in the form"),
        (lambda: lines_with(record(size="9" * 17)), "no object has"),
        (lambda: lines_with(record(size="03")), "no file in the form"),
        (lambda: lines_with(record(crc32='"yH2GHh=="')), "no file in the form"),
        (lambda: lines_with(record(sent_at='"2026-02-30T03:04:05.678Z"')), "a time that does not exist"),
        (lambda: lines_with(record().replace(b'"size":3', b'"size":3,"size":3')), "no file in the form"),
        (lambda: lines_with(record(), record(), n_files=2, n_bytes=6), "'a' stands twice"),
        (lambda: lines_with(record(path='"b"'), record(), n_files=2, n_bytes=6), "not in its place"),
        (lambda: lines_with(record(), n_files=2), "says 2 files of 3 bytes and names 1 of 3"),
        (lambda: lines_with(record(), n_bytes=2), "says 1 files of 2 bytes"),
        (lines_with, "no file in the form"),
        (lambda: lines_with(record()).replace(b'"files":[', b'"files": ['), "does not begin"),
        (lambda: lines_with(record()).replace(b"\n],\n", b"\n ],\n"), "does not end the list"),
        (lambda: lines_with(record()) + b" ", "follows"),
        (lambda: lines_with(record()).replace(b"ab" * 16, b"cd" * 16), "not those of its last line"),
        (lambda: lines_with(record()).replace(b'"crc32"', '"crc\u00e9"'.encode()), "line 3 is not ASCII"),
        (lambda: b"x" * (module.MAX_HEAD + 9), "line 1 is too long"),
        (lambda: GOOD.replace(b"\n", b"\r\n"), "its lines end in CR LF"),
        (lambda: b"\xef\xbb\xbf" + GOOD, "byte order mark"),
        (lambda: GOOD.decode().encode("utf-16"), "byte order mark"),
        (lambda: "é".encode() + GOOD, "line 1 is not ASCII"),
        (lambda: b"[" * 1_000_000 + b"\n", "not the head"),
        (lambda: b"[1]],\n", "not the head"),
        (lambda: b'"}",\n', "not the head"),
        (lambda: b"[},\n", "not the head"),
        (lambda: b'{"a":1}\n', "something else"),
        (lambda: b'{"kind":"checkpoint",\n', "something else"),
        (lambda: b'{"kind":"checkpoint","x":1,\n', "something else"),
        (lambda: GOOD.replace(b'"schema_version":2', b'"schema_version":3'), "'3', and this program reads 1"),
        (lambda: GOOD.replace(b'"schema_version":2', b'"schema_version":true'), "'True', and this program"),
        (lambda: GOOD.replace(b'"schema_version":2', b'"schema_version":1'), "formatted anew"),
        (lambda: GOOD.replace(b'"hashed":false', b'"hashed":0'), "formatted anew"),
        (lambda: GOOD.replace(b'"login":"anna"', b'"login":7'), "no text"),
        (lambda: lines_with(record(sha256='"7"')), "no file in the form"),
        (lambda: lines_with(record().replace(b'"opened":null', b'"opened":""')), "no file in the form"),
        (lambda: lines_with(record().replace(b'"opened":null', rb'"opened":"\u0061"')), "not spelled as"),
        (
            lambda: lines_with(record().replace(b'"opened":null', b'"opened":"' + b"x" * 201 + b'"')),
            "too long",
        ),
        (lambda: GOOD.replace(b'"D"', b'"D" ', 1), "formatted anew"),
        (lambda: GOOD.replace(b'"dataset":"D",', b'"dataset":"D","dataset":"D",'), "formatted anew"),
        (lambda: GOOD.replace(b'"dataset":"D",', b'"dataset":"D","note":"x",'), "formatted anew"),
        (lambda: GOOD.replace(b'"dataset":"D",', b""), "not as it should be"),
        (lambda: GOOD.replace(b'"dataset":"D"', b'"dataset":"../D"'), "not as it should be"),
        (lambda: GOOD.replace(b'"staging",', b'"stage",'), "none of staging, sample"),
        (lambda: GOOD.replace(b'"epoch":3', b'"epoch":' + b"9" * 5000), "not the head"),
        (lambda: GOOD.replace(b'"epoch":3', b'"epoch":' + b"9" * 9), "no count"),
        (lambda: GOOD.replace(b'"epoch":3', b'"epoch":true'), "no count"),
        (lambda: GOOD.replace(b'"epoch":3', b'"epoch":-1'), "no count"),
        (lambda: GOOD.replace(T.encode(), b"2026-13-02T03:04:05.678Z", 1), "not as it should be"),
        (lambda: GOOD.replace(T.encode(), b"yesterday", 1), "no moment"),
        (lambda: GOOD.replace(b"staging/index/", b"../../index/"), "no key of an index"),
        (lambda: GOOD.replace(b"s3://landing/D/Y/", b"file:///etc/"), "no landing place"),
        (lambda: GOOD.replace(b'"clients":[', b'"clients":[7,'), "not as it should be"),
        (lambda: GOOD.replace(b'"clients":[', b'"clients":7,"x":['), "not as it should be"),
        (lambda: GOOD.replace(b'"boto3":"2"', b'"boto3":2'), "no text"),
        (lambda: GOOD.replace(b'"boto3":"2"', b'"boto3":"' + b"2" * 5000 + b'"'), "no text"),
    ],
)
def test_what_is_no_receipt_is_refused_with_a_reason(data, says):
    with pytest.raises(BadReceipt, match=re.escape(says)):
        read(data())


def test_no_more_is_asked_for_at_once_than_a_line_may_have():
    asked = []
    stream = io.BytesIO(GOOD)

    def readline(limit):
        asked.append(limit)
        return stream.readline(limit)

    list(ReceiptReader(readline))
    assert asked == [module.MAX_HEAD, *[module.MAX_LINE] * 5, 1]


# ---------------------------------------------------------------------------------------------- comparing


def test_size_and_content_are_compared():
    assert compare_size(file(size=3), 3) is None
    assert compare_size(file(size=3), 4) == Difference("size", "a", "has 4 bytes; delivered were 3")
    assert compare_content(file(), "yH2GHg==") is None
    assert compare_content(file(), "AAAAAA==").kind == "content"
    known = file(sha256="7" * 64)
    assert compare_content(known, "yH2GHg==") is None
    assert compare_content(known, "yH2GHg==", "7" * 64) is None
    assert compare_content(file(), "yH2GHg==", "8" * 64) is None  # the receipt says nothing of it
    assert compare_content(known, "yH2GHg==", "8" * 64).message.startswith("has SHA-256 888")


def test_only_the_first_differences_are_kept_and_all_are_counted():
    some = [Difference("missing", str(n)) for n in range(3)]
    findings, everything = Findings(keep=2), Findings(keep=None)
    for each in some:
        findings.add(each)
        everything.add(each)
    assert (findings.n, findings.counts["missing"], findings.first["missing"]) == (3, 3, some[:2])
    assert everything.first["missing"] == some
    assert list(findings.counts) == list(DIFFERENCES)


@given(
    st.lists(st.sampled_from("abcdefgh"), unique=True).map(sorted),
    st.dictionaries(
        st.sampled_from("abcdefgh"), st.tuples(st.integers(2, 4), st.sampled_from(["ab" * 16, "x"]))
    ),
)
@example(
    ["b", "c", "d", "e"],
    {"a": (3, "ab" * 16), "b": (3, "ab" * 16), "c": (4, "ab" * 16), "d": (3, "cd" * 16), "f": (3, "x")},
)
def test_a_listing_is_held_against_the_receipt_file_by_file(names, objects):
    listed = [(name, *objects[name]) for name in sorted(objects)]
    expected = [(name, "added") for name in objects if name not in names]
    for name in names:
        size, etag = objects.get(name, (None, None))
        if size is None:
            expected.append((name, "gone"))
        elif size != 3:
            expected.append((name, "replaced"))
        elif etag != "ab" * 16:
            expected.append((name, None))
    listed.insert(0, ("", 0, ""))  # what consoles make of a folder
    found = [
        (each.path if each else wrong.path, wrong and wrong.kind)
        for each, wrong in compare_listing(map(file, names), listed)
    ]
    assert found == sorted(expected)


def test_a_listing_in_another_order_cannot_be_compared():
    listed = [("b", 3, "x"), ("a", 3, "x"), ("c", 3, "x")]
    with pytest.raises(ValueError, match="not in order"):
        list(compare_listing([file("c")], listed))


def test_a_delivery_ends_now_and_not_before_the_last_thing_that_its_receipt_tells_of():
    now, later = "2026-01-02T03:04:05.678Z", "2026-01-02T05:04:05.678Z"
    assert ended_at(now, None, None) == now
    assert ended_at(later, now, None) == later
    assert ended_at(now, now, later) == later


def _file(path, crc32="AAAAAA==", size=1, sha256=None):
    return Delivered(path, size, crc32, "e", None, "1-0", T, T, "v", sha256)


@pytest.mark.parametrize(
    ("files", "others", "found"),
    [
        ([], [], []),
        ([_file("a")], [("a", 1, "AAAAAA==", None)], []),
        ([_file("a")], [("a", None, None, None)], []),
        ([_file("a")], [("a", 2, None, None)], [("changed since", "a")]),
        ([_file("a")], [("a", 1, "BBBBBA==", None)], [("changed since", "a")]),
        ([_file("a")], [], [("removed since", "a")]),
        ([], [("a", 1, "AAAAAA==", None)], [("added since", "a")]),
        ([_file("b")], [("a", 1, "AAAAAA==", None)], [("moved since", "b")]),
        ([_file("a")], [("b", 1, "AAAAAA==", None)], [("moved since", "a")]),
        (
            [_file("a"), _file("b")],
            [("c", 1, "AAAAAA==", None)],
            [("moved since", "a"), ("removed since", "b")],
        ),
        (
            [_file("a")],
            [("b", 1, "AAAAAA==", None), ("c", 1, "AAAAAA==", None)],
            [("moved since", "a"), ("added since", "c")],
        ),
        ([_file("a", sha256="7" * 64)], [("a", 1, "AAAAAA==", None)], []),
        ([_file("a", sha256="7" * 64)], [("a", 1, "AAAAAA==", "7" * 64)], []),
        ([_file("a", sha256="7" * 64)], [("a", 1, "AAAAAA==", "8" * 64)], [("changed since", "a")]),
        (
            [_file("a", sha256="7" * 64)],
            [("b", 1, "AAAAAA==", "8" * 64), ("c", 1, "AAAAAA==", "7" * 64)],
            [("moved since", "a"), ("added since", "b")],
        ),
    ],
)
def test_two_receipts_differ_by_what_was_added_removed_changed_or_moved(files, others, found):
    assert [(each.kind, each.path) for each in compare_receipts(files, others)] == found


_CONTENTS = st.dictionaries(
    st.text("abc", min_size=1, max_size=3),
    st.tuples(st.sampled_from(["AAAAAA==", "BBBBBA=="]), st.sampled_from([None, "7" * 64, "8" * 64])),
)


@given(_CONTENTS, _CONTENTS)
@example(
    {"a": ("AAAAAA==", None), "b": ("AAAAAA==", None)}, {"c": ("AAAAAA==", None), "d": ("AAAAAA==", None)}
)
@example({"a": ("AAAAAA==", "7" * 64)}, {"c": ("AAAAAA==", "8" * 64), "d": ("AAAAAA==", None)})
@example({"a": ("AAAAAA==", "7" * 64)}, {"c": ("AAAAAA==", "7" * 64), "d": ("AAAAAA==", "7" * 64)})
def test_of_two_receipts_each_path_that_differs_is_accounted_for_once(here, there):
    found = list(
        compare_receipts(
            [_file(path, here[path][0], sha256=here[path][1]) for path in sorted(here)],
            [(path, 1, *there[path]) for path in sorted(there)],
        )
    )
    moved = {
        each.path: each.message.removeprefix("is ").removesuffix(" there")
        for each in found
        if each.kind == "moved since"
    }
    assert all(same(here[old], there[new]) for old, new in moved.items())
    told = sorted([*(each.path for each in found), *moved.values()])
    differ = [path for path in {*here, *there} if not same(here.get(path), there.get(path))]
    assert told == sorted(differ)


_KNOWN = st.sampled_from([None, "7" * 64, "8" * 64])


@given(st.lists(_KNOWN, max_size=6), st.lists(_KNOWN, max_size=6))
@example([None, "7" * 64], ["7" * 64, "8" * 64])
@example(["7" * 64, None], [None, "8" * 64])
@example([None, "7" * 64], [None, "8" * 64])
def test_no_fewer_files_are_called_moved_than_may_be(gone, come):
    found = list(
        compare_receipts(
            [_file(f"a{n}", sha256=sha256) for n, sha256 in enumerate(gone)],
            [(f"b{n}", 1, "AAAAAA==", sha256) for n, sha256 in enumerate(come)],
        )
    )
    moved = [each for each in found if each.kind == "moved since"]
    assert [each.path for each in moved] == sorted(each.path for each in moved)
    fits = [[n for n, there in enumerate(come) if None in (here, there) or here == there] for here in gone]
    assert len(moved) == _matched(fits)


def _matched(fits: list[list[int]]) -> int:
    """The size of a largest matching, by augmenting paths."""
    of: dict[int, int] = {}

    def place(at: int, seen: set[int]) -> bool:
        for n in fits[at]:
            if n not in seen:
                seen.add(n)
                if n not in of or place(of[n], seen):
                    of[n] = at
                    return True
        return False

    return sum(place(at, set()) for at in range(len(fits)))


def same(one, other) -> bool:
    """Whether two contents may be the same, as far as both are known."""
    if one is None or other is None:
        return False
    return one[0] == other[0] and (None in (one[1], other[1]) or one[1] == other[1])


def test_more_lines_than_are_hashed_together_make_the_same_receipt():
    rows = [file(f"{n:04d}", n) for n in range(200)]
    made = b"".join(encode_receipt(head(rows), rows))
    reader = ReceiptReader(io.BytesIO(made).readline)
    assert list(reader) == rows
    assert reader.sha256 == hashlib.sha256(made).hexdigest()


def test_columns_of_no_files_change_nothing():
    one = file("a", 1)
    columns = [[getattr(one, name)] for name in Delivered.__annotations__]
    none = [[] for _ in columns]
    said = b"".join(encode_columns(head([one]), [none, columns, none]))
    assert said == b"".join(encode_receipt(head([one]), [one]))
