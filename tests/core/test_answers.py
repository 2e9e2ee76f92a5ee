"""What answers mean: one table, for everything that asks a service for something."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core.answers import CODES, Meaning, is_code, meaning


@pytest.mark.parametrize(
    ("status", "code", "means"),
    [
        (200, "", Meaning.DONE),
        (204, "", Meaning.DONE),
        (0, "", Meaning.NO_ANSWER),
        (0, "EndpointConnectionError", Meaning.NO_ANSWER),
        (500, "InternalError", Meaning.NO_ANSWER),
        (500, "", Meaning.NO_ANSWER),
        (502, "502", Meaning.NO_ANSWER),
        (503, "SlowDown", Meaning.BUSY),
        (503, "SlowDownWrite", Meaning.BUSY),
        (503, "503", Meaning.BUSY),
        (429, "TooManyRequestsException", Meaning.BUSY),
        (429, "", Meaning.BUSY),
        (400, "TooManyRequestsException", Meaning.BUSY),
        (400, "ThrottlingException", Meaning.BUSY),
        (400, "KMS.ThrottlingException", Meaning.BUSY),
        (400, "BadDigest", Meaning.DAMAGED),
        (400, "XAmzContentChecksumMismatch", Meaning.DAMAGED),
        (400, "XAmzContentSHA256Mismatch", Meaning.DAMAGED),
        (400, "IncompleteBody", Meaning.DAMAGED),
        (400, "RequestTimeout", Meaning.DAMAGED),
        (408, "", Meaning.DAMAGED),
        (409, "ConditionalRequestConflict", Meaning.CONFLICT),
        (409, "", Meaning.CONFLICT),
        (412, "PreconditionFailed", Meaning.CONDITION),
        (412, "412", Meaning.CONDITION),
        (404, "NoSuchKey", Meaning.MISSING),
        (404, "NoSuchUpload", Meaning.MISSING),
        (404, "404", Meaning.MISSING),
        (404, "NoSuchBucket", Meaning.NO_BUCKET),
        (403, "AccessDenied", Meaning.DENIED),
        (403, "403", Meaning.DENIED),
        (400, "AccessDeniedException", Meaning.DENIED),
        (401, "", Meaning.DENIED),
        (400, "ExpiredToken", Meaning.ENDED),
        (403, "ExpiredTokenException", Meaning.ENDED),
        (403, "InvalidAccessKeyId", Meaning.UNKNOWN_KEYS),
        (0, "NoCredentials", Meaning.UNKNOWN_KEYS),
        (403, "SignatureDoesNotMatch", Meaning.SIGNATURE),
        (403, "RequestTimeTooSkewed", Meaning.CLOCK),
        (301, "PermanentRedirect", Meaning.OTHER_REGION),
        (301, "301", Meaning.OTHER_REGION),
        (307, "", Meaning.OTHER_REGION),
        (400, "AuthorizationHeaderMalformed", Meaning.OTHER_REGION),
        (403, "QuotaExceeded", Meaning.FULL),
        (507, "XMinioStorageFull", Meaning.FULL),
        (403, "InvalidObjectState", Meaning.ARCHIVED),
        (501, "NotImplemented", Meaning.UNFIT),
        (501, "", Meaning.UNFIT),
        (400, "InvalidRequest", Meaning.UNFIT),
        (502, "KMSAccessDeniedException", Meaning.REFUSED),
        (400, "NotAuthorizedException", Meaning.REFUSED),
        (400, "", Meaning.REFUSED),
        (0, "TooManyOpenFiles", Meaning.OWN_LIMIT),
        (0, "CertificateRefused", Meaning.UNTRUSTED),
        (0, "ProxyLogin", Meaning.PROXY_LOGIN),
    ],
)
def test_a_code_says_what_is_meant_and_the_status_where_the_code_is_not_known(status, code, means):
    assert meaning(status, code) is means


@pytest.mark.parametrize(
    "said", ["Signature expired: 2026 is now earlier than", "Signature not yet current: x"]
)
def test_a_signature_may_be_refused_for_its_time(said):
    assert meaning(400, "InvalidSignatureException", said) is Meaning.CLOCK
    assert meaning(403, "SignatureDoesNotMatch", said) is Meaning.CLOCK
    assert (
        meaning(400, "InvalidSignatureException", "The request signature we calculated") is Meaning.SIGNATURE
    )
    assert meaning(400, "InvalidRequest", said) is Meaning.UNFIT


def test_what_may_pass_is_no_answer_being_busy_damage_on_the_way_and_this_machines_limits():
    passing = {means for means in Meaning if means.passing}
    assert passing == {Meaning.NO_ANSWER, Meaning.BUSY, Meaning.DAMAGED, Meaning.OWN_LIMIT}


def test_nothing_is_both_passing_and_a_matter_of_credentials():
    assert {means for means in Meaning if means.credentials} == {Meaning.ENDED, Meaning.UNKNOWN_KEYS}
    assert not any(means.passing and means.unusual for means in Meaning)


def test_each_code_stands_in_the_table_once():
    from upload_client.core import answers

    codes = [code for codes in answers._BY_MEANING.values() for code in codes.split()]
    assert sorted(codes) == sorted(CODES)
    assert all(is_code(code) for code in codes)


@given(st.integers(0, 599), st.sampled_from([*CODES, "", "Strange", "403", "<html>"]), st.text(max_size=20))
def test_every_answer_means_something(status, code, message):
    means = meaning(status, code, message)
    assert means is Meaning.CLOCK or code not in CODES or means is CODES[code]


@pytest.mark.parametrize("code", ["AccessDenied", "KMS.ThrottlingException", "com.amazon#Fault", "a-b_c"])
def test_a_code_is_one_word(code):
    assert is_code(code)


@pytest.mark.parametrize("code", ["", "403", "<html>", "two words", "x" * 201, "_x"])
def test_what_a_portal_says_is_none(code):
    assert not is_code(code)
