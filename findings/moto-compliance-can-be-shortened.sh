#!/usr/bin/env bash
# PutObjectRetention on what is kept in COMPLIANCE mode.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('moto[s3]==5.2.5' 'boto3==1.43.117')
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
cat >expected <<'END'
kept: COMPLIANCE for 9 days
shortened to one day: done
turned into GOVERNANCE: done
kept: GOVERNANCE for 1 days
END
venv/bin/python -W ignore - >seen <<'END'
from datetime import UTC, datetime, timedelta

import boto3
from botocore.exceptions import ClientError
from moto import mock_aws

now = datetime.now(UTC).replace(microsecond=0)
with mock_aws():
    s3 = boto3.client(
        "s3", region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any"
    )
    s3.create_bucket(Bucket="finding", ObjectLockEnabledForBucket=True)
    s3.put_object(Bucket="finding", Key="a", Body=b"a")

    def keep(mode, days):
        try:
            s3.put_object_retention(
                Bucket="finding",
                Key="a",
                Retention={"Mode": mode, "RetainUntilDate": now + timedelta(days=days)},
            )
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "done"

    def show():
        found = s3.head_object(Bucket="finding", Key="a")
        days = (found["ObjectLockRetainUntilDate"] - now).days
        print("kept:", found["ObjectLockMode"], "for", days, "days")

    keep("COMPLIANCE", 9)
    show()
    print("shortened to one day:", keep("COMPLIANCE", 1))
    print("turned into GOVERNANCE:", keep("GOVERNANCE", 1))
    show()
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
