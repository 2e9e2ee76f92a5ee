"""The command line in this process, and as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from upload_client.cli.app import main


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a command line here: ``run("index", "x").code, .out, .err``."""
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115, PTH123 # nobody is there to be asked

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return SimpleNamespace(code=code, out=said.out, err=said.err)

    yield run
    sys.stdin.close()


@pytest.fixture
def process(tmp_path):
    """Run a command line as people do."""

    def process(*arguments, **options):
        return subprocess.run(
            [sys.executable, "-m", "upload_client", *map(str, arguments)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd=tmp_path,
            timeout=120,
            check=False,
            **options,
        )

    return process


@pytest.fixture
def data(tmp_path):
    """A directory with three files."""
    folder = tmp_path / "data"
    (folder / "b").mkdir(parents=True)
    (folder / "a.csv").write_text("x\n1\n", encoding="utf-8")
    (folder / "b" / "c.json").write_text("{}", encoding="utf-8")
    (folder / "b" / "d.txt").write_bytes(b"")
    return folder
