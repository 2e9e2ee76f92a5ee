"""Notifications: one text for any number of targets (SES) and topics (SNS).

`NotificationRouter` answers one result for every target, in their order; one that fails stops no other. The
sender of mails is ``SOURCE_EMAIL_ADDRESS``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import AliasChoices, ConfigDict, Field, JsonValue, field_validator, model_validator

from upload_client.core.notifications import (
    MAX_SES_SUBJECT,
    MAX_SNS_MESSAGE,
    MAX_SNS_SUBJECT,
    Mail,
    TargetError,
    Topic,
    is_address,
    subject_line,
    target_of,
)
from upload_client.core.text import for_log, is_whole
from upload_client.functions.base import LambdaHandler, aws
from upload_client.functions.base.aws import ServiceError
from upload_client.functions.errors import sentence_of
from upload_client.functions.models import Model
from upload_client.support.secrets import without_secrets

SENDER_VARIABLE = "SOURCE_EMAIL_ADDRESS"


class NotificationContentType(StrEnum):
    """The form of a message."""

    PLAIN_TEXT = "text/plain"
    HTML = "html"
    JSON = "json"


class NotificationContent(Model):
    """The text of a notification.

    Attributes:
        subject: one line; line breaks become spaces, and what is too long is cut.
        message: the text; with ``json`` a JSON text, or any JSON.
        content_type: ``html`` is sent to mails as HTML, as it is: whoever puts names or texts of others into
            it has to escape them. Topics get it as text.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    subject: str
    message: str = Field(validation_alias=AliasChoices("message", "content", "body"))
    content_type: NotificationContentType = NotificationContentType.PLAIN_TEXT

    @field_validator("subject", "message")
    @classmethod
    def _is_text(cls, text: str) -> str:
        if not is_whole(text):
            raise ValueError("holds half a character (a lone surrogate), which cannot be sent")
        return text

    @model_validator(mode="before")
    @classmethod
    def _json_is_text(cls, data: Any) -> Any:  # noqa: ANN401 - any JSON
        if not isinstance(data, Mapping) or data.get("content_type") != NotificationContentType.JSON:
            return data
        names = [name for name in ("message", "content", "body") if name in data]
        name = next((name for name in names if data[name] is not None), next(iter(names), None))
        if name is None:
            return data
        message = data[name]
        try:
            message = json.loads(message) if isinstance(message, str) else message
        except (ValueError, RecursionError):
            raise ValueError("the message is no JSON") from None
        rest = {key: value for key, value in data.items() if key not in ("message", "content", "body")}
        return {**rest, "message": json.dumps(message, ensure_ascii=False, indent=2)}


class NotificationRequest(Model):
    """A text, and whom to tell it.

    Attributes:
        content: the text.
        targets: each ``{"topic": arn}``, or ``recipients``, ``recipient``, ``addresses`` or ``address`` with
            one address of mail or several.
    """

    content: NotificationContent
    targets: list[JsonValue]


class NotifierResult(Model):
    """The result of one target.

    Attributes:
        target: as it was given.
        success: it was told; of mails, that SES has taken them, not that they arrived.
        response: ``{"MessageId": …}`` (of several recipients, a list of ids); why not, where it failed.
    """

    target: JsonValue
    success: bool
    response: JsonValue


class NotificationResponse(Model):
    """The results of all targets, in their order."""

    results: list[NotifierResult]


class SESNotifier:
    """Tells by mail, from ``SOURCE_EMAIL_ADDRESS``."""

    def notify(self, content: NotificationContent, target: Mail) -> dict[str, JsonValue]:
        """Send each recipient a mail of their own, so that nobody sees who else gets one.

        Raises:
            TargetError: there is no sender; or SES has refused some of several mails, and sent the others.
            ServiceError: SES has refused the only mail, or does not answer.
        """
        sender = os.environ.get(SENDER_VARIABLE, "")
        if not is_address(sender):
            raise TargetError(f"{SENDER_VARIABLE} is no address of mail, so there is no sender")
        subject = subject_line(content.subject, MAX_SES_SUBJECT)
        kind = "Html" if content.content_type is NotificationContentType.HTML else "Text"
        ids: list[JsonValue] = []
        refused: list[ServiceError] = []
        client = aws.client("ses")
        for recipient in target.recipients:
            try:
                with aws.service_errors("SES"):
                    answer = client.send_email(
                        Source=sender,
                        Destination={"ToAddresses": [recipient]},
                        Message={
                            "Subject": {"Data": subject, "Charset": "UTF-8"},
                            "Body": {kind: {"Data": content.message, "Charset": "UTF-8"}},
                        },
                    )
            except ServiceError as error:
                refused.append(error)
            else:
                ids.append(answer["MessageId"])
        if refused:
            if len(target.recipients) == 1:
                raise refused[0]
            raise TargetError(
                f"{len(refused):,} of {len(target.recipients):,} mails were not sent: {refused[0]}"
            )
        return {"MessageId": ids[0] if len(ids) == 1 else ids}


class SNSNotifier:
    """Tells a topic of SNS, in the region of the topic."""

    def notify(self, content: NotificationContent, target: Topic, once: str = "") -> dict[str, JsonValue]:
        """Publish to a topic.

        Args:
            content: what to tell.
            target: the topic.
            once: for a FIFO topic: the same text is taken once in five minutes.

        Raises:
            TargetError: the message is too long for SNS.
            ServiceError: SNS has refused it, or does not answer.
        """
        size = len(content.message.encode())
        if size > MAX_SNS_MESSAGE:
            raise TargetError(f"the message has {size:,} bytes, and SNS takes {MAX_SNS_MESSAGE:,}")
        options: dict[str, str] = {}
        if subject := subject_line(content.subject, MAX_SNS_SUBJECT):
            options["Subject"] = subject
        if target.is_fifo:
            options |= {"MessageGroupId": "notifications", "MessageDeduplicationId": once}
        with aws.service_errors("SNS"):
            answer = aws.client("sns", target.region).publish(
                TopicArn=target.arn, Message=content.message, **options
            )
        return {"MessageId": answer["MessageId"]}


class NotificationRouter(LambdaHandler[NotificationRequest, NotificationResponse]):
    """Tells every target, each in its own way.

    Args:
        ses: in place of a `SESNotifier`.
        sns: in place of a `SNSNotifier`.
    """

    def __init__(self, ses: SESNotifier | None = None, sns: SNSNotifier | None = None) -> None:
        self.ses = ses or SESNotifier()
        self.sns = sns or SNSNotifier()

    def handle(self, request: NotificationRequest) -> NotificationResponse:
        """Notify all targets; one that cannot be notified is a result as well."""
        results = [self._notify(request.content, given, n) for n, given in enumerate(request.targets)]
        failed = sum(not result.success for result in results)
        self.add_count_metric("NotificationsSent", len(results) - failed)
        self.add_count_metric("NotificationsFailed", failed)
        return NotificationResponse(results=results)

    @classmethod
    def serialize_response(cls, response: NotificationResponse) -> Any:  # noqa: ANN401 - any JSON
        """The JSON of a response: a target that is null stands there as well."""
        return response.model_dump(mode="json")

    def _notify(self, content: NotificationContent, given: JsonValue, n: int) -> NotifierResult:
        try:
            target = target_of(given)
            if isinstance(target, Mail):
                response = self.ses.notify(content, target)
            else:
                response = self.sns.notify(content, target, f"{self.context.aws_request_id}-{n}")
        except Exception as error:  # noqa: BLE001 - whatever it is, the others are told
            message = str(error) if isinstance(error, TargetError | ServiceError) else sentence_of(error)
            self.log.warning("a target was not told", extra={"error_type": type(error).__name__, "number": n})
            return NotifierResult(
                target=given, success=False, response=for_log(without_secrets(message), 500)
            )
        return NotifierResult(target=given, success=True, response=response)
