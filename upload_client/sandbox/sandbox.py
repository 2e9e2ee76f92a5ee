"""`Sandbox`: everything a delivery needs of AWS, on this machine."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import boto3
import botocore.session
from botocore.config import Config

from upload_client.core.hints import install
from upload_client.core.layout import check_name
from upload_client.errors import DeliveryError
from upload_client.settings import Settings, load_settings, with_parameter
from upload_client.support.atomic import check_free, replacing

REGION = "us-east-1"
ACCESS_KEY, SECRET_KEY = "sandbox", "sandbox"  # checked by nobody
START_FUNCTION = "upload-client-start"
WORK_FUNCTION = "upload-client-work"
AROUND_FUNCTION = "upload-client-functions"
"""Runs any function around a delivery: ``upload_client.functions.handle``."""

_USERNAME = "provider"
_PARAMETER = "/upload-client/settings"
_START_SECONDS = 120.0
_AROUND_SECONDS = 900.0
_STOP_SECONDS = 10.0
# glibc gives large blocks back as soon as they are free, and does not keep some for each thread.
_SERVER_ENVIRONMENT = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": str(1024 * 1024)}
_HEAD = "# Written by `upload-client sandbox`; good for as long as that sandbox runs."


class Request(NamedTuple):
    """One request the sandbox answered."""

    method: str
    path: str
    """With its query."""
    status: int
    received: int
    """Bytes of its body."""


class Sandbox:
    """S3, Cognito, SSM and Lambda on one port of 127.0.0.1, ready to take deliveries.

    A context manager. Inside there are a control and a landing bucket, a user pool with one user, an
    identity pool, the receiver's settings as an SSM parameter, the two functions of the validator, and
    a profile that leads there and asks nothing. The server is a process of its own; it and all that it
    started end with this process, however this process ends.

    Args:
        port: 0 takes any that is free.
        s3_endpoint: URL of an S3 that is running already, to be used in moto's place. The buckets are
            made there, under new names, and stay there.
        dataset: for `ready_line` only.
        delivery_id: for `ready_line` only.
        only_dataset: refuse deliveries of other data sets than `dataset`, as AWS does to who was not
            invited to them. Not where `s3_endpoint` is given: that store knows nothing of it.
        lambda_seconds: how long one run of the validator may take.
        settings: more for the receiver's SSM parameter.
        validator: more for the validator's own settings (`upload_client.validator.ValidatorSettings`).
        start_handler: what to run where the real start handler would be: ``package.module:function`` or
            ``path/to/file.py:function``.
        work_handler: the same for the worker.
        profile_out: where the profile is to be written; by default in a private temporary folder.
        force: replace whatever is at `profile_out`.
        buckets: names of more buckets, for data that is no delivery.

    Attributes:
        endpoint_url: where everything is (but S3, where `s3_endpoint` is given).
        s3_endpoint_url: where S3 is.
        profile: path of the profile (TOML) for ``upload-client --profile``.
        settings: what a client with this profile works with, the SSM parameter included.
        control_bucket: its name.
        landing_bucket: its name.
        log: the file that gets what the server and the functions have to say. Gone with the sandbox.

    Raises:
        DeliveryError: on entering: moto is not installed, or the server does not start.
        UsageError: on entering: `profile_out` is somebody's file, or there is no folder for it.
    """

    endpoint_url: str
    s3_endpoint_url: str
    profile: Path
    settings: Settings
    control_bucket: str
    landing_bucket: str
    log: Path

    def __init__(
        self,
        *,
        port: int = 0,
        s3_endpoint: str | None = None,
        dataset: str = "sample",
        delivery_id: str = "1",
        only_dataset: bool = False,
        lambda_seconds: float = 900.0,
        settings: Mapping[str, Any] | None = None,
        validator: Mapping[str, Any] | None = None,
        start_handler: str = "upload_client.validator.handlers:start",
        work_handler: str = "upload_client.validator.handlers:work",
        profile_out: str | os.PathLike[str] | None = None,
        force: bool = False,
        buckets: Sequence[str] = (),
    ) -> None:
        self._port = port
        self._s3_endpoint = s3_endpoint.rstrip("/") if s3_endpoint else None
        self._dataset = check_name(dataset, "dataset")
        self._delivery_id = check_name(delivery_id, "delivery id")
        self._only_dataset = only_dataset
        self._seconds = {START_FUNCTION: _START_SECONDS, WORK_FUNCTION: lambda_seconds}
        self._handlers = {START_FUNCTION: start_handler, WORK_FUNCTION: work_handler}
        self._more_settings = dict(settings or {})
        self._more_validator = dict(validator or {})
        self._profile_out = Path(profile_out).absolute() if profile_out is not None else None
        self._force = force
        self._buckets = tuple(buckets)
        self._exit = ExitStack()
        self._server: subprocess.Popen[str]
        self._clients: dict[str, Any] = {}

    def __enter__(self) -> Self:
        if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
            raise DeliveryError("the sandbox needs moto, which is not installed", hint=install("sandbox"))
        if self._profile_out is not None:
            check_free(self._profile_out, "sandbox", force=self._force)
        with ExitStack() as exit_stack:
            directory = Path(tempfile.mkdtemp(prefix="upload-client-sandbox-"))
            exit_stack.callback(shutil.rmtree, directory, ignore_errors=True)
            self.log = directory / "log"
            self._start_server(directory)
            exit_stack.callback(self._stop_server)
            self._furnish(directory)
            self._exit = exit_stack.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._exit.close()

    def ready_line(self) -> str:
        """One line of JSON that says all somebody needs to use this sandbox."""
        return json.dumps(
            {
                "schema_version": 1,
                "kind": "ready",
                "endpoint_url": self.endpoint_url,
                "s3_endpoint_url": self.s3_endpoint_url,
                "profile": str(self.profile),
                "dataset": self._dataset,
                "delivery_id": self._delivery_id,
                "control_bucket": self.control_bucket,
                "landing_bucket": self.landing_bucket,
            }
        )

    def wait(self) -> None:
        """Wait for as long as the sandbox runs; only an exception, such as Ctrl-C, ends that.

        Raises:
            DeliveryError: the server ended by itself.
        """
        # A Ctrl-C inside `Popen.wait` may leave its lock taken, and who waits again, to end the server, would
        # wait for ever: so that is done in a thread, which hears no Ctrl-C.
        ended = threading.Event()

        def watch() -> None:
            self._server.wait()
            ended.set()

        threading.Thread(target=watch, daemon=True, name="sandbox-watch").start()
        while not ended.wait(1.0):  # not for ever: Windows hears Ctrl-C only in between
            pass
        raise DeliveryError(f"the sandbox's server ended by itself: {self._last_output()}")

    @property
    def requests(self) -> list[Request]:
        """All that was asked of this sandbox's server so far, in the order of the answers."""
        client = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with client.open(f"{self.endpoint_url}/_sandbox/requests") as answer:
            return [Request(*request) for request in json.load(answer)]

    def client(self, service: str) -> Any:  # noqa: ANN401 — boto3 makes its client classes at run time
        """A boto3 client that may do everything here, for looking and for meddling."""
        if service not in self._clients:
            own = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
            session = boto3.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION, botocore_session=own)
            url = self.s3_endpoint_url if service == "s3" else self.endpoint_url
            config = Config(proxies={}, s3={"addressing_style": "path"}, max_pool_connections=32)
            self._clients[service] = session.client(service, endpoint_url=url, config=config)  # type: ignore[call-overload]
        return self._clients[service]

    def _start_server(self, directory: Path) -> None:
        options: dict[str, Any] = {}
        if os.name == "posix":
            # A Ctrl-C in the terminal is for whoever uses the sandbox; the server ends after them.
            options["start_new_session"] = True
        else:
            options["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP  # type: ignore[attr-defined]
        with self.log.open("wb") as log:
            self._server = subprocess.Popen(  # noqa: S603 — our own server
                [sys.executable, "-m", "upload_client.sandbox.server", str(directory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=_environment(_SERVER_ENVIRONMENT),
                **options,
            )
        try:
            port = self._order({"port": self._port})["port"]
        except BaseException:
            self._stop_server()
            raise
        self.endpoint_url = f"http://127.0.0.1:{port}"
        self.s3_endpoint_url = self._s3_endpoint or self.endpoint_url

    def _order(self, order: Mapping[str, Any]) -> dict[str, Any]:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        try:
            self._server.stdin.write(json.dumps(order) + "\n")
            self._server.stdin.flush()
            answer: dict[str, Any] = json.loads(self._server.stdout.readline())
        except (OSError, ValueError):
            raise DeliveryError(f"the sandbox's server does not start: {self._last_output()}") from None
        return answer

    def _last_output(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        return lines[-1][:500] if lines else "it says nothing"

    def _stop_server(self) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        with contextlib.suppress(OSError):  # it is gone already
            self._server.stdin.close()
        try:
            self._server.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        self._server.stdout.close()
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def _furnish(self, directory: Path) -> None:
        """Make what a receiver would have made at AWS, and the profile a provider would get."""
        mark = secrets.token_hex(4)
        self.control_bucket, self.landing_bucket = f"control-{mark}", f"landing-{mark}"
        for name in (self.control_bucket, self.landing_bucket, *self._buckets):
            self.client("s3").create_bucket(Bucket=name)
        endpoints = {} if self._s3_endpoint is None else {"s3": self._s3_endpoint}
        places = {
            "control_bucket": self.control_bucket,
            "landing_bucket": self.landing_bucket,
            "landing_prefix": "{dataset}/{delivery_id}/{transfer_type}/",
        }
        if self._only_dataset:
            buckets = [self.control_bucket, self.landing_bucket]
            self._order({"access": {"buckets": buckets, "datasets": [self._dataset]}})
        self._define_functions(places, endpoints)
        parameter = json.dumps({**places, "start_function": START_FUNCTION, **self._more_settings})
        self.client("ssm").put_parameter(Name=_PARAMETER, Value=parameter, Type="String")
        password = f"Aa1!{secrets.token_hex(16)}"
        profile = {
            **self._make_login(password),
            "region": REGION,
            "username": _USERNAME,
            "sandbox_password": password,
            "settings_parameter": _PARAMETER,
            "endpoint_url": self.endpoint_url,
            "endpoints": endpoints,
        }
        self.profile = self._profile_out or directory / "profile.toml"
        with replacing(self.profile, private=True) as file:
            file.write(_HEAD + "\n" + _toml(profile))
        self.settings = with_parameter(load_settings(profile=self.profile, environ={}), parameter)

    def _define_functions(self, places: Mapping[str, str], endpoints: Mapping[str, str]) -> None:
        validator = {
            **places,
            "worker_function": WORK_FUNCTION,
            "poll_seconds": 0.2,
            "poll_longest_seconds": 1.0,
            "endpoint_url": self.endpoint_url,
            "endpoints": endpoints,
            **self._more_validator,
        }
        environment = _environment(
            {
                "AWS_ACCESS_KEY_ID": ACCESS_KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
                "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION,
                "UPLOAD_CLIENT_VALIDATOR": json.dumps(validator),
            }
        )
        functions = {
            name: {"handler": handler, "seconds": self._seconds[name], "environment": environment}
            for name, handler in self._handlers.items()
        }
        around = {f"AWS_ENDPOINT_URL_{name.upper()}": url for name, url in endpoints.items()}
        functions[AROUND_FUNCTION] = {
            "handler": "upload_client.functions:handle",
            "seconds": _AROUND_SECONDS,
            "environment": {**environment, "AWS_ENDPOINT_URL": self.endpoint_url, **around},
        }
        self._order({"functions": functions})

    def _make_login(self, password: str) -> dict[str, str]:
        users = self.client("cognito-idp")
        pool = users.create_user_pool(PoolName="providers")["UserPool"]["Id"]
        app = users.create_user_pool_client(
            UserPoolId=pool,
            ClientName="upload-client",
            ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        )["UserPoolClient"]["ClientId"]
        users.admin_create_user(UserPoolId=pool, Username=_USERNAME)
        users.admin_set_user_password(UserPoolId=pool, Username=_USERNAME, Password=password, Permanent=True)
        identities = self.client("cognito-identity").create_identity_pool(
            IdentityPoolName="providers",
            AllowUnauthenticatedIdentities=False,
            CognitoIdentityProviders=[
                {"ProviderName": f"cognito-idp.{REGION}.amazonaws.com/{pool}", "ClientId": app}
            ],
        )["IdentityPoolId"]
        return {"user_pool_id": pool, "user_pool_client_id": app, "identity_pool_id": identities}


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """An environment for our processes: what this one has, but nothing about AWS or deliveries.

    And in UTC, as at AWS, wherever the person is: moto takes some of its own moments for local time.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("AWS_", "UPLOAD_CLIENT_", "MOTO_"))
    }
    return {
        **kept,
        "TZ": "UTC0",  # with its offset: needs no table of zones, and counts for more than /etc/localtime
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        **more,
    }


def _toml(table: Mapping[str, Any]) -> str:
    # JSON's strings and arrays of strings are TOML's too.
    lines = [
        f"{key} = {json.dumps(value, ensure_ascii=False)}"
        for key, value in table.items()
        if not isinstance(value, Mapping)
    ]
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += [f"\n[{key}]", *(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in value.items())]
    return "\n".join(lines) + "\n"
