"""Functions, called as AWS Lambda calls them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("aws_lambda_powertools")
sys.path.insert(0, str(Path(__file__).parent))  # the examples have to have a name that can be imported


@dataclass
class Context:
    """AWS Lambda's."""

    function_name: str = "f"
    aws_request_id: str = "request-1"
    memory_limit_in_mb: int = 128
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:f"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@pytest.fixture
def context() -> Context:
    return Context()


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]):
    """The JSON lines that were printed."""

    def read() -> list[dict]:
        lines = capsys.readouterr().out.splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    return read


@pytest.fixture(autouse=True)
def _fresh_levels() -> Iterator[None]:
    """The level of a logger is that of the environment when it is first made."""
    yield
    import logging

    for logger in list(logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger) and getattr(logger, "init", False):  # powertools'
            logger.setLevel(logging.INFO)
