#!/usr/bin/env bash
# Cognito: a user whose group has a role, and an identity pool that takes the role from the token (Type: Token).
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
venv=$tmp/venv
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$venv"
  VIRTUAL_ENV=$venv uv pip install -q 'ministack==1.5.33' 'boto3==1.43.106'
else
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q --disable-pip-version-check 'ministack==1.5.33' 'boto3==1.43.106'
fi
"$venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' ministack boto3
port=$("$venv/bin/python" -c 'import random; print(random.randrange(20000, 30000))')
(cd "$tmp" && GATEWAY_PORT=$port BIND_HOST=127.0.0.1 IOT_MTLS_ENABLED=false AUTH=true AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test \
  exec "$venv/bin/ministack") >"$tmp/log" 2>&1 </dev/null &
servers+=($!)

cat >"$tmp/expected" <<'END'
the token names the role:    none
asked for no role, gives:    of-everybody
asked for of-the-group:      of-everybody
END
"$venv/bin/python" - "http://127.0.0.1:$port" >"$tmp/seen" <<'END'
import base64
import json
import sys
import time

import boto3
from botocore.exceptions import BotoCoreError, ClientError


def client(name, key="test", secret="test", token=None):
    return boto3.client(
        name, endpoint_url=sys.argv[1], region_name="us-east-1",
        aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token,
    )


for _ in range(120):
    try:
        client("sts").get_caller_identity()
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)
users, identities, roles = client("cognito-idp"), client("cognito-identity"), client("iam")
trust = json.dumps({"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Principal": {"Federated": "cognito-identity.amazonaws.com"},
    "Action": "sts:AssumeRoleWithWebIdentity"}]})
arns = {
    name: roles.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    for name in ("of-everybody", "of-the-group")
}
pool = users.create_user_pool(PoolName="p")["UserPool"]["Id"]
app = users.create_user_pool_client(
    UserPoolId=pool, ClientName="c", ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
)["UserPoolClient"]["ClientId"]
users.create_group(UserPoolId=pool, GroupName="g", RoleArn=arns["of-the-group"])
users.admin_create_user(UserPoolId=pool, Username="u", MessageAction="SUPPRESS")
users.admin_set_user_password(UserPoolId=pool, Username="u", Password="Some-1-password", Permanent=True)
users.admin_add_user_to_group(UserPoolId=pool, Username="u", GroupName="g")
provider = f"cognito-idp.us-east-1.amazonaws.com/{pool}"
identity_pool = identities.create_identity_pool(
    IdentityPoolName="i", AllowUnauthenticatedIdentities=False,
    CognitoIdentityProviders=[{"ProviderName": provider, "ClientId": app}],
)["IdentityPoolId"]
identities.set_identity_pool_roles(
    IdentityPoolId=identity_pool, Roles={"authenticated": arns["of-everybody"]},
    RoleMappings={f"{provider}:{app}": {"Type": "Token", "AmbiguousRoleResolution": "Deny"}},
)
token = users.admin_initiate_auth(
    UserPoolId=pool, ClientId=app, AuthFlow="ADMIN_USER_PASSWORD_AUTH",
    AuthParameters={"USERNAME": "u", "PASSWORD": "Some-1-password"},
)["AuthenticationResult"]["IdToken"]
part = token.split(".")[1]
claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
preferred = claims.get("cognito:preferred_role") or ", ".join(claims.get("cognito:roles", [])) or "none"
print("the token names the role:   ", preferred.rpartition("/")[2])
login = {provider: token}
who = identities.get_id(IdentityPoolId=identity_pool, Logins=login)["IdentityId"]
for asked, more in (("asked for no role, gives:   ", {}), ("asked for of-the-group:     ", {"CustomRoleArn": arns["of-the-group"]})):
    given = identities.get_credentials_for_identity(IdentityId=who, Logins=login, **more)["Credentials"]
    seen = client("sts", given["AccessKeyId"], given["SecretKey"], given["SessionToken"]).get_caller_identity()["Arn"]
    print(asked, seen.split("/")[1])
END
cat "$tmp/seen"
diff "$tmp/expected" "$tmp/seen"
