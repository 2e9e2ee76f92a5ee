"""The receiving end in MiniStack, an emulator of AWS by others: from the template to the archive.

``nox -s ministack`` installs MiniStack, pinned, beside this program, and runs this; it takes a minute or two.
MiniStack runs the functions of the zip in processes of its own. Each step is a line; one that is not as it
should be raises.

What the emulator cannot is left out aloud: see `LEFT_OUT`.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from upload_client import UploadClient
from upload_client.aws.auth import open_session
from upload_client.errors import LoginRefused
from upload_client.settings import Settings, load_settings

LEFT_OUT = (
    "uploads in parts: MiniStack gives them a CRC32 of their parts, so files go in one request each",
    "who is given which role: MiniStack gives every provider the same, so theirs are not evaluated here",
    "layers: the functions find their libraries in the environment of this script",
    "alarms, the budget, the dashboard: they are made, and nobody looks at them",
)
STACK, REGION = "upload-client", "us-east-1"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
LAYER = "/receiver/layer"
TEMPORARY, CHOSEN = "Temporary-1-password", "Chosen-1-by-maria"
PLACE = ("--dataset", "survey7", "--delivery-id", "2026-11")
SECONDS = 60.0
N_FILES = 24
OPERATOR: dict[str, str] = {}
"""The credentials of whoever runs `upload-client receiver`, once there is an operator."""


def main() -> None:
    """Go all the way; then once more as an operator whose policy is evaluated."""
    with receiver_in_ministack(auth=False) as receiver:
        queue = listen(receiver)
        profile = invite()
        maria = log_in(profile)
        deliver(profile, maria)
        told = until(lambda: heard(queue))
        assert (told["complete"], told["valid"], told["dataset"]) == (True, N_FILES, "survey7"), told
        say(f"the outcome is told: complete, {N_FILES} valid")
        hand_over(receiver, told)
        run("receiver", "revoke", *PLACE)
        say("revoked: the delivery's stack and role are gone")
    with receiver_in_ministack(auth=True):
        be_operator()
        for bucket in ("archive-control", "archive-landing"):
            client("s3").delete_bucket_policy(Bucket=bucket)
        say("left out: that the buckets refuse whoever comes without TLS; MiniStack is asked without")
        invite()
        assert "survey7" in run("receiver", "list")
        run("receiver", "revoke", *PLACE)
        say("an operator with that policy invites, lists, shows and revokes")
    for what in LEFT_OUT:
        say(f"left out: {what}")


@contextlib.contextmanager
def receiver_in_ministack(*, auth: bool) -> Iterator[dict[str, str]]:
    """A receiver's stack in a MiniStack of its own; its outputs."""
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        ministack(Path(folder), auth=auth) as url,
    ):
        os.environ |= KEYS | {"AWS_ENDPOINT_URL": url, "NO_PROXY": "127.0.0.1"}
        yield deploy()


def say(line: str) -> None:
    print(line, flush=True)


@contextlib.contextmanager
def ministack(folder: Path, *, auth: bool) -> Iterator[str]:
    """MiniStack on this machine alone, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(os.environ.get("GATEWAY_PORT") or free.getsockname()[1])
    environment = os.environ | KEYS | {
        "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1",
        "LAMBDA_EXECUTOR": "local", "TMPDIR": str(folder), "IOT_MTLS_ENABLED": "false",
        "AUTH": str(auth).lower(), "SFN_WAIT_SCALE": "0.01",
    }  # fmt: skip
    command = Path(sys.executable).with_name("ministack")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([command], env=environment, cwd=folder, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        client = boto3.client(
            "sts",
            endpoint_url=url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        until(lambda: answer(client.get_caller_identity))
        say(f"MiniStack {version('ministack')}, boto3 {version('boto3')}")
        yield url
    except BaseException:
        say((folder / "log").read_text(encoding="utf-8", errors="replace")[-6000:])
        raise
    finally:
        process.terminate()
        process.wait(30)


def deploy() -> dict[str, str]:
    """Template, code, stack; its outputs."""
    run("receiver", "template", "-o", "receiver.yaml")
    run("receiver", "package", "-o", "validator.zip")
    client("s3").create_bucket(Bucket="code")
    client("s3").upload_file("validator.zip", "code", "validator.zip")
    client("ssm").put_parameter(Name=LAYER, Value=a_layer(), Type="String")
    client("s3").upload_file("receiver.yaml", "code", "receiver.yaml")
    values = {
        "LandingBucketName": "archive-landing", "ControlBucketName": "archive-control",
        "CodeBucket": "code", "CodeKey": "validator.zip", "SecondFactor": "ON", "PowertoolsLayer": LAYER,
    }  # fmt: skip
    return made(STACK, Path("receiver.yaml"), **values)


def made(name: str, template: Path, **values: str) -> dict[str, str]:
    """Make a stack; its outputs."""
    stacks = client("cloudformation")
    stacks.create_stack(
        StackName=name,
        TemplateBody=template.read_text(encoding="utf-8"),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
    )

    def done() -> dict[str, Any] | None:
        (stack,) = stacks.describe_stacks(StackName=name)["Stacks"]
        return None if stack["StackStatus"] == "CREATE_IN_PROGRESS" else stack

    stack = until(done)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    say(f"the stack {name} is made")
    return {entry["OutputKey"]: entry["OutputValue"] for entry in stack.get("Outputs", ())}


def a_layer() -> str:
    """The ARN of a layer with nothing in it: the functions find their libraries in this environment."""
    import io
    import zipfile

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("python/nothing_here.py", "")
    made = client("lambda").publish_layer_version(
        LayerName="libraries", Content={"ZipFile": packed.getvalue()}
    )
    return str(made["LayerVersionArn"])


def listen(receiver: dict[str, str]) -> str:
    """Listen to the outcomes, as a program would; the queue's URL."""
    made = client("sqs").create_queue(QueueName="outcomes")["QueueUrl"]
    about = client("sqs").get_queue_attributes(QueueUrl=made, AttributeNames=["QueueArn"])
    arn = about["Attributes"]["QueueArn"]
    client("sns").subscribe(TopicArn=receiver["OutcomeTopic"], Protocol="sqs", Endpoint=arn)
    return str(made)


def hand_over(receiver: dict[str, str], told: dict[str, Any]) -> None:
    """The state machine of the hand-over, from its template to the archive."""
    run(
        "receiver", "template", "--hand-over", "s3://archive/{dataset}/{delivery_id}/", "-o", "hand-over.yaml"
    )
    run("receiver", "package", "--functions", "-o", "functions.zip")
    client("s3").upload_file("functions.zip", "code", "functions.zip")
    client("s3").create_bucket(Bucket="archive")
    outputs = made(
        "hand-over",
        Path("hand-over.yaml"),
        ControlBucket="archive-control",
        LandingBucket="archive-landing",
        OutcomeTopic=receiver["OutcomeTopic"],
        CodeBucket="code",
        CodeKey="functions.zip",
        PowertoolsLayer=LAYER,
        RemoveFromLanding="true",
        BatchBytes="40",
    )
    names = {name: told[name] for name in ("dataset", "delivery_id", "transfer_type")}
    functions, copy = client("lambda"), "hand-over-copy"
    allowed = functions.get_function_configuration(FunctionName=copy)["Environment"]["Variables"]
    nothing = {**allowed, "UPLOAD_CLIENT_FUNCTIONS": "nothing.at.all"}
    functions.update_function_configuration(FunctionName=copy, Environment={"Variables": nothing})
    execution = executed(outputs["StateMachine"], names)
    assert execution["status"] == "FAILED", execution
    assert client("s3").list_objects_v2(Bucket="archive-landing")["KeyCount"] == N_FILES
    assert client("s3").list_objects_v2(Bucket="archive").get("KeyCount", 0) == 0
    say("where batches fail the execution fails, and landing has all it had")
    functions.update_function_configuration(FunctionName=copy, Environment={"Variables": allowed})
    execution = executed(outputs["StateMachine"], names)
    assert execution["status"] == "SUCCEEDED", execution
    listed = client("s3").list_objects_v2(Bucket="archive").get("Contents", ())
    assert len(listed) == N_FILES, listed
    assert client("s3").list_objects_v2(Bucket="archive-landing").get("KeyCount", 0) == 0
    say(f"handed over by the state machine: {N_FILES} files in the archive, none in landing")


def executed(machine: str, names: dict[str, str]) -> dict[str, Any]:
    """Run the state machine of the hand-over to its end."""
    machines = client("stepfunctions")
    given = json.dumps({**names, "copies_at_once": 4})
    arn = machines.start_execution(stateMachineArn=machine, input=given)["executionArn"]

    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = machines.describe_execution(executionArn=arn)
        return None if found["status"] == "RUNNING" else found

    return until(ended, 300)  # each of its functions is a process that is started first


def heard(queue: str) -> dict[str, Any] | None:
    """The next outcome."""
    for message in client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", ()):
        told = json.loads(json.loads(message["Body"])["Message"])
        return json.loads(told["default"]) if "default" in told else told
    return None


def be_operator() -> None:
    """From now on these commands have what `operator-policy` prints, and no more: MiniStack evaluates it."""
    users = client("iam")
    users.create_user(UserName="operator")
    policy = run("receiver", "operator-policy", "--for", "invite")
    users.put_user_policy(UserName="operator", PolicyName="operator", PolicyDocument=policy)
    key = users.create_access_key(UserName="operator")["AccessKey"]
    OPERATOR.update(AWS_ACCESS_KEY_ID=key["AccessKeyId"], AWS_SECRET_ACCESS_KEY=key["SecretAccessKey"])
    bound = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"]).client("sns")
    try:
        bound.list_topics()
    except ClientError as error:
        say(f"an operator with a policy: {error.response['Error']['Code']} for what is not in it")
    else:
        raise AssertionError("MiniStack lets an operator do what no policy allows")


def invite() -> Path:
    """Invite somebody with a temporary password; their profile."""
    asked = ("--user", "maria", "--ask-password", "-o", "maria.toml")
    run("receiver", "invite", *PLACE, *asked, given=f"{TEMPORARY}\n{TEMPORARY}\n")
    shown = json.loads(run("receiver", "show", *PLACE, "--json"))
    assert [user["status"] for user in shown["users"]] == ["FORCE_CHANGE_PASSWORD"], shown
    say("invited: maria, who has not logged in yet")
    return Path("maria.toml")


class Person:
    """Maria at her terminal: answers what she is asked, and has an authenticator app."""

    def __init__(self, password: str) -> None:
        self.password, self.secret, self.asked = password, "", list[str]()

    def __call__(self, question: str, *, secret: bool) -> str:
        self.asked.append(question)
        if found := re.search(r"\b[A-Z2-7]{16,}\b", question):
            self.secret = found[0]
        assert len(self.asked) < 9, self.asked
        if secret:
            return self.password if question.startswith("Password") else CHOSEN
        return code_of(self.secret)


def log_in(profile: Path) -> Person:
    """A wrong password; the temporary one, replaced, and a second factor set up; then with both."""
    settings = load_settings(profile=profile, environ={})
    try:
        open_session(settings, prompt=Person("Wrong-1-password"))
    except LoginRefused as error:
        say(f"a wrong password is refused: {error}")
    else:
        raise AssertionError("a wrong password is taken")
    maria = Person(TEMPORARY)
    open_session(settings, prompt=maria)
    say("the temporary password is replaced, by SRP")
    if not maria.secret:
        say("left out: to set up a second factor at the login; MiniStack asks who has none for none")
        maria.secret = second_factor_by_hand(settings)
    say("a second factor is set up")
    again = Person(CHOSEN)
    again.secret = maria.secret
    open_session(settings, prompt=again)
    say(f"asked for at the next login: {'; '.join(again.asked)}")
    assert len(again.asked) == 2
    return again


def second_factor_by_hand(settings: Settings) -> str:
    """Set up a second factor by Cognito's API; its secret."""
    pools = client("cognito-idp")
    of = {"UserPoolId": settings.user_pool_id, "ClientId": settings.user_pool_client_id}
    flows = pools.describe_user_pool_client(**of)["UserPoolClient"]["ExplicitAuthFlows"]
    flow = "ADMIN_USER_PASSWORD_AUTH"
    pools.update_user_pool_client(**of, ExplicitAuthFlows=[*flows, f"ALLOW_{flow}"])
    given = {"USERNAME": "maria", "PASSWORD": CHOSEN}
    got = pools.admin_initiate_auth(**of, AuthFlow=flow, AuthParameters=given)["AuthenticationResult"]
    pools.update_user_pool_client(**of, ExplicitAuthFlows=flows)
    token = got["AccessToken"]
    secret = str(pools.associate_software_token(AccessToken=token)["SecretCode"])
    pools.verify_software_token(AccessToken=token, UserCode=code_of(secret))
    pools.set_user_mfa_preference(
        AccessToken=token, SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True}
    )
    return secret


def code_of(secret: str) -> str:
    """The code of now for a secret, https://www.rfc-editor.org/rfc/rfc6238."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, struct.pack(">Q", int(time.time()) // 30), "sha1")
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


def deliver(profile: Path, person: Person) -> None:
    """A whole delivery, with the second factor at its login."""
    data = Path("data")
    data.mkdir()
    for n in range(N_FILES):
        (data / f"{n}.csv").write_text(f"x\n{n}\n", encoding="utf-8")
    settings = load_settings(profile=profile, environ={})
    with UploadClient(
        dataset="survey7", delivery_id="2026-11", source=data, transfer_type="staging", settings=settings,
        prompt=person, output_dir=Path(),
    ) as client:  # fmt: skip
        outcome = client.run()
    assert outcome.exit_code == 0, outcome
    say(f"delivered: {outcome.headline}")


def run(*arguments: str, given: str = "") -> str:
    """Run a command as it is typed; what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "upload_client", *arguments],
        input=given, capture_output=True, text=True, timeout=600, check=False,
        env=os.environ | OPERATOR,
    )  # fmt: skip
    if done.returncode:
        raise AssertionError(
            f"{' '.join(arguments)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
    return done.stdout


def client(service: str) -> Any:
    return boto3.client(service)


def answer(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except (BotoCoreError, ClientError):
        return None


def until(look: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """Look until there is something."""
    ends = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < ends, "it does not come"
        time.sleep(0.2)
    return found


if __name__ == "__main__":
    main()
