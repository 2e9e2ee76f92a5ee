"""Inviting providers, seeing who is invited, and ending it."""

from __future__ import annotations

import json
import tomllib

import pytest
from botocore.stub import Stubber

from upload_client.core.hand_over import HandOver
from upload_client.errors import DeliveryError, UsageError
from upload_client.receiver.stack import Receiver
from upload_client.settings import load_settings

PASSWORD = "Temporary-1-password"


@pytest.fixture
def invite(deployed, tmp_path):
    def invite(dataset, delivery_id, user, *more, answers=f"{PASSWORD}\n{PASSWORD}\n"):
        names = ("--dataset", dataset, "--delivery-id", delivery_id, "--user", user)
        printed = deployed.cli(
            "invite", *names, *more, "--json", "-o", tmp_path / f"{user}.toml", answers=answers
        )
        return json.loads(printed[printed.index("{") :])

    return invite


def of(dataset, delivery_id, *more):
    return "--dataset", dataset, "--delivery-id", delivery_id, "--json", *more


def test_an_invitation_leaves_a_profile_a_user_and_a_role(deployed, invite, tmp_path):
    said = invite("survey", "a.1", "ada", "--ask-password")
    assert [line.partition(" ")[0] for line in said["did"]] == ["made", "made", "ada"]
    profile = load_settings(profile=tmp_path / "ada.toml", environ={})
    assert (profile.username, profile.role_arn) == ("ada", said["role_arn"])
    assert PASSWORD not in (tmp_path / "ada.toml").read_text(encoding="utf-8")
    shown = json.loads(deployed.cli("show", *of("survey", "a.1")))
    assert shown["users"] == [{"name": "ada", "status": "FORCE_CHANGE_PASSWORD", "enabled": True}]
    assert shown["landing"] == "s3://archive-landing/survey/a.1/"


def test_inviting_again_changes_nothing(invite, tmp_path):
    invite("survey", "again", "bea", "--ask-password")
    before = (tmp_path / "bea.toml").read_text(encoding="utf-8")
    said = invite("survey", "again", "bea", answers="")
    assert [line for line in said["did"] if "there" not in line] == ["bea may deliver survey/again"]
    assert (tmp_path / "bea.toml").read_text(encoding="utf-8") == before


def test_a_role_that_an_older_version_made_is_brought_up_to_date(deployed, invite):
    said = invite("survey", "old", "cid", "--ask-password")
    (stack,) = [
        word.rstrip(")") for line in said["did"] for word in line.split() if word.startswith("upload-client-")
    ]
    stacks = deployed.aws.client("cloudformation")
    older = stacks.get_template(StackName=stack)["TemplateBody"].replace("s3:AbortMultipartUpload, ", "")
    given = stacks.describe_stacks(StackName=stack)["Stacks"][0]["Parameters"]
    stacks.update_stack(
        StackName=stack, TemplateBody=older, Parameters=given, Capabilities=["CAPABILITY_IAM"]
    )
    assert "brought the role of survey/old up to date" in invite("survey", "old", "cid")["did"][0]
    assert "AbortMultipartUpload" in stacks.get_template(StackName=stack)["TemplateBody"]


def test_names_that_would_look_alike_are_different_deliveries(deployed, invite):
    one, other = invite("a-b", "c", "dan", "--ask-password"), invite("a", "b-c", "dan")
    assert one["role_arn"] != other["role_arn"]
    listed = json.loads(deployed.cli("list", "--json"))["deliveries"]
    assert {("a-b", "c"), ("a", "b-c")} <= {(found["dataset"], found["delivery_id"]) for found in listed}


def test_the_list_says_where_a_delivery_was_handed_over(deployed, invite):
    invite("handed", "1", "gil", "--ask-password")
    record = HandOver(
        *("handed", "1", "staging", 3, "staging/receipt/00000003.json", "a" * 64, "s3://landing/handed/1/"),
        *("s3://archive/handed/", 1, 2, "b" * 64, "2026-01-02T03:04:05.678Z", "agent"),
    )
    deployed.aws.client("s3").put_object(
        Bucket=deployed.outputs["ControlBucket"],
        Key="handed/1/staging/handover/00000003.json",
        Body=record.encode(),
    )
    listed = json.loads(deployed.cli("list", "--json"))["deliveries"]
    assert [one["hand_over"] for one in listed if one["dataset"] == "handed"] == [record.as_json()]
    assert "handed over to s3://archive/handed/" in deployed.cli("list")


def test_a_new_user_needs_a_way_to_a_first_password(invite):
    with pytest.raises(UsageError, match="eve is new"):
        invite("survey", "eve", "eve")


def test_a_first_password_may_be_mailed(deployed, invite):
    said = invite("survey", "mailed", "fay", "--email", "fay@example.org")
    assert "made the user fay; Cognito mails a temporary password to fay@example.org" in said["did"]
    user = deployed.aws.client("cognito-idp").admin_get_user(
        UserPoolId=deployed.outputs["UserPoolId"], Username="fay"
    )
    assert {"Name": "email", "Value": "fay@example.org"} in user["UserAttributes"]
    again = invite("survey", "mailed", "fay", "--email", "fay@example.org")
    assert not any("mails" in line for line in again["did"])
    again = invite("survey", "mailed", "fay", "--resend")
    assert "Cognito mails fay another temporary password" in again["did"]


def test_what_cloudformation_could_not_make_is_said_with_its_reason(deployed, monkeypatch):
    for name, value in deployed.aws.environment().items():
        monkeypatch.setenv(name, value)
    receiver = Receiver("upload-client")
    stack = {"StackName": "s", "CreationTime": "2026-11-20", "StackStatus": "ROLLBACK_COMPLETE"}
    event = {"StackId": "s", "EventId": "e", "StackName": "s", "Timestamp": "2026-11-20"}
    failed = {
        "LogicalResourceId": "Role",
        "ResourceStatus": "CREATE_FAILED",
        "ResourceStatusReason": "no\x1b[2J more roles",
    }
    with Stubber(receiver._stacks) as stub:
        stub.add_client_error("describe_stacks", "ValidationError")
        stub.add_response("create_stack", {"StackId": "s"})
        stub.add_response("describe_stacks", {"Stacks": [stack]})
        stub.add_response("describe_stack_events", {"StackEvents": [event | failed]})
        with pytest.raises(
            DeliveryError, match=r"could not finish the stack .*: Role: no\\x1b\[2J more roles"
        ):
            receiver.invite("survey", "failing", "kim", temporary_password=PASSWORD)
        stub.add_response("describe_stacks", {"Stacks": [stack]})
        stub.add_response("get_template", {"TemplateBody": "x"})
        with pytest.raises(DeliveryError, match="is in the state ROLLBACK_COMPLETE"):
            receiver.invite("survey", "failing", "kim", temporary_password=PASSWORD)


def test_a_file_that_is_no_profile_is_not_written_over(deployed, invite, tmp_path):
    (tmp_path / "gus.toml").write_text("precious", encoding="utf-8")
    with pytest.raises(UsageError, match="has not written it"):
        invite("survey", "gus", "gus", "--ask-password")
    assert (tmp_path / "gus.toml").read_text(encoding="utf-8") == "precious"


@pytest.mark.long
def test_who_is_not_invited_any_more_is_out_and_others_stay(deployed, invite):
    invite("survey", "two", "hal", "--ask-password")
    invite("survey", "two", "ivy", "--ask-password")
    invite("survey", "other", "ivy")
    did = json.loads(deployed.cli("revoke", *of("survey", "two", "--user", "hal")))["did"]
    assert "hal can no longer log in" in did
    assert [user["name"] for user in json.loads(deployed.cli("show", *of("survey", "two")))["users"]] == [
        "ivy"
    ]
    did = json.loads(deployed.cli("revoke", *of("survey", "two")))["did"]
    assert not any("log in" in line for line in did)  # she has another delivery
    with pytest.raises(UsageError, match="nobody is invited to survey/two"):
        deployed.cli("show", *of("survey", "two"))
    assert "hal can log in again" in invite("survey", "other", "hal")["did"]


def test_a_user_of_several_deliveries_has_a_profile_for_each(deployed, invite, tmp_path):
    invite("survey", "first", "jon", "--ask-password")
    first = tomllib.loads((tmp_path / "jon.toml").read_text(encoding="utf-8"))
    invite("survey", "second", "jon")
    second = tomllib.loads((tmp_path / "jon.toml").read_text(encoding="utf-8"))
    assert {key for key in first if first[key] != second[key]} == {"role_arn"}


def test_what_is_no_receiver_is_said(deployed):
    with pytest.raises(UsageError, match="there is no stack 'elsewhere'"):
        deployed.cli("list", "--stack", "elsewhere")
