"""What is run elsewhere says the same as what is run here: versions, sessions, steps."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = {
    path.name: yaml.safe_load(path.read_text("utf-8")) for path in (ROOT / ".github/workflows").glob("*.yml")
}
NOX = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))


def pythons():
    for node in NOX.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PYTHONS":
            return ast.literal_eval(node.value)
    raise AssertionError


def sessions():
    return {
        node.name
        for node in NOX.body
        if isinstance(node, ast.FunctionDef) and "nox.session" in ast.unparse(node.decorator_list[0])
    }


def steps(name):
    return [step for job in WORKFLOWS[name]["jobs"].values() for step in job["steps"]]


def test_each_version_is_tried_on_each_system():
    matrix = WORKFLOWS["tests.yml"]["jobs"]["tests"]["strategy"]["matrix"]
    assert matrix["python"] == pythons()
    assert {name.partition("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}


def test_what_is_promised_is_tried():
    promised = {
        found[1] for line in PROJECT["classifiers"] if (found := re.search(r"Python :: (3\.\d+)$", line))
    }
    assert promised <= set(pythons())
    assert PROJECT["requires-python"] == f">={pythons()[0]}"


@pytest.mark.parametrize("name", sorted(WORKFLOWS))
def test_each_session_that_is_asked_for_is_there(name):
    for step in steps(name):
        for asked in re.findall(r"nox -s ([\w. ${}-]+?)(?: --|$)", step.get("run", "")):
            for word in re.sub(r"-\$\{\{[^}]*\}\}", "", asked).split():
                assert word in sessions(), step


@pytest.mark.parametrize("name", sorted(WORKFLOWS))
def test_no_workflow_may_write_more_than_it_says(name):
    assert WORKFLOWS[name]["permissions"] == {"contents": "read"}
    for job in WORKFLOWS[name]["jobs"].values():
        assert job["timeout-minutes"] <= 180


def test_all_that_a_change_must_pass_is_one_script():
    assert any(step.get("run") == "bash .ci/run" for step in steps("tests.yml"))


def test_what_is_written_for_who_comes_next_leads_somewhere():
    for page in ("CONTRIBUTING.md", "STYLE.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)#\s]+)", text):
            assert "://" in link or (ROOT / link).exists(), f"{page}: {link}"
        for path in re.findall(
            r"`((?:tests|docs|upload_client|core|cli|ui|support|preflight|validator|index)/[\w./]+\.\w+)`",
            text,
        ):
            places = (ROOT, ROOT / "upload_client", ROOT / "tests")
            assert any((place / path).exists() for place in places) or "NAME" in path, f"{page}: {path}"
