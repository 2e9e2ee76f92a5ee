"""What the processes that tests fork have loaded: to load it takes longer than most of what they do.

`preloading` loads it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
from typing import Any

import botocore.loaders

_MODULES = (
    "upload_client.client",
    "upload_client.index.taking",
    "upload_client.cli.deliver",
    "boto3",
    "rich.live",
)
_SANDBOX = (
    "upload_client.sandbox.server",
    "upload_client.validator.handlers",
    "upload_client.validator.worker",
    "moto.cognitoidentity.urls",
    "moto.cognitoidp.urls",
    "moto.s3.urls",
    "moto.ssm.urls",
)

_read = botocore.loaders.JSONFileLoader.load_file
_kept: dict[str, Any] = {}


def _load_once(self: botocore.loaders.JSONFileLoader, path: str) -> Any:
    """A file of botocore's own data, read once in a process and in those that are forked from it."""
    if path not in _kept:
        _kept[path] = _read(self, path)
    return _kept[path]


def read_botocore_once() -> None:
    """Have each session of boto3 read the models of AWS's services that another one has read."""
    botocore.loaders.JSONFileLoader.load_file = _load_once


def load() -> None:
    """Load it, for all that is forked from this process."""
    for name in _MODULES:
        importlib.import_module(name)
    with contextlib.suppress(ImportError):  # not every venv has the sandbox
        for name in _SANDBOX:
            importlib.import_module(name)

    import boto3

    read_botocore_once()
    session = boto3.Session("x", "x", region_name="us-east-1")
    for service in ("cognito-identity", "cognito-idp", "lambda", "s3", "ssm"):
        session.client(service).close()
    gc.collect()
    gc.freeze()  # a collection in a fork need not look at it, and so copies no page of it
