"""The least that an operator needs: who invites, looks after deliveries, or serves on an S3 of their own.

One table, `NEEDS`, of IAM actions: what they are for, on what. `policy_for` makes a policy of it;
docs/receiver.md has it for people. `tests/receiver/test_operators_policy.py` runs the commands under it, and
each of them without each of its actions.

What CloudFormation does for whoever calls it is theirs to be allowed:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/control-access-with-iam.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple, get_args

Duty = Literal["invite", "look-after", "accounts", "serve"]
"""The work of somebody: the first two at AWS, the others on an S3 of one's own (`--on`)."""

DUTIES: Final[tuple[Duty, ...]] = get_args(Duty)


class Need(NamedTuple):
    """One line of the table.

    Attributes:
        duty: for whom.
        sid: the statement's name.
        actions: IAM actions.
        resources: ARNs, with names of places in braces.
        through: whether the action may be restricted to what CloudFormation asks for in the caller's name.
        purpose: what it is for, as docs/receiver.md says it.
    """

    duty: Duty
    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    purpose: str
    through: bool = False


_STACK = "arn:{partition}:cloudformation:{region}:{account}:stack/{stack}/*"
_ITS_STACKS = "arn:{partition}:cloudformation:{region}:{account}:stack/{stack}-*"
_ROLES = "arn:{partition}:iam::{account}:role/{stack}-*"
_POOL = "arn:{partition}:cognito-idp:{region}:{account}:userpool/{pool}"
_CONTROL, _LANDING = "arn:{partition}:s3:::{control}", "arn:{partition}:s3:::{landing}"
_USERS = "arn:{partition}:iam::{account}:user/*"

NEEDS: Final[tuple[Need, ...]] = (
    Need(
        "invite",
        "FindReceiver",
        ("cloudformation:DescribeStacks",),
        (_STACK,),
        "find the receiver's stack and its outputs",
    ),
    Need(
        "invite",
        "KeepStacksOfDeliveries",
        (
            "cloudformation:CreateStack",
            "cloudformation:UpdateStack",
            "cloudformation:DeleteStack",
            "cloudformation:DescribeStacks",
            "cloudformation:DescribeStackEvents",
            "cloudformation:GetTemplate",
            "cloudformation:TagResource",
        ),
        (_ITS_STACKS,),
        "make, change and delete the stack of a delivery, and say why that failed",
    ),
    Need(
        "invite",
        "KeepRolesOfDeliveries",
        (
            "iam:CreateRole",
            "iam:GetRole",
            "iam:TagRole",
            "iam:PutRolePolicy",
            "iam:DeleteRole",
            "iam:DeleteRolePolicy",
            "iam:ListRolePolicies",
            "iam:ListAttachedRolePolicies",
        ),
        (_ROLES,),
        "the role in it, which CloudFormation makes in their name",
        through=True,
    ),
    Need(
        "invite", "GiveRolesToGroups", ("iam:PassRole",), (_ROLES,), "give that role to the delivery's group"
    ),
    Need(
        "invite",
        "KeepGroups",
        (
            "cognito-idp:CreateGroup",
            "cognito-idp:GetGroup",
            "cognito-idp:DeleteGroup",
            "cognito-idp:ListGroups",
            "cognito-idp:ListUsersInGroup",
        ),
        (_POOL,),
        "the group of a delivery, and who is in it",
    ),
    Need(
        "invite",
        "KeepProviders",
        (
            "cognito-idp:AdminGetUser",
            "cognito-idp:AdminCreateUser",
            "cognito-idp:AdminEnableUser",
            "cognito-idp:AdminSetUserPassword",
            "cognito-idp:AdminAddUserToGroup",
            "cognito-idp:AdminRemoveUserFromGroup",
            "cognito-idp:AdminListGroupsForUser",
            "cognito-idp:AdminUserGlobalSignOut",
            "cognito-idp:AdminDisableUser",
        ),
        (_POOL,),
        "providers: made, let in, given a password, shut out",
    ),
    Need(
        "invite",
        "ReadHandOvers",
        ("s3:ListBucket", "s3:GetObject"),
        (_CONTROL, f"{_CONTROL}/*"),
        "show in `list` where a delivery was handed over to",
    ),
    Need(
        "look-after",
        "FindReceiver",
        ("cloudformation:DescribeStacks",),
        (_STACK,),
        "find the receiver's stack and its outputs",
    ),
    Need(
        "look-after",
        "ReadSettings",
        ("lambda:GetFunctionConfiguration",),
        ("{start}",),
        "read the settings that its functions have",
    ),
    Need(
        "look-after",
        "KeepControl",
        ("s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
        (_CONTROL, f"{_CONTROL}/*"),
        "close, sign, judge, repair: notes, signatures, locks and logs in the control bucket",
    ),
    Need(
        "look-after",
        "KeepLanding",
        ("s3:ListBucket", "s3:GetObject", "s3:DeleteObject"),
        (_LANDING, f"{_LANDING}/*"),
        "judge what landed, and delete what a receipt names (`remove`)",
    ),
    Need("look-after", "TellOutcomes", ("sns:Publish",), ("{topic}",), "report the outcome (`validate`)"),
    Need(
        "accounts",
        "FindProviders",
        ("iam:ListUsers",),
        (_USERS,),
        "list who is invited",
    ),
    Need(
        "accounts",
        "KeepProviders",
        (
            "iam:GetUser",
            "iam:CreateUser",
            "iam:ListUserPolicies",
            "iam:PutUserPolicy",
            "iam:DeleteUserPolicy",
            "iam:ListAccessKeys",
            "iam:CreateAccessKey",
            "iam:DeleteAccessKey",
            "iam:ListAttachedUserPolicies",
            "iam:ListGroupsForUser",
        ),
        (_USERS,),
        "providers, their policies and keys (`invite --on`, `revoke --on`)",
    ),
    Need(
        "serve",
        "KeepControl",
        ("s3:ListBucket", "s3:GetObject", "s3:PutObject"),
        (_CONTROL, f"{_CONTROL}/*"),
        "find clients; write the validators' locks and logs, and signatures",
    ),
    Need(
        "serve",
        "ReadLanding",
        ("s3:ListBucket", "s3:GetObject"),
        (_LANDING, f"{_LANDING}/*"),
        "judge what landed",
    ),
)


def policy_for(duties: Iterable[Duty], places: Mapping[str, str]) -> dict[str, Any]:
    """The policy of who has these duties and no others.

    Args:
        duties: which.
        places: what stands for the names in braces: `partition`, `region`, `account`, and of the receiver
            `stack`, `pool`, `control`, `landing`, `start`, `topic`.

    Returns:
        An IAM policy document; statements that are the same for two duties stand in it once.
    """
    wanted, statements = set(duties), dict[str, dict[str, Any]]()
    for need in NEEDS:
        if need.duty not in wanted:
            continue
        resources = [resource.format_map(places) for resource in need.resources]
        statement: dict[str, Any] = {
            "Sid": need.sid,
            "Effect": "Allow",
            "Action": list(need.actions),
            "Resource": resources[0] if len(resources) == 1 else resources,
        }
        if need.through:
            called = {"aws:CalledVia": "cloudformation.amazonaws.com"}
            statement["Condition"] = {"ForAnyValue:StringEquals": called}
        there = statements.get(need.sid)
        if there is not None and there != statement:
            statement["Sid"] = f"{need.sid}{len(statements)}"
        statements[statement["Sid"]] = statement
    return {"Version": "2012-10-17", "Statement": list(statements.values())}
