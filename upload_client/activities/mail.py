"""Mail that reports the outcome of an activity."""

from __future__ import annotations

import email.utils
import logging
import re
import smtplib
import ssl
from collections.abc import Callable, Mapping, Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any

from upload_client.activities.errors import NotDelivered, without_secrets
from upload_client.activities.runner import describe, exit_code_of
from upload_client.core.templates import check_template, fill
from upload_client.core.text import for_log, for_terminal
from upload_client.errors import LoginRefused, UsageError
from upload_client.support.password_command import password_from_command

_log = logging.getLogger(__name__)

_TIMEOUT = 60.0  # seconds
_MAX_SUBJECT = 200
_ERRORS = (smtplib.SMTPException, OSError, ValueError, EOFError)
_ADDRESS = re.compile(r"[^\s@<>,;:\\\"()\[\]]+@[^\s@<>,;:\\\"()\[\]]+")

_NOT_DETAILS = frozenset({"title", "problems", "link"})
_BLANK_LINES = re.compile(r"\n{3,}")
_OF_LINES = frozenset({"details", "hint", "problems"})


def check_address(text: str) -> str | None:
    """Why this is no address for a mail; None if it is one, ``maria@example.org`` or ``Maria <maria@…>``."""
    if not text.isprintable():
        return "contains a character that no address has"
    _, address = email.utils.parseaddr(text)
    plain = text.strip()
    if not _ADDRESS.fullmatch(address) or (plain != address and not plain.endswith(f"<{address}>")):
        return "is no address; write maria@example.org, or Maria <maria@example.org>"
    return None


class Smtp:
    """A mail server, and whose mail it is.

    Args:
        host: its name.
        port: None: 587 with `starttls`, 465 with `tls`, else 25.
        starttls: encrypt before anything is sent, or send nothing.
        tls: speak TLS from the first byte.
        user: who logs in; needs one of the two.
        password_command: a program that prints the password; run without a shell.
        password: the password, or a function that gives it, where there is no `password_command`.
        sender: whose mail it is.
        context: for TLS; None: as the system trusts.

    Raises:
        UsageError: these do not go together.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int | None = None,
        starttls: bool = False,
        tls: bool = False,
        user: str | None = None,
        password_command: str | list[str] | None = None,
        password: str | Callable[[], str] | None = None,
        sender: str,
        context: ssl.SSLContext | None = None,
    ) -> None:
        if starttls and tls:
            raise UsageError("starttls and tls are two ways to do the same: name one of them")
        if user and not (starttls or tls):
            raise UsageError("a password is only sent over an encrypted connection: set starttls or tls")
        if bool(user) != bool(password_command or password):
            raise UsageError("user and password_command go together: give both, or neither")
        if reason := check_address(sender):
            raise UsageError(f"the sender {sender!r} {reason}")
        self.host, self.sender = host, sender
        self.port = port or (587 if starttls else 465 if tls else 25)
        self._starttls, self._tls, self._user = starttls, tls, user
        self._password_command, self._password = password_command, password
        self._context = context

    def __repr__(self) -> str:
        return f"Smtp(host={self.host!r}, port={self.port}, user={self._user!r}, sender={self.sender!r})"

    def send(self, message: EmailMessage) -> dict[str, str]:
        """Send a mail to those it names.

        Returns:
            Recipients that the server refused while it took others, each with what it said.

        Raises:
            LoginRefused: the server does not let this user in.
            NotDelivered: it could not be sent to anybody.
        """
        secret = self._secret()
        try:
            with self._connect() as server:
                server.ehlo_or_helo_if_needed()
                if self._starttls:
                    server.starttls(context=self._context or ssl.create_default_context())
                if self._user:
                    server.login(self._user, secret)
                refused = server.send_message(message)
        except smtplib.SMTPAuthenticationError as error:
            reply = without_secrets(_reply(error.smtp_error), (secret,))
            raise LoginRefused(
                f"{self.host} does not let {self._user} in: {error.smtp_code} {reply}",
                hint="Check `user` and `password_command` of the mail.",
            ) from None
        except smtplib.SMTPRecipientsRefused as error:
            refused_all = "; ".join(
                f"{who}: {code} {without_secrets(_reply(reply), (secret,))}"
                for who, (code, reply) in error.recipients.items()
            )
            raise NotDelivered(f"{self.host} refuses all recipients: {refused_all}") from None
        except smtplib.SMTPResponseException as error:
            reply = without_secrets(_reply(error.smtp_error), (secret,))
            raise NotDelivered(f"{self.host} refuses the mail: {error.smtp_code} {reply}") from None
        except UnicodeEncodeError:
            raise LoginRefused(
                f"the password of {self._user} cannot be sent to {self.host}: it is not ASCII"
            ) from None
        except _ERRORS as error:
            text = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise NotDelivered(
                f"the mail cannot be sent by {self.host}: {without_secrets(text, (secret,))}"
            ) from None
        return {
            who: f"{code} {without_secrets(_reply(reply), (secret,))}"
            for who, (code, reply) in refused.items()
        }

    def _connect(self) -> smtplib.SMTP:
        if self._tls:
            context = self._context or ssl.create_default_context()
            return smtplib.SMTP_SSL(self.host, self.port, timeout=_TIMEOUT, context=context)
        return smtplib.SMTP(self.host, self.port, timeout=_TIMEOUT)

    def _secret(self) -> str:
        if self._password_command is not None:
            return password_from_command(self._password_command)
        if self._password is None or isinstance(self._password, str):
            return self._password or ""
        return self._password()


def _reply(reply: bytes | str) -> str:
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply


def compose(
    *, sender: str, recipients: Sequence[str], subject: str, body: str, message_id: str | None = None
) -> EmailMessage:
    """Write a mail. Nothing in it begins a header, or acts on a terminal.

    Args:
        sender: as `check_address` takes it.
        recipients: the same.
        subject: one line; what is too long is cut off.
        body: lines; what others say in it is escaped by the caller, so that it makes none.
        message_id: identifies the mail, so that a duplicate is recognised; None: a new one for each.
    """
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    # One line, and nothing in it that is not seen: no header can begin inside it.
    message["Subject"] = for_terminal(subject)[:_MAX_SUBJECT]
    message["Date"] = email.utils.localtime()
    domain = Address(addr_spec=email.utils.parseaddr(sender)[1]).domain
    message["Message-ID"] = message_id or email.utils.make_msgid(domain=domain)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: so that nobody's holiday answers it
    text = for_terminal(body, lines=True)
    message.set_content(text, charset="utf-8", cte="quoted-printable")  # passes through any server
    return message


class _Mailing:
    """The common part of both handlers: see them."""

    SUBJECT: str
    BODY: str

    def __init__(
        self,
        *,
        recipients: Sequence[str] | str,
        subject: str | None = None,
        body: str | None = None,
        smtp: Smtp | None = None,
        message_id: str | None = None,
        **server: Any,  # noqa: ANN401 - arguments of Smtp
    ) -> None:
        self._smtp = smtp or Smtp(**server)
        self._recipients = [recipients] if isinstance(recipients, str) else list(recipients)
        if not self._recipients:
            raise UsageError("recipients is empty")
        for recipient in self._recipients:
            if reason := check_address(recipient):
                raise UsageError(f"the recipient {recipient!r} {reason}")
        self._subject = self.SUBJECT if subject is None else subject
        self._body = self.BODY if body is None else body
        for what, template in (("subject", self._subject), ("body", self._body)):
            if reason := check_template(template, None):
                raise UsageError(f"the {what} of the mail {reason}")
        self._message_id = message_id
        self.is_unsent = False
        """Whether the last mail found no server that takes it: another attempt may help."""

    def _send(self, metadata: Mapping[str, Any]) -> None:
        try:
            refused = self._smtp.send(self._message(metadata))
        except Exception as error:  # noqa: BLE001 - what came of the activity is as it was
            _log.error("the mail could not be sent: %s", for_log(describe(error)))
            self.is_unsent = isinstance(error, NotDelivered)
            return
        self.is_unsent = False
        taken = [who for who in self._recipients if email.utils.parseaddr(who)[1] not in refused]
        _log.info("told %s", for_log(", ".join(taken)))
        for who, reply in refused.items():
            _log.warning("the mail was not sent to %s: %s", for_log(who), for_log(reply))

    def _message(self, metadata: Mapping[str, Any]) -> EmailMessage:
        # What a value says must not look like a line of the template.
        values = {
            name: for_log(value) if isinstance(value, str) and name not in _OF_LINES else value
            for name, value in metadata.items()
            if value is not None
        }
        return compose(
            sender=self._smtp.sender,
            recipients=self._recipients,
            subject=fill(self._subject, values, ""),
            # Where a value is empty, the blank lines around it meet.
            body=_BLANK_LINES.sub("\n\n", fill(self._body, values, "")),
            message_id=self._message_id,
        )


def _details(metadata: Mapping[str, Any]) -> str:
    """The facts about an activity, a line each."""
    lines = [
        f"{for_log(name)}: {for_log(str(value))}"
        for name, value in metadata.items()
        if name not in _NOT_DETAILS and value not in {None, ""}
    ]
    for name in ("problems", "link"):
        if metadata.get(name):
            lines += ["", f"{metadata[name]}"]
    return "\n".join(lines)


class EmailSuccessHandler(_Mailing):
    """Mails that an activity has succeeded. A mail that cannot be sent is logged.

    Subject and body are templates over the metadata: ``{title}``, ``{bucket}``, ``{link}``, …, and
    ``{details}``: all of them in lines.

    Args:
        recipients: addresses.
        subject: a template, of one line; None: `SUBJECT`.
        body: a template; None: `BODY`.
        smtp: the server; None: made of `server`.
        message_id: identifies the mail, so that a duplicate is recognised; None: a new one for each.
        **server: ``host``, ``port``, ``starttls``, ``tls``, ``user``, ``password_command``, ``sender``: see
            `Smtp`.

    Raises:
        UsageError: it can never be sent as it is asked for.
    """

    SUBJECT = "Delivered: {title}"
    BODY = "{title} has been delivered.\n\n{details}\n"

    def handle_success(self, metadata: Mapping[str, Any]) -> None:
        """Send the mail, or log that it could not be sent."""
        self._send({"title": "An activity", **metadata, "details": _details(metadata)})


class EmailFailureHandler(_Mailing):
    """Mails that an activity has failed. A mail that cannot be sent is logged.

    Subject and body are templates over the metadata, ``{details}`` (all of them in lines), ``{error}``,
    ``{hint}`` (what to do about it) and ``{exit_code}``.

    Args:
        recipients: addresses.
        subject: a template, of one line; None: `SUBJECT`.
        body: a template; None: `BODY`.
        smtp: the server; None: made of `server`.
        message_id: identifies the mail, so that a duplicate is recognised; None: a new one for each.
        **server: ``host``, ``port``, ``starttls``, ``tls``, ``user``, ``password_command``, ``sender``: see
            `Smtp`.

    Raises:
        UsageError: it can never be sent as it is asked for.
    """

    SUBJECT = "Failed: {title}"
    BODY = "{title} has failed: {error}\n\n{hint}\n\n{details}\n"

    def handle_failure(self, exception: BaseException, metadata: Mapping[str, Any]) -> None:
        """Send the mail, or log that it could not be sent."""
        self._send(
            {
                "title": "An activity",
                **metadata,
                "details": _details(metadata),
                "error": describe(exception),
                "hint": getattr(exception, "hint", ""),
                "exit_code": int(exit_code_of(exception)),
            }
        )
