"""Every exception becomes a sentence, a hint and an exit code."""

from __future__ import annotations

import botocore.exceptions
import click
import pytest

from upload_client import UploadClientError, errors
from upload_client.cli.failure import COMMAND, EXIT_CODES, Failure
from upload_client.s3.bucket import refusal
from upload_client.s3.trouble import Trouble


def all_kinds(base):
    return [base, *(kind for one in base.__subclasses__() for kind in all_kinds(one))]


@pytest.mark.parametrize("kind", all_kinds(errors.DeliveryError))
def test_each_of_our_errors_has_an_exit_code_that_help_explains_and_a_hint(kind):
    error = kind.__new__(kind)
    Exception.__init__(error, "what happened")
    failure = Failure.of(error)
    assert failure.exit_code in dict(EXIT_CODES)
    assert failure.hint


def test_our_own_words_and_hint_are_used():
    failure = Failure.of(errors.LoginRefused("no", hint="do this"))
    assert failure == Failure(10, "no", "do this", "login_refused")


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), click.Abort()])
def test_being_stopped_is_130_and_says_how_to_go_on(stop):
    before = COMMAND.set(None)
    try:
        failure = Failure.of(stop)
        assert failure.exit_code == 130
        assert "what was confirmed is not sent again" in failure.hint
        COMMAND.set("status")  # which sends nothing
        hint = "Run the same command again: it starts from the beginning."
        assert Failure.of(stop) == Failure(130, failure.sentence, hint, failure.code)
    finally:
        COMMAND.reset(before)


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (
            botocore.exceptions.ClientError(
                {"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject"
            ),
            10,
        ),
        (UploadClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject"), 1),
        (OSError(28, "No space left on device"), 1),
    ],
)
def test_what_aws_or_the_machine_refuses_is_told_in_their_words_and_is_no_fault_of_ours(error, exit_code):
    failure = Failure.of(error)
    assert failure.exit_code == exit_code
    assert "no" in failure.sentence.lower()
    assert "fault of upload-client" not in failure.hint


def test_anything_else_is_called_a_fault_of_ours_with_where_to_look():
    failure = Failure.of(ZeroDivisionError("division by zero"))
    assert failure.exit_code == 1
    assert failure.sentence == "unexpected: ZeroDivisionError: division by zero"
    assert "--debug" in failure.hint


def test_without_a_network_it_is_7_and_the_hint_is_to_look_there():
    failure = Failure.of(botocore.exceptions.EndpointConnectionError(endpoint_url="https://x"))
    assert failure.exit_code == 7
    assert "network" in failure.hint


def test_a_wrong_option_of_a_command_leads_to_the_help_of_that_command(run):
    assert "`upload-client check --help`" in run("check", "--profil", "x").err
    assert "`upload-client --help`" in run("--profil", "x").err


def test_a_command_in_a_hint_names_the_delivery_that_was_asked_for(run, monkeypatch):
    def locked(**_):
        raise errors.Locked("toy/d1", agent_id="abcdefghijk")

    monkeypatch.setattr("upload_client.cli.check.log_in", lambda *_, **__: locked())
    said = run("check", "--clean", "--dataset", "toy", "--delivery-id", "d1", "--profile", "a b.toml")
    assert said.code == 11
    named = "--dataset toy --delivery-id d1 --profile 'a b.toml'"
    assert f"`upload-client status {named}`" in said.err
    assert f"`upload-client unlock {named} --steal abcdefghijk`" in said.err


def test_a_failure_is_printed_safely(capsys):
    Failure(1, "a\x1b[2Jb\nc", "\u202ehint").print()
    assert capsys.readouterr().err == "error: a\\x1b[2Jb\nc\nhint: \\u202ehint\n"


def test_a_traceback_is_printed_safely(capsys):
    error = ValueError("\x1b[2J")
    Failure.of(error).print_traceback(error)
    assert capsys.readouterr().err == "ValueError: \\x1b[2J\n"


def test_with_a_traceback_the_hint_is_told_once_and_other_notes_stay(capsys):
    error = errors.UsageError("wrong", hint="Correct it.")
    error.add_note("a note of somebody else's")
    failure = Failure.of(error)
    failure.print_traceback(error)
    failure.print()
    said = capsys.readouterr().err
    assert said.count("Correct it.") == 1
    assert "\na note of somebody else's\n" in said


def test_having_nothing_to_do_is_no_error(capsys):
    Failure.of(errors.NothingToDoError()).print()
    assert capsys.readouterr().err.startswith("nothing to do")


def hint_to(who: str | None, error: Exception) -> str:
    token = COMMAND.set(who)
    try:
        return Failure.of(error).hint
    finally:
        COMMAND.reset(token)


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, "NoSuchBucket"), (403, "AccessDenied"), (403, "InvalidAccessKeyId"), (301, "PermanentRedirect")],
)
def test_a_receiver_is_not_told_to_tell_the_receiver(status, code):
    error = refusal("LIST x/", Trouble(status, code, "no"))
    assert hint_to("receiver", error) != hint_to(None, error)
    for words in ("--profile", "the receiver", "in the profile"):
        assert words not in hint_to("receiver", error).replace("upload-client receiver", "")


def test_advice_of_other_kinds_is_the_same_to_a_receiver():
    error = refusal("LIST x/", Trouble(0, "", "no answer"))
    assert hint_to("receiver", error) == hint_to(None, error)
