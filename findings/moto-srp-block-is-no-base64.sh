#!/usr/bin/env bash
# The challenge of a login by SRP at a user pool: what its parameters are made of.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
venv=$tmp/venv
python3 -m venv "$venv"
"$venv/bin/pip" install -q --disable-pip-version-check 'moto[cognitoidp]==5.2.5' 'boto3==1.44.8' 2>/dev/null
"$venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(boto3|moto) '

cat >"$tmp/expected" <<'END'
SECRET_BLOCK is base64: no
SECRET_BLOCK, letters beyond base64 left out: decodes
SRP_B has the bits of a number below N (3072): no, at most 128
END
"$venv/bin/python" - >"$tmp/seen" <<'END'
import base64
import binascii

import boto3
from moto import mock_aws


def decodes(text, *, strict):
    try:
        base64.b64decode(text, validate=strict)
    except binascii.Error:
        return False
    return True


with mock_aws():
    idp = boto3.client("cognito-idp", "us-east-1", aws_access_key_id="any", aws_secret_access_key="any")
    pool = idp.create_user_pool(PoolName="finding")["UserPool"]["Id"]
    client = idp.create_user_pool_client(UserPoolId=pool, ClientName="finding")["UserPoolClient"]["ClientId"]
    idp.admin_create_user(UserPoolId=pool, Username="ada", MessageAction="SUPPRESS")
    idp.admin_set_user_password(UserPoolId=pool, Username="ada", Password="Brave-Lantern-3", Permanent=True)
    asked = idp.initiate_auth(
        ClientId=client, AuthFlow="USER_SRP_AUTH", AuthParameters={"USERNAME": "ada", "SRP_A": "1234"}
    )["ChallengeParameters"]
block, b = asked["SECRET_BLOCK"], int(asked["SRP_B"], 16)
print("SECRET_BLOCK is base64:", "yes" if decodes(block, strict=True) else "no")
print("SECRET_BLOCK, letters beyond base64 left out:", "decodes" if decodes(block, strict=False) else "does not decode")
print("SRP_B has the bits of a number below N (3072):", "no, at most 128" if b.bit_length() <= 128 else "yes")
END
cat "$tmp/seen"
diff "$tmp/expected" "$tmp/seen" >&2
