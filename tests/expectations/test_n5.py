"""Blocks of N5, as tensorstore has written them (`corpus/make_stored.py`, ``blocks``)."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path

import pytest

from upload_client.expectations.findings import NotOpened
from upload_client.expectations.formats.n5 import open_block
from upload_client.expectations.packaging import is_block, metadata_places
from upload_client.expectations.packed import Budget
from upload_client.preflight.content import check_contents, unopened
from upload_client.validator.opening import format_of

pytest.importorskip("numcodecs")
KEPT = Path(__file__).parents[1] / "corpus" / "n5.zip"
PACKINGS = ("raw", "gzip", "zlib", "bzip2", "xz", "blosc", "zstd")


def opens(data: bytes, metadata: bytes) -> str:
    """What is wrong; empty: nothing."""
    try:
        open_block(io.BytesIO(data), len(data), Budget(10**8), metadata)
    except ValueError as error:
        return str(error)
    return ""


def kept(name: str) -> tuple[bytes, list[bytes]]:
    """The metadata of an array, and its blocks."""
    with zipfile.ZipFile(KEPT) as archive:
        names = [one for one in archive.namelist() if one.startswith(f"g.n5/in/{name}/")]
        read = {one: archive.read(one) for one in names}
    return read.pop(f"g.n5/in/{name}/attributes.json"), list(read.values())


@pytest.mark.parametrize("name", PACKINGS)
def test_each_block_opens_and_is_told_where_it_is_cut(name):
    if name == "zstd":
        pytest.importorskip("upload_client.expectations.packed").decompressor("zstd")
    metadata, blocks = kept(name)
    assert len(blocks) == 9
    for block in blocks:
        assert opens(block, metadata) == ""
        cuts = range(0, len(block), 3)
        assert [n for n in cuts if not opens(block[:n], metadata)] == []


def test_a_block_that_is_not_of_its_array_is_damage():
    metadata, (block, *_) = kept("raw")
    assert "a block of its array" in opens(b"\0\0\0\3" + block[4:], metadata)
    assert "a block of its array" in opens(b"\0\7" + block[2:], metadata)
    assert "more values along an axis" in opens(block[:4] + struct.pack(">II", 6, 9) + block[12:], metadata)
    smaller = block[:4] + struct.pack(">II", 2, 8) + block[12 : 12 + 32]
    assert opens(smaller, metadata) == ""  # at an edge


def test_a_block_may_tell_the_number_of_its_values_itself():
    metadata, (block, *_) = kept("raw")
    told = struct.pack(">HHIII", 1, 2, 6, 8, 5) + bytes(10)
    assert opens(told, metadata) == ""
    assert "cut or damaged" in opens(told[:-1], metadata)
    assert opens(block, metadata) == ""


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"dataType": "string"}, "the type string"),
        ({"compression": {"type": "lz4"}}, "packed with lz4"),
        ({"blockSize": [6, 0]}, "cannot be understood"),
        ({"blockSize": 6}, "cannot be understood"),
        ({"compression": "gzip"}, "cannot be understood"),
    ],
)
def test_what_is_not_known_here_is_no_fault_of_the_block(change, says):
    metadata, (block, *_) = kept("raw")
    with pytest.raises(NotOpened, match=says):
        opens(block, json.dumps(json.loads(metadata) | change).encode())
    with pytest.raises(NotOpened, match="cannot be understood"):
        opens(block, b"[]")


def test_arrays_of_the_first_version_name_their_packing_alone():
    metadata, (block, *_) = kept("gzip")
    content = json.loads(metadata)
    del content["compression"]
    assert opens(block, json.dumps(content | {"compressionType": "gzip"}).encode()) == ""


def test_blocks_are_found_by_their_names_and_opened_in_a_folder(tmp_path):
    with zipfile.ZipFile(KEPT) as archive:
        archive.extractall(tmp_path)
    block = tmp_path / "g.n5" / "in" / "gzip" / "1" / "1"
    block.write_bytes(block.read_bytes()[:-3])
    (tmp_path / "g.n5" / "7").write_bytes(b"of no array")
    files = [
        (path.relative_to(tmp_path).as_posix(), path.stat().st_size)
        for path in sorted(tmp_path.rglob("*"))
        if path.is_file()
    ]
    assert [format_of(path) for path, _ in files].count("n5") == 9 * len(PACKINGS) + 1
    looked_at = [(path, size) for path, size in files if unopened(path, size) is None]
    wrong = dict(check_contents(tmp_path, looked_at, n_processes=1))
    assert list(wrong) == ["g.n5/in/gzip/1/1"]
    assert "does not open as n5: it is cut" in wrong["g.n5/in/gzip/1/1"]
    assert not is_block("a/1")
    assert list(metadata_places("a.n5/b/0/1")) == [f"a.n5/{one}attributes.json" for one in ("b/0/", "b/", "")]
