"""An index with checksums that people have besides CRC32: read from each kind of list, and checked."""

from __future__ import annotations

import hashlib
import zlib

import pandas as pd
import pytest

from upload_client.core import checksums
from upload_client.core.digests import encode
from upload_client.errors import InvalidIndex
from upload_client.index import check_index
from upload_client.index.manifests import read_manifest

MD5 = hashlib.md5(b"a").digest()
SHA256 = hashlib.sha256(b"a").digest()
CRC32 = zlib.crc32(b"a")


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / name).write_bytes(b"a")
    return folder


def test_columns_named_so_are_read_in_hexadecimal_and_base64(source, tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(f"path,md5,sha256\na,{MD5.hex()},{encode(SHA256)}\nb,{encode(MD5)},\n")
    checked = check_index(read_manifest(path, source).files, source).frame
    assert list(checked.columns) == ["path", "checksum", "size", "md5", "sha256"]
    assert checked["md5"].tolist() == [encode(MD5)] * 2
    assert checked["sha256"].tolist() == [encode(SHA256), None]
    assert checked["checksum"].tolist() == [None, None]


def test_so_are_those_of_a_tsv_and_of_parquet_where_they_may_be_bytes(source, tmp_path):
    tsv, parquet = tmp_path / "list.tsv", tmp_path / "list.parquet"
    tsv.write_text(f"path\tmd5\na\t{MD5.hex()}\n")
    pytest.importorskip("pyarrow")
    pd.DataFrame({"path": ["a"], "md5": [MD5], "unknown": [1]}).to_parquet(parquet)
    for path in (tsv, parquet):
        checked = check_index(read_manifest(path, source).files, source).frame
        assert checked["md5"].tolist() == [encode(MD5)]


def test_a_frame_may_have_them_with_gaps(source):
    frame = pd.DataFrame({"path": ["a", "b"], "md5": pd.array([MD5.hex(), pd.NA], dtype="string")})
    assert check_index(frame, source).frame["md5"].tolist() == [encode(MD5), None]


def test_crc32_is_another_name_of_checksum(source):
    text = checksums.encode(CRC32)
    frame = pd.DataFrame({"path": ["a", "b"], "crc32": [f"{CRC32:08x}", text]})
    checked = check_index(frame, source).frame
    assert checked["checksum"].tolist() == [text, text]
    assert "crc32" not in checked.columns


def test_what_is_none_is_refused_with_its_row(source, tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(f"path,checksum,md5,crc32\na,AAAAAA==,{SHA256.hex()},{CRC32:08x}\nb,,nonsense,\n")
    with pytest.raises(InvalidIndex) as found:
        check_index(read_manifest(path, source).files, source)
    first, second, third = found.value.problems
    assert first.startswith("row 2: 'a' has '") or second.startswith("row 2: 'a' has '")
    assert "as md5, not the 16 bytes of a md5, in hexadecimal or base64" in first + second
    assert f"has AAAAAA== as checksum, and {checksums.encode(CRC32)} as crc32" in first + second
    assert third.startswith("row 3: 'b' has 'nonsense' as md5, not the 16 bytes")
