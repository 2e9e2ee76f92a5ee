"""Logging in: from a name and a password to a boto3 session that refreshes itself.

Cognito's user pool checks the password (SRP: it never leaves this machine) and gives tokens; the identity
pool takes the identity token and gives AWS credentials, for an hour or so. Before they run out they are
fetched anew with the refresh token, by botocore, which lets one thread do it while the others go on.

The tokens are not verified here: they come straight from the user pool, and only the identity pool, which
verifies them itself, ever acts on them.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import boto3
import botocore.session
from botocore import UNSIGNED
from botocore.credentials import CredentialProvider, CredentialResolver, RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError

from upload_client.aws.credential_process import bound_credential_process
from upload_client.core import srp
from upload_client.core.answers import Meaning, is_code
from upload_client.core.partitions import domain_of
from upload_client.core.preflight import advice
from upload_client.core.text import for_terminal
from upload_client.errors import DeliveryError, LoginRefused, NotReachable
from upload_client.s3.bucket import ConnectionBlocked, StoreError, refusal, store_errors
from upload_client.s3.clients import client, one_of_many, quickened, time_outs
from upload_client.s3.skew import SET_CLOCK, clock_and_hint, explain_expiry
from upload_client.s3.trouble import Trouble, trouble_of
from upload_client.settings import Settings, SettingsError, foreign_hosts, require
from upload_client.support.clock import SYSTEM, Clock
from upload_client.support.password_command import password_from_command
from upload_client.support.patience import NO_PATIENCE, Patience
from upload_client.support.secrets import remember

__all__ = [
    "SET_CLOCK",
    "CognitoLogin",
    "ParameterDenied",
    "Prompt",
    "bare_session",
    "fetch_parameter",
    "find_password",
    "login_name",
    "name_session",
    "open_session",
]

_log = logging.getLogger(__name__)


class Prompt(Protocol):
    """Asks the person."""

    def __call__(self, question: str, *, secret: bool) -> str:
        """Give the answer; a secret one is not shown while it is typed. `question` may quote Cognito."""
        ...


ATTEMPTS = 3
"""Number of times that a mistyped code or an unfit new password may be given."""

ADVISORY_SECONDS = 900
MANDATORY_SECONDS = 600
"""Seconds before their end at which credentials are refreshed, if possible, and at any price (botocore's)."""

MOST_CHALLENGES = 10
"""A login asks for a password, a code, a new password; one that asks more often than this does not end."""

REFUSALS = {
    "NotAuthorizedException": "Check the user name and the password.",
    "UserNotFoundException": "Check the user name.",
    "PasswordResetRequiredException": "The receiver has asked for a new password: reset it first.",
    "UserNotConfirmedException": "The receiver has to confirm this user first.",
    "ResourceNotFoundException": "Check user_pool_id, user_pool_client_id and identity_pool_id.",
    "InvalidParameterException": "Check user_pool_client_id: SRP must be switched on for it.",
}
"""Cognito's error codes, and what the person can do.

https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_InitiateAuth.html
"""

ATTRIBUTES = {
    "address": "Address",
    "birthdate": "Date of birth (YYYY-MM-DD)",
    "email": "Mail address",
    "family_name": "Family name",
    "gender": "Gender",
    "given_name": "Given name",
    "locale": "Language",
    "middle_name": "Middle name",
    "name": "Name",
    "nickname": "Nickname",
    "phone_number": "Telephone number (+4930…)",
    "picture": "Address of a picture",
    "preferred_username": "User name to be called by",
    "profile": "Address of a profile page",
    "website": "Web site",
    "zoneinfo": "Time zone (Europe/Berlin)",
}
"""The attributes that a pool may ask a person for with a first password, in our words, not the server's.

https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html
"""

_PASSWORD_RULES = {
    "not long enough": "it is too short",
    "uppercase": "it needs a capital letter",
    "lowercase": "it needs a small letter",
    "numeric": "it needs a digit",
    "symbol": "it needs a character such as ! or ?",
    "history": "it was used before",
}

_BASE32 = re.compile("[A-Z2-7]{16,256}")

PASSWORD_SOURCES = "Set UPLOAD_CLIENT_PASSWORD or password_command, or keep it in the keyring."  # noqa: S105 # a hint
_NOT_COGNITO = "its answer is not one of Cognito's: is another server there, or in between?"


def open_session(
    settings: Settings,
    *,
    prompt: Prompt | None = None,
    clock: Clock = SYSTEM,
    patience: Patience = NO_PATIENCE,
) -> boto3.Session:
    """Log in, and give a boto3 session whose credentials last as long as they are needed.

    Args:
        settings: `auth` says how: ``cognito``, ``oidc`` or ``aws``.
        prompt: Asks the person for what is missing; None where nobody is there to be asked.
        clock: Tells when credentials end.
        patience: Asks again where the login server is not reachable.

    Raises:
        LoginRefused: By Cognito, or because something only a person knows is missing. Also raised later,
            out of any AWS call, when the credentials have ended and the refresh token is refused.
        NotReachable: The login server is not there, or asks to be called later.
        SettingsError: Ids that the login needs are not set.
    """
    if settings.auth == "aws":
        _log.info("using this machine's AWS credentials, profile %s", settings.aws_profile or "default")
        return patience(lambda: _own_session(settings))
    if settings.auth == "oidc":
        from upload_client.aws.oidc import OidcLogin  # noqa: PLC0415 - it stands on this module

        return OidcLogin(settings, prompt=prompt, clock=clock, patience=patience).session()
    return CognitoLogin(settings, prompt=prompt, clock=clock, patience=patience).session()


_NAMES: WeakKeyDictionary[boto3.Session, str] = WeakKeyDictionary()


def name_session(session: boto3.Session, name: str) -> None:
    """Note the person behind a session, for `login_name`."""
    if name:
        _NAMES[session] = name


def login_name(session: boto3.Session) -> str | None:
    """The person behind a session: the user of its login, or its AWS account; None where nobody says."""
    if name := _NAMES.get(session):
        return name
    account = None
    with contextlib.suppress(BotoCoreError, ClientError):  # it has been asked for nothing but a name
        account = getattr(session.get_credentials(), "account_id", None)
    return f"AWS account {account}" if account else None


def fetch_parameter(session: boto3.Session, settings: Settings) -> str:
    """Read the receiver's settings: the text of the SSM parameter ``settings.settings_parameter``.

    Raises:
        ParameterDenied: This user may not read it.
        SettingsError: It is not there.
        LoginRefused: The credentials, or the time of the request, are not taken.
        NotReachable: SSM is not there, or asks to be called later.
    """
    name = settings.settings_parameter
    ssm = client(session, "ssm", settings, **time_outs(settings.patience))
    try:
        with store_errors(f"SSM parameter {name}"):
            answer = ssm.get_parameter(Name=name, WithDecryption=True)
            text: str = answer["Parameter"]["Value"]
    except NotReachable:
        raise
    except StoreError as error:
        if error.meaning is Meaning.CLOCK or error.meaning.credentials:
            raise LoginRefused(str(error), hint=error.hint) from error
        if isinstance(error, ConnectionBlocked):
            raise
        kind = ParameterDenied if error.meaning is Meaning.DENIED else SettingsError
        raise kind(
            f"SSM parameter {name}: cannot be read ({error.s3_code or error})",
            hint="It holds settings that only the receiver knows. Check settings_parameter and region, or set"
            " control_bucket, landing_bucket and start_function yourself.",
        ) from error
    return text


class ParameterDenied(SettingsError):  # noqa: N818 - reads as what happened
    """This user may not read the receiver's settings."""


def find_password(settings: Settings, username: str, prompt: Prompt | None) -> str:
    """The password: from the environment, the password command, the keyring, or the person.

    Raises:
        LoginRefused: The command failed, or there is nobody to ask.
    """
    if settings.password is not None:
        return settings.password.get_secret_value()
    if settings.sandbox_password is not None:  # `load_settings` has seen that the login is on this machine
        return settings.sandbox_password.get_secret_value()
    if settings.password_command is not None:
        return password_from_command(settings.password_command)
    kept = _password_from_keyring(f"upload-client/{settings.user_pool_id}", username)
    if kept is not None:
        return kept
    if prompt is None:
        raise LoginRefused(f"there is no password for {username}", hint=PASSWORD_SOURCES)
    hosts = foreign_hosts(settings)
    where = f" at {', '.join(hosts)}, which is not AWS" if hosts else ""
    return prompt(f"Password of {username}{where}", secret=True)


class CognitoLogin:
    """One person's login: tokens of the user pool, credentials of the identity pool.

    `session` logs in. From then on `refresh` is called by botocore, by one thread at a time.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        prompt: Prompt | None = None,
        clock: Clock = SYSTEM,
        patience: Patience = NO_PATIENCE,
    ) -> None:
        require(settings, "user_pool_id", "user_pool_client_id", "identity_pool_id")
        self._settings = settings
        self._patience = patience
        self._prompt = prompt
        self._clock = clock
        # A pool's id says in which region it is; the delivery may be in another one.
        self._region, self._username = _region_of(settings.user_pool_id), settings.username
        identity_region = _region_of(settings.identity_pool_id)
        # These calls are not signed: the password, and then the token, is what authorises them.
        how: dict[str, Any] = {"signature_version": UNSIGNED, **time_outs(settings.patience)}
        session = bare_session(self._region)
        self._pool = client(session, "cognito-idp", settings, **how)
        if identity_region != self._region:
            session = bare_session(identity_region)
        self._identities = client(session, "cognito-identity", settings, **how)
        self._password = ""
        self._id_token = ""
        self._refresh_token = ""
        self._identity_id = ""
        self._refused: LoginRefused | None = None

    def session(self) -> boto3.Session:
        """Log in, and give a session with credentials that refresh themselves.

        Raises:
            LoginRefused: See `open_session`.
            NotReachable: Cognito cannot be reached, or asks to be called later.
        """
        self._find_out_who()
        self._patience(self._log_in)
        credentials = self._patience(self._credentials)
        session = bare_session(self._settings.region or self._region, credentials)
        name_session(session, self._username or "")
        return session

    def refresh(self) -> dict[str, str]:
        """Fetch new credentials with the refresh token, in the form botocore's metadata has.

        Raises:
            LoginRefused: Cognito refuses; it is not asked again.
            NotReachable: Cognito cannot be reached; the next call tries again.
        """
        if self._refused is not None:
            raise LoginRefused(str(self._refused), hint=self._refused.hint)
        try:
            with self._translating_errors():
                answer = self._pool.initiate_auth(
                    AuthFlow="REFRESH_TOKEN_AUTH",
                    AuthParameters={"REFRESH_TOKEN": self._refresh_token},
                    ClientId=self._settings.user_pool_client_id,
                )
                self._keep(answer["AuthenticationResult"])
                return self._fetch()
        except _CognitoRefusal as error:
            self._refused = LoginRefused(
                f"the login of {self._username} has ended and is not renewed ({error.reason})",
                hint="Run the same command again: it logs in again and resumes where this run stopped.",
            )
            raise self._refused from error

    def _find_out_who(self) -> None:
        """User name and password. They are asked for once, however often the login is tried."""
        username = self._username or (self._prompt("User name", secret=False) if self._prompt else None)
        if not username:
            require(self._settings, "username")
        assert username is not None
        self._username = username
        self._password = find_password(self._settings, username, self._prompt)
        remember(self._password)

    def _log_in(self) -> None:
        """One login, from the beginning: a challenge whose answer was lost cannot be answered again."""
        assert self._username is not None
        _log.info(
            "logging in to user pool %s as %s", self._settings.user_pool_id, for_terminal(self._username)
        )
        with self._translating_errors():
            self._keep(self._challenges(self._username, self._password))

    @contextlib.contextmanager
    def _translating_errors(self) -> Iterator[None]:
        """Tell whatever goes wrong inside as a refusal, or as a login server that is not reachable."""
        try:
            yield
        except DeliveryError:
            raise
        except Exception as error:
            # What is not there, or not as it must be, is no answer of Cognito's.
            odd = isinstance(
                error, KeyError | ValueError | TypeError | AttributeError | IndexError | RecursionError
            )
            trouble = Trouble(0, "MalformedAnswer", _NOT_COGNITO) if odd else trouble_of(error)
            if trouble is None:
                raise
            raise self._refusal(trouble) from error

    def _refusal(self, trouble: Trouble) -> DeliveryError:
        means = trouble.meaning
        if means.passing:
            return NotReachable(f"the login server: {trouble.message or trouble.code}", hint=advice(means))
        if means in (Meaning.UNTRUSTED, Meaning.PROXY_LOGIN):
            return refusal("the login server", trouble)
        if not is_code(trouble.code):  # Cognito names each of its refusals
            what = f"{trouble.status}: {trouble.message}".removesuffix(": ")
            return NotReachable(f"the login server: {_NOT_COGNITO} ({what})", hint=advice(Meaning.NO_ANSWER))
        message, hint = trouble.message or trouble.code, REFUSALS.get(trouble.code)
        if means is Meaning.CLOCK:
            clock, hint = clock_and_hint(trouble.date)
            message = f"{clock}. {message}"
        return _CognitoRefusal(
            f"the login of {self._username} was refused: {message}", hint=hint, reason=message
        )

    def _challenges(self, username: str, password: str) -> Mapping[str, Any]:
        """Answer what the user pool asks until it gives tokens.

        https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_RespondToAuthChallenge.html
        """
        secret = secrets.randbits(8 * srp.SECRET_BYTES)
        ours = srp.public_number(secret)
        answer = self._pool.initiate_auth(
            AuthFlow="USER_SRP_AUTH",
            AuthParameters={"USERNAME": username, "SRP_A": f"{ours:x}"},
            ClientId=self._settings.user_pool_client_id,
        )
        # Later challenges name the user as the pool does inside, not by the alias typed in.
        inside = username
        for n in range(MOST_CHALLENGES):
            if "AuthenticationResult" in answer:
                tokens: Mapping[str, Any] = answer["AuthenticationResult"]
                return tokens
            asked = answer.get("ChallengeParameters", {})
            inside = asked.get("USERNAME") or asked.get("USER_ID_FOR_SRP") or inside
            proof = answer["ChallengeName"] == "PASSWORD_VERIFIER"
            if proof != (n == 0):  # nothing else is told to a server that has not asked for the proof, once
                break
            answer = (
                self._respond(answer, self._proof(asked, username, password, secret, ours))
                if proof
                else self._ask(answer, inside)
            )
        raise LoginRefused(
            "the login asks for something else than it should",
            hint="Check user_pool_id and endpoint_url with the receiver: this is not how their login works.",
        )

    def _proof(
        self, asked: Mapping[str, str], username: str, password: str, secret: int, ours: int
    ) -> dict[str, str]:
        """Prove that one has the password, without it."""
        pool = (self._settings.user_pool_id or "").partition("_")[2]
        user_id, block = asked["USER_ID_FOR_SRP"], asked["SECRET_BLOCK"]
        key = srp.shared_key(secret, pool, user_id, password, asked["SALT"], asked["SRP_B"], ours=ours)
        at = srp.moment(datetime.now(UTC))
        return {
            "USERNAME": asked.get("USERNAME", username),
            "TIMESTAMP": at,
            "PASSWORD_CLAIM_SECRET_BLOCK": block,
            "PASSWORD_CLAIM_SIGNATURE": srp.signature(key, pool, user_id, block, at),
        }

    def _ask(self, challenge: Mapping[str, Any], username: str) -> dict[str, Any]:
        """Have the person answer a challenge; a mistyped answer may be given again."""
        name = challenge["ChallengeName"]
        asked = challenge.get("ChallengeParameters", {})
        target = _target(asked.get("CODE_DELIVERY_DESTINATION"))
        questions = {
            "SOFTWARE_TOKEN_MFA": ("Code of your authenticator app", "SOFTWARE_TOKEN_MFA_CODE", False),
            "SMS_MFA": (f"Code sent by SMS{target}", "SMS_MFA_CODE", False),
            "EMAIL_OTP": (f"Code sent by mail{target}", "EMAIL_OTP_CODE", False),
            "NEW_PASSWORD_REQUIRED": ("New password (this one has to be replaced)", "NEW_PASSWORD", True),
        }
        if name == "MFA_SETUP" and "SOFTWARE_TOKEN_MFA" in asked.get("MFAS_CAN_SETUP", "SOFTWARE_TOKEN_MFA"):
            return self._set_up_second_factor(challenge, username)
        if name not in questions:
            shown = name if is_code(str(name)) else "something"
            raise LoginRefused(
                f"the login asks for {shown}, which upload-client cannot answer",
                hint="The receiver's user pool wants a step that has to be done elsewhere first.",
            )
        question, key, secret = questions[name]
        if self._prompt is None:
            raise LoginRefused(
                f"the login asks: {question}",
                hint="Nobody can be asked here: run it once in a terminal.",
            )
        responses = {"USERNAME": username}
        for attribute in dict.fromkeys(json.loads(asked.get("requiredAttributes") or "[]")):
            wanted = ATTRIBUTES.get(str(attribute).removeprefix("userAttributes."))
            if wanted is None:
                raise LoginRefused(
                    "the login asks for something about you that no login has to know",
                    hint="Ask the receiver to fill it in themselves.",
                )
            responses[attribute] = self._prompt(wanted, secret=False)
        for attempt in range(1, ATTEMPTS + 1):
            responses[key] = (
                self._new_password(question) if secret else self._prompt(question, secret=False).strip()
            )
            try:
                answer = self._respond(challenge, responses)
            except self._pool.exceptions.CodeMismatchException:
                if attempt == ATTEMPTS:
                    raise
                question = "This code is not right. Again"
            except self._pool.exceptions.InvalidPasswordException as error:
                if attempt == ATTEMPTS:
                    raise
                question = f"The receiver's rules do not allow this password{_rule(error)}. Another one"
            else:
                if secret:
                    self._password = responses[key]  # should the rest of the login have to be done again
                return answer
        raise AssertionError  # the last attempt returned or raised

    def _set_up_second_factor(self, challenge: Mapping[str, Any], username: str) -> dict[str, Any]:
        """Have the person take a key into their authenticator app. It is shown this once, and kept nowhere.

        https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AssociateSoftwareToken.html
        """
        if self._prompt is None:
            raise LoginRefused(
                "the login asks for a second factor, which is to be set up first",
                hint="Run it once in a terminal, with an authenticator app at hand.",
            )
        given = self._pool.associate_software_token(Session=challenge["Session"])
        key = given["SecretCode"]
        if not _BASE32.fullmatch(key):
            raise ValueError(_NOT_COGNITO)
        remember(key)
        in_fours = " ".join(key[n : n + 4] for n in range(0, len(key), 4))
        question = (
            "This login needs a second factor. Add an account to your authenticator app by this key (by time,"
            f" 6 digits): {in_fours}. Code that the app shows"
        )
        for attempt in range(1, ATTEMPTS + 1):
            typed = self._prompt(question, secret=False).strip()
            try:
                verified = self._pool.verify_software_token(Session=given["Session"], UserCode=typed)
            except (
                self._pool.exceptions.EnableSoftwareTokenMFAException,
                self._pool.exceptions.CodeMismatchException,
            ):
                if attempt == ATTEMPTS:
                    raise
                question = "This code is not right. The one that the app shows now"
            else:
                return self._respond({**challenge, "Session": verified["Session"]}, {"USERNAME": username})
        raise AssertionError  # the last attempt returned or raised

    def _new_password(self, question: str) -> str:
        assert self._prompt is not None
        while True:
            password = self._prompt(question, secret=True)
            remember(password)
            if self._prompt("The same again", secret=True) == password:
                return password
            question = "The two differ. New password"

    def _respond(self, challenge: Mapping[str, Any], responses: Mapping[str, str]) -> dict[str, Any]:
        session = {"Session": challenge["Session"]} if challenge.get("Session") else {}
        answer: dict[str, Any] = self._pool.respond_to_auth_challenge(
            ClientId=self._settings.user_pool_client_id,
            ChallengeName=challenge["ChallengeName"],
            ChallengeResponses=responses,
            **session,
        )
        return answer

    def _keep(self, tokens: Mapping[str, Any]) -> None:
        self._id_token = tokens["IdToken"]
        # A refresh brings a new refresh token only where the pool rotates them.
        self._refresh_token = tokens.get("RefreshToken") or self._refresh_token
        remember(self._id_token, self._refresh_token, tokens.get("AccessToken"))

    def _credentials(self) -> RefreshableCredentials:
        with self._translating_errors():
            metadata = self._fetch()
        expiry = datetime.fromisoformat(metadata["expiry_time"])
        lifetime = max(int(expiry.timestamp() - self._clock.wall()), 0)
        return RefreshableCredentials(
            metadata["access_key"],
            metadata["secret_key"],
            metadata["token"],
            expiry,
            self.refresh,
            "cognito",
            time_fetcher=lambda: datetime.fromtimestamp(self._clock.wall(), tz=UTC),
            # Credentials of a short life are not to be refreshed before every single request.
            advisory_timeout=min(ADVISORY_SECONDS, lifetime // 3),
            mandatory_timeout=min(MANDATORY_SECONDS, lifetime // 6),
        )

    def _fetch(self) -> dict[str, str]:
        """Credentials for the identity token held.

        https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetCredentialsForIdentity.html
        """
        issuer = f"cognito-idp.{self._region}.{domain_of(self._region)}/{self._settings.user_pool_id}"
        logins = {issuer: self._id_token}
        if not self._identity_id:
            answer = self._identities.get_id(IdentityPoolId=self._settings.identity_pool_id, Logins=logins)
            self._identity_id = answer["IdentityId"]
        role = {"CustomRoleArn": self._settings.role_arn} if self._settings.role_arn else {}
        found = self._identities.get_credentials_for_identity(
            IdentityId=self._identity_id, Logins=logins, **role
        )
        given = found["Credentials"]
        _log.info("credentials were given, until %s", given["Expiration"].isoformat())
        remember(given["SecretKey"], given["SessionToken"])
        now = self._clock.wall()
        if given["Expiration"].timestamp() <= now:
            date = found["ResponseMetadata"].get("HTTPHeaders", {}).get("date", "")
            clock, hint = clock_and_hint(date, now)
            raise LoginRefused(
                f"the credentials given to {self._username} have ended already: {clock}", hint=hint
            )
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretKey"],
            "token": given["SessionToken"],
            "expiry_time": given["Expiration"].isoformat(),
        }


class _Given(CredentialProvider):
    """Hands botocore the credentials it is given."""

    METHOD = "cognito"

    def __init__(self, credentials: RefreshableCredentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> RefreshableCredentials:
        return self._credentials


def bare_session(region: str, credentials: RefreshableCredentials | None = None) -> boto3.Session:
    """A session with these credentials or none: what the machine has for other work is not looked at."""
    # Else a profile named in AWS_PROFILE would have to exist, although nothing is taken from it.
    session = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    providers: list[CredentialProvider] = [] if credentials is None else [_Given(credentials)]
    session.register_component("credential_provider", CredentialResolver(providers))
    return one_of_many(session, region)


def _own_session(settings: Settings) -> boto3.Session:
    try:
        session = quickened(boto3.Session(profile_name=settings.aws_profile, region_name=settings.region))
        bound_credential_process(session)
        credentials = session.get_credentials()
        explain_expiry(credentials)
        if credentials is not None:
            credentials.get_frozen_credentials()
    except (BotoCoreError, ClientError) as error:
        trouble = trouble_of(error)
        assert trouble is not None
        if trouble.meaning.passing:
            raise NotReachable(f"the AWS login: {trouble.message}", hint=advice(trouble.meaning)) from error
        raise LoginRefused(f"the AWS login was refused: {trouble.message}") from error
    if credentials is None:
        raise LoginRefused(
            "no AWS credentials were found",
            hint="Configure them as for the AWS tools, or log in with a name: auth = 'cognito'.",
        )
    if session.region_name is None:
        require(settings, "region")
    return session


def _password_from_keyring(service: str, username: str) -> str | None:
    try:
        import keyring  # noqa: PLC0415 # an extra
        import keyring.errors  # noqa: PLC0415
    except ImportError:
        return None
    try:
        password: str | None = keyring.get_password(service, username)
    except keyring.errors.KeyringError:
        # No keyring on this machine, or a locked one: the person can still be asked.
        return None
    return password


def _region_of(pool_id: str | None) -> str:
    assert pool_id is not None
    return pool_id.replace(":", "_").partition("_")[0]


def _target(destination: object) -> str:
    """To whom a code was sent, as far as Cognito shows it: ``to +*********99``; nothing where it is odd."""
    text = str(destination or "")
    return f" to {text}" if re.fullmatch(r"[\w+*.@-]{1,80}", text) else ""


def _rule(error: ClientError) -> str:
    """Which rule for passwords is not kept, in our words; empty where it cannot be determined."""
    message = str(error.response["Error"].get("Message", ""))
    return next((f": {ours}" for theirs, ours in _PASSWORD_RULES.items() if theirs in message), "")


class _CognitoRefusal(LoginRefused):
    """Cognito has refused; `said` is why."""

    code = LoginRefused.code

    def __init__(self, message: str = "", *, hint: str | None = None, reason: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
