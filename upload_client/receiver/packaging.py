"""The zips that Lambda functions run from: the validator's, and that of the functions around a delivery.

The first holds the modules of `upload_client.validator`, what they import of this package, and PyYAML; the
second those of `upload_client.functions`, PyYAML and filelock. Both libraries are pure Python. boto3 is in
Lambda's runtime; pydantic and aws-lambda-powertools come with a layer, as do the libraries that look into
Parquet, FITS, ASDF and images, where they are wanted.

Lambda keeps nothing that Python has compiled, so that each new process of a function would compile all of it
again, a third of its start. Where a zip is made by the Python that Lambda has, it holds that as well.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import io
import marshal
import sys
import zipfile
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final, Literal

import upload_client
from upload_client.core.hints import install
from upload_client.errors import UsageError

Content = Literal["validator", "functions"]
"""Whose functions a zip holds."""

RUNTIME: Final = (3, 13)
"""The version of Python that the templates ask Lambda for."""

LAYERS = {
    "AWSLambdaPowertoolsPythonV3": "pydantic, aws-lambda-powertools",
    "a layer of your own (optional)": (
        "pyarrow, astropy, asdf, jsonschema-rs, google-re2, pillow, msgspec; cryptography, where a key signs"
        " that is not in KMS"
    ),
}
"""Which layers bring what the zip does not."""

FUNCTION_LAYERS = {
    "AWSLambdaPowertoolsPythonV3": "pydantic, aws-lambda-powertools",
    "a layer of your own (optional)": "isal: a faster CRC32; cryptography, for a key that is not in KMS",
}
"""The same, for the zip of the functions."""

_PACKAGE = upload_client.__name__
_ROOT = Path(upload_client.__file__).parent
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""A zip's earliest time: the same code makes the same zip."""


def modules(what: Content = "validator") -> dict[str, bytes]:
    """The files of a zip: their names in it, and what is in them.

    Raises:
        UsageError: a library that it needs is not installed here.
    """
    found: dict[str, bytes] = {}
    # What opens a format is named in a table there, and imported by that name; a router names functions.
    rooms, libraries = _CONTENTS[what]
    wanted = {_name(path) for room in rooms for path in _ROOT.joinpath(*room.split("/")).rglob("*.py")}
    while wanted:
        path = _file(wanted.pop())
        name = "" if path is None else path.relative_to(_ROOT.parent).as_posix()
        if path is None or name in found:
            continue
        found[name] = path.read_bytes()
        wanted.update(_imported(ast.parse(found[name])))
        wanted.update(_parents(_name(path)))
    for library in libraries:
        spec = importlib.util.find_spec(library)
        if spec is None or spec.origin is None:
            raise UsageError(
                f"the zip holds {library}, which is not installed here",
                hint=install("functions" if what == "functions" else "receiver"),
            )
        folder = Path(spec.origin).parent
        for path in folder.rglob("*.py"):
            found[f"{library}/{path.relative_to(folder).as_posix()}"] = path.read_bytes()
    # Ours first: by the first name in it the zip is known for one of ours.
    return dict(sorted(found.items(), key=lambda file: (not file[0].startswith(f"{_PACKAGE}/"), file[0])))


_CONTENTS: dict[Content, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "validator": (("validator", "expectations/formats"), ("yaml",)),
    "functions": (("functions",), ("filelock", "yaml")),
}
"""Rooms of this package that a zip holds, with all that they import, and libraries in pure Python."""


def lambda_zip(what: Content = "validator") -> bytes:
    """A zip itself; the same code and the same version of Python make the same bytes."""
    made = io.BytesIO()
    files = modules(what)
    if sys.version_info[:2] == RUNTIME:
        files |= _compiled(files)
    files |= _metadata()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return made.getvalue()


def _metadata() -> dict[str, bytes]:
    """For `importlib.metadata`: functions say in logs and signatures of which version they are."""
    number = version("upload-client")
    text = f"Metadata-Version: 2.1\nName: upload-client\nVersion: {number}\n"
    return {f"{_PACKAGE}-{number}.dist-info/METADATA": text.encode()}


def _compiled(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Compile modules, for the names under which Python looks for that.

    It says by itself that it need not be held against the source, whose time a zip does not keep
    (https://peps.python.org/pep-0552/). Marshal's version 2 has no references, which depend on what else is
    in memory.
    """
    found = {}
    for name, source in files.items():
        folder, _, file = name.rpartition("/")
        tag = sys.implementation.cache_tag
        code = compile(source, f"/var/task/{name}", "exec", dont_inherit=True)
        head = importlib.util.MAGIC_NUMBER + _UNCHECKED + importlib.util.source_hash(source)
        found[f"{folder}/__pycache__/{file.removesuffix('.py')}.{tag}.pyc"] = head + marshal.dumps(code, 2)
    return found


_UNCHECKED: Final = (0b01).to_bytes(4, "little")


def default_name(content: bytes, what: Content = "validator") -> str:
    """A name that changes with the code: CloudFormation updates functions when their key changes."""
    return f"upload-client-{what}-{hashlib.sha256(content).hexdigest()[:12]}.zip"


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
