"""A page names the tests that attack the promises of the README: they are there."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent


def test_every_promise_names_tests_that_there_are() -> None:
    readme = (HERE.parents[1] / "README.md").read_text("utf-8")
    promises = (HERE.parents[1] / "docs/explanation/promises.md").read_text("utf-8")
    for promise in re.findall(r"^[0-9]+\. (?:.|\n(?!\n|[0-9]))+", promises, re.MULTILINE):
        assert promise in readme
    made = set(re.findall(r"^([0-9]+)\. ", promises, re.MULTILINE))
    kept = dict(re.findall(r"^\| ([0-9]+) \| (.*)\|$", promises, re.MULTILINE))
    assert made == kept.keys()
    for row in kept.values():
        named = re.findall(r"`(\w+\.py)::(\w+)`", row)
        assert named
        for file, test in named:
            assert f"\ndef {test}(" in (HERE / file).read_text("utf-8"), f"there is no {file}::{test}"
