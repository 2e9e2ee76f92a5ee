#!/usr/bin/env bash
# What a rule's target is sent of an event, and which events are taken, by three emulators.
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
  an event of 2020: of 2020
  Input {"fixed": 1}: {"fixed":1}
  InputPath $.detail.file: {"key":"a"}
  a template with 1.5: {"value":1.5}
  a template with "a": {"value":"a"}
  a template with {"k": [1]}: {"value":{"k":[1]}}
  a template with [1, 2]: {"value":[1,2]}
  a template with true: {"value":true}
  a template with null: {"value":""}
  a template with the key of the first file: {"value":"a"}
  a template that is a text: "aarrived"
  an event without a source: InvalidArgument
  an event whose detail is no JSON: MalformedDetail
  a rule of six targets: LimitExceededException
  a rule that has targets is deleted: ValidationException
moto
  an event of 2020: of 2020
  Input {"fixed": 1}: the whole event
  InputPath $.detail.file: the whole event
  a template with 1.5: {"value":1.5}
  a template with "a": 500
  a template with {"k": [1]}: {"value":{"k":[1]}}
  a template with [1, 2]: {"value":["1","2"]}
  a template with true: 500
  a template with null: 500
  a template with the key of the first file: 500
  a template that is a text: "aarrived"
  an event without a source: InvalidArgument
  an event whose detail is no JSON: MalformedDetail
  a rule of six targets: done
  a rule that has targets is deleted: ValidationException
MiniStack
  an event of 2020: of now
  Input {"fixed": 1}: {"fixed":1}
  InputPath $.detail.file: {"key":"a"}
  a template with 1.5: {"value":1.5}
  a template with "a": {"value":"a"}
  a template with {"k": [1]}: {"value":{"k":[1]}}
  a template with [1, 2]: {"value":[1,2]}
  a template with true: {"value":true}
  a template with null: {"value":null}
  a template with the key of the first file: {"value":""}
  a template that is a text: "aarrived"
  an event without a source: taken
  an event whose detail is no JSON: taken
  a rule of six targets: done
  a rule that has targets is deleted: done
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


for store, at in stores.items():
    events, queues = client("events", at), client("sqs", at)
    for _ in range(240):
        try:
            url = queues.create_queue(QueueName="arrived")["QueueUrl"]
            break
        except (BotoCoreError, ClientError):
            time.sleep(0.5)
    queue = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="rule", EventPattern=json.dumps({"source": ["instrument"]}))
    print(store)

    def sent(words, detail, show=lambda body: body, more=None, **target):
        events.put_targets(Rule="rule", Targets=[{"Id": "1", "Arn": queue, **target}])
        try:
            events.put_events(Entries=[{"Source": "instrument", "DetailType": "done", "Detail": json.dumps(detail), **(more or {})}])
        except ClientError as error:
            print(f"  {words}: {error.response['Error']['Code']}")
            return
        found = []
        for _ in range(3):
            found = queues.receive_message(QueueUrl=url, WaitTimeSeconds=2).get("Messages", [])
            if found:
                break
        for message in found:
            queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        print(f"  {words}:", *(show(message["Body"]) for message in found) if found else ["nothing"])

    def whole(body):
        return "the whole event" if "detail-type" in body else "".join(body.split())

    sent("an event of 2020", {}, lambda body: "of 2020" if json.loads(body)["time"].startswith("2020") else "of now", {"Time": "2020-01-02T03:04:05Z"})
    sent("Input {\"fixed\": 1}", {}, whole, Input='{"fixed": 1}')
    sent("InputPath $.detail.file", {"file": {"key": "a"}}, whole, InputPath="$.detail.file")
    for value in (1.5, "a", {"k": [1]}, [1, 2], True, None):
        transformer = {"InputPathsMap": {"value": "$.detail.value"}, "InputTemplate": '{"value": <value>}'}
        sent(f"a template with {json.dumps(value)}", {"value": value}, whole, InputTransformer=transformer)
    transformer = {"InputPathsMap": {"value": "$.detail.files[0].key"}, "InputTemplate": '{"value": <value>}'}
    sent("a template with the key of the first file", {"files": [{"key": "a"}]}, whole, InputTransformer=transformer)
    sent("a template that is a text", {"value": "a"}, whole, InputTransformer={"InputPathsMap": {"value": "$.detail.value"}, "InputTemplate": '"<value> arrived"'})
    for words, entry in {"without a source": {"DetailType": "done", "Detail": "{}"}, "whose detail is no JSON": {"Source": "instrument", "DetailType": "done", "Detail": "{"}}.items():
        try:
            print(f"  an event {words}:", events.put_events(Entries=[entry])["Entries"][0].get("ErrorCode", "taken"))
        except ClientError as error:
            print(f"  an event {words}: {error.response['Error']['Code']}")
    for words, request, given in (
        ("a rule of six targets", events.put_targets, {"Rule": "rule", "Targets": [{"Id": str(number), "Arn": queue} for number in range(6)]}),
        ("a rule that has targets is deleted", events.delete_rule, {"Name": "rule"}),
    ):
        try:
            request(**given)
            print(f"  {words}: done")
        except ClientError as error:
            print(f"  {words}: {error.response['Error']['Code']}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
