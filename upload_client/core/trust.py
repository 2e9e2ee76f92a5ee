"""Which source may set which setting, and what a profile may only do after the provider's consent.

A profile is made by the receiver and used on the provider's machine. It says where a delivery goes; it does
not say what runs on that machine, whose AWS identity is used, or whose certificates are believed.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from upload_client.core.partitions import ANY_DOMAIN, ANY_DUAL_STACK

MAX_ASKED: Final = 1000
"""Characters of what a person can be asked to allow."""
_SEPARATORS: Final = re.compile(r"[/\\]")
_DRIVE: Final = re.compile(r'"?[A-Za-z]:[/\\]')
_ABSOLUTE: Final = re.compile(r"/|[A-Za-z]:[/\\]")

Source = Literal["command line", "environment", "personal", "profile", "parameter"]
"""From the strongest to the weakest. ``personal``: the provider's own file in the config folder."""

ENVIRONMENT_ONLY: Final = frozenset({"password"})
"""Stands in no file and in no command line."""

PROVIDER_ONLY: Final = frozenset(
    {"accept_unverified_store", "ca_bundle", "client_cert", "client_key", "plain_http", "symlinks"}
)
"""Settings that act on the provider's machine, on what it believes, or on which of its files are read: from
the provider's own sources alone."""

CONSENT: Final = frozenset({"auth", "aws_profile", "password_command"})
"""Settings that a profile may set only after the provider has said yes to exactly that. Also ``endpoint_url``
and ``endpoints``, where the provider's own AWS identity would be used there."""

PARAMETER: Final = frozenset(
    {
        "control_bucket",
        "control_prefix",
        "landing_bucket",
        "landing_prefix",
        "start",
        "start_function",
        "digest",
        "threads",
        "object_options",
        "max_retries",
        "max_invalid",
        "lease_seconds",
        "validator_silence",
        "standstill",
        "part_size",
        "multipart_threshold",
    }
)
"""Settings that the receiver may set after the login, in the SSM parameter."""


def may_set(source: Source, name: str) -> bool:
    """Whether a source may set a setting, perhaps after consent."""
    if name in ENVIRONMENT_ONLY:
        return source == "environment"
    if source == "profile":
        return name not in PROVIDER_ONLY
    return source != "parameter" or name in PARAMETER


@dataclass(frozen=True, slots=True)
class Ask:
    """Something that a profile asks for, and that only the provider can allow.

    Attributes:
        setting: the setting that asks for it.
        what: what would happen, as a clause: ``run this program: pass archive``.
        digest: SHA-256 of exactly what is asked for, hex.
    """

    setting: str
    what: str
    digest: str


def asks(profile: Mapping[str, Any], from_profile: Collection[str], auth: str) -> tuple[Ask, ...]:
    """Find out what a profile asks for.

    Args:
        profile: what it sets.
        from_profile: those of its settings that no stronger source has replaced.
        auth: how the login is done, wherever that was set.
    """
    found = []
    if "password_command" in from_profile:
        command = profile["password_command"]
        shown = _shown(command if isinstance(command, str) else shlex.join(map(str, command)))
        found.append(_ask("password_command", f"run this program on your machine: {shown}", command))
    used = {
        name: profile[name]
        for name in ("auth", "aws_profile", "endpoint_url", "endpoints")
        if name in from_profile and profile[name]
    }
    if auth == "aws" and used:
        whose = f"profile {used['aws_profile']}" if "aws_profile" in used else "as the AWS tools find it"
        urls = [used["endpoint_url"]] if "endpoint_url" in used else []
        urls += dict(used.get("endpoints") or {}).values()
        where = f" at {', '.join(sorted(map(str, urls)))}" if urls else ""
        what = f"use your own AWS identity ({_shown(whose)}){_shown(where)}"
        found.append(_ask(next(iter(used)), what, used))
    return tuple(found)


def why_not_askable(ask: Ask, profile: Mapping[str, Any]) -> str:
    """Why nobody can say yes to this, whoever they are; empty: they can.

    Args:
        ask: what is asked for.
        profile: what the profile sets.
    """
    if len(ask.what) > MAX_ASKED:
        return f"has more than {MAX_ASKED:,} characters: nobody can see what would be allowed"
    command = profile.get("password_command") if ask.setting == "password_command" else None
    program = _program(command)
    if program is None:
        return "is no command that can be split into a program and its arguments"
    if _SEPARATORS.search(program) and not _ABSOLUTE.match(program):
        return (
            f"names {_shown(program)} by a path that begins wherever you are: elsewhere it is another program"
        )
    return ""


def _program(command: object) -> str | None:
    """The program of a command; empty where there is no command."""
    if isinstance(command, str):
        try:
            arguments = shlex.split(command, posix=not _DRIVE.match(command))
        except ValueError:
            return None
    else:
        arguments = [str(argument) for argument in command] if isinstance(command, list | tuple) else [""]
    return arguments[0].strip('"') if arguments else None


def _shown(text: str) -> str:
    """A text in which nothing looks like something else: letters of other alphabets are escaped."""
    return text.encode("ascii", "backslashreplace").decode("ascii")


def _ask(setting: str, what: str, value: object) -> Ask:
    text = json.dumps([setting, value], sort_keys=True, ensure_ascii=True, default=str)
    return Ask(setting, what, hashlib.sha256(text.encode()).hexdigest())


_AWS: Final = re.compile(
    r"(?:cognito-identity|cognito-idp|lambda|s3|s3-accelerate|ssm|sts)(?:-fips)?"
    r"(?:\.dualstack)?(?:[.-][a-z]{2,}(?:-[a-z]+)+-[0-9]+)?"
    rf"\.(?:{ANY_DOMAIN}|{ANY_DUAL_STACK})\.?"
)


def is_aws(host: str) -> bool:
    """Whether a host is that of an AWS service that is used here, in one of the forms that AWS documents.

    The domain alone says little: machines, gateways and buckets of AWS' customers have names in it.

    https://docs.aws.amazon.com/general/latest/gr/rande.html
    """
    return _AWS.fullmatch(host.lower()) is not None


def is_loopback(host: str) -> bool:
    """Whether a host name is that of the machine itself."""
    return host in ("localhost", "::1") or (
        host.startswith("127.") and all(part.isdigit() for part in host.split("."))
    )


def has_control_character(text: str) -> bool:
    """Whether a text holds what no setting can mean: control characters, line separators, lone surrogates."""
    return any(
        one < " " or "\x7f" <= one <= "\x9f" or one in "\u2028\u2029" or "\ud800" <= one <= "\udfff"
        for one in text
    )
