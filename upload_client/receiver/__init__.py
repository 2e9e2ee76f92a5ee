"""The receiving end, to be put up and run: its CloudFormation templates, its functions' code, its deliveries.

`receiver.yaml` is there once, `delivery.yaml` once for each delivery. `upload_client.validator` judges.
"""

from __future__ import annotations

from importlib.resources import files

__all__ = ["delivery_template", "receiver_template"]


def receiver_template() -> str:
    """The CloudFormation template of buckets, login, validator and alarms, as YAML."""
    return (files(__name__) / "receiver.yaml").read_text(encoding="utf-8")


def delivery_template() -> str:
    """The CloudFormation template of what one delivery needs beside them: users, and their role."""
    return (files(__name__) / "delivery.yaml").read_text(encoding="utf-8")
