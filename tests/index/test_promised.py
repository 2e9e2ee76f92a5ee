"""Checksums that manifests name are those of the index, where it has none itself."""

from __future__ import annotations

import hashlib
import json

import pytest

from upload_client.index import check_index, scan
from upload_client.index.files import Files
from upload_client.index.promised import with_promised


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("a", "b"):
        (tmp_path / "data" / name).write_text(name)
    return tmp_path


def sums(folder, index=None) -> dict[str, dict[str, str]]:
    """The checksums of other kinds that each file has to have, in hexadecimal."""
    import base64

    checked = with_promised(
        check_index(scan(folder) if index is None else index, folder), folder, follow=False
    )
    found: dict[str, dict[str, str]] = {}
    for name, column in checked.others.items():
        for path, value in zip(checked.paths, column, strict=True):
            if value is not None:
                found.setdefault(path, {})[name] = base64.b64decode(value).hex()
    return found


def digest(algorithm: str, text: str) -> str:
    return hashlib.new(algorithm, text.encode()).hexdigest()


def bag(folder, algorithm: str, *, declared: bool = True) -> None:
    lines = [f"{digest(algorithm, name)}  data/{name}\n" for name in ("a", "b")]
    (folder / f"manifest-{algorithm}.txt").write_text("".join(lines))
    if declared:
        (folder / "bagit.txt").write_text("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")


def test_of_two_manifests_of_a_bag_the_stronger_algorithm_is_compared_where_they_are_in_one(folder):
    package = {"resources": [{"path": "data/a", "hash": digest("md5", "a")}]}
    (folder / "datapackage.json").write_text(json.dumps(package))
    assert sums(folder) == {"data/a": {"md5": digest("md5", "a")}}
    bag(folder, "sha256")
    assert sums(folder)["data/b"] == {"sha256": digest("sha256", "b")}


def test_a_list_of_checksums_outside_of_a_bag_says_nothing(folder):
    bag(folder, "sha256", declared=False)
    assert sums(folder) == {}


def test_what_the_index_itself_says_counts(folder):
    bag(folder, "sha256")
    index = Files(
        ["bagit.txt", "manifest-sha256.txt", "data/a", "data/b"],
        others={"md5": [None, None, digest("md5", "other"), None]},
    )
    assert sums(folder, index) == {
        "data/a": {"md5": digest("md5", "other")},
        "data/b": {"sha256": digest("sha256", "b")},
    }


@pytest.mark.parametrize("text", ["", "what\n", "{", "\udcff"], ids=repr)
def test_a_manifest_that_cannot_be_understood_is_for_its_verdict(folder, text):
    bag(folder, "sha256")
    for name in ("manifest-sha256.txt", "datapackage.json", "a.xml"):
        (folder / name).write_text(text, errors="surrogateescape")
    assert sums(folder) == {}


def test_metadata_of_zarr_which_names_no_checksums_takes_no_manifest_its_place(folder, monkeypatch):
    from upload_client.index import promised

    monkeypatch.setattr(promised, "_MAX_MANIFESTS", 4)
    bag(folder, "sha256")
    (folder / "a.zarr").mkdir()
    for number in range(5):
        (folder / "a.zarr" / str(number)).mkdir()
        (folder / "a.zarr" / str(number) / ".zarray").write_text("{}")
    assert sorted(sums(folder)) == ["data/a", "data/b"]
