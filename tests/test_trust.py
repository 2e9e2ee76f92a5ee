"""A profile that a receiver hands over says where a delivery goes, and no more."""

from __future__ import annotations

import json
import re
import stat
import sys
from pathlib import Path

import pytest

from upload_client.cli.app import main
from upload_client.core.trust import CONSENT, ENVIRONMENT_ONLY, may_set
from upload_client.settings import (
    NotAllowed,
    Settings,
    SettingsError,
    foreign_hosts,
    load_settings,
    with_parameter,
)
from upload_client.support import consent
from upload_client.support.password_command import password_from_command

PAGE = Path(__file__).parents[1] / "docs" / "security.md"
ID = "eu-central-1:12345678-aaaa-bbbb-cccc-123456790abc"
LOGIN = f"""region = "eu-central-1"
user_pool_id = "eu-central-1_Abc"
user_pool_client_id = "x"
identity_pool_id = "{ID}"
username = "maria"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """An empty config folder."""
    folder = tmp_path / "config"
    folder.mkdir()
    monkeypatch.setattr("platformdirs.user_config_path", lambda *_, **__: folder)
    return folder


@pytest.fixture
def profile(tmp_path):
    def profile(text: str) -> Path:
        path = tmp_path / "receiver.toml"
        path.write_text(LOGIN + text, encoding="utf-8")
        return path

    return profile


def test_the_table_of_sources_is_complete():
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    told = {name: cells for name, *cells in rows if name in Settings.model_fields}
    assert sorted(told) == sorted(Settings.model_fields)
    for name, (personal, handed, parameter) in told.items():
        assert personal == ("no" if name in ENVIRONMENT_ONLY else "yes"), name
        assert parameter == ("yes" if may_set("parameter", name) else "no"), name
        allowed = "after consent" if name in CONSENT else "yes"
        assert handed == (allowed if may_set("profile", name) else "no"), name


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if not may_set("profile", name)])
def test_what_is_the_providers_no_profile_sets(profile, name):
    with pytest.raises(SettingsError, match=f"{name}: "):
        load_settings(profile=profile(f'{name} = "x"\n'), environ={})


# --- a program ---------------------------------------------------------------------------------


@pytest.fixture
def trap(tmp_path) -> Path:
    """A program that leaves a trace if it is run."""
    trace = tmp_path / "it-ran"
    program = tmp_path / "trap.py"
    program.write_text(f"open({str(trace)!r}, 'w').close(); print('pw')\n", encoding="utf-8")
    return program


def command_of(trap: Path) -> str:
    return f"password_command = {json.dumps([sys.executable, str(trap)])}\n"


PLACE = ["--dataset", "d", "--delivery-id", "1"]
COMMANDS = [
    [*PLACE],
    [*PLACE, "--dry-run"],
    ["status", *PLACE],
    ["check", *PLACE],
    ["report", *PLACE],
    ["unlock", *PLACE, "--steal", "x"],
    ["check", "--clean", *PLACE],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("where", ["by its path", "in the config folder"])
def test_no_program_of_a_profile_runs_unasked(
    profile, trap, folder, tmp_path, command, where, capsys, monkeypatch
):
    path = profile(command_of(trap))
    if where != "by its path":
        path = path.rename(folder / "receiver.toml")
    monkeypatch.chdir(tmp_path)
    assert main([*command, "--profile", str(path) if where == "by its path" else "receiver"]) == 2
    said = capsys.readouterr().err
    assert "a profile may not run this program on your machine" in said
    assert str(trap) in said
    assert "UPLOAD_CLIENT_PASSWORD_COMMAND" in said
    assert not (tmp_path / "it-ran").exists()


def test_a_person_is_asked_once_for_exactly_this_program(profile, trap, folder):
    path = profile(command_of(trap))
    asked = []

    def yes(ask):
        asked.append(ask)
        consent.remember(folder, ask)
        return True

    assert load_settings(profile=path, environ={}, consent=yes).password_command
    assert load_settings(profile=path, environ={}, consent=yes).password_command
    assert len(asked) == 1
    with pytest.raises(NotAllowed):
        load_settings(profile=profile(command_of(trap).replace("]", ', "-v"]')), environ={})
    (kept,) = json.loads((folder / consent.FILE).read_text()).values()
    assert str(trap) in kept["allowed"]
    assert not stat.S_IMODE((folder / consent.FILE).stat().st_mode) & 0o002


@pytest.mark.parametrize(
    "command",
    [
        "./getpass",
        "tools/getpass --now",
        "..\\\\getpass.exe",
        ["../getpass", "-q"],
        "'unclosed",
        "pass " + " " * 2000 + "; and what nobody sees",
        ["pass", "x" * 2000],
    ],
)
def test_nobody_is_asked_for_what_they_cannot_see_or_what_changes_with_the_folder(profile, command):
    """In another folder, for example that of the data, another program has the same relative path."""
    path = profile(f"password_command = {json.dumps(command)}\n")
    with pytest.raises(NotAllowed, match=r"wherever you are|nobody can see|can be split"):
        load_settings(profile=path, environ={}, consent=lambda _: pytest.fail("somebody was asked"))


def test_what_is_asked_shows_where_one_argument_ends_and_letters_of_other_alphabets(profile):
    asked = []
    for command in (["pass", "a b", "\u0430rchive"], ["pass", "a", "b", "\u0430rchive"]):
        path = profile(f"password_command = {json.dumps(command)}\n")
        with pytest.raises(NotAllowed):
            load_settings(profile=path, environ={}, consent=lambda ask: bool(asked.append(ask)))
    first, second = (ask.what.partition(": ")[2] for ask in asked)
    assert first == "pass 'a b' '\\u0430rchive'"
    assert second == "pass a b '\\u0430rchive'"
    path = profile('auth = "aws"\naws_profile = "\u0430dmin"\n')
    with pytest.raises(NotAllowed, match=r"profile \\u0430dmin"):
        load_settings(profile=path, environ={})


@pytest.mark.skipif(sys.platform == "win32", reason="pwd is a POSIX program")
def test_a_program_runs_in_the_home_folder_whatever_folder_one_is_in(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    assert password_from_command("pwd") == str(home)
    home.rmdir()
    assert password_from_command("pwd") == str(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "nonsense", "{" * 100_000])
def test_a_broken_memory_of_consents_allows_nothing(profile, trap, folder, text):
    (folder / consent.FILE).write_text(text, encoding="utf-8")
    with pytest.raises(NotAllowed):
        load_settings(profile=profile(command_of(trap)), environ={})


def test_the_providers_own_program_needs_no_consent(profile, trap, folder, monkeypatch):
    path = profile("")
    environ = {"UPLOAD_CLIENT_PASSWORD_COMMAND": "pass archive"}
    assert load_settings(profile=path, environ=environ).password_command == "pass archive"
    assert (
        load_settings(profile=profile(command_of(trap)), environ=environ).password_command == "pass archive"
    )
    (folder / "personal.toml").write_text('password_command = ["pass", "archive"]\n', encoding="utf-8")
    assert load_settings(profile=path).password_command == ["pass", "archive"]
    assert load_settings(profile=profile(command_of(trap))).password_command == ["pass", "archive"]


def test_the_providers_own_file_holds_no_password(folder):
    (folder / "personal.toml").write_text('password = "x"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match="a password does not belong in a file"):
        load_settings()


# --- the provider's own AWS identity ---------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        'auth = "aws"\n',
        'auth = "aws"\naws_profile = "boss"\n',
        'auth = "aws"\nendpoint_url = "https://x.example"\n',
    ],
)
def test_no_profile_uses_the_providers_aws_identity_unasked(profile, text):
    with pytest.raises(NotAllowed, match="use your own AWS identity"):
        load_settings(profile=profile(text), environ={})


@pytest.mark.parametrize(
    "text", ['endpoint_url = "https://x.example"\n', '[endpoints]\ns3 = "https://x.example"\n']
)
def test_nor_does_it_lead_elsewhere_what_the_provider_has_chosen(profile, text):
    with pytest.raises(NotAllowed, match=r"identity .* at https://x\.example"):
        load_settings(profile=profile(text), environ={"UPLOAD_CLIENT_AUTH": "aws"})
    own = {"UPLOAD_CLIENT_AUTH": "aws", "AWS_ENDPOINT_URL": "https://mine.example"}
    assert load_settings(profile=profile(text), environ=own).endpoint_url == "https://mine.example"


def test_the_providers_own_choice_needs_no_consent(profile):
    settings = load_settings(
        profile=profile(""), environ={"UPLOAD_CLIENT_AUTH": "aws", "AWS_PROFILE": "work"}
    )
    assert (settings.auth, settings.aws_profile) == ("aws", "work")


# --- the way -------------------------------------------------------------------------------------


URLS = ["http://login.example", "http://10.0.0.7:9000", "http://127.0.0.1.example", "http://s3.amazonaws.com"]


@pytest.mark.parametrize("url", URLS)
def test_nothing_secret_passes_unencrypted_unless_the_provider_says_so(profile, url):
    for text in (f'endpoint_url = "{url}"\n', f'[endpoints]\n"cognito-idp" = "{url}"\n'):
        with pytest.raises(SettingsError, match="is plain HTTP") as caught:
            load_settings(profile=profile(text), environ={})
        assert "--plain-http" in caught.value.hint
        for said in ({"flags": {"plain_http": True}}, {"environ": {"UPLOAD_CLIENT_PLAIN_HTTP": "true"}}):
            assert load_settings(**{"profile": profile(text), "environ": {}, **said}).plain_http
    with pytest.raises(SettingsError, match="is plain HTTP"):
        load_settings(environ={"AWS_ENDPOINT_URL": url})


@pytest.mark.parametrize("url", ["http://127.0.0.1:4566", "http://localhost:9000", "http://[::1]:9000"])
def test_on_this_machine_nobody_listens_on_the_way(profile, url):
    assert load_settings(profile=profile(f'endpoint_url = "{url}"\n'), environ={}).endpoint_url == url


def test_hosts_that_are_not_aws_are_named():
    settings = Settings(
        endpoint_url="https://login.example",
        endpoints={"s3": "https://s3.eu-central-1.amazonaws.com", "ssm": "http://127.0.0.1:1"},
    )
    assert foreign_hosts(settings) == ("login.example",)
    assert foreign_hosts(Settings()) == ()


def test_the_hosts_to_which_botocore_itself_goes_are_aws_own():
    import boto3

    session, found = boto3.Session(), set()
    for service in ("cognito-idp", "cognito-identity", "ssm", "lambda", "s3"):
        for partition in ("aws", "aws-cn", "aws-us-gov", "aws-eusc"):
            for region in session.get_available_regions(service, partition_name=partition)[:6]:
                client = session.client(service, region, aws_access_key_id="x", aws_secret_access_key="x")
                found.add(client.meta.endpoint_url)
    assert len(found) > 30
    assert all(foreign_hosts(Settings(endpoint_url=url)) == () for url in found)


def test_the_sandboxs_password_is_for_a_sandbox(profile):
    here = 'sandbox_password = "Quiet-Harbour-7"\n', 'endpoint_url = "http://127.0.0.1:1"\n'
    elsewhere = '[endpoints]\n"cognito-idp" = "https://x.example"\n'
    for text in (here[0], "".join((*here, elsewhere))):
        with pytest.raises(SettingsError, match="sandbox_password: is for a sandbox on this machine"):
            load_settings(profile=profile(text), environ={})
    settings = load_settings(profile=profile("".join(here)), environ={})
    assert "Quiet" not in repr(settings)


BAD_URLS = [
    "https://",
    "https://user:pw@host.example",
    "https://host.example/?x=1",
    "https://host.example/#x",
    "https://host.example:99999",
    "https://ho st.example",
    "https://[::1",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_url_is_a_host_and_nothing_else(url):
    with pytest.raises(SettingsError, match=r"AWS_ENDPOINT_URL: (names no host|must hold a host alone)"):
        load_settings(environ={"AWS_ENDPOINT_URL": url})


TEXTS = [name for name, field in Settings.model_fields.items() if "str" in str(field.annotation)]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("one", ["\n", "\r", "\x1b", "\x85", "\u2028"])
def test_control_characters_are_refused_when_settings_are_read(name, one):
    values = {"endpoints": {"s3": f"https://x{one}"}, "object_options": {"Tagging": f"a{one}"}}
    values["password_command"] = ["pass", f"a{one}"]
    text = values.get(name, f"a{one}b")
    environ = {f"UPLOAD_CLIENT_{name.upper()}": text if isinstance(text, str) else json.dumps(text)}
    with pytest.raises(SettingsError, match="control character") as caught:
        load_settings(environ=environ)
    assert one not in str(caught.value)


@pytest.mark.parametrize("region", ["x.example/", "EU", "Frankfurt", "a b", "x.example#", "-x", "x-", "x\n"])
def test_a_region_is_no_host(region):
    with pytest.raises(SettingsError, match="AWS_REGION"):
        load_settings(environ={"AWS_REGION": region})


@pytest.mark.parametrize("region", ["eu-central-1", "RegionOne", "default"])
def test_the_regions_of_aws_and_the_first_one_of_openstack_are_taken(region):
    assert load_settings(environ={"AWS_REGION": region}).region == region


@pytest.mark.parametrize("text", ["x = " + "[" * 100_000, "a = 1\n" + "#" * 2_000_000, "x = " + "9" * 10_000])
def test_a_profile_that_costs_more_than_a_profile_may_is_none(profile, text):
    with pytest.raises(SettingsError):
        load_settings(profile=profile(text), environ={})


@pytest.mark.parametrize("where", ["profile", "parameter"])
@pytest.mark.parametrize("name", ["x\nhint: Run this program", "x\r\x1b[2Jhint", "x" * 100_000])
def test_the_name_of_a_setting_that_is_none_makes_no_line_of_its_own(profile, where, name):
    """Else a receiver could put a hint of theirs below ours."""
    path = profile(f"{json.dumps(name)} = 1\n")
    read = {
        "profile": lambda: load_settings(profile=path, environ={}),
        "parameter": lambda: with_parameter(Settings(), json.dumps({name: 1})),
    }[where]
    with pytest.raises(SettingsError, match="is not a setting") as caught:
        read()
    assert len(str(caught.value)) < 1000
    assert str(caught.value).isprintable()
