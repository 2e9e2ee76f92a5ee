"""Converts documents into schemas of other programs and back, and lists rules that cannot be converted.

`read` makes types of a document of a schema, `write` a schema of a type. Neither needs the other program.
"""

from __future__ import annotations

import json
from typing import Any, Literal

import yaml

from upload_client.expectations.document import MAX_BYTES, InvalidExpectations, load, read_label
from upload_client.expectations.exchange import frictionless, json_schema, pandera
from upload_client.expectations.exchange.common import Unsupported
from upload_client.expectations.fast_label import is_label
from upload_client.expectations.model import Expectations, FileType
from upload_client.support import yaml_document
from upload_client.support.yaml_document import Budget, InvalidYaml, Limits

__all__ = ["FORMS", "WRITTEN", "Form", "has_schema", "read", "write"]

Form = Literal["frictionless", "pandera", "jsonschema", "fast-label"]
FORMS: tuple[Form, ...] = ("frictionless", "pandera", "jsonschema", "fast-label")
WRITTEN: tuple[Form, ...] = FORMS[:3]
"""Those that are written, too."""
_MODULES: dict[Form, Any] = {"frictionless": frictionless, "pandera": pandera, "jsonschema": json_schema}
_MAX_VALUES = 50_000
_SECONDS = 10.0


def read(
    data: bytes, where: str, form: Form | None, *, kind: str | None = None, files: list[str] | None = None
) -> tuple[str, list[str]]:
    """A document made of a schema.

    Args:
        data: the schema, JSON or YAML.
        where: it lies, for messages.
        form: of the schema; None: as it looks.
        kind: the format of the files; None: what is usual for such a schema.
        files: globs of the files; None or empty: all of that format.

    Returns:
        The document's text, and what it does not say, a sentence each.

    Raises:
        InvalidExpectations: it is no such schema.
    """
    content = _content(data, where)
    form = form or _form_of(content, where)
    if form == "fast-label":
        document, lost_lines = read_label(data, where)
        return _text(document, lost_lines, where), lost_lines
    unsupported = Unsupported()
    module = _MODULES[form]
    if not module.is_schema(content):
        raise InvalidExpectations(where, [f"it is nothing that {form} knows"])
    try:
        types = module.read(content, kind, files or [], unsupported)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise InvalidExpectations(where, [f"it is nothing that {form} knows: {error}"]) from None
    return _text({"version": 1, "types": types}, unsupported.sentences, where), unsupported.sentences


def _content(data: bytes, where: str) -> Any:  # noqa: ANN401 — whatever a file holds
    if len(data) > MAX_BYTES:
        raise InvalidExpectations(where, [f"it has more than {MAX_BYTES:,} bytes"])
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        pass
    try:
        return yaml_document.read(data, Limits(MAX_BYTES, _MAX_VALUES, _SECONDS), Budget(_SECONDS))[1]
    except InvalidYaml as error:
        raise InvalidExpectations(where, [str(error)]) from None


def _form_of(content: Any, where: str) -> Form:  # noqa: ANN401 — whatever a file holds
    if isinstance(content, dict) and is_label(content):
        return "fast-label"
    for form in ("pandera", "frictionless", "jsonschema"):
        if _MODULES[form].is_schema(content):
            return form
    raise InvalidExpectations(
        where, [f"it is not recognised as one of {', '.join(FORMS)}; name its format (--from)"]
    )


def _text(document: dict[str, Any], unsupported: list[str], where: str) -> str:
    """The document as YAML, which is understood."""
    try:
        body = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
        head = "".join(f"# Not judged here: {' '.join(one.split())}\n" for one in unsupported)
        text = f"{head}{body}"
        load(text.encode("utf-8"), where)
    except RecursionError:
        raise InvalidExpectations(where, ["it is nested too deeply"]) from None
    except UnicodeEncodeError:
        raise InvalidExpectations(where, ["it holds half a character (a lone surrogate)"]) from None
    return text


def write(expectations: Expectations, name: str, form: Form) -> tuple[str, list[str]]:
    """A schema made of a type of a document.

    Args:
        expectations: the document.
        name: of the type.
        form: of the schema; one of `WRITTEN`.

    Returns:
        Its text (JSON; pandera's YAML), and what it does not say, a sentence each.

    Raises:
        ValueError: there is no such type, or its content is none that has a schema.
    """
    unsupported = Unsupported()
    file_type = next((one for one in expectations.types if one.name == name), None)
    if file_type is None:
        raise ValueError(
            f"there is no type {name!r}; there are {', '.join(one.name for one in expectations.types)}"
        )
    if not has_schema(file_type, form):
        described = "nothing" if file_type.content is None else f"the format {file_type.content.format}"
        raise ValueError(f"the type {name!r} has no columns: of its content the document says {described}")
    assert file_type.content is not None
    content = file_type.content.model_dump(by_alias=True, exclude_defaults=True, mode="python")
    content["format"] = file_type.content.format
    for key in ("count", "bytes", "total_bytes"):
        if key in file_type.model_fields_set:
            unsupported.add(key, "it is said of files")
    made = _MODULES[form].write(content, unsupported)
    if form == "pandera":
        return yaml.safe_dump(made, sort_keys=False, allow_unicode=True), unsupported.sentences
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n", unsupported.sentences


def has_schema(file_type: FileType, form: Form) -> bool:
    """Whether a schema of this form can say something of a type's content."""
    if file_type.content is None:
        return False
    kind = file_type.content.format
    return kind in ("csv", "tsv", "parquet") or (form == "jsonschema" and kind in ("json", "jsonl"))
