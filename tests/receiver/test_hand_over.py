"""The state machine of a hand-over: sound, and run in an emulator on real functions."""

from __future__ import annotations

import itertools
import json
from types import SimpleNamespace

import boto3
import click
import pytest
from click.testing import CliRunner
from functions.test_hand_over import FILES, Place, place  # noqa: F401 - a fixture
from late import late
from receiver.definitions import as_moto_reads_it
from receiver.test_template import resources
from waiting import until

from upload_client.cli.receiver import receiver
from upload_client.errors import UsageError
from upload_client.functions.hand_over import work
from upload_client.receiver import hand_over_template, state_machine

cfnlint, statelint, moto = late("cfnlint.api"), late("statelint.linter"), late("moto")

ROLE = "arn:aws:iam::123456789012:role/hand-over"
TO = "s3://archive/{dataset}/{delivery_id}/"


def test_the_template_is_sound():
    assert [str(finding) for finding in cfnlint.lint(hand_over_template(TO))] == []
    assert "Default: archive\n" in hand_over_template(TO)
    assert "&" not in hand_over_template(TO)  # CloudFormation knows no aliases


def test_the_definition_is_sound_and_written_once():
    definition = json.loads(state_machine(hand_over=True))
    assert statelint.Linter.validate(definition) == []
    printed = CliRunner().invoke(receiver, ["template", "--definition", "--hand-over", TO])
    assert printed.output == state_machine(hand_over=True)
    del definition["States"]["Copy"]["Next"]
    assert statelint.Linter.validate(definition)


@pytest.mark.parametrize("key", ["null", '"arn:aws:kms:eu-west-1:1:key/k"'])
def test_what_its_function_is_told_fits_the_settings_and_it_may_sign_only_with_a_key(key):
    from upload_client.validator import ValidatorSettings

    made = resources(hand_over_template(TO))
    text, _ = made["HandOverFunction"]["Properties"]["Environment"]["Variables"]["UPLOAD_CLIENT_VALIDATOR"][
        "Fn::Sub"
    ]
    settings = ValidatorSettings.model_validate_json(text.replace("${Signing}", key))
    assert settings.signing_key == json.loads(key)
    statements = made["HandOverRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    signing = [each["Fn::If"][1]["Action"] for each in statements if each.get("Fn::If", [""])[0] == "Signs"]
    assert signing == ["s3:PutObject", ["kms:GetPublicKey", "kms:Sign"]]


def test_what_proves_and_removes_goes_on_when_its_time_was_up_and_its_lock_is_free():
    retries = json.loads(state_machine(hand_over=True))["States"]["Verify"]["Retry"]
    found = [
        each for each in retries if {"Sandbox.Timedout", "Lambda.Unknown", "Locked"} <= {*each["ErrorEquals"]}
    ]
    assert [each["IntervalSeconds"] > work.LEASE for each in found] == [True]


@pytest.mark.parametrize(
    "to", ["archive", "s3://archive/", "s3://archive/{dataset}/", "s3://archive/{other}/"]
)
def test_an_archive_where_deliveries_would_meet_is_refused(to):
    with pytest.raises(UsageError):
        hand_over_template(to)


def test_it_is_another_thing_than_the_receiver():
    with pytest.raises((UsageError, click.ClickException)):
        CliRunner().invoke(
            receiver,
            ["template", "--hand-over", TO, "--delivery"],
            catch_exceptions=False,
            standalone_mode=False,
        )


@pytest.fixture
def execute(place: Place, monkeypatch):  # noqa: F811
    """Run the state machine for the delivery in moto; `hinder` is called before each function, with its name.

    Gives the execution as it has ended, and the names of the functions that were called.
    """
    pytest.importorskip("aws_lambda_powertools")
    from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
    from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils

    from upload_client.functions import handle

    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", place.url)
    monkeypatch.setattr(retrier_decl, "time", SimpleNamespace(sleep=lambda _: None))
    filled = {
        "HandOverFunction": "hand-over",
        "CopyFunction": "copy",
        "To": f"s3://{place.archive.name}/{{dataset}}/",
        "Batches": f"s3://{place.control.name}/{{dataset}}/{{delivery_id}}/{{transfer_type}}/handover/batches/",
        "BatchBytes": "5",
        "Remove": "true",
        "NotifyTopic": "none",
    }
    definition = json.loads(state_machine(hand_over=True))
    # moto goes on behind a distributed Map whatever becomes of its items, and ends with an inline one.
    definition["States"]["Copy"]["ItemProcessor"]["ProcessorConfig"] = {"Mode": "INLINE"}
    text = as_moto_reads_it(definition)
    for name, value in filled.items():
        text = text.replace(f"${{{name}}}", value)
    with moto.mock_aws(
        config={
            "stepfunctions": {"execute_state_machine": True},
            "core": {"passthrough": {"urls": [f"{place.url}.*"]}},
        }
    ):
        machines = boto3.client("stepfunctions", region_name="us-east-1")
        machine = machines.create_state_machine(name="hand-over", definition=text, roleArn=ROLE)

        numbers = itertools.count()

        def run(hinder):
            called = []

            def invoke(parameters, **_):
                called.append(parameters["FunctionName"])
                hinder(called)
                return {"StatusCode": 200, "Payload": handle(json.loads(parameters["Payload"]))}

            monkeypatch.setattr(lambda_eval_utils, "_invoke_lambda_function", invoke)
            told = {"dataset": "D", "delivery_id": "Y", "transfer_type": "staging", "copies_at_once": 2}
            arn = machines.start_execution(
                stateMachineArn=machine["stateMachineArn"], name=f"n{next(numbers)}", input=json.dumps(told)
            )["executionArn"]
            until(lambda: machines.describe_execution(executionArn=arn)["status"] != "RUNNING")
            return machines.describe_execution(executionArn=arn), called

        yield run


def is_handed_over(place: Place) -> bool:  # noqa: F811
    """Whether the archive has all of it, and landing nothing."""
    assert {info.key: place.archive.read(info.key) for info in place.archive.list()} == {}
    whole = place.archive.client.list_objects_v2(Bucket=place.archive.name).get("Contents", ())
    return (
        sorted(entry["Key"] for entry in whole) == sorted(f"D/{path}" for path in FILES)
        and place.landed() == {}
    )


@pytest.mark.parametrize("store", ["real"], indirect=True)
def test_a_delivery_goes_through_the_state_machine(place: Place, execute):  # noqa: F811
    def hinder(called):
        if called == ["hand-over", "copy"]:
            raise RuntimeError("Lambda.ServiceException")  # is tried again

    ended, called = execute(hinder)
    assert ended["status"] == "SUCCEEDED", ended
    output = json.loads(ended["output"])
    assert (output["copied"], output["removed"], output["record"]["n_files"]) == (0, 4, 4)
    assert is_handed_over(place)
    assert called.count("copy") == 4  # three batches, one of them twice


@pytest.mark.parametrize("store", ["real"], indirect=True)
def test_where_a_batch_fails_again_and_again_the_execution_fails_and_removes_nothing(
    place: Place,  # noqa: F811
    execute,
):
    map_of_batches = json.loads(state_machine(hand_over=True))["States"]["Copy"]
    assert not [field for field in map_of_batches if field.startswith("Tolerated")]  # moto looks at none

    def hinder(called):
        if called[-1] == "copy":
            raise RuntimeError("States.TaskFailed")

    ended, called = execute(hinder)
    assert ended["status"] == "FAILED", ended
    assert called.count("hand-over") == 1  # nothing is proven or removed
    assert place.landed() == FILES
    assert place.record() is None
    assert execute(lambda _: None)[0]["status"] == "SUCCEEDED"
    assert is_handed_over(place)


@pytest.mark.parametrize("store", ["real"], indirect=True)
@pytest.mark.parametrize(("step", "n_called"), [("the first", 1), ("the last", 2)])
def test_an_execution_that_failed_has_removed_nothing_and_another_one_goes_on(
    place: Place,  # noqa: F811
    execute,
    step,
    n_called,
):
    def hinder(called):
        if called[-1] == "hand-over" and called.count("hand-over") == n_called:
            raise RuntimeError("States.TaskFailed")

    ended, called = execute(hinder)
    assert ended["status"] == "FAILED", ended
    assert called.count("hand-over") == n_called
    assert place.landed() == FILES
    assert place.record() is None
    ended, called = execute(lambda _: None)
    assert ended["status"] == "SUCCEEDED", ended
    assert json.loads(ended["output"])["removed"] == len(FILES)
    assert is_handed_over(place)
    ended, called = execute(lambda _: None)  # and then there is nothing to do
    assert (ended["status"], json.loads(ended["output"])["did_nothing"]) == ("SUCCEEDED", True)
    assert "copy" not in called
