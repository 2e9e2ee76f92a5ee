#!/usr/bin/env bash
# Is a file replaced that has changed at the source of a data sync: up to S3, and down from it.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'aibs-informatics-aws-lambda==1.1.0' 'aibs-informatics-aws-utils==1.1.0' \
  'aibs-informatics-core==1.1.0' 'moto[server,s3]==5.2.5' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(aibs-|moto )'
cd "$tmp"
cat >expected <<'END'
up, first: a, 3 bytes
up, the source has changed: a, 6 bytes
down, first: a, 3 bytes
down, the source has changed: a, 3 bytes (ValueError: Path exists.)
END
export AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
venv/bin/python -W ignore - >seen 2>/dev/null <<'END'
import logging
import os
import pathlib

from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
server.start()
host, port = server.get_host_and_port()
os.environ["AWS_ENDPOINT_URL"] = f"http://{host}:{port}"
logging.disable(logging.CRITICAL)

import boto3
from aibs_informatics_aws_lambda.handlers.data_sync.operations import DataSyncHandler


class Context:
    function_name, memory_limit_in_mb, aws_request_id = "f", 128, "r"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:f"


s3 = boto3.client("s3")
s3.create_bucket(Bucket="bucket")
here, there = pathlib.Path("here"), pathlib.Path("there")
here.mkdir()


def sync(source, target):
    try:
        DataSyncHandler.get_handler()({"source_path": source, "destination_path": target}, Context())
    except Exception as error:
        return f" ({type(error).__name__}: {str(error)[-12:]})"
    return ""


for step, content in (("first", b"one"), ("the source has changed", b"longer")):
    (here / "a").write_bytes(content)
    problem = sync(f"{here.resolve()}", "s3://bucket/up/")
    for entry in s3.list_objects_v2(Bucket="bucket", Prefix="up/")["Contents"]:
        print(f"up, {step}: {entry['Key'][3:]}, {entry['Size']} bytes{problem}")
for step, content in (("first", b"one"), ("the source has changed", b"longer")):
    s3.put_object(Bucket="bucket", Key="down/a", Body=content)
    problem = sync("s3://bucket/down/", f"{there.resolve()}")
    for path in there.iterdir():
        print(f"down, {step}: {path.name}, {path.stat().st_size} bytes{problem}")
server.stop()
END
sed -i "/^Starting a new Thread/d" seen
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
