"""The sample data set is the same wherever it is made."""

import hashlib

from upload_client.sandbox import sample


def digest(folder, paths):
    return hashlib.sha256(b"".join((folder / path).read_bytes() for path in paths)).hexdigest()


def test_the_same_arguments_give_the_same_files(tmp_path):
    one = sample(tmp_path / "one", n_files=20, seed=5)
    other = sample(tmp_path / "other", n_files=20, seed=5)
    assert one == other
    assert digest(tmp_path / "one", one) == digest(tmp_path / "other", other)
    assert digest(tmp_path / "one", one) != digest(tmp_path, sample(tmp_path, n_files=20, seed=6))


def test_it_has_files_of_every_kind_in_folders(tmp_path):
    paths = sample(tmp_path)
    assert len(paths) == len(set(paths)) == 36
    assert {path.rpartition(".")[2] for path in paths} == {"csv", "tsv", "json", "jsonl"}
    assert {path.count("/") for path in paths} == {1}
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()) == list(
        paths
    )
