"""An index may be a table of any library."""

from __future__ import annotations

import base64
import builtins
import io
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from upload_client.delivery.source import Source
from upload_client.errors import InvalidIndex, UsageError
from upload_client.index import check_index, left_out_of
from upload_client.index.manifests import read_manifest
from upload_client.index.memory_tables import as_frame

PATHS = ["a.csv", "b/c.csv"]
COLUMNS = {"path": PATHS, "checksum": ["6Le+Qw==", None], "size": [1, 2]}


@pytest.fixture
def source(tmp_path):
    root = tmp_path / "data"
    for name, data in {"a.csv": b"a", "b/c.csv": b"bc"}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


class ByProtocolAlone:
    """A table that has nothing but the interchange protocol."""

    def __init__(self, frame):
        self._frame = frame

    def __dataframe__(self, **options):
        return self._frame.__dataframe__(**options)


class ByStreamAlone:
    """A table that has nothing but Arrow's stream."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


TABLE = pa.table(COLUMNS)
FRAME = pd.DataFrame(COLUMNS)
KINDS = {
    "pandas": FRAME,
    "pandas with text": FRAME.astype({"path": "string", "checksum": "string", "size": "string"}),
    "pandas with categories": FRAME.astype({"path": "category", "checksum": "category"}),
    "pandas with nullable types": FRAME.convert_dtypes(),
    "pandas by pyarrow": FRAME.convert_dtypes(dtype_backend="pyarrow"),
    "pandas with floats": FRAME.astype({"size": "float64"}),
    "pandas with decimals": TABLE.set_column(2, "size", TABLE["size"].cast(pa.decimal128(25, 2))).to_pandas(
        types_mapper=pd.ArrowDtype
    ),
    "pandas with an index": FRAME.set_index(pd.Index(["x", "y"])),
    "pandas with capitals": FRAME.rename(columns=str.title).assign(Label="x"),
    "pandas with paths": FRAME.assign(path=[PurePosixPath(path) for path in PATHS]),
    "polars": pl.DataFrame(COLUMNS),
    "polars with categories": pl.DataFrame(COLUMNS).with_columns(pl.col("path").cast(pl.Categorical)),
    "pyarrow": TABLE,
    "pyarrow in pieces": pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)]),
    "pyarrow with large text": TABLE.set_column(0, "path", TABLE["path"].cast(pa.large_string())),
    "pyarrow with a dictionary": TABLE.set_column(0, "path", TABLE["path"].dictionary_encode()),
    "record batch": TABLE.to_batches()[0],
    "by stream": ByStreamAlone(TABLE),
    "by protocol": ByProtocolAlone(FRAME),
    "mapping": COLUMNS,
    "pandas with paths as index": FRAME.set_index("path"),
    "polars, lazy": pl.LazyFrame(COLUMNS),
    "rows": [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)],
    "numpy": FRAME.to_records(index=False),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_of_any_library_is_an_index(source, kind):
    made = Source(source, KINDS[kind])
    assert made.index.paths == PATHS
    assert made.index.checksums == ["6Le+Qw==", None]
    assert list(made.index.sizes) == [1, 2]
    assert made.index.frame["size"].dtype == "Int64"


@pytest.mark.parametrize(
    "given",
    [
        PATHS,
        tuple(PATHS),
        pd.Series(PATHS),
        pd.Index(PATHS),
        pl.Series(PATHS),
        pa.array(PATHS),
        np.array(PATHS),
        dict.fromkeys(PATHS).keys(),
        [f"./{PATHS[0]}", PureWindowsPath(PATHS[1])],
        [Path(p) for p in PATHS],
    ],
)
def test_a_sequence_of_paths_is_an_index(source, given):
    assert Source(source, given).index.paths == PATHS


def test_a_path_is_that_of_a_list_and_nothing_means_all_files(source, tmp_path):
    (tmp_path / "list.csv").write_text("path\nb/c.csv\n")
    for given in (tmp_path / "list.csv", str(tmp_path / "list.csv")):
        assert Source(source, given).index.paths == ["b/c.csv"]
    assert Source(source, None).index.paths == PATHS


def test_paths_below_the_source_may_be_whole_and_come_once(source, monkeypatch):
    given = (path for path in sorted(source.rglob("*.csv")))
    assert Source(source, given).index.paths == PATHS
    monkeypatch.chdir(source.parent)
    given = (path for path in sorted(Path("data").rglob("*.csv")))
    assert Source("data", given).index.paths == PATHS
    elsewhere = source.parent / "x.csv"
    with pytest.raises(InvalidIndex, match=r"row 0: .* is absolute"):
        Source(source, [elsewhere])


def test_a_reader_of_batches_gives_itself_once(source):
    assert Source(source, TABLE.to_reader()).index.paths == PATHS


def test_a_relation_of_duckdb_is_an_index(source):
    duckdb = pytest.importorskip("duckdb")
    relation = duckdb.sql("select * from (values ('a.csv', 1), ('b/c.csv', 2)) t(path, size) order by path")
    assert Source(source, relation).index.sizes == [1, 2]


def test_a_frame_as_it_should_be_is_not_copied():
    frame = pd.DataFrame(COLUMNS)
    assert as_frame(frame) is frame


@pytest.mark.parametrize(
    "flags", [[True, False], ["true", "FALSE"], [1, 0], pd.array([True, False], "boolean")]
)
def test_rows_that_are_not_to_be_transferred_are_left_out_of_any_table(source, flags):
    made = Source(source, pd.DataFrame({"path": PATHS, "will_transfer": flags}))
    assert made.index.paths == ["a.csv"]
    assert made.left_out.counts == {"not_to_transfer": 1}
    table = pa.table({"path": PATHS, "will_transfer": pa.array([str(flag) for flag in flags])})
    assert left_out_of(as_frame(table)).n == 1


def test_a_cell_that_says_neither_is_told_by_its_row():
    with pytest.raises(InvalidIndex, match=r"row 1: 'b/c\.csv' has '' as will_transfer"):
        as_frame(pd.DataFrame({"path": PATHS, "will_transfer": [True, None]}))
    frame = pd.DataFrame({"path": PATHS, "will_transfer": [True, True]})
    assert as_frame(frame)["path"].tolist() == PATHS


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow", "mapping"])
def test_a_table_without_paths_is_refused(kind):
    columns = {"station": ["a"], "cheksum": ["b"]}
    given = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table, "mapping": dict}[kind](
        columns
    )
    with pytest.raises(InvalidIndex, match=r"has no column 'path'|if 'checksum' is meant"):
        as_frame(given)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (7, "type int"),
        (b"path", "type bytes"),
        (io.StringIO("path"), "type StringIO"),
        (object(), "type object"),
        ({"path": PATHS, "size": [1]}, None),
    ],
)
def test_what_is_no_table_is_refused_in_words(source, given, says):
    if says is None:  # columns of different lengths: what is missing is not known
        assert list(Source(source, given).index.sizes) == [1, None]
        return
    with pytest.raises(UsageError, match=says):
        as_frame(given)


def test_a_size_that_is_none_is_told_by_its_row(source):
    for sizes in (["1", "x"], pd.array([1, -1], "int64[pyarrow]"), [1.0, 1.5], [1, float("inf")]):
        with pytest.raises(InvalidIndex, match=r"row 1: 'b/c\.csv' has no number of bytes as size"):
            Source(source, pd.DataFrame({"path": PATHS, "size": sizes}))


def test_other_checksums_come_along(source):
    digest = bytes(16)
    given = pa.table({"File": PATHS, "MD5": pa.array([digest, None], pa.binary())})
    assert Source(source, given).index.others["md5"] == [base64.b64encode(digest).decode(), None]


def test_polars_is_taken_without_pyarrow(source, monkeypatch):
    real = builtins.__import__

    def without_pyarrow(name, *arguments, **options):
        if name.split(".")[0] == "pyarrow":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_pyarrow)
    assert as_frame(pl.DataFrame(COLUMNS))["path"].tolist() == PATHS


def test_a_protocol_that_fails_is_told_in_words(monkeypatch):
    class Broken:
        def __dataframe__(self, **_):
            raise NotImplementedError("no such buffer")

    with pytest.raises(UsageError, match=r"cannot be read as a table|pyarrow is needed"):
        as_frame(Broken())


def test_a_wrong_cell_of_parquet_is_told_by_its_row(source, tmp_path):
    """Its rows are counted from 1, also where others are left out."""
    table = pa.table({"path": PATHS, "will_transfer": ["false", "perhaps"]})
    pq.write_table(table, tmp_path / "list.parquet")
    with pytest.raises(InvalidIndex, match=r"row 2: 'b/c\.csv' has 'perhaps' as will_transfer"):
        read_manifest(tmp_path / "list.parquet", source)
    table = pa.table({"path": [PATHS[0], "gone"], "will_transfer": ["false", "true"]})
    pq.write_table(table, tmp_path / "list.parquet")
    with pytest.raises(InvalidIndex, match="row 2: 'gone' is not there"):
        check_index(read_manifest(tmp_path / "list.parquet", source).files, source)
