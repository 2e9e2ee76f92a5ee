"""IAM's decision about one request, for the policies that the templates hold.

moto looks at actions and resources only; what tells one delivery's listing from another's is a condition.
This knows the operators those templates use and refuses to decide about any other.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping


def allows(
    policies: Iterable[Mapping], action: str, resource: str, context: Mapping[str, str] | None = None
) -> bool:
    """Whether some statement allows it and none denies it."""
    effects = {
        statement["Effect"]
        for policy in policies
        for statement in policy["Statement"]
        if _concerns(statement, action, resource, context or {})
    }
    return effects == {"Allow"}


def _concerns(statement: Mapping, action: str, resource: str, context: Mapping[str, str]) -> bool:
    assert statement.keys() <= {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}
    return (
        any(_like(pattern.lower(), action.lower()) for pattern in _several(statement["Action"]))
        and any(_like(pattern, resource) for pattern in _several(statement.get("Resource", "*")))
        and all(
            _holds(operator, context.get(key), _several(wanted))
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _holds(operator: str, value: str | None, wanted: list[str]) -> bool:
    if value is None:
        return False
    match operator:
        case "StringEquals" | "ForAnyValue:StringEquals" | "Bool":
            return value in wanted
        case "StringLike" | "ForAnyValue:StringLike":
            return any(_like(pattern, value) for pattern in wanted)
    raise NotImplementedError(operator)


def _several(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _like(pattern: str, text: str) -> bool:
    """IAM's wildcards: any text, and any one character."""
    assert "${" not in pattern, "a policy variable"
    return (
        re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text, re.DOTALL) is not None
    )
