"""The rules do no I/O, read no clock, start no thread, throw no dice; and imports point down."""

from __future__ import annotations

import ast
import logging
import sys
from pathlib import Path

import pytest
from importlinter import cli

import upload_client.core

ROOT = Path(__file__).parents[2]
CORE = sorted(Path(upload_client.core.__file__).parent.glob("*.py"))
EFFECTS = {
    "asyncio", "concurrent", "ctypes", "glob", "http", "io", "logging", "multiprocessing", "os", "pathlib",
    "random", "secrets", "selectors", "shutil", "signal", "socket", "sqlite3", "subprocess", "sys",
    "tempfile", "threading", "time", "urllib", "uuid",
}  # fmt: skip
FAST = {"checksums": {"isal"}, "digests": {"awscrt", "crcmod"}}
CALLS = {"open", "print", "input", "exec", "eval", "__import__"}
CLOCKS = {"now", "utcnow", "today"}


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def called(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id
            elif isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS:
                yield node.func.attr


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_core_imports_the_standard_library_and_itself_alone(path):
    for name in imported(ast.parse(path.read_text("utf-8"))):
        top = name.partition(".")[0]
        own = name == "upload_client.core" or name.startswith("upload_client.core.")
        fast = top in FAST.get(path.stem, ())
        assert own or fast or top in sys.stdlib_module_names, f"{path.name} imports {name}"


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_core_has_no_effects(path):
    tree = ast.parse(path.read_text("utf-8"))
    assert not EFFECTS & {name.partition(".")[0] for name in imported(tree)}
    assert not (CALLS | CLOCKS) & set(called(tree))


def test_imports_point_down(capsys):
    code = cli.lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    for logger in logging.root.manager.loggerDict.values():  # it has silenced them all
        if isinstance(logger, logging.Logger):
            logger.disabled = False
    assert code == cli.EXIT_STATUS_SUCCESS, capsys.readouterr().out
