#!/usr/bin/env bash
# Values beyond the limits that AWS documents, given to moto.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('moto[kms,sns,sqs,ssm,sts,server]==5.2.5' 'boto3==1.43.117')
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
SQS, a message of 1 MiB and a byte: InvalidParameterValue
SNS, a message of 256 KiB and a byte: InvalidParameter
SNS, a subject with a line feed: taken
SNS, a subject beyond ASCII: taken
SSM, a standard parameter of 4,097 bytes: taken
STS, a session policy of 3,000 characters: taken
KMS, a digest of 31 bytes for ECDSA_SHA_256: taken
END
venv/bin/python -W ignore - "http://127.0.0.1:$port" >seen <<'END'
import json
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


def client(name):
    keys = {"region_name": "us-east-1", "aws_access_key_id": "any", "aws_secret_access_key": "any"}
    return boto3.client(name, endpoint_url=sys.argv[1], config=Config(retries={"total_max_attempts": 1}), **keys)


def told(what, call):
    try:
        call()
        print(f"{what}: taken")
    except ClientError as error:
        print(f"{what}: {error.response['Error']['Code']}")


sns = client("sns")
for _ in range(120):
    try:
        topic = sns.create_topic(Name="finding")["TopicArn"]
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)

queue = client("sqs").create_queue(QueueName="finding")["QueueUrl"]
kms = client("kms")
key = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]["KeyId"]
role = {"RoleArn": "arn:aws:iam::123456789012:role/finding", "RoleSessionName": "finding"}
policy = json.dumps({"Version": "2012-10-17", "Statement": [], "Id": "x" * 3000})
digest = {"MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256", "Message": bytes(31)}
told("SQS, a message of 1 MiB and a byte", lambda: client("sqs").send_message(QueueUrl=queue, MessageBody="x" * (2**20 + 1)))
told("SNS, a message of 256 KiB and a byte", lambda: sns.publish(TopicArn=topic, Message="x" * (2**18 + 1)))
told("SNS, a subject with a line feed", lambda: sns.publish(TopicArn=topic, Message="x", Subject="a\nb"))
told("SNS, a subject beyond ASCII", lambda: sns.publish(TopicArn=topic, Message="x", Subject="fertig: \u00e4"))
told(
    "SSM, a standard parameter of 4,097 bytes",
    lambda: client("ssm").put_parameter(Name="/finding", Type="String", Value="x" * 4097),
)
told("STS, a session policy of 3,000 characters", lambda: client("sts").assume_role(Policy=policy, **role))
told("KMS, a digest of 31 bytes for ECDSA_SHA_256", lambda: kms.sign(KeyId=key, **digest))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
