"""The number of examples that Hypothesis makes up: as many as a test asks for, or few where all is traced."""

from __future__ import annotations

from typing import Any

from hypothesis import settings

FEW = 5
"""Of each test in the profile ``few``: what else can be made up is tried where nothing is traced."""


def examples(n: int, **more: Any) -> settings:
    """Settings of a test that asks for `n` examples."""
    return settings(max_examples=FEW if settings.default.max_examples == FEW else n, **more)
