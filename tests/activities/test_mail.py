"""Mail that tells how it ended: encrypted, escaped, without a secret, and never in the way."""

from __future__ import annotations

import sys

import pytest

from upload_client.activities import Activity, ActivityRunner, EmailFailureHandler, EmailSuccessHandler
from upload_client.activities.errors import NotDelivered
from upload_client.activities.mail import Smtp
from upload_client.errors import UsageError

from .conftest import MAIL_PASSWORD, USER

METADATA = {"title": "Kunden täglich", "bucket": "dumps", "key": "x.csv", "link": "https://s3/x?sig=1"}
PRINTS_PASSWORD = [sys.executable, "-c", f"print({MAIL_PASSWORD!r})"]


@pytest.fixture
def server(mail_server, trusted):
    """A server with STARTTLS, and the arguments of a handler that reaches it."""
    box = mail_server(tls="starttls")
    options = {
        "host": "localhost",
        "port": box.port,
        "starttls": True,
        "user": USER,
        "password_command": PRINTS_PASSWORD,
        "sender": "Robot <robot@example.org>",
        "context": trusted,
        "recipients": ["maria@example.org", "Otto <otto@example.org>"],
    }
    return box, options


def test_a_success_is_mailed_over_an_encrypted_connection(server):
    box, options = server
    EmailSuccessHandler(**options).handle_success(METADATA)
    ((recipients, mail),) = box.mails
    assert recipients == ["maria@example.org", "otto@example.org"]
    assert mail["Subject"] == "Delivered: Kunden täglich"
    assert mail["From"] == "Robot <robot@example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"]
    assert mail["Message-ID"].endswith("@example.org>")
    text = mail.get_content()
    assert "Kunden täglich has been delivered." in text
    assert "bucket: dumps" in text
    assert "https://s3/x?sig=1" in text
    assert box.logins == [True]


def test_a_failure_is_mailed_with_what_to_do_about_it(server):
    box, options = server
    error = NotDelivered("it broke off", hint="Run it again.")
    metadata = {**METADATA, "problems": "1 file invalid: no JSON\n  a.json"}
    EmailFailureHandler(**options).handle_failure(error, metadata)
    ((_, mail),) = box.mails
    assert mail["Subject"] == "Failed: Kunden täglich"
    for words in ("has failed: it broke off", "Run it again.", "1 file invalid: no JSON", "  a.json"):
        assert words in mail.get_content()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028", "\x85"])
def test_what_others_say_makes_no_line_of_a_mail(server, end):
    box, options = server
    forged = f"x{end}FORGED"
    metadata = {"title": forged, "key": forged, forged: forged}
    EmailFailureHandler(**options).handle_failure(NotDelivered(forged), metadata)
    EmailSuccessHandler(**options).handle_success(metadata)
    for _, mail in box.mails:
        assert "FORGED" in mail.get_content()
        assert not [line for line in mail.get_content().splitlines() if line.startswith("FORGED")]


def test_where_there_is_no_hint_there_is_no_hole(server):
    box, options = server
    EmailFailureHandler(**options).handle_failure(RuntimeError("no database"), METADATA)
    ((_, mail),) = box.mails
    assert (
        mail.get_content()
        .replace("\r", "")
        .startswith("Kunden täglich has failed: RuntimeError: no database\n\nbucket: dumps\n")
    )


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # it has it from the start
@pytest.mark.parametrize("tls", ["", "tls"])
def test_a_server_may_have_tls_from_the_first_byte_or_none_at_all(mail_server, trusted, tls):
    box = mail_server(tls=tls)
    login = {"user": USER, "password": MAIL_PASSWORD, "tls": True, "context": trusted} if tls else {}
    EmailSuccessHandler(
        host="localhost", port=box.port, sender="a@b.org", recipients="c@d.org", **login
    ).handle_success({})
    assert box.mails[0][0] == ["c@d.org"]


def test_templates_are_filled_from_metadata_and_a_name_that_is_not_there_is_empty(server):
    box, options = server
    EmailSuccessHandler(
        **options, subject="{title}: {key}", body="{nothing}{key} is at {link}"
    ).handle_success(METADATA)
    assert box.mails[0][1]["Subject"] == "Kunden täglich: x.csv"
    assert box.mails[0][1].get_content().strip() == "x.csv is at https://s3/x?sig=1"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028", "\x85", "\x0b", "\n\n"])
def test_no_header_can_be_put_in_through_metadata(server, end):
    box, options = server
    metadata = {"title": f"x{end}Bcc: everybody@example.org{end}{end}<script>"}
    EmailSuccessHandler(**options, body="{title}").handle_success(metadata)
    ((recipients, mail),) = box.mails
    assert recipients == ["maria@example.org", "otto@example.org"]
    assert mail["Bcc"] is None
    assert sorted(mail.keys()) == sorted(
        [
            "From",
            "To",
            "Subject",
            "Date",
            "Message-ID",
            "Auto-Submitted",
            "Content-Type",
            "Content-Transfer-Encoding",
            "MIME-Version",
        ]
    )
    assert "Bcc" in mail["Subject"]  # it is seen as what it is


@pytest.mark.parametrize("template", ["{title.__class__}", "{title[0]}", "{title!r}", "{", "{0}"])
def test_a_template_can_ask_for_names_alone(template):
    for options in ({"subject": template}, {"body": template}):
        with pytest.raises(UsageError, match="of the mail"):
            EmailSuccessHandler(host="h", sender="a@b.org", recipients="c@d.org", **options)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"recipients": []}, "recipients is empty"),
        ({"recipients": "not an address"}, "the recipient 'not an address' is no address"),
        ({"recipients": "a@b.org\nBcc: c@d.org"}, "contains a character"),
        ({"recipients": "a@b.org, c@d.org"}, "is no address"),
        ({"sender": "a@b.org>\r\n"}, "contains a character"),
        ({"starttls": True, "tls": True}, "two ways"),
        ({"user": "robot", "password": "x"}, "encrypted connection"),
        ({"user": "robot", "starttls": True}, "go together"),
        ({"password_command": "pass smtp", "tls": True}, "go together"),
    ],
)
def test_what_can_never_be_sent_is_refused_when_it_is_asked_for(options, why):
    with pytest.raises(UsageError, match=why):
        EmailSuccessHandler(**{"host": "h", "sender": "a@b.org", "recipients": "c@d.org", **options})


# --- what cannot be sent ---


def run(handler):
    """Run something that succeeds, and tell it by mail."""
    return ActivityRunner(_Nothing(METADATA), success_handler=handler).run()


class _Nothing(Activity):
    def start(self):
        pass


def test_a_login_that_is_refused_is_logged_without_the_password_and_changes_nothing(server, caplog):
    box, options = server
    command = [sys.executable, "-c", "print('hunter2-and-more')"]
    assert run(EmailSuccessHandler(**options | {"password_command": command})) == 0
    assert box.mails == []
    assert set(box.logins) == {False}
    assert f"localhost does not let {USER} in: 535" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    ("refused", "sent"), [({"otto@example.org"}, 1), ({"otto@example.org", "maria@example.org"}, 0)]
)
def test_a_recipient_that_is_refused_is_logged_and_the_others_have_their_mail(server, caplog, refused, sent):
    box, options = server
    box.refuses = refused
    assert run(EmailSuccessHandler(**options)) == 0
    assert len(box.mails) == sent
    assert "otto@example.org: 550 5.1.1 no such user here" in caplog.text


def test_a_mail_that_is_refused_is_logged(server, caplog):
    box, options = server
    box.broken = "554 5.7.1 spam \x1b[2J"
    assert run(EmailSuccessHandler(**options)) == 0
    assert "refuses the mail: 554 5.7.1 spam" in caplog.text
    assert "\x1b" not in caplog.text


def test_a_server_without_starttls_is_told_nothing(mail_server, trusted, caplog):
    box = mail_server()
    options = {"starttls": True, "user": USER, "password": MAIL_PASSWORD, "context": trusted}
    handler = EmailSuccessHandler(
        host="localhost", port=box.port, sender="a@b.org", recipients="c@d.org", **options
    )
    assert run(handler) == 0
    assert box.mails == []
    assert "STARTTLS extension not supported" in caplog.text


def test_a_server_with_another_certificate_is_not_told_the_password(server, caplog):
    box, options = server
    del options["context"]
    assert run(EmailSuccessHandler(**options)) == 0
    assert (box.mails, box.logins) == ([], [])
    assert "certificate verify failed" in caplog.text


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([sys.executable, "-c", "print('hunter2'); raise SystemExit(3)"], "ended with 3"),
        (["/no/such/program"], "cannot be run"),
        ([sys.executable, "-c", ""], "printed nothing"),
    ],
)
def test_a_password_command_that_fails_is_logged_without_what_it_printed(server, caplog, command, words):
    _, options = server
    assert run(EmailSuccessHandler(**options | {"password_command": command})) == 0
    assert words in caplog.text
    assert "hunter2" not in caplog.text


def test_a_password_that_smtp_cannot_send_is_logged_without_it(server, caplog):
    _, options = server
    command = [sys.executable, "-c", "print('gehe\\u0131m')"]
    assert run(EmailSuccessHandler(**options | {"password_command": command})) == 0
    assert "is not ASCII" in caplog.text


def test_a_server_that_is_not_there_is_logged(caplog):
    handler = EmailSuccessHandler(host="127.0.0.1", port=9, sender="a@b.org", recipients="c@d.org")
    assert run(handler) == 0
    assert "the mail cannot be sent by 127.0.0.1: Connection refused" in caplog.text


def test_a_mail_that_no_server_took_can_be_sent_again(server):
    box, options = server
    smtp = Smtp(**{name: given for name, given in options.items() if name != "recipients"})
    handler = EmailSuccessHandler(smtp=smtp, recipients=options["recipients"])
    runner = ActivityRunner(_Nothing(METADATA), success_handler=handler)
    smtp.port = 9  # where nobody listens
    assert runner.run() == 0
    assert not runner.is_notified
    assert not runner.notify_again()
    smtp.port = box.port
    assert runner.notify_again()
    assert len(box.mails) == 1


def test_no_repr_shows_a_password():
    smtp = Smtp(host="h", tls=True, user="u", password="hunter2", sender="a@b.org")
    assert "hunter2" not in repr(smtp)
