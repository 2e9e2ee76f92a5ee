"""What looks like an accident, by its name."""

from __future__ import annotations

import pytest

from upload_client.core.accidents import (
    Accident,
    accidents,
    is_pointer,
    is_recent,
    is_script,
    sentence,
    still_growing,
)


@pytest.mark.parametrize(
    ("path", "what"),
    [
        (".DS_Store", "left by macOS"),
        ("a/._b.csv", "left by macOS"),
        ("__MACOSX/a.csv", "left by macOS"),
        ("a/Thumbs.db", "left by Windows"),
        ("desktop.ini", "left by Windows"),
        ("$RECYCLE.BIN/x", "left by Windows"),
        ("a/~$report.xlsx", "locks of an office program"),
        (".~lock.a.ods#", "locks of an office program"),
        ("a.csv.part", "unfinished downloads or copies"),
        ("a.CRDOWNLOAD", "unfinished downloads or copies"),
        (".a.csv.x7Kq2z", "unfinished downloads or copies"),  # rsync
        ("a.tmp", "temporary files"),
        ("a.csv~", "left by an editor"),
        ("#a.csv#", "left by an editor"),
        (".#a.csv", "left by an editor"),
        ("b/.a.csv.swp", "left by an editor"),
        ("a.bak", "left by an editor"),
        (".ipynb_checkpoints/a.csv", "checkpoints of a notebook"),
        ("a-checkpoint.ipynb", "checkpoints of a notebook"),
        ("a/__pycache__/b.pyc", "compiled programs"),
        ("b.pyc", "compiled programs"),
        (".git/config", "version control"),
        (".nfs000000000123", "deleted while they were in use"),
        ("slurm-12345.out", "output of a job"),
        ("nohup.out", "output of a job"),
        (".env", "perhaps secrets"),
        ("x/.ssh/config", "perhaps secrets"),
        ("id_ed25519", "perhaps secrets"),
        ("server.pem", "perhaps secrets"),
    ],
)
def test_what_looks_like_an_accident_is_said_with_who_has_left_it(path, what):
    assert accidents(["a.csv", path]) == [Accident(what, 1, (path,))]


@pytest.mark.parametrize(
    "path",
    ["a.csv", "part/a.csv", "tmp", "a.db", "x.ini", "git", ".hidden", ".config.backup", "results.out", "core",
     "a.part1"],
)  # fmt: skip
def test_other_names_are_left_in_peace(path):
    assert accidents([path]) == []


def test_the_same_kind_is_told_together_and_the_first_are_named():
    found = accidents([f"{i}.tmp" for i in range(1500)] + [".DS_Store"])
    assert sentence(found) == "temporary files: 0.tmp, 1.tmp, 2.tmp and 1,497 more; left by macOS: .DS_Store"
    assert sentence([]) == ""


def test_a_file_is_recent_whichever_of_the_two_clocks_is_ahead():
    assert is_recent(1000.0, 1003.0)
    assert is_recent(1003.0, 1000.0)
    assert not is_recent(1000.0, 1060.0)


def test_files_that_may_be_growing_are_told_with_the_first_of_them():
    assert still_growing(0, ()) == ""
    assert still_growing(1, ("a",)) == (
        "1 file modified within the last 10 seconds, perhaps being written still: a"
    )
    assert still_growing(9, ("a", "b")).startswith("9 files modified")
    assert still_growing(9, ("a", "b")).endswith("still: a, b and 7 more")


def test_scripts_are_known_by_their_names():
    assert all(map(is_script, ["run.sh", "a.PY", "deliver.sbatch", "n.ipynb", "Makefile"]))
    assert not any(map(is_script, ["a.csv", "sh.csv", "data"]))


@pytest.mark.parametrize(
    ("head", "is_one"),
    [
        (b"/annex/objects/MD5E-s20--5d41402abc4b2a76b9719d911017c592.dat\n", True),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", True),
        (b"see /annex/objects/x", False),
        (b"", False),
    ],
)
def test_a_small_file_that_stands_for_another_is_told_by_its_beginning(head, is_one):
    assert is_pointer(head) is is_one
