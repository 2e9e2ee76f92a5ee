"""Which source may set which setting, and what has to be allowed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core.trust import (
    Ask,
    asks,
    has_control_character,
    is_aws,
    is_loopback,
    may_set,
    why_not_askable,
)


@pytest.mark.parametrize(
    ("source", "name", "may"),
    [
        ("environment", "password", True),
        ("command line", "password", False),
        ("personal", "password", False),
        ("profile", "password", False),
        ("parameter", "password", False),
        ("personal", "ca_bundle", True),
        ("profile", "ca_bundle", False),
        ("profile", "plain_http", False),
        ("profile", "region", True),
        ("profile", "password_command", True),
        ("parameter", "region", False),
        ("parameter", "threads", True),
        ("command line", "plain_http", True),
    ],
)
def test_each_source_may_set_what_is_its_business(source, name, may):
    assert may_set(source, name) is may


def test_a_program_is_shown_whole():
    (ask,) = asks({"password_command": ["pass", "a b"]}, {"password_command"}, "cognito")
    assert (ask.setting, ask.what) == ("password_command", "run this program on your machine: pass 'a b'")
    (other,) = asks({"password_command": "pass 'a b'"}, {"password_command"}, "cognito")
    assert other.what == ask.what
    assert other.digest != ask.digest  # another value, though it is shown alike


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("pass archive", ""),
        ("/usr/bin/pass archive", ""),
        (["/usr/bin/pass", "./x"], ""),
        ("C:\\tools\\pass.exe archive", ""),
        ('"C:/my tools/pass.exe" archive', ""),
        ("", ""),  # refused as a setting
        (7, ""),
        ("./pass", "wherever you are"),
        ("tools/\u0430", r"names tools/\u0430 by a path"),
        (["..\\pass"], "wherever you are"),
        ("'pass", "can be split"),
        ("pass " + "x" * 1000, "more than 1,000 characters"),
    ],
)
def test_nobody_can_allow_what_they_cannot_see_or_what_changes(command, why):
    profile = {"password_command": command}
    told = why_not_askable(Ask("password_command", f"run: {command}", ""), profile)
    assert (why in told) if why else (told == "" or "no command" in told)
    assert why_not_askable(Ask("auth", "use", ""), profile) == ""


def test_what_a_stronger_source_replaces_is_not_asked_for():
    assert asks({"password_command": ["pass"], "auth": "aws"}, set(), "cognito") == ()


def test_endpoints_alone_are_the_receivers_business():
    profile = {"endpoint_url": "https://s3.example", "endpoints": {"ssm": "https://ssm.example"}}
    assert asks(profile, set(profile), "cognito") == ()


@pytest.mark.parametrize(
    ("profile", "what"),
    [
        ({"auth": "aws"}, "use your own AWS identity (as the AWS tools find it)"),
        ({"auth": "aws", "aws_profile": "boss"}, "use your own AWS identity (profile boss)"),
        (
            {"endpoint_url": "https://a.example", "endpoints": {"s3": "https://b.example"}},
            "use your own AWS identity (as the AWS tools find it) at https://a.example, https://b.example",
        ),
        (
            {"endpoints": {"s3": "https://b.example"}},
            "use your own AWS identity (as the AWS tools find it) at https://b.example",
        ),
    ],
)
def test_an_identity_is_asked_for_with_where_it_goes(profile, what):
    (ask,) = asks(profile, set(profile), "aws")
    assert ask.what == what


def test_an_identity_that_the_profile_says_nothing_about_is_the_providers():
    assert asks({"region": "eu-central-1", "endpoints": {}}, {"region", "endpoints"}, "aws") == ()


@pytest.mark.parametrize(
    "host",
    [
        "s3.eu-central-1.amazonaws.com",
        "S3.AMAZONAWS.COM.",
        "lambda.us-east-1.api.aws",
        "s3.cn-north-1.amazonaws.com.cn",
        "cognito-idp.eusc-de-east-1.amazonaws.eu",
        "s3.us-iso-east-1.c2s.ic.gov",
        "s3.dualstack.us-isob-east-1.api.aws.scloud",
    ],
)
def test_hosts_of_aws_are_known(host):
    assert is_aws(host)


@pytest.mark.parametrize(
    "host",
    [
        *("amazonaws.com.example", "evilamazonaws.com", "localhost", "", "amazonaws.com"),
        "ec2-192-0-2-1.compute-1.amazonaws.com",
        "a1b2c3.execute-api.us-east-1.amazonaws.com",
        "evil-123.eu-central-1.elb.amazonaws.com",
        "evil.s3.amazonaws.com",
        "evil.s3-website.eu-central-1.amazonaws.com",
        "vpce-1-2.vpce-svc-3.us-east-1.vpce.amazonaws.com",
        "s3.us-east-1.amazonaws.com.evil.example",
        "s3.us-east-1.evil.amazonaws.com",
    ],
)
def test_and_others_are_not(host):
    assert not is_aws(host)


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.8.7", True),
        ("::1", True),
        ("127.0.0.1.example", False),
        ("127.example", False),
        ("10.0.0.1", False),
    ],
)
def test_this_machine_is_known(host, is_here):
    assert is_loopback(host) is is_here


@pytest.mark.parametrize("one", ["\n", "\r", "\t", "\0", "\x1b", "\x7f", "\x85", "\u2028", "\ud800"])
def test_a_control_character_is_seen_wherever_it_stands(one):
    assert has_control_character(f"a{one}b")


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_everything_else_may_stand_in_a_setting(text):
    assert not has_control_character(text)
