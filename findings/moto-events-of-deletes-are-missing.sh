#!/usr/bin/env bash
# What a queue is told about the objects of a bucket with versions.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('moto[s3,sqs,sns,events,server]==5.2.5' 'boto3==1.43.117')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' moto boto3
cd "$tmp"
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 22000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
PutObject of 'in/a b.csv': ObjectCreated:Put, ObjectTagging:Put
key in%2Fa+b.csv, with its version: False
with a sequencer: False
PutObjectTagging: ObjectTagging:Put
DeleteObject: nothing
DeleteObject of its version: nothing
DeleteObjects: nothing
END
venv/bin/python -W ignore - "http://127.0.0.1:$port" >seen <<'END'
import json
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

s3 = boto3.client(
    "s3",
    endpoint_url=sys.argv[1],
    region_name="us-east-1",
    aws_access_key_id="any",
    aws_secret_access_key="any",
    config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
)
for _ in range(240):  # it answers before it can write
    try:
        s3.create_bucket(Bucket="finding")
    except (BotoCoreError, ClientError):
        pass
    try:
        s3.put_object(Bucket="finding", Key="up", Body=b"")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)


sqs = boto3.client(
    "sqs", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any"
)
queue = sqs.create_queue(QueueName="told")["QueueUrl"]
arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
s3.put_bucket_versioning(Bucket="finding", VersioningConfiguration={"Status": "Enabled"})
asked = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"]}
s3.put_bucket_notification_configuration(
    Bucket="finding", NotificationConfiguration={"QueueConfigurations": [asked]}
)


def told():
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            yield from json.loads(message["Body"]).get("Records", [])


def show(what):
    time.sleep(1)
    events = list(told())
    print(f"{what}: {', '.join(each['eventName'] for each in events) or 'nothing'}")
    return events


list(told())
version = s3.put_object(Bucket="finding", Key="in/a b.csv", Body=b"x")["VersionId"]
event = show("PutObject of 'in/a b.csv'")[0]
print(f"key {event['s3']['object']['key']}, with its version: {'versionId' in event['s3']['object']}")
print(f"with a sequencer: {'sequencer' in event['s3']['object']}")
s3.put_object_tagging(Bucket="finding", Key="in/a b.csv", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
show("PutObjectTagging")
s3.delete_object(Bucket="finding", Key="in/a b.csv")
show("DeleteObject")
s3.delete_object(Bucket="finding", Key="in/a b.csv", VersionId=version)
show("DeleteObject of its version")
s3.put_object(Bucket="finding", Key="b", Body=b"x")
list(told())
s3.delete_objects(Bucket="finding", Delete={"Objects": [{"Key": "b"}], "Quiet": True})
show("DeleteObjects")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
