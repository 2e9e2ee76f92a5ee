"""``docs``: the pages, in a terminal, of an installed program too."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from upload_client.cli import docs
from upload_client.cli.app import deliver
from upload_client.cli.help import PAGES

ROOT = Path(__file__).parents[2] / "docs"


def test_without_a_page_all_are_listed_with_their_titles(run):
    said = run("docs")
    assert said.code == 0
    lines = dict(line.split(maxsplit=1) for line in said.out.splitlines())
    assert lines["reference/settings"] == "Settings"
    assert set(lines) == {path.relative_to(ROOT).with_suffix("").as_posix() for path in ROOT.rglob("*.md")}


@pytest.mark.parametrize("name", ["protocol", "docs/protocol.md", "reference/settings", "settings"])
def test_a_page_is_shown_by_its_name_or_the_last_part_of_it(run, name):
    said = run("docs", name)
    assert said.code == 0
    assert said.out.startswith(("# The delivery protocol\n", "# Settings\n"))


@pytest.mark.parametrize("name", ["nonsense", "../README", ""])
def test_a_page_that_is_not_there_is_told(run, name):
    said = run("docs", name)
    assert (said.code, said.out) == (2, "")
    assert "there is no page" in said.err


@pytest.mark.parametrize("name", [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.md")])
def test_no_page_is_empty_where_the_site_is_not_built(run, name):
    text = run("docs", name).out
    assert ":::" not in text
    assert "--8<--" not in text
    assert len(text.splitlines()) > 10, name


def test_each_command_names_a_page_that_there_is(run):
    programs = {"upload-client", "handle-lambda-request"}
    assert {command for command in PAGES if " " not in command} == programs | deliver.commands.keys()
    for command, page in PAGES.items():
        if command == "handle-lambda-request":
            continue
        words = [] if command == "upload-client" else command.split()
        assert f"`upload-client docs {page}`" in " ".join(run(*words, "--help").out.split())
        assert run("docs", page).code == 0


def words_of_the_program():
    """Texts in the code that are no docstrings, with the file each is in."""
    for path in sorted((ROOT.parent / "upload_client").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare:
                yield path.name, node.value


def test_what_is_read_on_is_a_page_that_an_installed_program_shows(run):
    """Who has not cloned this has no folder docs/."""
    texts = list(words_of_the_program())
    assert [text for text in texts if re.search(r"docs/[\w/-]+\.md", text[1])] == []
    pages = {page for _, text in texts for page in re.findall(r"`upload-client docs ([\w/-]+)`", text)}
    assert len(pages) > 5
    assert {page for page in pages if run("docs", page).code} == set()


def test_pages_that_were_installed_go_before_those_of_a_clone(run, tmp_path, monkeypatch):
    (tmp_path / "only.md").write_text("# The only one\n")
    monkeypatch.setattr(docs, "_PLACES", (tmp_path, ROOT))
    assert run("docs").out == "only  The only one\n"


def test_on_a_terminal_it_is_drawn_and_paged(run, monkeypatch):
    shown = []
    monkeypatch.setattr(docs.sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(docs.click, "echo_via_pager", shown.append)
    assert run("docs", "exit-codes").code == 0
    assert "all files valid" in shown[0]
    assert "|---|" not in shown[0]
