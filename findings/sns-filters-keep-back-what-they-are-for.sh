#!/usr/bin/env bash
# Which messages a subscription's filter lets through, and which filters are taken, in two emulators of SNS.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('moto[server,sns,sqs]==5.2.5' 'ministack==1.5.33' 'boto3==1.43.106')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' moto ministack boto3
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 22000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
BIND_HOST=127.0.0.1 GATEWAY_PORT=$((port + 1)) venv/bin/ministack >log1 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
["a"], a is sent: moto delivers it, MiniStack delivers it
["a"], b is sent: moto keeps it back, MiniStack keeps it back
[{"exists": false}], nothing is sent: moto delivers it, MiniStack keeps it back
[{"exists": false}], in the body, nothing is sent: moto delivers it, MiniStack keeps it back
[{"exists": false}], in the body, null is sent: moto keeps it back, MiniStack delivers it
[{"equals-ignore-case": "A"}], a is sent: moto keeps it back, MiniStack delivers it
[1], the text 1 is sent: moto keeps it back, MiniStack delivers it
["1"], the number 1 is sent: moto delivers it, MiniStack delivers it
[{"numeric": [">", 0]}], the text 1 is sent: moto keeps it back, MiniStack delivers it
[1], in the body, true is sent: moto delivers it, MiniStack keeps it back
[{"numeric": ["<", 3]}], in the body, [5, 2] is sent: moto Publish fails, MiniStack delivers it
{"k": ["a"]}, in the body, [{"k": "b"}, {"k": "a"}] is sent: moto delivers it, MiniStack keeps it back
[{"prefx": "a"}]: moto refuses it, MiniStack takes it
[]: moto takes it, MiniStack takes it
six keys: moto refuses it, MiniStack takes it
END
venv/bin/python -W ignore - "$port" >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import json
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

text = {"DataType": "String"}
number = {"DataType": "Number", "StringValue": "1"}
sent = [  # a filter of "part", whether it is one of the body, how the message is called, its part
    (["a"], False, "a", {**text, "StringValue": "a"}),
    (["a"], False, "b", {**text, "StringValue": "b"}),
    ([{"exists": False}], False, "nothing", None),
    ([{"exists": False}], True, "nothing", None),
    ([{"exists": False}], True, "null", "null"),
    ([{"equals-ignore-case": "A"}], False, "a", {**text, "StringValue": "a"}),
    ([1], False, "the text 1", {**text, "StringValue": "1"}),
    (["1"], False, "the number 1", number),
    ([{"numeric": [">", 0]}], False, "the text 1", {**text, "StringValue": "1"}),
    ([1], True, "true", "true"),
    ([{"numeric": ["<", 3]}], True, "[5, 2]", "[5, 2]"),
    ({"k": ["a"]}, True, '[{"k": "b"}, {"k": "a"}]', '[{"k": "b"}, {"k": "a"}]'),
]
refused = {'[{"prefx": "a"}]': {"part": [{"prefx": "a"}]}, "[]": {"part": []}, "six keys": {name: ["a"] for name in "abcdef"}}


class Emulator:
    def __init__(self, place):
        given = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test", "config": Config(retries={"max_attempts": 0})}
        self.topics = boto3.client("sns", endpoint_url=place, **given)
        self.queues = boto3.client("sqs", endpoint_url=place, **given)
        for _ in range(240):
            try:
                self.topic = self.topics.create_topic(Name="arrived")["TopicArn"]
                break
            except (BotoCoreError, ClientError):
                time.sleep(0.5)
        self.count = 0

    def subscribe(self, policy, of_body):
        self.count += 1
        self.queue = self.queues.create_queue(QueueName=f"queue-{self.count}")["QueueUrl"]
        arn = self.queues.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        scope = "MessageBody" if of_body else "MessageAttributes"
        given = {"FilterPolicy": json.dumps(policy), "FilterPolicyScope": scope}
        return self.topics.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn, Attributes=given, ReturnSubscriptionArn=True)["SubscriptionArn"]

    def deliver(self, policy, of_body, part):
        subscription = self.subscribe({"part": policy}, of_body)
        body = f'{{"part": {part}}}' if of_body and part else "{}"
        attributes = {} if of_body or part is None else {"MessageAttributes": {"part": part}}
        try:
            self.topics.publish(TopicArn=self.topic, Message=body, **attributes)
        except Exception:  # an answer that is no XML is no ClientError
            return "Publish fails"
        finally:
            self.topics.unsubscribe(SubscriptionArn=subscription)
        for _ in range(8):
            if self.queues.receive_message(QueueUrl=self.queue).get("Messages"):
                return "delivers it"
            time.sleep(0.1)
        return "keeps it back"

    def take(self, policy):
        try:
            self.subscribe(policy, False)
        except ClientError:
            return "refuses it"
        return "takes it"


emulators = {name: Emulator(f"http://127.0.0.1:{int(sys.argv[1]) + at}") for at, name in enumerate(("moto", "MiniStack"))}
for policy, of_body, name, part in sent:
    told = ", ".join(f"{title} {emulator.deliver(policy, of_body, part)}" for title, emulator in emulators.items())
    print(f"{json.dumps(policy)}, {'in the body, ' if of_body else ''}{name} is sent: {told}")
for name, policy in refused.items():
    print(f"{name}:", ", ".join(f"{title} {emulator.take(policy)}" for title, emulator in emulators.items()))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
