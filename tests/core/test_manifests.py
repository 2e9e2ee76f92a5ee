"""Which kind of list a file is, and the lines of a BagIt manifest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core.manifests import (
    DIGESTS,
    bagit_line,
    detect,
    header_of,
    is_above_header,
    named_format,
    parse_bagit_line,
)

paths = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map("data/".__add__)


@given(paths, st.binary(min_size=32, max_size=32))
def test_a_line_of_bagit_is_read_as_it_was_written_and_is_one_line(path, digest):
    line = bagit_line(path, digest.hex())
    assert line[-1] == "\n"
    assert not {"\r", "\n"} & set(line[:-1])
    assert parse_bagit_line(line[:-1], "sha256") == (path, digest.hex())


def test_only_three_characters_are_encoded():
    assert bagit_line("data/a b%20\r\nü", "00") == "00  data/a b%2520%0D%0Aü\n"
    digest = "AB" * 16
    for said, path in [("data/%0a%0D%25%20", "data/\n\r%%20"), ("data/%250A", "data/%0A")]:
        assert parse_bagit_line(f"{digest} {said}", "md5") == (path, digest.lower())


@pytest.mark.parametrize("line", ["{} *data/x", "{}  ./data/x", "{}\t data/x", "{} */data/x", "{} data/x "])
def test_what_other_tools_put_before_a_path_is_no_part_of_it(line):
    line = line.format("0" * 32)
    if "*/" in line:
        with pytest.raises(ValueError, match="is not below data/"):
            parse_bagit_line(line, "md5")
    else:
        assert parse_bagit_line(line, "md5")[0] == "data/x" + " " * line.endswith(" ")


@pytest.mark.parametrize("line", ["", "data/x", "00 data/x", "z" * 32 + " data/x", "0" * 32 + "data/x"])
def test_other_lines_are_refused(line):
    with pytest.raises(ValueError, match="32 digits of md5"):
        parse_bagit_line(line, "md5")


@pytest.mark.parametrize(
    ("name", "start", "format_"),
    [
        ("x", b"PAR1\x15", "parquet"),
        ("x.csv", b"PAR1\x15", "parquet"),
        ("manifest-md5.txt", b"", "bagit"),
        ("manifest-md4.txt", b"", None),
        ("tagmanifest-md5.txt", b"", None),
        ("x", b"path\na\n", "csv"),
        ("x.tsv", b"\xef\xbb\xbfpath,size\na,1\n", "csv"),
        ("x", b'"path","checksum"\r\n', "csv"),
        ("x", b"size\tpath\n", "tsv"),
        ("x.csv", b"file,checksum\n", "csv"),
        ("x.csv", b"file,crc\na.csv,x\n", "csv"),
        ("x.tsv", b"file\tcrc\n", "tsv"),
        ("x", b"file,crc\na.csv,x\n", "csv"),
        ("x", b"file name;Size\na.csv;3\n", "csv"),
        ("x", "Path\r\na.csv\r\n".encode("utf-16"), "csv"),
        ("x", b"sep=;\r\nPath;Size\r\n", "csv"),
        ("x", b"sep=\t\r\nPath\tSize\r\n", "tsv"),
        ("x", b"sep=;", None),
        ("x", b"path,path\n", "csv"),
        ("x", b"station,height\n", None),
        ("MD5SUMS", b"d41d8cd98f00b204e9800998ecf8427e *a.csv\n", "sums"),
        ("x.csv", b"d41d8cd98f00b204e9800998ecf8427e  a.csv\nd41d8cd98f00b204e9", "sums"),
        ("x", b"there/a\n\nthere/b\n", "paths"),
        ("x.csv", b"there/a\nthere/b\nther", "paths"),
        ("x", b"there/a\nb\n", None),
        ("x", b"there/a\nb\0there/c\0", "paths"),
        ("x", b"b\0c\0", None),
        ("x", b"there/a\0the", "paths"),
        ("x.csv", b'"my-bucket","a%20b"\n"my-bucket","c"\n', "s3"),
        ("x", b"my-bucket,a\nmy-bucket,c\nmy-buck", "s3"),
        ("x.csv", b"my-bucket,a\nyour-bucket,c\n", "csv"),
        ("x.csv", b"my-bucket,a\n", "csv"),
        ("x.csv", b"a\nmy-bucket,a\n", "csv"),
        ("x.csv", b"my bucket,a\nmy bucket,b\n", "csv"),
        ("x.csv", b'"' + b"x" * 200_000 + b"\n", "csv"),
        ("x.csv", b"", "csv"),
        ("x.bin", b"\xff\xfe\x00", None),
    ],
)
def test_the_format_is_told_by_content_and_then_by_name(name, start, format_):
    assert detect(name, start, lambda path: path.startswith("there/")) == format_


def test_a_name_promises_a_format():
    names = ["a.csv", "a.TSV", "a.tab", "a.parquet", "a.pq", "manifest-sha512.txt", "a.txt", "a"]
    assert [named_format(name) for name in names] == [
        *("csv", "tsv", "tsv", "parquet", "parquet", "bagit", None, None)
    ]
    assert all(named_format(f"manifest-{algorithm}.txt") == "bagit" for algorithm in DIGESTS)


@pytest.mark.parametrize("above", ["", "   ", ";;", "# made by hand, on Monday", "#", "\t"])
def test_empty_lines_and_comments_may_stand_above_a_header(above):
    assert is_above_header(f"{above}\r\n")
    assert detect("list.txt", f"{above}\npath,size\na,1\n".encode()) == "csv"


@pytest.mark.parametrize(
    ("line", "header"),
    [("#path\tsize\n", "path\tsize\n"), ("# path,size\n", "path,size\n"), ("path\n", "path\n")],
)
def test_a_header_may_have_a_mark_before_it(line, header):
    assert header_of(line) == header
    assert not is_above_header(line)


def test_what_is_no_row_of_a_table_is_no_header():
    assert header_of("# path\rsize\n") == "# path\rsize\n"
