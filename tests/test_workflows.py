"""What is run elsewhere says the same as what is run here: versions, sessions, steps."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
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
    """What each session says to run it with, by its name."""
    return {
        node.name: {each.arg: ast.unparse(each.value) for each in node.decorator_list[0].keywords}
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


def test_each_session_is_asked_for_with_versions_that_it_has():
    for job in WORKFLOWS["tests.yml"]["jobs"].values():
        for step in job["steps"]:
            if found := re.search(r"nox -s (\w+)-\$\{\{ matrix\.python \}\}", step.get("run", "")):
                said = sessions()[found[1]]["python"]
                has = pythons() if said == "PYTHONS" else ast.literal_eval(said)
                assert job["strategy"]["matrix"]["python"] == has, step


@pytest.mark.parametrize("name", sorted(WORKFLOWS))
def test_no_workflow_may_write_more_than_it_says(name):
    assert WORKFLOWS[name]["permissions"] == {"contents": "read"}
    for job in WORKFLOWS[name]["jobs"].values():
        assert job["timeout-minutes"] <= 180


@pytest.mark.parametrize("name", sorted(WORKFLOWS))
def test_no_step_finds_the_token_of_the_checkout(name):
    checkouts = [step for step in steps(name) if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@pytest.mark.parametrize("name", sorted(WORKFLOWS))
def test_an_action_is_named_by_a_commit_and_says_of_which_version_it_is(name):
    """A tag can be moved to other code, which would run with what the job may do."""
    text = (ROOT / ".github/workflows" / name).read_text("utf-8")
    for used in re.findall(r"uses: (.+)", text):
        if not used.startswith("pypa/gh-action-pypi-publish@release/v1 "):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), used


def test_all_that_a_change_must_pass_is_one_script():
    assert any(step.get("run") == "bash .ci/run" for step in steps("tests.yml"))


@pytest.mark.skipif(os.name == "nt", reason="a step is for bash")
@pytest.mark.parametrize(
    ("digest", "pinned"), [(f"sha256:{'ab' * 32}", True), ("latest", False), ("", False)]
)
def test_a_release_names_the_base_of_the_image_by_the_digest_that_was_tried(digest, pinned, tmp_path):
    (step,) = [each for each in steps("release.yml") if each.get("name") == "base image by digest"]
    docker = tmp_path / "bin/docker"
    docker.parent.mkdir()
    docker.write_text(f'#!/bin/sh\necho "$@" >>"{tmp_path}/asked"\n[ "$1" != buildx ] || echo {digest}\n')
    docker.chmod(0o755)
    (tmp_path / "examples/receiver").mkdir(parents=True)
    shutil.copy(ROOT / "examples/receiver/Dockerfile", tmp_path / "examples/receiver")
    done = subprocess.run(
        ["bash", "-e", "-c", step["run"]],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{docker.parent}{os.pathsep}{os.environ['PATH']}"},
        check=False,
    )
    assert (done.returncode == 0) is pinned
    assert (tmp_path / "image/Dockerfile").exists() is pinned
    if pinned:
        written = (tmp_path / "image/Dockerfile").read_text().splitlines()
        assert f"ARG BASE=python:3.13-slim@{digest}" in written
        asked = (tmp_path / "asked").read_text().splitlines()
        assert [each.split()[0] for each in asked] == ["buildx", "build", "run"]
        assert "--file image/Dockerfile" in asked[1]


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
