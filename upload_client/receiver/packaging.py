"""The zip that the validator's Lambda functions run from.

It holds the modules of `upload_client.validator`, what they import of this package, and PyYAML, which is
pure Python. boto3 is in Lambda's runtime; pydantic and aws-lambda-powertools come with a layer, as do the
libraries that look into Parquet, FITS, ASDF and images, where they are wanted.
"""

from __future__ import annotations

import ast
import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import yaml

import upload_client

__all__ = ["LAYERS", "default_name", "lambda_zip", "modules"]

LAYERS = {
    "AWSLambdaPowertoolsPythonV3": "pydantic, aws-lambda-powertools",
    "a layer of your own (optional)": "pyarrow, astropy, asdf, jsonschema-rs, google-re2, pillow, msgspec",
}
"""Which layers bring what the zip does not."""

_PACKAGE = upload_client.__name__
_ROOT = Path(upload_client.__file__).parent
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""A zip's earliest time: the same code makes the same zip."""


def modules() -> dict[str, bytes]:
    """The files of the zip: their names in it, and what is in them."""
    found: dict[str, bytes] = {}
    # What opens a format is named in a table there, and imported by that name.
    rooms = (_ROOT / "validator", _ROOT / "expectations" / "formats")
    wanted = {_name(path) for room in rooms for path in room.rglob("*.py")}
    while wanted:
        path = _file(wanted.pop())
        name = "" if path is None else path.relative_to(_ROOT.parent).as_posix()
        if path is None or name in found:
            continue
        found[name] = path.read_bytes()
        wanted.update(_imported(ast.parse(found[name])))
        wanted.update(_parents(_name(path)))
    for path in Path(yaml.__file__).parent.glob("*.py"):
        found[f"yaml/{path.name}"] = path.read_bytes()
    return dict(sorted(found.items()))


def lambda_zip() -> bytes:
    """The zip itself; the same code makes the same bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in modules().items():
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return made.getvalue()


def default_name(content: bytes) -> str:
    """A name that changes with the code: CloudFormation updates functions when their key changes."""
    return f"upload-client-validator-{hashlib.sha256(content).hexdigest()[:12]}.zip"


def _name(path: Path) -> str:
    parts = path.relative_to(_ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _file(module: str) -> Path | None:
    path = _ROOT.parent.joinpath(*module.split("."))
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


def _parents(module: str) -> Iterator[str]:
    while "." in module:
        module = module.rpartition(".")[0]
        yield module


def _imported(tree: ast.AST) -> Iterator[str]:
    """Modules of this package imported anywhere, but not for types only; some names are no modules."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if name.partition(".")[0] == _PACKAGE)
        if not isinstance(node, ast.expr):  # in which nothing is imported
            yield from _imported(node)
