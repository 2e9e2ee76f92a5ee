"""The templates by themselves: sound by CloudFormation's own schemas, and as safe as they say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from late import late
from receiver.policies import allows

from upload_client import validator
from upload_client.receiver import delivery_template, receiver_template


def resources(text: str) -> dict:
    template, problems = late("cfnlint.decode").decode_str(text)
    assert not problems
    return template["Resources"]


def filled_in(value: dict, days: str = "null") -> str:
    text = value["Fn::Sub"]
    if isinstance(text, list):
        text = text[0].replace("${Worker}", "null").replace("${Signing}", "null").replace("${Retain}", days)
    text = text.replace("${RetainMode}", "COMPLIANCE")
    text = text.replace("${Shards}", "8")
    return re.sub(r"\$\{[^}]*\}", "x", text)


TEMPLATES = {
    "one validator": receiver_template(),
    "several": receiver_template(8),
    "delivery": delivery_template(),
}


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_cloudformation_would_find_nothing_wrong(template):
    assert [str(finding) for finding in late("cfnlint.api").lint(template)] == []


def test_with_several_validators_all_else_is_as_with_one():
    one, several = (resources(receiver_template(shards)) for shards in (None, 8))
    assert several.keys() - one.keys() == {"StateMachine", "StateMachineRole"}
    changed = {name for name in one if one[name] != several[name]}
    assert changed == {"StartFunction", "StartRole", "WorkRole"}
    assert not any("#if" in text or "#else" in text or "#end" in text for text in TEMPLATES.values())


def test_the_dashboard_shows_metrics_that_there_are():
    body = json.loads(filled_in(resources(receiver_template())["Dashboard"]["Properties"]["DashboardBody"]))
    shown: list[tuple[str, str]] = []
    for widget in body["widgets"]:
        for first, second, *_ in widget["properties"].get("metrics", ()):
            named = shown[-1] if first == "..." else (shown[-1][0] if first == "." else first, second)
            shown.append(named)
    ours = {name for namespace, name in shown if namespace == "upload-client"}
    source = "".join(path.read_text("utf-8") for path in Path(validator.__file__).parent.glob("*.py"))
    assert ours >= {"FilesJudged", "DeliveriesComplete", "FailedStarts", "SilenceSeconds"}
    assert {name for name in ours if f'"{name}"' not in source} == set()
    assert all(widget["x"] + widget["width"] <= 24 for widget in body["widgets"])


def test_both_buckets_keep_old_versions_and_let_nobody_in_from_outside():
    for name in ("LandingBucket", "ControlBucket"):
        bucket = resources(receiver_template())[name]
        assert bucket["DeletionPolicy"] == "RetainExceptOnCreate"  # a first deployment that fails leaves none
        assert bucket["UpdateReplacePolicy"] == "Retain"
        bucket = bucket["Properties"]
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["BucketEncryption"]
        rules = bucket["LifecycleConfiguration"]["Rules"]
        assert {"DaysAfterInitiation": 7} in [rule.get("AbortIncompleteMultipartUpload") for rule in rules]
        assert not any(
            "Expiration" in key for rule in rules for key in rule if not key.startswith("Noncurrent")
        )


@pytest.mark.parametrize("name", ["LandingBucketPolicy", "ControlBucketPolicy"])
@pytest.mark.parametrize(("tls", "allowed"), [("true", True), ("false", False)])
def test_only_tls_reaches_a_bucket(name, tls, allowed):
    """By the documents alone: moto looks at no condition, and there is no TLS in the sandbox."""
    properties = resources(receiver_template())[name]["Properties"]
    policy = json.loads(json.dumps(properties["PolicyDocument"]))
    bucket = "arn:aws:s3:::b"
    for statement in policy["Statement"]:
        assert len(statement["Resource"]) == 2  # the bucket, and what is in it
        statement["Resource"] = [bucket, f"{bucket}/*"]
    whoever = {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    assert allows([whoever, policy], "s3:GetObject", f"{bucket}/key", {"aws:SecureTransport": tls}) is allowed
    assert allows([whoever, policy], "s3:ListBucket", bucket, {"aws:SecureTransport": tls}) is allowed


@pytest.mark.parametrize("shards", [None, 8])
def test_what_clients_and_functions_are_told_fits_their_settings(shards):
    from upload_client.settings import Settings, with_parameter
    from upload_client.validator import ValidatorSettings

    made = resources(receiver_template(shards))
    told = with_parameter(Settings(), filled_in(made["Settings"]["Properties"]["Value"]))
    assert told.start_function == "x"
    for function in ("StartFunction", "WorkFunction"):
        variables = made[function]["Properties"]["Environment"]["Variables"]
        settings = ValidatorSettings.model_validate_json(filled_in(variables["UPLOAD_CLIENT_VALIDATOR"]))
        assert settings.landing_prefix == told.landing_prefix
        if function == "StartFunction":
            assert (settings.shards, settings.state_machine) == ((1, None) if shards is None else (8, "x"))
        assert settings.retain_days is None
        kept = ValidatorSettings.model_validate_json(filled_in(variables["UPLOAD_CLIENT_VALIDATOR"], "9"))
        assert (kept.retain_days, kept.retain_mode) == (9, "COMPLIANCE")


def test_receipts_can_be_kept_where_that_is_asked_for_and_nothing_else():
    made = resources(receiver_template())
    asked_for = {"Fn::If": ["RetainsReceipts", True, {"Ref": "AWS::NoValue"}]}
    assert made["ControlBucket"]["Properties"]["ObjectLockEnabled"] == asked_for
    assert "ObjectLockConfiguration" not in made["ControlBucket"]["Properties"]  # locks are written anew
    assert made["RetainReceipts"]["Condition"] == "RetainsReceipts"
    statement, asks = made["RetainReceipts"]["Properties"]["PolicyDocument"]["Statement"]
    assert asks["Action"] == "s3:GetBucketObjectLockConfiguration"
    ends = [each["Fn::Sub"].removeprefix("${ControlBucket.Arn}") for each in statement["Resource"]]
    assert ends == ["/*/receipt/*", "/*/signature/*"]
    assert "s3:BypassGovernanceRetention" not in statement["Action"]


def test_nobody_reaches_a_role_but_by_what_their_token_says():
    made = resources(receiver_template())
    pool, identities = made["Providers"]["Properties"], made["Identities"]["Properties"]
    assert pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True
    assert identities["AllowUnauthenticatedIdentities"] is False
    assert identities["AllowClassicFlow"] is False
    (mapping,) = made["IdentityRoles"]["Properties"]["RoleMappings"].values()
    assert (mapping["Type"], mapping["AmbiguousRoleResolution"]) == ("Token", "Deny")


@pytest.mark.parametrize(
    ("parameter", "name", "taken"),
    [
        ("LandingBucketName", "archive-landing", True),
        ("LandingBucketName", "a.b-c9", True),
        ("LandingBucketName", "amzn-s3-demo-bucket", False),
        ("LandingBucketName", "xn--archive", False),
        ("ControlBucketName", "sthree-archive", False),
        ("ControlBucketName", "archive-s3alias", False),
        ("ControlBucketName", "archive--x-s3", False),
        ("ControlBucketName", "archive.mrap", False),
        ("ControlBucketName", "192.168.5.4", False),
        ("ControlBucketName", "a..b", False),
        ("ControlBucketName", "Archive", False),
        ("SettingsParameterName", "/upload-client/settings", True),
        ("SettingsParameterName", "/archive/aws", True),
        ("SettingsParameterName", "/aws/archive", False),
        ("SettingsParameterName", "/AWSarchive", False),
        ("SettingsParameterName", "/ssm/settings", False),
        ("SettingsParameterName", "settings", False),
    ],
)
def test_a_name_that_aws_keeps_for_itself_is_refused_before_anything_is_made(parameter, name, taken):
    pattern = late("cfnlint.decode").decode_str(receiver_template())[0]["Parameters"][parameter][
        "AllowedPattern"
    ]
    assert (re.fullmatch(pattern, name) is not None) == taken
