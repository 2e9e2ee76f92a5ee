"""Logging in, against moto's user pool and identity pool."""

from __future__ import annotations

import datetime as dt
import email.utils
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import boto3
import botocore.session
import keyring
import keyring.backend
import keyring.errors
import pytest
from botocore.credentials import RefreshableCredentials
from botocore.stub import ANY, Stubber
from late import late

from upload_client.activities.s3 import S3Client
from upload_client.aws.auth import CognitoLogin, fetch_parameter, find_password, open_session
from upload_client.errors import LoginRefused, NotReachable, UsageError
from upload_client.s3 import clients
from upload_client.s3.bucket import Bucket
from upload_client.settings import Settings, SettingsError
from upload_client.support import password_command
from upload_client.support.clock import Clock
from upload_client.support.secrets import without_secrets
from upload_client.synchrony.credentials import session_of

REGION = "eu-west-1"
PASSWORD = "Quiet-Harbour-7"


class Ahead(Clock):
    """This machine's clock, some seconds ahead."""

    seconds = 0.0

    def wall(self):
        return super().wall() + self.seconds


class Person:
    """Answers what is asked, in this order; remembers the questions."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.questions = []

    def __call__(self, question, *, secret):
        self.questions.append((question, secret))
        return self.answers.pop(0)


@pytest.fixture(scope="module")
def server():
    server = late("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        # Moto takes its own UTC for local time; and it is in this process, which is anywhere.
        patch.setattr("moto.cognitoidentity.models.utcnow", lambda: dt.datetime.now(dt.UTC))
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def a_machine_without_credentials(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture(autouse=True)
def an_empty_keyring():
    class Memory(keyring.backend.KeyringBackend):
        priority = 1

        def __init__(self):
            super().__init__()
            self.kept = {}

        def get_password(self, service, username):
            return self.kept.get((service, username))

        def set_password(self, service, username, password):
            self.kept[service, username] = password

    before = keyring.get_keyring()
    keyring.set_keyring(Memory())
    yield
    keyring.set_keyring(before)


def admin(server, service):
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=server,
        aws_access_key_id="admin",
        aws_secret_access_key="admin",
    )


class Pools:
    """A user pool with its client and an identity pool, made new for each test."""

    def __init__(self, server):
        self.server = server
        self.idp = admin(server, "cognito-idp")
        self.pool_id = self.idp.create_user_pool(PoolName="providers")["UserPool"]["Id"]
        self.client_id = self.idp.create_user_pool_client(UserPoolId=self.pool_id, ClientName="upload")[
            "UserPoolClient"
        ]["ClientId"]
        self.identity_pool_id = admin(server, "cognito-identity").create_identity_pool(
            IdentityPoolName="providers", AllowUnauthenticatedIdentities=False
        )["IdentityPoolId"]

    def add(self, username, *, permanent=True):
        self.idp.admin_create_user(UserPoolId=self.pool_id, Username=username, TemporaryPassword=PASSWORD)
        if permanent:
            self.idp.admin_set_user_password(
                UserPoolId=self.pool_id, Username=username, Password=PASSWORD, Permanent=True
            )

    def access_token(self, username, password=PASSWORD):
        return self.idp.admin_initiate_auth(
            UserPoolId=self.pool_id,
            ClientId=self.client_id,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": username, "PASSWORD": password},
        )["AuthenticationResult"]["AccessToken"]

    def settings(self, **more):
        values = {
            "region": REGION,
            "user_pool_id": self.pool_id,
            "user_pool_client_id": self.client_id,
            "identity_pool_id": self.identity_pool_id,
            "username": "ada",
            "password": PASSWORD,
            "endpoint_url": self.server,
            **more,
        }
        return Settings.model_validate({key: value for key, value in values.items() if value is not None})


@pytest.fixture
def pools(server):
    pools = Pools(server)
    pools.add("ada")
    return pools


def identity_of(session, server):
    """The access key a signed request really carried."""
    seen = []
    client = session.client("sts", endpoint_url=server)
    client.meta.events.register(
        "before-send.sts", lambda request, **_: seen.append(request.headers["Authorization"])
    )
    client.get_caller_identity()
    return seen[0].decode() if isinstance(seen[0], bytes) else seen[0]


# --- logging in ---------------------------------------------------------------------------------


def test_a_login_gives_a_session_that_signs_with_the_identity_pools_credentials(pools, server):
    session = open_session(pools.settings())
    assert session.region_name == REGION
    assert "TESTACCESSKEY12345" in identity_of(session, server)


def test_of_several_roles_the_one_of_the_settings_is_asked_for(pools):
    role = "arn:aws:iam::123456789012:role/survey7-2026-11"
    asked = []
    for settings in (pools.settings(), pools.settings(role_arn=role)):
        login = CognitoLogin(settings)
        login._identities.meta.events.register(
            "provide-client-params.cognito-identity.GetCredentialsForIdentity",
            lambda params, **_: asked.append(params.get("CustomRoleArn")),
        )
        login.session()
    assert asked == [None, role]


def test_the_region_follows_from_the_user_pool_when_it_is_not_set(pools):
    assert open_session(pools.settings(region=None)).region_name == REGION


def test_each_service_may_have_its_own_endpoint(pools, server):
    own = {"cognito-idp": server, "cognito-identity": server}
    session = open_session(pools.settings(endpoint_url="http://127.0.0.1:9", endpoints=own))
    assert session.get_credentials().get_frozen_credentials().access_key == "TESTACCESSKEY12345"


def test_a_profile_of_the_aws_tools_has_no_say_in_a_cognito_login(pools, monkeypatch, server):
    monkeypatch.setenv("AWS_PROFILE", "not-there")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "SOMEBODYELSE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "else")
    assert "TESTACCESSKEY12345" in identity_of(open_session(pools.settings()), server)


def test_who_is_not_named_is_asked_for_a_name_and_a_password(pools):
    person = Person("ada", PASSWORD)
    open_session(pools.settings(username=None, password=None), prompt=person)
    assert person.questions == [("User name", False), ("Password of ada", True)]


def test_without_a_name_and_with_nobody_to_ask_the_setting_is_named(pools):
    with pytest.raises(SettingsError, match="not set: username"):
        open_session(pools.settings(username=None))


def test_missing_ids_are_named():
    with pytest.raises(SettingsError, match="not set: user_pool_id, user_pool_client_id, identity_pool_id"):
        open_session(Settings())


def test_an_unknown_user_is_refused(pools):
    with pytest.raises(LoginRefused, match="the login of eve was refused: User does not exist") as caught:
        open_session(pools.settings(username="eve"))
    assert caught.value.exit_code == 10
    assert PASSWORD not in repr(caught.value)


def test_a_disabled_user_is_refused_in_cognitos_words(pools):
    pools.idp.admin_disable_user(UserPoolId=pools.pool_id, Username="ada")
    with pytest.raises(LoginRefused, match="User is disabled") as caught:
        open_session(pools.settings())
    assert "password" in caught.value.hint


def test_a_wrong_password_is_refused(pools):
    login = CognitoLogin(pools.settings())
    with Stubber(login._pool) as stub:
        stub.add_client_error(
            "initiate_auth", "NotAuthorizedException", "Incorrect username or password.", 400
        )
        with pytest.raises(LoginRefused, match=r"Incorrect username or password\.") as caught:
            login.session()
    assert caught.value.hint == "Check the user name and the password."


def test_a_client_that_does_not_exist_is_refused(pools):
    with pytest.raises(LoginRefused) as caught:
        open_session(pools.settings(user_pool_client_id="nobody"))
    assert "user_pool_client_id" in caught.value.hint


def test_an_identity_pool_that_does_not_let_the_user_in_is_a_refused_login(pools):
    login = CognitoLogin(pools.settings())
    with Stubber(login._identities) as stub:
        stub.add_client_error(
            "get_id", "NotAuthorizedException", "Token is not from a supported provider", 400
        )
        with pytest.raises(LoginRefused, match="not from a supported provider"):
            login.session()


@pytest.mark.parametrize(
    ("region", "issuer"),
    [
        ("eu-central-1", "cognito-idp.eu-central-1.amazonaws.com"),
        ("cn-north-1", "cognito-idp.cn-north-1.amazonaws.com.cn"),
        ("eusc-de-east-1", "cognito-idp.eusc-de-east-1.amazonaws.eu"),
    ],
)
def test_the_user_pool_is_named_by_the_domain_of_its_partition(pools, region, issuer):
    settings = pools.settings()
    login = CognitoLogin(settings)
    login._region = region
    with Stubber(login._identities) as stub:
        named = {f"{issuer}/{settings.user_pool_id}": ANY}
        expected = {"IdentityPoolId": settings.identity_pool_id, "Logins": named}
        stub.add_client_error("get_id", "NotAuthorizedException", "so far", 400, expected_params=expected)
        with pytest.raises(LoginRefused, match="so far"):
            login.session()


def test_a_login_server_that_cannot_be_reached_is_not_a_refusal(pools):
    with pytest.raises(NotReachable, match=r"the login server: 127\.0\.0\.1:9: Connection refused") as caught:
        open_session(pools.settings(endpoint_url="http://127.0.0.1:9"))
    assert caught.value.exit_code == 7


# --- what the pool asks on top of the password --------------------------------------------------------


def test_a_temporary_password_is_replaced_by_one_typed_twice(pools):
    pools.add("new", permanent=False)
    person = Person("Brave-Lantern-3", "Brave-Lantern-4", "Brave-Lantern-3", "Brave-Lantern-3")
    open_session(pools.settings(username="new"), prompt=person)
    assert pools.access_token("new", "Brave-Lantern-3")
    assert all(secret for _, secret in person.questions)
    assert "differ" in person.questions[2][0]


def test_a_new_password_that_is_too_weak_may_be_given_again(pools):
    pools.add("new", permanent=False)
    person = Person("weak", "weak", "Brave-Lantern-3", "Brave-Lantern-3")
    open_session(pools.settings(username="new"), prompt=person)
    assert person.questions[2][0] == "The receiver's rules do not allow this password. Another one"
    assert pools.access_token("new", "Brave-Lantern-3")


def test_after_three_weak_passwords_the_login_is_refused(pools):
    pools.add("new", permanent=False)
    with pytest.raises(LoginRefused):
        open_session(pools.settings(username="new"), prompt=Person(*["weak"] * 6))


def challenged(pools, *challenges, prompt):
    """A login whose pool asks for these, one after the other."""
    login = CognitoLogin(pools.settings(), prompt=prompt)
    verifier = {"ChallengeName": "PASSWORD_VERIFIER", "Session": "s" * 20, "ChallengeParameters": {}}
    asked = iter([{**verifier, **challenge} for challenge in challenges])
    login._pool.initiate_auth = lambda **_: next(asked)
    login._pool.respond_to_auth_challenge = lambda **_: next(asked)
    return login


def test_nothing_is_told_to_a_server_that_has_not_asked_for_the_proof_of_the_password(pools):
    person = Person("Brave-Lantern-3", "Brave-Lantern-3", "123456")
    for name in ("NEW_PASSWORD_REQUIRED", "SOFTWARE_TOKEN_MFA", "CUSTOM_CHALLENGE"):
        login = challenged(pools, {"ChallengeName": name}, prompt=person)
        with pytest.raises(LoginRefused, match="something else than it should"):
            login.session()
    assert person.questions == []


def test_a_login_that_asks_for_ever_ends(pools, monkeypatch):
    monkeypatch.setattr(CognitoLogin, "_proof", lambda *_: {"USERNAME": "ada"})
    person = Person(*["123456"] * 50)
    endless = [{}, *[{"ChallengeName": "SMS_MFA"}] * 50]
    with pytest.raises(LoginRefused, match="something else than it should"):
        challenged(pools, *endless, prompt=person).session()
    assert len(person.questions) < 10


@pytest.mark.parametrize(
    "asked", ["your AWS secret key", "custom:mothers_maiden_name", "name\x1b[2J", "password"]
)
def test_a_person_is_asked_for_standard_attributes_alone(pools, asked):
    login = CognitoLogin(pools.settings(), prompt=(person := Person("x", "y", "z")))
    challenge = {
        "ChallengeName": "NEW_PASSWORD_REQUIRED",
        "ChallengeParameters": {"requiredAttributes": f'["userAttributes.{asked}"]'.replace("\x1b", "")},
    }
    with pytest.raises(LoginRefused, match="no login has to know"):
        login._ask(challenge, "ada")
    assert person.questions == []


def test_where_a_code_was_sent_is_quoted_only_if_it_may_be_an_address(pools):
    login = CognitoLogin(pools.settings(), prompt=(person := Person("1", "2")))
    login._respond = lambda *_: {}
    for destination in ("+*******99", "you.\nPassword of your bank"):
        parameters = {"CODE_DELIVERY_DESTINATION": destination}
        login._ask({"ChallengeName": "SMS_MFA", "ChallengeParameters": parameters}, "ada")
    assert [question for question, _ in person.questions] == [
        "Code sent by SMS to +*******99",
        "Code sent by SMS",
    ]


def test_a_code_of_the_authenticator_app_is_asked_for(pools):
    token = pools.access_token("ada")
    pools.idp.associate_software_token(AccessToken=token)
    pools.idp.verify_software_token(AccessToken=token, UserCode="123456")
    pools.idp.set_user_mfa_preference(
        AccessToken=token, SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True}
    )
    person = Person(" 123456 ")
    session = open_session(pools.settings(), prompt=person)
    assert person.questions == [("Code of your authenticator app", False)]
    assert session.get_credentials() is not None


def test_a_code_sent_by_sms_is_asked_for(pools):
    token = pools.access_token("ada")
    pools.idp.set_user_mfa_preference(
        AccessToken=token, SMSMfaSettings={"Enabled": True, "PreferredMfa": True}
    )
    person = Person("123456")
    open_session(pools.settings(), prompt=person)
    assert [question for question, _ in person.questions] == ["Code sent by SMS"]


def test_a_mistyped_code_may_be_given_again(pools):
    login = CognitoLogin(pools.settings(), prompt=(person := Person("000000", "123456")))
    challenge = {"ChallengeName": "SOFTWARE_TOKEN_MFA", "Session": "s" * 20, "ChallengeParameters": {}}
    with Stubber(login._pool) as stub:
        stub.add_client_error("respond_to_auth_challenge", "CodeMismatchException", "Invalid code.", 400)
        stub.add_response(
            "respond_to_auth_challenge",
            {"AuthenticationResult": {"IdToken": "i"}},
            {
                "ClientId": pools.client_id,
                "ChallengeName": "SOFTWARE_TOKEN_MFA",
                "Session": "s" * 20,
                "ChallengeResponses": {"USERNAME": "ada", "SOFTWARE_TOKEN_MFA_CODE": "123456"},
            },
        )
        assert login._ask(challenge, "ada")["AuthenticationResult"]["IdToken"] == "i"
    assert person.questions[1][0] == "This code is not right. Again"


def test_a_second_factor_is_set_up_with_the_app_that_a_person_has(pools):
    login = CognitoLogin(pools.settings(), prompt=(person := Person("000000", " 654321 ")))
    key = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCD"
    challenge = {"ChallengeName": "MFA_SETUP", "Session": "s" * 20}
    challenge["ChallengeParameters"] = {"MFAS_CAN_SETUP": '["SOFTWARE_TOKEN_MFA"]'}
    with Stubber(login._pool) as stub:
        stub.add_response(
            "associate_software_token", {"SecretCode": key, "Session": "t" * 20}, {"Session": "s" * 20}
        )
        stub.add_client_error(
            "verify_software_token", "EnableSoftwareTokenMFAException", "Code mismatch", 400
        )
        stub.add_response(
            "verify_software_token",
            {"Status": "SUCCESS", "Session": "u" * 20},
            {"Session": "t" * 20, "UserCode": "654321"},
        )
        stub.add_response(
            "respond_to_auth_challenge",
            {"AuthenticationResult": {"IdToken": "i"}},
            {
                "ClientId": pools.client_id,
                "ChallengeName": "MFA_SETUP",
                "Session": "u" * 20,
                "ChallengeResponses": {"USERNAME": "ada"},
            },
        )
        assert login._ask(challenge, "ada")["AuthenticationResult"]["IdToken"] == "i"
        stub.assert_no_pending_responses()
    assert "ABCD EFGH IJKL MNOP QRST UVWX YZ23 4567 ABCD" in person.questions[0][0]
    assert "not right" in person.questions[1][0]
    assert key not in without_secrets(f"said: {key}")


def test_a_key_that_is_none_is_not_shown(pools):
    login = CognitoLogin(pools.settings(), prompt=(person := Person("1")))
    challenge = {"ChallengeName": "MFA_SETUP", "Session": "s" * 20, "ChallengeParameters": {}}
    with Stubber(login._pool) as stub:
        stub.add_response(
            "associate_software_token", {"SecretCode": "call +49 30 12345, now", "Session": "t" * 20}
        )
        with pytest.raises(ValueError, match="not one of Cognito's"):
            login._ask(challenge, "ada")
    assert person.questions == []


def test_without_a_person_a_second_factor_is_not_set_up(pools):
    login = CognitoLogin(pools.settings())
    with pytest.raises(LoginRefused, match="to be set up first") as refused:
        login._ask({"ChallengeName": "MFA_SETUP", "Session": "s" * 20, "ChallengeParameters": {}}, "ada")
    assert "in a terminal" in refused.value.hint


def test_attributes_a_new_user_has_to_fill_in_are_asked_for(pools):
    login = CognitoLogin(pools.settings(), prompt=Person("Ada L.", "Brave-Lantern-3", "Brave-Lantern-3"))
    challenge = {
        "ChallengeName": "NEW_PASSWORD_REQUIRED",
        "ChallengeParameters": {"requiredAttributes": '["userAttributes.name"]'},
    }
    with Stubber(login._pool) as stub:
        stub.add_response(
            "respond_to_auth_challenge",
            {},
            {
                "ClientId": pools.client_id,
                "ChallengeName": "NEW_PASSWORD_REQUIRED",
                "ChallengeResponses": {
                    "USERNAME": "ada",
                    "userAttributes.name": "Ada L.",
                    "NEW_PASSWORD": "Brave-Lantern-3",
                },
            },
        )
        login._ask(challenge, "ada")


def test_with_nobody_to_ask_a_challenge_is_a_refusal_that_says_what_was_asked(pools):
    pools.add("new", permanent=False)
    with pytest.raises(LoginRefused, match="New password") as caught:
        open_session(pools.settings(username="new"))
    assert "terminal" in caught.value.hint


def test_a_challenge_we_cannot_answer_is_named(pools):
    login = CognitoLogin(pools.settings(), prompt=Person())
    with pytest.raises(LoginRefused, match="SELECT_MFA_TYPE"):
        login._ask({"ChallengeName": "SELECT_MFA_TYPE"}, "ada")


# --- credentials that refresh themselves --------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch):
    """A clock that moto's identity pool goes by as well."""
    clock = Ahead()
    monkeypatch.setattr(
        "moto.cognitoidentity.models.utcnow",
        lambda: dt.datetime.fromtimestamp(clock.wall(), tz=dt.UTC),
    )
    return clock


def counted(login, monkeypatch):
    calls = []
    fetch = login._fetch
    monkeypatch.setattr(login, "_fetch", lambda: (calls.append(threading.get_ident()), fetch())[1])
    return calls


def test_credentials_that_last_are_not_fetched_again(pools, monkeypatch):
    login = CognitoLogin(pools.settings())
    calls = counted(login, monkeypatch)
    credentials = login.session().get_credentials()
    for _ in range(20):
        credentials.get_frozen_credentials()
    assert len(calls) == 1


def test_credentials_that_end_are_fetched_once_however_many_threads_need_them(pools, clock, monkeypatch):
    login = CognitoLogin(pools.settings(), clock=clock)
    calls = counted(login, monkeypatch)
    credentials = login.session().get_credentials()
    clock.seconds += 3600
    at_once = threading.Barrier(16)

    def use():
        at_once.wait()
        return credentials.get_frozen_credentials().access_key

    with ThreadPoolExecutor(16) as pool:
        keys = [future.result() for future in [pool.submit(use) for _ in range(16)]]
    assert keys == ["TESTACCESSKEY12345"] * 16
    assert len(calls) == 2


def test_a_refresh_asks_nobody_and_needs_no_password(pools, clock):
    person = Person("ada", PASSWORD)
    login = CognitoLogin(pools.settings(username=None, password=None), prompt=person, clock=clock)
    credentials = login.session().get_credentials()
    for _ in range(5):
        clock.seconds += 86400
        credentials.get_frozen_credentials()
    assert person.answers == []


def test_a_refused_refresh_ends_in_one_clear_error_and_is_not_tried_again(pools, clock, server):
    session = open_session(pools.settings(), clock=clock)
    clock.seconds += 3600
    pools.idp.admin_user_global_sign_out(UserPoolId=pools.pool_id, Username="ada")
    sts = session.client("sts", endpoint_url=server)
    with pytest.raises(LoginRefused, match="the login of ada has ended") as caught:
        sts.get_caller_identity()
    assert "resumes where this run stopped" in caught.value.hint
    with pytest.raises(LoginRefused, match="the login of ada has ended") as again:
        sts.get_caller_identity()
    assert again.value.__cause__ is None


def test_a_refresh_refused_before_the_end_leaves_the_credentials_in_use(pools, clock, server):
    session = open_session(pools.settings(), clock=clock)
    pools.idp.admin_user_global_sign_out(UserPoolId=pools.pool_id, Username="ada")
    clock.seconds += 65  # of 90; they are refreshed when 30 are left, and must be when 15 are
    assert "TESTACCESSKEY12345" in identity_of(session, server)


def test_a_throttled_refresh_is_tried_again(pools, clock):
    login = CognitoLogin(pools.settings(), clock=clock)
    credentials = login.session().get_credentials()
    clock.seconds += 3600
    with Stubber(login._pool) as stub:
        stub.add_client_error("initiate_auth", "TooManyRequestsException", "Slow down", 400)
        with pytest.raises(NotReachable):
            credentials.get_frozen_credentials()
    assert credentials.get_frozen_credentials().access_key == "TESTACCESSKEY12345"


def test_credentials_that_have_ended_before_they_begin_are_explained_by_the_clock(pools):
    ahead = Ahead()
    ahead.seconds = 7200.0
    with pytest.raises(LoginRefused, match=r"ada have ended .* it is 2 h 0 min ahead") as refused:
        open_session(pools.settings(), clock=ahead)
    assert "Set this machine's clock" in refused.value.hint


def test_where_the_clocks_agree_no_clock_is_called_wrong(pools):
    login = CognitoLogin(pools.settings())
    agreeing = {"date": email.utils.formatdate(usegmt=True)}
    ended = {
        "AccessKeyId": "A" * 16,
        "SecretKey": "x",
        "SessionToken": "x",
        "Expiration": dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
    }
    with Stubber(login._identities) as stub:
        stub.add_response("get_id", {"IdentityId": "eu-west-1:1"})
        stub.add_response(
            "get_credentials_for_identity",
            {"Credentials": ended, "ResponseMetadata": {"HTTPHeaders": agreeing}},
        )
        with pytest.raises(LoginRefused, match="have ended already: this machine's clock agrees") as refused:
            login.session()
    assert "clock" not in refused.value.hint


def test_a_clock_that_jumps_past_the_end_of_all_credentials_is_a_refusal_until_it_is_set(pools):
    clock = Ahead()
    credentials = open_session(pools.settings(), clock=clock).get_credentials()
    clock.seconds = 7200.0
    with pytest.raises(LoginRefused, match="2 h 0 min ahead"):
        credentials.get_frozen_credentials()
    clock.seconds = 0.0
    assert credentials.get_frozen_credentials().access_key == "TESTACCESSKEY12345"


def test_so_are_those_of_another_login_whose_renewal_brings_nothing_new(server):
    def expired():
        return {"access_key": "a", "secret_key": "b", "token": "c", "expiry_time": "2020-01-01T00:00:00Z"}

    botocores = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    botocores._credentials = RefreshableCredentials.create_from_metadata(expired(), expired, "test")
    session = boto3.Session(region_name=REGION, botocore_session=botocores)
    for _ in range(2):  # a client may be made of a session as often as anyone likes
        places = Settings.model_validate({"endpoint_url": server})
        bucket = Bucket("anything", client=clients.s3_client(session, places))
        with pytest.raises(LoginRefused, match="by this machine's clock they have ended already"):
            bucket.head("a")


# --- passwords ----------------------------------------------------------------------------------


def printing(text, code=0):
    return [sys.executable, "-c", f"import sys; print({text!r}); sys.exit({code})"]


def password(prompt=None, **settings):
    return find_password(Settings.model_validate({"user_pool_id": "eu-west-1_x", **settings}), "ada", prompt)


def test_the_environments_password_goes_before_the_command_before_the_keyring_before_the_person():
    person = Person("typed")
    everything = {"password": "given", "password_command": printing("printed")}
    keyring.set_password("upload-client/eu-west-1_x", "ada", "kept")
    assert password(person, **everything) == "given"
    del everything["password"]
    assert password(person, **everything) == "printed"
    assert password(person) == "kept"
    keyring.set_password("upload-client/eu-west-1_x", "ada", None)
    assert password(person) == "typed"


def test_of_a_commands_output_the_first_line_is_the_password():
    assert password(password_command=printing("  s p\u00e4ce \nuser: ada\n")) == "  s p\u00e4ce "


@pytest.mark.skipif(os.name == "nt", reason="Windows hands a command line on as it is")
def test_a_command_in_one_text_is_split_but_no_shell_runs_it(tmp_path):
    assert password(password_command="printf '%s' 'a b;$HOME `id` > x'") == "a b;$HOME `id` > x"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (printing("hunter2", code=3), "ended with 3"),
        (printing(""), "printed nothing"),
        (["no-such-program-here", "hunter2"], r"\(no-such-program-here\) cannot be run"),
    ],
)
def test_a_password_command_that_fails_is_named_but_not_what_it_printed(command, said):
    with pytest.raises(LoginRefused, match=said) as caught:
        password(password_command=command)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_password_command_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(password_command, "PASSWORD_COMMAND_SECONDS", 0.01)
    with pytest.raises(LoginRefused, match="did not end in time") as caught:
        password(
            password_command=[
                sys.executable,
                "-c",
                "input()" if os.name == "nt" else "import threading; threading.Event().wait()",
            ]
        )
    assert caught.value.__cause__ is None


def test_a_machine_without_a_keyring_asks_the_person(monkeypatch):
    def none(*_):
        raise keyring.errors.NoKeyringError

    monkeypatch.setattr(keyring, "get_password", none)
    assert password(Person("typed")) == "typed"


def test_an_installation_without_the_keyring_extra_asks_the_person(monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert password(Person("typed")) == "typed"


def test_with_no_password_and_nobody_to_ask_the_hint_names_the_ways():
    with pytest.raises(LoginRefused, match="no password for ada") as caught:
        password()
    assert "UPLOAD_CLIENT_PASSWORD" in caught.value.hint


# --- AWS' own credentials -----------------------------------------------------------------------------


def test_aws_credentials_of_the_environment_are_used_when_asked_for(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "OWN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "own")
    session = open_session(Settings(auth="aws", region=REGION))
    assert session.get_credentials().access_key == "OWN"
    assert session.region_name == REGION


def test_no_aws_credentials_at_all_is_a_refused_login():
    with pytest.raises(LoginRefused, match="no AWS credentials"):
        open_session(Settings(auth="aws", region=REGION))


def test_an_aws_profile_that_is_not_there_is_a_refused_login():
    with pytest.raises(LoginRefused, match="nowhere"):
        open_session(Settings(auth="aws", region=REGION, aws_profile="nowhere"))


def test_with_aws_credentials_a_missing_region_is_named(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "OWN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "own")
    with pytest.raises(SettingsError, match="not set: region"):
        open_session(Settings(auth="aws"))


# --- the receiver's parameter -------------------------------------------------------------------------


def test_the_parameter_is_read_decrypted(pools, server):
    text = '{"control_bucket": "control"}'
    admin(server, "ssm").put_parameter(Name="/upload-client/secret", Value=text, Type="SecureString")
    settings = pools.settings(settings_parameter="/upload-client/secret")
    assert fetch_parameter(open_session(settings), settings) == text


def test_a_parameter_that_is_not_there_is_named(pools):
    settings = pools.settings(settings_parameter="/none")
    with pytest.raises(SettingsError, match=r"SSM parameter /none: cannot be read \(ParameterNotFound\)"):
        fetch_parameter(open_session(settings), settings)


@pytest.mark.skipif(sys.platform == "win32", reason="the command is a shell's")
@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("sh -c 'printf \"not you \\377\\033[2J\" >&2; exit 3'", "ended with 3: not you"),
        ("printf nothing", "no object of JSON"),
        ("yes", "printed more than"),
        ("sleep 600", "did not end"),
        ("/no/such/program", "cannot be run"),
    ],
)
def test_a_credential_process_is_bounded_and_what_is_wrong_with_it_told(monkeypatch, tmp_path, program, said):
    seconds = 0.2 if program.startswith("sleep") else 60.0
    monkeypatch.setattr("upload_client.aws.credential_process.CREDENTIAL_PROCESS_SECONDS", seconds)
    with_program(monkeypatch, tmp_path, program)
    with pytest.raises(LoginRefused, match=said):
        open_session(Settings(auth="aws", region=REGION))


def test_a_credential_process_gives_credentials(monkeypatch, tmp_path):
    (tmp_path / "given.json").write_text(
        '{"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": "s"}', encoding="utf-8"
    )
    copy = f"{sys.executable} -S -c \"print(open(r'{tmp_path / 'given.json'}').read())\""
    with_program(monkeypatch, tmp_path, copy)
    session = open_session(Settings(auth="aws", region=REGION))
    assert session.get_credentials().access_key == "AKIAPROCESS"


@pytest.mark.parametrize("asks", ["a folder of several people", "an activity"])
def test_a_credential_process_is_bounded_whoever_asks_it(monkeypatch, tmp_path, asks):
    with_program(monkeypatch, tmp_path, f"{sys.executable} -S -c print(1)")
    with pytest.raises(UsageError, match="no object of JSON"):
        session_of("", print) if asks == "a folder of several people" else S3Client().connect()


def with_program(monkeypatch, folder, program):
    (folder / "config").write_text(f"[default]\ncredential_process = {program}\n", encoding="utf-8")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "none"))
