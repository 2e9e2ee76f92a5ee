"""Several validators for each delivery: the state machine by itself, and a receiver that has it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace

import boto3
import click
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner
from late import late
from receiver.conftest import deliver
from receiver.definitions import as_moto_reads_it
from waiting import until

from upload_client.cli.receiver import receiver
from upload_client.core.layout import MAX_SHARDS, shard_of
from upload_client.errors import UsageError
from upload_client.receiver import receiver_template, state_machine
from upload_client.sandbox import sample

cfnlint, statelint, moto = late("cfnlint.api"), late("statelint.linter"), late("moto")

PASSWORD = "Chosen-1-by-maria"
ROLE = "arn:aws:iam::123456789012:role/shards"


def problems(definition: dict) -> list[str]:
    """What two linters say: of the states and what leads to them, and of what each of them holds."""
    properties = {
        "RoleArn": ROLE,
        "Definition": definition,
        "DefinitionSubstitutions": {"WorkFunction": "work"},
    }
    machine = {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
    found = cfnlint.lint(json.dumps({"Resources": {"Machine": machine}}))
    return [*statelint.Linter.validate(definition), *(str(finding) for finding in found)]


def test_the_definition_is_sound_and_written_once():
    assert problems(json.loads(state_machine())) == []
    assert CliRunner().invoke(receiver, ["template", "--definition"]).output == state_machine()


def no_such_state(judge: dict) -> None:
    judge["Next"] = "Nowhere"


def no_next(judge: dict) -> None:
    del judge["Next"]


def no_resource(judge: dict) -> None:
    del judge["Resource"]


def misspelt(judge: dict) -> None:
    judge["ResultPaths"] = judge.pop("ResultPath")


@pytest.mark.parametrize("broken", [no_such_state, no_next, no_resource, misspelt])
def test_a_broken_definition_would_be_noticed(broken):
    definition = json.loads(state_machine())
    broken(definition["States"]["Shards"]["ItemProcessor"]["States"]["Judge"])
    assert problems(definition)


@pytest.fixture
def run(monkeypatch) -> Callable[..., tuple[str, list[dict]]]:
    """Run the definition with a function in the worker's place: how it ended, and what the function got."""
    from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
    from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils

    def run(work: Callable[[dict], dict], n: int = 3) -> tuple[str, list[dict]]:
        got: list[dict] = []

        def invoke(parameters, **_):
            got.append(json.loads(parameters["Payload"]))
            return {"StatusCode": 200, **work(got[-1])}

        monkeypatch.setattr(lambda_eval_utils, "_invoke_lambda_function", invoke)
        monkeypatch.setattr(retrier_decl, "time", SimpleNamespace(sleep=lambda _: None))
        with moto.mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
            machines = boto3.client("stepfunctions", region_name="us-east-1")
            text = as_moto_reads_it(json.loads(state_machine())).replace("${WorkFunction}", "work")
            machine = machines.create_state_machine(name="shards", definition=text, roleArn=ROLE)
            workers = [{"shard": shard, "shards": n} for shard in range(n)]
            given = {"stateMachineArn": machine["stateMachineArn"], "name": "one"}
            made = machines.start_execution(**given, input=json.dumps({"workers": workers}))
            arn = made["executionArn"]
            until(lambda: machines.describe_execution(executionArn=arn)["status"] != "RUNNING")
            status = machines.describe_execution(executionArn=arn)["status"]
        return status, got

    return run


def test_the_worker_is_run_once_for_each_shard(run):
    status, got = run(lambda _: {"Payload": {"outcome": "stop"}})
    assert status == "SUCCEEDED"
    assert sorted(event["shard"] for event in got) == [0, 1, 2]


def test_when_the_time_of_a_worker_is_up_the_next_one_goes_on(run):
    runs: Counter[int] = Counter()

    def work(event):
        runs[event["shard"]] += 1
        return {"Payload": {"outcome": "time" if event["shard"] == 1 and runs[1] < 3 else "stop"}}

    assert run(work)[0] == "SUCCEEDED"
    assert runs == {0: 1, 1: 3, 2: 1}


@pytest.mark.parametrize("outcome", ["stop", "error", "locked"])
def test_after_any_other_word_of_it_none_is_run_again(run, outcome):
    _, got = run(lambda _: {"Payload": {"outcome": outcome}}, n=1)
    assert len(got) == 1


@pytest.mark.parametrize(
    ("code", "times"),
    [("TooManyRequestsException", 2), ("ServiceException", 2), ("AccessDeniedException", 1)],
)
def test_only_what_is_lambdas_own_fault_is_tried_again(run, code, times):
    failed = []

    def work(_):
        if not failed:
            failed.append(code)
            answer = {"Error": {"Code": code, "Message": ""}}
            meta = {"HTTPStatusCode": 500, "RequestId": "1"}
            raise ClientError({**answer, "ResponseMetadata": meta}, "Invoke")
        return {"Payload": {"outcome": "stop"}}

    _, got = run(work, n=1)
    assert len(got) == times


def test_a_worker_that_dies_is_left_to_its_client_and_stops_no_other(run):
    died = {"FunctionError": "Unhandled", "Payload": {"errorType": "Runtime.ExitError", "errorMessage": ""}}
    others: list[int] = []

    def work(event):
        if event["shard"] == 0:
            return died
        others.append(event["shard"])
        return {"Payload": {"outcome": "time" if others.count(event["shard"]) < 3 else "stop"}}

    status, got = run(work)
    assert (status, Counter(event["shard"] for event in got)) == ("SUCCEEDED", {0: 1, 1: 3, 2: 3})
    # moto tolerates any failure, AWS none beyond what it is told: where any shard is left, that is enough.
    tolerated = json.loads(state_machine())["States"]["Shards"]["ToleratedFailurePercentage"]
    for n in range(1, MAX_SHARDS + 1):
        assert 100 * (n - 1) / n <= tolerated < 100


@pytest.mark.parametrize("n", [1, MAX_SHARDS])
def test_the_number_is_the_default_of_a_parameter(n):
    written = CliRunner().invoke(receiver, ["template", "--fan-out", str(n)]).output
    assert written == receiver_template(n)
    assert f"    Default: {n}\n    MinValue: 1\n    MaxValue: {MAX_SHARDS}\n" in written


@pytest.mark.parametrize("n", ["0", str(MAX_SHARDS + 1), "two"])
def test_there_are_not_more_validators_than_a_client_follows(n):
    ran = CliRunner().invoke(receiver, ["template", "--fan-out", n])
    assert isinstance(ran.exception, SystemExit | click.UsageError)


@pytest.mark.parametrize("options", [("--fan-out", "2", "--definition"), ("--definition", "--delivery")])
def test_what_are_different_things_is_not_asked_for_at_once(options):
    assert isinstance(CliRunner().invoke(receiver, ["template", *options]).exception, UsageError)


def test_the_roles_let_each_do_its_part_and_no_more(fanned_out):
    outputs, functions = fanned_out.outputs, fanned_out.aws.client("lambda")

    def refused(function: str, service: str, call: str, **arguments) -> bool:
        role = functions.get_function_configuration(FunctionName=f"fan-out-{function}")["Role"]
        try:
            getattr(fanned_out.aws.client(service, fanned_out.assume(role)), call)(**arguments)
        except ClientError as error:
            return error.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException")
        return False

    machine, worker = outputs["StateMachine"], outputs["WorkFunction"]
    nothing = {"stateMachineArn": machine, "name": "nothing", "input": json.dumps({"workers": []})}
    assert not refused("start", "stepfunctions", "start_execution", **nothing)
    assert refused("start", "stepfunctions", "stop_execution", executionArn=machine)
    assert refused("start", "lambda", "invoke", FunctionName=worker, InvocationType="DryRun")
    assert refused("work", "stepfunctions", "start_execution", **nothing)
    assert refused("work", "lambda", "invoke", FunctionName=worker, InvocationType="DryRun")
    lock = {"Bucket": "shared-control", "Body": b"{}"}
    for key in ("staging/validator", "sample/validator-0001", "staging/validator-0063"):
        assert not refused("work", "s3", "put_object", **lock, Key=f"survey8/1/{key}")
        assert refused("start", "s3", "put_object", **lock, Key=f"survey8/1/{key}")
    for key in ("owned", "staging/validator-00001", "expectations.yaml"):
        assert refused("work", "s3", "put_object", **lock, Key=f"survey8/1/{key}")


@pytest.mark.long
def test_a_delivery_that_two_validators_share_is_complete(fanned_out, tmp_path):
    outcomes = fanned_out.subscribe()
    profile = tmp_path / "maria.toml"
    fanned_out.cli(
        *("invite", "--stack", "fan-out", "--dataset", "survey9", "--delivery-id", "1", "--user", "maria"),
        *("--ask-password", "-o", profile),
        answers=f"{PASSWORD}\n{PASSWORD}\n",
    )
    fanned_out.aws.client("cognito-idp").admin_set_user_password(
        UserPoolId=fanned_out.outputs["UserPoolId"], Username="maria", Password=PASSWORD, Permanent=True
    )
    before = fanned_out.aws.log.read_text(encoding="utf-8")
    sample(tmp_path / "data", n_files=8)
    paths = [path.relative_to(tmp_path / "data").as_posix() for path in (tmp_path / "data").rglob("*.*")]
    assert {shard_of(path, 2) for path in paths} == {0, 1}
    done = deliver(profile, tmp_path / "data", "survey9", "1", PASSWORD)
    said = fanned_out.aws.log.read_text(encoding="utf-8")[len(before) :]
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{said}"
    assert "refused:" not in said  # the roles allow all that such a delivery needs
    ran = fanned_out.aws.client("stepfunctions").list_executions(
        stateMachineArn=fanned_out.outputs["StateMachine"]
    )["executions"]
    assert [one["name"].rpartition("-")[0] for one in ran if one["name"].startswith("survey9-")] == [
        "survey9-1"
    ]
    told = outcomes.next()
    assert (told["complete"], told["n_files"], told["valid"]) == (True, 8, 8)
    logs = fanned_out.aws.client("s3").list_objects_v2(
        Bucket="shared-control", Prefix="survey9/1/staging/log/validator/", Delimiter="/"
    )
    assert [log["Prefix"].split("/")[-2] for log in logs["CommonPrefixes"]] == ["0000", "0001"]
