"""What the documentation says is so."""

from __future__ import annotations

import ast
import builtins
import json
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import click
import pytest
import yaml

from upload_client.cli.app import deliver, main
from upload_client.settings import Settings

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_every_setting_is_explained():
    page = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ")]
    explained = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert explained == set(Settings.model_fields) - {"password"}


def test_each_bound_of_the_protocol_is_held_by_a_test():
    page = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
    rows = [line for line in page.partition("## Bounds")[2].splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    for row in rows:
        file, name = re.findall(r"`([\w/.]+)::(\w+)` \|$", row)[0]
        assert f"def {name}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), row


def test_each_attack_of_the_security_page_is_tried_by_a_test():
    page = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    table = page.partition("## What is attacked")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    for row in rows:
        tests = re.findall(r"`(tests/[\w/.]+)(?:::(\w+))?`", row)
        assert tests, row
        for file, name in tests:
            assert f"def {name or 'test_'}" in (ROOT / file).read_text(encoding="utf-8"), row


def unknown_options(words: list[str]) -> list[str]:
    """The options among what stands after the program's name that the command named there does not have."""
    command: click.Command = deliver
    unknown = []
    for word in words:
        if isinstance(command, click.Group) and word in command.commands:
            command = command.commands[word]
        elif re.match(r"--?[a-z]", word):
            spellings = ((*param.opts, *param.secondary_opts) for param in command.params)
            known = {"--help", *(spelt for each in spellings for spelt in each)}
            unknown += [word] if word.partition("=")[0] not in known else []
    return unknown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_option_that_a_page_types_is_there(page):
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for typed in re.findall(r"(?<!--stack-name )upload-client ([^\n`;|&<>#…\[()]*)", text):
        try:
            words = shlex.split(typed)
        except ValueError:  # a quotation mark of the sentence around it
            words = typed.split()
        assert unknown_options(words) == [], typed


def test_an_option_that_is_not_there_is_found():
    assert unknown_options(["status", "--watch", "--resend-invalid"]) == ["--resend-invalid"]
    assert unknown_options(["-v", "--datasett=x", "-z"]) == ["--datasett=x", "-z"]


def test_every_page_can_be_found_from_the_menu():
    entries: list[object] = [yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]]
    listed = set()
    while entries:
        match entries.pop():
            case str(page):
                listed.add(page)
            case dict(titled):
                entries += titled.values()
            case list(several):
                entries += several
    assert listed == {page.relative_to(ROOT / "docs").as_posix() for page in PAGES[1:]}


def broken_tables(page: str) -> list[str]:
    """The lines of a page that look like a table's row, and are not shown as one of as many cells."""
    lines = page.splitlines()
    cells = [len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0 for line in lines]
    heads = [
        not before.strip() and re.fullmatch(r"\|[\s:|-]+\|", after) is not None
        for before, after in zip(["", *lines], [*lines[1:], ""], strict=False)
    ]
    broken, width, fenced = [], 0, False
    for line, wide, head in zip(lines, cells, heads, strict=True):
        fenced ^= line.startswith("```")
        if fenced or not wide:
            width = 0
            continue
        width = wide if head and not width else width
        if wide != width:
            broken.append(line)
    return broken


@pytest.mark.parametrize("page", [*PAGES, ROOT / "findings" / "README.md"], ids=lambda page: page.stem)
def test_each_table_is_shown_as_one(page):
    assert broken_tables(page.read_text(encoding="utf-8")) == []


def test_a_table_that_an_empty_line_cuts_in_two_is_found():
    assert broken_tables("| a | b |\n|---|---|\n| 1 | 2 |\n\n| 3 | 4 |\n") == ["| 3 | 4 |"]
    assert broken_tables("text\n| a |\n|---|\n") == ["| a |", "|---|"]
    assert broken_tables("| a |\n|---|\n| 1 | 2 |\n") == ["| 1 | 2 |"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_links_to_is_there(page):
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_the_page_on_the_structure_names_every_room():
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    package = ROOT / "upload_client"
    folders = [package, *(package / name for name in ("core", "aws", "transfer", "ui"))]
    rooms = {path.name for folder in folders for path in folder.glob("[!_]*.py")}
    rooms |= {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    assert sorted(room for room in rooms if room not in page) == []


def test_where_something_is_decided_is_a_room_that_is_there():
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    table = page.partition("## Where is decided")[2].partition("\n## ")[0]
    named = re.findall(r"`([\w/]+(?:\.py|/))`", table)
    assert len(named) > 10
    assert [room for room in named if not (ROOT / "upload_client" / room).exists()] == []


def blocks(page: Path, *languages: str) -> list[str]:
    """What stands on a page in blocks of these languages, without the space before them in a list."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"^( *)```(\w+)\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(block) for _, language, block in found if language in languages]


def commands(page: Path) -> list[str]:
    """The lines that a page has typed into a shell, each as one."""
    return [
        line.strip()
        for block in blocks(page, "sh", "console")
        for line in block.replace("\\\n", " ").splitlines()
    ]


named = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


@named
def test_what_a_page_installs_is_the_clone(page):
    assert [line for line in commands(page) if re.search(r"pip install\b[^&]*upload-client", line)] == []


@named
def test_each_delivery_that_a_page_types_names_its_profile(page):
    """The login is in it: without one, only `personal.toml` or the environment could have said it."""
    asks = r"upload-client (?:(?:check|status|report|unlock) )?(?=--).*--dataset"
    typed = [line for line in commands(page) if re.search(asks, line)]
    assert [line for line in typed if not re.search(r"--(?:profile|sandbox)\b", line)] == []


def names_from_nowhere(text: str) -> set[str]:
    """The names that a program reads and never sets."""
    read, known = set(), set(dir(builtins)) | {"__file__", "__name__"}
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Name(name, ast.Load()):
                read.add(name)
            case ast.Name(name) | ast.arg(name) | ast.ExceptHandler(_, str(name)) | ast.MatchAs(_, str(name)):
                known.add(name)
            case ast.FunctionDef() | ast.ClassDef() | ast.AsyncFunctionDef():
                known.add(node.name)
            case ast.Import() | ast.ImportFrom():
                known |= {(each.asname or each.name).partition(".")[0] for each in node.names}
    return read - known


@named
def test_a_program_on_a_page_has_all_names_that_it_reads(page):
    assert names_from_nowhere("\n".join(blocks(page, "python"))) == set()


def test_a_name_from_nowhere_is_found():
    assert names_from_nowhere("import a.b\ndef f(x): return a, x, index") == {"index"}


@named
def test_what_a_page_shows_of_files_can_be_read(page):
    for block in blocks(page, "json"):
        json.loads(block)
    for block in blocks(page, "toml"):
        tomllib.loads(block)
    for block in blocks(page, "yaml"):
        yaml.safe_load(block)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@named
def test_what_a_page_types_is_whole(page):
    for block in blocks(page, "sh", "console"):
        done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
        assert done.stderr == "", block


def test_the_options_are_shown_on_the_page_as_in_the_help():
    """A table would show what click has for no default (`Sentinel.UNSET`), and names of our functions."""
    docs = pytest.importorskip("mkdocs_click._docs")
    page = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    (style,) = set(re.findall(r":style: (\w+)", page))
    shown = "\n".join(docs.make_command_docs("upload-client", deliver, style=style))
    assert "--threads N|auto" in shown
    assert re.findall(r"Sentinel|UNSET|_threads", shown) == []


def test_every_command_stands_on_its_page():
    page = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `upload-client (\w+)`", page, re.MULTILINE))
    assert isinstance(deliver, click.Group)
    assert listed == {name for name, command in deliver.commands.items() if not command.hidden}


@pytest.mark.skipif(sys.platform == "win32", reason="the tutorial is typed into a POSIX shell")
@pytest.mark.long
def test_the_tutorial_can_be_typed_as_it_stands(tmp_path, monkeypatch, capsys):
    pytest.importorskip("moto")
    from upload_client.sandbox import Sandbox

    page = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")
    steps = [re.findall(r"```sh\n(.*?)```", step, re.DOTALL) for step in re.split(r"\n## \d\. ", page)]
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "examples/dataset", "examples/dataset")

    def typed(step: int, block: int = 0) -> tuple[int, str]:
        """The last exit code of a block, and what all of it said."""
        capsys.readouterr()
        code = 0
        for line in steps[step][block].splitlines():
            if line.startswith("upload-client "):
                code = main(shlex.split(line)[1:])
            else:
                subprocess.run(line, shell=True, check=True)
        said = capsys.readouterr()
        return code, said.out + said.err

    assert "--profile-out sandbox.toml" in steps[2][0]
    with Sandbox(dataset="demo", delivery_id="first", profile_out=tmp_path / "sandbox.toml"):
        code, said = typed(3)
        assert (code, "24 files, never sent" in said) == (0, True)
        code, said = typed(4)
        assert (code, "24 of 24 files valid" in said) == (0, True)
        assert len(list(tmp_path.glob("upload-client_demo_first_*"))) == 2
        code, said = typed(4)  # step 5: the same again
        assert (code, "nothing to do" in said) == (0, True)
        code, said = typed(5)
        assert (code, "Complete: 24 of 24" in said) == (0, True)
        code, said = typed(6)
        assert (code, "broken.json" in said) == (3, True)
        code, said = typed(6, 1)
        assert (code, "1 file to send" in said, "25 of 25 files valid" in said) == (0, True, True)
