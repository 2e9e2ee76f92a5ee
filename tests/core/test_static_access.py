"""The way to S3 is read from five settings; whatever else is set is botocore's to understand."""

from __future__ import annotations

import pytest

from upload_client.core.static_access import BucketHost, static_access

KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret/+"}
HERE = {**KEYS, "AWS_DEFAULT_REGION": "eu-central-1"}
STORE = {**HERE, "AWS_ENDPOINT_URL": "http://127.0.0.1:9000"}
FILE = "[default]\naws_access_key_id = AKFILE\naws_secret_access_key = of-file\n"


@pytest.mark.parametrize(
    ("env", "config", "credentials", "said"),
    [
        (HERE, "", "", ("AKID", "secret/+", None, "eu-central-1", None)),
        (HERE | {"AWS_SESSION_TOKEN": "t="}, "", "", ("AKID", "secret/+", "t=", "eu-central-1", None)),
        (STORE, "", "", ("AKID", "secret/+", None, "eu-central-1", "http://127.0.0.1:9000")),
        (
            STORE | {"AWS_ENDPOINT_URL_S3": "https://s3.example.com/"},
            "",
            "",
            ("AKID", "secret/+", None, "eu-central-1", "https://s3.example.com/"),
        ),
        (KEYS, "[default]\r\nregion=us-west-2\r\n", "", ("AKID", "secret/+", None, "us-west-2", None)),
        (
            {},
            "# me\n[profile o]\nrole_arn = x\n  nested = y\n\n[default]\nregion = us-east-2\noutput=json\n",
            FILE + "aws_session_token = of-file-too\n[other]\naws_access_key_id = no\n",
            ("AKFILE", "of-file", "of-file-too", "us-east-2", None),
        ),
        (HERE, "", FILE, ("AKID", "secret/+", None, "eu-central-1", None)),
        (
            STORE | {"AWS_CA_BUNDLE": "/mine.pem", "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1", "HOME": "/"},
            "",
            "",
            ("AKID", "secret/+", None, "eu-central-1", "http://127.0.0.1:9000"),
        ),
    ],
    ids=lambda given: None,
)
def test_what_is_said_plainly_is_read(
    env: dict[str, str], config: str, credentials: str, said: tuple[str | None, ...]
) -> None:
    way = static_access(env, config, credentials)
    assert way is not None
    assert (way.access_key, way.secret_key, way.token, way.region, way.endpoint) == said


@pytest.mark.parametrize(
    ("env", "config", "credentials"),
    [
        ({}, "", ""),
        (KEYS, "", ""),
        (HERE | {"AWS_SECRET_ACCESS_KEY": ""}, "", FILE),
        ({"AWS_DEFAULT_REGION": "eu-central-1", "AWS_SESSION_TOKEN": "t"}, "", FILE),
        (HERE | {"AWS_SECRET_ACCESS_KEY": "of two\nlines"}, "", ""),
        *[
            (HERE | {name: "x"}, "", "")
            for name in (
                "AWS_PROFILE",
                "AWS_DEFAULT_PROFILE",
                "AWS_USE_FIPS_ENDPOINT",
                "AWS_USE_DUALSTACK_ENDPOINT",
                "AWS_ROLE_ARN",
                "AWS_CREDENTIAL_EXPIRATION",
                "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
                "AWS_CA_BUNDLE",
                "REQUESTS_CA_BUNDLE",
                "https_proxy",
                "NO_PROXY",
                "AWS_OF_TOMORROW",
                "BOTOCORE_OF_TOMORROW",
            )
        ],
        *[
            (HERE | {"AWS_DEFAULT_REGION": region}, "", "")
            for region in (
                "cn-north-1",
                "us-gov-west-1",
                "eu-isoe-west-1",
                "eusc-de-east-1",
                "aws-global",
                "x",
            )
        ],
        *[
            (HERE | {"AWS_ENDPOINT_URL": url}, "", "")
            for url in (
                "http://[::1]:9000",
                "http://store/below",
                "http://user@store",
                "HTTP://STORE",
                "https://s3.eu-central-1.amazonaws.com",
                "store:9000",
            )
        ],
        *[
            (HERE, config, "")
            for config in (
                "[default]\nendpoint_url = http://127.0.0.1\n",
                "[default]\ns3 =\n  addressing_style = virtual\n",
                "[default]\nregion = eu-central-1\nregion = eu-west-1\n",
                "[default]\nca_bundle = /x\n",
                "[default]\nregion = eu-central-1\n[default]\n",
                "[profile default]\nregion = eu-central-1\n",
                "[default]\n what is this\n",
                "region = eu-central-1\n",
            )
        ],
        (HERE, "", "[default]\nregion = eu-central-1\n"),
    ],
)
def test_whatever_else_is_set_is_left_to_botocore(env: dict[str, str], config: str, credentials: str) -> None:
    assert static_access(env, config, credentials) is None


def test_a_bucket_has_a_host_of_its_own_at_aws_and_a_path_elsewhere() -> None:
    aws, store = static_access(HERE), static_access(STORE)
    east = static_access(HERE | {"AWS_DEFAULT_REGION": "us-east-1"})
    assert aws
    assert store
    assert east
    assert aws.place_of("b-1") == BucketHost("https", "b-1.s3.eu-central-1.amazonaws.com", None, "")
    assert east.place_of("b-1") == BucketHost("https", "b-1.s3.amazonaws.com", None, "")
    assert store.place_of("b.1") == BucketHost("http", "127.0.0.1", 9000, "/b.1")


@pytest.mark.parametrize(
    "bucket",
    ["b.1", "Upper", "x", "b/1", "b--x-s3", "b-1-s3alias", "x.mrap", "arn:aws:s3:::b", "-b1", "a" * 64],
)
def test_a_name_that_takes_more_than_itself_has_no_place(bucket: str) -> None:
    way = static_access(HERE)
    assert way
    assert way.place_of(bucket) is None


def test_no_secret_is_shown() -> None:
    way = static_access(HERE | {"AWS_SESSION_TOKEN": "token"})
    assert "secret" not in repr(way)
    assert "token" not in repr(way)


def test_what_a_request_says_of_itself_goes_first() -> None:
    way = static_access(STORE, endpoint="http://elsewhere:1", region="us-west-1")
    assert way
    assert (way.endpoint, way.region) == ("http://elsewhere:1", "us-west-1")


@pytest.mark.parametrize("bucket", ["Upper", "b_1", "b/1", "x", "b--1"])
def test_elsewhere_a_name_that_is_none_of_a_bucket_has_no_place_either(bucket: str) -> None:
    way = static_access(STORE)
    assert way
    assert way.place_of(bucket) is None
