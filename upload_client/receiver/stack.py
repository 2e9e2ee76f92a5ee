"""`Receiver`: a receiver's stack that has been deployed, and the deliveries that it has invited.

Who may deliver what is kept where it is enforced, and nowhere else: a delivery is a group of the user pool,
named ``{dataset}/{delivery_id}``, with a role of its own; both are in a small CloudFormation stack.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError, NoCredentialsError, WaiterError

from upload_client.core.layout import check_name
from upload_client.core.text import for_log
from upload_client.errors import DeliveryError, LoginRefused, UsageError
from upload_client.receiver import delivery_template
from upload_client.s3 import clients

_WAIT = {"Delay": 2, "MaxAttempts": 300}
_TAG = "upload-client:receiver"
_GIVEN_ON = (
    "UserPoolId",
    "IdentityPoolId",
    "ControlBucket",
    "LandingBucket",
    "SettingsParameter",
    "StartFunction",
)
"""Outputs of the receiver's stack that a delivery's stack takes as parameters."""
_NEEDED = (*_GIVEN_ON, "UserPoolClientId")
_FAILED = re.compile("ROLLBACK|FAILED")
_PROFILE = """\
# Your login for delivering {dataset}/{delivery_id}. It holds no password; that is asked for.
#
#   upload-client --profile FILE --dataset {dataset} --delivery-id {delivery_id} --source FOLDER
"""


@dataclass(frozen=True)
class User:
    """Somebody who may deliver.

    Attributes:
        name: user name.
        status: as Cognito has it: ``FORCE_CHANGE_PASSWORD`` until the first login, then ``CONFIRMED``.
        enabled: whether they can log in.
    """

    name: str
    status: str
    enabled: bool


@dataclass(frozen=True)
class Delivery:
    """A delivery somebody has been invited to.

    Attributes:
        dataset: name of the data set.
        delivery_id: name of the delivery.
        role_arn: what its users may do, and no more.
        invited: when it was first invited, as text (UTC).
    """

    dataset: str
    delivery_id: str
    role_arn: str
    invited: str


@dataclass(frozen=True)
class Invitation:
    """The result of an invitation.

    Attributes:
        delivery: to what.
        user: who.
        profile: the profile to send to them (TOML).
        did: what was done, or was so already, a line each.
    """

    delivery: Delivery
    user: str
    profile: str
    did: tuple[str, ...]


class Receiver:
    """A deployed receiver.

    Args:
        stack: name of its stack.
        region: where it is; by default where boto3 is set up to work.

    Raises:
        UsageError: there is no such stack, or it is none of a receiver.
        LoginRefused: boto3 finds no credentials.
    """

    def __init__(self, stack: str, *, region: str | None = None) -> None:
        session = boto3.Session(region_name=region)
        if session.region_name is None:
            raise UsageError("no AWS region is set", hint="Name it with --region, or set AWS_REGION.")
        self.stack = stack
        self.region = session.region_name
        self._stacks: Any = clients.client(session, "cloudformation")
        self._users: Any = clients.client(session, "cognito-idp")
        try:
            described = self._describe(stack)
        except NoCredentialsError:
            raise LoginRefused(
                "no AWS credentials were found", hint="Log in as for the AWS command line (`aws configure`)."
            ) from None
        if described is None:
            raise UsageError(
                f"there is no stack {stack!r} in {self.region}",
                hint="--stack and --region say which; `upload-client docs receiver` says how to deploy it.",
            )
        self.stack_id = str(described["StackId"])
        self.outputs: Mapping[str, str] = _outputs(described)
        missing = [name for name in _NEEDED if name not in self.outputs]
        if missing:
            raise UsageError(
                f"the stack {stack!r} has no output {missing[0]}: it is not, or not yet, a receiver's",
                hint="Deploy the template of `upload-client receiver template`.",
            )

    @property
    def _pool(self) -> str:
        return self.outputs["UserPoolId"]

    def invite(
        self,
        dataset: str,
        delivery_id: str,
        user: str,
        *,
        email: str | None = None,
        temporary_password: str | None = None,
        resend: bool = False,
    ) -> Invitation:
        """Give a user access to a delivery. May be repeated: what is as it should be already is left so.

        Args:
            dataset: name of the data set.
            delivery_id: name of the delivery.
            user: who; made where there is no such user yet.
            email: where Cognito mails a new user's temporary password.
            temporary_password: given to the user, known or new, in place of that; replaced at the next login.
            resend: mail another one to a user who has never logged in.

        Raises:
            InvalidName: the names cannot be those of a delivery.
            UsageError: the user is new, and neither `email` nor `temporary_password` is given.
            DeliveryError: CloudFormation could not make what is needed.
        """
        check_name(dataset, "dataset")
        check_name(delivery_id, "delivery id")
        known = self._user(user)
        if known is None and email is None and temporary_password is None:
            raise UsageError(
                f"{user} is new: how are they to get their first password?",
                hint="--email ADDRESS has it mailed to them; --ask-password asks you for one.",
            )
        did = [self._make_delivery(dataset, delivery_id)]
        did += self._welcome(user, known, email, temporary_password, resend=resend)
        delivery = self.delivery(dataset, delivery_id)
        self._users.admin_add_user_to_group(
            UserPoolId=self._pool, Username=user, GroupName=_group(dataset, delivery_id)
        )
        did.append(f"{user} may deliver {dataset}/{delivery_id}")
        return Invitation(delivery, user, self._profile(delivery, user), tuple(did))

    def deliveries(self) -> Iterator[Delivery]:
        """All deliveries somebody was invited to, in the order of their names."""
        pages = self._users.get_paginator("list_groups").paginate(UserPoolId=self._pool)
        groups = [group for page in pages for group in page["Groups"]]
        for group in sorted(groups, key=lambda group: str(group["GroupName"])):
            dataset, slash, delivery_id = group["GroupName"].partition("/")
            if slash and group.get("RoleArn"):  # others are none of ours
                yield _delivery(dataset, delivery_id, group)

    def delivery(self, dataset: str, delivery_id: str) -> Delivery:
        """One of them.

        Raises:
            UsageError: nobody was invited to it.
        """
        try:
            group = self._users.get_group(UserPoolId=self._pool, GroupName=_group(dataset, delivery_id))[
                "Group"
            ]
        except self._users.exceptions.ResourceNotFoundException:
            raise UsageError(
                f"nobody is invited to {dataset}/{delivery_id}",
                hint="`upload-client receiver list` says which deliveries there are.",
            ) from None
        return _delivery(dataset, delivery_id, group)

    def users(self, delivery: Delivery) -> tuple[User, ...]:
        """The users who may deliver it."""
        pages = self._users.get_paginator("list_users_in_group").paginate(
            UserPoolId=self._pool, GroupName=_group(delivery.dataset, delivery.delivery_id)
        )
        found = [
            User(user["Username"], user["UserStatus"], bool(user["Enabled"]))
            for page in pages
            for user in page["Users"]
        ]
        return tuple(sorted(found, key=lambda user: user.name))

    def revoke(self, dataset: str, delivery_id: str, user: str | None = None) -> tuple[str, ...]:
        """Let somebody, or nobody any more, deliver. What has landed stays.

        A user whose last delivery this was cannot log in any more.

        Args:
            dataset: name of the data set.
            delivery_id: name of the delivery.
            user: whose invitation ends; everybody's, and the delivery's role with them, when None.

        Returns:
            What was done, a line each.

        Raises:
            UsageError: nobody, or not this user, was invited to it.
        """
        delivery = self.delivery(dataset, delivery_id)
        users = [found.name for found in self.users(delivery)]
        if user is not None and user not in users:
            raise UsageError(
                f"{user} is not invited to {dataset}/{delivery_id}",
                hint="`upload-client receiver show` says who is.",
            )
        did = []
        for name in users if user is None else [user]:
            self._users.admin_remove_user_from_group(
                UserPoolId=self._pool, Username=name, GroupName=_group(dataset, delivery_id)
            )
            did.append(f"{name} may no longer deliver {dataset}/{delivery_id}")
            if not self._groups_of(name):
                self._users.admin_user_global_sign_out(UserPoolId=self._pool, Username=name)
                self._users.admin_disable_user(UserPoolId=self._pool, Username=name)
                did.append(f"{name} can no longer log in")
        if user is None:
            stack = self._stack_of(dataset, delivery_id)
            self._stacks.delete_stack(StackName=stack)
            self._wait("stack_delete_complete", stack)
            did.append(f"the role of {dataset}/{delivery_id} is gone, and its logins have no access any more")
        else:
            did.append(f"the credentials that {user} has end within an hour")
        return tuple(did)

    # -- the delivery's stack --------------------------------------------------------------------------------

    def _stack_of(self, dataset: str, delivery_id: str) -> str:
        """A stack's name knows fewer characters than a delivery's; the hash tells apart what looks alike."""
        readable = re.sub("[^A-Za-z0-9]+", "-", f"{dataset}-{delivery_id}")[:40].strip("-")
        digest = hashlib.sha256(_group(dataset, delivery_id).encode()).hexdigest()[:10]
        return f"{self.stack}-{readable}-{digest}"

    def _make_delivery(self, dataset: str, delivery_id: str) -> str:
        stack, template = self._stack_of(dataset, delivery_id), delivery_template()
        parameters = {
            "Dataset": dataset,
            "DeliveryId": delivery_id,
            **{name: self.outputs[name] for name in _GIVEN_ON},
        }
        arguments = {
            "StackName": stack,
            "TemplateBody": template,
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
            ],
            "Capabilities": ["CAPABILITY_IAM"],
            "Tags": [{"Key": _TAG, "Value": self.stack}],
            "ClientRequestToken": secrets.token_hex(16),  # a lost answer must not make it "there already"
        }
        found = self._describe(stack)
        if found is None:
            self._stacks.create_stack(**arguments)
            self._wait("stack_create_complete", stack)
            return f"made the role and the group of {dataset}/{delivery_id} (stack {stack})"
        given = {entry["ParameterKey"]: entry["ParameterValue"] for entry in found.get("Parameters", ())}
        as_it_is = self._stacks.get_template(StackName=stack)["TemplateBody"]
        if _FAILED.search(found["StackStatus"]) and found["StackStatus"] != "UPDATE_ROLLBACK_COMPLETE":
            raise DeliveryError(
                f"the stack {stack} is in the state {found['StackStatus']}",
                hint="See why in CloudFormation, delete it, and invite again: aws cloudformation delete-stack"
                f" --stack-name {stack}",
            )
        if given == parameters and as_it_is == template:
            return f"the role and the group of {dataset}/{delivery_id} are there (stack {stack})"
        self._stacks.update_stack(**arguments)
        self._wait("stack_update_complete", stack)
        return f"brought the role of {dataset}/{delivery_id} up to date (stack {stack})"

    def _describe(self, stack: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._stacks.describe_stacks(StackName=stack)["Stacks"][0]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":  # CloudFormation's word for "not there"
                return None
            raise
        return found

    def _wait(self, waiter: str, stack: str) -> None:
        try:
            self._stacks.get_waiter(waiter).wait(StackName=stack, WaiterConfig=_WAIT)
        except WaiterError:
            events = self._stacks.describe_stack_events(StackName=stack)["StackEvents"]
            reasons = [
                f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
                for event in reversed(events)
                if "FAILED" in event["ResourceStatus"]
            ]
            why = for_log(reasons[0], 500) if reasons else "it takes too long"
            raise DeliveryError(
                f"CloudFormation could not finish the stack {stack}: {why}",
                hint="Its events in CloudFormation say more.",
            ) from None

    # -- users -----------------------------------------------------------------------------------------------

    def _user(self, name: str) -> User | None:
        try:
            found = self._users.admin_get_user(UserPoolId=self._pool, Username=name)
        except self._users.exceptions.UserNotFoundException:
            return None
        return User(found["Username"], found["UserStatus"], bool(found["Enabled"]))

    def _groups_of(self, name: str) -> list[str]:
        pages = self._users.get_paginator("admin_list_groups_for_user").paginate(
            UserPoolId=self._pool, Username=name
        )
        return [group["GroupName"] for page in pages for group in page["Groups"]]

    def _welcome(
        self,
        name: str,
        known: User | None,
        email: str | None,
        temporary_password: str | None,
        *,
        resend: bool,
    ) -> Iterator[str]:
        """See to it that there is such a user, who can log in."""
        who = {"UserPoolId": self._pool, "Username": name}
        mailed = {"DesiredDeliveryMediums": ["EMAIL"]}
        if known is None:
            attributes = [] if email is None else [("email", email), ("email_verified", "true")]
            silent = {"MessageAction": "SUPPRESS", "TemporaryPassword": temporary_password}
            self._users.admin_create_user(
                **who,
                UserAttributes=[{"Name": key, "Value": value} for key, value in attributes],
                **(mailed if temporary_password is None else silent),
            )
            yield f"made the user {name}" + (
                f"; Cognito mails a temporary password to {email}" if temporary_password is None else ""
            )
            return
        yield f"the user {name} is there"
        if not known.enabled:
            self._users.admin_enable_user(**who)
            yield f"{name} can log in again"
        if temporary_password is not None:
            self._users.admin_set_user_password(**who, Password=temporary_password, Permanent=False)
            yield f"{name} has a new temporary password"
        elif resend and known.status == "FORCE_CHANGE_PASSWORD":
            self._users.admin_create_user(**who, MessageAction="RESEND", **mailed)
            yield f"Cognito mails {name} another temporary password"

    def _profile(self, delivery: Delivery, user: str) -> str:
        """The profile a provider needs beside the names and their password."""
        values = {
            "region": self.region,
            "user_pool_id": self._pool,
            "user_pool_client_id": self.outputs["UserPoolClientId"],
            "identity_pool_id": self.outputs["IdentityPoolId"],
            "role_arn": delivery.role_arn,
            "settings_parameter": self.outputs["SettingsParameter"],
            "username": user,
        }
        if url := os.environ.get("AWS_ENDPOINT_URL"):  # a receiver that is not at AWS
            values["endpoint_url"] = url
        head = _PROFILE.format(dataset=delivery.dataset, delivery_id=delivery.delivery_id)
        # A JSON string is a TOML string.
        return head + "".join(
            f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items()
        )


def _group(dataset: str, delivery_id: str) -> str:
    return f"{dataset}/{delivery_id}"


def _delivery(dataset: str, delivery_id: str, group: Mapping[str, Any]) -> Delivery:
    return Delivery(dataset, delivery_id, group["RoleArn"], f"{group['CreationDate']:%Y-%m-%dT%H:%M:%SZ}")


def _outputs(stack: Mapping[str, Any]) -> dict[str, str]:
    return {entry["OutputKey"]: entry["OutputValue"] for entry in stack.get("Outputs", ())}
