"""Docstrings begin as STYLE.md says: with a verb or a noun, not with "What", "Who", "That" or "Of"."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import upload_client

ROOT = Path(upload_client.__file__).parent


@pytest.mark.parametrize("room", sorted({path.relative_to(ROOT).parts[0] for path in ROOT.rglob("*.py")}))
def test_no_docstring_begins_with_a_question(room):
    paths = [ROOT / room] if (ROOT / room).is_file() else (ROOT / room).rglob("*.py")
    found = []
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                text = node.value.value
                if isinstance(text, str) and text.split()[:1] in (["What"], ["Who"], ["That"], ["Of"]):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {text.strip().splitlines()[0]}")
    assert found == []
