"""The proof of a password without the password: SRP, as Cognito's user pools ask for it.

The arithmetic is SRP-6a's (RFC 5054, section 2.6) with SHA-256, in the group of 3,072 bits (RFC 3526, section
4) with generator 2. Where the RFC leaves a choice, a user pool has that of a Java number: bytes are those of
its two's complement, most significant first, so that a number whose first bit is set has a zero byte before
it. The key of the proof is taken from the shared secret by HKDF (RFC 5869), 16 bytes.

Who has not got the password learns nothing from what passes but whether one guess at it was right, the server
that asks included: neither its public number nor what is mixed from both may be zero.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import datetime
from string import hexdigits
from typing import Final

SECRET_BYTES: Final = 32
"""Bytes of a secret number: random, and new for each login. As many as RFC 5054, section 2.5.4, asks for."""

N: Final = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74"
    "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437"
    "4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05"
    "98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB"
    "9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
    "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718"
    "3995497CEA956AE515D2261898FA051015728E5A8AAAC42DAD33170D04507A33"
    "A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7"
    "ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864"
    "D87602733EC86A64521F2B18177B200CBBE117577A615D6C770988C0BAD946E2"
    "08E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF",
    16,
)
G: Final = 2
_MAX_DIGITS: Final = 2 * (N.bit_length() // 8 + 1)
_PURPOSE: Final = b"Caldera Derived Key"  # as every client of a user pool has it
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Malformed(ValueError):  # noqa: N818 — it reads as what it says
    """The server's numbers are none, or would prove nothing."""


def encoded(number: int) -> bytes:
    """The bytes of a number that is not negative."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def mixed(*numbers: int) -> int:
    """The hash of numbers, as a number."""
    return int.from_bytes(hashlib.sha256(b"".join(map(encoded, numbers))).digest(), "big")


K: Final = mixed(N, G)


def number(digits: str) -> int:
    """A number from its hexadecimal digits.

    Raises:
        Malformed: it is none, or too large for the group.
    """
    if len(digits) > _MAX_DIGITS or not set(digits) <= set(hexdigits):
        raise Malformed("no number of this login")
    return int(f"0{digits}", 16)


def public_number(secret: int) -> int:
    """The number that is shown for a secret one."""
    return pow(G, secret, N)


def password_number(pool: str, user_id: str, password: str, salt: int) -> int:
    """The number that stands for a password."""
    named = hashlib.sha256(f"{pool}{user_id}:{password}".encode()).digest()
    return int.from_bytes(hashlib.sha256(encoded(salt) + named).digest(), "big")


def derived(shared: int, u: int) -> bytes:
    """The key that both sides take from what they share."""
    extracted = hmac.digest(encoded(u), encoded(shared), "sha256")
    return hmac.digest(extracted, _PURPOSE + b"\x01", "sha256")[:16]


def shared_key(
    secret: int, pool: str, user_id: str, password: str, salt: str, theirs: str, *, ours: int | None = None
) -> bytes:
    """The key that the server has, too, if the password is the user's.

    Args:
        secret: number of this login.
        pool: id of the user pool, without its region.
        user_id: of the user, as the pool has it for this.
        password: of the user.
        salt: of the user, in hexadecimal digits.
        theirs: public number of the server, the same.
        ours: `public_number` of the secret; None: it is computed, which takes a quarter of all this.

    Raises:
        Malformed: the server's numbers are none, or would prove nothing.
    """
    b = number(theirs)
    u = mixed(public_number(secret) if ours is None else ours, b)
    if b % N == 0 or u == 0:
        raise Malformed("the server's number would prove nothing")
    x = password_number(pool, user_id, password, number(salt))
    return derived(pow((b - K * pow(G, x, N)) % N, secret + u * x, N), u)


def signature(key: bytes, pool: str, user_id: str, block: str, at: str) -> str:
    """The proof that one has the key, in base64.

    Args:
        key: `shared_key`.
        pool: id of the user pool, without its region.
        user_id: as above.
        block: the server's secret block, in base64.
        at: `moment` of the proof.

    Raises:
        Malformed: the block is none.
    """
    try:
        opened = base64.b64decode(block)
    except (binascii.Error, ValueError):
        raise Malformed("no block of this login") from None
    signed = f"{pool}{user_id}".encode() + opened + at.encode()
    return base64.b64encode(hmac.digest(key, signed, "sha256")).decode("ascii")


def moment(at: datetime) -> str:
    """A moment (UTC) as the proof has it, in English whatever the locale: ``Sun Nov 1 02:03:04 UTC 2026``."""
    return f"{_DAYS[at.weekday()]} {_MONTHS[at.month - 1]} {at.day} {at:%H:%M:%S} UTC {at.year}"
