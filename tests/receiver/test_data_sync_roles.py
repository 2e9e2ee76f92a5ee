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
from upload_client.transfer import file_steps

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
        parted: one of the objects is copied in parts.
        apart: each side has a role of its own, ``reader`` and ``writer``, which stands before the bucket.
    """

    handler: str
    event: dict
    may: Callable[[], set[tuple[str, str]]]
    spared: dict[tuple[str, str], str]
    large: bool = False
    parted: bool = False
    apart: bool = False


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
BY_TWO = {
    "source_path": HERE,
    "destination_path": THERE,
    "source_access": {"profile": "reader"},
    "destination_access": {"profile": "writer"},
}
IN_ORDER = {
    ("target", "s3:AbortMultipartUpload"): "nothing goes wrong",
    ("target", "s3:ListMultipartUploadParts"): "nothing was begun before",
    ("target", "s3:ListBucketMultipartUploads"): "then nothing that was left is thrown away",
}


def by_two(actions: dict[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    """What the writer can do without, where one role could."""
    return {(f"writer {bucket}", action): why for (bucket, action), why in actions.items()}


ANY_COPY = COPIES.keys() - {("target", action) for _, action in IN_ORDER}
CASES["S3 → S3, in parts"] = Case(
    "DataSyncHandler",
    {"source_path": HERE, "destination_path": THERE},
    CASES["S3 → S3"].may,
    {each: COPIES[each] for each in ANY_COPY} | IN_ORDER,
    parted=True,
)
CASES["S3 → S3 by two roles, in parts"] = Case(
    "DataSyncHandler",
    BY_TWO,
    lambda: (
        on("reader source", named("from S3"))
        | on("writer source", named("copied by the store"))
        | on("writer target", named("to S3") | {"s3:PutObjectTagging"})
    ),
    by_two({each: COPIES[each] for each in ANY_COPY} | IN_ORDER)
    | {("writer source", "s3:GetObject"): "then objects go through this machine"},
    parted=True,
    apart=True,
)
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
        if case.parted:
            monkeypatch.setattr(file_steps, "MULTIPART_COPY_LIMIT", LARGE - 1)
            self.s3.put_object(
                Bucket=self.names["source"],
                Key="x/large",
                Body=bytes(LARGE),
                Tagging="c=d",
                ContentType="a/b",
            )
        self.s3.put_object_tagging(
            Bucket=self.names["source"],
            Key="x/b/tagged",
            Tagging={"TagSet": [{"Key": "a", "Value": "b"}]},
        )
        self.s3.put_object(Bucket=self.names["target"], Key="x/old", Body=b"old")
        batch = [{"source_path": HERE.format(**self.names), "destination_path": f"{folder}/to/"}]
        self.s3.put_object(Bucket=self.names["target"], Key="list.json", Body=json.dumps(batch).encode())
        self._number, self._folder = number, folder
        iam = aws.client("iam")
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        self._arns = {
            role: iam.create_role(RoleName=f"{role}-{number}", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
            for role in ("sync", *(("reader", "writer") if case.apart else ()))
        }

    def may(self, allowed: set[tuple[str, str]]) -> None:
        for role in self._arns:
            statements = [{"Effect": "Allow", "Action": ["sts:GetCallerIdentity"], "Resource": "*"}]
            for place, action in sorted(allowed):
                whose, _, bucket = place.rpartition(" ")
                arn = f"arn:aws:s3:::{self.names[bucket]}"
                on = arn if action.startswith("s3:ListBucket") else f"{arn}/*"
                if role == (whose or "sync"):
                    statements.append({"Effect": "Allow", "Action": [action], "Resource": on})
            self.aws.client("iam").put_role_policy(
                RoleName=f"{role}-{self._number}",
                PolicyName="x",
                PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
            )

    def _keys(self, role: str) -> dict[str, str]:
        sts = self.aws.client("sts")
        given = sts.assume_role(RoleArn=self._arns[role], RoleSessionName="test")["Credentials"]
        return self.aws.environment(given)

    def run(self) -> dict:
        for variable, value in self._keys("sync").items():
            self._patch.setenv(variable, value)
        profiles = ""
        for role in self._arns.keys() - {"sync"}:
            keys = {
                name.lower(): value
                for name, value in self._keys(role).items()
                if "_KEY" in name or "TOKEN" in name
            }
            profiles += f"[{role}]\n" + "".join(f"{name} = {value}\n" for name, value in keys.items())
        shared = self._folder / "credentials"
        shared.write_text(profiles, encoding="utf-8")
        self._patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(shared))
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


def copied_as(world: World) -> tuple[str, dict[str, str]]:
    """The type of the copy of the large object, and its tags."""
    place = {"Bucket": world.names["target"], "Key": "x/large"}
    tags = world.s3.get_object_tagging(**place)["TagSet"]
    return world.s3.head_object(**place)["ContentType"], {tag["Key"]: tag["Value"] for tag in tags}


@pytest.mark.parametrize("name", ["S3 → S3, in parts", "S3 → S3 by two roles, in parts"])
def test_what_is_copied_in_parts_keeps_its_type_and_tags_and_is_not_copied_again(made, name: str) -> None:
    world = made(name)
    world.may(CASES[name].may() | on("reader source", {"s3:GetObjectAttributes"}))
    assert world.run()["result"] == {"bytes_transferred": LARGE + 6, "files_transferred": 4}
    assert copied_as(world) == ("a/b", {"c": "d"})
    assert world.run()["result"]["files_transferred"] == 0


def test_of_two_roles_of_which_none_reaches_both_sides_objects_go_through_this_machine(made) -> None:
    name = "S3 → S3 by two roles, in parts"
    world = made(name)
    world.may(CASES[name].may() - on("writer source", {"s3:GetObject", "s3:GetObjectTagging"}))
    assert world.run()["result"] == {"bytes_transferred": LARGE + 6, "files_transferred": 4}
    assert copied_as(world) == ("binary/octet-stream", {})


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
    where = world.names[bucket.rpartition(" ")[2]]
    said = rf"may not {action} on arn:aws:s3:::{where}|HEAD \S+: 403 Forbidden|S3 refuses it: 403: Forbidden$"
    with pytest.raises(DeliveryError, match=said):
        world.run()
    if name != "a removal":
        assert world.all_content() >= before
    world.may(case.may())
    assert world.run()
