#!/usr/bin/env bash
# The events of S3 that a queue is told.
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
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
PutObject: ['ObjectCreated:Put']
CopyObject: ['ObjectCreated:Copy']
before Complete: []
Complete: ['ObjectCreated:CompleteMultipartUpload', 'ObjectCreated:Put']
END
venv/bin/python -W ignore - "http://127.0.0.1:$port" >seen <<'END'
import sys
import json
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
queue = sqs.create_queue(QueueName="events")["QueueUrl"]
arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
wanted = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
s3.put_bucket_notification_configuration(Bucket="finding", NotificationConfiguration=wanted)


def events():
    told = []
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            told += [event["eventName"] for event in json.loads(message["Body"]).get("Records", [])]
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return sorted(told)


events()
s3.put_object(Bucket="finding", Key="one", Body=b"one night")
print("PutObject:", events())
s3.copy_object(Bucket="finding", Key="two", CopySource="finding/one")
print("CopyObject:", events())
upload_id = s3.create_multipart_upload(Bucket="finding", Key="three")["UploadId"]
part = s3.upload_part(Bucket="finding", Key="three", UploadId=upload_id, PartNumber=1, Body=b"one night")
print("before Complete:", events())
named = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
s3.complete_multipart_upload(Bucket="finding", Key="three", UploadId=upload_id, MultipartUpload=named)
print("Complete:", events())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
