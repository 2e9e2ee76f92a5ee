"""Docstrings and names are as STYLE.md says: with a verb or a noun first, and of what is there alone."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import upload_client

ROOT = Path(upload_client.__file__).parent


@pytest.mark.parametrize("room", sorted({path.relative_to(ROOT).parts[0] for path in ROOT.rglob("*.py")}))
def test_no_docstring_begins_with_a_question(room):
    found = []
    for path, tree in modules().items():
        if path.relative_to(ROOT).parts[0] != room:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                text = node.value.value
                if isinstance(text, str) and text.split()[:1] in (["What"], ["Who"], ["That"], ["Of"]):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {text.strip().splitlines()[0]}")
    assert found == []


@functools.cache
def modules() -> dict[Path, ast.Module]:
    """All modules of the program, read when a test first asks and not by each process that collects."""
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(ROOT.rglob("*.py"))}


@functools.cache
def classes() -> dict[str, ast.ClassDef]:
    """All its classes by name."""
    return {
        node.name: node
        for tree in modules().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }


def bases(node: ast.ClassDef) -> Iterator[ast.ClassDef]:
    """A class of the program, and those of its own that it is made of."""
    yield node
    for base in node.bases:
        if isinstance(base, ast.Name) and base.id != node.name and base.id in classes():
            yield from bases(classes()[base.id])


def names_in(node: ast.AST, section: str) -> list[str]:
    """The names that a docstring has a line for in a section."""
    _, _, rest = (ast.get_docstring(node) or "").partition(f"{section}:\n")
    lines = rest.split("\n\n")[0].splitlines()
    found = [re.match(r"    (\*{0,2}[A-Za-z_]\w*(?:, \*{0,2}\w+)*):", line) for line in lines]
    return [name.strip(" *") for match in found if match for name in match[1].split(",")]


def parameters(function: ast.FunctionDef, *, is_method: bool) -> set[str] | None:
    """The names of a function's parameters; None where it takes any."""
    given = function.args
    if given.kwarg is not None and given.kwarg.annotation is not None:
        return None
    named = [*given.posonlyargs, *given.args][is_method:] + given.kwonlyargs
    return {one.arg for one in [*named, given.vararg, given.kwarg] if one is not None}


def members(node: ast.ClassDef) -> set[str]:
    """Whatever a class, or one that it is made of, gives a name to."""
    return {
        getattr(one, "attr", None) or getattr(one, "id", None) or one.name
        for base in bases(node)
        for one in ast.walk(base)
        if isinstance(one, ast.FunctionDef) or isinstance(getattr(one, "ctx", None), ast.Store)
        if not isinstance(one, ast.Tuple | ast.List | ast.Subscript | ast.Starred)
    }


def arguments(node: ast.ClassDef) -> set[str] | None:
    """What a class is made with; None: anything."""
    fields: set[str] = set()
    for base in bases(node):
        for one in base.body:
            if isinstance(one, ast.FunctionDef) and one.name in ("__init__", "__new__"):
                return parameters(one, is_method=True)
            if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
                fields.add(one.target.id)
    return fields


def test_a_docstring_tells_of_no_argument_and_no_attribute_that_is_not_there():
    wrong = []
    for path, tree in modules().items():
        methods = {
            id(one): "staticmethod" not in map(ast.unparse, one.decorator_list)
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
            for one in node.body
            if isinstance(one, ast.FunctionDef)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                there = parameters(node, is_method=methods.get(id(node), False))
            elif isinstance(node, ast.ClassDef):
                there = arguments(node)
                attributes = members(node) | {"args"}  # an exception's
                wrong += [
                    (path, node.name, name) for name in names_in(node, "Attributes") if name not in attributes
                ]
            else:
                continue
            if there is not None:
                wrong += [(path, node.name, name) for name in names_in(node, "Args") if name not in there]
    assert [f"{path.relative_to(ROOT)}: {of}: {name}" for path, of, name in wrong] == []


SPOKEN = {
    *("tell", "tells", "told", "untold", "say", "says", "said", "hear", "hears", "heard", "word", "words"),
    *(
        "doing",
        "looking",
        "noticing",
        "onlooker",
        "errand",
        "ride",
        "breath",
        "sweep",
        "stretch",
        "stretches",
    ),
    *("hurry", "nudge", "lent", "tamed"),
    *("lean", "elsewhere", "anew", "asking", "seldom", "mend", "mended"),
}
ALLOWED = {
    "tell",  # of a file object, as Python calls it
    "validator_heard",  # public: a field of the event `Health`
    # 64 bits at once, and an encoded word of RFC 2047
    *("word", "words", "n_words", "_WORD", "_Words", "_ENCODED_WORD_BYTES"),
}
OF_WORDS_OF_64_BITS = {"validator/quoted_rows.py", "expectations/formats/fits.py"}


def spoken(name: str) -> bool:
    return bool(SPOKEN & set(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().split("_")))


def given(tree: ast.AST) -> set[str]:
    """The names that a module gives: to functions, classes, arguments, variables, attributes, modules."""
    names = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.Attribute(attr=name, ctx=ast.Store()) | ast.alias(asname=str(name)):
                names.add(name)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                names.add(name)
    return names


def refused(tree: ast.Module, path: str = "") -> set[str]:
    """Those of a module's names that are none."""
    allowed = ALLOWED if path in OF_WORDS_OF_64_BITS else ALLOWED - {"word", "words", "n_words"}
    return {name for name in {*given(tree), Path(path).stem} if spoken(name) and name not in allowed}


def test_names_are_the_fields_own():
    found = {}
    for path, tree in modules().items():
        where = path.relative_to(ROOT).as_posix()
        if names := refused(tree, where):
            found[where] = names
    assert found == {}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def _say(told): ...", {"_say", "told"}),
        ("class WordColumn: ...", {"WordColumn"}),
        ("self._told_at = words = 1", {"_told_at", "words"}),
        ("for word in a: ...", {"word"}),
        ("import a as heard", {"heard"}),
        ("def essay(sword): retold = file.tell()", set()),
    ],
)
def test_each_kind_of_name_is_looked_at(source, names):
    assert refused(ast.parse(source)) == names


def test_names_of_modules_are_looked_at():
    assert refused(ast.parse(""), "synchrony/doing.py") == {"doing"}
