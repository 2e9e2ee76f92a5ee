"""What is drafted from a sample accepts all of the sample."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from upload_client.core.expectations import Tally
from upload_client.errors import UsageError
from upload_client.expectations.content import judge as judge_content
from upload_client.expectations.document import load
from upload_client.expectations.expected import Expected
from upload_client.expectations.findings import Undecided
from upload_client.expectations.infer import PoorSample, infer
from upload_client.expectations.model import Expectations

pytest.importorskip("pyarrow")
pytest.importorskip("jsonschema_rs")


def listed(root: Path) -> list[tuple[str, int]]:
    return [
        (path.relative_to(root).as_posix(), path.stat().st_size) for path in root.rglob("*") if path.is_file()
    ]


def drafted(root: Path) -> Expectations:
    return load(infer(root, listed(root)).encode(), "draft")


def wrong(expectations: Expectations, root: Path) -> dict[str, str]:
    """What is wrong with the files below `root`, by path; under ``""`` with all of them."""
    rules, found, tally = expectations.rules, {}, Tally(expectations.rules)
    for path, size in listed(root):
        tally.add(path, size)
        number = rules.type_of(path)
        reason = rules.refusal(path, size)
        if reason is None and number is not None:
            with (root / path).open("rb") as file:
                content = expectations.types[number].content
                reason = str(judge_content(content, file, size, max_unpacked=10**8))
        if reason:
            found[path] = reason
    if problems := tally.problems():
        found[""] = "; ".join(problems)
    return found


cells = st.one_of(
    st.just(""),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        ["true", "false", "2024-01-02", "2024-01-02T03:04:05", "2024-01-02T03:04:05Z", " 1", "1e400"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6),
)


@st.composite
def tables(draw) -> bytes:
    names = draw(
        st.lists(st.text(st.sampled_from('abc,"# ä\x85:'), min_size=1, max_size=4), min_size=1, unique=True)
    )
    kinds = [draw(st.sampled_from([cells, st.integers().map(str), st.floats().map(str)])) for _ in names]
    rows = draw(st.lists(st.tuples(*kinds), max_size=6))
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL if draw(st.booleans()) else csv.QUOTE_MINIMAL)
    writer.writerow(names)
    # A row of one empty field is an empty line, which is no row.
    writer.writerows(row for row in rows if any(row) or len(names) > 1)
    return text.getvalue().encode()


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["a.csv", "b.csv", "x/a.csv", "x/c.csv"]), tables(), min_size=1))
@example(
    {"a.csv": b"b\n", "b.csv": b"a,b\n,0\n", "x/a.csv": b"a,c,b\n,,2024-01-02\n", "x/c.csv": b"b,d\n1,1\n"}
)
def test_csv_that_something_was_drafted_from_is_as_it_should_be(files):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for path, data in files.items():
            (root / path).parent.mkdir(exist_ok=True)
            (root / path).write_bytes(data)
        try:
            expectations = drafted(root)
        except PoorSample:
            return  # such as names of a header that pyarrow and Python do not read alike
        assert wrong(expectations, root) == {}


trees = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_json_that_is_none_is_no_sample(tmp_path):
    (tmp_path / "a.json").write_text("[NaN]")
    with pytest.raises(PoorSample, match="NaN, which JSON does not know"):
        drafted(tmp_path)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_json_lines_that_are_called_json_are_drafted_as_what_they_are(tmp_path, pack):
    for name in ("a", "b"):
        (tmp_path / f"{name}.json{'.gz' * (pack is not bytes)}").write_bytes(pack(b'{"a": 1}\n{"a": 2}\n'))
    draft = drafted(tmp_path)
    assert draft.types[0].content.format == "jsonl"
    assert wrong(draft, tmp_path) == {}


@settings(max_examples=30)
@given(st.lists(trees, min_size=1, max_size=4), st.lists(trees, max_size=4))
def test_json_that_something_was_drafted_from_is_as_it_should_be(values, lines):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for n, value in enumerate(values):
            (root / f"{n}.json").write_text(json.dumps(value))
        (root / "x.jsonl").write_text("".join(f"{json.dumps(value)}\n" for value in lines))
        assert wrong(drafted(root), root) == {}


def make_everything(root: Path) -> None:
    """A sample of each format, by its own library."""
    np = pytest.importorskip("numpy")
    fits = pytest.importorskip("astropy.io.fits")
    asdf = pytest.importorskip("asdf")
    pillow = pytest.importorskip("PIL.Image")
    import pyarrow as pa
    import pyarrow.parquet as pq

    for n in (1, 2):
        image = fits.PrimaryHDU(np.full((4, 3 + n), 7, ">i2"))
        image.header["TELESCOP"] = "VLT"
        image.header["EXPTIME"] = 1.5 * n
        image.header["EMPTY"] = None
        table = fits.BinTableHDU.from_columns(
            [
                fits.Column("id", "J", array=np.arange(5)),
                fits.Column("flux", "3E", unit="Jy", array=np.ones((5, 3))),
                fits.Column("name", "4A", array=np.array(["a", "b", "", "d", "e"])),
                fits.Column("good", "L", array=np.array([True, False, True, True, True])),
                fits.Column("u", "I", bzero=32768, array=np.arange(5, dtype="uint16")),
            ],
            name="STARS",
        )
        packed = fits.CompImageHDU(np.arange(600.0, dtype="f4").reshape(20, 30), name="PACKED")
        units = fits.HDUList([image, table, fits.ImageHDU(np.zeros(3)), packed])
        units.writeto(root / f"{n}.fits")
        (root / f"{n}.fits.gz").write_bytes(gzip.compress((root / f"{n}.fits").read_bytes()))
        tree = {"a": {"x": np.arange(n + 3), "n": n}, "rows": [{"name": "p", "v": np.ones(2)}], "l": [1, 2]}
        asdf.AsdfFile(tree).write_to(root / f"{n}.asdf")
        columns = {
            "i": pa.array([1, None, 3], pa.int16()),
            "s": ["x", "y", None],
            "t": pa.array([1, 2, 3], pa.timestamp("us", "UTC")),
            "l": [[1], [2, 3], []],
            "d": pa.array(["a", "b", "a"]).dictionary_encode(),
            "c": pa.array(["1.5", "2.5", None]).cast(pa.decimal128(5, 2)),
        }
        pq.write_table(pa.table(columns), root / f"{n}.parquet")
        pillow.new("RGB" if n == 1 else "L", (10 * n, 5)).save(root / f"{n}.png")
        np.save(root / f"{n}.npy", np.arange(6, dtype="i4").reshape(2, 3))
        np.savez(root / f"{n}.npz", x=np.arange(n), **({"y": np.array(["s"])} if n == 1 else {}))
        (root / f"{n}.tsv").write_text("a\tb\n1\t2\n")
        (root / f"{n}.csv.gz").write_bytes(gzip.compress(b"a;b\n1;x\n"))
        (root / f"{n}.mystery").write_bytes(b"\0\1")
    (root / "README").write_text("hello")
    (root / ".hidden").write_text("hello")


def test_what_is_drafted_from_a_sample_of_each_format_accepts_it(tmp_path):
    make_everything(tmp_path)
    expectations = drafted(tmp_path)
    assert wrong(expectations, tmp_path) == {}
    formats = {one.content.format for one in expectations.types}
    assert formats == {"fits", "asdf", "parquet", "image", "npy", "npz", "tsv", "csv", "opaque"}


def test_a_draft_says_what_is_common_as_a_rule_and_what_may_be_chance_as_a_comment(tmp_path):
    make_everything(tmp_path)
    text = infer(tmp_path, listed(tmp_path))
    assert "- {name: flux, type: float32, nulls: false, unit: Jy, shape: [3]}  # 1 in the sample" in text
    assert "- {name: u, type: uint16, nulls: false}  # 0 to 4 in the sample" in text
    assert "- {name: name, type: string}  # 'a', 'b', 'd', 'e' in the sample" in text
    assert "dtype: int16  # 7 in the sample" in text
    assert "- {card: EXPTIME, type: number}  # 1.5 to 3 in the sample" in text
    assert "- {card: TELESCOP, type: string}  # 'VLT' in the sample" in text
    assert "shape: [null, null]  # not all alike in the sample" in text
    assert "'rows[name=p].v', type: array, dtype: float64, shape: [null]}  # 2, 1 in the sample" in text
    assert "- {name: i, type: int16}  # 1 to 3 in the sample" in text
    assert "# count: {min: 2, max: 2}" in text
    assert "modes: [L, RGB]" in text
    assert 'delimiter: ";"' in text


def test_tables_that_have_little_in_common_are_types_of_their_own(tmp_path):
    for folder, header in (
        ("stars", "id,ra,dec\n1,2,3\n"),
        ("nights", "night,seeing\n1,0.8\n"),
        ("", "a,b\n1,2\n"),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "x.csv").write_text(header)
    expectations = drafted(tmp_path)
    assert [one.files for one in expectations.types] == [("nights/*.csv",), ("stars/*.csv",), ("*.csv",)]
    assert wrong(expectations, tmp_path) == {}
    (tmp_path / "stars" / "x.csv").write_text("night,seeing\n1,0.8\n")
    assert "column 'id': it is missing" in wrong(expectations, tmp_path)["stars/x.csv"]


def test_a_column_that_only_some_files_have_is_not_required(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,\n")
    (tmp_path / "b.csv").write_text("x\n2.5\n")
    (csv_type,) = drafted(tmp_path).types
    x, y = csv_type.content.columns
    assert (x.type, x.required, x.nulls) == ("number", True, False)
    assert (y.type, y.required, y.nulls) == ("any", False, True)


def test_a_file_that_cannot_be_read_is_no_sample(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1\n")
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(PoorSample) as caught:
        infer(tmp_path, listed(tmp_path))
    assert str(caught.value).startswith("2 files of the sample cannot be read\n  a.csv: ")
    assert "row 1: 1 fields where the header has 2" in str(caught.value)


def test_an_empty_folder_is_no_sample(tmp_path):
    with pytest.raises(UsageError, match="no file in the sample"):
        infer(tmp_path, [])


def test_without_its_library_nothing_is_drafted_of_a_format(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setattr("upload_client.expectations.infer.is_installed", lambda _: False)
    with pytest.raises(UsageError, match="cannot be learned without pyarrow"):
        infer(tmp_path, listed(tmp_path))


def test_a_document_drafted_of_good_files_rejects_each_bad_one_and_says_where(toy):
    expectations = drafted(toy / "data")
    assert wrong(expectations, toy / "data") == {}
    found = wrong(expectations, toy / "bad_data")
    assert len(found) == 6
    assert found["parquet/data_0.parquet"] == "column 'a': int64 where int32 is expected"
    assert found["fits/data_0.fits"] == "HDU TABLE, column 'a': int64 where int32 is expected"
    assert found["asdf/data_0.asdf"] == "data.table.columns[name=a].data: int64 where int32 is expected"
    for path in ("parquet/data_1.parquet", "fits/data_1.fits", "asdf/data_1.asdf"):
        assert "int64 where int32 is expected" in found[path]
        assert found[path].count("float32 where float64 is expected") == 2
        assert "b_0" in found[path]
        assert "b_1" in found[path]


def test_columns_of_every_type_of_arrow_are_drafted_and_accepted(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {
        "null": pa.nulls(2),
        "view": pa.array(["a", "b"], pa.string_view()),
        "coded": pa.array(["a", "b"]).dictionary_encode(),
        "list": pa.array([[1], None], pa.list_(pa.int8())),
        "map": pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64())),
        "spent": pa.array([1, 2], pa.duration("s")),
        "time": pa.array([1, 2], pa.time32("s")),
        "money": pa.array([1, 2], pa.decimal128(5, 2)),
    }
    for name, storage in (
        ("uuid", pa.array([b"x" * 16] * 2, pa.binary(16))),
        ("json_", pa.array(["{}"] * 2)),
    ):
        if hasattr(pa, name):
            columns[name] = pa.ExtensionArray.from_storage(getattr(pa, name)(), storage)
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    assert wrong(drafted(tmp_path), tmp_path) == {}


def test_tiff_that_pillow_does_not_know_is_drafted_and_accepted(tmp_path):
    tifffile, np = pytest.importorskip("tifffile"), pytest.importorskip("numpy")
    for n, dtype in enumerate(("f2", "f8", "c8", "u8")):
        tifffile.imwrite(tmp_path / f"{n}.tif", np.ones((9, 9), dtype))
    tifffile.imwrite(tmp_path / "bands.tif", np.ones((9, 9, 6), "u2"), photometric="minisblack")
    text = drafted(tmp_path)
    assert "modes" not in text
    assert wrong(text, tmp_path) == {}


@pytest.mark.filterwarnings("ignore:Stored array in format 3.0")  # as numpy tells of names that are not ASCII
def test_arrays_of_all_types_of_numpy_are_drafted_and_accepted(tmp_path):
    np = pytest.importorskip("numpy")
    kinds = ("M8[D]", "m8[s]", "g", "c16", "?", "S3", "U2", "V7", ">i4", [("日", "i4")])
    for n, dtype in enumerate(kinds):
        folder = tmp_path / str(n)
        folder.mkdir()
        np.save(folder / "a.npy", np.zeros(3, dtype))
        np.savez(folder / "a.npz", np.zeros(3, dtype))
        assert wrong(drafted(folder), folder) == {}


def test_kinds_of_asdf_that_no_rule_can_name_are_drafted_as_any(tmp_path):
    asdf, np = pytest.importorskip("asdf"), pytest.importorskip("numpy")
    tree = {"c": 3 + 4j, "i": asdf.IntegerType(2**70), "f": float("nan"), "t": np.zeros(3, "c16"), "n": None}
    asdf.AsdfFile(tree).write_to(tmp_path / "a.asdf")
    assert wrong(drafted(tmp_path), tmp_path) == {}


def test_formats_without_rules_are_drafted_without_content_so_that_they_are_opened(tmp_path):
    from corpus.makers import MAKERS

    from upload_client.validator.opening import open_function

    names = ("volume.nii", "reads.bam", "points.las", "volume.nii.gz", "plain.pdf", "one.grib")
    for name in names:
        (tmp_path / name).write_bytes(MAKERS[name]())
    (tmp_path / "notes.weird").write_bytes(b"x")
    (tmp_path / "manifest-md5.txt").write_bytes(b"")
    (tmp_path / "a.zarr" / "c").mkdir(parents=True)
    (tmp_path / "a.zarr" / "c" / "0").write_bytes(b"x")
    sample = [
        (path.relative_to(tmp_path).as_posix(), path.stat().st_size)
        for path in sorted(tmp_path.rglob("*"))
        if path.is_file()
    ]
    text = infer(tmp_path, sample, open_function=open_function)
    expected = Expected(load(text.encode(), "the draft"))
    assert [path for path, size in sample if expected.refusal(path, size)] == []
    rules = {path: expected.content(path) for path, _ in sample}
    assert [path for path, one in rules.items() if one and one.format == "opaque"] == ["notes.weird"]
    whole = (tmp_path / "volume.nii").read_bytes()
    (tmp_path / "volume.nii").write_bytes(whole[:-1])
    sample = [(path, size - (path == "volume.nii")) for path, size in sample]
    with pytest.raises(PoorSample, match=r"volume\.nii: it does not open: .* missing"):
        infer(tmp_path, sample, open_function=open_function)


def test_columns_of_parquet_with_one_name_are_told_so(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.Table.from_arrays([pa.array([1])] * 2, names=["a", "a"]), tmp_path / "a.parquet")
    with pytest.raises(PoorSample, match="two of its columns have one name"):
        drafted(tmp_path)


def test_columns_of_bits_and_of_any_length_are_drafted_and_accepted(tmp_path):
    np, fits = pytest.importorskip("numpy"), pytest.importorskip("astropy.io.fits")
    lists = np.empty(2, object)
    lists[:] = [np.arange(2), np.arange(3)]
    table = fits.BinTableHDU.from_columns(
        [fits.Column("x", "10X", array=np.ones((2, 10), bool)), fits.Column("v", "PJ()", array=lists)]
    )
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "a.fits")
    assert wrong(drafted(tmp_path), tmp_path) == {}


def test_of_thousands_of_columns_some_are_drafted_and_all_accepted(tmp_path):
    names = ",".join(f"column_{n}" for n in range(5000))
    (tmp_path / "a.csv").write_text(f"{names}\n{','.join('1' * 5000)}\n")
    assert wrong(drafted(tmp_path), tmp_path) == {}


def test_tagged_texts_of_asdf_are_drafted_and_compared_as_texts(tmp_path, judge):
    asdf = pytest.importorskip("asdf")
    data = io.BytesIO()
    asdf.AsdfFile({"unit": "km"}).write_to(data)
    text = data.getvalue().replace(b"unit: km", b"unit: !<tag:example.org:unit-1.0.0> km")
    (tmp_path / "a.asdf").write_bytes(text)
    assert wrong(drafted(tmp_path), tmp_path) == {}
    rules = {"format": "asdf", "tree": [{"path": "unit", "type": "string", "values": ["km"]}]}
    assert judge(rules, text) == ""
    rules["tree"][0]["values"] = ["m"]
    assert judge(rules, text) == "unit: 'km' is none of 'm'"


def test_lines_of_json_may_be_long(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"a": ["xy" * 500] * 5000}) + '\n{"a":[]}\n')
    assert wrong(drafted(tmp_path), tmp_path) == {}


def test_a_draft_that_refuses_its_own_sample_is_not_given_out(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    monkeypatch.setattr("upload_client.expectations.infer.judge", lambda *_args, **_more: "it is odd")
    with pytest.raises(PoorSample, match=r"1 file of .* by the draft\n  a.csv: it is odd"):
        infer(tmp_path, listed(tmp_path))


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux' own")
def test_a_program_that_has_much_in_memory_already_drafts_all_the_same(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    code = (
        "import sys, mmap, upload_client.expectations.infer as infer\n"
        "own = mmap.mmap(-1, 3 * 1024**3, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
        "from upload_client.cli.app import main\n"
        f"sys.exit(main(['expectations', 'infer', {str(tmp_path)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_sample_that_cannot_be_judged_here_is_not_told_to_be_fixed(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")

    def undecided(*_args, **_named):
        raise Undecided("judging csv needs what is not installed here")

    monkeypatch.setattr("upload_client.expectations.infer.judge", undecided)
    with pytest.raises(PoorSample, match="not installed here") as told:
        infer(tmp_path, [("a.csv", 8)])
    assert "Fix" not in told.value.hint
    assert "install what is missing" in told.value.hint
