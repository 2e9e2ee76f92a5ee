"""The proof of a password, held against another client's, which has logged in to Cognito for years."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pycognito import aws_srp

from upload_client.core import srp

POOL, BLOCK = "eu-central-1_AbCdEf123", base64.b64encode(bytes(range(200))).decode()


def test_the_group_is_that_of_the_rfc():
    assert int(aws_srp.N_HEX, 16) == srp.N
    assert srp.N.bit_length() == 3072
    assert (srp.N & (2**64 - 1), srp.N >> 3008) == (2**64 - 1, 2**64 - 1)  # RFC 3526: both ends are ones
    assert int(aws_srp.hex_hash(f"00{aws_srp.N_HEX}0{aws_srp.G_HEX}"), 16) == srp.K


SECRETS = st.integers(1, 256**srp.SECRET_BYTES - 1)
# An example is a dozen powers of numbers of 3,072 bits: thirty of them take as long as thousands of others.


@settings(max_examples=30)
@given(
    SECRETS,
    st.integers(1, srp.N - 1),
    st.integers(0, 2**128 - 1),
    st.text(min_size=1, max_size=30),
    st.text(st.characters(codec="utf-8"), max_size=40),
)
@example(1, srp.N - 1, 0x80, "ada", "Brave-Lantern-3")
@example(2**1024 - 1, 1, 0xABC, "ada", "\u00e4 \U0001f511")
def test_the_proof_is_the_other_clients(secret, theirs, salt, user_id, password):
    user_id = user_id.encode("utf-8", "ignore").decode()
    other = aws_srp.AWSSRP("ada", password, POOL, "client", client=SimpleNamespace())
    other.small_a_value, other.large_a_value = secret, srp.public_number(secret)
    assert other.get_auth_params()["SRP_A"] == f"{srp.public_number(secret):x}"
    asked = {
        "USERNAME": "inside",
        "USER_ID_FOR_SRP": user_id,
        "SALT": f"{salt:x}",
        "SRP_B": f"{theirs:x}",
        "SECRET_BLOCK": BLOCK,
    }
    expected = other.process_challenge(asked, {"USERNAME": "ada"})
    pool = POOL.partition("_")[2]
    key = srp.shared_key(secret, pool, user_id, password, asked["SALT"], asked["SRP_B"])
    assert (
        srp.signature(key, pool, user_id, BLOCK, expected["TIMESTAMP"])
        == expected["PASSWORD_CLAIM_SIGNATURE"]
    )


@given(st.datetimes(timezones=st.just(UTC)))
@example(datetime(2026, 11, 1, 2, 3, 4, tzinfo=UTC))
def test_a_moment_is_spelled_as_the_other_client_does(at):
    assert srp.moment(at) == aws_srp.AWSSRP.get_cognito_formatted_timestamp(at)


@settings(max_examples=30)
@given(SECRETS, SECRETS, st.text(max_size=20))
@example(5, 7, "")
def test_a_server_that_has_the_password_comes_to_the_same_key(a, b, password):
    """And one that has another one does not."""
    salt = 0xFEED
    verifier = srp.public_number(srp.password_number("pool", "id", password, salt))
    theirs = (srp.K * verifier + srp.public_number(b)) % srp.N
    u = srp.mixed(srp.public_number(a), theirs)
    key = srp.derived(pow(srp.public_number(a) * pow(verifier, u, srp.N), b, srp.N), u)
    assert srp.shared_key(a, "pool", "id", password, "feed", f"{theirs:x}") == key
    assert srp.shared_key(a, "pool", "id", password + "x", "feed", f"{theirs:x}") != key


@pytest.mark.parametrize("factor", [0, 1, 2])
def test_a_server_that_needs_no_password_proves_nothing(factor):
    """With a multiple of N the secret would be known to whoever sent it."""
    with pytest.raises(srp.Malformed, match=r"prove nothing|no number"):
        srp.shared_key(5, "pool", "id", "password", "feed", f"{factor * srp.N:x}")


def test_numbers_whose_mixture_is_nothing_prove_nothing(monkeypatch):
    monkeypatch.setattr(srp, "mixed", lambda *_: 0)
    with pytest.raises(srp.Malformed):
        srp.shared_key(5, "pool", "id", "password", "feed", "7")


@pytest.mark.parametrize("digits", ["xyz", "-5", "1_0", "f" * 10_000_000, "\u0660"])
def test_what_is_no_number_of_a_login_is_refused_before_it_costs_anything(digits):
    with pytest.raises(srp.Malformed):
        srp.number(digits)


@pytest.mark.parametrize("block", ["\u00e4", "A"])
def test_a_block_that_is_none_is_refused(block):
    with pytest.raises(srp.Malformed):
        srp.signature(b"", "pool", "id", block, "now")
