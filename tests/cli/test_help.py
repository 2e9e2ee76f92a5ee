"""What the command line says about itself, and how fast."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from upload_client.cli.failure import EXIT_CODES
from upload_client.core.delivery import ExitCode

ROOT = Path(__file__).parents[2]


def test_help_imports_nothing_heavy():
    """Pandas and boto3 take a second; pydantic, rich and our own rules some tens of milliseconds."""
    program = """
import sys
from upload_client.cli.app import main
code = main(["--help"])
heavy = {"pandas", "numpy", "boto3", "botocore", "pydantic", "rich", "isal", "upload_client.errors"}
print(sorted(heavy & set(sys.modules)), code)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[] 0"


def test_both_ways_to_start_it_say_the_same(process, run):
    assert process("--help").stdout == run("--help").out
    assert (
        process("--version").stdout == run("--version").out == f"upload-client {version('upload-client')}\n"
    )


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (
            [],
            """--dataset --delivery-id --source --index --sample --profile --threads --max-rate
            --engine --max-retries --resend-invalid --dry-run --output-dir --sandbox --dask
            --json -q -v --debug --version""",
        ),
        (["index"], "-o --no-checksums --include --exclude"),
        (["sandbox"], "--dataset --delivery-id --port --s3-endpoint --profile-out"),
    ],
)
def test_help_names_every_option(run, command, options):
    said = run(*command, "--help")
    assert said.code == 0
    named = set(re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", said.out))
    assert set(options.split()) <= named
    # `-o` and the like have a long form; of those nothing is missing above.
    extra = {"--help", "-h", "--quiet", "--verbose", "--output", "--profile"}
    assert named - set(options.split()) <= extra


def test_help_fits_a_terminal_of_eighty_columns(run):
    for command in ([], ["index"], ["sandbox"]):
        assert max(map(len, run(*command, "--help").out.splitlines())) <= 80


def test_every_exit_code_is_explained_in_help_and_in_the_readme(run):
    said = run("--help").out
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [code for code, _ in EXIT_CODES] == sorted(int(code) for code in ExitCode)
    for code, meaning in EXIT_CODES:
        assert re.search(rf"^  {code} +{re.escape(meaning[:40])}", said, re.MULTILINE)
        assert re.search(rf"^\| {code} \| ", readme, re.MULTILINE)
    assert "first of 12, 6, 5, 4, 3" in said
