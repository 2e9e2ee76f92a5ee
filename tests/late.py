"""Modules that are imported when they are first used: collecting all tests does not wait for them."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import pytest


class Late:
    """Stands for a module until something of it is asked for."""

    def __init__(self, name: str) -> None:
        self.__dict__["_Late__name"] = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("__", "_pytest", "pytest", "_mock")):  # pytest looks what this may be
            raise AttributeError(name)
        return getattr(importlib.import_module(self.__dict__["_Late__name"]), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(importlib.import_module(self.__dict__["_Late__name"]), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(importlib.import_module(self.__dict__["_Late__name"]), name)


def late(name: str) -> Any:
    """A module of that name; where it is not installed, the tests of the calling module are skipped."""
    package = name.partition(".")[0]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed", allow_module_level=True)
    return Late(name)
