"""Settings come in layers, and whatever is wrong is named by where it stands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.settings import (
    Settings,
    SettingsError,
    load_settings,
    profile_path,
    require,
    where_from,
    with_parameter,
)


@pytest.fixture(autouse=True)
def config_folder(tmp_path, monkeypatch):
    """An empty config folder, on every platform."""
    folder = tmp_path / "config"
    monkeypatch.setattr("platformdirs.user_config_path", lambda *_, **__: folder)
    folder.mkdir()
    return folder


def profile(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "given.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(**arguments) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(**{"environ": {}, **arguments})
    return str(caught.value)


def test_with_nothing_said_the_defaults_hold():
    settings = load_settings(environ={})
    assert settings == Settings()
    assert (settings.auth, settings.threads, settings.max_retries, settings.max_invalid) == (
        "cognito",
        8,
        2,
        10,
    )
    assert settings.multipart_threshold == 16 * 1024**2


def test_no_more_small_files_are_under_way_than_a_number_that_was_asked_for():
    assert load_settings(environ={}).small_for_one == 8
    for told in ({"flags": {"threads": 8}, "environ": {}}, {"environ": {"UPLOAD_CLIENT_THREADS": "auto"}}):
        assert load_settings(**told).small_for_one == 1
    assert Settings().model_copy(update={"threads": 8}).small_for_one == 1


def test_it_can_be_told_which_setting_is_taken_from_where(tmp_path):
    path = profile(tmp_path, "threads = 2\nregion = 'eu-central-1'\nmax_invalid = 2\n")
    environ = {"UPLOAD_CLIENT_THREADS": "3", "AWS_REGION": "eu-west-1"}
    assert where_from(flags={"max_retries": 4}, profile=path, environ=environ) == {
        str(path): ("max_invalid",),
        "environment": ("region", "threads"),
        "command line": ("max_retries",),
    }
    assert where_from(environ={}) == {"environment": (), "command line": ()}


def test_each_layer_is_laid_over_the_one_below(tmp_path):
    path = profile(tmp_path, "threads = 2\nmax_retries = 2\nmax_invalid = 2\n")
    environ = {"UPLOAD_CLIENT_THREADS": "3", "UPLOAD_CLIENT_MAX_RETRIES": "3"}
    settings = load_settings(flags={"threads": 4, "max_retries": None}, profile=path, environ=environ)
    settings = with_parameter(
        settings, '{"threads": 1, "max_retries": 1, "max_invalid": 1, "lease_seconds": 60}'
    )
    assert (settings.threads, settings.max_retries, settings.max_invalid) == (4, 3, 2)
    assert settings.lease_seconds == 60


def test_our_own_variables_go_before_those_of_the_aws_tools():
    environ = {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}
    assert load_settings(environ=environ).region == "eu-west-1"
    assert load_settings(environ={**environ, "UPLOAD_CLIENT_REGION": "us-east-2"}).region == "us-east-2"


def test_the_aws_variables_go_before_the_profile(tmp_path):
    path = profile(tmp_path, 'region = "eu-west-1"\naws_profile = "mine"\nendpoint_url = "https://profile"\n')
    environ = {"AWS_REGION": "us-east-2", "AWS_PROFILE": "theirs", "AWS_ENDPOINT_URL": "https://environment/"}
    settings = load_settings(profile=path, environ=environ)
    assert (settings.region, settings.aws_profile, settings.endpoint_url) == (
        "us-east-2",
        "theirs",
        "https://environment",
    )


def test_endpoints_of_single_services_come_from_the_aws_variables():
    settings = load_settings(
        environ={
            "AWS_ENDPOINT_URL_S3": "https://s3",
            "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": "https://pool",
            "AWS_ENDPOINT_URL_DYNAMODB": "https://not-ours",
        }
    )
    assert settings.endpoints == {"s3": "https://s3", "cognito-idp": "https://pool"}


def test_endpoints_of_two_layers_are_merged(tmp_path):
    path = profile(tmp_path, '[endpoints]\ns3 = "https://profile"\nssm = "https://ssm"\n')
    settings = load_settings(profile=path, environ={"AWS_ENDPOINT_URL_S3": "https://environment"})
    assert settings.endpoints == {"s3": "https://environment", "ssm": "https://ssm"}


def test_an_endpoint_for_everything_hides_single_ones_of_the_layers_below(tmp_path):
    path = profile(tmp_path, '[endpoints]\ns3 = "https://profile"\n')
    settings = load_settings(profile=path, environ={"AWS_ENDPOINT_URL": "https://environment"})
    assert (settings.endpoint_url, settings.endpoints) == ("https://environment", {})


def test_endpoint_variables_can_be_switched_off_as_in_the_aws_tools():
    environ = {"AWS_ENDPOINT_URL": "https://x", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
    assert load_settings(environ=environ).endpoint_url is None


def test_an_empty_variable_counts_as_unset():
    assert load_settings(environ={"UPLOAD_CLIENT_THREADS": "", "AWS_REGION": ""}) == Settings()


def test_tables_and_lists_are_json_in_the_environment():
    settings = load_settings(
        environ={
            "UPLOAD_CLIENT_ENDPOINTS": '{"s3": "https://s3"}',
            "UPLOAD_CLIENT_PASSWORD_COMMAND": '["pass", "show", "it"]',
        }
    )
    assert settings.endpoints == {"s3": "https://s3"}
    assert settings.password_command == ["pass", "show", "it"]
    assert load_settings(environ={"UPLOAD_CLIENT_PASSWORD_COMMAND": "pass show it"}).password_command == (
        "pass show it"
    )


def test_sizes_may_have_units(tmp_path):
    settings = load_settings(profile=profile(tmp_path, 'part_size = "8 MiB"\n'), environ={})
    assert settings.part_size == 8 * 1024**2


def test_a_named_profile_is_looked_up_in_the_config_folder(config_folder):
    (config_folder / "survey.toml").write_text("threads = 5\n", encoding="utf-8")
    assert load_settings(profile="survey", environ={}).threads == 5
    assert load_settings(environ={"UPLOAD_CLIENT_PROFILE": "survey"}).threads == 5
    assert profile_path("survey") == config_folder / "survey.toml"


def test_the_profile_named_default_is_taken_when_none_is_named(config_folder):
    (config_folder / "default.toml").write_text("threads = 6\n", encoding="utf-8")
    assert load_settings(environ={}).threads == 6


def test_a_profile_that_is_not_there_is_said_with_those_that_are(config_folder):
    (config_folder / "survey.toml").touch()
    said = refusal(profile="survy")
    assert "survy" in said
    assert str(config_folder) in said
    assert "did you mean survey?" in said


def test_a_path_that_is_not_there_is_refused(tmp_path):
    assert str(tmp_path / "no.toml") in refusal(profile=tmp_path / "no.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("threds = 3", "threds: is not a setting; did you mean threads?"),
        ("threads = 'many'", "threads: should be a valid integer"),
        ("threads = 0", "threads: should be greater than or equal to 1"),
        ("auth = 'github'", "auth: should be 'cognito', 'oidc' or 'aws'"),
        ("lease_seconds = 29", "lease_seconds: should be greater than or equal to 30"),
        ("lease_seconds = 3601", "lease_seconds: should be less than or equal to 3600"),
        ("part_size = '1 MiB'", "part_size: must lie between 5 MiB and 5 GiB"),
        ("landing_prefix = 'a/{host}/'", "landing_prefix: may hold {dataset}, {delivery_id}"),
        ("landing_prefix = '{dataset!r}/'", "landing_prefix: may hold"),
        ("landing_prefix = '{dataset/'", "landing_prefix: is not a template"),
        ("landing_prefix = 'a'", "landing_prefix: must end in '/'"),
        ("control_prefix = '/a/'", "control_prefix: must not hold an empty part"),
        ("endpoint_url = 'localhost:80'", "endpoint_url: must start with http:// or https://"),
        ("[endpoints]\ns3 = 'localhost'", "endpoints.s3: must start with http:// or https://"),
        ("[endpoints]\ns4 = 'http://x'", "endpoints: 's4' is none of"),
        ("[endpoints]\ncognito_idp = 'http://x'", "did you mean cognito-idp?"),
        ("user_pool_id = 'none'", "user_pool_id: "),
        ("identity_pool_id = 'none'", "identity_pool_id: "),
        ("password_command = []", "password_command: "),
        ("validator_silence = inf", "validator_silence: "),
        ("a = = b", "is not TOML"),
    ],
)
def test_what_is_wrong_in_a_profile_is_named_by_file_and_key(tmp_path, text, said):
    path = profile(tmp_path, text)
    message = refusal(profile=path)
    assert message.startswith(f"{path}: ")
    assert said in message


def test_a_profile_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "given.toml"
    path.write_bytes(b"\xff\xfe")
    assert "is not TOML" in refusal(profile=path)


def test_a_password_does_not_belong_in_a_profile(tmp_path):
    said = refusal(profile=profile(tmp_path, 'password = "hunter2"\n'))
    assert "password" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"UPLOAD_CLIENT_THREDS": "3"},
            "UPLOAD_CLIENT_THREDS: is not a setting; did you mean UPLOAD_CLIENT_THREADS?",
        ),
        ({"UPLOAD_CLIENT_THREADS": "x"}, "UPLOAD_CLIENT_THREADS: should be a valid integer"),
        ({"UPLOAD_CLIENT_ENDPOINTS": "x"}, "UPLOAD_CLIENT_ENDPOINTS: is not JSON"),
        ({"AWS_ENDPOINT_URL": "x"}, "AWS_ENDPOINT_URL: must start with http:// or https://"),
        ({"AWS_ENDPOINT_URL_S3": "x"}, "AWS_ENDPOINT_URL_S3: must start with http:// or https://"),
    ],
)
def test_what_is_wrong_in_the_environment_is_named_by_its_variable(environ, said):
    assert refusal(environ=environ).startswith(f"environment: {said}")


def test_variables_of_the_tests_are_no_settings():
    assert load_settings(environ={"UPLOAD_CLIENT_TEST_S3": "http://127.0.0.1:1"}) == Settings()


def said_of(flags: dict[str, str]) -> str:
    """The reason why these are no settings; empty where they are."""
    try:
        load_settings(flags=flags, environ={})
    except SettingsError as error:
        return str(error)
    return ""


FORMED = {
    "region": "such as eu-central-1",
    "user_pool_id": "such as eu-central-1_",
    "identity_pool_id": "such as eu-central-1:",
    "oidc_client_id": "no space",
    "oidc_scope": "openid offline_access",
    "role_arn": "such as arn:aws:iam::",
}


@pytest.mark.parametrize("name", sorted(set(Settings.model_fields) - {"password", "sandbox_password"}))
def test_a_text_of_a_wrong_form_is_told_by_an_example_and_by_no_regular_expression(name):
    said = said_of({name: "Größe, or\\ not"})
    assert "pattern" not in said
    assert FORMED.get(name, "") in said


def test_what_is_wrong_on_the_command_line_is_named_by_its_flag():
    assert refusal(flags={"max_retries": -1}).startswith("command line: --max-retries: ")


def test_a_password_is_in_no_repr_and_no_dump():
    settings = load_settings(
        environ={
            "UPLOAD_CLIENT_PASSWORD": "hunter2",
            "UPLOAD_CLIENT_PASSWORD_COMMAND": '["echo", "correct horse"]',
        }
    )
    assert settings.password is not None
    assert settings.password.get_secret_value() == "hunter2"
    shown = repr(settings) + str(settings) + settings.model_dump_json() + str(settings.model_dump())
    assert "hunter2" not in shown
    assert "correct horse" not in repr(settings)


@pytest.mark.parametrize("name", ["password", "password_command"])
def test_a_wrong_secret_is_not_quoted(name):
    with pytest.raises(SettingsError) as caught:
        load_settings(flags={name: {"hunter2": "hunter2"}}, environ={})
    assert "hunter2" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is not a JSON object"),
        ('{"control_buket": "x"}', "control_buket: is not a setting; did you mean control_bucket?"),
        ('{"threads": "x"}', "threads: should be a valid integer"),
        ('{"password_command": ["rm"]}', "password_command: cannot be set by the receiver"),
        ('{"endpoint_url": "https://x"}', "endpoint_url: cannot be set by the receiver"),
    ],
)
def test_what_is_wrong_in_the_parameter_is_named_by_its_name_and_key(text, said):
    settings = load_settings(environ={"UPLOAD_CLIENT_SETTINGS_PARAMETER": "/deliveries"})
    with pytest.raises(SettingsError) as caught:
        with_parameter(settings, text)
    assert str(caught.value).startswith(f"SSM parameter /deliveries: {said}")


def test_the_parameter_is_read_when_it_is_named_or_something_is_missing():
    told = {
        "UPLOAD_CLIENT_CONTROL_BUCKET": "control",
        "UPLOAD_CLIENT_LANDING_BUCKET": "landing",
        "UPLOAD_CLIENT_START_FUNCTION": "start",
    }
    assert load_settings(environ={}).needs_parameter
    assert not load_settings(environ=told).needs_parameter
    assert load_settings(environ={**told, "UPLOAD_CLIENT_SETTINGS_PARAMETER": "/x"}).needs_parameter


def test_a_missing_setting_is_named_with_where_to_set_it():
    with pytest.raises(SettingsError, match="not set: control_bucket, start_function") as caught:
        require(Settings(landing_bucket="b"), "control_bucket", "landing_bucket", "start_function")
    assert "UPLOAD_CLIENT_CONTROL_BUCKET" in caught.value.hint


LAYER = st.fixed_dictionaries(
    {},
    optional={
        "threads": st.integers(1, 64),
        "max_retries": st.integers(0, 9),
        "max_invalid": st.integers(0, 99),
        "lease_seconds": st.integers(30, 3600),
    },
)


@given(flags=LAYER, environment=LAYER, parameter=LAYER)
def test_any_setting_comes_from_the_highest_layer_that_has_it(flags, environment, parameter):
    environ = {f"UPLOAD_CLIENT_{key.upper()}": str(value) for key, value in environment.items()}
    settings = with_parameter(load_settings(flags=flags, environ=environ), json.dumps(parameter))
    expected = {**Settings().model_dump(), **parameter, **environment, **flags}
    assert {key: getattr(settings, key) for key in expected} == expected


def test_settings_bring_in_neither_the_client_nor_boto3():
    """The validator reads them too, and must not import the client."""
    program = """
import sys
import upload_client.settings
unwanted = ("boto3", "botocore", "pandas", "upload_client.client", "upload_client.cli", "upload_client.ui")
print([name for name in unwanted if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
