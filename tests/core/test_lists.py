"""Lists of files as people make them by hand: what is taken as meant, and what is refused with its fix."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core.lists import (
    boolean,
    columns_of,
    looks_like_paths,
    looks_like_sums,
    parse_sum,
    plain_path,
    size_of,
)

OTHERS = ("md5", "sha256", "crc32")


@pytest.mark.parametrize(
    ("header", "places"),
    [
        (["path"], {"path": 0}),
        (["Path", "Checksum", "Size"], {"path": 0, "checksum": 1, "size": 2}),
        (["size", "File Name"], {"size": 0, "path": 1}),
        (
            ["relpath", "MD5", "SHA-256", "Will Transfer"],
            {"path": 0, "md5": 1, "sha256": 2, "will_transfer": 3},
        ),
        (["file_path", "md5sum", "size (bytes)"], {"path": 0, "md5": 1, "size": 2}),
        (["path", "File", "size"], {"path": 0, "size": 2}),
    ],
)
def test_columns_are_known_by_what_people_call_them(header, places):
    assert columns_of(header, OTHERS).places == places


def test_other_columns_are_not_used_and_named():
    assert columns_of(["label", "path", "File", "", "Split"]).ignored == ("label", "File", "Split")


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ([], "has no column 'path'"),
        (["station", "height"], "has no column 'path'"),
        (["paht", "size"], "has a column 'paht'; if 'path' is meant, rename it"),
        (["path", "cheksum"], "has a column 'cheksum'; if 'checksum' is meant, rename it"),
        (["path", "path"], "has two columns 'path': take one of them away"),
        (
            ["File", "filename"],
            "has the columns 'File' and 'filename': rename the one that is meant to 'path'",
        ),
    ],
)
def test_what_is_not_clear_is_refused_with_its_fix(header, why):
    with pytest.raises(ValueError) as caught:
        columns_of(header, OTHERS)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("text", "size"),
    [("", None), (" ", None), ("4", 4), (" 4 ", 4), ("4.0", 4), ("4,0", 4), ("0.00", 0), ("4.000000", 4)],
)
def test_a_size_may_be_written_as_spreadsheets_do(text, size):
    assert size_of(text) == size


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1.23457E+11", "rounded number"),
        ("1e3", "rounded number"),
        ("4.5", "no number of bytes"),
        ("-1", "no number of bytes"),
        ("abc", "no number of bytes"),
        ("1,234", "digits alone, 1234 if that is meant"),
        ("1.234", "digits alone, 1234 if that is meant"),
        ("4.000", "digits alone, 4000 if that is meant"),
        ("1.234.567,00", "digits alone, 1234567 if that is meant"),
        ("1\u202f234", "digits alone, 1234 if that is meant"),
        ("4 KB", "the number of bytes alone"),
        ("1.5MiB", "the number of bytes alone"),
        ("9" * 19, "no number of bytes"),
    ],
)
def test_what_is_no_number_of_bytes_is_refused(text, why):
    with pytest.raises(ValueError, match=why):
        size_of(text)


def test_a_spreadsheet_says_true_and_false_in_its_own_language():
    assert all(map(boolean, ["true", "TRUE", " WAHR ", "1", "yes", "Ja", "vrai"]))
    assert not any(map(boolean, ["false", "FALSCH", "0", "no", "nein", "faux"]))
    for other in ("", "x", "maybe"):
        with pytest.raises(ValueError, match="write true or false"):
            boolean(other)


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("a/b.csv", "a/b.csv"),
        ("./a.csv", "a.csv"),
        ("././/a.csv", "a.csv"),
        (".\\a\\b.csv", "a/b.csv"),
        ("/data/survey/a.csv", "a.csv"),
        ("/data/survey//a.csv", "a.csv"),
        ("/data/surveyor/a.csv", "/data/surveyor/a.csv"),
        ("C:\\survey\\a.csv", "a.csv"),
        ("s3://bucket/in/a.csv", "a.csv"),
        ("s3://other/a.csv", "s3://other/a.csv"),
        (".hidden", ".hidden"),
        ("../a", "../a"),
        ("is\\there", "is\\there"),
    ],
)
def test_a_path_is_taken_as_people_and_programs_write_it(written, path):
    roots = ("/data/survey", "C:/survey", "s3://bucket/in")
    assert plain_path(written, roots, lambda name: name == "is\\there") == path
    assert plain_path("a\\b") == "a/b"


@given(st.text(st.characters(exclude_characters="\\"), min_size=1).filter(lambda text: text[0] not in "./"))
def test_other_paths_stay_as_they_are(path):
    assert plain_path(path) == path


MD5 = "d41d8cd98f00b204e9800998ecf8427e"
SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        (f"{MD5}  a b.csv", ("a b.csv", "md5", MD5)),
        (f"{MD5} *a.csv", ("a.csv", "md5", MD5)),
        (f"{SHA256.upper()}  ./a.csv", ("./a.csv", "sha256", SHA256)),
        (f"{'0' * 40}  a", ("a", "sha1", "0" * 40)),
        (f"{'0' * 128}  a", ("a", "sha512", "0" * 128)),
        (f"MD5 (a (1).csv) = {MD5}", ("a (1).csv", "md5", MD5)),
        (f"SHA256(a)= {SHA256}", ("a", "sha256", SHA256)),
        (f"\\{MD5}  a\\nb\\\\c\\r", ("a\nb\\c\r", "md5", MD5)),
        (f"{MD5}  a\\nb", ("a\\nb", "md5", MD5)),
    ],
)
def test_what_md5sum_and_its_like_write_is_read(line, parsed):
    assert parse_sum(line) == parsed


@pytest.mark.parametrize(
    "line",
    ["", "a.csv", MD5, f"{MD5[:-1]}  a", f"{MD5}0  a", f"SHA1 (a) = {MD5}", f"{'0' * 96}  a", f"{MD5}a.csv"],
)
def test_other_lines_are_none(line):
    with pytest.raises(ValueError, match="digits"):
        parse_sum(line)


def test_a_kind_of_list_is_known_by_its_lines():
    assert looks_like_sums([f"{MD5}  a", f"{SHA256}  b"])
    assert not looks_like_sums([f"{MD5}  a", "b"])
    assert not looks_like_sums([])
    assert looks_like_paths(["a", "b"], {"a", "b"}.__contains__)
    assert not looks_like_paths(["a", "c"], {"a", "b"}.__contains__)
    assert not looks_like_paths([], lambda _: True)
