"""What is public does not change unnoticed: ``tests/public_api.txt`` is what others build on.

After a change that is meant, and allowed by ``docs/reference/policy.md``, write it anew with
``python tests/test_public_api.py``, and put it into the changelog.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
import typing
from collections.abc import Iterator
from pathlib import Path

import click

import upload_client
from upload_client import errors, events, functions, synchrony
from upload_client.cli.app import deliver
from upload_client.cli.failure import EXIT_CODES
from upload_client.core.codes import FileCode
from upload_client.reports.state_csv import COLUMNS
from upload_client.settings import Settings
from upload_client.ui.jsonl import KINDS, SCHEMA_VERSION

WRITTEN = Path(__file__).parent / "public_api.txt"


def lines() -> Iterator[str]:
    """Everything that is public, a line each, in an order that does not depend on chance."""
    for name in sorted(upload_client.__all__):
        yield from of_name(f"upload_client.{name}", getattr(upload_client, name))
    for name in sorted(synchrony.__all__):
        yield from of_name(f"upload_client.synchrony.{name}", getattr(synchrony, name))
    for name in sorted(functions.__all__):
        yield from of_name(f"upload_client.functions.{name}", getattr(functions, name))
    for module in (errors, events):
        for name in sorted(set(module.__all__) - set(upload_client.__all__)):
            yield from of_name(f"{module.__name__}.{name}", getattr(module, name))
    yield from of_command("upload-client", deliver)
    for code, _ in EXIT_CODES:
        yield f"exit code {code}"
    yield f"JSON schema_version {SCHEMA_VERSION}: {', '.join(sorted(KINDS.values()))}"
    for column in COLUMNS:
        yield f"state CSV: {column}"
    for code in sorted(FileCode):
        yield f"code {code.value} ({code.state})"
    for name in sorted(Settings.model_fields):
        yield f"setting {name}"


def of_name(name: str, value: object) -> Iterator[str]:
    if not inspect.isclass(value):
        yield f"{name}{signature(value) if callable(value) else ''}"
        return
    yield f"{name}{constructor(value)}"
    if issubclass(value, BaseException):
        yield f"{name}: {', '.join(base.__name__ for base in value.__mro__[1:-1])}"
    for member in sorted(members(value)):
        found = inspect.getattr_static(value, member, None)
        called = isinstance(found, staticmethod | classmethod) or inspect.isfunction(found)
        yield f"{name}.{member}{signature(getattr(value, member)) if called else ''}"


def members(value: type) -> set[str]:
    """Public attributes that are this package's, fields and properties among them."""
    named = {
        name
        for base in value.__mro__
        if base.__module__.startswith("upload_client")
        for name in {*vars(base), *getattr(base, "__annotations__", {})}
    }
    if dataclasses.is_dataclass(value):
        named |= {field.name for field in dataclasses.fields(value)}
    return {name for name in named if not name.startswith("_") and name != "model_config"}


def constructor(value: type) -> str:
    if issubclass(value, BaseException | enum.Enum) or getattr(value, "_is_protocol", False):
        return ""
    if issubclass(value, Settings):
        return "(**settings)"
    try:
        return signature(value)
    except (TypeError, ValueError):
        return ""


def signature(value: typing.Callable[..., object]) -> str:
    """Names of parameters; ``=`` where one may be left out."""
    shown = []
    star = False
    for parameter in inspect.signature(value).parameters.values():
        if parameter.name in {"self", "cls"}:
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            shown.append("*")
            star = True
        mark = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        star = star or mark == "*"
        shown.append(f"{mark}{parameter.name}{'' if parameter.default is parameter.empty else '='}")
    return f"({', '.join(shown)})"


def of_command(name: str, command: click.Command) -> Iterator[str]:
    options = (
        max(param.opts, key=len) if isinstance(param, click.Option) else f"<{param.name}>"
        for param in command.params
    )
    yield f"{name}: {' '.join(sorted(options))}"
    for each in sorted(getattr(command, "commands", {})):
        yield from of_command(f"{name} {each}", command.commands[each])


def test_what_is_public_is_what_is_written_down() -> None:
    now = list(lines())
    before = WRITTEN.read_text(encoding="utf-8").splitlines()
    gone = [line for line in before if line not in now]
    new = [line for line in now if line not in before]
    assert (gone, new) == ([], []), __doc__
    assert before == now


def test_each_public_name_has_a_docstring_and_stands_on_the_page_about_python() -> None:
    page = (Path(__file__).parents[1] / "docs/reference/python.md").read_text(encoding="utf-8")
    for name in upload_client.__all__:
        value = getattr(upload_client, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), name
        assert re.search(rf"`{name}\b", page), f"{name} is not on the page"


def test_what_is_loaded_late_is_what_a_type_checker_sees() -> None:
    """The names stand three times: for type checkers, as a list, and with their homes."""
    text = Path(upload_client.__file__).read_text(encoding="utf-8")
    checked = text[text.index("if TYPE_CHECKING:") : text.index("__all__ =")]
    imports = re.findall(r"import (\([^)]*\)|.*)", checked)
    imported = set(re.findall(r"\w+", " ".join(imports)))
    assert set(upload_client.__all__) <= imported
    assert set(upload_client.__all__) == set(upload_client._HOMES)


if __name__ == "__main__":
    WRITTEN.write_text("".join(f"{line}\n" for line in lines()), encoding="utf-8")
