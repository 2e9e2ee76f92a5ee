"""What the sandbox refuses, as AWS would: a wrong password, a data set that nobody was invited to deliver."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import forked
import pytest
from botocore.exceptions import ClientError

from upload_client.aws.auth import open_session
from upload_client.errors import LoginRefused
from upload_client.s3.clients import s3_client
from upload_client.sandbox import Sandbox
from upload_client.settings import Settings, load_settings


@pytest.fixture(scope="module")
def strict() -> Iterator[Sandbox]:
    with Sandbox(dataset="demo", only_dataset=True) as made:
        yield made


def settings_with(sandbox: Sandbox, **more: str) -> Settings:
    environment = {f"UPLOAD_CLIENT_{name.upper()}": value for name, value in more.items()}
    return load_settings(profile=sandbox.profile, environ=environment)


@pytest.mark.parametrize("wrong", [" ", "Aa1!", "Aa1!" + "0" * 32, "Größe"])
def test_a_wrong_password_does_not_log_in(strict, wrong):
    with pytest.raises(LoginRefused, match="Incorrect username or password") as refused:
        open_session(settings_with(strict, password=wrong))
    assert "password" in refused.value.hint


def test_nor_does_a_name_that_nobody_has_and_it_is_not_told_which_of_the_two_is_wrong(strict):
    with pytest.raises(LoginRefused, match="Incorrect username or password"):
        open_session(settings_with(strict, username="nobody"))


def test_the_right_password_logs_in_each_time(strict):
    for _ in range(3):  # the numbers of a login are others each time
        assert open_session(load_settings(profile=strict.profile, environ={})).get_credentials()


def answer_of(sandbox: Sandbox, **parameters: str) -> dict:
    """The answer to the beginning of a login."""
    return sandbox.client("cognito-idp").initiate_auth(
        AuthFlow="USER_SRP_AUTH",
        ClientId=sandbox.settings.user_pool_client_id,
        AuthParameters={"USERNAME": "provider", **parameters},
    )


def test_an_answer_without_the_password_is_refused_also_when_it_is_given_twice(strict):
    challenge = answer_of(strict, SRP_A="abcdef")["ChallengeParameters"]
    responses = {
        "TIMESTAMP": "Sat Nov 28 10:00:00 UTC 2026",
        "USERNAME": challenge["USERNAME"],
        "PASSWORD_CLAIM_SECRET_BLOCK": challenge["SECRET_BLOCK"],
        "PASSWORD_CLAIM_SIGNATURE": base64.b64encode(bytes(32)).decode(),
    }
    idp = strict.client("cognito-idp")
    for _ in range(2):
        with pytest.raises(idp.exceptions.NotAuthorizedException):
            idp.respond_to_auth_challenge(
                ClientId=strict.settings.user_pool_client_id,
                ChallengeName="PASSWORD_VERIFIER",
                ChallengeResponses=responses,
            )


def test_the_number_that_would_need_no_password_is_refused(strict):
    with pytest.raises(strict.client("cognito-idp").exceptions.NotAuthorizedException):
        answer_of(strict, SRP_A="0")


@pytest.fixture(scope="module")
def provider(strict):
    """An S3 client of somebody who has logged in."""
    client = s3_client(open_session(load_settings(profile=strict.profile, environ={})), strict.settings)
    yield client
    client.close()


def code_of(call, **arguments: object) -> str:
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return ""


def test_a_provider_reaches_the_data_set_that_was_named_and_no_other(strict, provider):
    for bucket in (strict.control_bucket, strict.landing_bucket):
        for dataset, said in (("demo", ""), ("dmo", "AccessDenied"), ("demo2", "AccessDenied")):
            place = {"Bucket": bucket, "Key": f"{dataset}/1/x"}
            assert code_of(provider.put_object, **place, Body=b"x") == said
            assert code_of(provider.get_object, **place) == said
            assert code_of(provider.create_multipart_upload, **place) == said
            assert code_of(provider.list_objects_v2, Bucket=bucket, Prefix=f"{dataset}/1/") == said
        assert code_of(provider.list_objects_v2, Bucket=bucket) == "AccessDenied"
        assert code_of(provider.list_objects_v2, Bucket=bucket, Prefix="demo") == "AccessDenied"
        assert code_of(provider.list_multipart_uploads, Bucket=bucket, Prefix="dmo/1/") == ""


def test_who_looks_after_the_sandbox_reaches_everything(strict):
    s3 = strict.client("s3")
    assert code_of(s3.put_object, Bucket=strict.landing_bucket, Key="other/1/x", Body=b"x") == ""
    assert code_of(s3.list_objects_v2, Bucket=strict.landing_bucket) == ""


def deliver(sandbox: Sandbox, source: Path, dataset: str) -> SimpleNamespace:
    place = ["--dataset", dataset, "--delivery-id", "typed", "--profile", str(sandbox.profile)]
    where = ["--source", source, "--output-dir", source.parent]
    said = forked.run([sys.executable, "-m", "upload_client", *place, *where])
    return SimpleNamespace(code=said.returncode, err=said.stderr)


def test_a_mistyped_data_set_is_not_delivered_and_the_hint_says_what_to_look_at(strict, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.csv").write_text("x\n1\n")
    mistyped = deliver(strict, folder, "dmeo")
    assert mistyped.code not in (0, 3, 4, 5)
    assert "AccessDenied" in mistyped.err
    assert "Check --dataset" in mistyped.err
    s3 = strict.client("s3")
    for bucket in (strict.control_bucket, strict.landing_bucket):
        assert "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix="dmeo/")
    assert deliver(strict, folder, "demo").code == 0
