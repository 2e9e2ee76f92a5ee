"""The least that an operator needs is enough for each command, and nothing of it can be left out."""

from __future__ import annotations

import json
import re
import secrets
import threading
from pathlib import Path

import pytest
from receiver.conftest import deliver
from waiting import until

from upload_client import UploadClient
from upload_client.aws.auth import open_session
from upload_client.core.layout import Layout
from upload_client.receipts.signing import make_key
from upload_client.receiver.operator import DUTIES, NEEDS, policy_for
from upload_client.receiver.serving.configuration import read_configuration
from upload_client.receiver.serving.server import Server
from upload_client.receiver.stack import Receiver
from upload_client.s3.bucket import Bucket
from upload_client.sandbox import sample
from upload_client.settings import load_settings

PLACES = dict.fromkeys(
    ("partition", "region", "account", "stack", "pool", "control", "landing", "start", "topic"), "x"
)
D = ("--dataset", "operated", "--delivery-id", "1")
PASSWORD, CHOSEN = "Temporary-1-password", "Chosen-1-by-maria"
ASKED = f"{PASSWORD}\n{PASSWORD}\n"
OTHER = "# of another release\n"


class Operator:
    """Somebody with a role of their own, who runs commands."""

    def __init__(self, deployed, duty, folder, *options) -> None:
        self.deployed, self.folder = deployed, folder
        self.iam = deployed.aws.client("iam")
        self.name = f"operator-{duty}"
        trust = {"Version": "2012-10-17", "Statement": []}
        made = self.iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=json.dumps(trust))
        self.arn = made["Role"]["Arn"]
        self.policy = json.loads(deployed.cli("operator-policy", "--for", duty, *options))
        self.may(self.policy)

    def may(self, policy) -> None:
        self.iam.put_role_policy(RoleName=self.name, PolicyName="x", PolicyDocument=json.dumps(policy))

    def run(self, *arguments, answers=""):
        """What a command prints; it raises, or ends with another exit code than 0, where it fails."""
        environment = self.deployed.aws.environment(self.deployed.assume(self.arn))
        return self.deployed.cli(*arguments, answers=answers, env=environment)

    def asked(self, command) -> set[str]:
        """The actions that a command takes."""
        before = len(self.deployed.aws.log.read_text(encoding="utf-8"))
        command()
        said = self.deployed.aws.log.read_text(encoding="utf-8")[before:]
        assert "refused:" not in said, said
        return set(re.findall("^asked: (.*)$", said, re.MULTILINE))

    @property
    def actions(self) -> set[str]:
        return {action for statement in self.policy["Statement"] for action in statement["Action"]}

    def without(self, action) -> dict:
        left = [
            statement | {"Action": [one for one in statement["Action"] if one != action]}
            for statement in self.policy["Statement"]
        ]
        return self.policy | {"Statement": [statement for statement in left if statement["Action"]]}


def inviting(operator: Operator, user: str, monkeypatch):
    """The commands of who invites, by name, in an order in which each has something to do."""
    profile = operator.folder / "profile.toml"
    invite = ("invite", *D, "--user", user, "--ask-password", "-o", profile, "--force")
    template = Receiver.__init__.__globals__["delivery_template"]()

    def changed():
        with monkeypatch.context() as patch:
            patch.setattr("upload_client.receiver.stack.delivery_template", lambda: template + OTHER)
            operator.run(*invite, answers=ASKED)

    layout = Layout("operated", "1", "staging")
    handed = Bucket("archive-control", client=operator.deployed.aws.client("s3"))
    handed.put(f"operated/1/{layout.hand_over(1)}", b"{}")

    return {
        "invite somebody new": lambda: operator.run(*invite, answers=ASKED),
        "invite somebody who is there": lambda: operator.run(*invite, answers=ASKED),
        "invite after an update": changed,
        "list": lambda: operator.run("list"),
        "show": lambda: operator.run("show", *D),
        "revoke one": lambda: operator.run("revoke", *D, "--user", user),
        "invite somebody who was shut out": lambda: operator.run(*invite, answers=ASKED),
        "revoke all": lambda: operator.run("revoke", *D),
    }


SELDOM = {"cloudformation:DescribeStackEvents"}
"""What is asked only where a stack fails, which moto's do not."""
QUIET = {"sns:Publish"}
"""What may be missing without an end to anything: the message is not sent, which is logged and counted."""


def test_who_invites_may_do_all_that_inviting_takes_and_nothing_more(deployed, tmp_path, monkeypatch):
    operator = Operator(deployed, "invite", tmp_path)
    user = f"maria-{secrets.token_hex(4)}"  # no other test has invited her to this pool
    asked = {
        action for run in inviting(operator, user, monkeypatch).values() for action in operator.asked(run)
    }
    assert asked == operator.actions - SELDOM


@pytest.mark.long
def test_without_any_single_permission_something_fails_for_who_invites(deployed, tmp_path, monkeypatch):
    operator = Operator(deployed, "invite", tmp_path)
    user = f"maria-{secrets.token_hex(4)}"
    commands = inviting(operator, user, monkeypatch)

    def anew():
        deployed.cli(
            *("invite", *D, "--user", user, "--ask-password"),
            *("-o", tmp_path / "m", "--force"),
            answers=ASKED,
        )
        deployed.cli("revoke", *D)
        users = deployed.aws.client("cognito-idp")
        users.admin_delete_user(UserPoolId=deployed.outputs["UserPoolId"], Username=user)

    anew()
    assert fine_without_one(operator, commands, anew) == SELDOM


@pytest.mark.long
def test_who_looks_after_deliveries_needs_all_of_their_permissions_and_no_more(deployed, tmp_path):
    profile, data = tmp_path / "maria.toml", tmp_path / "data"
    deployed.cli("invite", *D, "--user", "maria", "--ask-password", "-o", profile, answers=ASKED)
    answers = iter([PASSWORD, CHOSEN, CHOSEN])
    open_session(load_settings(profile=profile, environ={}), prompt=lambda *_, **__: next(answers))
    sample(data, n_files=3)
    assert deliver(profile, data, "operated", "1", CHOSEN).returncode == 0
    operator = Operator(deployed, "look-after", tmp_path)
    key = tmp_path / "receiver.key"
    deployed.cli("key", "make", key)
    control = Bucket("archive-control", prefix="operated/1/", client=deployed.aws.client("s3"))
    layout = Layout("operated", "1", "staging")

    judged = {info.key: control.read(info.key) for info in control.list(layout.validator_log())}

    def unjudged():
        """Take the validator's last word away: then there is something to judge, and to tell."""
        for info in list(control.list(layout.validator_log())):
            control.rm(info.key)

    def remove():
        """By the log that the receipt names."""
        unjudged()
        for log, body in judged.items():
            control.put(log, body)
        operator.run("remove", *D, "--because", "expired")

    def validate():
        unjudged()
        operator.run("validate", *D)

    commands = {
        "validate": validate,
        "sign": lambda: operator.run("sign", *D, "--key", key),
        "repair": lambda: operator.run("repair", *D),
        "close": lambda: operator.run("close", *D),
        "reopen": lambda: operator.run("close", *D, "--reopen"),
        "remove": remove,
    }
    assert fine_without_one(operator, commands, lambda: None) == QUIET


@pytest.fixture
def on(deployed, tmp_path) -> Path:
    """The configuration of a receiver on a store of its own; it is the same store."""
    path = tmp_path / "receiver.toml"
    path.write_text(
        'control_bucket = "archive-control"\nlanding_bucket = "archive-landing"\n'
        f'endpoint_url = "{deployed.aws.url}"\npoll_seconds = 0.1\n[serve]\nlook_seconds = 0.1\n',
        encoding="utf-8",
    )
    return path


@pytest.mark.long
def test_who_keeps_the_users_of_a_store_of_their_own_needs_all_of_it_and_no_more(deployed, tmp_path, on):
    operator = Operator(deployed, "accounts", tmp_path, "--on", on)
    profile = ("-o", tmp_path / "profile.toml", "--force")
    commands = {
        "invite": lambda: operator.run("invite", *D, "--user", "kim", "--on", on, *profile),
        "invite again": lambda: operator.run("invite", *D, "--user", "kim", "--on", on, *profile),
        "list": lambda: operator.run("list", "--on", on),
        "revoke": lambda: operator.run("revoke", *D, "--on", on),
    }

    def anew():
        iam = deployed.aws.client("iam")
        if "kim" not in [user["UserName"] for user in iam.list_users()["Users"]]:
            return
        for name in iam.list_user_policies(UserName="kim")["PolicyNames"]:
            iam.delete_user_policy(UserName="kim", PolicyName=name)
        for key in iam.list_access_keys(UserName="kim")["AccessKeyMetadata"]:
            iam.delete_access_key(UserName="kim", AccessKeyId=key["AccessKeyId"])
        iam.delete_user(UserName="kim")

    assert fine_without_one(operator, commands, anew) <= {
        "iam:ListAttachedUserPolicies",  # then a key that may be needed stays, and that is said
        "iam:ListGroupsForUser",
    }


@pytest.mark.long
def test_a_process_that_serves_needs_all_of_it_and_no_more(deployed, tmp_path, on, monkeypatch):
    operator = Operator(deployed, "serve", tmp_path, "--on", on)
    for name, value in deployed.aws.environment(deployed.assume(operator.arn)).items():
        monkeypatch.setenv(name, value)
    sample(tmp_path / "data", n_files=3)
    places = {"control_bucket": "archive-control", "landing_bucket": "archive-landing"}
    (tmp_path / "keys").write_text("[maria]\naws_access_key_id = sandbox\naws_secret_access_key = sandbox\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "keys"))
    flags = places | {
        "auth": "aws",
        "aws_profile": "maria",
        "start": "watched",
        "endpoint_url": deployed.aws.url,
    }
    key = tmp_path / "receiver.key"
    make_key(key)
    on.write_text(f'signing_key = "{key}"\n{on.read_text()}', encoding="utf-8")
    server = Server(read_configuration(on), tmp_path / "outcomes")

    def served():
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            with UploadClient(
                dataset="operated", delivery_id="served", source=tmp_path / "data", transfer_type="staging",
                settings=load_settings(flags=flags, environ={}), output_dir=tmp_path,
            ) as client:  # fmt: skip
                assert client.run().exit_code == 0
            until(lambda: outcome(server) is not None)
        finally:
            server.stop()
            thread.join(60)
        assert outcome(server)["signed"] == "yes"

    def outcome(server):
        return next(one.outcome for one in server.deliveries() if one.delivery_id == "served")

    assert operator.asked(served) == operator.actions


def fine_without_one(operator: Operator, commands, anew) -> set[str]:
    """The actions without which each command is fine; and they are all that is asked."""
    uses: dict[str, str] = {}
    for name, run in commands.items():
        for action in operator.asked(run):
            uses.setdefault(action, name)
    assert uses.keys() <= operator.actions
    fine = operator.actions - uses.keys()
    for action, breaks in sorted(uses.items()):
        anew()
        for name, run in commands.items():
            operator.may(operator.without(action) if name == breaks else operator.policy)
            try:
                run()
            except BaseException:  # noqa: BLE001 - whatever it is, it has failed
                assert name == breaks
                break
            if name == breaks:
                fine.add(action)
    return fine


def test_each_duty_has_a_policy_that_iam_takes():
    for duty in DUTIES:
        document = policy_for([duty], PLACES)
        assert len(json.dumps(document, separators=(",", ":"))) < 6144  # of a managed policy
        sids = [statement["Sid"] for statement in document["Statement"]]
        assert len(sids) == len(set(sids))
        assert all(re.fullmatch("[A-Za-z0-9]+", sid) for sid in sids)
    both = policy_for(["invite", "look-after"], PLACES)["Statement"]
    assert len([one for one in both if one["Sid"] == "FindReceiver"]) == 1


def test_the_page_has_the_table():
    page = Path(__file__, "../../../docs/receiver.md").resolve().read_text(encoding="utf-8")
    for need in NEEDS:
        actions = ", ".join(f"`{action}`" for action in need.actions)
        assert f"| {need.duty} | {actions} | {need.purpose} |" in page
