"""A receipt in the forms of others: CSV, a Frictionless package, an RO-Crate, a BagIt bag.

Each is written whole or not at all, from the receipt as it is read, a file at a time. Where a folder with
the data is given, every file of it is read: what is not as the receipt says is refused. SHA-256 is told where
the receipt has it, or the data are at hand.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mimetypes
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from upload_client.core import checksums
from upload_client.core.attestation import signature_name, timestamp_name
from upload_client.core.custody import chain_name
from upload_client.core.receipt import Delivered, ReceiptHead
from upload_client.core.receipt_differences import compare_content, compare_size
from upload_client.core.text import for_csv_cell, for_terminal
from upload_client.errors import UsageError
from upload_client.receipts.store import open_receipt
from upload_client.support.atomic import replacing
from upload_client.support.local_file import FileRefused
from upload_client.transfer.dataroot import DataRoot

_BLOCK = 1024 * 1024
_CSV = (
    "path",
    "size",
    "crc32",
    "etag",
    "version_id",
    "upload",
    "sent_at",
    "judged_at",
    "judged_by",
    "opened",
)


class _File(NamedTuple):
    """A file of the receipt, and its SHA-256, hex, where that is known."""

    delivered: Delivered
    sha256: str | None


def export(
    receipt: Path, form: str, target: Path, source: Path | None = None, *, follow: bool = False
) -> None:
    """Write a receipt in another form.

    Args:
        receipt: its file.
        form: one of `FORMS`.
        target: the file; of a bag, the folder, which must not be there.
        source: the folder with the data; a bag needs it.
        follow: whether symlinks there may lead out of it, as they might when it was delivered.

    Raises:
        UsageError: the receipt is none, or a file of the source is not as it says.
        OSError: it cannot be written there.
    """
    FORMS[form](receipt, target, None if source is None else DataRoot(source, follow=follow))


def _files(files: Iterator[Delivered], root: DataRoot | None) -> Iterator[_File]:
    for each in files:
        yield _File(each, each.sha256 if root is None else _sha256(root, each))


def _sha256(root: DataRoot, each: Delivered, copy: Path | None = None) -> str:
    """SHA-256 of a file that is as the receipt says; with `copy`, its content goes there, too."""
    digest, crc = hashlib.sha256(), 0
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(root.open(each.path))
        except (FileRefused, OSError) as error:
            raise _differs(each, getattr(error, "strerror", None) or str(error)) from None
        if wrong := compare_size(each, file.fingerprint.size):
            raise _differs(each, wrong.message)
        written = None if copy is None else stack.enter_context(copy.open("xb"))
        for start in range(0, each.size, _BLOCK):
            block = file.read(min(_BLOCK, each.size - start), start)
            digest.update(block)
            crc = checksums.crc32(block, crc)
            if written is not None:
                written.write(block)
        if wrong := compare_content(each, checksums.encode(crc), digest.hexdigest()):
            raise _differs(each, wrong.message)
    return digest.hexdigest()


def _differs(each: Delivered, why: str) -> UsageError:
    return UsageError(
        f"the source is not what was delivered: {each.path}: {why}",
        hint="Give the folder as it was delivered; `upload-client verify RECEIPT --source DIR` says more.",
    )


# ---------------------------------------------------------------------------------------------------- CSV


def _csv(receipt: Path, target: Path, source: DataRoot | None) -> None:
    with open_receipt(receipt) as files, replacing(target) as out:
        out.write(",".join((*_CSV, "sha256")) + "\r\n")
        for each, sha256 in _files(iter(files), source):
            cells = [*(getattr(each, name) for name in _CSV), sha256]
            out.write(",".join(map(_cell, cells)) + "\r\n")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    return '"' + for_csv_cell(str(value)).replace('"', '""') + '"'


# ------------------------------------------------------------------------------------------- Frictionless


def _frictionless(receipt: Path, target: Path, source: DataRoot | None) -> None:
    """https://specs.frictionlessdata.io/data-package/."""
    with open_receipt(receipt) as files, replacing(target) as out:
        head = files.head
        fields = {
            "profile": "data-package",
            "name": _slug(head),
            "title": f"Delivery {head.delivery_id} of {head.dataset}",
            "created": head.finished_at,
        }
        out.write(json.dumps(fields, indent=1)[:-2] + ',\n "resources": [')
        for n, (each, sha256) in enumerate(_files(iter(files), source), 1):
            if not _NAMEABLE.match(each.path):
                raise UsageError(
                    f"no data package can name {for_terminal(each.path)}: paths there begin with no '.'"
                    " or '~', and hold no backslash, '://' or line break",
                    hint="Write another form, or deliver it under another name.",
                )
            # Not as a table: the receipt says what bytes it has, not that frictionless can read rows in them.
            resource: dict[str, Any] = {
                "name": f"file-{n}",
                "type": "file",
                "path": each.path,
                "bytes": each.size,
            }
            if sha256 is not None:
                resource["hash"] = f"sha256:{sha256}"
            out.write("," * (n > 1) + "\n  " + json.dumps(resource))
        out.write("\n ]\n}\n")


_NAMEABLE = re.compile(r"(?=[^./~])(?!file:)(?:(?!\\|://|[\r\n]).)*\Z")
"""https://datapackage.org/profiles/2.0/dataresource.json, ``path``."""


def _slug(head: ReceiptHead) -> str:
    return f"{head.dataset}_{head.delivery_id}".lower()


# ------------------------------------------------------------------------------------------------ RO-Crate


def _ro_crate(receipt: Path, target: Path, source: DataRoot | None) -> None:
    """https://www.researchobject.org/ro-crate/specification/1.2/, with its provenance of a process run."""
    with open_receipt(receipt) as files:
        head = files.head
        paths = [each.path for each in files]
    program = f"#{_version(head)}"
    agent = _agent(head)
    about: list[dict[str, Any]] = [
        {
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.2"},
            "about": {"@id": "./"},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": f"Delivery {head.delivery_id} of {head.dataset}",
            "description": f"{head.n_files} files ({head.n_bytes} bytes), each in S3 with its checksum"
            " confirmed and judged valid by the receiver, as the receipt says.",
            "datePublished": head.finished_at,
            "license": "not stated: ask the provider",
            "mentions": {"@id": "#delivery"},
            "hasPart": [{"@id": _quoted(path)} for path in paths],
        },
        {
            "@id": "#delivery",
            "@type": "CreateAction",
            "name": f"Delivery {head.delivery_id} of {head.dataset}",
            "endTime": head.finished_at,
            "instrument": {"@id": program},
            **({"agent": {"@id": agent["@id"]}} if agent else {}),
            "result": {"@id": "./"},
            "actionStatus": {"@id": "http://schema.org/CompletedActionStatus"},
        },
        {
            "@id": program,
            "@type": "SoftwareApplication",
            "name": "upload-client",
            "version": _version(head),
            "url": f"urn:upload-client:{_version(head)}",  # software has to have one
        },
        *([agent] if agent else []),
    ]
    with open_receipt(receipt) as files, replacing(target) as out:
        out.write('{\n "@context": "https://w3id.org/ro/crate/1.2/context",\n "@graph": [\n  ')
        out.write(",\n  ".join(json.dumps(entity) for entity in about))
        for each, sha256 in _files(iter(files), source):
            entity: dict[str, Any] = {
                "@id": _quoted(each.path),
                "@type": "File",
                "name": each.path,
                "encodingFormat": mimetypes.guess_type(each.path)[0] or "application/octet-stream",
                "contentSize": str(each.size),
                "sdDatePublished": each.judged_at,
            }
            if sha256 is not None:
                entity["sha256"] = sha256
            out.write(",\n  " + json.dumps(entity))
        out.write("\n ]\n}\n")


def _agent(head: ReceiptHead) -> dict[str, Any] | None:
    """The provider's login as the receipt tells it, which may be hashed, or not at all."""
    login = head.delivered_by.login
    if not login:
        return None
    return {
        "@id": "#provider",
        "@type": "Person",
        "name": login,
        "description": "the login that delivered, as the client says; nobody proves it",
    }


def _quoted(path: str) -> str:
    """A path as an identifier: a URI reference in which letters beyond ASCII stay as they are."""
    from urllib.parse import quote  # noqa: PLC0415 - for this form alone

    return "".join(
        each if each > "\x9f" and each.isprintable() else quote(each, safe="/", errors="surrogatepass")
        for each in path
    )


def _version(head: ReceiptHead) -> str:
    return head.versions.get("upload-client", "unknown")


# -------------------------------------------------------------------------------------------------- BagIt


def _bagit(receipt: Path, target: Path, source: DataRoot | None) -> None:
    """RFC 8493. The receipt and its signature are tag files of the bag."""
    if source is None:
        raise UsageError("a bag holds the data", hint="Say where they are: --source DIR.")
    if target.exists():
        raise UsageError(
            f"{target} is there: it is not replaced", hint="Name a folder that is not there yet."
        )
    made = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        made.mkdir(parents=True)
        _fill_bag(receipt, made, source)
        made.rename(target)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _fill_bag(receipt: Path, bag: Path, root: DataRoot) -> None:
    manifest = bag / "manifest-sha256.txt"
    with (
        open_receipt(receipt) as files,
        manifest.open("w", encoding="utf-8", newline="") as out,
    ):
        head = files.head
        for each in files:
            copy = bag / "data" / each.path
            copy.parent.mkdir(parents=True, exist_ok=True)
            out.write(f"{_sha256(root, each, copy)}  data/{_in_manifest(each.path)}\n")
    (bag / "bagit.txt").write_text(
        "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n", encoding="utf-8"
    )
    (bag / "bag-info.txt").write_text(
        f"External-Identifier: {head.dataset}/{head.delivery_id}\n"
        f"Bagging-Date: {head.finished_at[:10]}\n"
        f"Payload-Oxum: {head.n_bytes}.{head.n_files}\n"
        f"Bag-Software-Agent: upload-client {_version(head)}\n",
        encoding="utf-8",
    )
    shutil.copyfile(receipt, bag / "receipt.json")
    for companion in (signature_name, chain_name, timestamp_name):
        if (there := receipt.with_name(companion(receipt.name))).exists():
            shutil.copyfile(there, bag / companion("receipt.json"))
    tags = sorted(path.name for path in bag.iterdir() if path.is_file())
    lines = [f"{_sha256_of(bag / name)}  {name}\n" for name in tags]
    (bag / "tagmanifest-sha256.txt").write_text("".join(lines), encoding="utf-8")


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _in_manifest(path: str) -> str:
    """A path as RFC 8493, 2.1.3, spells it."""
    return path.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")


FORMS: dict[str, Callable[[Path, Path, DataRoot | None], None]] = {
    "csv": _csv,
    "frictionless": _frictionless,
    "ro-crate": _ro_crate,
    "bagit": _bagit,
}
"""The forms that there are, by name."""
