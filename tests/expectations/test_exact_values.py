"""Values are judged as what they are, and not as what another type makes of them."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.expectations.findings import Findings, Undecided
from upload_client.expectations.infer import infer
from upload_client.expectations.model import Column
from upload_client.expectations.values import UNROUNDED, ValueJudge

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
fits = pytest.importorskip("astropy.io.fits")
arrow_arrays = pytest.importorskip("upload_client.expectations.formats.arrow_arrays")
text_values = pytest.importorskip("upload_client.expectations.formats.text_values")

THIS_CENTURY = {"min": dt.date(1900, 1, 1), "max": dt.date(2100, 1, 1)}


def parquet(array) -> bytes:
    made = io.BytesIO()
    pq.write_table(pa.table({"x": array}), made)
    return made.getvalue()


def of_parquet(rule: dict) -> dict:
    return {"format": "parquet", "columns": [{"name": "x", **rule}]}


def of_csv(rule: dict) -> dict:
    return {"format": "csv", "columns": [{"name": "x", **rule}, {"name": "y", "required": False}]}


def npy(array) -> bytes:
    made = io.BytesIO()
    np.save(made, array)
    return made.getvalue()


days = pa.array([2**30], pa.int32()).cast(pa.date32())


@pytest.mark.parametrize(
    ("array", "rule"),
    [
        (pa.array([1, 2, 3], pa.timestamp("ns")), {"unique": True}),
        (pa.array([1, 2, 3], pa.time64("ns")), {"unique": True, "nulls": False}),
        (pa.array([10**30 + 1, 10**30 + 2], pa.decimal128(38, 0)), {"unique": True}),
        (pa.array([Decimal("0.10"), None], pa.decimal128(38, 2)), {"values": [0.1], "max": 0.1}),
        (pa.array([0.1, 0.2], pa.float32()), {"values": [0.1, 0.2]}),
        (pa.array(np.array([0.1, 0.2], "f2")), {"values": [0.1, 0.2]}),
        (pa.array([2**60 + 1]), {"values": [2**60 + 1, 0.5, 2**63 - 1]}),
        (pa.array([0], pa.timestamp("us")), {"values": ["1970-01-01"]}),
        (pa.array([0], pa.date32()), {"values": [dt.date(1970, 1, 1)]}),
        (pa.array([1], pa.timestamp("ns")), {"min": dt.date(1, 1, 1), "max": dt.date(9999, 1, 1)}),
        (pa.array([[10**14]], pa.list_(pa.timestamp("s"))), {"nulls": False}),
        (pa.array([[1]], pa.list_(pa.time64("ns"))), {"nulls": False}),
        (pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64())), {"nulls": False}),
        (pa.array([b"0" * 16], pa.uuid()), {"nulls": False}),
    ],
    ids=str,
)
def test_what_is_in_order_in_parquet_is_not_refused(judge, array, rule):
    assert judge(of_parquet(rule), parquet(array)) == ""


@pytest.mark.parametrize(
    ("array", "rule", "says"),
    [
        (days, THIS_CENTURY, "2941775-04-07 in row 1 is above"),
        (pa.array([2**63 // 500_000], pa.timestamp("s")), THIS_CENTURY, "in row 1 is above"),
        (pa.array([-(2**63) // 500], pa.timestamp("ms")), THIS_CENTURY, "in row 1 is below"),
        (pa.array([-1], pa.timestamp("ns")), {"min": dt.date(1970, 1, 1)}, "59.999999999 in row 1 is below"),
        (pa.array([5, 5], pa.timestamp("ns")), {"unique": True}, "in row 2 is in row 1 already"),
        (pa.array([5, 5], pa.time64("ns")), {"unique": True}, "in row 2 is in row 1 already"),
        (pa.array([5, None], pa.time64("ns")), {"nulls": False}, "a value in row 2 is missing"),
        (pa.array([Decimal("1e-20") + 100], pa.decimal128(38, 20)), {"max": 100}, "in row 1 is above 100"),
        (pa.array([2**53 + 1]), {"values": [2**53, 0.5]}, "9007199254740993 in row 1 is none of"),
        (pa.array([0.3], pa.float32()), {"values": [0.1, 0.2]}, "in row 1 is none of"),
        (pa.array([[0], [None]], pa.list_(pa.time64("ns"))), {"nulls": False}, "missing in row 2"),
        (pa.array([[("a", 1)], [("b", None)]], pa.map_(pa.string(), pa.int8())), {"nulls": False}, "row 2"),
        (pa.array([[[1]], [[2, None]]]), {"nulls": False}, "missing in row 2"),
        (pa.array([{"a": 1}, {"a": None}, None]), {"nulls": False}, "missing in row 2"),
    ],
    ids=str,
)
def test_what_is_not_in_order_in_parquet_is_told(judge, array, rule, says):
    assert says in judge(of_parquet(rule), parquet(array))


@pytest.mark.parametrize(
    ("array", "rule", "says"),
    [
        (np.array([0.1], "f4"), {"values": [0.1]}, ""),
        (np.array([0.1], ">f4"), {"values": [0.1]}, ""),
        (np.array([1], "i1"), {"values": [1, 300]}, ""),
        (np.array(["2020-01-01"], "M8[D]"), THIS_CENTURY, ""),
        (np.array(["2020-01-01", "NaT"], "M8[ns]"), THIS_CENTURY, ""),
        (np.array([2**40], "M8[Y]"), THIS_CENTURY, "is above"),
        (np.array([-(2**40)], "M8[M]"), THIS_CENTURY, "is below"),
    ],
    ids=str,
)
def test_values_of_numpy(judge, array, rule, says):
    said = judge({"format": "npy", **rule}, npy(array))
    assert said == says == "" or (says and says in said)


def test_pixels_of_32_bits_are_held_against_the_values_of_a_document(judge):
    made = io.BytesIO()
    fits.PrimaryHDU(np.array([0.1], "f4")).writeto(made)
    rules = {"format": "fits", "hdus": [{"name": "PRIMARY", "values": [0.1]}]}
    assert judge(rules, made.getvalue()) == ""
    assert "is none of" in judge(
        {"format": "fits", "hdus": [{"name": "PRIMARY", "values": [0.2]}]}, made.getvalue()
    )


@pytest.mark.parametrize(
    ("texts", "rule"),
    [
        (["10:00", "10:00:00", "23:59:59.123456789"], {"type": "time", "unique": True}),
        (["10:00:00"], {"type": "time", "values": ["10:00:00"]}),
        (["P1D", "PT2H30M", "-P1Y2M3DT4H5M6.7S", "P2W"], {"type": "duration"}),
        (["0.12345678901234567890", "0.12345678901234567891"], {"type": "decimal", "unique": True}),
        (["9007199254740993", "9007199254740992"], {"type": "number", "unique": True}),
        (["12345678901234567890123", "12345678901234567890124"], {"type": "integer", "unique": True}),
        (["0.1"], {"type": "float32", "values": [0.1]}),
        (["0.1", "nan", "-inf"], {"type": "float16"}),
        (["2020-01-01"], {"type": "date", "values": ["2020-01-01"]}),
        (["2020-01-01T00:00:00.123456789"], {"type": "timestamp"}),
        (["2020-01-01T00:00:00Z", "2020-01-01T00:00:00", "2020-01-01"], {"type": "timestamp"}),
        (["9999-01-01T00:00:00+02:00", "0001-01-02 00:00:00"], {"type": "timestamp", "nulls": False}),
    ],
    ids=str,
)
def test_what_is_in_order_in_csv_is_not_refused(judge, texts, rule):
    rows = "".join(f"{text},0\n" for text in texts)
    assert judge(of_csv(rule), f"x,y\n{rows}".encode()) == ""


@pytest.mark.parametrize(
    ("texts", "rule", "says"),
    [
        (["10:00", "noon"], {"type": "time"}, "'noon' in row 2 is no time"),
        (["25:00"], {"type": "time"}, "'25:00' in row 1 is no time"),
        (["10:00", ""], {"type": "time", "nulls": False}, "a value in row 2 is missing"),
        (["10:00", "10:00"], {"type": "time", "unique": True}, "in row 2 is in row 1 already"),
        (["10:00"], {"type": "time", "values": ["11:00"]}, "'10:00' in row 1 is none of '11:00'"),
        (["P1D", "1 day"], {"type": "duration"}, "'1 day' in row 2 is no duration"),
        (["P", "PT"], {"type": "duration"}, "'P' in row 1 is no duration"),
        (["0.1", "a"], {"type": "float16"}, "'a' in row 2 is no float16"),
        (["", "1"], {"type": "null"}, "'1' in row 2 is no null"),
        (["1.5"], {"type": "integer"}, "'1.5' in row 1 is no integer"),
        (["1e30", "1000000000000000000000000000000"], {"type": "number", "unique": True}, "already"),
        (["100.00000000000000000001"], {"type": "number", "max": 100}, "in row 1 is above 100"),
        (
            ["2020-01-01T00:00:00Z", "yesterday"],
            {"type": "timestamp"},
            "'yesterday' in row 2 is no timestamp",
        ),
        (
            ["2020-01-01T00:00:00+02:00", "2020-01-01"],
            {"type": "timestamp", "min": dt.date(2020, 1, 1)},
            "2019-12-31 22:00:00 in row 1 is below",
        ),
    ],
    ids=str,
)
def test_what_is_not_in_order_in_csv_is_told(judge, texts, rule, says):
    rows = "".join(f"{text},0\n" for text in texts)
    assert says in judge(of_csv(rule), f"x,y\n{rows}".encode())


FILLER = "." * 2000  # so that 2,500 rows are more than is read at once
NUMBERS = [str(100_000 + n) for n in range(2500)]
MOMENTS = [f"2020-01-01T00:00:00.{n:06}" for n in range(2500)]


@pytest.mark.parametrize(
    ("kind", "first", "between", "last", "says"),
    [
        ("integer", ["9007199254740992", "9007199254740993"], NUMBERS, [str(2**63 + 5)], ""),
        ("integer", ["5"], NUMBERS, [str(2**63 + 5), "5"], "in row 2,503 is in row 1 already"),
        ("integer", ["5"], NUMBERS, [str(10**30), "5"], "in row 2,503 is in row 1 already"),
        ("number", ["5"], NUMBERS, ["nan", "inf", "5.0"], "in row 2,504 is in row 1 already"),
        ("number", ["5", "inf"], NUMBERS, ["nan", "6", "nan"], ""),
        ("timestamp", ["1500-01-01"], MOMENTS, ["2021-01-01T00:00:00.000000001"], ""),
        (
            "timestamp",
            ["1500-01-01", "2021-01-01"],
            MOMENTS,
            ["2021-01-01T00:00:00", "2021-01-01T00:00:00.000000001"],
            "in row 2,503 is in row 2 already",
        ),
    ],
    ids=[*"abcdefg"],
)
def test_values_are_unique_or_not_over_all_of_a_table_whatever_its_parts_are_read_as(
    judge, kind, first, between, last, says
):
    rows = "".join(f"{text},{FILLER}\n" for text in (*first, *between, *last))
    said = judge(of_csv({"type": kind, "unique": True}), f"x,y\n{rows}".encode())
    assert says in said if says else said == ""


@given(st.lists(st.lists(st.sampled_from([0, 1, 2**53, 2**53 + 1, 2**63, 2**64 - 1, -1]), max_size=3)))
def test_pieces_of_several_types_hold_a_value_twice_where_their_numbers_do(pieces):
    judge = ValueJudge(Column(name="x", unique=True), "x", unique=True)
    first = 0
    for piece in pieces:
        dtype = next(one for one in ("i1", "i8", "u8", "O") if one == "O" or _fit(piece, one))
        values = np.array([Decimal(n) for n in piece] if dtype == "O" else piece, dtype)
        judge.feed(values, None, first)
        first += len(piece)
    findings = Findings()
    judge.close(findings)
    flat = [n for piece in pieces for n in piece]
    assert bool(findings.n) == (len(set(flat)) < len(flat))


def _fit(piece: list[int], dtype: str) -> bool:
    limits = np.iinfo(dtype)
    return all(limits.min <= n <= limits.max for n in piece)


@given(
    st.lists(
        st.sampled_from(["0.1", "0.10000000000000000001", "0.09999999999999999999", "9", "nan"]), min_size=1
    ),
    st.sampled_from([{"max": 0.1}, {"min": 0.1}, {"above": 0.1}, {"below": 0.1}, {"values": [0.1]}]),
)
def test_long_numbers_in_csv_are_held_against_limits_by_all_of_their_digits(texts, rule):
    from upload_client.expectations.content import judge as judge_content
    from upload_client.expectations.model import Csv

    data = "".join(["x,y\n", *(f"{text},0\n" for text in texts)]).encode()
    rules = Csv.model_validate(of_csv({"type": "number", **rule}))
    said = str(judge_content(rules, io.BytesIO(data), len(data), max_unpacked=10**8))
    limit = Decimal("0.1")
    wrong = {
        "max": lambda n: n > limit,
        "min": lambda n: n < limit,
        "above": lambda n: n <= limit,
        "below": lambda n: n >= limit,
        "values": lambda n: n != limit,
    }[next(iter(rule))]
    assert bool(said) == any(wrong(Decimal(text)) for text in texts if text != "nan")


def test_minus_nothing_is_nothing_also_as_a_decimal(judge):
    said = judge(of_csv({"type": "number", "unique": True}), b"x,y\n0,0\n-0.0,0\n")
    assert "in row 2 is in row 1 already" in said


@pytest.mark.parametrize(
    ("array", "rule", "says"),
    [
        (np.array([np.inf], "f2"), {"max": 100_000}, "inf in row 1 is above 100000"),
        (np.array([np.inf], "f4"), {"max": 1e300}, "inf in row 1 is above 1e+300"),
        (np.array([0], "f4"), {"min": 1e-300}, "0.0 in row 1 is below 1e-300"),
        (np.array([65504], "f2"), {"max": 100_000, "min": -100_000}, ""),
        (np.array([0.1], "f4"), {"max": 0.1, "min": 0.1}, ""),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("error")
def test_a_limit_that_values_of_16_or_32_bits_cannot_be_is_not_rounded_to_one(judge, array, rule, says):
    said = judge(of_parquet(rule), parquet(pa.array(array)))
    assert says in said if says else said == ""


def test_yes_and_no_among_the_values_of_decimals_are_numbers(judge):
    array = pa.array([Decimal(1)], pa.decimal128(38, 2))
    assert judge(of_parquet({"values": [True, "a"]}), parquet(array)) == ""


@pytest.mark.parametrize("rule", [{"min": 0}, {"unique": True}, {"values": [1]}])
def test_what_fails_in_our_own_judging_is_no_fault_of_the_file(judge, monkeypatch, rule):
    def fail(*_args, **_named):
        raise TypeError("no such function")

    for name in ("_comparable", "_allowed", "_shown"):
        monkeypatch.setattr(f"upload_client.expectations.values.{name}", fail)
    with pytest.raises(Undecided, match="column 'x': its values cannot be judged here: TypeError"):
        judge(of_parquet(rule), parquet(pa.array([1, 1])))


def test_of_a_type_that_no_text_can_be_a_column_of_csv_is_not_judged(judge):
    with pytest.raises(Undecided, match="column 'x': whether a text is a complex64 cannot be judged"):
        judge(of_csv({"type": "complex64"}), b"x,y\n1,2\n")


@given(st.lists(st.integers(-(2**63) + 1, 2**63 - 1), min_size=1), st.sampled_from(["ms", "us", "ns"]))
def test_moments_of_any_unit_are_in_a_range_where_their_numbers_are(numbers, unit):
    from upload_client.expectations.content import judge as judge_content
    from upload_client.expectations.model import Parquet

    second = {"ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    low, high = (int(dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp()) * second for year in (1900, 2100))
    data = parquet(pa.array(numbers, pa.timestamp(unit)))
    rules = Parquet.model_validate(of_parquet(THIS_CENTURY))
    said = str(judge_content(rules, io.BytesIO(data), len(data), max_unpacked=10**8))
    assert ("is below" in said) == any(number < low for number in numbers)
    assert ("is above" in said) == any(number > high for number in numbers)


def test_a_draft_is_made_of_times_in_nanoseconds_and_of_far_days(tmp_path):
    table = pa.table({"t": pa.array([1], pa.time64("ns")), "d": days, "m": pa.array([1], pa.timestamp("ns"))})
    pq.write_table(table, tmp_path / "a.parquet")
    draft = infer(tmp_path, [("a.parquet", (tmp_path / "a.parquet").stat().st_size)])
    assert "{name: t, type: time, nulls: false}" in draft
    assert "{name: d, type: date, nulls: false}" in draft


LONG = "12345678901234567890"
NUMBERS = st.one_of(  # few of them, so that many are one floating-point number, and some one number
    st.tuples(
        st.sampled_from(["", "-"]),
        st.sampled_from([f"0.{LONG}", LONG, f"{LONG}.", f"{LONG * 4}.", "1", "10", "0", "0.0", "00.5"]),
        st.text("01", max_size=2),
        st.sampled_from(["", "", "e0", "E5", "e-5", "e+400", "e401", "e-400", "e-401"]),
    ).map("".join),
    st.floats(allow_nan=False).map(repr),
)


def _same_number(text: str) -> str:
    number = Decimal(text)
    return str(number.normalize(UNROUNDED)) if number else "0"


def _is_unique(texts: list[str]) -> tuple[bool, str]:
    """Whether a column of these texts is, five rows at a time; and what is said."""
    judge, column = (
        ValueJudge(Column(name="x", unique=True), "x", unique=True),
        Column(name="x", type="number"),
    )
    for first in range(0, len(texts), 5):
        piece = pa.array(texts[first : first + 5])
        numbers = text_values._read(piece, "number")
        keys = text_values._keys_of_texts(piece, arrow_arrays.as_numpy(numbers)[0])
        judge.feed(*text_values._exactly(piece, numbers, column), first, keys)
    findings = Findings()
    judge.close(findings)
    return not findings.n, str(findings)


@given(st.lists(NUMBERS, min_size=1, max_size=12))
def test_texts_of_numbers_are_unique_where_the_numbers_are(texts):
    """However they are spelled, in whatever piece, and whatever floating-point number they would become."""
    texts = [text for text in texts if text_values._read(pa.array([text]), "number") is not None]
    for some in (texts, list({_same_number(text): text for text in texts}.values())):
        n_twice = len(some) - len({_same_number(text) for text in some})
        is_unique, said = _is_unique(some)
        assert is_unique == (n_twice == 0)
        assert f"({n_twice:,} such values)" in said or n_twice < 2


@pytest.mark.parametrize(
    ("texts", "is_unique"),
    [
        (["0.1", "0.10000000000000001"], True),
        ([f"{LONG}1", f"{LONG}2"], True),
        ([f"0.{LONG * 4}1", f"0.{LONG * 4}2"], True),
        ([f"0.{LONG[:18]}{'1' * 18}{'2' * 18}", f"0.{LONG[:18]}{'2' * 18}{'1' * 18}"], True),
        (["1e400", "1e401"], True),
        (["1e-400", "1e-401"], True),
        (["1e-400", "0"], True),
        (["0", "-0.0"], False),
        (["1e2", "100"], False),
        (["0.50", "0.5"], False),
        ([f"{LONG}1e1", f"{LONG}10.0"], False),
        ([f"{LONG * 5}", f"{LONG * 5}.0"], False),
        (["inf", "Infinity"], False),
        (["inf", "-inf", "1e999"], True),
        (["nan", "nan", "1"], True),
    ],
)
def test_two_numbers_that_are_nearly_one_are_two_and_two_spellings_of_one_are_one(texts, is_unique):
    for some in (texts, [texts[0], *map(str, range(20, 26)), *texts[1:]]):
        readable = [one for one in some if text_values._read(pa.array([one]), "number") is not None]
        assert len(readable) == len(some), "this version of Arrow reads others"
        assert _is_unique(some)[0] is is_unique


@pytest.mark.parametrize("width", [32, 64, 128, 256])
def test_decimals_of_each_width_are_unique_where_they_are(judge, width):
    arrow = {32: "decimal32", 64: "decimal64", 128: "decimal128", 256: "decimal256"}[width]
    if not hasattr(pa, arrow):
        pytest.skip("this pyarrow has none of this width")
    kind = getattr(pa, arrow)({32: 9, 64: 18, 128: 38, 256: 76}[width], 2)
    values = [Decimal(n).scaleb(-2) for n in (*range(300), 256 * 7, -1)]
    for some, twice in ((values, ""), ([*values, None, None], ""), ([*values, values[17]], "row 18 already")):
        for more in ({}, {"min": -5}):
            data = parquet(pa.chunked_array([pa.array(some[:9], kind), pa.array(some[9:], kind)]))
            found = judge(of_parquet({"unique": True, **more}), data)
            assert (twice in found) if twice else (found == "")


def test_what_cannot_be_made_values_here_is_no_fault_of_the_file(judge, monkeypatch):
    def fails(*_, **__):
        raise pa.ArrowInvalid("not in this version")

    monkeypatch.setattr(arrow_arrays, "_numbers", fails)
    for content, data in (
        (of_parquet({"min": 0}), parquet(pa.array([1, 2]))),
        (of_csv({"min": 0}), b"x\n1\n2\n"),
        (of_parquet({"nulls": False}), parquet(pa.array([[1], [2]]))),
    ):
        with pytest.raises(Undecided, match="cannot be judged here"):
            judge(content, data)


def test_values_come_to_numpy_as_arrow_itself_would_have_it():
    """But for moments beyond what nanoseconds reach, and without pandas."""
    made = {
        "numbers": pa.array([1, None, 3], pa.int16()),
        "floats": pa.array([1.5, None], pa.float32()),
        "halves": pa.array(np.array([1.5, 2], "f2")),
        "booleans": pa.array([True, None, False] * 9),
        "texts": pa.array(["a", None, "ü"]),
        "bytes": pa.array([b"a", None], pa.large_binary()),
        "nothing": pa.nulls(3),
        "spans": pa.array([1, None], pa.duration("ms")),
        "words": pa.array(["a", "b", "a"]).dictionary_encode(),
        "fixed": pa.array([b"ab", None], pa.binary(2)),
        "none": pa.array([], pa.int64()),
    }
    for name, array in made.items():
        for some in (array, array.slice(1)):
            values, missing = arrow_arrays.as_numpy(some)
            plain = some.dictionary_decode() if name == "words" else some
            there = np.array([one.is_valid for one in plain], bool)
            theirs = plain.to_numpy(zero_copy_only=False)
            assert (missing is None) == bool(there.all()), name
            assert missing is None or (~missing == there).all(), name
            assert values[there].tolist() == theirs[there].tolist(), name
            assert len(values) == len(some), name
