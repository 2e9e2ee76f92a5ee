"""The README names the tests that attack its promises: they are there."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent


def test_every_promise_names_tests_that_there_are() -> None:
    readme = (HERE.parents[1] / "README.md").read_text("utf-8")
    _, _, promises = readme.partition("\n## Promises\n")
    promises, _, _ = promises.partition("\n## ")
    made = set(re.findall(r"^([0-9]+)\. ", promises, re.MULTILINE))
    kept = dict(re.findall(r"^\| ([0-9]+) \| (.*)\|$", promises, re.MULTILINE))
    assert made == kept.keys()
    for row in kept.values():
        named = re.findall(r"`(\w+\.py)::(\w+)`", row)
        assert named
        for file, test in named:
            assert f"\ndef {test}(" in (HERE / file).read_text("utf-8"), f"there is no {file}::{test}"
