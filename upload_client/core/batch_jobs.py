"""Jobs of AWS Batch: the definition of one, whether another is equal to it, what a single run overrides.

A definition holds what runs have in common: image, role, volumes, resources, retries. The command and the
environment are a run's own, so that one definition serves all of them, and nothing of a run is kept in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Any, Final

from upload_client.core.text import for_log

RETRIES: Final[Mapping[str, Any]] = {
    "attempts": 5,
    "evaluateOnExit": [
        {"action": "RETRY", "onStatusReason": "Host EC2*"},  # taken away: spot, or it has died
        {"action": "RETRY", "onStatusReason": "Your Spot Task was interrupted*"},
        {"action": "RETRY", "onStatusReason": "Task failed to start*"},
        {"action": "RETRY", "onStatusReason": "ResourceInitializationError*"},
        {"action": "EXIT", "onStatusReason": "*"},  # the program itself has ended, however it did
    ],
}
"""How often a job is tried, where the request does not say: what is no fault of the program is tried again.

https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html
"""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_KINDS: Final = {"GPU": ("gpu", "gpus"), "MEMORY": ("memory",), "VCPU": ("vcpu", "vcpus")}


def is_job_name(name: str) -> bool:
    """Whether AWS Batch takes a name, for a job or a definition."""
    return _NAME.fullmatch(name) is not None


def resources(given: Sequence[Mapping[str, Any]] | Mapping[str, Any]) -> list[dict[str, str]]:
    """Requirements as AWS Batch takes them, ordered by type.

    Args:
        given: such a list, or ``{vcpus, memory (MiB), gpu}``, in capitals or not; what is None, and no GPU,
            is left out.

    Raises:
        ValueError: something else is required, or twice, or no number of it.
    """
    pairs: list[tuple[str, object]] = []
    if isinstance(given, Mapping):
        for name, value in given.items():
            kind = next((kind for kind, names in _KINDS.items() if name.lower() in names), None)
            if kind is None:
                raise ValueError(f"{for_log(name, 100)} is none of vcpus, memory, gpu")
            if value is not None and not (kind == "GPU" and value in (0, "0")):
                pairs.append((kind, value))
    else:
        pairs = [(str(one.get("type", one.get("Type"))), one.get("value", one.get("Value"))) for one in given]
    if any(kind not in _KINDS or value is None for kind, value in pairs):
        raise ValueError("a requirement has a type (VCPU, MEMORY, GPU) and a value")
    if len({kind for kind, _ in pairs}) < len(pairs):
        raise ValueError("a resource is required twice")
    return [{"type": kind, "value": _number(kind, value)} for kind, value in sorted(pairs, key=itemgetter(0))]


def _number(kind: str, value: object) -> str:
    """A number as text: 4, 4.0 and "4" are one."""
    number = None
    if isinstance(value, int | float | str) and not isinstance(value, bool) and len(text := str(value)) <= 20:
        number = Decimal(text) if _NUMBER.fullmatch(text) else None
    if number is None or number <= 0 or (kind != "VCPU" and number != int(number)):
        raise ValueError(f"{kind} is no {'' if kind == 'VCPU' else 'whole '}number greater than 0")
    return str(int(number)) if number == int(number) else str(number)


def definition(
    *,
    name: str,
    image: str,
    role: str | None,
    requirements: Sequence[Mapping[str, str]],
    mount_points: Sequence[Mapping[str, Any]],
    volumes: Sequence[Mapping[str, Any]],
    privileged: bool,
    retries: Mapping[str, Any] | None,
    tags: Mapping[str, str],
) -> dict[str, Any]:
    """The definition of a job, as RegisterJobDefinition takes it."""
    container: dict[str, Any] = {
        "image": image,
        "resourceRequirements": list(requirements),
        "mountPoints": list(mount_points),
        "volumes": list(volumes),
        "privileged": privileged,
    }
    if role is not None:
        container["jobRoleArn"] = role
    return {
        "jobDefinitionName": name,
        "type": "container",
        "containerProperties": container,
        "retryStrategy": dict(RETRIES if retries is None else retries),
        "tags": dict(tags),
    }


_COMPARED: Final = ("type", "containerProperties", "retryStrategy", "tags", "parameters", "timeout")


def is_equal(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a definition that is registered says what another one says.

    AWS Batch adds what is empty, answers actions in small letters, and keeps no order of resources and
    volumes: none of this makes a difference.
    """
    return all(_plain(found.get(name), name) == _plain(wanted.get(name), name) for name in _COMPARED)


def _plain(value: Any, name: str = "") -> Any:  # noqa: ANN401 - any JSON
    match value:
        case dict():
            kept = {key: _plain(value[key], key) for key in sorted(value)}
            return {key: inner for key, inner in kept.items() if inner is not None} or None
        case list() | tuple():
            items = [_plain(one) for one in value]
            # Rules of a retry strategy are looked at in their order; nothing else here has one.
            return (items if name in ("evaluateOnExit", "command") else sorted(items, key=repr)) or None
        case "" | False:
            return None
        case str() if name == "action":
            return value.upper()
    return value


def overrides(
    command: Sequence[str], environment: Mapping[str, str], requirements: Sequence[Mapping[str, str]]
) -> dict[str, Any]:
    """The part of a job that is a run's own, as Step Functions spells it.

    https://docs.aws.amazon.com/step-functions/latest/dg/connect-batch.html
    """
    return {
        "Command": list(command),
        "Environment": [{"Name": name, "Value": value} for name, value in sorted(environment.items())],
        "ResourceRequirements": [{"Type": one["type"], "Value": one["value"]} for one in requirements],
    }
