#!/usr/bin/env bash
# moto's KMS takes MessageType=DIGEST and hashes the digest once more; GetPublicKey tells no KeySpec.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check 'moto==5.2.5' 'boto3==1.44.8' 'cryptography==50.0.2'
cat >"$work/try.py" <<'PY'
import hashlib
import os
from importlib.metadata import version

import boto3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key
from moto import mock_aws

os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
print(*(f"{name} {version(name)}" for name in ("moto", "boto3", "cryptography")))
message = b"the receipt of a delivery"
digest = hashlib.sha256(message).digest()
with mock_aws():
    kms = boto3.client("kms")
    key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    answer = kms.get_public_key(KeyId=key)
    signed = {
        kind: kms.sign(KeyId=key, Message=data, MessageType=kind, SigningAlgorithm="ECDSA_SHA_256")["Signature"]
        for kind, data in (("RAW", message), ("DIGEST", digest))
    }
public = load_der_public_key(answer["PublicKey"])


def holds(signature: bytes, data: bytes) -> bool:
    try:
        public.verify(signature, data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


found = {
    "GetPublicKey names KeySpec": "KeySpec" in answer,
    "RAW: a signature over the message": holds(signed["RAW"], message),
    "DIGEST: a signature over the message": holds(signed["DIGEST"], message),
    "DIGEST: a signature over the digest, hashed again": holds(signed["DIGEST"], digest),
}
for what, so in found.items():
    print(f"{what}: {'yes' if so else 'no'}")
raise SystemExit(list(found.values()) != [False, True, False, True])
PY
"$work/venv/bin/python" "$work/try.py"
