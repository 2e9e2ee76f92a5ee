#!/usr/bin/env bash
# Buckets whose names S3 takes, made in moto within the process.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
venv=$tmp/venv
python3 -m venv "$venv"
"$venv/bin/pip" install -q --disable-pip-version-check 'moto[s3]==5.2.5' 'boto3==1.44.8' 2>/dev/null
"$venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(boto3|moto) '

cat >"$tmp/expected" <<'END'
virtual payloads   made
virtual events     404
virtual logs       404
virtual batch      made
path    payloads   made
path    events     made
path    logs       made
path    batch      made
END
AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_DEFAULT_REGION=us-east-1 "$venv/bin/python" - >"$tmp/seen" <<'END'
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

for style in ("virtual", "path"):
    with mock_aws():
        s3 = boto3.client("s3", config=Config(s3={"addressing_style": style}))
        for name in ("payloads", "events", "logs", "batch"):
            try:
                s3.create_bucket(Bucket=name)
                said = "made"
            except ClientError as error:
                said = error.response["ResponseMetadata"]["HTTPStatusCode"]
            print(f"{style:7} {name:10} {said}")
END
cat "$tmp/seen"
diff "$tmp/expected" "$tmp/seen" || { echo "it is no longer so" >&2; exit 1; }
