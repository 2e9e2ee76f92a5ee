"""Text files open as what they say, in bounded memory, whatever is in them."""

import csv
import io
import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.validator.content import MAX_NESTING, MAX_TEXT, Unreadable, _JsonWalk, check_text

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
        (b"a,b\n1,2\n1,2,3\n", r"line 3: 3 fields, where the first row has 2"),
        (b"a,b\n1\n", "line 2: 1 fields"),
        (b'a,b\n1,"2\n', "unexpected end of data"),
        (b'a,b\n1,"2"x\n', "line 2"),
        (b"a,b\n1,\x00\n", "NUL"),
        (b"a,b\n1,\xff\n", "not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "NUL"),
        (b"a,b\n" + b"x" * (MAX_TEXT + 300_000), "a line of more than"),
        (b'a,b\n1,"' + b"x\n" * MAX_TEXT, "field larger than field limit"),
    ],
    "tsv": [(b"a\tb\n1\t2\t3\n", "3 fields"), (b'a\tb\n"1\t2\t3\n4\n', "unexpected end"), (b"\x00", "NUL")],
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
        (b'"' + b"x" * (MAX_TEXT + 600_000) + b'"', "more than"),
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
    with pytest.raises(Unreadable):
        check_text(kind, io.BufferedReader(endless))
    assert endless.n < 6 * MAX_TEXT


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
