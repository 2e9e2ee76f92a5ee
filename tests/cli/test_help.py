"""What the command line says about itself, and how fast."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click
import pytest

from upload_client.cli.deliver import deliver
from upload_client.cli.failure import EXIT_CODES
from upload_client.core.exits import ExitCode

ROOT = Path(__file__).parents[2]


LIGHT = ["--help", "--version", "check --help", "completion bash"]
WRONG = [
    "",
    "--dataset D --delivery-id Y --source nowhere",
    "--dataset D --delivery-id Y --index nowhere",
    "--dataset D --delivery-id Y --exclude-from nowhere",
    "--dataset D --delivery-id Y --profile nowhere",
    "--dataset D --delivery-id Y --max-rate x",
    "--dataset D/ --delivery-id Y",
    "check --dataset D --delivery-id Y --profile nowhere",
    "status --dataset D --delivery-id Y --profile nowhere",
    "report --dataset D --delivery-id Y --profile nowhere",
    "receipt --dataset D --delivery-id Y --profile nowhere",
    "unlock --dataset D --delivery-id Y --profile nowhere --steal x",
    "index nowhere",
    "verify nowhere",
    "expectations check . --expectations nowhere",
    "schedule check nowhere",
]

# Pandas and boto3 take a second; pydantic, rich and our own rules some tens of milliseconds.
HEAVY = "pandas numpy boto3 botocore rich"
HEAVY_TOO = f"""{HEAVY} pydantic isal moto upload_client.errors apscheduler sqlalchemy tenacity requests
paramiko upload_client.activities filelock pathspec upload_client.synchrony"""


@pytest.fixture(scope="module")
def typed() -> dict[str, list[object]]:
    """The exit code of each line, and what heavy modules there were after it, typed one behind the other.

    In one process: where none of them has any, that is what each would have in a process of its own.
    """
    lines = [*((line, HEAVY_TOO) for line in LIGHT), *((line, HEAVY) for line in WRONG)]
    program = f"""
import json, sys
from upload_client.cli.app import main
found = {{}}
for line, heavy in {lines}:
    code = main(line.split())
    found[line] = [code, sorted(set(heavy.split()) & set(sys.modules))]
print("\\n" + json.dumps(found))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("line", LIGHT)
def test_what_needs_nothing_heavy_imports_nothing_heavy(line, typed):
    assert typed[line] == [0, []]


@pytest.mark.parametrize("line", WRONG)
def test_what_is_typed_wrongly_is_told_before_anything_heavy_is_imported(line, typed):
    assert typed[line] == [2, []]


def commands(command: click.Command, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """What stands after ``upload-client`` for each command there is."""
    inner = getattr(command, "commands", {}).items()
    return [words, *(found for name, one in inner for found in commands(one, (*words, name)))]


@pytest.mark.parametrize("words", commands(deliver), ids=" ".join)
def test_the_help_of_every_command_can_be_read(words, run):
    said = run(*words, "--help")
    assert said.code == 0, said.err
    assert said.out.startswith("Usage: upload-client")


def test_both_ways_to_start_it_say_the_same(process, run):
    assert process("--help").stdout == run("--help").out
    assert process("--version").stdout == run("--version").out


def test_the_version_is_that_of_all_a_report_has_to_name(run):
    first, python, engine, *others = run("--version").out.splitlines()
    assert first == f"upload-client {version('upload-client')}"
    assert python.startswith(f"Python {platform.python_version()} (")
    assert engine == f"engine auto, CRC32 by isal {version('isal')}"
    assert others == [f"{name} {version(name)}" for name in ("boto3", "pandas", "moto", "pyarrow")]


def test_what_is_not_installed_is_said_with_how_to_get_it(run, monkeypatch):
    def missing(name):
        if name in {"isal", "moto"}:
            raise PackageNotFoundError
        return "1"

    monkeypatch.setattr("importlib.metadata.version", missing)
    said = run("--version").out
    assert "zlib (isal is not installed: slower)" in said
    assert "moto not installed (extra: sandbox)" in said


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (
            [],
            """--dataset --delivery-id --source --index --index-format --no-index
            --include --exclude --exclude-from
            --symlinks --sample --profile --threads --max-rate --digest --engine --max-retries
            --accept-unverified-store
            --resend-invalid --dry-run --output-dir --report --sandbox --dask
            --json -q -v --patience --plain-http --log-file --debug --version""",
        ),
        (["status"], "--dataset --delivery-id --sample --watch --json --patience --plain-http --log-file"),
        (
            ["report"],
            "--dataset --delivery-id --sample -o --force --report --patience --plain-http --log-file",
        ),
        (
            ["sync"],
            """--to --name --push --pull --select --on-conflict --yes --dry-run --reset --json
            --log-file""",
        ),
        (
            ["index"],
            """-o --format --no-checksums --include --exclude --exclude-from --symlinks --force --patience
            --plain-http --log-file""",
        ),
        (
            ["sandbox"],
            "--dataset --delivery-id --port --s3-endpoint --profile-out --bucket --signing-key --force",
        ),
        (
            ["check"],
            """--dataset --delivery-id --sample --source --index --index-format --no-index
            --digest --engine --max-retries --include --exclude --exclude-from --symlinks
            --content --store --clean --threads --max-rate --output-dir --sandbox --json --patience
            --plain-http --log-file""",
        ),
    ],
)
def test_help_names_every_option(run, command, options):
    said = run(*command, "--help")
    assert said.code == 0
    named = set(re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", said.out))
    assert set(options.split()) <= named
    # `-o` and the like have a long form; of those nothing is missing above.
    extra = {"--help", "-h", "-vv", "--quiet", "--verbose", "--output", "--profile"}
    assert named - set(options.split()) <= extra


def _all_commands(command=deliver, words=()):
    yield list(words)
    for word, each in sorted(getattr(command, "commands", {}).items()):
        yield from _all_commands(each, (*words, word))


COMMANDS = list(_all_commands())


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words) or "upload-client")
def test_each_help_fits_a_terminal_of_eighty_columns_and_names_its_options_once(run, command):
    said = run(*command, "--help").out
    assert max(map(len, said.splitlines())) <= 80
    told = re.findall(r"^  (?:-\w, )?(--[a-z-]+)", said, re.MULTILINE)
    assert len(told) == len(set(told))
    assert "--help" in told
    assert re.findall(r"upload-$", said, re.MULTILINE) == []  # a command is copied as it stands
    pages = re.findall(r"upload-client\s+docs\s+([a-z-]+)`", said)
    assert len(pages) == len(set(pages)) > 0
    assert "docs/" not in said  # an installed program has no such folder


def test_every_exit_code_is_explained_in_help_and_on_its_page(run):
    said = run("--help").out
    page = (ROOT / "docs/reference/exit-codes.md").read_text(encoding="utf-8")
    assert [code for code, _ in EXIT_CODES] == sorted(int(code) for code in ExitCode)
    for code, meaning in EXIT_CODES:
        assert re.search(rf"^  {code} +{re.escape(meaning[:40])}", said, re.MULTILINE)
        assert re.search(rf"^\| {code} \| ", page, re.MULTILINE)
    assert "first of 12, 6, 5, 4, 3" in said


def _commands(command=deliver, name="upload-client"):
    yield name, {each.name for each in command.params}
    for word, each in getattr(command, "commands", {}).items():
        yield from _commands(each, f"{name} {word}")


FAMILIES = [
    ("index", {"index_format", "no_index", "source"}, set()),
    ("include", {"exclude", "exclude_from", "symlinks"}, set()),
    ("profile", {"patience", "plain_http", "log_file"}, set()),
    ("stack", {"region", "as_json", "log_file"}, set()),
    ("threads", {"max_rate", "digest", "engine", "max_retries", "output_dir"}, set()),
    ("output", {"force"}, set()),
    ("source", {"include"}, {"upload-client receipt export"}),  # a bag has every file of its receipt
]


@pytest.mark.parametrize(("option", "others", "but"), FAMILIES, ids=[each[0] for each in FAMILIES])
def test_commands_that_take_the_same_have_the_same_options(option, others, but):
    """What a person has typed for one command can be typed for another of its family."""
    family = {name: has for name, has in _commands() if option in has and name not in but}
    assert len(family) > 1
    assert {name: others - has for name, has in family.items() if others - has} == {}
