"""What we sign is what botocore would have signed."""

from __future__ import annotations

import datetime as dt
import re

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from upload_client.s3.sigv4 import UNSIGNED_PAYLOAD, Form, Keys, Signer, quote_key, quote_value

secrets = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=60)
printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40)
tokens = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
names = st.from_regex(r"x-amz-[a-z][a-z0-9-]{0,15}|if-match|if-none-match|content-type", fullmatch=True)
keys = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=80)
seconds = st.integers(946_684_800, 4_102_444_799)  # 2000 to 2099


@given(
    key=keys,
    headers=st.dictionaries(names, printable, max_size=8),
    body=st.binary(max_size=2000),
    upload=st.none() | st.tuples(st.integers(1, 10_000), tokens),
    access_key=st.from_regex(r"[A-Z0-9]{16,20}", fullmatch=True),
    secret=secrets,
    token=st.none() | tokens,
    region=st.from_regex(r"[a-z]{2}-[a-z]{4,9}-[1-9]", fullmatch=True),
    second=seconds,
    unsigned=st.booleans(),
)
def test_a_filled_form_bears_the_signature_botocore_makes(
    key, headers, body, upload, access_key, secret, token, region, second, unsigned
):
    import hashlib
    from unittest import mock

    headers = {name: value for name, value in headers.items() if name != "x-amz-security-token"}
    headers.pop("x-amz-date", None)
    headers.pop("x-amz-content-sha256", None)
    path = "/bucket/" + quote_key(key)
    query = "" if upload is None else f"partNumber={upload[0]}&uploadId={quote_value(upload[1])}"
    payload = UNSIGNED_PAYLOAD if unsigned else hashlib.sha256(body).hexdigest()

    # Botocore
    request = AWSRequest(
        "PUT", "https://s3.example.com:8443" + path + ("?" + query if query else ""), dict(headers), data=body
    )
    config = mock.Mock(s3={"payload_signing_enabled": not unsigned})
    request.context["client_config"] = config
    auth = botocore.auth.S3SigV4Auth(Credentials(access_key, secret, token), "s3", region)
    now = dt.datetime.fromtimestamp(second, dt.UTC).replace(tzinfo=None)
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=now):
        auth.add_auth(request)

    # Ours: half of the headers known beforehand, half filled in
    every = {"host": "s3.example.com:8443", **headers}
    if token is not None:
        every["x-amz-security-token"] = token
    gaps = sorted(["x-amz-content-sha256", "x-amz-date", *sorted(headers)[::2]])
    signer = Signer(Keys(access_key, secret, token), region)
    stamp = signer.stamp(second)
    # What is filled in later never has spaces that the signature would fold.
    late = {name: " ".join(value.split()) for name, value in headers.items()}
    late |= {"x-amz-content-sha256": payload, "x-amz-date": stamp.time}
    values = tuple(late[name] for name in gaps)
    form = Form("PUT", every, gaps, {"user-agent": "any"})
    head = form.fill(signer, stamp, path, query, payload, len(body), values).decode()

    sent = dict(line.split(":", 1) for line in head.split("\r\n")[1:] if line)
    assert sent["authorization"] == request.headers["Authorization"]
    assert sent["x-amz-date"] == request.headers["X-Amz-Date"]
    assert sent["x-amz-content-sha256"] == request.headers["X-Amz-Content-SHA256"]
    assert sent["content-length"] == str(len(body))
    assert head.startswith(f"PUT {path}{'?' + query if query else ''} HTTP/1.1\r\n")
    assert head.endswith("\r\n\r\n")
    # Every signed header is sent with the value that was signed.
    for name in re.search("SignedHeaders=([^,]*)", sent["authorization"])[1].split(";"):
        assert name in sent


@given(keys)
def test_keys_are_spelled_in_paths_as_botocore_spells_them(key):
    import botocore.utils

    assert quote_key(key) == botocore.utils.percent_encode(key, safe="/~")


@given(st.lists(seconds, min_size=2, max_size=6))
def test_a_signer_follows_the_time_wherever_it_goes(times):
    keys = Keys("AKID", "secret", None)
    signer = Signer(keys, "eu-central-1")
    for second in times:
        assert signer.stamp(second) == Signer(keys, "eu-central-1").stamp(second)


def test_a_secret_is_not_shown():
    assert "hidden" not in repr(Keys("AKID", "hidden", "hidden too"))
