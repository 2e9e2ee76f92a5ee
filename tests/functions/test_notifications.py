"""One text for any number of targets."""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.exceptions import ClientError

pytest.importorskip("moto")
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends
from moto.sns.models import sns_backends

from upload_client.functions.errors import InvalidRequest
from upload_client.functions.notifications import NotificationRouter, SESNotifier
from upload_client.support import secrets

REGION = "us-east-1"


@pytest.fixture
def aws(monkeypatch):
    monkeypatch.setenv("SOURCE_EMAIL_ADDRESS", "from@example.org")
    with mock_aws():
        boto3.client("ses").verify_email_identity(EmailAddress="from@example.org")
        yield


@pytest.fixture
def topic(aws):
    return boto3.client("sns", region_name="eu-west-1").create_topic(Name="alarms")["TopicArn"]


def tell(*targets, context=None, **content):
    content = {"subject": "s", "message": "m", **content}
    return NotificationRouter.get_handler()({"content": content, "targets": list(targets)}, context)[
        "results"
    ]


def sent_mails():
    return ses_backends[DEFAULT_ACCOUNT_ID][REGION].sent_messages


def published(region="eu-west-1"):
    return [
        each
        for one in sns_backends[DEFAULT_ACCOUNT_ID][region].topics.values()
        for each in one.sent_notifications
    ]


def test_every_target_has_a_result_in_order_and_one_that_fails_stops_no_other(topic, context):
    targets = [
        {"recipients": ["a@example.org"]},
        {"topic": topic.replace("alarms", "nowhere")},
        {"pager": 1},
        {"topic": topic},
        {"address": "b@example.org"},
    ]
    results = tell(*targets, context=context)
    assert [result["target"] for result in results] == targets
    assert [result["success"] for result in results] == [True, False, False, True, True]
    assert results[2]["response"] == "it has neither a topic nor recipients"
    assert "NotFound" in results[1]["response"]
    assert [mail.destinations["ToAddresses"] for mail in sent_mails()] == [
        ["a@example.org"],
        ["b@example.org"],
    ]
    assert [one[1] for one in published()] == ["m"]
    assert results[0]["response"]["MessageId"]


def test_a_target_is_answered_as_it_was_given_null_as_well(topic):
    targets = [None, {"topic": topic, "of": None}, {}]
    results = tell(*targets)
    assert [result["target"] for result in results] == targets
    assert [result["success"] for result in results] == [False, True, False]


@pytest.mark.parametrize("kind", ["text/plain", "json"])
@pytest.mark.parametrize("name", ["message", "content", "body"])
def test_a_text_under_one_of_its_names_counts_where_the_others_are_null(topic, name, kind):
    text = "1" if kind == "json" else "the text"
    content = {"message": None, "content": None, "body": None, name: text, "content_type": kind}
    assert tell({"topic": topic}, **content)[0]["success"]
    assert [one[1] for one in published()] == [text]


def test_a_subject_writes_no_headers_and_is_as_long_as_it_may_be(topic):
    subject = "done\r\nBcc: x@example.org " + "y" * 400
    assert [
        result["success"] for result in tell({"topic": topic}, {"address": "a@example.org"}, subject=subject)
    ]
    (message,) = published()
    assert len(message[2]) == 100
    assert message[2].startswith("done Bcc: x@example.org yyy")
    assert "\n" not in sent_mails()[0].subject


@pytest.mark.parametrize("name", ["message", "content", "body"])
def test_the_message_has_three_names(aws, name):
    event = {"content": {"subject": "s", name: "text"}, "targets": [{"address": "a@example.org"}]}
    assert NotificationRouter.get_handler()(event)["results"][0]["success"]
    assert sent_mails()[0].body == "text"


@pytest.mark.parametrize("field", ["subject", "message"])
def test_half_a_character_is_told_as_that_and_nobody_is_told_half(aws, field):
    content = {"subject": "s", "message": "m", field: "half \ud83d"}
    with pytest.raises(InvalidRequest, match=f"content.{field}: holds half a character"):
        NotificationRouter.get_handler()({"content": content, "targets": [{"recipient": "a@example.org"}]})


def test_html_is_sent_as_html(aws, monkeypatch):
    seen = {}

    class Client:
        def send_email(self, **request):
            seen.update(request["Message"]["Body"])
            return {"MessageId": "1"}

    monkeypatch.setattr("upload_client.functions.base.aws.client", lambda *_: Client())
    tell({"address": "a@example.org"}, content_type="html", message="<b>x</b>")
    tell({"address": "a@example.org"}, content_type="text/plain")
    assert {kind: body["Data"] for kind, body in seen.items()} == {"Html": "<b>x</b>", "Text": "m"}


def test_json_may_be_a_text_or_not_and_is_checked(topic):
    for message in ('{"a": [1, "ä"]}', {"a": [1, "ä"]}):
        assert tell({"topic": topic}, content_type="json", message=message)[0]["success"]
    assert [json.loads(one[1]) for one in published()] == [{"a": [1, "ä"]}] * 2
    with pytest.raises(InvalidRequest, match="no JSON"):
        tell({"topic": topic}, content_type="json", message="{")


def test_what_is_too_long_for_sns_is_still_mailed(topic):
    results = tell({"topic": topic}, {"address": "a@example.org"}, message="x" * 262_145)
    assert results[0]["response"] == "the message has 262,145 bytes, and SNS takes 262,144"
    assert [result["success"] for result in results] == [False, True]


def test_a_fifo_topic_is_told_with_a_group(aws, context):
    arn = boto3.client("sns").create_topic(Name="t.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    assert tell({"topic": arn}, context=context)[0]["success"]


def test_each_recipient_gets_a_mail_of_their_own(aws):
    recipients = [f"p{n}@example.org" for n in range(60)]
    (result,) = tell({"recipients": recipients})
    assert len(result["response"]["MessageId"]) == 60
    assert [mail.destinations["ToAddresses"] for mail in sent_mails()] == [[each] for each in recipients]


def test_a_recipient_who_is_refused_keeps_no_other_from_their_mail(aws, monkeypatch):
    sent = []

    class Client:
        def send_email(self, **request):
            (recipient,) = request["Destination"]["ToAddresses"]
            if recipient == "b@example.org":
                raise ClientError({"Error": {"Code": "MessageRejected", "Message": "no"}}, "SendEmail")
            sent.append(recipient)
            return {"MessageId": "1"}

    monkeypatch.setattr("upload_client.functions.base.aws.client", lambda *_: Client())
    (result,) = tell({"recipients": ["a@example.org", "b@example.org", "c@example.org"]})
    assert sent == ["a@example.org", "c@example.org"]
    assert result["success"] is False
    assert result["response"].startswith("1 of 3 mails were not sent: ")
    assert "MessageRejected" in result["response"]


@pytest.mark.parametrize("sender", [None, "nobody", "a@example.org\nBcc: b@example.org"])
def test_without_a_sender_there_is_no_mail(aws, monkeypatch, sender):
    monkeypatch.setenv("SOURCE_EMAIL_ADDRESS", sender or "")
    (result,) = tell({"address": "a@example.org"})
    assert (result["success"], sent_mails()) == (False, [])
    assert "SOURCE_EMAIL_ADDRESS" in result["response"]


def test_no_secret_stands_in_an_answer(aws):
    secrets.remember("token-of-mine")

    class Broken(SESNotifier):
        def notify(self, content, target):
            raise RuntimeError("refused token-of-mine\nand more")

    event = {"content": {"subject": "s", "message": "m"}, "targets": [{"address": "a@example.org"}]}
    (result,) = NotificationRouter.get_handler(ses=Broken())(event)["results"]
    assert result["response"] == "RuntimeError: refused *** and more"
