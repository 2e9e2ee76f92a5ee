#!/usr/bin/env bash
# PutObject of nothing, a marker as many tools write it: does the store keep an object of 0 bytes?
set -euo pipefail
tmp=$(mktemp -d)
server=
trap '[[ -z $server ]] || { kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }; rm -rf "$tmp"' EXIT
command -v npm >/dev/null || { echo "npm is not here" >&2; exit 1; }
python3 -m venv "$tmp/venv"
if command -v uv >/dev/null; then
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'boto3==1.42.54'
else
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'boto3==1.42.54'
fi
(cd "$tmp" && npm init -y >/dev/null && npm install --silent --no-fund --no-audit fauxqs@1.9.2 >/dev/null)
echo "boto3 1.42.54, fauxqs $(node -p "require('$tmp/node_modules/fauxqs/package.json').version"), node $(node --version)"
port=$("$tmp/venv/bin/python" -c 'import random; print(random.randrange(20000, 30000))')
cat >"$tmp/run.mjs" <<'END'
import { buildApp } from 'fauxqs';
await buildApp({ logger: false }).listen({ port: Number(process.argv[2]), host: '127.0.0.1' });
END
(cd "$tmp" && exec node run.mjs "$port") >"$tmp/log" 2>&1 </dev/null &
server=$!
cat >"$tmp/expected" <<'END'
1 byte, boto3's own checksum: 200
0 bytes, boto3's own checksum: 500
0 bytes, no checksum: 500
END
"$tmp/venv/bin/python" - "http://127.0.0.1:$port" >"$tmp/seen" <<'END'
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError


def client(when):
    return boto3.client(
        "s3",
        endpoint_url=sys.argv[1],
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=Config(
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
            request_checksum_calculation=when,
        ),
    )


for _ in range(60):
    try:
        client("when_supported").create_bucket(Bucket="bucket")
        break
    except EndpointConnectionError:
        time.sleep(0.5)
for words, body, when in (
    ("1 byte, boto3's own checksum", b"x", "when_supported"),
    ("0 bytes, boto3's own checksum", b"", "when_supported"),
    ("0 bytes, no checksum", b"", "when_required"),
):
    try:
        answer = client(when).put_object(Bucket="bucket", Key="key", Body=body)
    except ClientError as error:
        answer = error.response
    print(f"{words}: {answer['ResponseMetadata']['HTTPStatusCode']}")
END
cat "$tmp/seen"
diff "$tmp/expected" "$tmp/seen"
