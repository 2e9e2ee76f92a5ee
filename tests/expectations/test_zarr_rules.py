"""Rules for values in folders of Zarr, chunk by chunk, as the library writes them."""

from __future__ import annotations

import datetime as dt
import json
import warnings
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from upload_client.expectations.content import judge
from upload_client.expectations.document import InvalidExpectations, load
from upload_client.expectations.expected import Expected
from upload_client.expectations.findings import NotOpened, Undecided
from upload_client.expectations.infer import PoorSample, infer
from upload_client.expectations.packaging import is_chunk, metadata_places, part_of
from upload_client.preflight.packages import check_packages

zarr = pytest.importorskip("zarr")
numcodecs = pytest.importorskip("numcodecs")
np = pytest.importorskip("numpy")

from zarr.codecs import BloscCodec, GzipCodec, TransposeCodec  # noqa: E402

WAYS = {
    "2": (2, {}),
    "2 by columns": (2, {"order": "F"}),
    "2 with filters": (2, {"filters": [numcodecs.Delta("<f4")]}),
    "3": (3, {}),
    "3 transposed": (3, {"filters": [TransposeCodec(order=(1, 0))], "compressors": GzipCodec()}),
    "3 of the largest byte first": (3, {"serializer": zarr.codecs.BytesCodec(endian="big")}),
    "3 in shards": (3, {"chunks": (3, 4), "shards": (6, 8), "compressors": BloscCodec()}),
}
SHAPE = (13, 21)


def numbers(shape=SHAPE, dtype="<f4"):
    return (np.arange(np.prod(shape)).reshape(shape) + 100).astype(dtype)


def written(folder: Path, values, way: str = "3", name: str = "in/a", **how) -> Path:
    version, more = WAYS[way]
    group = zarr.open_group(folder / "g.zarr", mode="a", zarr_format=version)
    dtype = str if values.dtype == object else values.dtype
    how = {"chunks": (6, 8)[: values.ndim]} | more | how
    group.create_array(name, shape=values.shape, dtype=dtype, **how)[...] = values
    return folder


def document(**zarr_rules) -> Expected:
    types = [{"name": "cubes", "files": "**/*.zarr/**", "content": {"format": "zarr", **zarr_rules}}]
    return Expected(load(yaml.safe_dump({"version": 1, "types": types}).encode(), "a document"))


def files_of(folder: Path) -> dict[str, int]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in found}


def said(folder: Path, expected: Expected) -> dict[str, str]:
    """What is wrong with each file, as it is judged by itself and against the others."""
    files, wrong = files_of(folder), {}
    for path, size in files.items():
        rules = expected.content(path)
        if rules is None:
            continue
        place = next((one for one in metadata_places(path) if one in files), "") if is_chunk(path) else ""
        part = part_of(path, place, (folder / place).read_bytes() if place else b"")
        with (folder / path).open("rb") as file:
            findings = judge(rules.content, file, size, max_unpacked=10**9, part=part)
        if findings.n:
            wrong[path] = str(findings)
    held = check_packages(folder, files, expected=expected)
    return wrong | {path: what for path, what, is_kept in held if not is_kept}


def of_array(**rules) -> Expected:
    return document(arrays=[{"name": "in/a", **rules}])


@pytest.mark.parametrize("way", WAYS)
def test_one_value_that_is_too_large_is_found_at_its_place_wherever_it_lies(tmp_path, way):
    values = numbers()
    values[12, 20] = 1000  # in the last chunk, which reaches beyond the array
    written(tmp_path, values, way)
    assert said(tmp_path, of_array(max=999, dtype="float32", shape=list(SHAPE))) != {}
    (reason,) = said(tmp_path, of_array(max=999)).values()
    assert reason == "array 'in/a': 1000.0 in element [12, 20] is above 999"
    assert said(tmp_path, of_array(max=1000, min=100, nulls=False)) == {}


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=8)
@given(row=st.integers(0, SHAPE[0] - 1), column=st.integers(0, SHAPE[1] - 1))
def test_the_place_that_is_told_is_numpys(tmp_path_factory, way, row, column):
    folder = tmp_path_factory.mktemp("a")
    values = numbers()
    values[row, column] = np.nan
    (reason,) = said(written(folder, values, way), of_array(nulls=False)).values()
    assert f"a value in element [{row}, {column}] is missing" in reason


@pytest.mark.parametrize("way", ["2", "3", "3 in shards"])
def test_what_lies_beyond_the_array_in_a_chunk_at_its_edge_is_no_value(tmp_path, way):
    written(tmp_path, numbers(), way, fill_value=-5)  # with which the chunk is filled up
    assert said(tmp_path, of_array(min=0)) == {}


@pytest.mark.parametrize("way", ["2", "3"])
@pytest.mark.parametrize(
    ("values", "rules", "reason"),
    [
        (np.array(["a", "b", "c"], "<U4"), {"values": ["a", "b"]}, "'c' in element [2] is none of 'a', 'b'"),
        (np.array(["a", "bä", ""], object), {"pattern": "[a-z]*"}, "'bä' in element [1] does not match"),
        (np.array([b"ab", b"abc"], "S4"), {"max_length": 2}, "in element [1] is longer than 2 characters"),
        (
            np.array(["2020-01-01", "2021-01-01"], "M8[ns]"),
            {"max": dt.date(9999, 1, 1), "min": dt.date(2020, 6, 1)},
            "in element [0] is below",
        ),
        (np.array(["2020-01-01", "NaT"], "M8[s]"), {"nulls": False}, "a value in element [1] is missing"),
        (np.array([1, 0], "?"), {"values": [True]}, "False in element [1] is none of True"),
        (np.array([3, 300], ">u2"), {"below": 300}, "300 in element [1] is not below 300"),
        (np.array([1, -999.9], "f4"), {"nulls": False, "missing": [-999.9]}, "in element [1] is missing"),
    ],
    ids=str,
)
def test_values_of_every_type_are_judged(tmp_path, way, values, rules, reason):
    with warnings.catch_warnings(action="ignore"):  # some types have no specification yet
        written(tmp_path, values, way, chunks=(2,))
    (told,) = said(tmp_path, of_array(**rules)).values()
    assert reason in told


@pytest.mark.parametrize("way", ["2", "3"])
def test_a_chunk_that_is_not_there_is_the_fill_value_and_judged_as_that(tmp_path, way):
    written(tmp_path, numbers(), way, fill_value=np.nan)
    gone = next(path for path in files_of(tmp_path) if path.endswith(("/c/1/2", "/1.2")))
    (tmp_path / gone).unlink()
    assert said(tmp_path, of_array(min=0)) == {}
    (reason,) = said(tmp_path, of_array(nulls=False)).values()
    assert f"chunk '{gone}' is not in the delivery, and the fill value is missing" in reason


def test_a_chunk_that_is_not_in_its_shard_is_the_fill_value_too(tmp_path):
    values = numbers()
    values[6:9, 4:8] = -1
    written(tmp_path, values, "3 in shards", fill_value=-1)
    (reason,) = said(tmp_path, of_array(min=0)).values()
    assert "-1.0 in element [6, 4] is below 0" in reason


def test_an_array_without_a_fill_value_lacks_what_is_not_there(tmp_path):
    written(tmp_path, numbers(), "2", fill_value=None)
    (tmp_path / "g.zarr/in/a/0.0").unlink()
    assert "the fill value is none" in str(said(tmp_path, of_array(nulls=False)))
    assert said(tmp_path, of_array(min=100)) == {}


@pytest.mark.parametrize("way", ["2", "3", "3 in shards"])
def test_of_an_array_that_has_to_be_complete_each_chunk_that_is_missing_is_named(tmp_path, way):
    written(tmp_path, numbers(), way)
    expected = of_array(complete=True)
    assert said(tmp_path, expected) == {}
    chunks = [path for path in files_of(tmp_path) if is_chunk(path)]
    for path in (chunks[1], chunks[-1]):
        (tmp_path / path).unlink()
    (reason,) = said(tmp_path, expected).values()
    assert f"2 chunks of 9 are not in the delivery: '{chunks[1]}', '{chunks[-1]}'" in reason


@pytest.mark.parametrize("extra", ["c/9/0", "c/0/3", "c.0.0", "0.0", "c/00/1"], ids=lambda name: name)
def test_a_file_that_is_called_as_a_chunk_and_is_none_of_its_array_is_told(tmp_path, extra):
    written(tmp_path, numbers(), "3")
    path = tmp_path / "g.zarr/in/a" / extra
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((tmp_path / "g.zarr/in/a/c/1/1").read_bytes())
    (told,) = said(tmp_path, document()).items()
    assert told[0] == f"g.zarr/in/a/{extra}"
    assert "lies outside" in told[1] or "no chunk of it is called so" in told[1]


def test_what_belongs_to_no_array_is_opened_by_its_name_or_refused(tmp_path):
    written(tmp_path, numbers(), "3")
    (tmp_path / "g.zarr/7").write_bytes(b"1")
    (tmp_path / "g.zarr/notes.txt").write_bytes(b"1")
    refusing = document(others="refuse", arrays=[{"name": "in/a"}])
    assert set(said(tmp_path, refusing)) == {"g.zarr/7", "g.zarr/notes.txt"}
    assert document().content("g.zarr/notes.txt") is None
    with pytest.raises(NotOpened, match="belongs to no array"):
        said(tmp_path, document())


def test_arrays_their_types_shapes_and_attributes_are_held_against_the_document(tmp_path):
    written(tmp_path, numbers(), "3")
    group = zarr.open_group(tmp_path / "g.zarr", mode="a")
    group.attrs["title"] = "A"
    group["in/a"].attrs["units"] = "K"
    good = {"name": "in/a", "dtype": "float32", "shape": [None, 21]}
    assert said(tmp_path, document(arrays=[good | {"attributes": [{"key": "units", "values": ["K"]}]}])) == {}
    wrong = good | {"dtype": "int16", "shape": [None, 22], "attributes": [{"key": "units", "values": ["m"]}]}
    (reason,) = said(tmp_path, document(arrays=[wrong])).values()
    assert "float32 where int16 is expected" in reason
    assert "shape 13 by 21 where any by 22 is expected" in reason
    assert "attribute 'units': 'K' is none of 'm'" in reason
    (reason,) = said(tmp_path, document(attributes=[{"key": "titel"}])).values()
    assert "attribute 'titel': it is missing" in reason
    (reason,) = said(tmp_path, document(arrays=[good, {"name": "in/b"}])).values()
    assert "array 'in/b': it is missing" in reason
    assert said(tmp_path, document(arrays=[good, {"name": "in/b", "required": False}])) == {}
    (reason,) = said(tmp_path, document(others="refuse", arrays=[{"name": "b", "required": False}])).values()
    assert "array 'in/a': no such array is expected" in reason


def test_attributes_of_version_2_lie_in_a_file_of_their_own(tmp_path):
    written(tmp_path, numbers(), "2")
    expected = of_array(attributes=[{"key": "units", "values": ["K"]}])
    (tmp_path / "g.zarr/in/a/.zattrs").unlink(missing_ok=True)
    assert "attribute 'units': it is missing" in said(tmp_path, expected)["g.zarr/in/a/.zarray"]
    (tmp_path / "g.zarr/in/a/.zattrs").write_text('{"units": "m"}')
    assert "'m' is none of 'K'" in said(tmp_path, expected)["g.zarr/in/a/.zattrs"]


def test_a_folder_that_is_an_array_itself_has_the_name_of_a_slash(tmp_path):
    zarr.create_array(tmp_path / "g.zarr", shape=(5,), chunks=(2,), dtype="i4")[...] = [1, 2, 3, 4, 50]
    (reason,) = said(tmp_path, document(arrays=[{"name": "/", "max": 4}])).values()
    assert reason == "array '/': 50 in element [4] is above 4"


def test_an_array_of_no_axis_has_one_value(tmp_path):
    written(tmp_path, np.array(7, "i4"), "3", chunks=())
    assert "7 in element [] is above 6" in str(said(tmp_path, of_array(max=6)))
    assert said(tmp_path, of_array(max=7, complete=True)) == {}


@pytest.mark.parametrize("way", ["2", "3"])
def test_an_array_of_no_axis_may_be_a_text(tmp_path, way):
    with warnings.catch_warnings(action="ignore"):
        written(tmp_path, np.array("a", object), way, chunks=())
    assert said(tmp_path, of_array(values=["a"], nulls=False)) == {}
    assert "'a' in element [] is none of 'b'" in str(said(tmp_path, of_array(values=["b"])))


@pytest.mark.parametrize("gap", [float("nan"), float("inf"), 0.5, 300, -1])
def test_what_values_of_a_type_cannot_be_stands_for_none_of_them(tmp_path, gap):
    written(tmp_path, np.array([3, 7], "u1"), "3", chunks=(1,))
    assert said(tmp_path, of_array(missing=[gap], nulls=False, max=7)) == {}
    assert "is missing" in str(said(tmp_path, of_array(missing=[gap, 7], nulls=False)))


@pytest.mark.parametrize("unit", ["s", "ms", "ns", "D"])
@pytest.mark.parametrize("gap", ["1900-01-01", dt.date(1900, 1, 1), "1900-01-01T00:00:00"])
def test_a_day_may_stand_for_a_missing_moment(tmp_path, unit, gap):
    with warnings.catch_warnings(action="ignore"):
        written(tmp_path, np.array(["2020-01-01", "1900-01-01"], f"M8[{unit}]"), "3", chunks=(2,))
    assert said(tmp_path, of_array(missing=[gap], min=dt.date(2000, 1, 1))) == {}
    assert "element [1] is missing" in str(said(tmp_path, of_array(missing=[gap], nulls=False)))


@pytest.mark.parametrize(
    "codec",
    [{"name": "numcodecs.delta", "configuration": {"dtype": "<u4"}}],
    ids=["delta"],
)
def test_filters_below_bytes_of_another_order_are_undone_rightly_or_not_judged(tmp_path, codec):
    values = np.array([5, 6, 9], "u4")
    written(tmp_path, values, "3 of the largest byte first", chunks=(3,), compressors=None)
    path = tmp_path / "g.zarr/in/a/zarr.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"codecs": [codec, *content["codecs"]]}))
    (tmp_path / "g.zarr/in/a/c/0").write_bytes(np.array([5, 1, 3], ">u4").tobytes())
    with pytest.raises(Undecided, match="filters below bytes"):
        said(tmp_path, of_array(max=9))


def test_the_index_of_shards_may_have_the_largest_byte_first(tmp_path):
    serial = zarr.codecs.BytesCodec(endian="big")
    shards = zarr.codecs.ShardingCodec(chunk_shape=(3, 4), index_codecs=[serial, zarr.codecs.Crc32cCodec()])
    with warnings.catch_warnings(action="ignore"):
        written(tmp_path, numbers(), "3", serializer=shards, compressors=None)
    assert said(tmp_path, document()) == {}
    assert said(tmp_path, of_array(min=100, max=372)) == {}
    assert "372.0 in element [12, 20] is above 371" in str(said(tmp_path, of_array(max=371)))


@pytest.mark.parametrize("kind", ["int4", "float8_e4m3", "bfloat16", "complex_float32"])
def test_a_type_of_an_extension_is_no_fault(tmp_path, kind):
    written(tmp_path, numbers(), "3")
    path = tmp_path / "g.zarr/in/a/zarr.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"data_type": kind}))
    metadata = document(arrays=[{"name": "in/a"}]).content("g.zarr/in/a/zarr.json")
    part = part_of("g.zarr/in/a/zarr.json")
    with path.open("rb") as file:
        assert not judge(metadata.content, file, path.stat().st_size, max_unpacked=9**9, part=part).n


def test_attributes_may_speak_of_an_array(tmp_path):
    written(tmp_path, numbers(), "2")
    (tmp_path / "g.zarr/in/a/.zattrs").write_text('{"node_type": "array"}')
    assert said(tmp_path, of_array(min=0)) == {}


def test_where_a_chunk_cannot_be_unpacked_here_its_values_are_undecided(tmp_path):
    written(tmp_path, numbers(), "2")
    path = tmp_path / "g.zarr/in/a/.zarray"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"compressor": {"id": "of tomorrow"}}))
    with pytest.raises(Undecided, match="packed with of tomorrow"):
        said(tmp_path, of_array(min=0))
    with pytest.raises(NotOpened, match="packed with of tomorrow"):
        said(tmp_path, of_array(dtype="float32"))


def test_values_of_structures_are_undecided(tmp_path):
    with warnings.catch_warnings(action="ignore"):
        written(tmp_path, np.ones(3, [("a", "<i4"), ("b", "<f8")]), "2", chunks=(2,))
    with pytest.raises(Undecided, match="values of its type"):
        said(tmp_path, of_array(min=0))
    assert said(tmp_path, of_array(required=True)) == {}


@pytest.mark.parametrize(
    ("fill", "dtype", "due"),
    [
        ("NaN", "float32", {}),
        ("-Infinity", "float32", "-inf is below 0"),
        ("0x7fc00000", "float32", {}),
        ("0xbf800000", "float32", "-1.0 is below 0"),
        (-3, "int8", "-3 is below 0"),
    ],
)
def test_fill_values_are_read_as_both_versions_spell_them(tmp_path, fill, dtype, due):
    written(tmp_path, numbers((4,), "i1").astype(dtype), "3", chunks=(2,))
    path = tmp_path / "g.zarr/in/a/zarr.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fill_value": fill}))
    (tmp_path / "g.zarr/in/a/c/1").unlink()
    found = said(tmp_path, of_array(min=0))
    assert found == due or due in str(found)


def test_a_damaged_chunk_is_told_by_rules_too(tmp_path):
    written(tmp_path, numbers(), "3", compressors=GzipCodec())
    path = tmp_path / "g.zarr/in/a/c/1/1"
    path.write_bytes(path.read_bytes()[:-3])
    assert set(said(tmp_path, of_array(min=0))) == set(said(tmp_path, document())) == {"g.zarr/in/a/c/1/1"}


def test_a_file_that_lies_in_no_such_folder_is_told(tmp_path):
    types = [{"name": "a", "files": "*", "content": {"format": "zarr"}}]
    expected = Expected(load(json.dumps({"version": 1, "types": types}).encode(), "a document"))
    (tmp_path / "zarr.json").write_text("{}")
    assert "lies in no folder whose name ends in .zarr" in str(
        judge(expected.content("zarr.json").content, (tmp_path / "zarr.json").open("rb"), 2, max_unpacked=9)
    )


def test_an_array_stands_there_once():
    with pytest.raises(InvalidExpectations, match="stands there twice"):
        document(arrays=[{"name": "a"}, {"name": "/a/"}])


def test_a_draft_has_the_arrays_of_all_folders_and_accepts_the_sample(tmp_path):
    with warnings.catch_warnings(action="ignore"):
        for number in (1, 2):
            folder = tmp_path / f"day{number}"
            folder.mkdir()
            written(folder, numbers((13, 20 + number)), "3 in shards" if number == 1 else "2", "in/a")
            written(
                folder, np.array(["2020-01-01"], "M8[s]"), "3" if number == 1 else "2", "time", chunks=(1,)
            )
    zarr.open_group(tmp_path / "day1/g.zarr")["in/a"].attrs["_FillValue"] = -999.5
    written(tmp_path / "day2", np.array(["a"], object), "2", "names", chunks=(1,))
    sample = list(files_of(tmp_path).items())
    text = infer(tmp_path, sample)
    expected = Expected(load(text.encode(), "a draft"))
    assert said(tmp_path, expected) == {}
    arrays = {one.name: one for one in expected.expectations.types[0].content.arrays}
    assert [(name, one.dtype, one.shape, one.required) for name, one in arrays.items()] == [
        ("in/a", "float32", (None, None), True),
        ("names", "string", (None,), False),
        ("time", "timestamp", (None,), True),
    ]
    assert arrays["in/a"].missing == (-999.5,)


def test_a_draft_names_what_is_no_metadata(tmp_path):
    written(tmp_path, numbers(), "3")
    (tmp_path / "g.zarr/in/zarr.json").write_text("[]")
    with pytest.raises(PoorSample, match="no metadata of Zarr"):
        infer(tmp_path, list(files_of(tmp_path).items()))
