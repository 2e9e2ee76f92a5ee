"""Nobody may do more than they have to, nor less: under the templates' own policies, conditions included.

moto enforces no condition, so `aws.py` asks `policies.py` about each request. What AWS does beyond that
(how a session ends, service control policies) is not looked at here.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass

import pytest
from botocore.exceptions import ClientError

from upload_client import preflight
from upload_client.core.preflight import CHECKS
from upload_client.index import sources
from upload_client.settings import load_settings

OURS, THEIRS = "survey8/2026-11", "survey8/2026-11b"
LANDING, CONTROL = "archive-landing", "archive-control"
PASSWORD = "Temporary-1-password"
NEEDED = sorted(
    {(check.place, action) for check in CHECKS for action in check.actions if check.place != "source"}
)


@dataclass
class Provider:
    """Somebody invited to a delivery, with the credentials that Cognito would give."""

    delivery: str
    role_arn: str
    credentials: dict
    profile: object

    @property
    def role(self) -> str:
        return self.role_arn.rpartition("/")[2]


@pytest.fixture(scope="module")
def provider(deployed, tmp_path_factory) -> Provider:
    """Invited to one of two deliveries; of the other one there are objects already."""
    folder = tmp_path_factory.mktemp("profiles")
    for delivery in (THEIRS, OURS):
        dataset, _, delivery_id = delivery.partition("/")
        said = deployed.cli(
            *("invite", "--dataset", dataset, "--delivery-id", delivery_id, "--user", f"of-{delivery_id}"),
            *("--ask-password", "--json", "-o", folder / f"{delivery_id}.toml"),
            answers=f"{PASSWORD}\n{PASSWORD}\n",
        )
    s3 = deployed.aws.client("s3")
    for delivery in (OURS, THEIRS):
        s3.put_object(Bucket=LANDING, Key=f"{delivery}/staging/a.csv", Body=b"x\n1\n")
        for key in ("owned", "staging/validator", "staging/log/validator/0000/0000000000.jsonl"):
            s3.put_object(Bucket=CONTROL, Key=f"{delivery}/{key}", Body=b"{}")
    role = json.loads(said[said.index("{") :])["role_arn"]
    return Provider(OURS, role, deployed.assume(role), folder / "2026-11.toml")


@pytest.fixture
def may(deployed, provider):
    """Whether the provider may do something: ``may("s3", "get_object", Bucket=…, Key=…)``."""

    def may(service: str, call: str, **arguments) -> bool:
        client = deployed.aws.client(service, provider.credentials)
        try:
            getattr(client, call)(**arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException", "403"}:
                return False
            raise
        return True

    return may


def test_each_may_read_and_list_what_is_theirs_and_nothing_else(may):
    for bucket, key in ((LANDING, "staging/a.csv"), (CONTROL, "owned")):
        for delivery, allowed in ((OURS, True), (THEIRS, False)):
            assert may("s3", "get_object", Bucket=bucket, Key=f"{delivery}/{key}") is allowed
            assert may("s3", "head_object", Bucket=bucket, Key=f"{delivery}/{key}") is allowed
            assert may("s3", "list_objects_v2", Bucket=bucket, Prefix=f"{delivery}/") is allowed
        for prefix in ("", "survey8", "survey8/", OURS):
            assert not may("s3", "list_objects_v2", Bucket=bucket, Prefix=prefix)
        assert not may("s3", "list_objects_v2", Bucket=bucket)
        assert not may("s3", "list_object_versions", Bucket=bucket, Prefix=f"{OURS}/")
        assert not may("s3", "head_bucket", Bucket=bucket)


def test_the_one_thing_that_cannot_be_limited_is_names_of_unfinished_uploads(deployed, may):
    """S3 has no condition key for it, and the client needs it: docs/receiver.md says so."""
    key = f"{THEIRS}/staging/large.fits"
    upload = deployed.aws.client("s3").create_multipart_upload(Bucket=LANDING, Key=key)["UploadId"]
    theirs = {"Bucket": LANDING, "Key": key, "UploadId": upload}
    assert may("s3", "list_multipart_uploads", Bucket=LANDING, Prefix=f"{THEIRS}/")
    assert not may("s3", "list_multipart_uploads", Bucket=CONTROL, Prefix=f"{OURS}/")
    assert not may("s3", "list_parts", **theirs)
    assert not may("s3", "upload_part", **theirs, PartNumber=1, Body=b"x")
    assert not may("s3", "abort_multipart_upload", **theirs)


def test_what_is_not_there_is_said_to_be_not_there_but_only_of_ones_own(deployed, provider):
    """A client learns from a 404 that it is the first; S3 says 403 to who may not list the key."""
    s3 = deployed.aws.client("s3", provider.credentials)
    for delivery, code in ((OURS, "NoSuchKey"), (THEIRS, "AccessDenied")):
        with pytest.raises(ClientError) as error:
            s3.get_object(Bucket=CONTROL, Key=f"{delivery}/nothing")
        assert error.value.response["Error"]["Code"] == code


@pytest.mark.parametrize(
    "key",
    [
        "staging/log/validator/0000/0000000001.jsonl",
        "sample/log/validator/0000/0000000000.jsonl",
        "staging/log/validator/0001/0000000000.jsonl",
        "staging/validator",
        "staging/validator-0001",
        "expectations.yaml",
        "staging/expectations.yaml",
        "anything",
    ],
)
def test_nobody_writes_their_own_verdicts_or_what_is_expected_of_them(may, key):
    assert not may("s3", "put_object", Bucket=CONTROL, Key=f"{OURS}/{key}", Body=b"{}")


@pytest.mark.parametrize("key", ["owned", "staging/log/client/0000000000.jsonl", "sample/index/00000001.csv"])
def test_what_is_the_clients_is_written_by_the_client_of_that_delivery_only(may, key):
    assert may("s3", "put_object", Bucket=CONTROL, Key=f"{OURS}/{key}", Body=b"{}")
    assert not may("s3", "put_object", Bucket=CONTROL, Key=f"{THEIRS}/{key}", Body=b"{}")
    assert not may("s3", "delete_object", Bucket=CONTROL, Key=f"{OURS}/{key}")


def test_nobody_deletes_what_has_landed(deployed, may):
    landed = {"Bucket": LANDING, "Key": f"{OURS}/staging/a.csv"}
    versions = deployed.aws.client("s3").list_object_versions(Bucket=LANDING, Prefix=landed["Key"])
    version = versions["Versions"][0]["VersionId"]
    assert not may("s3", "delete_object", **landed)
    assert not may("s3", "delete_object", **landed, VersionId=version)
    assert not may("s3", "delete_objects", Bucket=LANDING, Delete={"Objects": [{"Key": landed["Key"]}]})


def test_nobody_copies_what_is_anothers_to_where_they_may_read_it(may):
    source = {"Bucket": LANDING, "Key": f"{THEIRS}/staging/a.csv"}
    assert not may("s3", "copy_object", Bucket=LANDING, Key=f"{OURS}/staging/b.csv", CopySource=source)


def test_nobody_reaches_past_the_start_function_or_changes_the_receiver(deployed, may):
    assert not may("lambda", "invoke", FunctionName=deployed.outputs["WorkFunction"])
    assert not may(
        "ssm", "put_parameter", Name=deployed.outputs["SettingsParameter"], Value="{}", Overwrite=True
    )
    assert not may("sns", "publish", TopicArn=deployed.outputs["OutcomeTopic"], Message="all is well")
    assert not may(
        "s3", "put_bucket_versioning", Bucket=LANDING, VersioningConfiguration={"Status": "Suspended"}
    )
    assert not may("iam", "list_roles")


def test_the_functions_may_do_their_work_and_no_more(deployed):
    functions = deployed.aws.client("lambda")
    credentials = {
        name: deployed.assume(
            functions.get_function_configuration(FunctionName=f"upload-client-{name}")["Role"]
        )
        for name in ("start", "work")
    }

    def refuses(name: str, call: str, **arguments) -> bool:
        try:
            getattr(deployed.aws.client("s3", credentials[name]), call)(**arguments)
        except ClientError as error:
            return error.response["Error"]["Code"] == "AccessDenied"
        return False

    verdicts = f"{OURS}/staging/log/validator/0000/0000000007.jsonl"
    assert not refuses("work", "put_object", Bucket=CONTROL, Key=verdicts, Body=b"")
    assert refuses("start", "put_object", Bucket=CONTROL, Key=verdicts, Body=b"")
    assert refuses("start", "get_object", Bucket=LANDING, Key=f"{OURS}/staging/a.csv")
    for name in credentials:
        assert refuses(name, "put_object", Bucket=LANDING, Key=f"{OURS}/staging/a.csv", Body=b"")
        assert refuses(name, "put_object", Bucket=CONTROL, Key=f"{OURS}/owned", Body=b"")
        assert refuses(name, "delete_object", Bucket=CONTROL, Key=verdicts)


@pytest.fixture
def look(deployed, provider, tmp_path, monkeypatch):
    """What ``upload-client check`` finds wrong for the provider: names of checks, by what is missing."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("x\n1\n", encoding="utf-8")
    for name, value in deployed.aws.environment(provider.credentials).items():
        monkeypatch.setenv(name, value)

    def look() -> dict[str, tuple[str, ...]]:
        settings = load_settings(
            flags={"auth": "aws", "max_rate": "1MB", "threads": 2}, profile=provider.profile
        )
        dataset, _, delivery_id = provider.delivery.partition("/")
        request = preflight.CheckRequest(
            dataset=dataset,
            delivery_id=delivery_id,
            transfer_type="staging",
            settings=settings,
            sources={},
            open_source=lambda _: tmp_path / "data",
            read_files=lambda place: sources.read_files(place, None),
            output_dir=tmp_path,
        )
        found = list(preflight.preflight(request))
        return {one.check: one.actions for one in found if one.status in ("problem", "warning")}

    return look


def test_a_role_allows_the_actions_that_a_delivery_needs_and_no_other(deployed, provider):
    allowed = {
        (place_of(statement), action) for statement, action in actions_of(policy_of(deployed, provider))
    }
    assert sorted(allowed) == NEEDED


@pytest.mark.parametrize(("place", "action"), NEEDED)
def test_without_one_permission_the_check_before_a_delivery_says_exactly_what_will_fail(
    deployed, provider, look, place, action
):
    whole = policy_of(deployed, provider)
    less = copy.deepcopy(whole)
    for statement in list(less["Statement"]):
        if place_of(statement) == place:
            left = [one for one in several(statement["Action"]) if one != action]
            statement["Action"] = left
            if not left:
                less["Statement"].remove(statement)
    put_policy(deployed, provider, less)
    try:
        wrong = look()
    finally:
        put_policy(deployed, provider, whole)
    concerned = {check.name for check in CHECKS if check.place == place and action in check.actions}
    assert {name for name, missing in wrong.items() if action in missing} == concerned
    assert {name for name, missing in wrong.items() if missing} == concerned


def test_with_all_of_them_the_check_misses_none(look):
    assert {name: missing for name, missing in look().items() if missing} == {}


def policy_of(deployed, provider) -> dict:
    found = deployed.aws.client("iam").get_role_policy(RoleName=provider.role, PolicyName="deliver")
    return found["PolicyDocument"]


def put_policy(deployed, provider, document: dict) -> None:
    deployed.aws.client("iam").put_role_policy(
        RoleName=provider.role, PolicyName="deliver", PolicyDocument=json.dumps(document)
    )


def actions_of(document: dict) -> list[tuple[dict, str]]:
    return [
        (statement, action) for statement in document["Statement"] for action in several(statement["Action"])
    ]


def place_of(statement: dict) -> str:
    resource = several(statement["Resource"])[0]
    places = {":lambda:": "function", ":ssm:": "parameter", CONTROL: "control", LANDING: "landing"}
    return next(place for mark, place in places.items() if mark in resource)


def several(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
