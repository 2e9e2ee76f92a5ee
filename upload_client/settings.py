"""Settings: flags > environment > personal file > profile > the receiver's parameter > defaults.

`load_settings` merges what is known before the login; `with_parameter` adds the receiver's JSON (an SSM
parameter, read after the login) with lower precedence, so that a provider's profile needs only the region and
the Cognito ids. An error names the key and its source.
"""

from __future__ import annotations

import difflib
import json
import logging
import os
import re
import string
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)

from upload_client.core.object_options import check_options
from upload_client.core.text import for_log, for_terminal
from upload_client.core.trust import (
    Ask,
    Source,
    asks,
    has_control_character,
    is_aws,
    is_loopback,
    may_set,
    why_not_askable,
)
from upload_client.errors import SettingsError
from upload_client.support.consent import is_given
from upload_client.support.form import REGION, REGION_PROBLEM, of_form
from upload_client.support.in_use import note
from upload_client.support.inputs import STDIN, is_once, kept
from upload_client.support.service_url import service_url

__all__ = [
    "NotAllowed",
    "Settings",
    "SettingsError",
    "config_folder",
    "foreign_hosts",
    "load_settings",
    "personal_path",
    "profile_path",
    "require",
    "where_from",
    "with_parameter",
]

_log = logging.getLogger(__name__)

MIB = 1024**2
GIB = 1024**3
_MAX_PROFILE = MIB
_MAX_NAME = 100
_SMALL_FOR_ONE = 8

ENVIRONMENT_PREFIX = "UPLOAD_CLIENT_"
_TOML = 'Write one setting a line, texts in quotes: region = "eu-central-1".'
NOT_SETTINGS = re.compile("PROFILE|VALIDATOR|FUNCTIONS|FAILPOINT.*|TEST_.*", re.IGNORECASE)
"""Names behind the prefix in variables that are none of our settings; only the first is the provider's."""

SERVICES = {
    "s3": "S3",
    "lambda": "LAMBDA",
    "ssm": "SSM",
    "cognito-idp": "COGNITO_IDENTITY_PROVIDER",
    "cognito-identity": "COGNITO_IDENTITY",
    "sts": "STS",
}
"""boto3's name of each service in use, and its name in ``AWS_ENDPOINT_URL_<SERVICE>``.

See https://docs.aws.amazon.com/sdkref/latest/guide/ss-endpoints-table.html
"""

_FILES_OF_AWS = {
    "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials",
    "AWS_CONFIG_FILE": "~/.aws/config",
    "AWS_CA_BUNDLE": None,
}
"""Files that are read by boto3: where they are named, and where they are otherwise."""


def _template(text: str) -> str:
    try:
        parsed = list(string.Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"is not a template ({error})") from None
    for _, name, spec, conversion in parsed:
        if name is None:
            continue
        if name not in {"dataset", "delivery_id", "transfer_type"} or spec or conversion:
            raise ValueError(f"may hold {{dataset}}, {{delivery_id}} and {{transfer_type}}, not {{{name}}}")
    return text


def _prefix(text: str) -> str:
    if text and not text.endswith("/"):
        raise ValueError("must end in '/'")
    if text.startswith("/") or "//" in text:
        raise ValueError("must not hold an empty part: no '/' at the start, no '//'")
    return text


def _part_size(size: int) -> int:
    if not 5 * MIB <= size <= 5 * GIB:
        raise ValueError("must lie between 5 MiB and 5 GiB")
    return size


def _per_second(rate: object) -> object:
    return rate.removesuffix("/s").rstrip() if isinstance(rate, str) else rate


def _lines(patterns: object) -> object:
    return tuple(patterns.splitlines()) if isinstance(patterns, str) else patterns


def _services(endpoints: dict[str, str]) -> dict[str, str]:
    for service in endpoints:
        if service not in SERVICES:
            close = _did_you_mean(service, SERVICES)
            raise ValueError(f"{service!r} is none of {', '.join(SERVICES)}{close}")
    return endpoints


Template = Annotated[str, AfterValidator(_template)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Url = Annotated[str, AfterValidator(service_url)]
UserPool = Annotated[
    str,
    AfterValidator(
        of_form(r"[\w-]+_[0-9a-zA-Z]+", "is no id of a user pool, such as eu-central-1_AbCdEfGhI")
    ),
]
IdentityPool = Annotated[
    str,
    AfterValidator(
        of_form(
            r"[\w-]+:[0-9a-fA-F-]+",
            "is no id of an identity pool, such as eu-central-1:12345678-aaaa-bbbb-cccc-123456790ab",
        )
    ),
]
ClientId = Annotated[
    str,
    AfterValidator(
        of_form(r"[!-$'-<>-~]{1,200}", "is no client id: it has no space, '&', '%' or '=', and no accents")
    ),
]
Scope = Annotated[
    str,
    AfterValidator(
        of_form(
            r"[A-Za-z0-9_:./ -]{1,500}", "is no list of scopes, with spaces between: openid offline_access"
        )
    ),
]
Role = Annotated[
    str,
    AfterValidator(
        of_form(
            r"arn:[\w-]+:iam:[\w-]*:[\w-]*:?role/.+",
            "is no ARN of a role, such as arn:aws:iam::123456789012:role/NAME",
        )
    ),
]


class Settings(BaseModel):
    """Everything that may be set. Immutable; ``repr`` and dumps never show a password.

    Sizes are bytes (``"64 MiB"`` is understood too), times are seconds. Templates may hold
    ``{dataset}``, ``{delivery_id}`` and ``{transfer_type}``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        """Refuse control characters in any value."""
        texts = [value] if isinstance(value, str) else value
        if isinstance(texts, dict):
            texts = [*texts, *texts.values()]
        if isinstance(texts, list) and any(
            isinstance(one, str) and has_control_character(one) for one in texts
        ):
            raise ValueError("holds a control character, such as a line end")
        return value

    auth: Literal["cognito", "oidc", "aws"] = "cognito"
    """``cognito``: log in with a name and a password. ``oidc``: log in in a browser, by OpenID Connect.
    ``aws``: the credentials boto3 finds by itself."""
    region: Annotated[str, AfterValidator(of_form(REGION, REGION_PROBLEM))] | None = None
    aws_profile: str | None = None
    """The profile of AWS' own configuration files to use, with ``auth = "aws"``."""
    user_pool_id: UserPool | None = None
    user_pool_client_id: str | None = None
    identity_pool_id: IdentityPool | None = None
    oidc_issuer: Url | None = None
    """URL of the OpenID Connect issuer where the person logs in, with ``auth = "oidc"``."""
    oidc_client_id: ClientId | None = None
    """The name of this program there: a public client that may use the device flow."""
    oidc_scope: Scope = "openid offline_access"
    """Scopes to ask for; ``offline_access`` gives the token by which a login is renewed."""
    role_arn: Role | None = None
    """Which role to take, where a login may take several: one for each delivery the person was invited to."""
    username: str | None = None
    password: SecretStr | None = Field(default=None, repr=False)
    """From ``UPLOAD_CLIENT_PASSWORD`` only: a password stands in no file of ours and in no command line."""
    password_command: Annotated[list[str], Field(min_length=1)] | str | None = Field(default=None, repr=False)
    """A program that prints the password; run without a shell."""
    sandbox_password: SecretStr | None = Field(default=None, repr=False)
    """A sandbox's own, and nobody else's: used only where the login is on this machine."""
    settings_parameter: str = "/upload-client/settings"
    """The name of the SSM parameter that holds the receiver's settings as JSON."""

    control_bucket: Template | None = None
    control_prefix: Prefix = ""
    landing_bucket: Template | None = None
    landing_prefix: Annotated[Prefix, AfterValidator(_template)] = "{dataset}/{delivery_id}/{transfer_type}/"
    start: Literal["function", "watched"] = "function"
    """The starter of the validation: ``function``, a Lambda function; ``watched``: a process at the
    receiver's sees by itself that there is a client (`upload-client receiver serve`)."""
    start_function: str | None = None
    """Name or ARN of the Lambda function that starts the validation."""

    ca_bundle: str | None = None
    """A PEM file with the certificates to trust, in place of those that botocore brings."""
    client_cert: str | None = None
    """A PEM file with the certificate by which a service or proxy in between knows this machine."""
    client_key: str | None = None
    """The key of that certificate, where it is not in the same file."""
    exclude: Annotated[tuple[str, ...], BeforeValidator(_lines)] = ()
    """Patterns, as in a .gitignore, of files that are never delivered."""
    digest: Literal["sha256"] | None = None
    """A second checksum of each file, computed while it is read to be sent: for log and receipt."""
    receipt_identity: Literal["full", "hashed", "none"] = "full"
    """Whether the receipt names login and machine, their hashes, or neither."""
    receipt_keys: Annotated[tuple[str, ...], BeforeValidator(_lines)] = ()
    """Public keys that sign the receiver's receipts, each in a line (`upload-client receiver key export`)."""
    symlinks: Literal["refuse", "follow", "skip"] = "refuse"
    """Symlinks: those that lead out of the source, or nowhere, are an error; those that lead
    out are followed, too; or all are left out."""

    plain_http: bool = False
    """Whether passwords and keys may pass unencrypted to other machines, where a URL says ``http://``."""
    endpoint_url: Url | None = None
    """URL of all AWS services, when not at AWS."""
    endpoints: Annotated[dict[str, Url], AfterValidator(_services)] = Field(default_factory=dict)
    """URLs of single services, by boto3's name (``s3``, ``cognito-idp``, …); before ``endpoint_url``."""

    threads: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = 8
    """Requests under way at once; ``auto``: as many as bring more. Without it, of small files 64."""
    max_rate: Annotated[ByteSize, BeforeValidator(_per_second), Field(ge=1024)] | None = None
    """Bytes a second, over all connections together: ``50MB/s``, ``"8 MiB"``; None: no cap."""
    engine: Literal["auto", "direct", "boto3"] = "auto"
    """Connections for the content of files: direct where possible (auto), only direct, or boto3's."""
    unsigned_payload: bool = False
    """Over plain HTTP, too, do not sign the content; its CRC32 is sent and checked all the same."""
    object_options: Annotated[dict[str, str], AfterValidator(check_options)] = Field(default_factory=dict)
    """For the objects made, by their names in PutObject: ``StorageClass``, ``ServerSideEncryption``, …"""
    max_retries: int = Field(default=2, ge=0, le=1000)
    max_invalid: int = Field(default=10, ge=0)
    """More invalid files than this in one run end it early; 0 = no limit."""
    accept_unverified_store: bool = False
    """Deliver also to a store that verifies no checksum of what arrives; the receipt then says so."""
    lease_seconds: int = Field(default=300, ge=30, le=3600)
    validator_silence: float = Field(default=120, gt=0, allow_inf_nan=False)
    standstill: float = Field(default=3600, gt=0, allow_inf_nan=False)
    """Seconds in which nothing at all moves, after which a run ends, with exit code 5."""
    patience: float = Field(default=120, ge=0, le=86_400, allow_inf_nan=False)
    """Seconds for which a service may be out of reach before it is given up."""
    part_size: Annotated[ByteSize, AfterValidator(_part_size)] | None = None
    """Bytes of a part of a multipart upload; by default it follows from the file's size."""
    multipart_threshold: Annotated[ByteSize, AfterValidator(_part_size)] = ByteSize(16 * MIB)
    """Larger files go up in parts."""

    @property
    def small_for_one(self) -> int:
        """Small files under way in place of each of `threads`: of a number that was asked for, no more."""
        return 1 if "threads" in self.model_fields_set else _SMALL_FOR_ONE

    @property
    def needs_parameter(self) -> bool:
        """Whether the receiver's parameter has to be read: it is named, or settings in it are missing."""
        values = (
            self.control_bucket,
            self.landing_bucket,
            self.start_function or self.start == "watched" or None,
        )
        return "settings_parameter" in self.model_fields_set or None in values


def load_settings(
    *,
    flags: Mapping[str, Any] | None = None,
    profile: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    consent: Callable[[Ask], bool] = lambda _: False,
) -> Settings:
    """Merge the settings known before the login.

    Args:
        flags: From the command line, by the setting's name; None = not given.
        profile: The name of a profile, or the path of a TOML file. Without one,
            ``UPLOAD_CLIENT_PROFILE``; without that, the profile ``default`` where there is one.
        environ: The environment; the process' own when None. Only with that, ``personal.toml`` is read.
        consent: Asks the person to allow what a profile may only do with consent, unless they have allowed it
            before. By default it is refused.

    Raises:
        NotAllowed: A profile sets something that needs the provider's consent.
        SettingsError: Something is unknown, wrong or unreadable.
    """
    merged: dict[str, Any] = {}
    origin: dict[str, str] = {}
    layers = _layers(flags, profile, environ)
    for layer in layers:
        layer.check()
        if layer.values:
            _log.info("settings from %s: %s", for_terminal(layer.source), ", ".join(layer.values))
        merged = _over(merged, layer.values)
        origin |= {key: f"{layer.source}: {layer.names.get(key, key)}" for key in layer.values}
        origin |= {key: f"{layer.source}: {name}" for key, name in layer.names.items()}
    settings = Settings.model_validate(merged)
    _check_consent(layers, settings, consent)
    _check_encryption(settings, origin)
    return settings


class NotAllowed(SettingsError):  # noqa: N818 - reads as what it says
    """A profile sets something that needs the provider's consent."""


def _check_consent(layers: Sequence[_Layer], settings: Settings, consent: Callable[[Ask], bool]) -> None:
    """Ask for consent to what a profile may not do without it."""
    profile = next((layer for layer in layers if layer.kind == "profile"), None)
    if profile is None:
        return
    stronger = [layer.values for layer in layers if layer.kind != "profile"]
    left = {name for name in profile.values if not any(name in values for values in stronger)}
    replaced = {service for values in stronger for service in values.get("endpoints", {})}
    hidden = any(values.get("endpoint_url") for values in stronger)
    left -= {"endpoints"}  # which are merged, one by one
    if not hidden and set(profile.values.get("endpoints", {})) - replaced:
        left |= {"endpoints"}
    for ask in asks(profile.values, left, settings.auth):
        if why := why_not_askable(ask, profile.values):
            raise NotAllowed(
                f"{profile.source}: {ask.setting}: {why}",
                hint="Ask the receiver for a profile without it; type the password, or have it in a keyring.",
            )
        if is_given(config_folder(), ask) or consent(ask):
            continue
        raise NotAllowed(
            f"{profile.source}: {ask.setting}: a profile may not {ask.what}, unless you allow it",
            hint="If you want that, run this once in a terminal, where you are asked; or set"
            f" {ENVIRONMENT_PREFIX}{ask.setting.upper()} yourself, or write it into {personal_path()}.",
        )


def _check_encryption(settings: Settings, origin: Mapping[str, str]) -> None:
    """Refuse to send passwords and keys unencrypted to another machine, unless the provider allows it."""
    urls = {"endpoint_url": settings.endpoint_url or ""}
    urls |= {"oidc_issuer": settings.oidc_issuer or ""}
    urls |= {f"endpoints.{service}": url for service, url in settings.endpoints.items()}
    for name, url in urls.items():
        host = urlsplit(url).hostname or ""
        if url.startswith("http://") and not is_loopback(host) and not settings.plain_http:
            where = origin.get(name) or f"{origin.get('endpoints', 'settings')}.{name.partition('.')[2]}"
            raise SettingsError(
                f"{where}: http://{host} is plain HTTP: keys, and perhaps a password, would pass unencrypted",
                hint="Ask for its https:// address. If you know that nobody listens on the way, say so:"
                f" --plain-http, or {ENVIRONMENT_PREFIX}PLAIN_HTTP=true.",
            )
    login = [
        settings.endpoints.get(name) or settings.endpoint_url for name in ("cognito-idp", "cognito-identity")
    ]
    local = all(url is not None and is_loopback(urlsplit(url).hostname or "") for url in login)
    if settings.sandbox_password is not None and not local:
        raise SettingsError(
            f"{origin.get('sandbox_password', 'sandbox_password')}: is for a sandbox on this machine",
            hint="A real password stands in no file: use UPLOAD_CLIENT_PASSWORD, or a keyring.",
        )


def foreign_hosts(settings: Settings) -> tuple[str, ...]:
    """Hosts of services that are neither AWS' nor this machine, by their names, each once."""
    urls = [settings.endpoint_url, settings.oidc_issuer, *settings.endpoints.values()]
    hosts = [urlsplit(url).hostname or "" for url in urls if url]
    return tuple(dict.fromkeys(host for host in hosts if not is_aws(host) and not is_loopback(host)))


def config_folder() -> Path:
    """The folder of profiles and of ``personal.toml``."""
    from platformdirs import user_config_path  # noqa: PLC0415 - a Lambda function has no profile, and not this

    return user_config_path("upload-client", appauthor=False)


def personal_path() -> Path:
    """The file of the provider's own settings; it may hold everything but a password."""
    return config_folder() / "personal.toml"


def where_from(
    *,
    flags: Mapping[str, Any] | None = None,
    profile: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> dict[str, tuple[str, ...]]:
    """Which settings `load_settings` takes from where: names, by a file, "environment" or "command line".

    Raises:
        SettingsError: A source is unreadable.
    """
    taken: set[str] = set()
    found: dict[str, tuple[str, ...]] = {}
    for layer in reversed(_layers(flags, profile, environ)):
        names = [name for name in layer.values if name not in taken]
        taken.update(names)
        found[layer.source] = (*names, *found.get(layer.source, ()))
    return dict(reversed(found.items()))


def _layers(
    flags: Mapping[str, Any] | None,
    profile: str | os.PathLike[str] | None,
    environ: Mapping[str, str] | None,
) -> list[_Layer]:
    """The settings of each source, the weakest first."""
    own = environ is None
    environ = os.environ if environ is None else environ
    layers: list[_Layer] = []
    path = profile_path(profile or environ.get(ENVIRONMENT_PREFIX + "PROFILE") or None)
    if path is not None:
        layers.append(_Layer(str(path), _read_profile(path), kind="profile"))
        note(path, "the profile")
    if own and (personal := personal_path()).is_file():
        layers.append(_Layer(str(personal), _read_profile(personal), kind="personal"))
        note(personal, "your own settings")
    for variable, default in _FILES_OF_AWS.items():
        note(environ.get(variable) or (default and Path(default).expanduser()), "part of the AWS setup")
    layers.append(_aws_environment(environ))
    layers.append(_own_environment(environ))
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    names = {key: "--" + key.replace("_", "-") for key in given}
    layers.append(_Layer("command line", given, names, kind="command line"))
    return layers


def with_parameter(settings: Settings, text: str) -> Settings:
    """Add the receiver's JSON object, with lower precedence than what is set.

    Raises:
        SettingsError: It is not a JSON object, or holds what a receiver cannot set.
    """
    source = f"SSM parameter {settings.settings_parameter}"
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{source}: is not JSON ({error})") from None
    if not isinstance(values, dict):
        raise SettingsError(f"{source}: is not a JSON object")
    _Layer(source, values, kind="parameter").check()
    explicit = {key: getattr(settings, key) for key in settings.model_fields_set}
    return Settings.model_validate(_over(values, explicit))


def require(settings: Settings, *names: str) -> None:
    """Make sure that each of these settings has a value.

    Raises:
        SettingsError: Naming those that have none, and where to set them.
    """
    missing = [name for name in names if getattr(settings, name) in (None, "")]
    if missing:
        variables = " ".join(ENVIRONMENT_PREFIX + name.upper() for name in missing)
        raise SettingsError(
            f"not set: {', '.join(missing)}",
            hint="The receiver gives you a small TOML file, a profile, that sets this: name it by --profile,"
            " or in UPLOAD_CLIENT_PROFILE."
            f" (Or set it in the environment: {variables})",
        )


def profile_path(profile: str | os.PathLike[str] | None) -> Path | None:
    """The file of a profile. A name (no separator, no ``.toml``) is looked up in the config folder.

    None looks for the profile ``default``, and gives None where there is none.

    Raises:
        SettingsError: There is no such profile.
    """
    folder = config_folder()
    if profile is None:
        default = folder / "default.toml"
        return default if default.is_file() else None
    text = os.fspath(profile)
    if text.endswith(".toml") or "/" in text or os.sep in text or text == STDIN:
        path = Path(text).expanduser()
        if not path.is_file() and not is_once(path):
            raise SettingsError(
                f"the profile {path} is not there",
                hint="Check its path, then run the same command again: --profile takes a TOML file, or the"
                f" name of one in {folder}.",
            )
        return path
    path = folder / f"{text}.toml"
    if not path.is_file():
        known = sorted(found.stem for found in folder.glob("*.toml")) if folder.is_dir() else []
        there = f"there: {', '.join(known)}" if known else "there is none yet"
        raise SettingsError(
            f"no profile {text!r} in {folder} ({there}){_did_you_mean(text, known)}",
            hint="Put the file that the receiver gave you there, or name its path: --profile FILE.toml.",
        )
    return path


@dataclass(frozen=True)
class _Layer:
    """Settings from one source. ``names`` has the spelling of a key in that source, where it differs."""

    source: str
    values: Mapping[str, Any]
    names: Mapping[str, str] = field(default_factory=dict)
    kind: Source = "environment"

    def check(self) -> None:
        """Check this layer alone, so that an error can name its source."""
        for key in self.values:
            if key in Settings.model_fields and not may_set(self.kind, key):
                who = "the receiver" if self.kind in ("profile", "parameter") else f"the {self.kind}"
                raise SettingsError(
                    f"{self.source}: {self.names.get(key, key)}: cannot be set by {who}, only by the"
                    " provider",
                    hint=f"Set it yourself, if you want it: {ENVIRONMENT_PREFIX}{key.upper()}, or"
                    f" {personal_path()}.",
                ) from None
        try:
            Settings.model_validate(self.values)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            key = str(first["loc"][0])
            if key in {"endpoints", "object_options"}:
                key = ".".join(map(str, first["loc"]))
            if first["type"] == "extra_forbidden":
                message = f"is not a setting{_did_you_mean(key, Settings.model_fields)}"
            else:
                message = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
                message = message.partition(", unable to ")[0]
                if key == "max_rate" and first["type"] == "greater_than_equal":
                    message = "is less than 1,024 bytes a second; write the unit, too, such as 50MB/s"
                elif first["type"].startswith("byte_size"):
                    message = "is no number of bytes: write a number and its unit, such as 50MB"
                message += ", or auto" * (key == "threads")
            # What a receiver has called a setting must not look like a line of ours.
            name = self.names.get(key) or for_log(key, _MAX_NAME)
            raise SettingsError(f"{self.source}: {name}: {message}") from None


def _content(path: Path) -> bytes:
    """A profile's bytes. Those of a pipe are cached: settings are loaded more than once."""
    with kept(path, "the profile").open("rb") as file:
        data = file.read(_MAX_PROFILE + 1)
    if len(data) > _MAX_PROFILE:
        raise SettingsError(f"{path}: has more than {_MAX_PROFILE:,} bytes: it is no profile")
    return data


def _read_profile(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(_content(path).decode())
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:  # TOML's own, of UTF-8, of endless numbers
        raise SettingsError(f"{path}: is not TOML: {error}", hint=_TOML) from None
    if "password" in values:
        raise SettingsError(
            f"{path}: password: a password does not belong in a file",
            hint="Use password_command, the keyring, UPLOAD_CLIENT_PASSWORD, or the prompt.",
        )
    return values


def _aws_environment(environ: Mapping[str, str]) -> _Layer:
    """Settings from the AWS tools' own variables; an empty one counts as unset."""
    values: dict[str, Any] = {}
    names: dict[str, str] = {}

    def take(key: str, *variables: str) -> None:
        variable = next((name for name in variables if environ.get(name)), None)
        if variable is not None:
            names[key] = variable
            table, _, entry = key.rpartition(".")
            (values.setdefault(table, {}) if table else values)[entry] = environ[variable]

    take("region", "AWS_REGION", "AWS_DEFAULT_REGION")
    take("aws_profile", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")
    take("ca_bundle", "AWS_CA_BUNDLE")
    if environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() != "true":
        take("endpoint_url", "AWS_ENDPOINT_URL")
        for service, name in SERVICES.items():
            take(f"endpoints.{service}", f"AWS_ENDPOINT_URL_{name}")
    return _Layer("environment", values, names)


def _own_environment(environ: Mapping[str, str]) -> _Layer:
    """Settings from our own variables; an empty one counts as unset. Tables and lists are given as JSON."""
    values: dict[str, Any] = {}
    names: dict[str, str] = {}
    for variable, text in environ.items():
        name = variable.removeprefix(ENVIRONMENT_PREFIX)
        if name == variable or NOT_SETTINGS.fullmatch(name) or not text:
            continue
        key = name.lower()
        if key not in Settings.model_fields:
            known = [ENVIRONMENT_PREFIX + setting.upper() for setting in Settings.model_fields]
            raise SettingsError(f"environment: {variable}: is not a setting{_did_you_mean(variable, known)}")
        values[key], names[key] = text, variable
        may_be_json = key in {"password_command", "exclude"} and text.startswith("[")
        if key in {"endpoints", "object_options"} or may_be_json:
            try:
                values[key] = json.loads(text)
            except ValueError as error:
                raise SettingsError(f"environment: {variable}: is not JSON ({error})") from None
    return _Layer("environment", values, names)


def _over(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two layers. Endpoints are merged; an ``endpoint_url`` in the upper one hides those below.

    The AWS tools have the same order:
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
    """
    merged = {**lower, **upper}
    beneath = {} if upper.get("endpoint_url") else lower.get("endpoints", {})
    if endpoints := {**beneath, **upper.get("endpoints", {})}:
        merged["endpoints"] = endpoints
    else:
        merged.pop("endpoints", None)
    return merged


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
