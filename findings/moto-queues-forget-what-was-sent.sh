#!/usr/bin/env bash
# Queues of three emulators: what was sent before, old handles, dead letters, limits.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill -KILL "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
python=
for candidate in python3.13 "$HOME"/.pyenv/versions/3.13*/bin/python; do # LocalEmu 1.3 wants this one
  if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[[ -n $python ]] || { echo "Python 3.13 is not here" >&2; exit 1; }
install() { # a folder, then packages: the emulators want different versions of botocore
  if command -v uv >/dev/null; then
    uv venv -q -p "$python" "$tmp/$1"
    VIRTUAL_ENV=$tmp/$1 uv pip install -q "${@:2}"
  else
    "$python" -m venv "$tmp/$1"
    "$tmp/$1/bin/pip" install -q --disable-pip-version-check "${@:2}" 2>/dev/null
  fi
}
install localemu 'localemu[runtime]==1.3.2' 'boto3==1.42.59'
install venv 'moto[server,events,sqs]==5.2.5' 'ministack==1.5.33' 'boto3==1.43.106'
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' moto ministack boto3
localemu/bin/python -c 'from importlib.metadata import version; print("localemu", version("localemu"))'
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 22000))')
cat >serve.py <<'END'
import runpy

from twisted.internet import endpoints

made = endpoints.TCP4ServerEndpoint  # by itself it listens on every interface
endpoints.TCP4ServerEndpoint = lambda *given, **named: made(*given, **{**named, "interface": "127.0.0.1"})
runpy.run_module("localemu.runtime.main", run_name="__main__")
END
env GATEWAY_LISTEN=127.0.0.1:$port SERVICES=events,sqs,iam,sts DISABLE_EVENTS=1 SKIP_SSL_CERT_DOWNLOAD=1 DNS_ADDRESS=0 \
  LOCALEMU_VOLUME_DIR="$tmp/volume" LOCALSTACK_VOLUME_DIR="$tmp/volume" localemu/bin/python serve.py >log 2>&1 </dev/null &
servers+=($!)
venv/bin/moto_server -H 127.0.0.1 -p $((port + 1)) >log1 2>&1 </dev/null &
servers+=($!)
BIND_HOST=127.0.0.1 GATEWAY_PORT=$((port + 2)) venv/bin/ministack >log2 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
LocalEmu
  sent twice with one deduplication id: the same message id True
  sent a third time, behind the one that was received and deleted: []
  deleted by a handle older than the last one: taken
    and it is gone
  a queue whose dead letters go to one that is not there: taken
  after 0 receives: taken
  a FIFO queue whose dead letters go to one that is none: taken
  an attribute Nope: InvalidAttributeName
  an attribute of a message, Number abc: taken
  an empty one: InvalidParameterValue
  one called AWS.n: InvalidParameterValue
  eleven of them: taken
  a delay of 901 s: taken
moto
  sent twice with one deduplication id: the same message id False
  sent a third time, behind the one that was received and deleted: ['delivery 7']
  deleted by a handle older than the last one: taken
    and it is gone
  a queue whose dead letters go to one that is not there: NonExistentQueue
  after 0 receives: taken
  a FIFO queue whose dead letters go to one that is none: InvalidParameterCombination
  an attribute Nope: taken
  an attribute of a message, Number abc: taken
  an empty one: taken
  one called AWS.n: taken
  eleven of them: taken
  a delay of 901 s: InvalidParameterValue
MiniStack
  sent twice with one deduplication id: the same message id True
  sent a third time, behind the one that was received and deleted: []
  deleted by a handle older than the last one: ReceiptHandleIsInvalid
    and it is there
  a queue whose dead letters go to one that is not there: InvalidAttributeValue
  after 0 receives: InvalidAttributeValue
  a FIFO queue whose dead letters go to one that is none: taken
  an attribute Nope: taken
  an attribute of a message, Number abc: taken
  an empty one: taken
  one called AWS.n: taken
  eleven of them: taken
  a delay of 901 s: taken
END
venv/bin/python -W ignore - "$port" >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import json
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

stores = {"LocalEmu": 0, "moto": 1, "MiniStack": 2}


def client(service, at):
    place = f"http://127.0.0.1:{int(sys.argv[1]) + at}"
    once = Config(retries={"total_max_attempts": 1})
    return boto3.client(service, endpoint_url=place, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test", config=once)


def tried(words, request, **given):
    try:
        request(**given)
        print(f"  {words}: taken")
    except ClientError as error:
        print(f"  {words}: {error.response['Error']['Code'].split('.')[-1]}")


for store, at in stores.items():
    queues = client("sqs", at)
    for _ in range(240):
        try:
            dead = queues.create_queue(QueueName="dead")["QueueUrl"]
            break
        except (BotoCoreError, ClientError):
            time.sleep(0.5)
    dead_arn = queues.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    print(store)

    def received(url, wait=2):
        return queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait, MessageSystemAttributeNames=["All"]).get("Messages", [])

    once = queues.create_queue(QueueName="once.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    given = {"QueueUrl": once, "MessageBody": "delivery 7", "MessageGroupId": "site", "MessageDeduplicationId": "7"}
    first = queues.send_message(**given)
    print("  sent twice with one deduplication id: the same message id", queues.send_message(**given)["MessageId"] == first["MessageId"])
    (message,) = received(once)
    queues.delete_message(QueueUrl=once, ReceiptHandle=message["ReceiptHandle"])
    queues.send_message(**given)
    print("  sent a third time, behind the one that was received and deleted:", [message["Body"] for message in received(once)])

    twice = queues.create_queue(QueueName="twice", Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
    queues.send_message(QueueUrl=twice, MessageBody="x")
    (old,) = received(twice)
    for _ in range(20):
        if new := received(twice):
            break
    tried("deleted by a handle older than the last one", queues.delete_message, QueueUrl=twice, ReceiptHandle=old["ReceiptHandle"])
    for _ in range(3):
        if left := received(twice):
            break
    print("    and it is", "there" if left else "gone")

    def made(words, **attributes):
        name = "made.fifo" if "FifoQueue" in attributes else "made"
        tried(words, lambda: queues.delete_queue(QueueUrl=queues.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]))

    def policy(arn, count):
        return json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": count})

    made("a queue whose dead letters go to one that is not there", RedrivePolicy=policy(dead_arn + "-ly", 3))
    made("after 0 receives", RedrivePolicy=policy(dead_arn, 0))
    made("a FIFO queue whose dead letters go to one that is none", FifoQueue="true", RedrivePolicy=policy(dead_arn, 3))
    made("an attribute Nope", Nope="1")
    for words, attribute in {
        "an attribute of a message, Number abc": {"n": {"DataType": "Number", "StringValue": "abc"}},
        "an empty one": {"n": {"DataType": "String", "StringValue": ""}},
        "one called AWS.n": {"AWS.n": {"DataType": "String", "StringValue": "a"}},
        "eleven of them": {f"n{number}": {"DataType": "String", "StringValue": "a"} for number in range(11)},
    }.items():
        tried(words, queues.send_message, QueueUrl=dead, MessageBody="x", MessageAttributes=attribute)
    tried("a delay of 901 s", queues.send_message, QueueUrl=dead, MessageBody="x", DelaySeconds=901)
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
