"""Keys that sign receipts, and keys that verify signatures.

The private key is a file (PEM, PKCS 8, Ed25519 or ECDSA on P-256), a secret of AWS Secrets Manager that holds
the same, or a key of AWS KMS that never leaves it (ECC_NIST_P256). What is signed is
`upload_client.core.attestation`'s to say.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from upload_client.core.attestation import (
    MAX_ENVELOPE,
    BadSignature,
    Envelope,
    Signature,
    Statement,
    decode_envelope,
    decode_statement,
    encode_envelope,
    encode_statement,
    pre_authentication,
    why_not_of,
)
from upload_client.core.hints import install
from upload_client.core.receipt import ReceiptHead
from upload_client.errors import UsageError
from upload_client.s3.bucket import store_errors
from upload_client.support.atomic import naming
from upload_client.support.inputs import read_once
from upload_client.support.own_limits import advice

if TYPE_CHECKING:
    import boto3

_MAX_KEYS = 64 * 1024
_KMS_RAW = 4096  # bytes, https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html
_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)


_FORMS = (  # of a SubjectPublicKeyInfo: its first bytes, and how many it has
    (bytes.fromhex("302a300506032b6570032100"), 44),  # Ed25519, RFC 8410
    (bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004"), 91),  # P-256, RFC 5480
)


class LibraryNeeded(UsageError):  # noqa: N818 - as the errors of `upload_client.errors`
    """No signature can be checked here; KMS signs without that, in a function of Lambda, say."""


class SigningKey(Protocol):
    """Signs receipts."""

    @property
    def public(self) -> PublicKey:
        """The public key, which verifies its signatures."""

    def sign(self, data: bytes) -> bytes:
        """The signature over some bytes."""


class PublicKey(NamedTuple):
    """A public key, which verifies signatures.

    Attributes:
        der: its SubjectPublicKeyInfo.
        source: where it is from, for people.
    """

    der: bytes
    source: str = ""

    @property
    def key_id(self) -> str:
        """SHA-256 of its SubjectPublicKeyInfo, hex."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def pem(self) -> str:
        """The key as text."""
        pem: str = _serialization().pem_of(self.der)
        return pem

    @property
    def line(self) -> str:
        """The key as one line, for settings."""
        return base64.b64encode(self.der).decode("ascii")

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether a signature over some bytes is this key's."""
        holds: bool = _serialization().verifies(self.der, signature, data)
        return holds


class Signed(NamedTuple):
    """A signature that holds: what it states, and whose it is."""

    statement: Statement
    key: PublicKey


def sign(key: SigningKey, statement: Statement) -> bytes:
    """Sign a statement; the envelope, as the bytes of a file."""
    return sign_payload(key, encode_statement(statement))


def sign_payload(key: SigningKey, payload: bytes, *, one_line: bool = False) -> bytes:
    """Sign the bytes of a statement; the envelope, as the bytes of a file, or as one line of it."""
    signature = Signature(key.public.key_id, key.sign(pre_authentication(payload)))
    return encode_envelope(Envelope(payload, (signature,)), one_line=one_line)


def check_signature(data: bytes, keys: Sequence[PublicKey], head: ReceiptHead, sha256: str) -> Signed | None:
    """Verify a signature of a receipt with the trusted keys.

    Args:
        data: the envelope; no more than `MAX_ENVELOPE` bytes need be read of a file.
        keys: that are trusted.
        head: of the receipt.
        sha256: of the receipt, hex.

    Returns:
        What holds; None where nobody has said which keys are trusted.

    Raises:
        BadSignature: it is no signature, not by any of these keys, or of another receipt.
    """
    envelope = decode_envelope(data)
    if not keys:
        return None
    key = signed_by(envelope, keys)
    statement = decode_statement(envelope.payload)
    if why := why_not_of(statement, head, sha256):
        raise BadSignature(why)
    return Signed(statement, key)


def signed_by(envelope: Envelope, keys: Sequence[PublicKey]) -> PublicKey:
    """The first of the keys that are trusted which has signed an envelope.

    Raises:
        BadSignature: none has.
    """
    signed = pre_authentication(envelope.payload)
    for each in envelope.signatures:
        for key in keys:
            if key.verifies(each.signature, signed):
                return key
    named = ", ".join(sorted({each.key_id[:16] for each in envelope.signatures}))
    raise BadSignature(
        f"no key that is trusted has signed it: it names {named}, trusted are "
        + ", ".join(key.key_id[:16] for key in keys)
    )


def public_keys(text: str, source: str) -> list[PublicKey]:
    """The public keys in a text: one or several in PEM, as `upload-client receiver key export` writes them.

    Raises:
        UsageError: there is none, or one that cannot sign receipts.
    """
    found = _PEM.findall(text)
    if not found:
        raise UsageError(
            f"{source} holds no public key in PEM",
            hint="Give the file that the receiver has written by `upload-client receiver key export`.",
        )
    return [PublicKey(_serialization().public_der(pem, source), source) for pem in found]


def public_key_of_line(line: str, source: str) -> PublicKey:
    """A public key in one line, as settings hold it: its PEM without the first and the last line.

    Where the library that would check it is not (in a function of Lambda, say), it is known by its form, so
    that what it has signed is told from what others have by the key that it names.

    Raises:
        UsageError: it is none.
    """
    try:
        return public_keys(f"-----BEGIN PUBLIC KEY-----\n{line}\n-----END PUBLIC KEY-----", source)[0]
    except LibraryNeeded:
        with contextlib.suppress(ValueError):  # of base64
            der = base64.b64decode(line, validate=True)
            if any(der.startswith(start) and len(der) == size for start, size in _FORMS):
                return PublicKey(der, source)
        raise


def read_public_keys(paths: Iterable[Path]) -> list[PublicKey]:
    """The public keys in files.

    Raises:
        UsageError: a file cannot be read, or holds none.
    """
    return [key for path in paths for key in public_keys(_read(path), str(path))]


def read_signature(path: Path) -> bytes | None:
    """The envelope in a file, as far as one may be long; None where there is no such file.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return read_once(path, "the signature", limit=MAX_ENVELOPE + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"the signature {path} cannot be read: {error.strerror}") from None


def make_key(path: Path) -> PublicKey:
    """Make an Ed25519 key, and write the private one where nobody but its owner may read it.

    Raises:
        UsageError: something is there already, or nothing can be written there.
        OSError: it cannot be written whole; nothing is left of it.
    """
    pem, der = _serialization().make()
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UsageError(
            f"the key cannot be written to {path}: {error.strerror}", hint=advice(error)
        ) from None
    try:
        with naming(path), os.fdopen(file, "wb") as opened:
            opened.write(pem)
            opened.flush()
            os.fsync(opened.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise
    return PublicKey(der, str(path))


def open_key(name: str, session: boto3.Session | None = None, endpoints: Any = None) -> SigningKey:  # noqa: ANN401
    """Open a key to sign with.

    Args:
        name: path of a file; ARN of a secret; ARN, id or alias of a KMS key (``arn:aws:kms:…``, ``alias/…``).
        session: for those of AWS; None: the machine's.
        endpoints: the settings that say where the services are, as for `upload_client.s3.clients.client`.

    Raises:
        UsageError: there is no such key, or none that can sign receipts.
    """
    if re.match(r"arn:[a-z-]+:kms:|alias/", name):
        return _KmsKey(name, session, endpoints)
    if re.match(r"arn:[a-z-]+:secretsmanager:", name):
        client = _client("secretsmanager", session, endpoints)
        with store_errors("read the secret that holds the key"):
            text = client.get_secret_value(SecretId=name)["SecretString"]
        return _OwnKey(text, "the secret")
    path = Path(name)
    _check_private(path)
    return _OwnKey(_read(path), str(path))


class _OwnKey:
    def __init__(self, pem: str, source: str) -> None:
        self._key, der = _serialization().load_private(pem, source)
        self.public = PublicKey(der, source)

    def __repr__(self) -> str:
        return f"<a key that signs, {self.public.key_id[:16]}>"

    def sign(self, data: bytes) -> bytes:
        signature: bytes = _serialization().sign(self._key, data)
        return signature


class _KmsKey:
    def __init__(self, name: str, session: boto3.Session | None, endpoints: Any) -> None:  # noqa: ANN401
        self._name = name
        self._client = _client("kms", session, endpoints)
        with store_errors(f"ask KMS for the public key of {name}"):
            answer = self._client.get_public_key(KeyId=name)
        kind = answer.get("KeySpec") or answer.get("CustomerMasterKeySpec")
        if kind != "ECC_NIST_P256" or answer.get("KeyUsage") != "SIGN_VERIFY":
            raise UsageError(
                f"{name} is a KMS key for {answer.get('KeyUsage')} of type {kind}",
                hint="Receipts are signed with KeySpec ECC_NIST_P256 and KeyUsage SIGN_VERIFY.",
            )
        self.public = PublicKey(answer["PublicKey"], name)

    def sign(self, data: bytes) -> bytes:
        # The whole of it, where it is short enough: there are emulators that hash a digest once more.
        whole = len(data) <= _KMS_RAW
        with store_errors(f"have KMS sign with {self._name}"):
            signature: bytes = self._client.sign(
                KeyId=self._name,
                Message=data if whole else hashlib.sha256(data).digest(),
                MessageType="RAW" if whole else "DIGEST",
                SigningAlgorithm="ECDSA_SHA_256",
            )["Signature"]
        return signature


def _client(service: Any, session: boto3.Session | None, endpoints: Any) -> Any:  # noqa: ANN401 - boto3's are untyped
    import boto3  # noqa: PLC0415 - not for a key in a file

    from upload_client.s3 import clients  # noqa: PLC0415

    return clients.client(session or boto3.Session(), service, endpoints)


def _read(path: Path) -> str:
    try:
        return read_once(path, "a key", limit=_MAX_KEYS).decode("ascii", "replace")
    except OSError as error:
        raise UsageError(f"the key {path} cannot be read: {error.strerror}") from None


def _check_private(path: Path) -> None:
    """Refuse a private key that others on this machine can read."""
    if os.name != "posix":
        return
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise UsageError(f"the key {path} cannot be read: {error.strerror}") from None
    if stat.S_ISREG(mode) and mode & 0o077:
        raise UsageError(
            f"others on this machine can read the key {path}",
            hint=f"Take that from them: chmod 600 {path}",
        )


def _serialization() -> Any:  # noqa: ANN401 - a module
    """The library of the arithmetic, an extra."""
    try:
        from upload_client.receipts import keys  # noqa: PLC0415 - cryptography is an extra
    except ImportError:
        raise LibraryNeeded(
            "signatures need the library cryptography, which is not installed here",
            hint=install("signing"),
        ) from None
    return keys
