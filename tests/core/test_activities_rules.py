"""The rules of activities: what a string means, what S3 takes as metadata, templates, names while writing."""

from __future__ import annotations

import string
from datetime import UTC, date, datetime
from email.header import decode_header, make_header
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core import parts
from upload_client.core.object_metadata import MAX_METADATA, check_bucket, check_key, object_metadata
from upload_client.core.partial_files import BLOCK, check_filename, folders, kept_blocks, temporary_name
from upload_client.core.sources import kind_of, looks_like_path, shown_url
from upload_client.core.templates import check_template, fill

# --- what a string means ---


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("http://host/x", "url"), ("HTTPS://host/x?y", "url"), ("s3://bucket/key", "url"),
        ("ftps://host/x", "url"),
        ("file:///x", "url"), ("hello", "text"), ("Hello world.", "text"), ("3.14", "text"),
        ("10 km/h", "text"),
        ("yes / no", "text"), ("", "text"), ("  ", "text"), ("# Title\n\n/data/x.csv", "text"),
        ('{"a": 1}', "text"),
        ("a\0b.csv", "text"), ("x" * 5000 + ".csv", "text"),
    ],
)  # fmt: skip
def test_a_string_means_a_url_or_a_text(text, kind):
    assert kind_of(text, is_file=False) == kind


def test_the_path_of_a_file_that_is_there_means_the_file():
    assert kind_of("README", is_file=True) == "file"
    assert kind_of("/data/x.csv", is_file=True) == "file"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("/data/x.csv", "no such file"), ("x.csv", "no such file"), ("a/b", "no such file"),
        ("data/My file.csv", "no such file"), ("~/x", "no such file"), ("C:\\x", "no such file"),
        ("/data/x.csv\n", "no such file"), ("gs://bucket/key", "cannot be read"), ("http://a b", "blanks"),
        ("http://host/x\n", "blanks"),
    ],
)  # fmt: skip
def test_a_string_that_looks_like_something_else_than_a_text_is_an_error(text, why):
    with pytest.raises(ValueError, match=why):
        kind_of(text, is_file=False)


@given(st.text(alphabet=string.ascii_letters + "/._- ", min_size=1, max_size=20))
def test_whatever_ends_like_a_file_is_taken_for_a_path(stem):
    assert looks_like_path(f"/{stem}")
    assert looks_like_path(f"{stem.strip(' .') or 'x'}.csv")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@host:1/a/b?key=1#c", "https://host:1/a/b?…"), ("http://host", "http://host"),
        ("ftp://u:p%40@host/x", "ftp://host/x"), ("http://u:p@w@host/x", "http://host/x"), ("no url", "…"),
        ("https://host/a@b", "https://host/a@b"),
    ],
)  # fmt: skip
def test_a_url_is_told_without_what_is_secret(url, shown):
    assert shown_url(url) == shown


# --- metadata of objects ---


def test_metadata_are_texts_in_lower_case_and_encoded_where_they_are_not_plain_ascii():
    made = object_metadata(
        {
            "Title": "Customers",
            "generated-by": "robot 1.0",
            "uuid": UUID(int=1),
            "timestamp": datetime(2026, 1, 2, tzinfo=UTC),
            "day": date(2026, 1, 2),
            "n": 3,
            "empty": "",
            "nothing": None,
            "city": "Zürich",
        }
    )
    assert made == {
        "title": "Customers",
        "generated-by": "robot 1.0",
        "uuid": "00000000-0000-0000-0000-000000000001",
        "timestamp": "2026-01-02T00:00:00+00:00",
        "day": "2026-01-02",
        "n": "3",
        "empty": "",
        "city": "=?utf-8?b?WsO8cmljaA==?=",
    }


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_every_text_can_be_read_again_from_its_header(text):
    encoded = object_metadata({"x": text}, limit=10_000)["x"]
    assert encoded.isascii()
    assert encoded.isprintable()
    assert encoded == encoded.strip()
    assert all(len(word) <= 75 for word in encoded.split(" ")) or encoded == text
    if encoded != text:
        assert str(make_header(decode_header(encoded))) == text


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"a b": "x"}, "cannot be a name"),
        ({"ä": "x"}, "cannot be a name"),
        ({"": "x"}, "cannot be a name"),
        ({"a:b": "x"}, "cannot be a name"),
        ({"a\nb": "x"}, "cannot be a name"),
        ({3: "x"}, "cannot be a name"),
        ({"Title": "x", "title": "y"}, "is there twice"),
        ({"tags": ["a"]}, "is a list"),
        ({"x": b"bytes"}, "is a bytes"),
        ({"x": "\ud800"}, "is not valid Unicode"),
        ({"x": "y" * MAX_METADATA}, "2,049 bytes, and S3 takes 2,048; most are in 'x'"),
        ({"x": "ü" * 800}, "S3 takes 2,048"),
    ],
)
def test_metadata_that_s3_would_refuse_are_refused(metadata, why):
    with pytest.raises(ValueError, match=why):
        object_metadata(metadata)


def test_as_many_metadata_as_s3_takes_are_taken():
    assert object_metadata({"x": "y" * (MAX_METADATA - 1)})


@pytest.mark.parametrize(
    "name", ["abc", "a.b-c", "1bucket", "a" * 63, "arn:aws:s3:eu-central-1:1:accesspoint/x"]
)
def test_a_bucket_may_have_such_names(name):
    assert check_bucket(name) is None


@pytest.mark.parametrize(
    "name", ["", "ab", "a" * 64, "Abc", "a_b", "-ab", "ab-", "a..b", "192.168.0.1", "a/b", "a\nb"]
)
def test_a_bucket_may_not_have_such_names(name):
    assert "is no name of a bucket" in check_bucket(name)


@pytest.mark.parametrize("key", ["a", "a/b c.csv", "ü", "/a", "a//b", "x" * 1024])
def test_an_object_may_have_such_keys(key):
    assert check_key(key) is None


@pytest.mark.parametrize("key", ["", "x" * 1025, "a\0b", "a\x1bb", "\ud800", "../a", "a/./b"])
def test_an_object_may_not_have_such_keys(key):
    assert check_key(key)


# --- templates ---

RUN = datetime(2026, 7, 20, 0, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("dumps/{run:%Y%m%dT%H%M}.csv", "dumps/20260720T0005.csv"),
        ("{run}", "2026-07-20T000509"),
        ("{title} {{}}", "{run.year} {}"),
        ("{generated-by}", "robot"),
        ("nothing", "nothing"),
        ("{title:%Y}", "{run.year}"),
    ],
)
def test_a_template_is_filled_and_what_is_put_in_is_no_template(text, made):
    assert fill(text, {"run": RUN, "title": "{run.year}", "generated-by": "robot"}) == made


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{run.__class__}", "is no name"),
        ("{run[0]}", "is no name"),
        ("{run!r}", "is no name"),
        ("{}", "is no name"),
        ("{0}", "is no name"),
        ("{run:{title}}", "is no name"),
        ("{other}", r"knows no \{other\}; there are \{run\}, \{title\}"),
        ("{run", "is not a template"),
        ("run}", "is not a template"),
    ],
)
def test_a_template_can_ask_for_names_alone(text, why):
    with pytest.raises(ValueError, match=why):
        fill(text, {"run": RUN, "title": "x"})


def test_a_name_that_is_not_known_may_stand_for_something():
    assert fill("{other}.", {}, "") == "."
    assert check_template("{other}", None) is None
    assert check_template("{a.b}", None)


# --- a file while it is written ---


@pytest.mark.parametrize("name", ["a", "a/b.csv", "/incoming/x", "ä b", ".hidden", "x" * 255])
def test_a_file_may_have_such_paths(name):
    assert check_filename(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "a/",
        "../a",
        "a/../b",
        "./a",
        "a//b",
        "a\r\nDELE b",
        "a\nb",
        "a\0b",
        "a\u202eb",
        "x" * 256,
        "ä" * 128,
    ],
)
def test_a_file_may_not_have_such_paths(name):
    assert check_filename(name)


@given(st.text(alphabet="aä/.", min_size=1, max_size=600))
def test_the_name_of_an_unfinished_file_is_another_one_beside_it_and_fits(name):
    if check_filename(name):
        return
    made = temporary_name(name)
    assert made != name
    assert made.rpartition("/")[0] == name.rpartition("/")[0]
    assert check_filename(made) is None


def test_of_an_unfinished_file_whole_blocks_are_kept_as_far_as_both_sides_have_them():
    given_away = [b"1", b"2", b"3"]
    assert kept_blocks(given_away, 0) == 0
    assert kept_blocks(given_away, BLOCK - 1) == 0
    assert kept_blocks(given_away, 2 * BLOCK + 5) == 2
    assert kept_blocks(given_away, 9 * BLOCK) == 3


# --- parts of a stream ---


@given(st.integers(1, parts.MAX_PARTS - 1))
def test_parts_of_a_stream_never_shrink_and_fit_into_memory(number):
    size = parts.streamed_part_size(number)
    assert parts.MIN_PART <= size <= parts.streamed_part_size(number + 1) <= 64 * parts.MIB
    assert parts.MAX_STREAMED > 350 * parts.GIB


def test_a_long_name_makes_room_for_the_mark_of_an_unfinished_file():
    assert temporary_name("a/" + "x" * 255) == "a/." + "x" * 249 + ".part"
    assert temporary_name("b.csv") == ".b.csv.part"


def test_folders_are_named_from_the_top():
    assert list(folders("a/b/c")) == ["a", "a/b", "a/b/c"]
    assert list(folders("/a/b")) == ["/a", "/a/b"]
