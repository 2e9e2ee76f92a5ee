"""moto's user pool, made to refuse a wrong password.

A user pool never sees the password: both sides prove to each other that they know it, by SRP (RFC 5054) with
the hashes that Cognito has for it. moto asks for that proof and looks at none: any password logs in. What is
needed for the server's half is what pycognito, whose client half this is held against, has already.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any

from moto.cognitoidp.exceptions import NotAuthorizedError, UserNotFoundError
from moto.cognitoidp.models import CognitoIdpBackend
from pycognito import aws_srp

__all__ = ["check_passwords"]

_N = int(aws_srp.N_HEX, 16)
_G = int(aws_srp.G_HEX, 16)
_K = int(aws_srp.hex_hash(f"00{aws_srp.N_HEX}0{aws_srp.G_HEX}"), 16)
_WRONG = "Incorrect username or password."  # Cognito's words, which do not say which of the two


@dataclass(frozen=True)
class _Challenge:
    """A login that has begun, as the server has to remember it."""

    pool: str
    """The pool's id, without its region."""
    user_id: str
    password: str
    salt: str
    """In hexadecimal digits."""
    theirs: int
    """The client's public number, A."""
    secret: int
    """The server's own, b."""

    @property
    def verifier(self) -> int:
        name_and_password = aws_srp.hash_sha256(f"{self.pool}{self.user_id}:{self.password}".encode())
        return pow(_G, int(aws_srp.hex_hash(aws_srp.pad_hex(self.salt) + name_and_password), 16), _N)

    @property
    def ours(self) -> int:
        """The server's public number, B."""
        return (_K * self.verifier + pow(_G, self.secret, _N)) % _N

    def is_answered(self, block: str, timestamp: str, signature: str) -> bool:
        """Has whoever signed this the password?"""
        u = aws_srp.calculate_u(self.theirs, self.ours)
        shared = pow(self.theirs * pow(self.verifier, u, _N), self.secret, _N)
        key = aws_srp.compute_hkdf(
            bytes.fromhex(aws_srp.pad_hex(shared)), bytes.fromhex(aws_srp.pad_hex(aws_srp.long_to_hex(u)))
        )
        signed = f"{self.pool}{self.user_id}".encode() + base64.b64decode(block) + timestamp.encode()
        expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
        return hmac.compare_digest(expected, signature.encode())


_begun: dict[str, _Challenge] = {}
"""By secret block."""
_moto_initiates = CognitoIdpBackend.initiate_auth
_moto_responds = CognitoIdpBackend.respond_to_auth_challenge


def check_passwords() -> None:
    """Have moto's user pools refuse a wrong password, for this whole process."""
    CognitoIdpBackend.initiate_auth = _initiate  # type: ignore[method-assign]
    CognitoIdpBackend.respond_to_auth_challenge = _respond  # type: ignore[method-assign]


def _initiate(
    self: CognitoIdpBackend, client_id: str, auth_flow: str, auth_parameters: dict[str, str]
) -> dict[str, Any]:
    try:
        answer = _moto_initiates(self, client_id, auth_flow, auth_parameters)
    except UserNotFoundError:
        raise NotAuthorizedError(_WRONG) from None  # as with PreventUserExistenceErrors
    if answer.get("ChallengeName") != "PASSWORD_VERIFIER":
        return answer
    parameters = answer["ChallengeParameters"]
    _, pool = self.sessions[answer["Session"]]
    user = self.admin_get_user(pool.id, auth_parameters["USERNAME"])
    theirs = int(auth_parameters["SRP_A"], 16)
    if theirs % _N == 0:  # whoever sends it needs no password
        raise NotAuthorizedError(_WRONG)
    challenge = _begun[parameters["SECRET_BLOCK"]] = _Challenge(
        pool=pool.id.partition("_")[2],
        user_id=user.id,
        password=user.password or "",
        salt=secrets.token_hex(16),
        theirs=theirs,
        secret=secrets.randbits(1024),
    )
    parameters |= {"SALT": challenge.salt, "SRP_B": aws_srp.long_to_hex(challenge.ours)}
    return answer


def _respond(
    self: CognitoIdpBackend,
    session: str,
    client_id: str,
    challenge_name: str,
    challenge_responses: dict[str, str],
) -> dict[str, Any]:
    if challenge_name == "PASSWORD_VERIFIER":
        block = challenge_responses.get("PASSWORD_CLAIM_SECRET_BLOCK", "")
        timestamp = challenge_responses.get("TIMESTAMP", "")
        signature = challenge_responses.get("PASSWORD_CLAIM_SIGNATURE", "")
        challenge = _begun.pop(block, None)
        if challenge is None or not challenge.is_answered(block, timestamp, signature):
            raise NotAuthorizedError(_WRONG)
    return _moto_responds(self, session, client_id, challenge_name, challenge_responses)
