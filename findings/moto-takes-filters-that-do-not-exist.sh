#!/usr/bin/env bash
# Patterns of EventBridge and settings of SQS that AWS refuses by its documentation, and which events they let through.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('moto[events,sqs]==5.2.5' 'boto3==1.43.117')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' moto boto3
cat >expected <<'END'
{"key": [{"prefix": "site/"}]}: taken, the event comes
{"key": [{"prefx": "site/"}]}: taken, the event comes
{"key": [{"anything-but": {"prefx": "other/"}}]}: taken, no event comes
{"size": [{"numeric": [">"]}]}: taken, the event comes
{"size": [{"numeric": [">", "100"]}]}: taken, PutEvents raises TypeError
{"size": [{"numeric": ["=>", 100]}]}: taken, PutEvents raises KeyError
{"key": [{"exists": "yes"}]}: taken, no event comes
{"complete": [1]}: taken, the event comes
{"size": [true]}: taken, no event comes
{"key": []}: InvalidEventPatternException
0 receives before the dead-letter queue: taken
2,000 receives: taken
invisible for 43,201 s: taken
kept for 30 days: taken
an empty message: taken
a message with a control character: taken
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import json

import boto3
from botocore.exceptions import ClientError
from moto import mock_aws

where = {"region_name": "us-east-1", "aws_access_key_id": "any", "aws_secret_access_key": "any"}
event = {"key": "site/a.csv", "size": 500, "complete": True}
with mock_aws():
    events, queues = boto3.client("events", **where), boto3.client("sqs", **where)
    for number, pattern in enumerate(
        [
            {"key": [{"prefix": "site/"}]},
            {"key": [{"prefx": "site/"}]},
            {"key": [{"anything-but": {"prefx": "other/"}}]},
            {"size": [{"numeric": [">"]}]},
            {"size": [{"numeric": [">", "100"]}]},
            {"size": [{"numeric": ["=>", 100]}]},
            {"key": [{"exists": "yes"}]},
            {"complete": [1]},
            {"size": [True]},
            {"key": []},
        ]
    ):
        queue = queues.create_queue(QueueName=f"queue-{number}")["QueueUrl"]
        arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        try:
            events.put_rule(Name=f"rule-{number}", EventPattern=json.dumps({"detail": pattern}))
        except ClientError as error:
            print(f"{json.dumps(pattern)}: {error.response['Error']['Code']}")
            continue
        events.put_targets(Rule=f"rule-{number}", Targets=[{"Id": "queue", "Arn": arn}])
        try:
            events.put_events(Entries=[{"Source": "landing", "DetailType": "arrived", "Detail": json.dumps(event)}])
            seen = "the event comes" if queues.receive_message(QueueUrl=queue).get("Messages") else "no event comes"
        except Exception as error:
            seen = f"PutEvents raises {type(error).__name__}"
        print(f"{json.dumps(pattern)}: taken, {seen}")
        events.remove_targets(Rule=f"rule-{number}", Ids=["queue"])
        events.delete_rule(Name=f"rule-{number}")

    dead = queues.create_queue(QueueName="dead")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    for words, attributes in {
        "0 receives before the dead-letter queue": {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 0})},
        "2,000 receives": {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2000})},
        "invisible for 43,201 s": {"VisibilityTimeout": "43201"},
        "kept for 30 days": {"MessageRetentionPeriod": str(30 * 86400)},
    }.items():
        try:
            queues.create_queue(QueueName=f"q{abs(hash(words))}", Attributes=attributes)
            print(words + ": taken")
        except ClientError as error:
            print(f"{words}: {error.response['Error']['Code']}")
    for words, body in {"an empty message": "", "a message with a control character": "a\x01"}.items():
        try:
            queues.send_message(QueueUrl=dead, MessageBody=body)
            print(words + ": taken")
        except ClientError as error:
            print(f"{words}: {error.response['Error']['Code']}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
