"""What the processes that tests fork have loaded: to load it takes longer than most of what they do.

`preloading` loads it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
from types import CodeType, FunctionType, MethodType
from typing import Any

import botocore.hooks
import botocore.loaders

_MODULES = (
    "upload_client.client",
    "upload_client.index.loading",
    "upload_client.cli.deliver",
    "boto3",
    "rich.live",
    "platformdirs.unix",
    "upload_client.cli.cluster",
    "upload_client.cli.logs",
    "upload_client.cli.prompt",
    "upload_client.cli.signals",
    "upload_client.delivery.watchdog",
    "upload_client.ui.jsonl",
    "upload_client.ui.logs",
)
_SANDBOX = (
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
    """Have each session of boto3 know what another one has found out: half of what one costs that was forked.

    These are the models of AWS's services, which of them there are, the names that events have, and whether a
    handler takes any keyword.
    """
    botocore.loaders.JSONFileLoader.load_file = _load_once
    botocore.loaders.Loader.list_available_services = _list_once
    botocore.hooks.EventAliaser.__init__ = _share_names
    botocore.hooks.accepts_kwargs = _look_once


_list = botocore.loaders.Loader.list_available_services
_listed: dict[tuple[str, ...], list[str]] = {}


def _list_once(self: botocore.loaders.Loader, type_name: str) -> list[str]:
    where = (type_name, *self.search_paths)
    if where not in _listed:
        _listed[where] = _list(self, type_name)
    return list(_listed[where])


_begin = botocore.hooks.EventAliaser.__init__
_names: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}


def _share_names(self: botocore.hooks.EventAliaser, *args: Any, **kwargs: Any) -> None:
    _begin(self, *args, **kwargs)
    self._alias_name_cache = _names.setdefault(tuple(self._event_aliases.items()), self._alias_name_cache)


_look = botocore.hooks.accepts_kwargs
_looked: dict[CodeType, str | None] = {}


def _look_once(handler: Any) -> str | None:
    if not isinstance(handler, FunctionType | MethodType) or hasattr(handler, "__wrapped__"):
        return _look(handler)
    if handler.__code__ not in _looked:
        _looked[handler.__code__] = _look(handler)
    return _looked[handler.__code__]


def load() -> None:
    """Load it, for all that is forked from this process."""
    for name in _MODULES:
        importlib.import_module(name)
    with contextlib.suppress(ImportError):  # not every venv has the sandbox
        importlib.import_module("upload_client.sandbox.server").load_machines_late()
        for name in _SANDBOX:
            importlib.import_module(name)

    import botocore.session

    from upload_client.s3 import clients

    read_botocore_once()
    made = botocore.session.Session()
    made.set_credentials("x", "x")
    session = clients.one_of_many(made, "us-east-1")
    for service in ("cognito-identity", "cognito-idp", "lambda", "s3", "ssm"):
        clients.client(session, service).close()  # which fills what the program itself keeps of them
    gc.collect()
    gc.freeze()  # a collection in a fork need not look at it, and so copies no page of it
