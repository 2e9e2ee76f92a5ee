"""Chunks of different lengths, codecs that make other numbers of values, and numbers that are scaled.

What zarr 3.4 has written of these, which needs Python 3.12, is kept (`corpus/make_stored.py`, ``grids``).
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from upload_client.expectations.findings import NotOpened, Undecided
from upload_client.expectations.packaging.zarr import array_of

zarr = pytest.importorskip("zarr")
np = pytest.importorskip("numpy")

from expectations.test_zarr_rules import document, files_of, said, written  # noqa: E402

from upload_client.expectations.formats.zarr import open_chunk  # noqa: E402
from upload_client.expectations.packed import Budget  # noqa: E402

KEPT = Path(__file__).parents[1] / "corpus" / "zarr-3.4.zip"
GRIDS = ("rect", "rect_rle", "rect_mixed", "rect_plain", "rect_shard", "rect_shard2")
CODECS = ("so_f", "so_i", "cast", "cast_so", "cast_big", "shard_cast")
LOWEST, HIGHEST = 100, 372  # of each array


@pytest.fixture
def keep(tmp_path):
    """A folder with one of the arrays."""

    def extract(name: str) -> Path:
        with zipfile.ZipFile(KEPT) as archive:
            names = [one for one in archive.namelist() if one.startswith(f"g.zarr/{name}/")]
            archive.extractall(tmp_path, ["g.zarr/zarr.json", *names])
        return tmp_path

    return extract


def rules(name: str, **more) -> dict:
    return {"name": name, "shape": [13, 21], "min": LOWEST, "max": HIGHEST, "nulls": False, **more}


@pytest.mark.parametrize("name", [*GRIDS, *CODECS])
def test_values_are_those_that_the_library_has_written(keep, name):
    kept = keep(name)
    assert said(kept, document(arrays=[rules(name, complete=True)])) == {}
    for broken in ({"min": LOWEST + 1}, {"max": HIGHEST - 1}):
        wrong = said(kept, document(arrays=[rules(name, **broken)]))
        place = "[0, 0]" if "min" in broken else "[12, 20]"
        assert [f"element {place}" in what for what in wrong.values()] == [True], wrong


def test_what_stands_for_a_missing_value_below_a_codec_is_missing(keep):
    kept = keep("nan")
    wrong = said(kept, document(arrays=[rules("nan")]))
    assert list(wrong) == ["g.zarr/nan/c/0/0"]
    assert "element [2, 3] is missing" in wrong["g.zarr/nan/c/0/0"]
    assert said(kept, document(arrays=[rules("nan") | {"nulls": True}])) == {}


@pytest.mark.parametrize("name", [*GRIDS, *CODECS])
def test_each_chunk_opens_and_a_cut_one_does_not(keep, name):
    kept = keep(name)
    metadata = (kept / "g.zarr" / name / "zarr.json").read_bytes()
    chunks = [kept / path for path in files_of(kept) if path.startswith(f"g.zarr/{name}/c/")]
    assert len(chunks) == np.prod(array_of(json.loads(metadata)).grid)
    for path in chunks:
        data = path.read_bytes()

        def opens(data: bytes) -> None:
            open_chunk(io.BytesIO(data), len(data), Budget(10**9), metadata)

        if "rect_shard" in name:
            with pytest.raises(NotOpened, match="chunks of different lengths"):
                opens(data)
            continue
        opens(data)
        for cut in (1, 2, len(data) // 2):
            with pytest.raises(ValueError, match=r"it is cut|it is damaged|empty"):
                opens(data[:-cut])


def test_a_chunk_that_is_not_there_and_one_that_lies_outside_are_told_of_such_grids(keep):
    kept = keep("rect")
    (kept / "g.zarr/rect/c/3").mkdir()
    (kept / "g.zarr/rect/c/2/1").rename(kept / "g.zarr/rect/c/3/1")
    wrong = said(kept, document(arrays=[rules("rect", complete=True)]))
    assert "3 by 2: it lies outside" in wrong["g.zarr/rect/c/3/1"]
    assert "1 chunk of 6 is not in the delivery: 'g.zarr/rect/c/2/1'" in wrong["g.zarr/rect/zarr.json"]


def _array(chunk_shapes: list, shape: list[int]) -> dict:
    grid = {"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": chunk_shapes}}
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": "int8",
        "chunk_grid": grid,
        "chunk_key_encoding": {"name": "default"},
        "codecs": ["bytes"],
    }


def test_the_last_chunks_of_a_grid_may_lie_behind_the_array():
    array = array_of(_array([[[4, 3], 9, 9], 5, [3]], [9, 9, 0]))
    assert array.grid == (3, 2, 0)
    assert array.extent((2, 1, 0)) == ((8, 5, 0), (4, 5, 3))
    assert array.sizes() == {4 * 5 * 3, 9 * 5 * 3}


@pytest.mark.parametrize(
    "chunk_shapes", [[[3, 3], 5], [[0, 9], 9], [[[3, 0], 9], 9], [[], 9], [[9]], [[9], "9"], [[9.0], 9]]
)
def test_grids_that_cannot_be_are_told(chunk_shapes):
    with pytest.raises((ValueError, TypeError)):
        array_of(_array(chunk_shapes, [9, 9]))


def test_a_grid_of_more_chunks_than_are_looked_for_is_not_opened():
    content = _array([[[1, 10**9]]], [9])
    assert array_of(content) is None
    with pytest.raises(NotOpened, match="a grid that is not known here"):
        open_chunk(io.BytesIO(b"1"), 1, Budget(10), json.dumps(content).encode())


def _changed(kept: Path, name: str, codec: str, **how) -> Path:
    path = kept / "g.zarr" / name / "zarr.json"
    content = json.loads(path.read_bytes())
    for one in content["codecs"]:
        if one["name"] == codec:
            one["configuration"] |= how
    path.write_text(json.dumps(content))
    return kept


@pytest.mark.parametrize(
    ("name", "codec", "how", "says"),
    [
        ("cast", "cast_value", {"rounding": "towards-zero"}, "rounds in a way that is not known here"),
        ("cast", "cast_value", {"out_of_range": "wrap"}, "rounds in a way that is not known here"),
        ("cast", "cast_value", {"data_type": "bfloat16"}, "cannot be judged here|not known here|understood"),
        ("so_i", "scale_offset", {"scale": 0}, "is not understood here"),
        ("so_i", "scale_offset", {"scale": 0.5}, "is not understood here"),
        ("so_f", "scale_offset", {"scale": "two"}, "is not understood here"),
    ],
)
def test_a_codec_that_is_not_known_to_the_end_is_no_fault_of_a_chunk(keep, name, codec, how, says):
    with pytest.raises(Undecided, match=says):
        said(_changed(keep(name), name, codec, **how), document(arrays=[rules(name)]))


def test_values_that_no_codec_can_have_made_are_damage(keep):
    for name, codec, how in (
        ("so_i", "scale_offset", {"scale": 7}),
        ("so_i", "scale_offset", {"offset": 2**31 - 1}),
    ):
        wrong = said(_changed(keep(name), name, codec, **how), document(arrays=[rules(name)]))
        assert all("it is damaged: it has values that" in what for what in wrong.values())
        assert len(wrong) > 3


@pytest.mark.parametrize("way", ["2", "3", "3 in shards"])
def test_rules_are_for_the_numbers_that_stored_ones_stand_for(tmp_path, way):
    stored = np.arange(13 * 21).reshape(13, 21).astype("i2")
    stored[1, 1] = -999
    written(tmp_path, stored, way, fill_value=0)
    rule = {"name": "in/a", "scale_factor": 0.01, "add_offset": 273.15, "missing": [-999]}
    attributes = {"scale_factor": 0.01, "add_offset": 273.15}
    zarr.open_array(tmp_path / "g.zarr" / "in" / "a", mode="a").attrs.update(attributes)
    assert said(tmp_path, document(arrays=[rule | {"min": 273.15, "max": 275.871}])) == {}
    wrong = said(tmp_path, document(arrays=[rule | {"max": 275.86}]))
    assert "275.87 in element [12, 20] is above 275.86" in next(iter(wrong.values()))
    wrong = said(tmp_path, document(arrays=[rule | {"scale_factor": 0.1}]))
    assert "attribute 'scale_factor'" in next(iter(wrong.values()))


def test_the_fill_value_is_scaled_too(tmp_path):
    stored = np.full((13, 21), 50, "i2")
    written(tmp_path, stored, "3", fill_value=7)
    (tmp_path / "g.zarr/in/a/c/0/0").unlink()
    zarr.open_array(tmp_path / "g.zarr" / "in" / "a", mode="a").attrs["scale_factor"] = 10
    rule = {"name": "in/a", "scale_factor": 10, "min": 400}
    wrong = said(tmp_path, document(arrays=[rule]))
    assert "the fill value 70.0 is below 400" in wrong["g.zarr/in/a/zarr.json"]
    assert said(tmp_path, document(arrays=[rule | {"min": 70}])) == {}
