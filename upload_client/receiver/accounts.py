"""Invitations without CloudFormation: users, keys and policies by the IAM API of a store.

The policy is that of `delivery.yaml`, without what only AWS has. Whoever gets a key may do that delivery and
nothing else, as far as the store evaluates policies.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutUserPolicy.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from upload_client.core.answers import Meaning
from upload_client.core.files import TRANSFER_TYPES, TransferType
from upload_client.core.layout import InvalidName, check_name
from upload_client.core.redaction import sanitized
from upload_client.core.text import for_terminal
from upload_client.errors import DeliveryError, NotReachable, UsageError
from upload_client.receiver import delivery_policy
from upload_client.receiver.serving.configuration import Configuration
from upload_client.s3 import clients
from upload_client.s3.trouble import trouble_of

_SPELLED = {"s3:ListBucketMultipartUploads": "s3:PutObject", "s3:ListMultipartUploadParts": None}
"""Actions that SeaweedFS (4.48) does not know. For a bucket's unfinished uploads it asks for the other one,
on the bucket, which lets nobody write; for an upload's parts, for the one to write it."""
_BETWEEN = "="
"""Stands between data set and delivery in a policy's name: in theirs it cannot."""


@dataclass(frozen=True)
class Admission:
    """The result of an invitation.

    Attributes:
        profile: the profile to send to them (TOML).
        keys: lines for their shell that set the access key; None: they have one already.
        did: what was done, or was so already, a line each.
        key_id: of the key that was made, for `Accounts.take_back`; None: none was.
    """

    profile: str
    keys: str | None = field(repr=False)
    did: tuple[str, ...]
    key_id: str | None = None


class Places(NamedTuple):
    """The places of a delivery.

    Attributes:
        control: the control bucket.
        root: of the delivery there, ending in ``/``.
        landing: the landing bucket.
        prefixes: of the files there, by ``staging`` and ``sample``.
    """

    control: str
    root: str
    landing: str
    prefixes: Mapping[TransferType, str]


class Accounts:
    """The users of a store, and the deliveries they may do.

    Args:
        configuration: the receiver's, as `upload-client receiver serve` takes it.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._settings = settings = configuration.validator
        self._region = configuration.serve.region
        session = boto3.Session(region_name=self._region)
        self._iam: Any = clients.client(session, "iam", settings)

    def places(self, dataset: str, delivery_id: str) -> Places:
        """Where a delivery is.

        Raises:
            UsageError: they are no names.
        """
        settings = self._settings
        try:
            layouts = {
                transfer_type: settings.layout(dataset, delivery_id, transfer_type)
                for transfer_type in TRANSFER_TYPES
            }
            layout = layouts["staging"]
            control, landing = layout.fill(settings.control_bucket), layout.fill(settings.landing_bucket)
        except InvalidName as error:
            raise UsageError(str(error)) from None
        prefixes = {transfer_type: one.landing for transfer_type, one in layouts.items()}
        return Places(control, layout.root, landing, prefixes)

    def policy(self, dataset: str, delivery_id: str) -> dict[str, Any]:
        """The policy of who may do this delivery and nothing else.

        Raises:
            UsageError: they are no names.
        """
        return delivery_policy(*self.places(dataset, delivery_id))

    def users(self, dataset: str, delivery_id: str) -> dict[str, bool]:
        """The users that are invited to a delivery, and whether they have a key.

        Raises:
            UsageError: nobody is.
            DeliveryError: the store refuses.
        """
        asked = (dataset, delivery_id)
        found = sorted(who for *names, who in self.deliveries() if tuple(names) == asked)
        if not found:
            raise UsageError(
                f"nobody is invited to {dataset}/{delivery_id}",
                hint="`upload-client receiver list --on FILE` names the deliveries that there are.",
            )
        return {who: self.has_key(who) for who in found}

    def invite(self, dataset: str, delivery_id: str, user: str, *, endpoint: str | None = None) -> Admission:
        """Give a user access to a delivery. It may be repeated.

        Args:
            dataset: of the delivery.
            delivery_id: its name.
            user: who; made where they are not there.
            endpoint: URL at which they reach the store, as `service_url` spells it; None: the receiver's own.

        Raises:
            UsageError: a name is none.
            DeliveryError: the store refuses.
        """
        policy = self.policy(dataset, delivery_id)
        try:
            check_name(user, "user")
        except InvalidName as error:
            raise UsageError(str(error)) from None
        did = []
        try:
            try:
                self._iam.get_user(UserName=user)
            except self._iam.exceptions.NoSuchEntityException:
                self._iam.create_user(UserName=user)
                did.append(f"made the user {user}")
            else:
                names = self._iam.list_user_policies(UserName=user)["PolicyNames"]
                if others := [name for name in names if _BETWEEN not in name]:
                    raise UsageError(
                        f"{user} has rights of another kind at this store ({for_terminal(others[0])})",
                        hint="Take another name: a provider's user is for deliveries alone.",
                    )
            did += self._put(user, f"{dataset}{_BETWEEN}{delivery_id}", policy)
            did.append(f"{user} may do {dataset}/{delivery_id}, and by this nothing else")
            keys = key_id = None
            if self._iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
                did.append("they have a key already")
            else:
                made = self._iam.create_access_key(UserName=user)["AccessKey"]
                key_id = str(made["AccessKeyId"])
                keys = (
                    f"export AWS_ACCESS_KEY_ID={key_id}\n"
                    f"export AWS_SECRET_ACCESS_KEY={made['SecretAccessKey']}\n"
                )
                did.append("made a key")
        except (ClientError, BotoCoreError) as error:
            raise _refused(error) from None
        return Admission(self._profile(dataset, delivery_id, endpoint), keys, tuple(did), key_id)

    def has_key(self, user: str) -> bool:
        """Whether somebody is there, and has a key.

        Raises:
            DeliveryError: the store refuses.
        """
        try:
            self._iam.get_user(UserName=user)
            return bool(self._iam.list_access_keys(UserName=user)["AccessKeyMetadata"])
        except self._iam.exceptions.NoSuchEntityException:
            return False
        except (ClientError, BotoCoreError) as error:
            raise _refused(error) from None

    def take_back(self, user: str, key_id: str) -> None:
        """Delete a key whose secret could not be written down: then another one can be made.

        Raises:
            DeliveryError: the store refuses.
        """
        try:
            self._iam.delete_access_key(UserName=user, AccessKeyId=key_id)
        except (ClientError, BotoCoreError) as error:
            raise _refused(error) from None

    def deliveries(self) -> Iterator[tuple[str, str, str]]:
        """Data set, delivery and user of each invitation.

        Raises:
            DeliveryError: the store refuses.
        """
        try:
            users = [
                user["UserName"]
                for page in self._iam.get_paginator("list_users").paginate()
                for user in page["Users"]
            ]
            for user in users:
                for name in self._iam.list_user_policies(UserName=user)["PolicyNames"]:
                    dataset, between, delivery_id = name.partition(_BETWEEN)
                    if between:
                        yield dataset, delivery_id, user
        except (ClientError, BotoCoreError) as error:
            raise _refused(error) from None

    def revoke(self, dataset: str, delivery_id: str, user: str | None = None) -> tuple[str, ...]:
        """End the invitation of one user, or of all; a key that is good for nothing more is deleted.

        Raises:
            UsageError: nobody, or not they, was invited.
            DeliveryError: the store refuses.
        """
        found = list(self.deliveries())
        ends = [
            who
            for *names, who in found
            if tuple(names) == (dataset, delivery_id) and (user is None or user == who)
        ]
        if not ends:
            who = "nobody is" if user is None else f"{user} is not"
            raise UsageError(f"{who} invited to {dataset}/{delivery_id}")
        did = []
        try:
            for who in ends:
                self._iam.delete_user_policy(UserName=who, PolicyName=f"{dataset}{_BETWEEN}{delivery_id}")
                did.append(f"{who} may no longer do {dataset}/{delivery_id}")
                if self._iam.list_user_policies(UserName=who)["PolicyNames"]:
                    continue
                if (why := self._still_needed(who)) is not None:
                    did.append(f"the keys of {who} stay: {why}")
                else:
                    for key in self._iam.list_access_keys(UserName=who)["AccessKeyMetadata"]:
                        self._iam.delete_access_key(UserName=who, AccessKeyId=key["AccessKeyId"])
                        did.append(f"deleted a key of {who}, who may do nothing more")
        except (ClientError, BotoCoreError) as error:
            raise _refused(error) from None
        return tuple(did)

    def _still_needed(self, user: str) -> str | None:
        """Why somebody without a policy of their own may need their keys, as a clause; None: for nothing.

        Rights come from attached policies and from groups, too. Where a store does not say of one of them, as
        of users in a file of its configuration, that is not known.
        """
        try:
            attached = self._iam.list_attached_user_policies(UserName=user)["AttachedPolicies"]
            groups = self._iam.list_groups_for_user(UserName=user)["Groups"]
        except ClientError as error:
            code = sanitized(str(error.response.get("Error", {}).get("Code", "")))
            return f"the store does not say whether they may do something else ({code})"
        return "they may do something else" if attached or groups else None

    def _put(self, user: str, name: str, policy: Mapping[str, Any]) -> list[str]:
        """Give a user a policy; what is to be said about it."""

        def put(document: Mapping[str, Any]) -> None:
            self._iam.put_user_policy(UserName=user, PolicyName=name, PolicyDocument=json.dumps(document))

        try:
            put(policy)
        except self._iam.exceptions.MalformedPolicyDocumentException:
            statements = []
            for statement in policy["Statement"]:
                given = statement["Action"]
                actions = [_SPELLED.get(one, one) for one in (given if isinstance(given, list) else [given])]
                statements.append({**statement, "Action": [one for one in actions if one is not None]})
            put({**policy, "Statement": statements})
            return ["the store lacks some of AWS' permissions: the policy is spelled as SeaweedFS has them"]
        return []

    def _profile(self, dataset: str, delivery_id: str, endpoint: str | None) -> str:
        settings = self._settings
        values = {
            "auth": "aws",
            "region": self._region,
            "endpoint_url": endpoint or settings.endpoints.get("s3") or settings.endpoint_url,
            "control_bucket": settings.control_bucket,
            "control_prefix": settings.control_prefix,
            "landing_bucket": settings.landing_bucket,
            "landing_prefix": settings.landing_prefix,
            "start": "watched",
        }
        head = (
            f"# Your login for delivering {dataset}/{delivery_id}. With the keys in the environment:\n"
            f"#   upload-client --profile ./FILE --dataset {dataset} --delivery-id {delivery_id}\n"
        )
        return head + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items() if value)


def _refused(error: Exception) -> DeliveryError:
    trouble = trouble_of(error)
    if trouble is not None and not trouble.status and trouble.meaning is Meaning.NO_ANSWER:
        return NotReachable(
            f"the store's IAM cannot be reached: {trouble.message}",
            hint="See that the store runs, and that it has an IAM API at `endpoint_url` (or at `iam` in"
            " `[endpoints]`); then run the same command again.",
        )
    return DeliveryError(
        f"the store's IAM refused: {sanitized(str(error))}",
        hint="It needs an IAM API, and keys that may make users. Else give what"
        " `upload-client receiver policy` prints to whoever may.",
    )
