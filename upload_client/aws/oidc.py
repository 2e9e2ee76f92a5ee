"""Logging in by OpenID Connect: the person in any browser, this machine by a code, the store by STS.

RFC 8628 (device flow): the issuer gives a code, which the person confirms in a browser on whatever machine;
this one gets an identity token, and a refresh token with which it gets the next. STS takes the identity token
and gives credentials (``AssumeRoleWithWebIdentity``); before these run out botocore has them fetched anew.

The tokens are not verified here: they come straight from the issuer, and only STS, which verifies them, acts
on them. A refresh token is kept for the next run in a file that only this user can read, bound to issuer,
client, role and all hosts: who names another STS or store gets none.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import boto3
import urllib3
from botocore import UNSIGNED
from botocore.awsrequest import AWSRequest
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.httpsession import URLLib3Session

from upload_client.aws.auth import (
    ADVISORY_SECONDS,
    MANDATORY_SECONDS,
    Prompt,
    bare_session,
    name_session,
)
from upload_client.core.answers import Meaning
from upload_client.core.hints import install
from upload_client.core.preflight import advice
from upload_client.core.text import for_log
from upload_client.core.trust import is_loopback
from upload_client.errors import DeliveryError, LoginRefused, NotReachable
from upload_client.s3 import network
from upload_client.s3.bucket import refusal
from upload_client.s3.clients import client, time_outs
from upload_client.s3.trouble import trouble_of
from upload_client.settings import Settings, SettingsError, foreign_hosts, require
from upload_client.support.atomic import replacing
from upload_client.support.clock import SYSTEM, Clock
from upload_client.support.deadline import within
from upload_client.support.patience import NO_PATIENCE, Patience
from upload_client.support.secrets import remember, without_secrets

_log = logging.getLogger(__name__)

_MAX_ANSWER: Final = 256 * 1024
_MAX_TOKEN: Final = 64 * 1024
_TIMEOUT: Final = 30  # seconds, for the next bytes
_REQUEST_SECONDS: Final = 60.0
"""For a whole answer of the issuer or of STS, however it trickles."""
_MOST_TOKENS: Final = 5
"""Refresh tokens that are tried in a row, where others renew at the same time."""
_MAX_WAIT: Final = 1800.0
"""Seconds for which a person may take, whatever the issuer says."""
_INTERVAL, _SLOWER = 5.0, 5.0  # seconds, RFC 8628 3.2 and 3.5
_MAX_URL: Final = 200
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .-]{0,39}")
_URL = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(/[!-~]*)?")
_RUN_AGAIN = "Run the same command again in a terminal: it logs in again and resumes where this run stopped."


class _OidcRefusal(LoginRefused):
    """The issuer, or STS, has refused; `error` is its code."""

    code = LoginRefused.code

    def __init__(self, message: str, *, error: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.error = error


class OidcLogin:
    """One person's login. `session` logs in; from then on botocore calls `refresh`, one thread at a time.

    Args:
        settings: ``oidc_issuer``, ``oidc_client_id`` and ``role_arn`` are needed.
        prompt: asks the person; None where nobody is there: then a kept login is needed.
        clock: waits for the person, and tells when credentials end.
        patience: asks again where issuer or STS are out of reach.

    Raises:
        SettingsError: something is not set, or the extra ``oidc`` is not installed.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        prompt: Prompt | None = None,
        clock: Clock = SYSTEM,
        patience: Patience = NO_PATIENCE,
    ) -> None:
        require(settings, "oidc_issuer", "oidc_client_id", "role_arn", "region")
        try:
            from oauthlib.oauth2 import DeviceClient  # noqa: PLC0415 - an extra
        except ImportError:
            why = 'auth = "oidc" needs oauthlib, which is not installed'
            raise SettingsError(why, hint=install("oidc")) from None
        self._settings = settings
        self._prompt, self._clock, self._patience = prompt, clock, patience
        self._issuer = settings.oidc_issuer or ""
        self._oauth = DeviceClient(settings.oidc_client_id or "")
        files = {name: getattr(settings, name) for name in ("ca_bundle", "client_cert", "client_key")}
        trusted = network.ca_bundle(bare_session(settings.region or ""), files["ca_bundle"])
        self._http = URLLib3Session(
            verify=trusted or True,  # type: ignore[arg-type] # a path, too
            proxies=network.proxies_for(self._issuer),
            timeout=min(_TIMEOUT, int(time_outs(settings.patience)["read_timeout"])),
            client_cert=network.own_certificate(files),
        )
        # Not signed: the token is what authorises it.
        self._sts = client(
            bare_session(settings.region or ""),
            "sts",
            settings,
            signature_version=UNSIGNED,
            **time_outs(settings.patience),
        )
        self._places: Mapping[str, Any] = {}
        self._id_token = ""
        self._refresh_token = ""

    def session(self) -> boto3.Session:
        """Log in, and give a session with credentials that refresh themselves.

        Raises:
            LoginRefused: the issuer, the person or STS refuses, or nobody can be asked.
            NotReachable: the issuer or STS cannot be reached.
        """
        self._places = self._patience(self._discovered)
        with contextlib.suppress(_OidcRefusal):  # a login that has ended is followed by another one
            self._patience(self._renew)
        if not self._id_token:
            self._ask_person()
        metadata = self._patience(self._fetch)
        expiry = datetime.fromisoformat(metadata["expiry_time"])
        lifetime = max(int(expiry.timestamp() - self._clock.wall()), 0)
        credentials = RefreshableCredentials(
            metadata["access_key"],
            metadata["secret_key"],
            metadata["token"],
            expiry,
            self.refresh,
            "oidc",
            time_fetcher=lambda: datetime.fromtimestamp(self._clock.wall(), tz=UTC),
            advisory_timeout=min(ADVISORY_SECONDS, lifetime // 3),
            mandatory_timeout=min(MANDATORY_SECONDS, lifetime // 6),
        )
        session = bare_session(self._settings.region or "", credentials)
        name_session(session, _name_in(self._id_token))
        return session

    def refresh(self) -> dict[str, str]:
        """Fetch new credentials with the refresh token, in the form botocore's metadata has.

        Raises:
            LoginRefused: issuer or STS refuses.
            NotReachable: one of them cannot be reached; the next call tries again.
        """
        try:
            self._renew()
            return self._fetch()
        except _OidcRefusal as error:
            raise LoginRefused(f"the login has ended and is not renewed: {error}", hint=_RUN_AGAIN) from error

    # ------------------------------------------------------------------------------------------ the issuer

    def _discovered(self) -> Mapping[str, Any]:
        """https://openid.net/specs/openid-connect-discovery-1_0.html: where everything is."""
        status, document = self._ask(f"{self._issuer}/.well-known/openid-configuration")
        if status != 200 or str(document.get("issuer", "")).rstrip("/") != self._issuer:
            raise LoginRefused(
                f"{self._issuer} is no issuer of OpenID Connect, or calls itself otherwise",
                hint="Check oidc_issuer with the receiver.",
            )
        for name in ("token_endpoint", "device_authorization_endpoint"):
            if not self._is_safe(document.get(name)):
                raise LoginRefused(
                    f"{self._issuer} names no {name} that can be used",
                    hint="Its device flow (RFC 8628) must be switched on, and be at an https:// address.",
                )
        return document

    def _is_safe(self, url: object) -> bool:
        """Whether secrets may go to a URL that the issuer has named."""
        if not isinstance(url, str) or len(url) > _MAX_URL or _URL.fullmatch(url) is None:
            return False
        here, issuer_here = (is_loopback(urlsplit(each).hostname or "") for each in (url, self._issuer))
        if here and not issuer_here:  # it has no business with what listens on the person's machine
            return False
        return url.startswith("https://") or here or self._settings.plain_http

    def _ask_person(self) -> None:
        """The device flow.

        Raises:
            LoginRefused: nobody is there, or says no, or takes too long.
        """
        if self._prompt is None:
            raise LoginRefused(
                "a login in a browser is needed, and nobody can be asked here",
                hint="Run any command with this profile once in a terminal: the login is kept for later.",
            )
        given = self._patience(self._begin)
        url, code = given["verification_uri"], given["user_code"]
        whole = given.get("verification_uri_complete")
        where = f"{whole} (code {code})" if self._is_safe(whole) else f"{url} and enter the code {code}"
        hosts = foreign_hosts(self._settings)
        use = f" This gives access to {', '.join(hosts)}, which is not AWS." if hosts else ""
        self._prompt(f"Log in at {where}, in any browser.{use} Then type: done", secret=False)
        pause = _number(given.get("interval"), _INTERVAL)
        ends = self._clock.monotonic() + min(_number(given.get("expires_in"), _MAX_WAIT), _MAX_WAIT)
        while True:
            body = self._oauth.prepare_request_body(given["device_code"], include_client_id=True)
            try:
                self._patience(partial(self._take, body))
            except _OidcRefusal as error:
                if error.error == "slow_down":
                    pause += _SLOWER
                elif error.error != "authorization_pending":
                    raise
                if self._clock.monotonic() + pause > ends:
                    raise LoginRefused(
                        "nobody has logged in before the time limit", hint=_RUN_AGAIN
                    ) from None
                self._clock.sleep(pause)
            else:
                return

    def _begin(self) -> Mapping[str, Any]:
        asked = urlencode({**self._who(), "scope": self._settings.oidc_scope})
        _, given = self._post("device_authorization_endpoint", asked)
        code, device = given.get("user_code"), given.get("device_code")
        if (
            not isinstance(device, str)
            or not isinstance(code, str)
            or not _CODE.fullmatch(code)
            or not self._is_safe(given.get("verification_uri"))
        ):
            raise self._odd()
        remember(device)
        return given

    def _renew(self) -> None:
        """Get the next tokens, if there is a login to renew.

        An issuer may give another refresh token each time, and end a login whose old one comes again. So the
        one that lies in the file is taken: another process of this person may have renewed since.

        Raises:
            _OidcRefusal: the login has ended.
        """
        token = self._kept() or self._refresh_token
        for left in reversed(range(_MOST_TOKENS)):
            if not token:
                return
            try:
                self._take(self._oauth.prepare_refresh_body(refresh_token=token, **self._who()))
            except _OidcRefusal as error:
                newer = self._kept()
                if newer in ("", token):
                    if error.error == "invalid_grant":
                        self._forget()
                    raise
                if not left:
                    raise
                token = newer
            else:
                return

    def _who(self) -> dict[str, str]:
        return {"client_id": self._settings.oidc_client_id or ""}

    def _take(self, body: str) -> None:
        """Have the issuer give tokens.

        Raises:
            _OidcRefusal: it gives none.
        """
        _, answer = self._post("token_endpoint", body)
        token, refresh = answer.get("id_token"), answer.get("refresh_token")
        if not isinstance(token, str) or not 0 < len(token) <= _MAX_TOKEN:
            # Also where it renews and gives none, which it may: then the person logs in anew.
            raise _OidcRefusal(self._is_none("it gives no identity token: oidc_scope needs openid"))
        self._id_token = token
        remember(token, str(answer.get("access_token") or ""))
        if isinstance(refresh, str) and 0 < len(refresh) <= _MAX_TOKEN:
            remember(refresh)
            self._refresh_token = refresh
            self._keep()

    def _odd(self) -> LoginRefused:
        return LoginRefused(self._is_none("is something else there, or in between?"))

    def _is_none(self, why: str) -> str:
        return f"the answer of {self._issuer} is not one of OpenID Connect: {why}"

    def _post(self, place: str, body: str) -> tuple[int, Mapping[str, Any]]:
        status, content = self._ask(str(self._places[place]), body)
        if status != 200:
            error = str(content.get("error") or "")
            error = error if re.fullmatch(r"[a-z_]{1,60}", error) else f"HTTP {status}"
            description = for_log(without_secrets(str(content.get("error_description") or "")), 200)
            raise _OidcRefusal(
                f"{self._issuer} refuses: {error}{f' ({description})' if description else ''}",
                error=error,
                hint="Ask the receiver whether you may log in there.",
            )
        return status, content

    def _ask(self, url: str, body: str | None = None) -> tuple[int, Mapping[str, Any]]:
        """Make one request; no redirect is followed, and no more is read than an answer may have.

        Raises:
            NotReachable: nobody answers, or asks to be called later.
            LoginRefused: the answer is none.
        """
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        request = AWSRequest("GET" if body is None else "POST", url, headers, body, stream_output=True)

        def send() -> tuple[Any, bytes]:
            answer = self._http.send(request.prepare())
            content = b""
            while len(content) <= _MAX_ANSWER and (more := answer.raw.read(_MAX_ANSWER + 1 - len(content))):
                content += more
            answer.raw.release_conn()
            return answer, content

        try:
            answer, content = within(_REQUEST_SECONDS, send)
        except TimeoutError:
            raise _slow("the login server") from None
        except (BotoCoreError, HTTPClientError, OSError, urllib3.exceptions.HTTPError) as error:
            raise self._refusal("the login server", error) from error
        if len(content) <= _MAX_ANSWER and answer.raw.length_remaining:  # botocore lets urllib3 overlook it
            raise NotReachable("the login server: its answer was cut off")
        if answer.status_code == 429 or answer.status_code >= 500:
            raise NotReachable(f"the login server answers {answer.status_code}")
        try:
            document = json.loads(content) if len(content) <= _MAX_ANSWER else None
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise self._odd()
        return answer.status_code, document

    def _refusal(self, who: str, error: Exception) -> DeliveryError:
        trouble = trouble_of(error)
        if trouble is None:
            return NotReachable(f"{who}: {without_secrets(str(error))}")
        means = trouble.meaning
        if means.passing:
            return NotReachable(f"{who}: {trouble.message or trouble.code}", hint=advice(means))
        if means in (Meaning.UNTRUSTED, Meaning.PROXY_LOGIN):
            return refusal(who, trouble)
        return _OidcRefusal(f"{who} refuses: {without_secrets(trouble.message or trouble.code)}")

    # ------------------------------------------------------------------------------------------ the store

    def _fetch(self) -> dict[str, str]:
        """Credentials for the identity token held.

        https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
        """
        try:
            ask = partial(
                self._sts.assume_role_with_web_identity,
                RoleArn=self._settings.role_arn,
                RoleSessionName="upload-client",
                WebIdentityToken=self._id_token,
            )
            given = within(_REQUEST_SECONDS, ask)["Credentials"]
            remember(given["SecretAccessKey"], given["SessionToken"])
            return {
                "access_key": given["AccessKeyId"],
                "secret_key": given["SecretAccessKey"],
                "token": given["SessionToken"],
                "expiry_time": given["Expiration"].isoformat(),
            }
        except TimeoutError:
            raise _slow("STS") from None
        except (BotoCoreError, ClientError, HTTPClientError) as error:
            raise self._refusal("STS", error) from error
        except (KeyError, TypeError, AttributeError) as error:
            raise LoginRefused(
                "the answer is not one of STS: is another server there, or in between?"
            ) from error

    # ------------------------------------------------------------------------------------------ what is kept

    @property
    def _file(self) -> Path:
        from platformdirs import user_state_path  # noqa: PLC0415 - of the client alone

        settings = self._settings
        login = (self._issuer, settings.oidc_client_id, settings.oidc_scope, settings.role_arn)
        bound = (*login, settings.endpoint_url, sorted(settings.endpoints.items()))
        name = hashlib.sha256(json.dumps(bound).encode()).hexdigest()[:32]
        return user_state_path("upload-client", appauthor=False) / "oidc" / name

    def _kept(self) -> str:
        try:
            with self._file.open("rb") as file:
                token = file.read(_MAX_TOKEN + 1).decode("ascii").strip()
        except (OSError, ValueError):
            return ""
        remember(token)
        return token

    def _keep(self) -> None:
        path = self._file
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with replacing(path, private=True) as file:
                file.write(self._refresh_token)
        except OSError as error:
            _log.warning("the login cannot be kept for the next run: %s", error.strerror)

    def _forget(self) -> None:
        self._refresh_token = ""
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)


def _slow(who: str) -> NotReachable:
    return NotReachable(f"{who}: no whole answer within {_REQUEST_SECONDS:.0f} s")


def _number(given: object, otherwise: float) -> float:
    """A number of seconds from outside; `otherwise` where it is none."""
    is_one = isinstance(given, int | float) and 0 < given < 86_400
    return float(given) if is_one else otherwise  # type: ignore[arg-type]


def _name_in(token: str) -> str:
    """The person whom an identity token names, for log and receipt; empty where it is odd."""
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        names = (claims.get(name) for name in ("preferred_username", "email", "sub"))
        return next((for_log(name, 200) for name in names if isinstance(name, str) and name), "")
    except (ValueError, IndexError, AttributeError, RecursionError):
        return ""
