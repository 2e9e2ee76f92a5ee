"""Logging in by OpenID Connect: by a code in a browser, kept for the next run, renewed while it lasts."""

from __future__ import annotations

import base64
import json
import logging
import stat
import threading
import urllib.parse
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from upload_client.aws.auth import login_name, open_session
from upload_client.aws.oidc import OidcLogin
from upload_client.errors import LoginRefused, NotReachable
from upload_client.settings import Settings
from upload_client.support.clock import SYSTEM, Clock

HOSTILE = "no\x1b[2J\nFORGED: all is well"


class Waits(Clock):
    """This machine's clock, on which nothing takes any time; notes what was waited for."""

    def __init__(self):
        self.slept = []

    def wall(self):
        return SYSTEM.wall()

    def monotonic(self):
        return sum(self.slept)

    def sleep(self, seconds):
        self.slept.append(seconds)


class Issuer(ThreadingHTTPServer):
    """An issuer and an STS. `answers` come before what they say by themselves, by the path."""

    def __init__(self):
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self._answer({})

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self._answer({name: values[0] for name, values in urllib.parse.parse_qs(body).items()})

            def _answer(self, asked):
                issuer.asked.append((self.path, asked))
                if self.path == issuer.trickles[0]:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                    while not issuer.trickles[1].wait(0.05):
                        self.wfile.write(b" ")
                    return
                waiting = issuer.answers.get(self.path, [])
                status, said = waiting.pop(0) if waiting else (200, issuer.said(self.path, asked))
                body = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body) + issuer.cut))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked, self.answers, self.n = [], {}, 0
        self.trickles: tuple[str, threading.Event] = "", threading.Event()
        self.cut = False  # whether each answer ends a byte early
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def said(self, path, asked):
        if path.endswith("openid-configuration"):
            return {
                "issuer": self.url,
                "token_endpoint": f"{self.url}/token",
                "device_authorization_endpoint": f"{self.url}/device",
            }
        if path == "/device":
            return {
                "device_code": "the-secret-device-code",
                "user_code": "HKZP-QSMP",
                "verification_uri": f"{self.url}/activate",
                "expires_in": 600,
            }
        if path == "/token":
            self.n += 1
            return {
                "access_token": f"access-{self.n}",
                "token_type": "Bearer",
                "refresh_token": f"refresh-{self.n}",
                "id_token": token(self.n),
            }
        ends = datetime.now(UTC) + timedelta(hours=1)
        return (
            "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
            f"<AccessKeyId>AKIA{asked['WebIdentityToken'][-4:]}</AccessKeyId><SecretAccessKey>a-secret-key"
            f"</SecretAccessKey><SessionToken>a-session-token</SessionToken><Expiration>{ends.isoformat()}"
            "</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        ).encode()

    def tokens_asked(self):
        return [asked["refresh_token"] for path, asked in self.asked if "refresh_token" in asked]


def token(n: int) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"sub": "7", "email": "maria@example.org"}).encode())
    return f"eyJhbGciOiJub25lIn0.{claims.decode().rstrip('=')}.sig{n:04}"


@pytest.fixture
def issuer():
    made = Issuer()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr("platformdirs.user_state_path", lambda *_, **__: tmp_path)
    return tmp_path / "oidc"


@pytest.fixture
def settings(issuer) -> Settings:
    return Settings(
        auth="oidc",
        oidc_issuer=issuer.url,
        oidc_client_id="upload-client",
        role_arn="arn:aws:iam::role/survey7",
        region="us-east-1",
        endpoint_url=issuer.url,
    )


class Person:
    def __init__(self):
        self.questions = []

    def __call__(self, question, *, secret):
        self.questions.append(question)
        return "done"


def refused(**answer):
    return 400, {"error": "authorization_pending"} | answer


def test_a_person_logs_in_by_a_code_and_the_issuer_is_asked_as_it_wishes(issuer, settings, caplog):
    caplog.set_level(logging.INFO)
    issuer.answers["/token"] = [refused(), refused(error="slow_down"), refused()]
    person, clock = Person(), Waits()
    session = open_session(settings, prompt=person, clock=clock)
    assert person.questions == [
        f"Log in at {issuer.url}/activate and enter the code HKZP-QSMP, in any browser. Then type: done"
    ]
    assert clock.slept == [5, 10, 10]
    assert session.get_credentials().access_key == "AKIA0001"
    assert login_name(session) == "maria@example.org"
    for secret in (token(1), "refresh-1", "access-1", "device-code", "a-secret-key"):
        assert secret not in caplog.text


def test_a_login_is_kept_for_its_person_alone_and_renewed_without_anybody(issuer, settings, state):
    open_session(settings, prompt=Person())
    (kept,) = state.iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    session = open_session(settings)
    assert session.get_credentials().access_key == "AKIA0002"
    assert kept.read_text() == "refresh-2"
    assert issuer.tokens_asked() == ["refresh-1"]


@pytest.mark.parametrize(
    "other",
    [
        {"endpoint_url": "http://127.0.0.1:1"},
        {"endpoints": {"sts": "http://127.0.0.1:1"}},
        {"endpoints": {"s3": "http://127.0.0.1:1"}},
        {"role_arn": "arn:aws:iam::role/other"},
        {"oidc_client_id": "other"},
    ],
)
def test_a_kept_login_is_for_no_other_store_role_or_client(settings, other):
    open_session(settings, prompt=Person())
    with pytest.raises(LoginRefused, match="nobody can be asked here"):
        open_session(settings.model_copy(update=other))


def test_while_a_delivery_runs_the_next_token_is_that_of_whoever_renewed_last(issuer, settings, state):
    login = OidcLogin(settings, prompt=Person())
    login.session()
    other = OidcLogin(settings)
    other.session()
    assert login.refresh()["access_key"] == "AKIA0003"
    assert issuer.tokens_asked() == ["refresh-1", "refresh-2"]


def test_where_another_process_renews_at_the_same_moment_its_token_is_taken(issuer, settings, state):
    login = OidcLogin(settings, prompt=Person())
    login.session()
    (kept,) = state.iterdir()
    issuer.answers["/token"] = [refused(error="invalid_grant")]
    real = login._ask
    login._ask = lambda *what: (kept.write_text("refresh-of-the-other"), real(*what))[1]
    login.refresh()
    assert issuer.tokens_asked() == ["refresh-1", "refresh-of-the-other"]


def test_an_issuer_that_renews_without_an_identity_token_is_logged_in_to_anew(issuer, settings):
    open_session(settings, prompt=Person())
    issuer.answers["/token"] = [(200, {"access_token": "a", "refresh_token": "r"})]
    person = Person()
    assert open_session(settings, prompt=person).get_credentials().access_key == "AKIA0002"
    assert len(person.questions) == 1


def test_an_answer_of_the_issuer_that_is_cut_off_is_asked_for_later(issuer, settings):
    issuer.cut = True
    with pytest.raises(NotReachable, match="the login server"):
        open_session(settings, prompt=Person())


def test_a_login_that_has_ended_is_said_once_and_forgotten(issuer, settings, state):
    login = OidcLogin(settings, prompt=Person())
    login.session()
    issuer.answers["/token"] = [refused(error="invalid_grant", error_description=HOSTILE)]
    with pytest.raises(LoginRefused, match="has ended and is not renewed") as caught:
        login.refresh()
    assert str(caught.value).isprintable()
    assert "Run the same command again" in caught.value.hint
    assert list(state.iterdir()) == []


def test_a_store_that_takes_no_token_says_why_and_the_login_stays(issuer, settings, state):
    error = b"<Error><Code>AccessDenied</Code><Message>not this role</Message></Error>"
    error = b"<ErrorResponse>" + error + b"</ErrorResponse>"
    issuer.answers["/"] = [(403, error)]
    with pytest.raises(LoginRefused, match="STS refuses: not this role"):
        open_session(settings, prompt=Person())
    assert len(list(state.iterdir())) == 1


@pytest.mark.parametrize("error", ["access_denied", "expired_token", "something_else", HOSTILE])
def test_a_person_who_says_no_is_not_asked_on(issuer, settings, error):
    issuer.answers["/token"] = [refused(error=error, error_description=HOSTILE)]
    with pytest.raises(LoginRefused) as caught:
        open_session(settings, prompt=Person())
    assert str(caught.value).isprintable()


def test_a_person_who_does_not_come_is_waited_for_as_long_as_the_code_lasts(issuer, settings):
    issuer.answers["/token"] = [refused()] * 1000
    clock = Waits()
    with pytest.raises(LoginRefused, match="nobody has logged in before the time limit"):
        open_session(settings, prompt=Person(), clock=clock)
    assert 590 <= sum(clock.slept) <= 600


def test_at_a_store_that_is_not_aws_the_person_is_told_to_whom_it_gives_access(issuer, settings):
    person = Person()
    elsewhere = settings.model_copy(update={"endpoints": {"s3": "https://s3.example"}})
    open_session(elsewhere, prompt=person)
    assert "gives access to s3.example, which is not AWS" in person.questions[0]


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/.well-known/openid-configuration", {"issuer": "https://other.example"}),
        ("/.well-known/openid-configuration", {"token_endpoint": "http://other.example/token"}),
        ("/.well-known/openid-configuration", {"device_authorization_endpoint": None}),
        ("/.well-known/openid-configuration", b"<html><title>Log in to the train</title></html>"),
        ("/.well-known/openid-configuration", b"[" * 100_000),
        ("/.well-known/openid-configuration", b"{" + b" " * 300_000),
        ("/device", {"verification_uri": "javascript:alert(1)"}),
        ("/device", {"verification_uri": "https://x.example/\x1b[2J"}),
        ("/device", {"user_code": HOSTILE}),
        ("/device", {"device_code": 7}),
        ("/token", {"id_token": None}),
        ("/token", {"id_token": "x" * 100_000}),
    ],
    ids=range(12),
)
def test_an_answer_that_is_none_is_refused_in_our_words(issuer, settings, path, answer):
    said = answer if isinstance(answer, bytes) else issuer.said(path, {}) | answer
    issuer.answers[path] = [(200, said)]
    person = Person()
    with pytest.raises(LoginRefused) as caught:
        open_session(settings, prompt=person)
    assert str(caught.value).isprintable()
    assert "train" not in str(caught.value)
    assert (path == "/token") == bool(person.questions)


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:2375/x", "https://localhost/x", "http://[::1]:80/x"])
@pytest.mark.parametrize("plain", [False, True])
def test_an_issuer_elsewhere_leads_no_login_to_what_listens_on_this_machine(
    settings, monkeypatch, endpoint, plain
):
    there = "https://login.example"
    asked = []

    def ask(_self, url, _body=None):
        asked.append(url)
        places = {"token_endpoint": endpoint, "device_authorization_endpoint": f"{there}/device"}
        return 200, {"issuer": there} | places

    monkeypatch.setattr(OidcLogin, "_ask", ask)
    with pytest.raises(LoginRefused, match="names no token_endpoint"):
        open_session(settings.model_copy(update={"oidc_issuer": there, "plain_http": plain}), prompt=Person())
    assert asked == [f"{there}/.well-known/openid-configuration"]


@pytest.mark.parametrize("status", [429, 503])
def test_an_issuer_that_asks_to_be_asked_later_is_not_reachable(issuer, settings, status):
    issuer.answers["/.well-known/openid-configuration"] = [(status, {})]
    with pytest.raises(NotReachable, match=str(status)):
        open_session(settings, prompt=Person())


def test_an_issuer_that_is_not_there_is_not_reachable(settings):
    with pytest.raises(NotReachable, match="the login server"):
        open_session(settings.model_copy(update={"oidc_issuer": "http://127.0.0.1:9"}), prompt=Person())


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/"])
def test_an_answer_that_trickles_for_ever_holds_no_login(issuer, settings, monkeypatch, path):
    open_session(settings, prompt=Person())
    monkeypatch.setattr("upload_client.aws.oidc._REQUEST_SECONDS", 0.3)
    enough = threading.Event()
    issuer.trickles = path, enough
    try:
        with pytest.raises(NotReachable, match="no whole answer within"):
            open_session(settings)
    finally:
        enough.set()
