"""Signed receipts: what the receiver signs, in which form, and which bytes the signature is over.

The form is a DSSE envelope (https://github.com/secure-systems-lab/dsse) around an in-toto statement
(https://in-toto.io/Statement/v1) whose one subject is the receipt, by its SHA-256. So whoever has `openssl`
and `jq` can verify it without this program. Pure: no key is touched here.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from upload_client.core.receipt import ReceiptHead, receipt_name
from upload_client.core.text import is_whole
from upload_client.core.times import milliseconds
from upload_client.core.values import value

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = "urn:upload-client:receipt:1"

MAX_ENVELOPE: Final = 64 * 1024
"""Bytes of the largest envelope that is read: of ours has 2 KiB."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAX_SIGNATURES = 16


class BadSignature(ValueError):  # noqa: N818 - it reads as what it says
    """These bytes are no signature of a receipt, or not of this one; the text is for people."""


@value
class Statement:
    """A statement of the receiver about a receipt.

    Attributes:
        name: of the receipt's file.
        sha256: of the receipt, hex.
        dataset: name of the data set.
        delivery_id: name of the delivery.
        transfer_type: `staging` or `sample`.
        epoch: of the run that finished it.
        n_files: files that were held against the validators' verdicts, each.
        n_bytes: their bytes.
        signed_at: when, by the signer's clock, UTC with milliseconds.
        signer: version of the program that signed.
        expectations_sha256: of the document that the delivery as a whole was held against when it was
            signed, hex; None where there was none. By which the files were judged the receipt says, of each
            validator.
    """

    name: str
    sha256: str
    dataset: str
    delivery_id: str
    transfer_type: str
    epoch: int
    n_files: int
    n_bytes: int
    signed_at: str
    signer: str
    expectations_sha256: str | None = None

    @classmethod
    def of(
        cls,
        head: ReceiptHead,
        sha256: str,
        *,
        signed_at: str,
        signer: str,
        expectations_sha256: str | None = None,
    ) -> Statement:
        """The statement about a receipt."""
        return cls(
            name=receipt_name(head),
            sha256=sha256,
            dataset=head.dataset,
            delivery_id=head.delivery_id,
            transfer_type=head.transfer_type,
            epoch=head.epoch,
            n_files=head.n_files,
            n_bytes=head.n_bytes,
            signed_at=signed_at,
            signer=signer,
            expectations_sha256=expectations_sha256,
        )


@value
class Signature:
    """One signature of an envelope.

    Attributes:
        key_id: SHA-256 of the public key's SubjectPublicKeyInfo (DER), hex: a hint, believed by nobody.
        signature: its bytes.
    """

    key_id: str
    signature: bytes


@value
class Envelope:
    """A signed statement.

    Attributes:
        payload: the bytes of the statement, exactly as they were signed.
        signatures: at least one.
    """

    payload: bytes
    signatures: tuple[Signature, ...]


def signature_name(receipt: str) -> str:
    """Name of the signature's file, beside the receipt's."""
    return receipt.removesuffix(".json") + ".sig.json"


def timestamp_name(receipt: str) -> str:
    """Name of the time-stamp's file, beside the receipt's."""
    return receipt.removesuffix(".json") + ".tsr"


def pre_authentication(payload: bytes) -> bytes:
    """The bytes that are signed: DSSE's pre-authentication encoding of a statement."""
    kind = PAYLOAD_TYPE.encode("ascii")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def encode_statement(statement: Statement) -> bytes:
    """A statement as the bytes that are signed."""
    fields = {
        "dataset": statement.dataset,
        "delivery_id": statement.delivery_id,
        "transfer_type": statement.transfer_type,
        "epoch": statement.epoch,
        "n_files": statement.n_files,
        "n_bytes": statement.n_bytes,
        "signed_at": statement.signed_at,
        "signer": statement.signer,
        "expectations_sha256": statement.expectations_sha256,
    }
    return statement_of(statement.name, statement.sha256, PREDICATE, fields)


def statement_of(name: str, sha256: str, predicate_type: str, predicate: Mapping[str, object]) -> bytes:
    """An in-toto statement about a receipt, as the bytes that are signed."""
    document = {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": sha256}}],
        "predicateType": predicate_type,
        "predicate": predicate,
    }
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def decode_statement(payload: bytes) -> Statement:
    """Read a statement whose signature has been verified.

    Raises:
        BadSignature: it states something else, or more than this program knows to check.
    """
    statement = read_statement(
        payload,
        PREDICATE,
        {each for each in Statement.__annotations__ if each not in ("name", "sha256")},
        Statement,
    )
    try:
        _check(statement)
    except (TypeError, ValueError) as error:
        raise BadSignature(f"its statement is not as it should be: {str(error)[:200]}") from None
    return statement


_T = TypeVar("_T")


def read_statement(payload: bytes, predicate_type: str, known: set[str], of: Callable[..., _T]) -> _T:
    """Read an in-toto statement about a receipt whose signature has been verified.

    Args:
        payload: the bytes that were signed.
        predicate_type: the one that is wanted.
        known: names of the predicate; all of them stand in it, and no other.
        of: makes something of ``name`` and ``sha256`` of the receipt, and of the predicate's fields.

    Raises:
        BadSignature: it states something else, or more than this program knows to check.
    """
    fields = _object(payload, "the statement")
    _only(fields, {"_type", "subject", "predicateType", "predicate"}, "the statement")
    if (fields["_type"], fields["predicateType"]) != (STATEMENT, predicate_type):
        raise BadSignature(
            f"it states {_shown(fields['predicateType'])} in a {_shown(fields['_type'])}, which this"
            " program does not know here"
        )
    subjects = fields["subject"]
    if not isinstance(subjects, list) or len(subjects) != 1:
        raise BadSignature("it is not about one receipt alone")
    subject = subjects[0]
    _only(subject, {"name", "digest"}, "its subject")
    _only(subject["digest"], {"sha256"}, "its subject's digest")
    _only(fields["predicate"], known, "its predicate")
    return of(name=subject["name"], sha256=subject["digest"]["sha256"], **fields["predicate"])


def _check(statement: Statement) -> None:
    texts = ("name", "sha256", "dataset", "delivery_id", "transfer_type", "signed_at", "signer")
    for name in texts:
        text = getattr(statement, name)
        if not isinstance(text, str) or len(text) > 512 or not text.isprintable():
            raise ValueError(f"{name} is no valid text")
    for name in ("epoch", "n_files", "n_bytes"):
        if type(getattr(statement, name)) is not int or getattr(statement, name) < 0:
            raise ValueError(f"{name} is no valid number")
    expectations = statement.expectations_sha256
    if not _SHA256.fullmatch(statement.sha256) or (
        expectations is not None and not (isinstance(expectations, str) and _SHA256.fullmatch(expectations))
    ):
        raise ValueError("a SHA-256 is not valid")
    try:
        milliseconds(statement.signed_at)
    except ValueError:
        raise ValueError("signed_at is no valid time") from None


def why_not_of(statement: Statement, head: ReceiptHead, sha256: str) -> str | None:
    """Why a statement, rightly signed, is none about this receipt; None: it is about it."""
    if statement.sha256 != sha256:
        same = (statement.dataset, statement.delivery_id) == (head.dataset, head.delivery_id)
        of = "this delivery" if same else f"{statement.dataset}/{statement.delivery_id}"
        return (
            f"it is the signature of a receipt with SHA-256 {statement.sha256} (of {of}); this receipt has"
            f" {sha256}: it was changed after it was signed, or the signature is another's"
        )
    stated = (
        statement.dataset,
        statement.delivery_id,
        statement.transfer_type,
        statement.epoch,
        statement.n_files,
        statement.n_bytes,
    )
    held = (head.dataset, head.delivery_id, head.transfer_type, head.epoch, head.n_files, head.n_bytes)
    if stated != held:
        return "what is signed names another delivery than the receipt"
    return None


def encode_envelope(envelope: Envelope, *, one_line: bool = False) -> bytes:
    """An envelope as the bytes of a file, or as one line of it."""
    document = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(envelope.payload).decode("ascii"),
        "signatures": [
            {"keyid": each.key_id, "sig": base64.b64encode(each.signature).decode("ascii")}
            for each in envelope.signatures
        ],
    }
    spelling: dict[str, Any] = {"separators": (",", ":")} if one_line else {"indent": 1}
    return (json.dumps(document, ensure_ascii=True, **spelling) + "\n").encode("ascii")


def decode_envelope(data: bytes) -> Envelope:
    """Read an envelope. Believes nothing: what it says counts only once a signature is verified.

    Raises:
        BadSignature: it is none.
    """
    if len(data) > MAX_ENVELOPE:
        raise BadSignature(f"it has {len(data):,} bytes; a signature has at most {MAX_ENVELOPE:,}")
    fields = _object(data, "the file")
    _only(fields, {"payloadType", "payload", "signatures"}, "the envelope")
    if fields["payloadType"] != PAYLOAD_TYPE:
        raise BadSignature(f"its payload is {_shown(fields['payloadType'])}, not {PAYLOAD_TYPE}")
    try:
        payload = _bytes(fields["payload"])
        signatures = [_signature(each) for each in fields["signatures"]]
    except BadSignature:
        raise
    except (TypeError, ValueError) as error:
        raise BadSignature(f"the envelope is not as it should be: {str(error)[:200]}") from None
    if not 1 <= len(signatures) <= _MAX_SIGNATURES:
        raise BadSignature(f"it has {len(signatures):,} signatures")
    return Envelope(payload, tuple(signatures))


def _signature(fields: Any) -> Signature:  # noqa: ANN401 - of untrusted JSON
    _only(fields, {"keyid", "sig"}, "a signature")
    return Signature(_text(fields["keyid"])[:200], _bytes(fields["sig"]))


def _text(text: Any) -> str:  # noqa: ANN401 - of untrusted JSON
    if not isinstance(text, str) or not is_whole(text):
        raise TypeError("something stands where a text is due")
    return text


def _bytes(text: Any) -> bytes:  # noqa: ANN401 - of untrusted JSON
    try:
        return base64.b64decode(_text(text), validate=True)
    except ValueError:
        raise ValueError("a part of it is not base64") from None


def _object(data: bytes, what: str) -> dict[str, Any]:
    try:
        fields = json.loads(data.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise BadSignature(f"{what} is no JSON of a signature") from None
    if not isinstance(fields, dict):
        raise BadSignature(f"{what} is no JSON of a signature")
    return fields


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a name stands twice")
    return fields


def _only(fields: Any, known: set[str], what: str) -> None:  # noqa: ANN401 - of untrusted JSON
    if not isinstance(fields, dict):
        raise BadSignature(f"{what} is no object")
    if unknown := sorted(set(fields) - known):
        raise BadSignature(
            f"{what} says {_shown(unknown[0])}, which this program does not know, and so cannot check: use a"
            " newer upload-client"
        )
    if missing := sorted(known - set(fields)):
        raise BadSignature(f"{what} says no {missing[0]}")


def _shown(text: object) -> str:
    return repr(str(text)[:80])
