"""What is signed of a receipt, and how an envelope is read that anybody may have written."""

from __future__ import annotations

import base64
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core.attestation import (
    MAX_ENVELOPE,
    PAYLOAD_TYPE,
    BadSignature,
    Envelope,
    Signature,
    Statement,
    decode_envelope,
    decode_statement,
    encode_envelope,
    encode_statement,
    pre_authentication,
    signature_name,
    timestamp_name,
    why_not_of,
)
from upload_client.core.receipt import IndexNamed, LogTail, ReceiptHead

T = "2026-01-02T03:04:05.678Z"
HEAD = ReceiptHead(
    *("D", "Y", "staging", 3, "a", T, 2, 9),
    *("s3://l/D/Y/", "s3://c/D/Y/", IndexNamed("staging/index/00000003.csv", "0" * 64)),
    *(LogTail(0, "1" * 64), (LogTail(0, "2" * 64),), (), ()),
)
STATEMENT = Statement.of(
    HEAD, "ab" * 32, signed_at=T, signer="upload-client 1", expectations_sha256="cd" * 32
)


def changed(document, *path, to):
    """A copy of a document in which one place says something else; `to` is ``None``: it is not there."""
    document = json.loads(json.dumps(document))
    place = document
    for name in path[:-1]:
        place = place[name]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return document


def test_a_statement_is_read_as_it_was_written():
    assert decode_statement(encode_statement(STATEMENT)) == STATEMENT
    plain = Statement.of(HEAD, "ab" * 32, signed_at=T, signer="x")
    assert decode_statement(encode_statement(plain)).expectations_sha256 is None


def test_it_is_an_in_toto_statement_about_the_receipts_file():
    said = json.loads(encode_statement(STATEMENT))
    assert said["_type"] == "https://in-toto.io/Statement/v1"
    assert said["subject"] == [
        {"name": "upload-client_D_Y_staging_00000003.receipt.json", "digest": {"sha256": "ab" * 32}}
    ]


def test_what_is_signed_is_the_encoding_of_dsse():
    # The example of https://github.com/secure-systems-lab/dsse, with our type.
    assert pre_authentication(b"hello world") == b"DSSEv1 28 application/vnd.in-toto+json 11 hello world"


@given(
    st.binary(max_size=99),
    st.lists(st.tuples(st.text("0123456789abcdef", max_size=64), st.binary()), min_size=1, max_size=4),
)
def test_an_envelope_is_read_as_it_was_written(payload, signatures):
    envelope = Envelope(payload, tuple(Signature(*each) for each in signatures))
    assert decode_envelope(encode_envelope(envelope)) == envelope


@given(st.binary(max_size=300))
def test_whatever_else_there_is_is_refused_in_words(data):
    with pytest.raises(BadSignature):
        decode_envelope(data)
    with pytest.raises(BadSignature):
        decode_statement(data)


ENVELOPE = json.loads(encode_envelope(Envelope(b"x", (Signature("k", b"s"),))))


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (changed(ENVELOPE, "payloadType", to="text/plain"), re.escape(f"not {PAYLOAD_TYPE}")),
        (changed(ENVELOPE, "payload", to=1), "a text is due"),
        (changed(ENVELOPE, "payload", to="?"), "is not base64"),
        (changed(ENVELOPE, "payload", to=None), "says no payload"),
        (changed(ENVELOPE, "signatures", to=[]), "0 signatures"),
        (changed(ENVELOPE, "signatures", to=[{"keyid": "k", "sig": ""}] * 17), "17 signatures"),
        (changed(ENVELOPE, "signatures", to=3), "not as it should be"),
        (changed(ENVELOPE, "signatures", to=[3]), "a signature is no object"),
        (changed(ENVELOPE, "signatures", 0, "keyid", to=1), "a text is due"),
        (changed(ENVELOPE, "critical", to=["x"]), "'critical', which this program does not know"),
        ([], "no JSON of a signature"),
    ],
)
def test_an_envelope_that_says_less_more_or_something_else_is_refused(document, why):
    with pytest.raises(BadSignature, match=why):
        decode_envelope(json.dumps(document).encode())


def test_a_name_that_stands_twice_and_a_file_without_end_are_refused():
    with pytest.raises(BadSignature, match="no JSON"):
        decode_envelope(b'{"payload":"","payload":""}')
    with pytest.raises(BadSignature, match="at most"):
        decode_envelope(b" " * (MAX_ENVELOPE + 1))


SAID = json.loads(encode_statement(STATEMENT))


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (changed(SAID, "_type", to="x"), "does not know"),
        (changed(SAID, "predicateType", to="x"), "does not know"),
        (changed(SAID, "subject", to=[]), "not about one receipt alone"),
        (changed(SAID, "subject", to=[SAID["subject"][0]] * 2), "not about one receipt alone"),
        (changed(SAID, "subject", to={"name": "x"}), "not about one receipt alone"),
        (changed(SAID, "subject", to=[3]), "its subject is no object"),
        (changed(SAID, "subject", 0, "digest", "md5", to="x"), "'md5', which this program does not know"),
        (changed(SAID, "subject", 0, "digest", "sha256", to="x"), "a SHA-256 is not valid"),
        (changed(SAID, "predicate", "expectations_sha256", to="x"), "a SHA-256 is not valid"),
        (changed(SAID, "predicate", "expectations_sha256", to=int("1" * 64)), "a SHA-256 is not valid"),
        (changed(SAID, "predicate", "more", to="x"), "'more', which this program does not know"),
        (changed(SAID, "predicate", "epoch", to=None), "says no epoch"),
        (changed(SAID, "predicate", "epoch", to=True), "epoch is no valid number"),
        (changed(SAID, "predicate", "n_files", to=-1), "n_files is no valid number"),
        (changed(SAID, "predicate", "signer", to="a\nb"), "signer is no valid text"),
        (changed(SAID, "predicate", "signer", to="x" * 513), "signer is no valid text"),
        (changed(SAID, "predicate", "signer", to=1), "signer is no valid text"),
        (changed(SAID, "predicate", "signed_at", to="yesterday"), "signed_at is no valid time"),
    ],
)
def test_a_statement_that_says_less_more_or_something_else_is_refused(document, why):
    with pytest.raises(BadSignature, match=why):
        decode_statement(json.dumps(document).encode())


def test_a_statement_is_about_one_receipt_alone():
    assert why_not_of(STATEMENT, HEAD, "ab" * 32) is None
    assert "changed after it was signed" in why_not_of(STATEMENT, HEAD, "ef" * 32)
    other = Statement.of(HEAD, "ef" * 32, signed_at=T, signer="x")
    other.dataset = "E"
    assert "of E/Y" in why_not_of(other, HEAD, "ab" * 32)
    other.sha256 = "ab" * 32
    assert "names another delivery" in why_not_of(other, HEAD, "ab" * 32)


def test_a_signature_lies_beside_its_receipt():
    assert signature_name("a.receipt.json") == "a.receipt.sig.json"
    assert signature_name("a") == "a.sig.json"
    assert timestamp_name("a.receipt.json") == "a.receipt.tsr"


def test_an_envelope_may_be_one_line():
    envelope = Envelope(b"x", (Signature("k", b"s"),))
    line = encode_envelope(envelope, one_line=True)
    assert (line.count(b"\n"), line[-1:]) == (1, b"\n")
    assert decode_envelope(line) == envelope


def test_a_keys_name_is_kept_no_longer_than_it_can_be():
    long = changed(ENVELOPE, "signatures", 0, "keyid", to="k" * 999)
    assert len(decode_envelope(json.dumps(long).encode()).signatures[0].key_id) == 200
    assert base64.b64decode(ENVELOPE["payload"]) == b"x"
