"""The document is understood, or refused with the line and the key."""

from __future__ import annotations

import contextlib
import datetime as dt
import pickle
import time
from itertools import count

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from upload_client.errors import UsageError
from upload_client.expectations import document
from upload_client.expectations.document import MAX_BYTES, InvalidExpectations, load, load_file
from upload_client.expectations.findings import Findings, shown
from upload_client.expectations.formats.scalars import check_scalar
from upload_client.expectations.model import Expectations, Values, parse_tree_path

WHOLE = """
version: 1
delivery:
  files: {min: 2, max: 100}
  bytes: {max: 2 GB}
  required: manifest.json
  forbidden: ["*.tmp"]
  others: allow
types:
  - name: tables
    files: ["*.csv", "x/*.tsv"]
    count: {min: 1}
    bytes: {min: 1, max: 64 MiB}
    total_bytes: {max: 1 GB}
    content:
      format: csv
      delimiter: ";"
      missing: ["", NA]
      compression: gzip
      rows: {min: 1}
      order: true
      others: allow
      columns:
        - {name: id, type: int64, nulls: false, unique: true, min: 0, max: 10}
        - {name: when, type: timestamp, min: 2020-01-01, max: 2030-01-01T00:00:00Z}
        - {name: flag, type: string, values: [a, b], pattern: "[ab]", required: false}
  - name: pictures
    files: "*.fits"
    content:
      format: fits
      others: refuse
      hdus:
        - name: PRIMARY
          type: image
          header: [{card: EXPTIME, type: number, min: 0}, {card: TELESCOP, values: [VLT]}]
          dtype: float32
          shape: [null, 10]
          nulls: false
        - name: 1
          required: false
          columns: [{name: x, type: float64, unit: m, shape: [3]}]
  - name: trees
    files: "*.asdf"
    content: {format: asdf, tree: [{path: "a[0].c[name=x]", type: array, shape: [null], max: 5}]}
  - name: json
    files: "*.json"
    content: {format: json, schema: {type: object, properties: {a: {type: integer}}}}
  - name: images
    files: "*.png"
    content: {format: image, formats: [PNG], width: {max: 10}, modes: [RGB]}
  - name: arrays
    files: "*.npz"
    content: {format: npz, arrays: [{name: x, dtype: float64, shape: [2]}]}
  - name: own
    files: "*.mseed"
    content: {format: custom, check: seismogram, options: {channels: 3}}
  - name: rest
    files: "rest/"
    content: {format: opaque}
"""


def says(text: str) -> str:
    with pytest.raises(InvalidExpectations) as caught:
        load(text.encode(), "agreed.yaml")
    return str(caught.value)


def test_a_document_with_all_there_is_is_the_same_after_it_was_written():
    expectations = load(WHOLE.encode(), "agreed.yaml")
    assert expectations.types[0].bytes.max == 64 * 1024**2
    assert expectations.types[0].files == ("*.csv", "x/*.tsv")
    assert expectations.types[1].content.hdus[0].shape == (None, 10)


names = st.text(min_size=1, max_size=8)
bounds = st.tuples(st.none() | st.integers(0, 10**9), st.none() | st.integers(10**9, 10**12)).map(
    lambda limits: {
        key: limit for key, limit in zip(("min", "max"), limits, strict=True) if limit is not None
    }
)
integers = st.integers(-(2**63), 2**64 - 1)
plain = st.one_of(names, integers, st.floats(allow_nan=False, allow_infinity=False), st.booleans())
scalars = plain | st.dates() | st.datetimes()
columns = st.fixed_dictionaries(
    {"name": names},
    optional={
        "type": st.sampled_from(["int32", "string", "timestamp[us, tz=UTC]", "any"]),
        "required": st.booleans(),
        "nulls": st.booleans(),
        "unique": st.booleans(),
        "min": integers | st.floats(allow_nan=False) | st.dates(),
        "values": st.lists(scalars, min_size=1, max_size=3),
        "pattern": st.sampled_from(["a+", "[0-9]{3}", ".*\n"]),
    },
)
contents = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {
            "format": st.just("csv"),
            "columns": st.lists(columns, max_size=3, unique_by=lambda one: one["name"]),
        },
        optional={
            "rows": bounds,
            "missing": st.lists(names, max_size=2),
            "others": st.sampled_from(["allow"]),
        },
    ),
    st.fixed_dictionaries(
        {
            "format": st.just("json"),
            "schema": st.fixed_dictionaries({}, optional={"enum": st.lists(plain, min_size=1, max_size=2)}),
        }
    ),
)
documents = st.fixed_dictionaries(
    {
        "version": st.just(1),
        "delivery": st.fixed_dictionaries({}, optional={"files": bounds, "bytes": bounds}),
        "types": st.lists(
            st.fixed_dictionaries(
                {"name": names, "files": st.just(["*.csv"]), "content": contents}, optional={"count": bounds}
            ),
            max_size=2,
            unique_by=lambda one: one["name"],
        ),
    }
)


@settings(max_examples=40)
@given(documents)
def test_every_document_says_what_was_written(data):
    expectations = Expectations.model_validate(data)
    assert load(yaml.safe_dump(data).encode(), "x") == expectations
    assert pickle.loads(pickle.dumps(expectations)) == expectations  # as it comes to the reader


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        ("- 1", "it is no mapping"),
        ("version: 2", "line 1, version: should be 1 (it is '2')"),
        ("types: []", "'version' is missing"),
        ("version: 1\nversion: 1", "line 2: the key 'version' stands there twice"),
        ("version: 1\n1: x", "line 2: the key '1' is no text"),
        (
            "version: 1\ndelivery:\n  requierd: [a]",
            "line 3, delivery.requierd: there is no such key here; did you",
        ),
        ("version: 1\ndelivery: {bytes: {max: 3 foo}}", "could not interpret byte unit: foo"),
        (
            "version: 1\ndelivery: {files: {min: 3, max: 2}}",
            "line 2, delivery.files: min (3) is above max (2)",
        ),
        ("version: 1\ntypes: [{name: a, files: /x}]", "the glob '/x' begins with '/'"),
        ("version: 1\ntypes: [{name: a, files: x, content: {}}]", "types[0].content: 'format' is missing"),
        (
            "version: 1\ntypes: [{name: a, files: x, content: {format: doc}}]",
            "there is no format 'doc'; there are csv",
        ),
        ("version: 1\ntypes: [{name: a, files: x}, {name: a, files: y}]", "two types are called 'a'"),
        ("version: 1\na: [", "it is no YAML"),
        ("version: 1\na: 2020-13-40", "line 2: '2020-13-40': month must be in 1..12"),
        (
            "version: 1\na: !!python/object/apply:os.system [x]",
            "python/object/apply:os.system' means nothing here",
        ),
        ("version: 1\na: !!python/object:os.x y", "could not determine a constructor for the tag"),
        ("version: 1\n\0", "it is no YAML"),
        ("x: " + "[" * 5000, "nested deeper than 40"),
        ("x: " + "[" * 60 + "]" * 60, "nested deeper than 40"),
        ("a: &a [*a]", "line 1"),
        ("x" * (MAX_BYTES + 1), "more than 262,144 bytes"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text, said):
    assert said in says(text)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{format: csv, columns: [{name: a, type: flaot}]}", "content.columns[0].type: 'flaot' is no type"),
        ("{format: csv, columns: [{name: a}, {name: a}]}", "the column 'a' stands there twice"),
        ("{format: csv, columns: [{name: a, min: 3, max: 2}]}", "min (3) is above max (2)"),
        ("{format: csv, columns: [{name: a, min: 3, max: 2020-01-01}]}", "min and max are not of one kind"),
        ('{format: csv, columns: [{name: a, pattern: "("}]}', "'(' is no regular expression"),
        (
            "{format: csv, columns: [{name: no}]}",
            "columns[0].name: should be a valid string (it is 'False')",
        ),
        ("{format: csv, columns: [{name: a, min: .nan}]}", "a limit is no number (NaN)"),
        (
            "{format: csv, columns: [{name: a, min: 0x1ffffffffffffffff}]}",
            "a whole number of more than 64 bits",
        ),
        ("{format: fits, hdus: [{name: A, dtype: int8, columns: [{name: x}]}]}", "do not go together"),
        ("{format: fits, hdus: [{name: A, type: table, shape: [1]}]}", "and this is a table"),
        ("{format: asdf, tree: [{path: a..b}]}", "'a..b' is no path in a tree"),
        ("{format: asdf, tree: [{path: .a}]}", "'.a' is no path in a tree"),
        ("{format: image, formats: [EPS]}", "content.formats[0]"),
        ("{format: json, schema: {type: objct}}", "is no JSON Schema"),
        ("{format: custom}", "'check' is missing"),
    ],
)
def test_what_is_wrong_with_rules_for_content_is_said_with_its_place(content, said):
    assert said in says(f"version: 1\ntypes:\n  - name: a\n    files: x\n    content: {content}")


def test_a_small_document_that_means_a_billion_things_is_refused():
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "it has more than 50,000 things" in says("\n".join(levels))


def many(head: str, one, tail: str = "", size: int = MAX_BYTES) -> str:
    """As many of `one(0)`, `one(1)`, … between head and tail as there is room for."""
    n = (size - len(head) - len(tail)) // len(one(10_000))
    return head + "".join(one(number) for number in range(n)) + tail


CSV = "version: 1\ntypes: [{name: a, files: x, content: {format: csv, columns: ["
SCHEMA = "version: 1\ntypes: [{name: a, files: x, content: {format: json, schema: "
DRAFT_7 = "$schema: 'http://json-schema.org/draft-07/schema#'"
COSTLY = {
    "hexadecimal": "version: 0x" + "f" * 4000,
    "decimal": "version: 1" + "0" * 200_000,
    "by sixties": "version: 1" + ":1" * 100_000,
    "by sixties with a point": "version: 1" + ":1" * 100_000 + ".5",
    "mistagged moment": "version: !!timestamp x",
    "mistagged word": "version: !!bool x",
    "mistagged number": "version: !!int ''",
    "before all moments": "version: 0001-01-01T00:00:00+14:00",
    "after all moments": "version: 9999-12-31T23:59:59-14:00",
    "size": f"version: 1\ndelivery: {{bytes: {{max: '{'9' * 200_000}'}}}}",
    "text by aliases": f"version: 1\na: &a {'x' * 100_000}\nb: [{'*a,' * 40_000}]",
    "unknown keys": many("version: 1\n", lambda n: f"k{n}: 1\n", size=100_000),
    "unknown long key": f"version: 1\n? {'a' * 200_000}\n: 1",
    "types": many("version: 1\ntypes:\n", lambda n: f"- {{name: t{n}, files: x}}\n", size=100_000),
    "columns": many(CSV, lambda n: f"{{name: c{n}}},", "]}}]", 100_000),
    "columns of one name": many(CSV, lambda _: "{name: c},", "]}}]", 100_000),
    "patterns": many(CSV, lambda n: f"{{name: c{n}, pattern: '(.{{0,333}}){{3}}'}},", "]}}]"),
    "globs": many("version: 1\ndelivery: {required: [", lambda n: f"'*{n}',", "]}"),
    "long glob": f"version: 1\ndelivery: {{required: '{'**/a*' * 20_000}'}}",
    "enum": many(f"{SCHEMA}{{enum: [", lambda n: f"{{a: {n}}},", "]}}}]", 75_000),
    "enum of old": many(f"{SCHEMA}{{{DRAFT_7}, enum: [", lambda n: f"{{a: {n}}},", "]}}}]", 75_000),
    "required": many(f"{SCHEMA}{{required: [", lambda n: f"a{n},", "]}}}]"),
    "wrong types": many(f"{SCHEMA}{{properties: {{", lambda n: f"c{n}: {{type: x}},", "}}}}]", 100_000),
    "references": many(
        f"{SCHEMA}{{$defs: {{", lambda n: f"d{n}: {{$ref: '#/$defs/d{n + 1}'}},", "}}}}]", 200_000
    ),
    "half a character": f'{SCHEMA}{{"\\ud800": 1}}}}}}]',
    "half a character in a pattern": f'{CSV}{{name: a, pattern: "\\ud800"}}]}}}}]',
    "list in list": "[" * 200_000,
    "anchors": many("version: 1\na: [", lambda n: f"&a{n} b,", "]"),
    "directives": many("", lambda n: f"%TAG !{n}! x:\n", "---\nversion: 1"),
    "long tag": f"version: !<{'x' * 200_000}> 1",
}


@pytest.mark.parametrize("text", COSTLY.values(), ids=COSTLY)
def test_a_document_of_any_kind_is_understood_or_refused_before_long(text):
    assert len(text.encode()) <= MAX_BYTES
    before = time.thread_time()
    with contextlib.suppress(InvalidExpectations):
        assert load(text.encode(), "agreed.yaml").rules is not None
    # Most of these took minutes, or raised something else. How busy the machine is does not count.
    assert time.thread_time() - before < 15


def test_a_document_that_takes_too_long_is_refused(monkeypatch):
    monkeypatch.setattr(document, "MAX_SECONDS", 0.0)
    assert "it takes longer than 0 seconds of computing to understand" in says(WHOLE)


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from(
            [*"[]{}:,&*!|>'\"%@`#-? \n01.eExXTZ_~<=", "a", "&a ", "*a", "!!int ", "0x", "\ud800", "é"]
        ),
        max_size=40,
    ).map("".join),
    st.sampled_from(
        [
            "{}",
            "version: 1\n{}",
            "version: 1\ndelivery: {}",
            f"{CSV.replace('{', '{{')}{{{{name: a, {{}}}}}}]}}}}}}}}]",
        ]
    ),
)
def test_whatever_is_wrong_it_is_the_document(text, around):
    with contextlib.suppress(InvalidExpectations):
        load(around.format(text).encode("utf-8", "surrogatepass"), "agreed.yaml")


@pytest.mark.parametrize("pattern", ["(?=a)b", "(?!a)b", "(?<=a)b", r"(a)\1", "(?P<x>a)(?P=x)", "(?>a)b"])
def test_a_pattern_that_needs_an_engine_that_backtracks_is_refused(pattern):
    said = "is no regular expression without look-around and back references"
    assert said in says(f"{CSV}{{name: a, pattern: '{pattern}'}}]}}}}]")
    assert "is no JSON Schema" in says(f"{SCHEMA}{{pattern: '{pattern}'}}}}}}]")
    assert "is no JSON Schema" in says(f"{SCHEMA}{{patternProperties: {{'{pattern}': {{}}}}}}}}}}]")


def test_many_problems_are_counted_and_the_first_are_told():
    text = "version: 1\n" + "".join(f"key{n}: 1\n" for n in range(100))
    assert says(text).startswith("100 problems in the expectations agreed.yaml\n  line 2, key0: ")
    assert says(text).endswith("and 80 more")
    assert len(says(text)) < 5000


def test_nothing_in_a_document_reaches_a_terminal_as_it_is():
    assert "\x1b" not in says('version: 1\n"\\x1b[31m": 1')


def test_a_file_that_is_not_there_is_said_to_be(tmp_path):
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        load_file(tmp_path / "none.yaml")


def test_a_path_in_a_tree_has_steps():
    assert parse_tree_path("a.b[0].c[name=x y].d") == ("a", "b", 0, "c", ("name", "x y"), "d")
    for wrong in ("a.", "a[", "a]", "a[x]", "a.[0]", "[0]a"):
        with pytest.raises(ValueError, match="is no path"):
            parse_tree_path(wrong)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-14:00"])
def test_a_moment_at_the_end_of_the_calendar_is_none_in_a_document_and_a_finding_in_a_file(moment):
    odd, limit = dt.datetime.fromisoformat(moment), dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    with pytest.raises(ValidationError, match="there is no moment"):
        Values(min=odd, max=limit)
    findings = Findings()
    check_scalar(findings, "DATE", moment, Values(min=limit), "any")
    assert "cannot be compared with" in str(findings)


def test_a_number_of_more_digits_than_are_written_out_is_shown_by_its_size():
    assert shown(16**5000) == "an integer of 20,001 bits"
    findings = Findings()
    check_scalar(findings, "N", 16**5000, Values(max=5, values=[1]), "any")
    assert "an integer of 20,001 bits" in str(findings)


def test_a_document_is_none_the_worse_for_a_busy_machine(monkeypatch):
    minutes = count(0, 60)
    monkeypatch.setattr("upload_client.support.yaml_document.time.monotonic", lambda: next(minutes))
    assert load(WHOLE.encode() if isinstance(WHOLE, str) else WHOLE, "agreed.yaml").types
