"""The receiving end, to be put up and run: its CloudFormation templates, its functions' code, its deliveries.

`receiver.yaml` is there once, `delivery.yaml` once for each delivery. `upload_client.validator` judges.

Of `receiver.yaml` there are two forms: lines between ``#if fan-out`` and ``#else`` or ``#end`` are in the one
with several validators for each delivery only, those between ``#else`` and ``#end`` in the other one only.
"""

from __future__ import annotations

import json
from importlib.resources import files

__all__ = ["delivery_template", "receiver_template", "state_machine"]


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


def state_machine() -> str:
    """The definition of that state machine by itself, as JSON, for who deploys by other means.

    In place of the worker's ARN it holds ``${WorkFunction}``, as Terraform, the CDK and SAM fill it in.
    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-amazon-states-language.html
    """
    import yaml  # noqa: PLC0415 # not for --help

    class Loader(yaml.SafeLoader):  # type: ignore[misc] # PyYAML has no types
        """Reads CloudFormation's short forms (`!Sub …`) as what follows them."""

    def plain(_loader: yaml.Loader, _tag: str, node: yaml.Node) -> object:
        return str(node.value).replace("${AWS::Partition}", "aws")

    Loader.add_multi_constructor("!", plain)
    template = yaml.load(receiver_template(1), Loader)  # noqa: S506 # it is a safe one
    definition = template["Resources"]["StateMachine"]["Properties"]["Definition"]
    return json.dumps(definition, indent=2) + "\n"


def delivery_template() -> str:
    """The CloudFormation template of what one delivery needs beside them: users, and their role."""
    return (files(__name__) / "delivery.yaml").read_text(encoding="utf-8")
