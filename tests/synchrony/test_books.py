"""The tables as others write and read them, and folders and prefixes that were in use elsewhere."""

from __future__ import annotations

import hashlib
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synchrony.conftest import books_agree, read_as_others_do, shared, versions

from upload_client.core.paths import check_relpath
from upload_client.errors import LoginRefused, UsageError
from upload_client.support.secrets import without_secrets
from upload_client.synchrony.books import Row, dump, is_data, read, table
from upload_client.synchrony.credentials import parse, session_of

HEAD = "File,Edited By,Time Edited,Checksum\n"


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


OTHER_ORDER = """Checksum,File,Time Edited,Edited By\r
D41D8CD98F00B204E9800998ECF8427E,a b.csv,2020-01-02 03:04:05,Anna\r
"""
ROW = "a b.csv,Anna,2020-01-02 03:04:05,d41d8cd98f00b204e9800998ecf8427e\n"


@pytest.mark.parametrize(
    "text",
    [
        HEAD + ROW,
        f",{HEAD}0,{ROW}",
        f"Unnamed: 0.1,Unnamed: 0,{HEAD},0.0,{ROW}",
        OTHER_ORDER,
    ],
    ids=["plain", "unnamed column", "two of them", "another order, from Windows"],
)
def test_a_table_of_others_is_read(text):
    row = Row("Anna", "2020-01-02 03:04:05", "d41d8cd98f00b204e9800998ecf8427e")
    for data in (text.encode(), b"\xef\xbb\xbf" + text.encode()):
        assert table(data, "it") == {"a b.csv": row}


def test_no_table_and_an_empty_one_have_no_rows():
    assert table(None, "it") == table(b"", "it") == table(HEAD.encode(), "it") == {}


@pytest.mark.parametrize("data", [b"a,b\n1,2\n", b"\xff\xfe", HEAD.encode() + b'"a' + b"x" * 200_000])
def test_what_is_no_table_is_refused_by_its_name(data):
    with pytest.raises(UsageError, match=r"versions\.csv"):
        table(data, "versions.csv")


def test_rows_whose_paths_lead_elsewhere_are_passed_over():
    rows = [("../x", "1"), ("/etc/passwd", "2"), ("a/.S3/b", "3"), (".S3/versions.csv", "4"), ("ok", "5")]
    data = dump([(path, Row("x", "y", z)) for path, z in rows])
    assert [path for path, _ in read(data, "it")] == ["ok"]
    assert not is_data("x\\y")


@pytest.mark.parametrize(
    "path",
    [".S3/x", "a/.s3/x", ".S3./x", ".s3 /x", "S3~1/x", ".S\u200c3/x", "\u2060.s3", ".S3::$DATA", "a/.S3"],
)
def test_no_spelling_that_some_file_system_takes_for_the_books_is_a_file(path):
    assert not is_data(path)


@pytest.mark.parametrize("path", ["s3/x", "a.s3", "S3", "my s3~1", ".S3x/y", ".S30", "x/..s3"])
def test_what_is_only_called_alike_is_one(path):
    assert is_data(path)


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@given(st.dictionaries(st.text(min_size=1, max_size=20).filter(lambda p: check_relpath(p) is None), cells))
def test_what_is_written_is_read_back_exactly(names):
    rows = {path: Row(who, "2020-01-02 03:04:05", "00") for path, who in names.items()}
    expected = {path: row._replace(by=row.by or "unknown") for path, row in rows.items() if is_data(path)}
    assert table(dump(rows), "it") == expected


def test_pandas_reads_every_row_that_is_written():
    pd = pytest.importorskip("pandas")
    rows = {f"file {n}, «{n}».csv": Row("" if n % 2 else "Çelik", "", "") for n in range(5)}
    frame = pd.read_csv(io.BytesIO(dump(rows))).dropna()
    assert list(frame.columns) == ["File", "Edited By", "Time Edited", "Checksum"]
    assert list(frame["File"]) == sorted(rows)


# --- prefixes and folders in use ---


def old_table(rows, *, index: bool = False) -> bytes:
    """As others write it, with pandas; sometimes with the numbers of its rows."""
    import pandas as pd

    columns = ["File", "Edited By", "Time Edited", "Checksum"]
    return pd.DataFrame(rows, columns=columns).to_csv(index=index).encode()


@pytest.fixture
def old(person, bucket):
    """Anna's folder and the prefix, as they are after years with the old package: 1,200 files."""
    anna = person("Anna")
    files = {f"folder {n % 7}/table {n:04}.csv": f"table {n}\n" for n in range(1200)}
    here, there, s3 = [], [], []
    for n, (path, text) in enumerate(files.items()):
        row = [path, "Old Anna", "2020-01-02 03:04:05", md5(text)]
        if n < 40:  # enough to be real objects; the others stand in the tables alone
            bucket.put(path, text.encode())
            anna.write(path, text)
            s3.append(path)
            here.append(row)
        there.append(row)
    bucket.put("in no table.csv", b"who has put me here?")
    bucket.put(".S3/versions.csv", old_table(there))
    bucket.put(".S3/deletedS3.csv", old_table([["x.csv", "Bert", "2019-01-02 03:04:05", "00"]], index=True))
    anna.write(".S3/versions.csv", old_table(there))
    anna.write(".S3/versionsLocal.csv", old_table(here))
    anna.write(".S3/deletedLocal.csv", old_table([]))
    anna.write(".S3/deletedS3.csv", old_table([], index=True))
    anna.write(".S3/ignores3.txt", "")
    anna.write(".S3/user_name.txt", "Old Anna")
    anna.name = None
    return anna, s3


def test_a_prefix_in_use_is_taken_over_as_it_is(old, bucket):
    anna, s3 = old
    outcome = anna.sync()
    assert (outcome.exit_code, [path for path, _ in outcome.done]) == (0, ["in no table.csv"])
    assert books_agree(bucket)
    rows = versions(bucket)
    assert set(rows) == {*s3, "in no table.csv"}
    assert rows[s3[0]] == Row("Old Anna", "2020-01-02 03:04:05", md5("table 0\n"))
    assert rows["in no table.csv"].by == "unknown"
    assert anna.sync().done == ()


def test_what_is_written_then_is_read_by_others(old, bucket):
    anna, s3 = old
    anna.write("new ü.csv", "new")
    anna.delete(s3[0])
    anna.sync()
    rows = read_as_others_do(bucket.read(".S3/versions.csv"))
    assert {row["File"] for row in rows} == set(shared(bucket))
    assert {row["Checksum"] for row in rows if row["File"] == "new ü.csv"} == {md5("new")}
    deleted = read_as_others_do(bucket.read(".S3/deletedS3.csv"))
    assert [row["File"] for row in deleted if row["Edited By"] != "unknown"] == ["x.csv", s3[0]]


def test_an_edit_that_was_never_uploaded_is_no_base(old, bucket):
    """The old package writes down what the folder held, not what both sides had: theirs must not win."""
    anna, s3 = old
    path = s3[3]
    anna.write(path, "mine, never uploaded")
    held = dict(read((anna.folder / ".S3/versionsLocal.csv").read_bytes(), "it"))
    held[path] = held[path]._replace(md5=md5("mine, never uploaded"))
    anna.write(".S3/versionsLocal.csv", dump(held))
    outcome = anna.sync()
    assert [offer.path for offer in outcome.conflicts] == [path]
    assert anna.files()[path] == "mine, never uploaded"


def test_a_deletion_that_was_never_chosen_is_offered_still(old, bucket):
    anna, s3 = old
    path = s3[5]
    row = versions(bucket)[path]
    anna.delete(path)
    held = dict(read((anna.folder / ".S3/versionsLocal.csv").read_bytes(), "it"))
    del held[path]
    anna.write(".S3/versionsLocal.csv", dump(held))
    anna.write(".S3/deletedLocal.csv", old_table([[path, *row]]))
    outcome = anna.sync(dry_run=True)
    assert [offer.change.value for offer in outcome.left if offer.path == path] == ["deleted-here"]


def test_a_prefix_with_data_and_no_books_is_taken_in(person, bucket):
    anna = person("Anna")
    for name in ("a", "b"):
        bucket.put(name, name.encode())
    anna.write("a", "a")
    anna.write("b", "another")
    outcome = anna.sync()
    assert [offer.path for offer in outcome.conflicts] == ["b"]
    assert books_agree(bucket)


def test_a_large_object_whose_etag_is_no_md5_is_compared_and_not_taken_for_changed(person, bucket, s3):
    anna, bert = person("Anna"), person("Bert")
    part = b"x" * 5 * 1024**2
    upload = s3.create_multipart_upload(Bucket=bucket.name, Key=bucket.prefix + "large")["UploadId"]
    parts = [
        {
            "PartNumber": n,
            "ETag": s3.upload_part(
                Bucket=bucket.name, Key=bucket.prefix + "large", UploadId=upload, PartNumber=n, Body=part
            )["ETag"],
        }
        for n in (1, 2)
    ]
    s3.complete_multipart_upload(
        Bucket=bucket.name,
        Key=bucket.prefix + "large",
        UploadId=upload,
        MultipartUpload={"Parts": parts},
    )
    anna.write("large", part * 2)
    assert anna.sync().done == ()
    assert versions(bucket)["large"].md5 == hashlib.md5(part * 2, usedforsecurity=False).hexdigest()
    bert.sync()
    assert (bert.folder / "large").read_bytes() == part * 2
    assert bert.sync().done == anna.sync().done == ()


def test_what_somebody_put_there_without_the_books_is_seen_and_written_down(person, bucket):
    anna, bert = person("Anna"), person("Bert")
    anna.write("a", "1")
    anna.write("b", "1")
    anna.sync()
    bert.sync()
    bucket.put("a", b"by hand")
    bucket.rm("b")
    outcome = bert.sync()
    assert outcome.exit_code == 0
    assert bert.files() == {"a": "by hand"}
    assert versions(bucket)["a"].by == "unknown"
    assert books_agree(bucket)


# --- credentials ---

KEYS = "[123_role]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = wJalr/Secret\n"


def test_keys_in_plain_text_are_read_and_told_about_and_never_told():
    warned = []
    session = session_of(KEYS + "aws_session_token = FQoToken==\n", lambda text, _: warned.append(text))
    credentials = session.get_credentials()
    assert (credentials.access_key, credentials.secret_key) == ("AKIAEXAMPLE", "wJalr/Secret")
    assert "plain text" in warned[0]
    assert "Secret" not in warned[0]
    assert "Secret" not in without_secrets("wJalr/Secret was refused")
    assert "Secret" not in repr(parse(KEYS))


@pytest.mark.parametrize("text", ["work", "[work]\n", "\n# mine\nwork\n"])
def test_the_name_of_a_profile_is_read(text):
    assert parse(text).profile == "work"
    with pytest.raises(UsageError, match="no AWS profile 'work'"):
        session_of(text, print)


def test_what_is_neither_is_refused_and_not_repeated():
    with pytest.raises(UsageError, match="neither") as caught:
        parse("password = hunter2\n")
    assert "hunter2" not in str(caught.value)


def test_keys_that_are_not_complete_are_a_refused_login():
    with pytest.raises(LoginRefused, match="not complete"):
        session_of("[x]\naws_access_key_id = AKIAEXAMPLE\n", print)


def test_a_sync_writes_no_secret_anywhere(person, bucket):
    anna = person("Anna")
    anna.write("a", "1")
    anna.write(
        ".S3/aws.txt", KEYS.replace("AKIAEXAMPLE", "testing").replace("wJalr/Secret", "testing-secret")
    )
    anna.session = None
    anna.sync()
    written = [path for path in (anna.folder / ".S3").rglob("*") if path.is_file() and path.name != "aws.txt"]
    assert written
    assert not [path for path in written if b"testing-secret" in path.read_bytes()]
    assert "testing-secret" not in json.dumps(anna.said)
    assert (anna.said[0]["kind"], anna.said[0]["code"]) == ("warning", "keys_in_file")
