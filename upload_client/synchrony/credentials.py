"""Whose credentials: ``aws.txt`` in the folder's books, or what boto3 finds by itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from upload_client.core.codes import MessageCode
from upload_client.errors import LoginRefused, UsageError
from upload_client.support import secrets

if TYPE_CHECKING:
    import boto3

FILE: Final = "aws.txt"
_KEYS: Final = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "region", "region_name")
_SECTION = re.compile(r"\[([^\]]*)\]")


class Found:
    """The content of ``aws.txt``: the name of a profile, or keys in plain text."""

    __slots__ = ("keys", "profile")

    def __init__(self, profile: str = "", keys: dict[str, str] | None = None) -> None:
        self.profile = profile
        self.keys = keys or {}

    def __repr__(self) -> str:
        return f"Found(profile={self.profile!r}, keys={'…' if self.keys else None})"


def parse(text: str) -> Found:
    """Read ``aws.txt``: one line with the name of a profile; or, as others wrote it, a profile with its keys.

    Raises:
        UsageError: it is neither.
    """
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("#", ";"))]
    if not lines:
        return Found()
    keys: dict[str, str] = {}
    for line in lines:
        if _SECTION.fullmatch(line):
            if keys:
                break  # the first one that has keys
            continue
        name, equals, value = line.partition("=")
        if equals and name.strip().lower() in _KEYS:
            keys[name.strip().lower()] = value.strip()
    if keys:
        secrets.remember(keys.get("aws_secret_access_key"), keys.get("aws_session_token"))
        return Found(keys=keys)
    section = _SECTION.fullmatch(lines[0])
    if len(lines) > 1 or "=" in lines[0]:
        raise UsageError(
            f".S3/{FILE} holds neither the name of an AWS profile nor keys",
            hint="Write the name of the AWS profile into it, or delete it to use the AWS tools' settings.",
        )
    return Found(section.group(1) if section else lines[0])


def session_of(text: str, warn: Callable[[str, MessageCode], None]) -> boto3.Session:
    """The boto3 session that ``aws.txt`` means.

    Args:
        text: of that file; empty: there is none.
        warn: called with what the person should fix.

    Raises:
        UsageError: there is no such profile.
        LoginRefused: there are no credentials.
    """
    import boto3  # noqa: PLC0415 - slow to import
    import botocore.exceptions  # noqa: PLC0415 - likewise

    from upload_client.aws.credential_process import bound_credential_process  # noqa: PLC0415 - imports boto3

    found = parse(text)
    try:
        if found.keys:
            if not (found.keys.get("aws_access_key_id") and found.keys.get("aws_secret_access_key")):
                raise LoginRefused(
                    f"the keys in .S3/{FILE} are not complete",
                    hint=f"Write the name of an AWS profile into {FILE} in their place.",
                )
            warn(
                f".S3/{FILE} holds keys in plain text: put them into a profile of the AWS tools"
                f" (`aws configure --profile NAME`), and write only its NAME into {FILE}",
                MessageCode.KEYS_IN_FILE,
            )
            session = boto3.Session(
                aws_access_key_id=found.keys.get("aws_access_key_id"),
                aws_secret_access_key=found.keys.get("aws_secret_access_key"),
                aws_session_token=found.keys.get("aws_session_token"),
                region_name=found.keys.get("region") or found.keys.get("region_name"),
            )
        else:
            session = boto3.Session(profile_name=found.profile or None)
            bound_credential_process(session)
        if session.get_credentials() is None:
            raise LoginRefused(
                "no AWS credentials were found",
                hint=f"Configure them as for the AWS tools, or write the name of a profile into .S3/{FILE}.",
            )
    except botocore.exceptions.ProfileNotFound as error:
        raise UsageError(
            f"there is no AWS profile {found.profile!r}, which .S3/{FILE} names",
            hint="Correct the name in that file, or make the profile with `aws configure`.",
        ) from error
    except botocore.exceptions.PartialCredentialsError as error:
        raise LoginRefused(f"the AWS credentials are not complete: {error}") from error
    except botocore.exceptions.BotoCoreError as error:
        raise UsageError(f"S3 cannot be spoken to: {error}") from error
    return session
