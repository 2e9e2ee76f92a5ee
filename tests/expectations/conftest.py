"""Judging without a process of its own, where the files are ours."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from upload_client.expectations.content import judge as judge_content
from upload_client.expectations.model import Content

CONTENT = TypeAdapter(Content)
TOY = Path(__file__).resolve().parents[3] / "shared" / "data" / "fast-toy"


@pytest.fixture
def judge():
    """What is wrong with `data` by these rules: ``judge({"format": "csv"}, b"…")``; empty: nothing."""

    def run(content: dict, data: bytes) -> str:
        return str(
            judge_content(CONTENT.validate_python(content), io.BytesIO(data), len(data), max_unpacked=10**8)
        )

    return run


@pytest.fixture(scope="session")
def toy() -> Path:
    """Files that somebody else made: what should be sent in ``data``, what should not in ``bad_data``."""
    if not TOY.is_dir():
        pytest.skip("the shared data is not there")
    return TOY
