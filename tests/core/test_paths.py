"""Which paths may be delivered, and which could escape or collide."""

from __future__ import annotations

import posixpath
import unicodedata
from pathlib import PureWindowsPath
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from upload_client.core import paths
from upload_client.core.paths import MAX_KEY, check_relpath, check_relpaths, collisions

ODD = "/.\\:aB \t\n\r\0\x1b\x7fé=[]'\"\u0301\u202e\ufeff\ufffe\uffff\ud800😀"
any_path = st.one_of(st.text(alphabet=ODD, max_size=12), st.text(max_size=30))


@pytest.mark.parametrize(
    ("relpath", "reason"),
    [
        ("", "is empty"),
        ("/etc/passwd", "is absolute"),
        ("/", "is absolute"),
        ("//host/share", "is absolute"),
        ("..", "contains '..'"),
        ("../a", "contains '..'"),
        ("a/../b", "contains '..'"),
        ("a/..", "contains '..'"),
        (".", "contains '.'"),
        ("./a", "contains '.'"),
        ("a/./b", "contains '.'"),
        ("a/.", "contains '.'"),
        ("a//b", "empty component"),
        ("a/", "empty component"),
        ("a\\b", "backslash"),
        ("..\\a", "backslash"),
        ("C:/a", "starts with a drive"),
        ("c:a", "starts with a drive"),
        ("1:x", "starts with a drive"),
        ("é:x", "starts with a drive"),
        ("\n:x", "starts with a drive"),
        ("a\0b", "NUL"),
        ("a\x1b[31m", "U+001B"),
        ("a\x07", "U+0007"),
        ("a\uffff", "U+FFFF"),
        ("a\udc80", "not valid Unicode"),
        ("a" * 1025, "1025 bytes"),
        ("é" * 513, "1026 bytes"),
    ],
)
def test_a_path_that_could_escape_or_cannot_be_a_key_is_refused_with_the_reason(relpath, reason):
    assert reason in check_relpath(relpath)
    assert dict(check_relpaths(["fine", relpath, "fine too"])) == {1: check_relpath(relpath)}


@pytest.mark.parametrize(
    "relpath",
    [
        "a", "a/b.c", ".hidden", "..a", "a..", "...", "a/.../b", "a./b", "a/.b", "aa:b", "a/1:x", "NA",
        "001", "=cmd|' /C calc'!A0", "-rf", "~", "$HOME", "%2e%2e/a", "[/bold]", "a\nb", "a\rb", "a\tb",
        " a ", "a,b", 'a"b', "a\u202eb", "a\x7fb", "a\x85b", "名前/ファイル", "é", "e\u0301", "a" * 1024,
    ],
)  # fmt: skip
def test_a_path_that_is_only_odd_is_delivered_as_it_is(relpath):
    assert check_relpath(relpath) is None
    assert list(check_relpaths([relpath])) == []


@given(any_path)
@example("a/\n/..")
def test_no_path_that_is_let_pass_leaves_its_folder_on_any_platform(relpath):
    if check_relpath(relpath) is None:
        assert posixpath.normpath("/root/" + relpath) == "/root/" + relpath
        windows = PureWindowsPath(relpath)
        assert not windows.drive
        assert not windows.root
        assert ".." not in windows.parts


@given(any_path)
def test_s3_can_list_every_key_that_is_let_pass(relpath):
    if check_relpath(relpath) is None:
        key = f"<Key>{escape(relpath, {chr(13): '&#13;'})}</Key>"
        assert ET.fromstring(key).text == relpath


@given(st.lists(any_path, max_size=5), st.sampled_from(["", "p/", "é/" * 100, "x" * 1020 + "/"]))
def test_many_paths_are_judged_as_each_alone(relpaths, prefix):
    alone = {row: reason for row, path in enumerate(relpaths) if (reason := check_relpath(path, prefix))}
    assert dict(check_relpaths(relpaths, prefix)) == alone


def test_rows_are_right_beyond_the_first_thousands():
    relpaths = [f"a/{n}" for n in range(3500)]
    relpaths[2999] = "../x"
    assert [row for row, _ in check_relpaths(relpaths)] == [2999]


def test_the_prefix_counts_for_the_length_of_the_key():
    assert check_relpath("a" * 1000, "b" * 23 + "/") is None
    assert "1025 bytes" in check_relpath("a" * 1000, "b" * 24 + "/")
    assert "1026 bytes" in check_relpath("a" * 1000, "é" * 12 + "b/")


@given(any_path)
@example("a/b.csv")
@example("é" * 511)
def test_a_path_that_passes_makes_a_key_that_s3_takes(relpath):
    if check_relpath(relpath, "D/Y/") is None:
        assert len(f"D/Y/{relpath}".encode()) <= MAX_KEY


def test_paths_that_differ_only_in_case_or_unicode_form_collide():
    nfc, nfd = "Müller/é.csv", unicodedata.normalize("NFD", "Müller/é.csv")
    assert collisions(["a", nfc, "b", nfd]) == [(3, 1, "unicode")]
    assert collisions(["Read.me", "x", "README", "read.ME", "READ.me"]) == [(3, 0, "case"), (4, 0, "case")]
    assert collisions(["straße", "STRASSE"]) == [(1, 0, "case")]
    assert collisions(["É", unicodedata.normalize("NFD", "é")]) == [(1, 0, "case")]


def test_different_paths_do_not_collide():
    assert collisions([f"folder/{n}" for n in range(3000)] + ["é", "ê", "a\0b", "a", "b"]) == []
    assert collisions([]) == []


def test_rows_of_one_hash_but_different_names_do_not_collide(monkeypatch):
    monkeypatch.setattr(paths, "_folded_hashes", lambda relpaths: [1] * len(relpaths))
    assert collisions(["a", "b", "A"]) == [(2, 0, "case")]


@given(st.lists(st.text(alphabet="aAbBéÉe\u0301ßsS\0", max_size=3), unique=True, max_size=8))
def test_collisions_are_exactly_the_pairs_that_fold_to_the_same(relpaths):
    def fold(text):
        return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())

    folded = [fold(path) for path in relpaths]
    expected = [(row, folded.index(name)) for row, name in enumerate(folded) if folded.index(name) < row]
    assert [(row, other) for row, other, _ in collisions(relpaths)] == expected
