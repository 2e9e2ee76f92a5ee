"""The arithmetic of signatures, by the library cryptography (extra ``signing``): Ed25519, ECDSA on P-256."""

from __future__ import annotations

from typing import TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

from upload_client.errors import UsageError

_Private: TypeAlias = Ed25519PrivateKey | ec.EllipticCurvePrivateKey
_Public: TypeAlias = Ed25519PublicKey | ec.EllipticCurvePublicKey
_WHICH = "Receipts are signed with Ed25519, or with ECDSA on P-256."


def make() -> tuple[bytes, bytes]:
    """A new Ed25519 key: the private one in PEM, the public one in DER."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), _der(key.public_key())


def load_private(pem: str, source: str) -> tuple[_Private, bytes]:
    """A private key, and the public one that belongs to it, in DER.

    Raises:
        UsageError: it is none that can sign receipts. Nothing of it is told.
    """
    try:
        key = load_pem_private_key(pem.encode("ascii", "replace"), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UsageError(
            f"{source} holds no private key in PEM that can be read without a passphrase", hint=_WHICH
        ) from None
    if isinstance(key, Ed25519PrivateKey) or (
        isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)
    ):
        return key, _der(key.public_key())
    raise UsageError(f"the key in {source} is of another kind", hint=_WHICH)


def sign(key: _Private, data: bytes) -> bytes:
    """The signature over some bytes."""
    return key.sign(data) if isinstance(key, Ed25519PrivateKey) else key.sign(data, ec.ECDSA(hashes.SHA256()))


def public_der(pem: str, source: str) -> bytes:
    """A public key in DER.

    Raises:
        UsageError: it is none that can sign receipts.
    """
    try:
        key = load_pem_public_key(pem.encode("ascii", "replace"))
    except (ValueError, UnsupportedAlgorithm):
        raise UsageError(f"{source} holds a public key that cannot be read", hint=_WHICH) from None
    if isinstance(key, Ed25519PublicKey) or (
        isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    ):
        return _der(key)
    raise UsageError(f"the key in {source} is of another kind", hint=_WHICH)


def pem_of(der: bytes) -> str:
    """A public key in PEM."""
    pem = load_der_public_key(der).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode("ascii")


def verifies(der: bytes, signature: bytes, data: bytes) -> bool:
    """Whether a signature over some bytes is this key's."""
    key = load_der_public_key(der)
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, data)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _der(key: _Public) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
