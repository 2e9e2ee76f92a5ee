"""Lists of files that people have already: read as an index, and an index written as one of them."""

from __future__ import annotations

import gzip
import hashlib
import sys
import zlib
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from upload_client.core import checksums
from upload_client.core.manifests import DIGESTS
from upload_client.core.paths import check_relpath
from upload_client.errors import InvalidIndex, UsageError
from upload_client.index import check_index, scan
from upload_client.index.manifests import read_manifest, write_manifest
from upload_client.s3.bucket import Bucket

CONTENT = {"a.csv": b"a", "b/c d+%25.csv": b"bc", "b/é.bin": b""}
BUCKET = Bucket("my-bucket", prefix="in/", client=object())

paths = st.text(min_size=1, max_size=20).filter(lambda path: check_relpath(path) is None)
frames = st.dictionaries(
    paths,
    st.tuples(st.none() | st.integers(0, 2**32 - 1).map(checksums.encode), st.none() | st.integers(0, 2**45)),
    min_size=1,
    max_size=8,
).map(
    lambda files: pd.DataFrame(
        {
            "path": pd.Series(list(files), dtype=object),
            "checksum": pd.Series([checksum for checksum, _ in files.values()], dtype=object),
            "size": pd.Series([size for _, size in files.values()], dtype="Int64"),
        }
    )
)
here = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


@pytest.fixture
def source(tmp_path):
    """A folder with three files, one of an odd name."""
    root = tmp_path / "source"
    for name, data in CONTENT.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def problems_of(path: Path, source, **options) -> tuple[str, ...]:
    with pytest.raises(InvalidIndex) as caught:
        check_index(read_manifest(path, source, **options).files, source if isinstance(source, Path) else {})
    return caught.value.problems


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
    return path


# ------------------------------------------------------------------------------------------------- tables


@here
@given(frames, st.sampled_from(["x.csv", "x.tsv", "x.parquet"]))
def test_a_table_is_read_as_it_was_written(tmp_path, frame, name):
    source = {
        path: 0 if pd.isna(size) else size for path, size in zip(frame["path"], frame["size"], strict=True)
    }
    frame["size"] = frame["size"].fillna(0)
    path = tmp_path / name
    assert write_manifest(frame, path, tmp_path, as_format=name[2:]) == len(frame)
    found = check_index(read_manifest(path, tmp_path).files, source).frame
    assert found["path"].tolist() == frame["path"].tolist()
    assert found["checksum"].tolist() == frame["checksum"].tolist()
    assert found["size"].tolist() == frame["size"].tolist()


@pytest.mark.parametrize("name", ["x.tsv", "x.parquet", "x.csv"])
def test_what_is_wrong_is_told_by_file_and_row(source, tmp_path, name):
    frame = pd.DataFrame(
        {
            "path": ["a.csv", "=1+1", "../x"],
            "checksum": pd.Series(["6Le+Qw==", None, "nonsense"], dtype=object),
            "size": pd.Series([1, None, None], dtype="Int64"),
        }
    )
    path = tmp_path / name
    write_manifest(frame, path, source, as_format=name[2:])
    first = 1 if name == "x.parquet" else 2
    assert [line.split(" ")[:3] for line in problems_of(path, source)] == [
        ["row", f"{first + 1}:", "'=1+1'"],
        ["row", f"{first + 2}:", "'../x'"],
        ["row", f"{first + 2}:", "'../x'"],
    ]


def test_a_parquet_file_with_other_types_or_none_at_all_is_refused(source, tmp_path):
    path = tmp_path / "x.parquet"
    pd.DataFrame({"station": ["a"]}).to_parquet(path)
    assert "has no column 'path', but 'station'" in problems_of(path, source)[0]
    pd.DataFrame({"path": [1, 2], "size": ["1", "x"]}).to_parquet(path)
    assert any("is not text" in problem for problem in problems_of(path, source))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UsageError, match="no sound Parquet file"):
        read_manifest(path, source)
    pd.DataFrame({"path": pd.Series([], dtype="str")}).to_parquet(path)
    assert problems_of(path, source) == ("has no files",)


@pytest.mark.parametrize("name", ["list", "list.csv", "list.txt", "manifest-md5.txt", "list.csv.gz"])
def test_a_list_of_no_bytes_is_told_as_empty(source, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"") if name.endswith(".gz") else b"")
    with pytest.raises(UsageError, match="is empty"):
        read_manifest(path, source)


def test_a_list_whose_kind_cannot_be_told_is_refused_and_may_be_named(source, tmp_path):
    path = written(tmp_path / "list", "my-bucket,a.csv\n")
    with pytest.raises(UsageError, match="is not recognised") as caught:
        read_manifest(path, source)
    assert "--index-format" in caught.value.hint
    assert read_manifest(path, source, as_format="s3").files.paths == ["a.csv"]
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_manifest(tmp_path / "none", source)


# -------------------------------------------------------------------------------------------------- BagIt


@pytest.mark.parametrize("algorithm", DIGESTS)
@pytest.mark.parametrize("is_bag", [True, False])
def test_a_bagit_manifest_is_read_as_it_was_written_with_crc32_and_size(source, tmp_path, algorithm, is_bag):
    """Of a bag as of its payload."""
    if is_bag:
        bag = tmp_path / "bag"
        bag.mkdir()
        source = source.rename(bag / "data").parent
        (bag / "bagit.txt").write_text("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    path = tmp_path / f"manifest-{algorithm}.txt"
    frame = scan(source, checksums=False)
    assert write_manifest(frame, path, source, as_format="bagit") == 3
    lines = path.read_text("utf-8").splitlines()
    assert lines[1] == f"{hashlib.new(algorithm, b'bc').hexdigest()}  data/b/c d+%2525.csv"
    files, notes = read_manifest(path, source)
    found = files.frame()
    before = "data/" if is_bag else ""
    assert found["path"].tolist() == [before + name for name in CONTENT]
    assert found["checksum"].tolist() == [checksums.encode(zlib.crc32(data)) for data in CONTENT.values()]
    assert found["size"].tolist() == [len(data) for data in CONTENT.values()]
    assert notes == (f"3 files have the {algorithm} that '{path}' says",)
    check_index(found, source)


def test_a_file_that_is_not_what_its_digest_says_is_found_on_the_disk_of_the_provider(source, tmp_path):
    path = tmp_path / "manifest-md5.txt"
    write_manifest(scan(source), path, source, as_format="bagit")
    (source / "a.csv").write_bytes(b"b")
    with pytest.raises(InvalidIndex) as caught:
        read_manifest(path, source)
    assert caught.value.problems == ("row 1: 'a.csv' has changed: its md5 is not what the manifest says",)
    assert caught.value.hint.startswith("Restore these files")


def test_a_manifest_that_would_lead_out_is_refused_before_anything_is_read(source, tmp_path, monkeypatch):
    monkeypatch.setattr("upload_client.index.manifests._digests", lambda *_: pytest.fail("a file was read"))
    path = written(tmp_path / "manifest-md5.txt", f"{'0' * 32}  data/../../x\r\n")
    assert "'..', which leaves its folder" in problems_of(path, source)[0]
    path = written(path, f"{'0' * 32}  /etc/passwd\r{'0' * 31}  data/x\n")
    first, second = problems_of(path, source)
    assert first.startswith("row 1 is not below data/")
    assert second.startswith("row 2 is no line of a BagIt manifest: 32 digits of md5")


def test_of_a_bucket_the_digests_are_not_compared_and_that_is_said(tmp_path):
    path = written(tmp_path / "manifest-md5.txt", f"{'0' * 32}  data/x\n")
    files, (note,) = read_manifest(path, BUCKET)
    frame = files.frame()
    assert frame["path"].tolist() == ["data/x"]
    assert "are not compared" in note


@pytest.mark.parametrize(
    ("name", "source"),
    [("manifest.txt", Path("x")), ("manifest-md4.txt", Path("x")), ("manifest-md5.txt", BUCKET)],
)
def test_a_bagit_manifest_needs_its_name_and_a_directory(tmp_path, name, source):
    with pytest.raises(UsageError):
        write_manifest(pd.DataFrame({"path": []}), tmp_path / name, source, as_format="bagit")
    if source is not BUCKET:
        with pytest.raises(UsageError, match="does not contain its algorithm"):
            read_manifest(written(tmp_path / name, "0  x\n"), source, as_format="bagit")


# ----------------------------------------------------------------------------------------------------- S3


@here
@given(frames)
def test_a_manifest_of_s3_is_read_as_it_was_written(tmp_path, frame):
    path = tmp_path / "x"
    write_manifest(frame, path, BUCKET, as_format="s3")
    assert path.read_bytes().isascii()
    files, notes = read_manifest(path, BUCKET, as_format="s3")
    frame_again = files.frame()
    assert frame_again["path"].tolist() == frame["path"].tolist()
    assert notes == ()


@pytest.mark.parametrize(
    ("text", "expected", "n_notes"),
    [
        ("my-bucket,in/a%20b\nmy-bucket,in/a+c%2Bd\n", [("a b", None), ("a c+d", None)], 0),
        ('"my-bucket","in/a","12"\n"my-bucket","in/b/","0"\n', [("a", 12)], 0),
        ("my-bucket,in/a,PHtexPGjH2y.zBgT8LmB7wwLI2mpbz.k\nmy-bucket,in/b,\n", [("a", None), ("b", None)], 1),
        (
            "my-bucket,in/a,v3,true,false,3,t\nmy-bucket,in/a,v2,false,false,9,t\nmy-bucket,in/b,v1,true,true,,t\n",
            [("a", 3)],
            0,
        ),
    ],
)
def test_of_an_inventory_the_objects_as_they_are_now_are_taken(tmp_path, text, expected, n_notes):
    files, notes = read_manifest(written(tmp_path / "x.csv", text), BUCKET)
    frame = files.frame()
    sizes = [None if pd.isna(size) else size for size in frame["size"]]
    assert list(zip(frame["path"], sizes, strict=True)) == expected
    assert len(notes) == n_notes


def test_what_is_not_in_the_source_is_told_by_row(tmp_path):
    text = "my-bucket,in/a\nmy-bucket,out/b\n\nmy-bucket\nyour-bucket,in/c\n"
    first, second, third = problems_of(written(tmp_path / "x", text), BUCKET, as_format="s3")
    assert first == "row 2: 'out/b' is not below the source s3://my-bucket/in/"
    assert second == "row 4: 'my-bucket' has a bucket and no key"
    assert third.startswith("row 5: 'in/c' is in the bucket 'your-bucket'")
    text = "my-bucket,a\nmy-bucket,%ff%1b\n\nmy-bucket,a\n"
    assert [line.split(" ")[1] for line in problems_of(written(tmp_path / "x", text), tmp_path)][1:] == [
        "2:",
        "4:",
    ]
    with pytest.raises(InvalidIndex, match="line 1 cannot be read"):
        read_manifest(written(tmp_path / "x", 'my-bucket,"a"x\n'), BUCKET, as_format="s3")


def test_a_manifest_of_s3_needs_a_bucket(source, tmp_path):
    with pytest.raises(UsageError, match="names objects of a bucket"):
        write_manifest(scan(source), tmp_path / "x", source, as_format="s3")


class Unloadable:
    """Finds pyarrow, and cannot load it: as where there is too little memory for it."""

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name == "pyarrow":
            raise ImportError("libarrow.so: failed to map segment from shared object")


def test_a_library_that_is_there_and_cannot_be_loaded_is_not_to_be_installed(source, tmp_path, monkeypatch):
    path = tmp_path / "index.parquet"
    write_manifest(scan(source), path, source, as_format="parquet")
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Unloadable(), *sys.meta_path])
    for attempt in (
        lambda: write_manifest(scan(source), path, source, as_format="parquet"),
        lambda: read_manifest(path, source),
    ):
        with pytest.raises(
            UsageError, match=r"cannot be loaded here: libarrow\.so: failed to map"
        ) as refused:
            attempt()
        assert "more memory" in refused.value.hint
