"""The receiving end, to be put up and run: its CloudFormation templates, its functions' code, its deliveries.

`receiver.yaml` is there once, `delivery.yaml` once for each delivery. `upload_client.validator` judges.

Of `receiver.yaml` there are two forms: lines between ``#if fan-out`` and ``#else`` or ``#end`` are in the one
with several validators for each delivery only, those between ``#else`` and ``#end`` in the other one only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from upload_client.core.files import TransferType

__all__ = ["delivery_policy", "delivery_template", "hand_over_template", "receiver_template", "state_machine"]


def receiver_template(shards: int | None = None) -> str:
    """The CloudFormation template of buckets, login, validator and alarms, as YAML.

    Args:
        shards: how many validators share the files of a delivery, run by a state machine; None: there is one,
            and no state machine. (The template has a parameter to change the number.)
    """
    kept = []
    wanted = True
    for line in (files(__name__) / "receiver.yaml").read_text(encoding="utf-8").splitlines(keepends=True):
        match line.strip():
            case "#if fan-out":
                wanted = shards is not None
            case "#else":
                wanted = not wanted
            case "#end":
                wanted = True
            case _ if wanted:
                kept.append(line)
    return "".join(kept).replace("Default: SHARDS", f"Default: {shards}")


def hand_over_template(to: str) -> str:
    """The CloudFormation template of the hand-over into an archive, as YAML: functions, state machine, roles.

    Args:
        to: the archive, ``s3://bucket/prefix/``; ``{dataset}``, ``{delivery_id}`` and ``{transfer_type}`` are
            filled in for each delivery. (The template has parameters to change it.)

    Raises:
        UsageError: it is no such place, or does not name the delivery, so that two would meet.
    """
    from upload_client.core.hand_over import name_of_folder  # noqa: PLC0415 - not for --help
    from upload_client.core.layout import InvalidName, fill_template  # noqa: PLC0415
    from upload_client.errors import UsageError  # noqa: PLC0415

    hint = "Write for example s3://archive/{dataset}/{delivery_id}/."
    try:
        bucket, prefix = name_of_folder(to)
        fill_template(prefix, dataset="d", delivery_id="y", transfer_type="staging")
    except (ValueError, InvalidName) as error:
        raise UsageError(str(error), hint=hint) from None
    if "{dataset}" not in prefix or "{delivery_id}" not in prefix:
        raise UsageError(
            f"{to!r} has to have {{dataset}} and {{delivery_id}} in it: two deliveries would meet", hint=hint
        )
    text = (files(__name__) / "hand_over.yaml").read_text(encoding="utf-8")
    return text.replace("ARCHIVE_BUCKET", bucket).replace("ARCHIVE_PREFIX", prefix)


def state_machine(*, hand_over: bool = False) -> str:
    """The definition of a state machine by itself, as JSON, for who deploys by other means.

    In place of the ARNs of functions it holds ``${WorkFunction}`` and the like, as Terraform, the CDK and SAM
    fill them in.

    Args:
        hand_over: that of the hand-over; else that of the validators that share a delivery.

    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-amazon-states-language.html
    """
    text = hand_over_template("s3://archive/{dataset}/{delivery_id}/") if hand_over else receiver_template(1)
    definition = _read(text)["Resources"]["StateMachine"]["Properties"]["Definition"]
    return json.dumps(definition, indent=2) + "\n"


def _read(template: str) -> dict[str, Any]:
    """A template, with CloudFormation's short forms (`!Sub …`) as what follows them."""
    import yaml  # noqa: PLC0415 # not for --help

    class Loader(yaml.SafeLoader):  # type: ignore[misc] # PyYAML has no types
        """Knows the short forms."""

    def plain(_loader: yaml.Loader, _tag: str, node: yaml.Node) -> object:
        return str(node.value).replace("${AWS::Partition}", "aws")

    Loader.add_multi_constructor("!", plain)
    found: dict[str, Any] = yaml.load(template, Loader)  # noqa: S506 # it is a safe one
    return found


def delivery_policy(
    control_bucket: str, root: str, landing_bucket: str, landing: Mapping[TransferType, str]
) -> dict[str, Any]:
    """The IAM policy of who may do one delivery and nothing else, for a store without CloudFormation.

    It is the one of `delivery_template`, without what is asked of other services.

    Args:
        control_bucket: its name.
        root: what the delivery's keys there begin with.
        landing_bucket: its name.
        landing: what the keys of its files begin with, by transfer type.
    """
    role = _read(delivery_template())["Resources"]["Role"]["Properties"]
    (policy,) = role["Policies"]
    text = json.dumps(
        [one for one in policy["PolicyDocument"]["Statement"] if str(one["Action"]).find("s3:") >= 0]
    )
    delivery = "${Dataset}/${DeliveryId}/"
    for transfer_type, prefix in landing.items():
        text = text.replace(f"${{LandingBucket}}/{delivery}{transfer_type}/", f"{landing_bucket}/{prefix}")
    text = text.replace(delivery, root)
    text = text.replace("${ControlBucket}", control_bucket).replace("${LandingBucket}", landing_bucket)
    statements = json.loads(text)
    for statement in statements:
        if statement["Sid"] == "ListLanding":
            statement["Condition"]["StringLike"]["s3:prefix"] = [f"{prefix}*" for prefix in landing.values()]
    return {"Version": policy["PolicyDocument"]["Version"], "Statement": statements}


def delivery_template() -> str:
    """The CloudFormation template of what one delivery needs beside them: users, and their role."""
    return (files(__name__) / "delivery.yaml").read_text(encoding="utf-8")
