"""moto's user pool, made to refuse a wrong password.

A user pool never sees the password: both sides prove to each other that they know it, by SRP (RFC 5054) with
the hashes that Cognito has for it. moto asks for that proof and looks at none: any password logs in. The
numbers are those of `upload_client.core.srp`, which tests hold against another client's.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from moto.cognitoidp.exceptions import NotAuthorizedError, UserNotFoundError
from moto.cognitoidp.models import CognitoIdpBackend

from upload_client.core import srp

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

    @cached_property
    def verifier(self) -> int:
        x = srp.password_number(self.pool, self.user_id, self.password, srp.number(self.salt))
        return srp.public_number(x)

    @cached_property
    def ours(self) -> int:
        """The server's public number, B."""
        return (srp.K * self.verifier + srp.public_number(self.secret)) % srp.N

    def is_answered(self, block: str, timestamp: str, signature: str) -> bool:
        """Has whoever signed this the password?"""
        u = srp.mixed(self.theirs, self.ours)
        key = srp.derived(pow(self.theirs * pow(self.verifier, u, srp.N), self.secret, srp.N), u)
        expected = srp.signature(key, self.pool, self.user_id, block, timestamp)
        return hmac.compare_digest(expected.encode(), signature.encode())


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
    if theirs % srp.N == 0:  # whoever sends it needs no password
        raise NotAuthorizedError(_WRONG)
    challenge = _begun[parameters["SECRET_BLOCK"]] = _Challenge(
        pool=pool.id.partition("_")[2],
        user_id=user.id,
        password=user.password or "",
        salt=secrets.token_hex(16),
        theirs=theirs,
        secret=secrets.randbits(8 * srp.SECRET_BYTES),
    )
    parameters |= {"SALT": challenge.salt, "SRP_B": f"{challenge.ours:x}"}
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
