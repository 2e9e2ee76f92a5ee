"""The permissions that the page on data sync names, under IAM: with them it works, without one it is told."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from upload_client.errors import DeliveryError
from upload_client.functions import handle

PAGE = Path(__file__).parents[2] / "docs/data-sync.md"
FILES = {"a": "1", "b/c": "22", "b/tagged": "333"}
LARGE = 17 * 1024 * 1024
"""Bytes of a file that goes up in parts."""


def named(*rows: str) -> set[str]:
    """The actions in rows of the page's table."""
    table = PAGE.read_text(encoding="utf-8").split("\n## IAM\n")[1].split("\n## ")[0]
    found: set[str] = set()
    for row in rows:
        (line,) = (line for line in table.splitlines() if line.startswith("| ") and row in line.split("|")[1])
        found |= set(re.findall(r"`(s3:[A-Za-z]+)`", line))
    return found


@dataclass
class Case:
    """A function, what it may do at each bucket, and what it can do without.

    Attributes:
        handler: its name.
        event: the buckets' names and the folder stand in braces.
        may: actions, on ``source`` or ``target``.
        spared: actions that these files do not take, and why.
        large: one of the files goes up in parts.
    """

    handler: str
    event: dict
    may: Callable[[], set[tuple[str, str]]]
    spared: dict[tuple[str, str], str]
    large: bool = False


def on(bucket: str, actions: set[str]) -> set[tuple[str, str]]:
    return {(bucket, action) for action in actions}


HERE, THERE = "s3://{source}/x/", "s3://{target}/x/"
IN_PARTS = "no object is in parts"
COPIES: dict[tuple[str, str], str] = {
    ("source", "s3:GetObjectAttributes"): IN_PARTS,
    ("target", "s3:GetObjectAttributes"): IN_PARTS,
    ("target", "s3:AbortMultipartUpload"): IN_PARTS,
    ("target", "s3:ListMultipartUploadParts"): IN_PARTS,
    ("target", "s3:ListBucketMultipartUploads"): IN_PARTS,
    ("source", "s3:PutObjectTagging"): "of the other side",
    ("target", "s3:GetObjectTagging"): "likewise",
    ("target", "s3:GetObject"): "copies say their checksums themselves",
}
CASES = {
    "from S3": Case(
        "DataSyncHandler",
        {"source_path": HERE, "destination_path": "{folder}/to/"},
        lambda: on("source", named("from S3")),
        {},
    ),
    "to S3": Case(
        "DataSyncHandler",
        {"source_path": "{folder}/from/", "destination_path": THERE},
        lambda: on("target", named("to S3")),
        {
            ("target", "s3:AbortMultipartUpload"): "nothing goes wrong",
            ("target", "s3:ListMultipartUploadParts"): "nothing was begun before",
            ("target", "s3:ListBucketMultipartUploads"): "then all parts are sent anew",
            ("target", "s3:GetObject"): "what is there differs in its size",
        },
        large=True,
    ),
    "S3 → S3": Case(
        "DataSyncHandler",
        {"source_path": HERE, "destination_path": THERE},
        lambda: on("source", named("from S3", "S3 → S3")) | on("target", named("to S3", "S3 → S3")),
        COPIES,
    ),
    "a move": Case(
        "DataSyncHandler",
        {"source_path": HERE, "destination_path": "s3://{target}/y/", "retain_source_data": False},
        lambda: (
            on("source", named("from S3", "S3 → S3", "moves"))
            | on("target", named("to S3", "S3 → S3") - {"s3:DeleteObject"})
        ),
        COPIES,
    ),
    "stats": Case(
        "GetDataPathStatsHandler", {"path": HERE}, lambda: on("source", named("GetDataPathStats")), {}
    ),
    "a list": Case(
        "ListDataPathsHandler", {"path": "s3://{source}/x"}, lambda: on("source", named("ListDataPaths")), {}
    ),
    "a scan": Case(
        "OutdatedDataPathScannerHandler", {"path": HERE}, lambda: on("source", named("OutdatedDataPath")), {}
    ),
    "a removal": Case(
        "RemoveDataPathsHandler",
        {"paths": ["s3://{target}/x/old", "s3://{target}/x/"], "allow_s3": True},
        lambda: on("target", named("RemoveDataPaths")),
        {},
    ),
    "JSON that is read": Case(
        "GetJSONFromFileHandler", {"path": f"{HERE}a"}, lambda: on("source", named("GetJSON")), {}
    ),
    "JSON that is written": Case(
        "PutJSONToFileHandler", {"content": 1}, lambda: on("target", named("PutJSON")), {}
    ),
    "batches": Case(
        "PrepareBatchDataSyncHandler",
        {"source_path": HERE, "destination_path": "{folder}/to/", "temporary_request_payload_path": THERE},
        lambda: on("source", named("from S3")) | on("target", named("PutJSON") - {"s3:PutObjectTagging"}),
        {("source", "s3:GetObject"): "a folder is listed"},
    ),
    "a batch": Case(
        "BatchDataSyncHandler",
        {"requests": "s3://{target}/list.json"},
        lambda: on("source", named("from S3")) | on("target", named("GetJSON")),
        {},
    ),
}
CASES["stats"].spared[("source", "s3:GetObject")] = "a folder is listed"
CASES["a scan"].spared[("source", "s3:GetObject")] = "a folder is listed"

numbers = itertools.count()


class World:
    """Two buckets, a folder, and a role."""

    def __init__(self, aws, monkeypatch: pytest.MonkeyPatch, folder: Path, case: Case) -> None:
        self.aws, self._patch, self._case = aws, monkeypatch, case
        number = next(numbers)
        self.names = {"source": f"source-{number}", "target": f"target-{number}", "folder": f"{folder}"}
        self.s3 = aws.client("s3")
        for kind in ("source", "target"):
            self.s3.create_bucket(Bucket=self.names[kind])
        for path, content in FILES.items():
            self.s3.put_object(Bucket=self.names["source"], Key=f"x/{path}", Body=content.encode())
            file = folder / "from" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        if case.large:
            (folder / "from/large").write_bytes(bytes(LARGE))
        self.s3.put_object_tagging(
            Bucket=self.names["source"],
            Key="x/b/tagged",
            Tagging={"TagSet": [{"Key": "a", "Value": "b"}]},
        )
        self.s3.put_object(Bucket=self.names["target"], Key="x/old", Body=b"old")
        batch = [{"source_path": HERE.format(**self.names), "destination_path": f"{folder}/to/"}]
        self.s3.put_object(Bucket=self.names["target"], Key="list.json", Body=json.dumps(batch).encode())
        self._role = f"sync-{number}"
        iam = aws.client("iam")
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        self._arn = iam.create_role(RoleName=self._role, AssumeRolePolicyDocument=trust)["Role"]["Arn"]

    def may(self, allowed: set[tuple[str, str]]) -> None:
        statements = [{"Effect": "Allow", "Action": ["sts:GetCallerIdentity"], "Resource": "*"}]
        for bucket, action in sorted(allowed):
            arn = f"arn:aws:s3:::{self.names[bucket]}"
            on = arn if action.startswith("s3:ListBucket") else f"{arn}/*"
            statements.append({"Effect": "Allow", "Action": [action], "Resource": on})
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self.aws.client("iam").put_role_policy(RoleName=self._role, PolicyName="x", PolicyDocument=document)

    def run(self) -> dict:
        given = self.aws.client("sts").assume_role(RoleArn=self._arn, RoleSessionName="test")["Credentials"]
        for variable, value in self.aws.environment(given).items():
            self._patch.setenv(variable, value)
        self._patch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
        self._patch.setenv("DEFAULT_BUCKET_NAME", self.names["target"])
        text = json.dumps(self._case.event)
        for name, value in self.names.items():
            text = text.replace(f"{{{name}}}", value)
        name = f"upload_client.functions.data_sync.{self._case.handler}"
        return handle({"handler": name, "event": json.loads(text)})

    def all_content(self) -> set[bytes]:
        """The content of all objects and files that there are."""
        found = {path.read_bytes() for path in Path(self.names["folder"]).rglob("*") if path.is_file()}
        for kind in ("source", "target"):
            for each in self.s3.list_objects_v2(Bucket=self.names[kind]).get("Contents", ()):
                found.add(self.s3.get_object(Bucket=self.names[kind], Key=each["Key"])["Body"].read())
        return found


@pytest.fixture
def made(aws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], World]:
    return lambda name: World(aws, monkeypatch, tmp_path, CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_with_what_the_page_names_it_works(made, name: str) -> None:
    world = made(name)
    world.may(CASES[name].may() - set(CASES[name].spared))
    assert world.run()


def left_out() -> Iterator[tuple[str, str, str]]:
    for name, case in CASES.items():
        for bucket, action in sorted(case.may() - set(case.spared)):
            yield name, bucket, action


@pytest.mark.parametrize(("name", "bucket", "action"), [*left_out()])
def test_without_one_of_it_that_is_told_nothing_is_lost_and_with_it_the_work_goes_on(
    made, name: str, bucket: str, action: str
) -> None:
    world, case = made(name), CASES[name]
    before = world.all_content()
    world.may(case.may() - {(bucket, action)})
    # The answer to a HEAD has no body that could say which.
    said = rf"may not {action} on arn:aws:s3:::{world.names[bucket]}|HEAD \S+: 403 Forbidden"
    with pytest.raises(DeliveryError, match=said):
        world.run()
    if name != "a removal":
        assert world.all_content() >= before
    world.may(case.may())
    assert world.run()
