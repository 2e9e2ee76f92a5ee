"""Chunks and shards of Zarr, as the library writes them: they are unpacked by the metadata above them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.expectations.findings import NotOpened
from upload_client.expectations.formats.zarr import open_chunk
from upload_client.expectations.packaging import is_chunk, metadata_places
from upload_client.expectations.packed import Budget

zarr = pytest.importorskip("zarr")
numcodecs = pytest.importorskip("numcodecs")
np = pytest.importorskip("numpy")

from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, TransposeCodec, ZstdCodec  # noqa: E402

NUMBERS = np.random.default_rng(1).integers(0, 9, (70, 50)).astype("<u2")
WORDS = np.array([f"ü{i}" for i in range(3500)], dtype=object).reshape(70, 50)
SHARDS = {"chunks": (10, 10), "shards": (40, 30)}


def by(name, **how):
    return {"compressors": numcodecs.get_codec({"id": name, **how})}


SECOND = {
    **{name: by(name) for name in ("blosc", "zstd", "gzip", "zlib", "lz4", "bz2", "lzma")},
    "filters": {"filters": [numcodecs.Delta("<u2"), numcodecs.Shuffle(2)], **by("zlib")},
    "fletcher32": {"filters": [numcodecs.Fletcher32()], "compressors": None},
    "packed as others": {"filters": [numcodecs.AsType("<u1", "<u2")], **by("zstd")},
}
THIRD = {
    "default": {},
    "gzip": {"compressors": GzipCodec()},
    "blosc": {"compressors": BloscCodec()},
    "crc32c": {"compressors": [ZstdCodec(checksum=True), Crc32cCodec()]},
    "transposed": {"filters": [TransposeCodec(order=(1, 0))]},
    "plain": {"compressors": None},
    "shards": SHARDS,
    "shards of blosc": {**SHARDS, "compressors": BloscCodec()},
    "keys of 2": {"chunk_key_encoding": {"name": "v2", "separator": "."}},
}
CHECKED = {"gzip", "zlib", "bz2", "lzma", "filters", "fletcher32", "crc32c"}  # with checksums of their own


def chunks_of(folder: Path, version: int, how: dict, values=NUMBERS) -> tuple[bytes, list[bytes]]:
    """The metadata of an array in a group, and all its chunks, each found as a receiver finds it."""
    group = zarr.open_group(folder / "g.zarr", mode="w", zarr_format=version)
    dtype = str if values.dtype == object else values.dtype
    group.create_array("in/a", shape=values.shape, dtype=dtype, **{"chunks": (30, 20)} | how)[...] = values
    paths = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    chunks = [path for path in paths if is_chunk(path)]
    found = {next(place for place in metadata_places(chunk) if place in paths) for chunk in chunks}
    assert found == {"g.zarr/in/a/zarr.json" if version == 3 else "g.zarr/in/a/.zarray"}
    return (folder / found.pop()).read_bytes(), [(folder / path).read_bytes() for path in chunks]


def wrong(data: bytes, metadata: bytes) -> str:
    try:
        open_chunk(io.BytesIO(data), len(data), Budget(10**9), metadata)
    except ValueError as error:
        return str(error)
    return ""


ALL = [(2, name) for name in SECOND] + [(3, name) for name in THIRD]


@pytest.mark.parametrize(("version", "name"), ALL, ids=str)
def test_chunks_are_unpacked_and_what_is_cut_or_changed_is_noticed(tmp_path, version, name):
    metadata, chunks = chunks_of(tmp_path, version, (SECOND if version == 2 else THIRD)[name])
    assert len(chunks) == (4 if "shards" in name else 9)
    assert {wrong(chunk, metadata) for chunk in chunks} == {""}
    chunk = max(chunks, key=len)
    assert [at for at in range(0, len(chunk), len(chunk) // 9) if not wrong(chunk[:at], metadata)] == []
    assert wrong(chunk + b"more", metadata)
    if name in CHECKED:
        places = range(12, len(chunk), len(chunk) // 9)
        flipped = [chunk[:at] + bytes([chunk[at] ^ 16]) + chunk[at + 1 :] for at in places]
        assert [at for at, one in zip(places, flipped, strict=True) if not wrong(one, metadata)] == []


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    "values",
    [NUMBERS > 3, NUMBERS.astype("c8"), NUMBERS.astype("M8[ns]"), NUMBERS.astype("U5"), WORDS],
    ids=["bool", "complex", "moments", "texts", "words"],
)
@pytest.mark.filterwarnings("ignore")  # the library's word on types that are in no specification yet
def test_chunks_of_other_types_are_unpacked(tmp_path, version, values):
    metadata, chunks = chunks_of(tmp_path, version, {}, values)
    assert {wrong(chunk, metadata) for chunk in chunks} == {""}
    assert wrong(chunks[0][:-5], metadata)


def test_an_array_without_axes_has_one_chunk(tmp_path):
    for version in (2, 3):
        metadata, chunks = chunks_of(tmp_path / str(version), version, {"chunks": ()}, np.array(3.0))
        assert [wrong(chunk, metadata) for chunk in chunks] == [""]


def test_the_index_of_a_shard_has_a_checksum_and_its_chunks_lie_within_it(tmp_path):
    metadata, chunks = chunks_of(tmp_path, 3, SHARDS)
    chunk = bytearray(chunks[0])
    chunk[-9] ^= 1
    assert "the CRC-32C of its index is another" in wrong(bytes(chunk), metadata)
    content = json.loads(metadata)
    content["codecs"][0]["configuration"]["index_codecs"] = ["bytes"]
    assert "should end behind its end" in wrong(bytes(chunks[0][:-40]), json.dumps(content).encode())


@pytest.mark.parametrize(
    ("version", "changes", "says"),
    [
        (2, {"compressor": {"id": "pickle"}}, "packed with pickle, which is not known here"),
        (2, {"compressor": {"id": "blosc", "of": "nobody"}}, "not understood"),
        (2, {"compressor": {"id": ["blosc"]}}, "cannot be understood"),
        (3, {"codecs": ["bytes", {"name": "of.nobody"}]}, "packed with of.nobody"),
        (3, {"codecs": 3}, "cannot be understood"),
        (3, {"storage_transformers": ["x"]}, "storage transformers"),
        (3, {"chunk_grid": {"name": "rectangular"}}, "of a grid that is not known here"),
        (2, {"chunks": [2**30, 2**30]}, "a chunk has more than"),
        (2, {"zarr_format": 9}, "cannot be understood"),
    ],
)
def test_what_is_not_known_here_is_no_fault_of_the_file(tmp_path, version, changes, says):
    metadata, chunks = chunks_of(tmp_path, version, by("blosc") if version == 2 else {})
    changed = json.dumps(json.loads(metadata) | changes).encode()
    with pytest.raises(NotOpened, match=says):
        wrong(chunks[0], changed)


@pytest.mark.parametrize("told", [2**31, 2**32 - 1])
def test_a_chunk_that_says_it_is_huge_is_not_unpacked(tmp_path, told):
    metadata, chunks = chunks_of(tmp_path, 2, by("blosc"))
    huge = chunks[0][:4] + told.to_bytes(4, "little") + chunks[0][8:]
    with pytest.raises(NotOpened, match="a chunk has more than"):
        wrong(huge, metadata)


@given(st.binary(max_size=200))
def test_whatever_a_shard_holds_it_is_judged(data):
    inner = {"chunk_shape": [2], "codecs": ["bytes", {"name": "gzip", "configuration": {}}]}
    inner["index_codecs"] = ["bytes"]
    array = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [8],
        "data_type": "int8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [8]}},
        "chunk_key_encoding": "default",
        "codecs": [{"name": "sharding_indexed", "configuration": inner}],
    }
    nowhere = b"\xff" * 64
    assert wrong(data + nowhere, json.dumps(array).encode()) == ""
    wrong(data, json.dumps(array).encode())


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.zarr/0.0", True),
        ("a.zarr/b/c/0/1", True),
        ("a.zarr/c.0", True),
        ("a.zarr/s/c", True),
        ("a.zarr/b/.zarray", False),
        ("a.zarr/README", False),
        ("a/0/1", False),
        ("0", False),
    ],
)
def test_a_chunk_is_known_by_its_name(path, expected):
    assert is_chunk(path) is expected
