"""Text files open as what they say, in bounded memory, whatever is in them."""

import csv
import functools
import io
import json
import subprocess
import sys
from itertools import accumulate, pairwise
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from upload_client.expectations.delimiters import csv_rows
from upload_client.expectations.findings import NotOpened
from upload_client.validator import json_text, tables
from upload_client.validator.content import MAX_NESTING, MAX_TEXT, Unreadable, check_text
from upload_client.validator.json_text import _JsonWalk
from upload_client.validator.quoted_rows import rows_at_beginning

LONG = b"x" * 300_000  # longer than what is read at once

OPENS = {
    "csv": [
        b"",
        b"\n",
        b"one column\n1\n2\n",
        b"a,b\n1,2\n3,4",
        b"a,b\r\n1,2\r\n",
        b"a,b\r1,2\r",
        b"\xef\xbb\xbfa,b\n1,2\n",
        b'a,b\n"1, ""x""","2\nlines"\n',
        b"a,b\n\n1,2\n\n",
        "ä,ö\n日本,😀\n".encode(),
        b"a;b\n1,5;2,5\n",
        b"a\tb\n1,5\t2,5\n",
        b"a,b\n" + LONG + b"," + LONG + b"\n",
    ],
    "tsv": [
        b"",
        b"a\tb\n1\t2\n",
        b'a\tb\n"1\tx"\t2\n',
        b'a\tb\n"6 inches\t2\n7"\tx\n',
        b'height\tname\n5\t"the tall\n',
    ],
    "json": [
        b"{}",
        b' [1, 2.5e3, null, true, "x"] \n',
        b"3",
        b'"text"',
        b"[NaN, Infinity, -Infinity]",
        b"\xef\xbb\xbf[]",
        b"1" * 5000,
        b'{"a": {"b": [[], {}, "\\u00e9\\n"]}}',
        b'["' + LONG + b'", {"' + LONG + b'": 1}]',
        b"[" + b"1," * 200_000 + b"1]",
        b"[" + b'{"a": "b", "c": [1, 2], "d": {}},' * 20_000 + b"{}]",
    ],
    "jsonl": [
        b"",
        b'{"a": 1}\n{"b": 2}\n',
        b'{"a": 1}\r\n\r\n[1]\r\n3',
        b'{"a": "' + LONG + b'"}\n{"b": 1}\n["' + LONG + b'"]',
    ],
}

DOES_NOT_OPEN = {
    "csv": [
        (b"<!DOCTYPE html>\n<html></html>\n", "a page of HTML or XML"),
        (b'\xef\xbb\xbf\r\n<?xml version="1.0"?>\n<Error/>', "a page of HTML or XML"),
        (b"<HTML>", "a page of HTML or XML"),
        (
            b"# made, today\n# by, a, program\na,b\n1,2\n1,2,3\n",
            "line 5: 3 fields, where the first row has 2",
        ),
        (b"a,b\n1,2\n# no comment here\n", "line 3: 1 fields"),
        (b"a,b\n1,2\n3", "line 3: 1 fields, where the first row has 2"),
        (b"a,b\n1,2\n1,2,3\n", r"line 3: 3 fields, where the first row has 2"),
        (b"a,b\n1\n", "line 2: 1 fields"),
        (b'a,b\n1,"2\n', "line 2: a quote that opens in this row is never closed"),
        (b'a,b\n"1\n2",3\n4,"5\n6,7\n8,9\n', "line 4: a quote that opens in this row is never closed"),
        (b'a,b\n1,"2"x\n', "line 2"),
        (b"a,b\n1,\x00\n", "NUL"),
        (b"a,b\n1,\xff\n", "not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "NUL"),
        (b"a,b\n" + b"x" * (MAX_TEXT + 300_000), "a line of more than"),
        (b'a,b\n1,"' + b"x\n" * MAX_TEXT, "field larger than field limit"),
    ],
    "tsv": [
        (b"<html lang=en>\n", "a page"),
        (b"a\tb\n1\t2\t3\n", "3 fields"),
        (b'a\tb\n"1\t2\t3\n4\n', "line 2: a quote that opens"),
        (b"\x00", "NUL"),
    ],
    "json": [
        (b"", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b"[1, 2", "not JSON"),
        (b"[1] [2]", "not JSON"),
        (b'{"a": 1}}', "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 100_000, "nested"),
        (b" " * 300_000 + b"[" * 1000, f"nested deeper than {MAX_NESTING}"),
        (b"[1," + b" " * 300_000, "it ends too early"),
        (b" " * 300_000 + b'{"a":1,"b" 2}', "unexpected scalar|unexpected value"),
        (b" " * 300_000 + b"[1,]", r"unexpected \]"),
        (b" " * 300_000 + b'{"a": "b": 1, "c": 2}', "unexpected :"),
        (b" " * 300_000 + b"{1: 2}", "unexpected value"),
        (b" " * 300_000 + b"[1}", "closes nothing"),
        (b" " * 300_000 + b"[1] 2", "unexpected value"),
        (b" " * 300_000 + b"what", "unexpected character"),
        (b'"' + b"x" * 300_000 + b'\n"', "unexpected character"),
    ],
    "jsonl": [
        (b'{"a": 1}\n{"b": \n', "line 2: not JSON"),
        (b"{}\n" + b"[" * 100_000 + b"\n", "line 2: nested"),
        (b"{}\n[" + b"1," * 300_000 + b"]\n", r"line 2: not JSON: unexpected \]"),
        (b'{}\n{"a": "' + LONG, "line 2: not JSON: it ends too early"),
        (b"{}\n\xff\n", "not UTF-8"),
    ],
}


@pytest.mark.parametrize(
    "text",
    [
        "# made by a program\n# with, four, fields, here\n#\nid,name\n1,a\n2,b\n",
        "\ufeff# made, today, here\nid,name\n1,a\n",
        "#id,name\n1,a\n",
        "# made by a program\n# id,name\n1,a\n",
        '# one "quote\nid,name\n1,a\n',
        "# only a comment\n",
        "#\r\nid,name\r\n1,a\r\n",
    ],
)
def test_a_table_may_begin_with_lines_of_comment(text):
    for size in (1, 3, 2**20):
        for kind, delimiter in (("csv", ","), ("csv", ";"), ("tsv", "\t")):
            stream = io.BytesIO(text.replace(",", delimiter).encode())
            check_text(
                kind, SimpleNamespace(read=lambda n, size=size, stream=stream: stream.read(min(n, size)))
            )


@pytest.mark.parametrize(
    ("kind", "data"),
    [(kind, data) for kind, many in OPENS.items() for data in many],
    ids=lambda x: repr(x)[:40],
)
def test_what_is_sound_opens(kind, data):
    check_text(kind, io.BytesIO(data))


@pytest.mark.parametrize(
    ("kind", "data", "why"),
    [(kind, data, why) for kind, many in DOES_NOT_OPEN.items() for data, why in many],
    ids=lambda x: repr(x)[:40],
)
def test_what_is_not_sound_is_said_to_be_so(kind, data, why):
    with pytest.raises(Unreadable, match=why) as caught:
        check_text(kind, io.BytesIO(data))
    assert str(caught.value).isprintable()


class Endless(io.RawIOBase):
    """A file that goes on for ever, and counts how much of it was read."""

    def __init__(self, start: bytes, pattern: bytes) -> None:
        self.start, self.pattern, self.n = start, pattern, 0

    def readable(self):
        return True

    def readinto(self, buffer):
        block = self.start or (self.pattern * (len(buffer) // len(self.pattern) + 1))
        block, self.start = block[: len(buffer)], b""
        buffer[: len(block)] = block
        self.n += len(block)
        return len(block)


@pytest.mark.parametrize(
    ("kind", "start", "pattern"),
    [
        ("csv", b"a,b\n", b"x"),
        ("csv", b"a,b\n", b","),
        ("csv", b'a,b\n"', b"x\n"),
        ("tsv", b"a\tb\n", b"x"),
        ("json", b"", b"["),
        ("json", b"", b'{"a":'),
        ("json", b'"', b"x"),
        ("json", b"", b"1"),
        ("jsonl", b'{"a": "', b"x"),
        ("jsonl", b"", b"["),
    ],
)
def test_a_file_that_never_ends_is_not_read_for_ever(kind, start, pattern):
    endless = Endless(start, pattern)
    with pytest.raises((Unreadable, NotOpened)):
        check_text(kind, io.BufferedReader(endless))
    assert endless.n < 6 * MAX_TEXT


@pytest.mark.parametrize("rows", [2, 200_000])
def test_json_may_be_lines_by_another_name_as_spark_and_duckdb_and_delta_lake_write_it(rows):
    lines = b'{"add": {"path": "a.parquet", "size": 7}}\n' * rows
    check_text("json", io.BytesIO(lines))
    check_text("json", io.BytesIO(b"\xef\xbb\xbf" + lines))
    with pytest.raises(Unreadable, match=f"line {rows}:"):
        check_text("json", io.BytesIO(lines[:-3]))
    with pytest.raises(Unreadable):
        check_text("json", io.BytesIO(lines + b"more"))
    for one in (b"1\n2\n", b'{"a": 1} {"b": 2}', b"{}\n1", b"{}\nmore"):
        with pytest.raises(Unreadable):
            check_text("json", io.BytesIO(one))


def test_a_json_text_that_is_longer_than_is_looked_into_is_no_fault_of_its_file():
    with pytest.raises(NotOpened, match="more than 4,194,304 characters"):
        check_text("json", io.BytesIO(b'"' + b"x" * (MAX_TEXT + 600_000) + b'"'))


@pytest.mark.parametrize(
    "data",
    [
        b'"a";"b";"c"\r\n1,5;2;3\r\n',
        b"id;flux, in Jy;z\n1;2;3\n4;5;6\n",
        b"id\tflux, in Jy\n1\t2\n",
        b'"a, or b";c\n1;2\n',
        b"a;b\n",
    ],
)
def test_fields_may_stand_apart_by_other_characters_whatever_the_header_holds(data):
    check_text("csv", io.BytesIO(data))
    check_text("csv", io.BytesIO(data * 1))
    with pytest.raises(Unreadable):
        check_text("csv", io.BytesIO(data + b"1;2;3;4;5\t6\t7\t8,9\n"))


@pytest.mark.parametrize("data", [b'size 5"\n1;2\n', b'a;5"\n1,5;2"\n', b'5" x\n"a,b"\n'])
def test_a_quote_within_a_name_of_the_header_opens_nothing(data, small_blocks):
    check_text("csv", io.BytesIO(data))


@example(rows=[["", "", "|\n0"]], kind="csv", end="\n")
@example(rows=[["|\n", "", ""]], kind="csv", end="\n")
@given(
    st.lists(
        st.lists(
            st.text(st.characters(exclude_characters="\0\r", codec="utf-8"), max_size=8),
            min_size=3,
            max_size=3,
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(["csv", "tsv"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_every_table_that_a_program_writes_opens(rows, kind, end):
    text = io.StringIO(newline="")
    csv.writer(text, dialect="excel" if kind == "csv" else "excel-tab", lineterminator=end).writerows(rows)
    check_text(kind, io.BytesIO(text.getvalue().encode()))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def damaged(draw, texts):
    """A text, and mostly something taken out of it or put into it."""
    text = draw(texts)
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(text)))
        if draw(st.booleans()):
            text = text[:at] + text[at + 1 :]
        else:
            text = text[:at] + draw(st.sampled_from('[]{},:"\\ 01-.eEtrufalsnIN\n\x01')) + text[at:]
    return text


@given(
    damaged(st.builds(json.dumps, JSON, ensure_ascii=st.booleans(), indent=st.sampled_from([None, 1]))),
    st.lists(st.integers(0, 200), max_size=6),
)
def test_json_in_pieces_is_sound_exactly_when_the_standard_library_takes_it_whole(text, cuts):
    try:
        json.loads(text, parse_int=float)
        sound = True
    except ValueError:
        sound = False
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    walk = _JsonWalk("")
    try:
        for start, end in pairwise(edges):
            walk.feed(text[start:end])
        walk.close()
        walked = True
    except Unreadable:
        walked = False
    assert walked is sound


# The quick way and the careful one


def said(kind: str, data: bytes) -> str:
    """What is said of a file; nothing where it opens."""
    try:
        check_text(kind, io.BytesIO(data))
    except Unreadable as error:
        return str(error)
    return ""


class _Unsure(_JsonWalk):
    """Walks through all of a text."""

    def pass_over(self, piece, *, to_the_end=False):
        return False


def carefully(kind: str, data: bytes) -> str:
    """The same, without the quick way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_is_json", lambda text: False)
        patch.setattr(json_text, "_are_json", lambda lines, n: False)
        patch.setattr(json_text, "_JsonWalk", _Unsure)
        patch.setattr(tables._Shape, "rows_at_beginning", lambda *_, **__: None)
        return said(kind, data)


@pytest.fixture
def small_blocks(monkeypatch):
    """Files are read by so few bytes that everything is cut somewhere."""
    for module in (json_text, tables):
        monkeypatch.setattr(module, "BLOCK", 24)


@pytest.fixture(params=["libraries", "standard library"])
def engine(request, monkeypatch):
    """With msgspec and numpy, for texts of whatever size, or without."""
    monkeypatch.setattr(tables, "_LARGE", 0)
    monkeypatch.setattr(tables, "_WORTH", 0)
    if request.param == "standard library":
        monkeypatch.setitem(sys.modules, "msgspec", None)
        monkeypatch.setitem(sys.modules, "upload_client.validator.quoted_rows", None)
    monkeypatch.setattr(tables, "_rows_by_arrays", functools.cache(tables._rows_by_arrays.__wrapped__))
    for name, made in zip(("_scan", "_scan_array"), json_text._engine(), strict=True):
        monkeypatch.setattr(json_text, name, made)
    return request.param


@st.composite
def damaged_bytes(draw, texts):
    """A text in UTF-8, and mostly something taken out of it or put into it, characters or bytes."""
    data = draw(damaged(texts)).encode("utf-8", "replace")
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(data)))
        put = draw(st.sampled_from([b"", b'"', b"\n", b",", b"\\", b"\xc3", b"\xff", b"\xef\xbb\xbf", b"\0"]))
        data = data[:at] + put + data[at + draw(st.integers(0, 1)) :]
    return data


ONE = st.builds(json.dumps, JSON, ensure_ascii=st.booleans(), indent=st.sampled_from([None, None, 1]))
LINES = st.lists(st.builds(json.dumps, JSON, ensure_ascii=st.booleans()), max_size=12).map("\n".join)
FIELDS = st.text(st.sampled_from('ab ä,;\t"\n\r'), max_size=6) | st.sampled_from(["", "1.5", "x y"])


@st.composite
def written(draw):
    """A table as programs write them."""
    width = draw(st.integers(1, 4))
    rows = draw(st.lists(st.lists(FIELDS, min_size=width, max_size=width), max_size=10))
    text = io.StringIO(newline="")
    writer = csv.writer(
        text,
        delimiter=draw(st.sampled_from(",,;\t|")),
        lineterminator=draw(st.sampled_from(["\n", "\n", "\r\n", "\r", "\n\n"])),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
    )
    writer.writerows(rows)
    return draw(st.sampled_from(["", "", "\ufeff"])) + text.getvalue()


ALMOST_PLAIN = st.sampled_from(
    ["a", '"a"', '""', '"', 'a"', '"a', 'a"b', '"a"b"', '"a,b"', '"a\nb"', '""a""', '"a""b"']
)


@st.composite
def hardly_quoted(draw):
    """A table most fields of which are plain, or in quotes that they would not need."""
    width = draw(st.integers(1, 3))
    field = st.sampled_from(["a", '"a"', '""']) | ALMOST_PLAIN
    rows = draw(st.lists(st.lists(field, min_size=width, max_size=width), max_size=12))
    return draw(st.sampled_from(["\n", "\r\n"])).join(map(",".join, rows))


def test_fields_stand_apart_by_what_fits_all_rows_whichever_way_they_are_read():
    for rows in ("a;b\tc\nd\te\n", "a;b\tc\r\nd\te\r\n", 'a;b\tc\nd\t"e\re"\n'):
        assert said("csv", rows.encode()) == ""
        assert carefully("csv", rows.encode()) == ""


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    damaged_bytes(ONE | LINES | written() | hardly_quoted()), st.sampled_from(["json", "jsonl", "csv", "tsv"])
)
@example(b"\t;\n\t\n", "csv")
@example(b'a,b\n"c,d"\n', "csv")
@example(b'a,b\n"c,d",e\n', "csv")
@example(b'a,b\n"c,d\n"e,f\n', "csv")
@example(b'a,b\n"c"d,"e"\n', "csv")
@example(b'a,b\nc"d","e"\n', "csv")
@example(b'a,b\n"c""d",e\n', "csv")
@example(b'a,b\n"c","\r\n', "csv")
@example(b'"a","b"\r\n"",""', "csv")
@example(b'a,b\nc"d,e",f\n', "csv")
@example(b'a,b\n"c"\nd,e,f\n', "csv")
@example(b"a,b\nc,d\ne", "csv")
@example(b"a\tb\nc\td\ne", "tsv")
@example(b'"a, b";5" c\n1;2\n', "csv")
def test_the_quick_way_lets_through_what_the_careful_one_lets_through_and_nothing_else(
    small_blocks, engine, data, kind
):
    quick, careful = said(kind, data), carefully(kind, data)
    if b"\0" in data or "UTF-8" in quick + careful:
        # Of several faults in a block the first that is met is told, and blocks are not the same.
        assert bool(quick) is bool(careful)
    else:
        assert quick == careful


@settings(max_examples=300)
@given(
    st.lists(st.lists(FIELDS, min_size=2, max_size=2), min_size=1, max_size=40),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.integers(0, 30),
)
def test_rows_that_a_program_has_written_are_read_as_bits_wherever_words_end(
    rows, delimiter, end, quoting, cut
):
    lines = []
    for row in rows:
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting)
        writer.writerow([field.replace("\r", "") for field in row])
        lines.append(text.getvalue().encode())
    data = b"".join(lines)
    assert rows_at_beginning(data, delimiter, 2, whole=True) == (len(data), data.count(b"\n"))
    assert rows_at_beginning(data, delimiter, 3, whole=True) is None
    some = data[: max(0, len(data) - cut)]
    whole_rows = max(n for n in accumulate(map(len, lines), initial=0) if n <= len(some))
    n_lines = data.count(b"\n", 0, whole_rows)
    assert rows_at_beginning(some, delimiter, 2, whole=False) == (
        (whole_rows, n_lines) if whole_rows else None
    )


@pytest.mark.parametrize(
    "data",
    [
        b"[1\n2]\n",
        b"1 2\n[1,\n2]\n",
        b"1,2\n",
        b"1,2\n\n",
        b"1\n2,3\n\n",
        b"[1\n2]\n3,4\n",
        b'"a\nb"\n1,2\n',
        b'{"a":\n1}\n2,3\n',
        b'"a\nb"\n',
        b'1}],[{"":2\n',
        b'{"a":1\n}\n',
        b"[[1\n],[2]]\n",
        b"1,\n2\n",
        b'"\\"\n"\n',
    ],
)
def test_a_line_that_is_not_one_value_is_not_lent_another_lines(engine, data):
    assert said("jsonl", data).startswith("line ")


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv", "tsv"])
@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"])
@pytest.mark.parametrize("n", [1, 60_000])
def test_what_is_not_utf8_does_not_open_however_sound_it_is_otherwise(engine, kind, bad, n):
    before, line, after = {"json": (b"[", b'"a", ', b"1]")}.get(kind, (b"", b'"a"\n', b""))
    data = before + line * n + line.replace(b"a", b"b" + bad) + line * n + after
    assert said(kind, data).startswith("not UTF-8")
    assert said(kind, data.replace(bad, b"")) == ""


@pytest.mark.parametrize(
    "data",
    [
        b'["' + b"a, " * 200_000 + b'", "' + b'\\", ' * 100_000 + b'"]',
        b'[{"a": "' + b"x" * 500 + b'\\\\"}' + b', {"b": ["]", "{", "\\\\\\""]}' * 30_000 + b"]",
        b'{"k": {' + b", ".join(b'"%d": [[[%d]], {}, "\xc3\xbc"]' % (n, n) for n in range(40_000)) + b"}}",
        b"[" + b"NaN, " * 1000 + b"1, " * 300_000 + b"-Infinity]",
        b"[" * 490 + b"1, " * 300_000 + b"[[1]]" + b"]" * 490,
        b" " * 600_000 + b"[1]" + b" " * 600_000,
        b'{"a": 1' + b" " * 300_000 + b', "b": ' + b" " * 300_000 + b"2}",
    ],
    ids=lambda x: repr(x)[:30],
)
def test_large_json_of_every_kind_opens(engine, data):
    assert said("json", data) == ""
    assert carefully("json", data) == ""


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 490 + b"1, " * 300_000 + b"[" * 11 + b"]" * 11 + b"]" * 490,
        b'[{"a": [' + b"1, " * 200_000 + b"}]]",
        b"[" + b"1, " * 200_000 + b"01, " + b"1, " * 200_000 + b"1]",
        b"[" + b"1, " * 200_000 + b"]",
        b"[" + b"1, " * 200_000 + b"1]]",
        b"[" + b"1, " * 200_000 + b"1], 2",
        b"[" + b'"\xff", ' * 60_000 + b"1]",
        b'{"a": 1, ' + b'"b": 2, ' * 60_000 + b"3}",
    ],
    ids=lambda x: repr(x)[-30:],
)
def test_large_json_is_refused_in_the_same_words_either_way(engine, data):
    assert said("json", data) == carefully("json", data) != ""


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_table_that_was_cut_off_within_a_row_is_found_wherever_that_was(small_blocks, delimiter, end):
    rows = [["name", "n", "of"], ["ab", '"cd"', ""], ['""', "12", "345"]]
    whole = "".join(delimiter.join(row) + end for row in rows * 3)
    for n in range(len(f"name{delimiter}n{delimiter}of{end}"), len(whole)):
        cut = whole[:n]
        last = next(csv.reader([cut[cut.rfind("\n") + 1 :]], delimiter=delimiter), [])
        sound = len(last) in (0, 3) and cut.count('"') % 2 == 0
        for kind in {"csv", "tsv" if delimiter == "\t" else "csv"}:
            assert (said(kind, cut.encode()) == "") == sound, (kind, cut)


@pytest.mark.parametrize("delimiter", ",;\t|")
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_of_a_table_with_plain_quotes_only_the_first_line_is_taken_apart(monkeypatch, delimiter, end):
    taken_apart = []

    def rows(lines, delimiter):
        taken_apart.append(lines)
        return csv_rows(lines, delimiter)

    monkeypatch.setattr(tables, "csv_rows", rows)
    tables._readings.cache_clear()
    row = delimiter.join(['"2026"', "1.5", '""', '"ä b"']) + end
    check_text("csv", io.BytesIO((row * 20_000).removesuffix(end).encode()))
    assert {lines.getvalue() for lines in taken_apart} == {row}
    assert len(taken_apart) <= 4  # by each delimiter that it may have
    taken_apart.clear()
    check_text("csv", io.BytesIO((row * 3).encode()))
    assert taken_apart == []  # the next file begins alike


def test_small_tables_and_the_first_megabytes_of_quotes_load_no_numpy(monkeypatch):
    monkeypatch.delitem(sys.modules, "numpy", raising=False)
    monkeypatch.setattr(tables, "_rows_by_arrays", lambda: "arrays")
    arrays, block = tables._Arrays(), b'"a"\n' * 65_536
    assert arrays.worth(b'"a"\n') is None
    n = tables._WORTH // len(block)
    assert {arrays.worth(block) for _ in range(n)} == {None}
    assert arrays.worth(block) == "arrays"
    assert arrays.worth(b"a\n" * 65_536) is None


def test_most_files_never_need_the_careful_way(monkeypatch, engine):
    def never(*_):
        raise AssertionError("the careful way")

    monkeypatch.setattr(json_text, "_loads", never)
    monkeypatch.setattr(_JsonWalk, "feed", never)
    monkeypatch.setattr(tables._Rest, "lines", never)
    row = ["2026", 'he said "no"\nand went, in the rain', "1,5"]
    rows = [["time", "a remark, quoted", "värde"], *([row] * 30_000)]
    for dialect, kind in (("excel", "csv"), ("excel-tab", "tsv"), ("unix", "csv")):
        text = io.StringIO(newline="")
        csv.writer(text, dialect).writerows([[c.replace('"', "")] * 3 for r in rows for c in r[:1]])
        check_text(kind, io.BytesIO(text.getvalue().encode()))
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    check_text("csv", io.BytesIO(text.getvalue().encode()))
    values = [{"n": n, "deep": [{"er": ["ü", None, 1.5e-3]}], "text": 'a "b", \\ [c'} for n in range(20_000)]
    for indent in (None, 2):
        check_text("json", io.BytesIO(json.dumps(values, indent=indent).encode()))
    check_text("json", io.BytesIO(json.dumps({"type": "all", "features": values}).encode()))
    check_text("jsonl", io.BytesIO("".join(json.dumps(value) + "\n" for value in values).encode()))


def test_whoever_judges_reads_indexes_and_quotes_with_long_fields_too():
    told = "import csv, upload_client.validator.expected; print(csv.field_size_limit())"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert int(done.stdout) == MAX_TEXT


def test_a_field_is_bounded_whatever_other_libraries_say_of_fields():
    before = csv.field_size_limit(2**31 - 1)
    try:
        with pytest.raises(Unreadable, match="field larger than field limit"):
            check_text("csv", io.BytesIO(b'a,b\n1,"' + b"x\n" * MAX_TEXT))
    finally:
        csv.field_size_limit(before)
