"""What is wrong with the content of a file is said with its place."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import pytest
import yaml

from upload_client.expectations import content as contents
from upload_client.expectations.document import load
from upload_client.expectations.findings import Findings, Undecided
from upload_client.expectations.model import Csv

np = pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
fits = io_fits = pytest.importorskip("astropy.io.fits")
asdf = io_asdf = pytest.importorskip("asdf")

ROOT = Path(__file__).parents[2]


def table(*columns: dict, **more) -> dict:
    return {"format": "csv", "columns": columns, **more}


CSV = b'id,flux,kind,when\n1,2.5,a,2024-01-02T03:04:05Z\n2,nan,"b",2024-01-03T00:00:00Z\n-3,,a,\n1,1e3,,\n'


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ({"name": "id", "type": "int32", "min": -3, "max": 2}, ""),
        ({"name": "id", "min": 0}, "column 'id': -3.0 in row 3 is below 0"),
        ({"name": "id", "type": "integer", "min": 0}, "column 'id': -3 in row 3 is below 0"),
        ({"name": "id", "type": "integer", "max": 1}, "column 'id': 2 in row 2 is above 1"),
        ({"name": "id", "type": "integer", "unique": True}, "column 'id': 1 in row 4 is in row 1 already"),
        ({"name": "id", "type": "uint8"}, "column 'id': '-3' in row 3 is no uint8"),
        ({"name": "id", "type": "integer", "values": [1, 2]}, "column 'id': -3 in row 3 is none of 1, 2"),
        ({"name": "flux", "type": "float64"}, ""),
        ({"name": "flux", "type": "integer"}, "column 'flux': '2.5' in row 1 is no integer"),
        (
            {"name": "flux", "type": "number", "nulls": False},
            "column 'flux': a value in row 2 is missing, where none may be (2 such values)",
        ),
        ({"name": "kind", "values": ["a"]}, "column 'kind': 'b' in row 2 is none of 'a'"),
        (
            {"name": "kind", "pattern": "[bc]"},
            "column 'kind': 'a' in row 1 does not match '[bc]' (2 such values)",
        ),
        ({"name": "kind", "unique": True}, "column 'kind': the value in row 3 is in row 1 already"),
        ({"name": "kind", "nulls": False}, "column 'kind': a value in row 4 is missing, where none may be"),
        ({"name": "when", "type": "timestamp", "min": "2024-01-02"}, ""),
        ({"name": "when", "type": "date"}, "column 'when': '2024-01-02T03:04:05Z' in row 1 is no date"),
        ({"name": "gone"}, "column 'gone': it is missing"),
        ({"name": "gone", "required": False}, ""),
    ],
)
def test_a_column_of_text(judge, column, says):
    if "min" in column and column["name"] == "when":
        column = column | {"min": yaml.safe_load(column["min"])}
    assert judge(table(column, others="allow"), CSV) == says


def test_moments_are_compared_as_moments(judge):
    column = {"name": "when", "type": "timestamp", "max": yaml.safe_load("2024-01-02T12:00:00+02:00")}
    said = judge(table(column, others="allow"), CSV)
    assert said == "column 'when': 2024-01-03 00:00:00 in row 2 is above 2024-01-02 12:00:00+02:00"


def test_columns_that_are_not_named_or_stand_elsewhere(judge):
    columns = [{"name": "kind"}, {"name": "id"}]
    assert judge(table(*columns), CSV) == (
        "column 'flux': no such column is expected; column 'when': no such column is expected"
    )
    said = judge(table(*columns, others="allow", order=True), CSV)
    assert said == "column 'id': it stands where 'kind' is expected"


def test_rows_are_counted(judge):
    assert judge(table(rows={"min": 4, "max": 4}), CSV) == ""
    assert judge(table(rows={"min": 5}), CSV) == "it has 4 rows, where there should be 5 rows at least"
    assert judge(table(rows={"max": 3}), CSV) == "it has 4 rows, where there should be 3 rows at most"


def test_a_row_with_other_fields_than_the_header(judge):
    said = judge(table(), b"a,b\n1,2\n1\n1,2,3\n")
    assert said == "row 2: 1 fields where the header has 2 (2 such rows)"


def test_a_missing_value_is_written_as_the_document_says(judge):
    rules = table({"name": "a", "type": "integer", "nulls": False}, {"name": "b"}, missing=["", "n/a"])
    assert judge(rules, b"a,b\n1,\nn/a,\n").startswith("column 'a': a value in row 2 is missing")


def test_where_a_value_stands_is_told_beyond_the_first_block(judge):
    rows = 600_000
    data = b"a,b\n" + b"".join(b"%d,123456\n" % n for n in range(rows)) + b"x,1\n7,1\n"
    rules = table(
        {"name": "a", "type": "integer", "unique": True}, {"name": "b", "type": "integer", "max": 123456}
    )
    assert judge(rules, data) == f"column 'a': 'x' in row {rows + 1:,} is no integer"
    said = judge(rules, data.replace(b"x,1", b"600000,123457"))
    assert f"column 'a': 7 in row {rows + 2:,} is in row 8 already" in said
    assert f"column 'b': 123457 in row {rows + 1:,} is above 123456" in said


def test_other_characters_between_fields(judge):
    assert judge({"format": "tsv", "columns": [{"name": "a"}, {"name": "b"}]}, b"a\tb\n1\t2\n") == ""
    assert judge(table({"name": "a"}, {"name": "b"}, delimiter=";"), b"a;b\n1;2\n") == ""


def test_a_packed_table_is_unpacked(judge):
    rules = table({"name": "a", "type": "integer"}, compression="gzip")
    assert judge(rules, gzip.compress(b"a\n1\n")) == ""
    assert judge(rules, gzip.compress(b"a\nx\n")) == "column 'a': 'x' in row 1 is no integer"
    assert "does not begin as gzip does" in judge(rules, b"a\n1\n")


def parquet(**columns) -> bytes:
    made = io.BytesIO()
    pq.write_table(pa.table(columns), made)
    return made.getvalue()


@pytest.mark.parametrize(
    ("array", "rule", "says"),
    [
        (pa.array([1, None]), {"type": "int64", "nulls": False}, "a value in row 2 is missing"),
        (pa.array([1]), {"type": "int32"}, "int64 where int32 is expected"),
        (pa.array([1]), {"type": "integer"}, ""),
        (pa.array([1.5]), {"type": "number"}, ""),
        (pa.array([1.5]), {"type": "float32"}, "float64 where float32 is expected"),
        (pa.array([2**63], pa.uint64()), {"max": 2**63 - 1}, "9223372036854775808 in row 1 is above"),
        (pa.array([float("nan")]), {"min": 0, "nulls": True}, ""),
        (pa.array([True, None]), {"type": "bool", "values": [False]}, "True in row 1 is none of False"),
        (pa.array(["a"]), {"type": "string", "min": 0}, "'a' in row 1 is no number"),
        (
            pa.array(["a"]).dictionary_encode(),
            {"type": "string", "values": ["b"]},
            "'a' in row 1 is none of 'b'",
        ),
        (pa.array([1], pa.timestamp("ns", "UTC")), {"type": "timestamp"}, ""),
        (pa.array([1], pa.timestamp("ns", "UTC")), {"type": "timestamp[ns, tz=UTC]"}, ""),
        (
            pa.array([1], pa.timestamp("ns")),
            {"type": "timestamp[us]"},
            "timestamp where timestamp[us] is expected",
        ),
        (pa.array([[1]]), {"type": "list<element: int64>"}, ""),
        (
            pa.array(["1.5", None]).cast(pa.decimal128(5, 2)),
            {"type": "decimal", "max": 1},
            "1.5 in row 1 is above 1",
        ),
        (pa.array([19000], pa.date32()), {"type": "date", "min": 7}, "is not of the kind of 7"),
    ],
)
def test_a_column_of_parquet(judge, array, rule, says):
    said = judge({"format": "parquet", "columns": [{"name": "x", **rule}]}, parquet(x=array))
    assert said == says == "" or (says and says in said)


def fits_of(*units) -> bytes:
    made = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *units]).writeto(made)
    return made.getvalue()


def test_fits_headers(judge):
    unit = fits.ImageHDU(np.zeros((2, 3), "f4"), name="SCI")
    unit.header["EXPTIME"] = 1.5
    unit.header["OBSERVER"] = None
    unit.header["DATE-OBS"] = "2024-01-02T03:04:05"
    unit.header["N"] = 3
    unit.header["FLAG"] = True

    def said(**rule) -> str:
        return judge({"format": "fits", "hdus": [{"name": "sci", "header": [rule]}]}, fits_of(unit))

    assert said(card="EXPTIME", type="number", min=1, max=2) == ""
    assert said(card="EXPTIME", min=2) == "HDU SCI, card EXPTIME: 1.5 is below 2"
    assert (
        said(card="EXPTIME", type="integer")
        == "HDU SCI, card EXPTIME: number 1.5 where a integer is expected"
    )
    assert said(card="N", type="number") == ""
    assert said(card="N", values=[1, 2]) == "HDU SCI, card N: 3 is none of 1, 2"
    assert said(card="FLAG", values=[1]) == "HDU SCI, card FLAG: True is none of 1"
    assert said(card="TELESCOP") == "HDU SCI, card TELESCOP: it is missing"
    assert said(card="TELESCOP", required=False) == ""
    assert said(card="OBSERVER", type="string") == ""
    assert said(card="OBSERVER", type="string", nulls=False) == "HDU SCI, card OBSERVER: it has no value"
    assert said(card="DATE-OBS", min=yaml.safe_load("2025-01-01")).endswith("is below 2025-01-01")
    assert said(card="EXPTIME", min=yaml.safe_load("2025-01-01")).endswith(
        "cannot be compared with 2025-01-01"
    )
    assert said(card="DATE-OBS", pattern="2023.*").endswith("does not match '2023.*'")


def test_fits_images(judge):
    values = np.arange(6.0, dtype="f4").reshape(2, 3)
    values[1, 0] = np.nan
    scaled = fits.ImageHDU(np.array([[1, -1]], "i2"), name="SCALED")
    scaled.header["BSCALE"] = 0.5
    scaled.header["BLANK"] = -1
    data = fits_of(
        fits.ImageHDU(values, name="SCI"), scaled, fits.CompImageHDU(np.ones((9, 9), "f4"), name="C")
    )

    def said(name="SCI", **rules) -> str:
        return judge({"format": "fits", "hdus": [{"name": name, **rules}]}, data)

    assert said(dtype="float32", shape=[2, None], max=5) == ""
    assert said(dtype="int16") == "HDU SCI: float32 where int16 is expected"
    assert said(shape=[3, 2]) == "HDU SCI: shape 2 by 3 where 3 by 2 is expected"
    assert said(max=4) == "HDU SCI: 5.0 in pixel (3, 2) is above 4"
    assert said(nulls=False) == "HDU SCI: a value in pixel (1, 2) is missing, where none may be"
    assert said(type="table") == "HDU SCI: image where table is expected"
    assert said("SCALED", max=0.5, nulls=True) == ""
    assert said("SCALED", max=0.4, nulls=False).count("pixel") == 2
    assert (
        said("C", dtype="float32", shape=[9, 9], max=0)
        == "HDU C: 1.0 in pixel (1, 1) is above 0 (81 such values)"
    )
    assert said("NONE") == "HDU NONE: it is missing"
    assert said(7, required=False) == ""
    assert (
        judge({"format": "fits", "hdus": [{"name": 0}], "others": "refuse"}, data).count("no such HDU") == 3
    )


def test_fits_tables(judge):
    unit = fits.BinTableHDU.from_columns(
        [
            fits.Column("id", "J", null=-1, array=np.array([1, -1, 3])),
            fits.Column("flux", "2E", unit="Jy", array=np.array([[1, 2], [3, 4], [5, np.nan]])),
            fits.Column("name", "3A", array=np.array(["abc", "", "d"])),
            fits.Column("good", "L", array=np.array([True, False, True])),
            fits.Column("u", "I", bzero=32768, array=np.array([0, 1, 65535], "u2")),
            fits.Column("list", "PJ()", array=np.array([[1], [2, 3], [4]], object)),
        ],
        name="T",
    )

    def said(**column) -> str:
        rules = {"name": "T", "others": "allow", "columns": [column]}
        return judge({"format": "fits", "hdus": [rules]}, fits_of(unit))

    assert said(name="id", type="int32", min=1, max=3) == ""
    assert said(name="id", nulls=False).startswith("HDU T, column 'id': a value in row 2 is missing")
    assert said(name="flux", type="float32", shape=[2], unit="Jy", max=5) == ""
    assert said(name="flux", max=3) == "HDU T, column 'flux': 4.0 in row 2 is above 3 (2 such values)"
    assert said(name="flux", shape=[3]) == "HDU T, column 'flux': shape 2 where 3 is expected"
    assert said(name="flux", unit="K") == "HDU T, column 'flux': unit 'Jy' where 'K' is expected"
    assert (
        said(name="name", type="string", values=["abc"])
        == "HDU T, column 'name': 'd' in row 3 is none of 'abc'"
    )
    assert said(name="good", type="bool", values=[True]).endswith("False in row 2 is none of True")
    assert said(name="u", type="uint16", max=65534) == "HDU T, column 'u': 65535.0 in row 3 is above 65534"
    assert said(name="no") == "HDU T, column 'no': it is missing"
    with pytest.raises(Undecided, match="values of type P cannot be judged"):
        said(name="list", min=0)
    rows = {"format": "fits", "hdus": [{"name": "T", "rows": {"min": 4}}]}
    assert judge(rows, fits_of(unit)) == "HDU T: it has 3 rows, where there should be 4 rows at least"
    assert judge({"format": "fits", "hdus": [{"name": "T", "dtype": "int8"}]}, fits_of(unit)) == (
        "HDU T: table where an image is expected"
    )


def test_an_ascii_table_of_fits(judge):
    unit = fits.TableHDU.from_columns([fits.Column("x", "I4", ascii=True, array=np.array([1, 20]))], name="T")
    rules = {"name": "T", "columns": [{"name": "x", "type": "integer", "max": 10}]}
    said = judge({"format": "fits", "hdus": [rules]}, fits_of(unit))
    assert said == "HDU T, column 'x': 20 in row 2 is above 10"


def test_an_asdf_tree(judge):
    made = io.BytesIO()
    tree = {
        "a": {"x": np.arange(6.0).reshape(2, 3), "n": 3, "s": "hello"},
        "t": [{"name": "p", "v": 1}, {"w": 2}],
    }
    asdf.AsdfFile(tree).write_to(made)

    def said(**node) -> str:
        return judge({"format": "asdf", "tree": [node]}, made.getvalue())

    assert said(path="a.x", type="array", dtype="float64", shape=[2, 3], min=0, max=5, nulls=False) == ""
    assert said(path="a.x", dtype="int64") == "a.x: float64 where int64 is expected"
    assert said(path="a.x", shape=[3]) == "a.x: shape 2 by 3 where 3 is expected"
    assert said(path="a.x", max=4) == "a.x: 5.0 in element [1, 2] is above 4"
    assert said(path="a.x", type="mapping") == "a.x: array where a mapping is expected"
    assert said(path="a.n", type="integer", max=2) == "a.n: 3 is above 2"
    assert said(path="a.n", type="array") == "a.n: integer where an array is expected"
    assert said(path="a.s", pattern="h.*", values=["hello"]) == ""
    assert said(path="t[name=p].v", type="string") == "t[name=p].v: integer 1 where a string is expected"
    assert said(path="t[1].w", type="integer") == ""
    for gone in ("t[2]", "a.y", "t[name=q].v", "a[0]", "t.x"):
        assert said(path=gone) == f"{gone}: it is missing"
        assert said(path=gone, required=False) == ""


def test_json_by_its_schema(judge):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["b"]}
    assert judge({"format": "json", "schema": schema}, b'{"a": 1, "b": 2}') == ""
    assert judge({"format": "json", "schema": schema}, b'{"a": "x"}') == (
        '$: "b" is a required property; $.a: "x" is not of type "integer"'
    )
    lines = {"format": "jsonl", "schema": {"type": "integer"}, "rows": {"min": 4}}
    assert judge(lines, b"1\n\n2\nx\n") == (
        "line 4: not JSON: Expecting value (line 1, column 1);"
        " it has 3 lines, where there should be 4 lines at least"
    )


def test_json_by_its_schema_is_json(judge):
    rules = {"format": "json", "schema": {"items": {"type": "number"}}}
    assert judge(rules, b"[NaN]") == "not JSON that can be read: NaN, which JSON does not know (RFC 8259)"
    text = {"format": "json", "schema": {"type": "string"}}
    assert judge(text, b'"\\ud800"') == "a text in it holds half a surrogate pair"
    assert judge(text, b"[" * 300 + b"]" * 300) == "not JSON that can be read: Recursion limit reached"


def test_of_much_that_is_wrong_in_a_large_json_the_first_is_told(judge):
    rules = {"format": "json", "schema": {"items": {"type": "string"}}}
    assert judge(rules, b"[0" + b",0" * 1000 + b"]").endswith('$[9]: 0 is not of type "string"')
    assert judge(rules, b"[0" + b",0" * 1_000_000 + b"]") == '$[0]: 0 is not of type "string"'


PATIENT = r"(a+)+$"  # an engine that backtracks would look at a text of 40 for hours


def test_patterns_that_would_be_slow_elsewhere(judge):
    text = "a" * 40 + "!"
    column = {"name": "a", "type": "string", "pattern": PATIENT}
    table = {"format": "csv", "columns": [column]}
    assert judge(table, f"a\n{text}\n".encode()).endswith("in row 1 does not match '(a+)+$'")
    assert judge(table, b"a\naaa\n") == ""
    tree = {"format": "json", "schema": {"pattern": PATIENT, "additionalProperties": False}}
    assert "does not match" in judge(tree, f'"{text}"'.encode())
    keys = {"format": "json", "schema": {"patternProperties": {PATIENT: {}}, "additionalProperties": False}}
    assert "were unexpected" in judge(keys, f'{{"{text}": 1, "{text}!": 2}}'.encode())
    made = io.BytesIO()
    asdf.AsdfFile({"x": text}).write_to(made)
    node = {"path": "x", "pattern": PATIENT}
    assert "does not match" in judge({"format": "asdf", "tree": [node]}, made.getvalue())


def test_without_the_engine_for_patterns_nothing_is_decided_by_one(judge, monkeypatch):
    from upload_client.expectations import patterns

    monkeypatch.setattr(patterns, "_engine", lambda: None)
    rules = {"format": "csv", "columns": [{"name": "a", "pattern": "(?=x)"}]}
    with pytest.raises(Undecided, match="google-re2, which is not installed here"):
        judge(rules, b"a\n1\n")
    monkeypatch.undo()
    content = Csv.model_validate({"format": "csv", "columns": [{"name": "a", "pattern": "x"}]})
    broken = content.columns[0].model_copy(update={"pattern": "(?=x)"})
    with pytest.raises(Undecided, match="is no regular expression without look-around"):
        contents.judge(
            content.model_copy(update={"columns": (broken,)}), io.BytesIO(b"a\n1\n"), 4, max_unpacked=9
        )


def test_images(judge):
    pillow = pytest.importorskip("PIL.Image")
    made = io.BytesIO()
    pillow.new("RGB", (30, 20)).save(made, "PNG")
    data = made.getvalue()
    assert judge({"format": "image", "formats": ["PNG"], "modes": ["RGB"], "width": {"min": 30}}, data) == ""
    assert judge({"format": "image", "formats": ["JPEG"]}, data) == "it is no image in JPEG"
    assert judge({"format": "image", "height": {"max": 10}}, data) == (
        "height: 20 pixels, where there should be 10 pixels at most"
    )
    assert judge({"format": "image", "modes": ["L"]}, data) == "mode RGB where L is expected"
    assert judge({"format": "image"}, data[:-30]) != ""


def test_arrays_of_numpy(judge):
    made = io.BytesIO()
    np.save(made, np.arange(6.0).reshape(2, 3))
    data = made.getvalue()
    assert judge({"format": "npy", "dtype": "float64", "shape": [2, None], "max": 5}, data) == ""
    assert judge({"format": "npy", "max": 3}, data) == "4.0 in element [1, 1] is above 3 (2 such values)"
    assert "it has 47 bytes of data where its header says 48" in judge({"format": "npy"}, data[:-1])
    made = io.BytesIO()
    np.save(made, np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    assert judge({"format": "npy", "max": 4}, made.getvalue()) == "5.0 in element [1, 2] is above 4"
    made = io.BytesIO()
    np.savez_compressed(made, x=np.arange(3), y=np.zeros(2))
    rules = {"format": "npz", "others": "refuse", "arrays": [{"name": "x", "max": 1}, {"name": "z"}]}
    assert judge(rules, made.getvalue()) == (
        "array 'z': it is missing; array 'x': 2 in element [2] is above 1;"
        " array 'y': no such array is expected"
    )


def test_a_missing_library_is_said_and_decides_nothing(judge, monkeypatch):
    monkeypatch.setattr(contents, "is_installed", lambda _: False)
    with pytest.raises(
        Undecided, match=r"judging fits needs astropy, which is not installed here: pip install"
    ):
        judge({"format": "fits"}, b"")


def test_much_that_is_wrong_is_counted_and_little_of_it_is_said():
    findings = Findings()
    for n in range(5000):
        findings.add(f"place {n}", "x" * 10_000)
    assert len(str(findings)) < 3000
    assert str(findings).endswith("; and 4,990 more")


@pytest.fixture
def own_check(tmp_path, monkeypatch):
    """A package with a check of its own, as pip would install it."""
    (tmp_path / "archive_checks.py").write_text(
        "def seismogram(file, size, options):\n"
        "    if file.read(4) != b'SEED':\n"
        "        raise ValueError('it does not begin with SEED')\n"
        "    if size // 4 - 1 != options['channels']:\n"
        "        yield f\"{size // 4 - 1} channels where {options['channels']} are expected\"\n"
        "def intruder(file, size, options):\n"
        "    import os\n"
        "    from upload_client.validator.confinement import try_out\n"
        "    yield f'it can {try_out()}, and sees {os.environ.get(\"AWS_SECRET_ACCESS_KEY\")}'\n"
    )
    info = tmp_path / "archive_checks-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: archive-checks\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[upload_client.checks]\nseismogram = archive_checks:seismogram\nbroken = archive_checks:nothing\n"
        "intruder = archive_checks:intruder\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield {"format": "custom", "check": "seismogram", "options": {"channels": 3}}
    sys.modules.pop("archive_checks", None)


def test_a_check_of_the_receivers_own(judge, own_check):
    assert judge(own_check, b"SEED" + bytes(12)) == ""
    assert judge(own_check, b"SEED" + bytes(8)) == "2 channels where 3 are expected"
    assert judge(own_check, b"") == "it does not open as custom: it does not begin with SEED"


def test_a_check_that_is_not_installed_or_broken_decides_nothing(judge, own_check):
    with pytest.raises(Undecided, match="the check 'nobody-has-it' is not installed here"):
        judge(own_check | {"check": "nobody-has-it"}, b"")
    with pytest.raises(Undecided, match="the check 'broken' cannot be loaded: AttributeError"):
        judge(own_check | {"check": "broken"}, b"")


def test_what_has_taken_over_a_reader_gets_nowhere(own_check, monkeypatch):
    from upload_client.expectations.model import Custom
    from upload_client.validator.content import Unreadable
    from upload_client.validator.readers import ReaderWorkers

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    content = Custom.model_validate(own_check | {"check": "intruder"})
    with ReaderWorkers(1) as reader_workers:
        if missing := reader_workers.confinement().missing:
            pytest.skip(f"not here: {missing}")
        with pytest.raises(Unreadable, match=r"it can \[\], and sees None"):
            reader_workers.judge(content, "custom", 4, lambda _offset, n: bytes(n))


def test_a_check_of_the_receivers_own_runs_where_the_validator_reads(own_check):
    from upload_client.expectations.model import Custom
    from upload_client.validator.content import Unreadable
    from upload_client.validator.readers import ReaderWorkers

    content = Custom.model_validate(own_check)
    with ReaderWorkers(1) as reader_workers:
        reader_workers.judge(
            content, "custom", 16, lambda offset, n: (b"SEED" + bytes(12))[offset : offset + n]
        )
        with pytest.raises(Unreadable, match="4 channels where 3 are expected"):
            reader_workers.judge(
                content, "custom", 20, lambda offset, n: (b"SEED" + bytes(16))[offset : offset + n]
            )


def test_the_document_in_the_documentation_is_one():
    page = (ROOT / "docs" / "expectations.md").read_text(encoding="utf-8")
    whole = page.split("```yaml\n")[1].split("```")[0]
    expectations = load(whole.encode(), "the documentation")
    assert [one.name for one in expectations.types] == ["catalogues", "images", "manifest", "logs"]


def test_a_library_that_cannot_be_loaded_decides_nothing(judge, monkeypatch):
    monkeypatch.setitem(sys.modules, "upload_client.expectations.formats.tables", None)
    with pytest.raises(Undecided, match="judging csv: pyarrow cannot be loaded here"):
        judge(table(), b"a\n1\n")


def test_all_that_judges_is_in_the_zip_for_lambda():
    from upload_client.receiver.packaging import modules

    formats = {path.name for path in (ROOT / "upload_client/expectations/formats").glob("*.py")}
    assert {f"upload_client/expectations/formats/{name}" for name in formats} <= set(modules())


def test_what_is_read_in_many_pieces_is_the_same_as_in_one(judge, monkeypatch):
    from upload_client.expectations.formats import arrays, asdf, fits

    for module in (arrays, asdf, fits):
        monkeypatch.setattr(module, "_PIECE", 64)
    monkeypatch.setattr("upload_client.expectations.formats.parquet._BATCH_ROWS", 3)
    n = 100
    values = np.arange(n, dtype="f8")
    unit = io_fits.BinTableHDU.from_columns(
        [io_fits.Column("x", "2D", array=np.c_[values, values])], name="T"
    )
    data = fits_of(unit, io_fits.ImageHDU(values.reshape(10, 10), name="I"))
    rules = [{"name": "T", "columns": [{"name": "x", "max": 97}]}, {"name": "I", "max": 97}]
    assert judge({"format": "fits", "hdus": rules}, data) == (
        "HDU T, column 'x': 98.0 in row 99 is above 97 (4 such values);"
        " HDU I: 98.0 in pixel (9, 10) is above 97 (2 such values)"
    )
    made = io.BytesIO()
    np.save(made, values.reshape(10, 10))
    assert judge({"format": "npy", "max": 97}, made.getvalue()).startswith("98.0 in element [9, 8] is above")
    made = io.BytesIO()
    io_asdf.AsdfFile({"x": values}).write_to(made)
    rules = {"format": "asdf", "tree": [{"path": "x", "max": 97}]}
    assert judge(rules, made.getvalue()).startswith("x: 98.0 in element [98] is above 97")
    said = judge(
        {"format": "parquet", "columns": [{"name": "x", "max": 97, "unique": True}]}, parquet(x=values)
    )
    assert said == "column 'x': 98.0 in row 99 is above 97 (2 such values)"
    twice = np.r_[values, 5.0]
    said = judge({"format": "parquet", "columns": [{"name": "x", "unique": True}]}, parquet(x=twice))
    assert said == "column 'x': 5.0 in row 101 is in row 6 already"


def test_limits_of_another_century_are_compared_with_nanoseconds(tmp_path):
    np = pytest.importorskip("numpy")
    np.save(tmp_path / "a.npy", np.array(["2020-01-01"], "M8[ns]"))
    size = (tmp_path / "a.npy").stat().st_size
    limits = "min: 1500-01-01, max: 9999-12-31"
    document = f"version: 1\ntypes: [{{name: a, files: '*', content: {{format: npy, {limits}}}}}]"
    (rules,) = load(document.encode(), "a document").types
    with (tmp_path / "a.npy").open("rb") as file:
        assert not contents.judge(rules.content, file, size, max_unpacked=10**6).n
