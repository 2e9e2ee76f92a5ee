"""The configuration file of `upload-client receiver serve` (TOML)."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from upload_client.activities.mail import Smtp, check_address
from upload_client.core.text import for_terminal
from upload_client.errors import UsageError
from upload_client.support.form import REGION, REGION_PROBLEM, of_form
from upload_client.support.inputs import read_once
from upload_client.support.yaml_document import problem_text
from upload_client.validator import ValidatorSettings


def _address(text: str) -> str:
    if reason := check_address(text):
        raise ValueError(reason)
    return text


Address = Annotated[str, AfterValidator(_address)]


class Mail(BaseModel):
    """The table ``[serve.mail]``: who gets each outcome by mail, and by which server.

    Attributes:
        recipients: addresses.
        sender: whose mail it is.
        host: the server.
        port: None: 587 with `starttls`, 465 with `tls`, else 25.
        starttls: encrypt before anything is sent, or send nothing.
        tls: speak TLS from the first byte.
        user: who logs in; needs one of the two.
        password_command: a program that prints the password.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipients: Annotated[list[Address], Field(min_length=1)]
    sender: Address
    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    starttls: bool = False
    tls: bool = False
    user: str | None = None
    password_command: Annotated[list[str], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        try:
            self.server()
        except UsageError as error:
            raise ValueError(str(error)) from None
        return self

    def server(self) -> Smtp:
        """The server.

        Raises:
            UsageError: what is told of it does not go together.
        """
        return Smtp(**self.model_dump(exclude={"recipients"}))


class Serving(BaseModel):
    """The table ``[serve]``. Times are seconds.

    Attributes:
        listen: host and port of the status page, of ``/health`` and ``/metrics``; empty: nobody is answered.
        region: of the store, for whatever names one.
        at_once: validators at work at the same time.
        dask: a Dask scheduler, ``tcp://HOST:PORT``, whose workers are the validators; None: threads of this
            process.
        look_seconds: between two looks for clients.
        webhook: URL that gets each outcome by POST, as JSON.
        webhook_secret_file: a file with the secret that signs these messages.
        command: a program, with its arguments, that gets each outcome on standard input, as JSON.
        mail: who gets each outcome by mail.
        state_dir: a folder in which outcomes wait until they are taken; None: one of the user's, by `place`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    listen: Annotated[
        str,
        AfterValidator(
            of_form(
                r"(([A-Za-z0-9.\-]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5})?",
                "is no HOST:PORT, such as 127.0.0.1:8085",
            )
        ),
    ] = "127.0.0.1:8085"
    region: Annotated[str, AfterValidator(of_form(REGION, REGION_PROBLEM))] = "us-east-1"
    at_once: int = Field(default=64, ge=1, le=1000)
    dask: (
        Annotated[
            str,
            AfterValidator(
                of_form(
                    r"(tcp|tls)://[A-Za-z0-9.\-\[\]:]+",
                    "is no address of a Dask scheduler, such as tcp://host:8786",
                )
            ),
        ]
        | None
    ) = None
    look_seconds: float = Field(default=2.0, ge=0.1, le=60)
    webhook: (
        Annotated[
            str, AfterValidator(of_form(r"https?://\S+", "is no URL that starts with http:// or https://"))
        ]
        | None
    ) = None
    webhook_secret_file: Path | None = None
    command: Annotated[list[str], Field(min_length=1)] | None = None
    mail: Mail | None = None
    state_dir: Path | None = None


class Configuration(BaseModel):
    """All of it: what a validator needs, and how it is served."""

    model_config = ConfigDict(frozen=True)

    validator: ValidatorSettings
    serve: Serving

    @property
    def place(self) -> str:
        """A name for the place of its deliveries: by it each receiver of a user has a folder of its own."""
        settings = self.validator
        place = (
            settings.endpoints.get("s3") or settings.endpoint_url,
            settings.control_bucket,
            settings.control_prefix,
        )
        return hashlib.sha256(repr(place).encode()).hexdigest()[:16]


def read_configuration(path: Path) -> Configuration:
    """Read the file.

    Raises:
        UsageError: it cannot be read, or something in it is missing, unknown or wrong.
    """
    name = for_terminal(str(path))
    try:
        found: dict[str, Any] = tomllib.loads(read_once(path, "the configuration").decode())
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{name} is no TOML in UTF-8: {for_terminal(str(error))}") from None
    table = found.pop("serve", {})
    try:
        made = Configuration(
            validator=ValidatorSettings.model_validate({"worker_function": None, **found}),
            serve=Serving.model_validate(table),
        )
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        why = problem_text(first, {*ValidatorSettings.model_fields, *Serving.model_fields})
        raise UsageError(
            f"{name}: {for_terminal(where)}: {for_terminal(why)}",
            hint="This is the receiver's configuration, and no profile: see `upload-client docs receiving`.",
        ) from None
    for key in ("control_bucket", "control_prefix"):
        if "{" in getattr(made.validator, key):
            raise UsageError(f"{name}: {key}: all deliveries must lie in one place, so that they are found")
    if made.serve.webhook is not None and made.serve.webhook_secret_file is None:
        raise UsageError(
            f"{name}: serve.webhook_secret_file is missing",
            hint="Who gets the messages must be able to tell that they are yours: name a file with a secret.",
        )
    return made
