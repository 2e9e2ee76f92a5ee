"""Options for objects reach every object that is written, and every request that knows them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator

import pytest
from faults.proxy import Exchange, Proxy

from upload_client.sandbox import Sandbox

OPTIONS = """
[object_options]
ServerSideEncryption = "AES256"
ACL = "bucket-owner-full-control"
RequestPayer = "requester"
ExpectedBucketOwner = "123456789012"
Tagging = "a=b"
"""
OF_NEW_OBJECTS = {
    "x-amz-server-side-encryption": "AES256",
    "x-amz-acl": "bucket-owner-full-control",
    "x-amz-tagging": "a=b",
}
OF_ALL = {"x-amz-request-payer": "requester", "x-amz-expected-bucket-owner": "123456789012"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(settings={"multipart_threshold": 5 * 1024**2}) as made:
        yield made


@pytest.mark.parametrize("engine", ["direct", "boto3"])
@pytest.mark.parametrize("command", [(), ("check",)], ids=["deliver", "check"])
def test_options_reach_both_buckets(sandbox, data, tmp_path, run, monkeypatch, engine, command):
    (data / "large.bin").write_bytes(bytes(6 * 1024**2))
    monkeypatch.chdir(tmp_path)
    asked = []

    def note(x: Exchange) -> None:
        asked.append((x.request.method, x.request.path, x.request.query, x.request.headers))
        x.send(x.forward().raw)

    with Proxy(sandbox.endpoint_url) as network:
        network.on(
            note, when=lambda request: "/s3/aws4" in request.headers.get("authorization", ""), times=None
        )
        text = re.sub(r"https?://127\.0\.0\.1:\d+", network.url, sandbox.profile.read_text("utf-8"))
        profile = tmp_path / "profile.toml"
        profile.write_text(text + OPTIONS, encoding="utf-8")
        monkeypatch.setenv("UPLOAD_CLIENT_ENGINE", engine)
        place = ("--profile", profile, "--dataset", "sample", "--delivery-id", secrets.token_hex(6))
        said = run(*command, *place, "--source", data)
    assert said.code == 0, (said.err, said.out)
    made = set()
    for method, path, query, headers in asked:
        for name, value in OF_ALL.items():
            assert headers.get(name) == value, (name, method, path, query)
        if (method, query.startswith("uploads")) == ("POST", True) or (
            method == "PUT" and "partNumber" not in query
        ):
            made.add(path.split("/")[1])
            for name, value in OF_NEW_OBJECTS.items():
                assert headers.get(name) == value, (name, method, path, query)
    assert len(made) == 2, made
