#!/usr/bin/env bash
# ECR's PutImage with two manifests that differ, and two that mean the same image in other bytes.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
venv=$tmp/venv
python3 -m venv "$venv"
"$venv/bin/pip" install -q --disable-pip-version-check 'moto==5.2.5' 'boto3==1.44.8' 2>/dev/null
"$venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(boto3|moto) '

cat >"$tmp/expected" <<'END'
configuration a: digest is the SHA-256 of the manifest: False
configuration b: digest is the SHA-256 of the manifest: False
configuration a, other layer: digest is the SHA-256 of the manifest: False
two programs (a, b) over one layer have one digest: True
under the digest of b lies the manifest of: a
END
AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_DEFAULT_REGION=us-east-1 "$venv/bin/python" - >"$tmp/seen" <<'END'
import hashlib
import json

import boto3
from moto import mock_aws


def manifest(configuration, layer):
    kind = "application/vnd.oci.image.manifest.v1+json"
    part = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "size": 1}
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": kind,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": "sha256:" + configuration * 64,
                "size": 2,
            },
            "layers": [{**part, "digest": "sha256:" + layer * 64}],
        }
    )


with mock_aws():
    ecr = boto3.client("ecr")
    ecr.create_repository(repositoryName="finding")

    def push(text, tag):
        put = ecr.put_image(repositoryName="finding", imageManifest=text, imageTag=tag)
        return put["image"]["imageId"]["imageDigest"]

    digests = {}
    for name, text in (
        ("configuration a", manifest("a", "1")),
        ("configuration b", manifest("b", "1")),
        ("configuration a, other layer", manifest("a", "2")),
    ):
        digest = digests[name] = push(text, str(len(digests)))
        is_right = digest == "sha256:" + hashlib.sha256(text.encode()).hexdigest()
        print(f"{name}: digest is the SHA-256 of the manifest: {is_right}")
    same = digests["configuration a"] == digests["configuration b"]
    print("two programs (a, b) over one layer have one digest:", same)
    found = ecr.batch_get_image(
        repositoryName="finding", imageIds=[{"imageDigest": digests["configuration b"]}]
    )["images"][0]["imageManifest"]
    print("under the digest of b lies the manifest of:", json.loads(found)["config"]["digest"][7])
END
cat "$tmp/seen"
diff "$tmp/expected" "$tmp/seen" || { echo "it is no longer so" >&2; exit 1; }
