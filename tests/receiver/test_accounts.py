"""Invitations by a store's own IAM API."""

from __future__ import annotations

import json
import secrets
import stat
import sys
import tomllib
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from receiver.policies import allows

from upload_client.cli.app import main
from upload_client.control.store_probe import known_profile
from upload_client.core.layout import Layout
from upload_client.errors import DeliveryError, NotReachable, UsageError
from upload_client.receiver.accounts import Accounts
from upload_client.receiver.process import buckets
from upload_client.receiver.serving.configuration import read_configuration
from upload_client.s3.bucket import Bucket
from upload_client.sandbox import Sandbox

OURS, OTHERS = "survey7/1", "survey7/10"


@pytest.fixture(scope="module")
def store():
    with Sandbox() as made:
        yield made


@pytest.fixture
def on(store, tmp_path, monkeypatch):
    """The configuration of a receiver at that store."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "sandbox")
    path = tmp_path / "receiver.toml"
    path.write_text(
        f'control_bucket = "control"\nlanding_bucket = "landing"\nendpoint_url = "{store.endpoint_url}"\n',
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    return path


@pytest.fixture
def accounts(on) -> Accounts:
    return Accounts(read_configuration(on))


@pytest.fixture
def user() -> str:
    return f"maria-{secrets.token_hex(4)}"


def may(policy: dict, action: str, resource: str, **context: str) -> bool:
    return allows(
        [policy], action, f"arn:aws:s3:::{resource}", {f"s3:{key}": value for key, value in context.items()}
    )


@pytest.fixture
def on_sound(on, real_s3) -> Path:
    """The configuration of a receiver at the store that checks."""
    names = [f"{name}-{secrets.token_hex(4)}" for name in ("control", "landing")]
    for name in names:
        boto3.client("s3", endpoint_url=real_s3, region_name="us-east-1").create_bucket(Bucket=name)
    on.write_text(
        f'control_bucket = "{names[0]}"\nlanding_bucket = "{names[1]}"\nendpoint_url = "{real_s3}"\n'
    )
    return on


def place_of(on: Path, delivery_id: str) -> tuple[Bucket, Layout]:
    settings = read_configuration(on).validator
    layout = Layout("survey7", delivery_id, "sample", settings.control_prefix, settings.landing_prefix)
    return buckets(settings, layout)[0], layout


def test_the_receiver_tries_the_store_where_a_provider_may_not(on_sound, capsys):
    asked = ["--dataset", "survey7", "--delivery-id", "y", "--on", str(on_sound)]
    assert main(["receiver", "probe", *asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {one["use"] for one in told["seen"]} <= {"proven", "not tried"}
    control, layout = place_of(on_sound, "y")
    known, _ = known_profile(control, layout)
    assert known is not None
    assert known.covers(copies=True)
    assert list(control.ls("", recursive=True)) == [layout.store_profile]


@pytest.mark.parametrize("url", ["store.example", "ftp://store.example", "http://[::1", "http://a b"])
def test_an_endpoint_that_is_none_is_refused_in_our_words(on, capsys, url):
    asked = ["--dataset", "survey7", "--delivery-id", "y", "--on", str(on)]
    assert main(["receiver", "probe", *asked, "--endpoint", url]) == 2
    assert "error: --endpoint " in capsys.readouterr().err
    assert main(["receiver", "invite", *asked, "--user", "maria", "--endpoint", url]) == 2
    on.write_text(f'control_bucket = "c"\nlanding_bucket = "l"\nendpoint_url = "{url}"\n', encoding="utf-8")
    assert main(["receiver", "probe", *asked]) == 2
    assert "endpoint_url" in capsys.readouterr().err


def test_what_the_receiver_tried_elsewhere_is_not_believed_of_the_providers_endpoint(
    on_sound, real_s3, capsys
):
    asked = ["--dataset", "survey7", "--delivery-id", "y", "--on", str(on_sound)]
    other = real_s3.replace("127.0.0.1", "localhost")
    assert main(["receiver", "probe", *asked, "--endpoint", other]) == 0
    assert "proven" in capsys.readouterr().out
    assert known_profile(*place_of(on_sound, "y"))[0] is None


def test_the_policy_is_for_one_delivery_and_for_no_verdict(accounts):
    policy = accounts.policy("survey7", "1")
    for transfer_type in ("staging", "sample"):
        assert may(policy, "s3:PutObject", f"landing/{OURS}/{transfer_type}/a.csv")
        assert may(policy, "s3:PutObject", f"control/{OURS}/{transfer_type}/log/client/0000000001.jsonl")
        assert not may(
            policy, "s3:PutObject", f"control/{OURS}/{transfer_type}/log/validator/0000/0000000001.jsonl"
        )
        assert not may(policy, "s3:PutObject", f"landing/{OTHERS}/{transfer_type}/a.csv")
    assert may(policy, "s3:GetObject", f"control/{OURS}/staging/log/validator/0000/0000000001.jsonl")
    assert not may(policy, "s3:GetObject", f"control/{OTHERS}/owned")
    assert may(policy, "s3:ListBucket", "control", prefix=f"{OURS}/")
    assert may(policy, "s3:ListBucket", "landing", prefix=f"{OURS}/staging/")
    for bucket in ("control", "landing"):
        assert not may(policy, "s3:ListBucket", bucket, prefix=f"{OTHERS}/")
        assert not may(policy, "s3:ListBucket", bucket)
    assert not may(policy, "s3:DeleteObject", f"landing/{OURS}/staging/a.csv")
    assert "lambda" not in json.dumps(policy)
    assert "${" not in json.dumps(policy)


def test_the_policy_follows_where_the_receiver_has_files_and_control_keys(on):
    on.write_text(
        'control_bucket = "c"\ncontrol_prefix = "x/"\nlanding_bucket = "l"\n'
        'landing_prefix = "in/{transfer_type}/{dataset}/{delivery_id}/"\n',
        encoding="utf-8",
    )
    policy = Accounts(read_configuration(on)).policy("d", "y")
    assert may(policy, "s3:PutObject", "l/in/sample/d/y/a")
    assert may(policy, "s3:ListBucket", "l", prefix="in/staging/d/y/")
    assert not may(policy, "s3:PutObject", "l/d/y/staging/a")
    assert may(policy, "s3:PutObject", "c/x/d/y/owned")
    assert may(policy, "s3:ListBucket", "c", prefix="x/d/y/")
    assert not may(policy, "s3:PutObject", "c/d/y/owned")


def test_whoever_is_invited_has_a_key_and_keeps_it(accounts, user):
    first = accounts.invite("survey7", "1", user)
    assert first.keys.startswith("export AWS_ACCESS_KEY_ID=")
    assert "AWS_SECRET" not in repr(first)
    profile = tomllib.loads(first.profile)
    assert (profile["start"], profile["auth"], profile["landing_bucket"]) == ("watched", "aws", "landing")
    assert accounts.invite("survey7", "2", user, endpoint="https://s3.example").keys is None
    assert [one for one in accounts.deliveries() if one[2] == user] == [
        ("survey7", "1", user),
        ("survey7", "2", user),
    ]


def test_an_invitation_that_ends_takes_the_key_only_with_the_last_one(accounts, user):
    for delivery_id in ("1", "2"):
        accounts.invite("ended", delivery_id, user)
    assert len(accounts.revoke("ended", "1", user)) == 1
    did = accounts.revoke("ended", "2")
    assert did == (f"{user} may no longer do ended/2", f"deleted a key of {user}, who may do nothing more")
    with pytest.raises(UsageError, match="nobody is invited to ended/2"):
        accounts.revoke("ended", "2")
    with pytest.raises(UsageError, match=f"{user} is not invited"):
        accounts.revoke("ended", "1", user)


@pytest.mark.parametrize("by", ["a group", "an attached policy", "what the store does not say"])
def test_whoever_may_do_something_else_keeps_their_keys(accounts, user, by, monkeypatch):
    iam = accounts._iam
    iam.create_user(UserName=user)
    iam.create_access_key(UserName=user)
    accounts.invite("survey7", "1", user)
    if by == "a group":
        iam.create_group(GroupName=f"of-{user}")
        iam.add_user_to_group(GroupName=f"of-{user}", UserName=user)
    elif by == "an attached policy":
        document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
        made = iam.create_policy(PolicyName=f"of-{user}", PolicyDocument=json.dumps(document))["Policy"]
        iam.attach_user_policy(UserName=user, PolicyArn=made["Arn"])
    else:

        def refuse(**_):  # SeaweedFS, of a user in its configuration file
            raise iam.exceptions.NoSuchEntityException({"Error": {"Code": "NoSuchEntity"}}, "List")

        monkeypatch.setattr(iam, "list_attached_user_policies", refuse)
    told = accounts.revoke("survey7", "1", user)[-1]
    assert told.startswith(f"the keys of {user} stay: ")
    assert len(iam.list_access_keys(UserName=user)["AccessKeyMetadata"]) == 1


def test_a_key_that_could_not_be_written_down_is_taken_back(on, accounts, user, tmp_path, monkeypatch):
    names = ["--dataset", "full", "--delivery-id", "1", "--user", user, "--on", str(on)]
    (tmp_path / f"full_1_{user}.keys").mkdir()
    assert main(["receiver", "invite", *names]) not in (0, 70)
    assert not accounts.has_key(user)
    (tmp_path / f"full_1_{user}.keys").rmdir()
    assert main(["receiver", "invite", *names]) == 0
    assert accounts.has_key(user)
    assert main(["receiver", "invite", *names, "-o", "x.keys"]) == 2


def test_a_store_that_spells_permissions_otherwise_gets_them_so_and_it_is_said(accounts, user):
    put = accounts._iam.put_user_policy
    given = []

    def as_seaweedfs(**arguments):
        document = arguments["PolicyDocument"]
        if "MultipartUploads" in document or "ListMultipartUploadParts" in document:
            raise accounts._iam.exceptions.MalformedPolicyDocumentException(
                {"Error": {"Code": "MalformedPolicyDocument", "Message": "not a valid action"}},
                "PutUserPolicy",
            )
        given.append(json.loads(document))
        return put(**arguments)

    accounts._iam.put_user_policy = as_seaweedfs
    done = accounts.invite("survey7", "1", user)
    assert any("spelled as SeaweedFS has them" in line for line in done.did)
    (policy,) = given
    assert may(
        policy, "s3:PutObject", "landing"
    )  # which there lets see unfinished uploads, and write nothing
    assert not may(policy, "s3:PutObject", "landing/other")
    assert not may(policy, "s3:PutObject", "control")
    assert all(statement["Action"] for statement in policy["Statement"])


def test_nobody_who_has_rights_of_another_kind_becomes_a_provider(accounts, user):
    policy = accounts.policy("survey7", "1")
    accounts._iam.create_user(UserName=user)
    accounts._iam.put_user_policy(UserName=user, PolicyName="admin_policy", PolicyDocument=json.dumps(policy))
    with pytest.raises(UsageError, match="rights of another kind"):
        accounts.invite("survey7", "1", user)
    assert accounts._iam.list_user_policies(UserName=user)["PolicyNames"] == ["admin_policy"]


@pytest.mark.parametrize(("dataset", "who"), [("a b", "maria"), ("a", "../maria"), ("a=b", "maria")])
def test_names_that_are_none_are_refused(accounts, dataset, who):
    with pytest.raises(UsageError):
        accounts.invite(dataset, "1", who)


def test_a_store_without_such_an_api_is_told_with_what_to_do(accounts, monkeypatch):
    def unknown(_: str) -> None:
        raise ClientError(
            {"Error": {"Code": "Unknown"}, "ResponseMetadata": {"HTTPStatusCode": 501}}, "ListUsers"
        )

    monkeypatch.setattr(accounts._iam, "get_paginator", unknown)
    with pytest.raises(DeliveryError, match="the store's IAM refused") as caught:
        list(accounts.deliveries())
    assert not isinstance(caught.value, NotReachable)
    assert "receiver policy" in caught.value.hint


def test_a_store_that_does_not_answer_has_refused_nothing(on):
    text = on.read_text(encoding="utf-8")
    on.write_text(f'{text}[endpoints]\niam = "http://127.0.0.1:9"\n', encoding="utf-8")
    with pytest.raises(NotReachable, match="the store's IAM cannot be reached") as caught:
        list(Accounts(read_configuration(on)).deliveries())
    assert "that it has an IAM API" in caught.value.hint


def test_as_it_is_typed(on, user, tmp_path, capsys):
    names = ["--dataset", "typed", "--delivery-id", "1"]
    assert main(["receiver", "invite", *names, "--user", user, "--on", str(on)]) == 0
    assert "send it to them on another way" in capsys.readouterr().out
    profile, keys = tmp_path / f"typed_1_{user}.toml", tmp_path / f"typed_1_{user}.keys"
    assert "SECRET" not in profile.read_text(encoding="utf-8")
    if sys.platform != "win32":
        assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert main(["receiver", "list", "--on", str(on), "--json"]) == 0
    assert {"dataset": "typed", "delivery_id": "1", "user": user} in json.loads(capsys.readouterr().out)[
        "deliveries"
    ]
    assert main(["receiver", "list", "--on", str(on)]) == 0
    assert f"typed/1  {user}" in capsys.readouterr().out
    assert main(["receiver", "show", *names, "--on", str(on)]) == 0
    shown = capsys.readouterr().out
    assert f"user      {user}: has a key" in shown
    assert main(["receiver", "show", *names, "--on", str(on), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["kind"], told["users"]) == ("delivery", [{"name": user, "has_key": True}])
    assert all(f"  {told[place]}\n" in shown for place in ("landing", "sample", "control"))
    assert told["landing"].endswith("/typed/1/staging/")
    assert main(["receiver", "show", "--dataset", "typed", "--delivery-id", "2", "--on", str(on)]) == 2
    assert "nobody is invited to typed/2" in capsys.readouterr().err
    assert main(["receiver", "policy", *names, "--on", str(on)]) == 0
    assert json.loads(capsys.readouterr().out)["Version"] == "2012-10-17"
    before = keys.read_bytes()
    assert main(["receiver", "invite", *names, "--user", user, "--on", str(on)]) == 0  # it may be repeated
    assert keys.read_bytes() == before
    assert main(["receiver", "revoke", *names, "--on", str(on)]) == 0
    assert "may no longer do typed/1" in capsys.readouterr().out
    assert (
        main(["receiver", "invite", *names, "--user", user, "--on", str(on), "--email", "a@b.example"]) == 2
    )
    assert main(["receiver", "invite", *names, "--user", user, "--endpoint", "http://x", "-o", "y.toml"]) == 2
