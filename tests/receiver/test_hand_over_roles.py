"""The roles of the hand-over's template: what they are for works, and what is left out of them is told."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterator
from contextlib import suppress
from importlib.resources import files

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError
from functions.test_hand_over import Place

from upload_client.core.layout import Layout
from upload_client.errors import DeliveryError
from upload_client.functions import handle
from upload_client.functions.data_sync.overlap import are_one_place
from upload_client.s3.bucket import Bucket

FILES = {"a.csv": b"one", "b/c.csv": b"two", "empty": b""}
ROLES = ("HandOverRole", "CopyRole")
SPARED = {
    ("HandOverRole", "Read", "s3:GetObjectTagging"): "no object has a tag",
    ("HandOverRole", "CopyWhatIsLeft", "s3:PutObject"): "all is copied already",
    ("HandOverRole", "CopyWhatIsLeft", "s3:PutObjectTagging"): "likewise",
    ("HandOverRole", "CopyWhatIsLeft", "s3:AbortMultipartUpload"): "likewise",
    ("HandOverRole", "CopyWhatIsLeft", "s3:ListMultipartUploadParts"): "likewise",
    ("HandOverRole", "RemoveWhatWasPutToLook", "s3:DeleteObject"): "versions tell landing from the archive",
    ("CopyRole", "List", "s3:ListBucketMultipartUploads"): "no object is in parts",
    ("CopyRole", "Read", "s3:GetObjectTagging"): "no object has a tag",
    ("CopyRole", "Copy", "s3:PutObjectTagging"): "likewise",
    ("CopyRole", "Copy", "s3:AbortMultipartUpload"): "no object is in parts",
    ("CopyRole", "Copy", "s3:ListMultipartUploadParts"): "likewise",
}
"""Actions without which these files are handed over all the same."""


class Template(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # each process that collects reads it often
    """The template's YAML; a condition is a list of its name and both its branches."""


def _plain(loader: Template, _tag: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_mapping(node, deep=True) if isinstance(node, yaml.MappingNode) else node.value


Template.add_multi_constructor("!", _plain)


def statements(role: str, topic: str, number: int = 0) -> list[dict]:
    """The statements of a role of the template, with removal and a topic, and without a key."""
    text = (files("upload_client.receiver") / "hand_over.yaml").read_text(encoding="utf-8")
    for name, value in (
        ("${AWS::Partition}", "aws"),
        ("${ControlBucket}", f"control-{number}"),
        ("${LandingBucket}", f"landing-{number}"),
        ("${ArchiveBucket}", f"archive-{number}"),
        ("!Ref NotifyTopic", topic),
    ):
        text = text.replace(name, value)
    (policy,) = yaml.load(text, Template)["Resources"][role]["Properties"]["Policies"]
    found = []
    for one in policy["PolicyDocument"]["Statement"]:
        given = one
        if isinstance(one, list):
            condition, given, _ = one
            if condition == "Signs":
                continue
        if given["Sid"] != "Log":
            found.append(
                {
                    **given,
                    "Action": [given["Action"]] if isinstance(given["Action"], str) else given["Action"],
                }
            )
    return found


def actions() -> Iterator[tuple[str, str, str]]:
    for role in ROLES:
        for statement in statements(role, "topic"):
            for action in statement["Action"]:
                yield role, statement["Sid"], action


class Roles:
    """Both roles, and a delivery to hand over, in buckets of its own."""

    def __init__(self, aws, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        self.aws, self._patch = aws, monkeypatch
        self.topic = aws.client("sns").create_topic(Name="handed-over")["TopicArn"]
        s3 = aws.client("s3")
        self.buckets = {kind: f"{kind}-{number}" for kind in ("control", "landing", "archive")}
        for bucket in self.buckets.values():
            s3.create_bucket(Bucket=bucket)
        # Without versions an object is put there to look if a copy is of the second of its source.
        s3.put_bucket_versioning(
            Bucket=self.buckets["archive"], VersioningConfiguration={"Status": "Enabled"}
        )
        layout = Layout("D", "Y", "staging", landing_prefix="{dataset}/{delivery_id}/")
        self.place = Place(
            Bucket(self.buckets["control"], prefix=layout.root, client=s3),
            Bucket(self.buckets["landing"], prefix=layout.landing, client=s3),
            Bucket(self.buckets["archive"], prefix="D/Y/", client=s3),
            layout,
            aws.url,
        )
        self.place.land(FILES)
        self.policies = {role: statements(role, self.topic, number) for role in ROLES}

    def leave_out(self, actions: Collection[tuple[str, str, str]]) -> None:
        """Give the roles all but some of their actions."""
        for role, given in self.policies.items():
            kept = [
                {**one, "Action": [each for each in one["Action"] if (role, one["Sid"], each) not in actions]}
                for one in given
            ]
            self.policies[role] = [one for one in kept if one["Action"]]

    def with_all(self) -> None:
        """Give them all again."""
        number = int(self.buckets["control"].rpartition("-")[2])
        self.policies = {role: statements(role, self.topic, number) for role in ROLES}
        for role in ROLES:
            with suppress(ClientError):  # it was not needed so far
                self._allow(role)

    def _allow(self, role: str) -> None:
        self.aws.client("iam").put_role_policy(
            RoleName=f"{role}-{self.buckets['control']}",
            PolicyName="x",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": self.policies[role]}),
        )

    def as_(self, role: str) -> None:
        """From now on everything is asked for by this role."""
        iam = self.aws.client("iam")
        trust = {"Version": "2012-10-17", "Statement": []}
        name = f"{role}-{self.buckets['control']}"
        try:
            arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
            self._allow(role)
        except iam.exceptions.EntityAlreadyExistsException:
            arn = iam.get_role(RoleName=name)["Role"]["Arn"]
        given = self.aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        for variable, value in self.aws.environment(given).items():
            self._patch.setenv(variable, value)

    def hand_over(self) -> dict:
        """All the steps of the state machine, each by its role."""
        settings = {
            "control_bucket": self.buckets["control"],
            "landing_bucket": self.buckets["landing"],
            "landing_prefix": "{dataset}/{delivery_id}/",
            "worker_function": None,
            "endpoint_url": self.aws.url,
        }
        self._patch.setenv("UPLOAD_CLIENT_VALIDATOR", json.dumps(settings))
        self._patch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
        batches = f"s3://{self.buckets['control']}/D/Y/staging/handover/batches/"
        event = {
            "dataset": "D",
            "delivery_id": "Y",
            "to": f"s3://{self.buckets['archive']}/{{dataset}}/{{delivery_id}}/",
        }
        handler = "upload_client.functions.hand_over.HandOverHandler"
        self.as_("HandOverRole")
        first = {**event, "step": "prepare", "temporary_request_payload_path": batches}
        prepared = handle({"handler": handler, "event": first})
        for request in prepared["requests"]:
            self.as_("CopyRole")
            handle({"handler": "upload_client.functions.data_sync.BatchDataSyncHandler", "event": request})
        self.as_("HandOverRole")
        last = {**event, "remove": True, "notify_topic": self.topic}
        return handle({"handler": handler, "event": last})


numbers = itertools.count()


def test_each_of_both_roles_can_do_its_work(aws, monkeypatch):
    roles = Roles(aws, monkeypatch, next(numbers))
    roles.leave_out(SPARED)
    done = roles.hand_over()
    assert (done["copied"], done["removed"]) == (0, len(FILES))
    assert roles.place.archived() == FILES
    assert roles.place.landed() == {}


@pytest.mark.parametrize("left_out", sorted({*actions()} - {*SPARED}), ids="-".join)
def test_without_an_action_it_is_told_what_was_refused_and_nothing_is_lost(aws, monkeypatch, left_out):
    roles = Roles(aws, monkeypatch, next(numbers))
    roles.leave_out({left_out})
    with pytest.raises(DeliveryError, match=f"may not {left_out[2]} on arn:aws:"):
        roles.hand_over()
    assert {**roles.place.archived(), **roles.place.landed()} == FILES
    roles.with_all()
    assert roles.hand_over()["record"]["n_files"] == len(FILES)
    assert roles.place.archived() == FILES
    assert roles.place.landed() == {}


def test_what_is_put_into_the_archive_to_look_is_removed_by_the_role_that_put_it(aws, monkeypatch):
    roles = Roles(aws, monkeypatch, next(numbers))
    roles.as_("HandOverRole")
    landing, archive = (
        Bucket(bucket.name, prefix=bucket.prefix, client=boto3.client("s3", endpoint_url=aws.url))
        for bucket in (roles.place.landing, roles.place.archive)
    )
    warnings = []
    assert not are_one_place(landing, archive, warnings.append)
    assert warnings == []
    assert roles.place.archived() == {}
