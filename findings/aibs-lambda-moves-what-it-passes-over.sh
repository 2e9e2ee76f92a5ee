#!/usr/bin/env bash
# What becomes of links to folders, and of folders that may not be read, in a copy and in a move of a data sync.
set -euo pipefail
tmp=$(mktemp -d)
trap 'chmod -R u+rwX "$tmp"; rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'aibs-informatics-aws-lambda==1.1.0' 'aibs-informatics-aws-utils==1.1.0' \
  'aibs-informatics-core==1.1.0' 'moto[server,s3]==5.2.5' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(aibs-|moto )'
cd "$tmp"
cat >expected <<'END'
a link to a folder with 2 files, copied to S3: answered, a; at the source a link
a link to a folder with 2 files, copied to a folder: answered, a link/x link/y; at the source a link
a link to a folder with 2 files, moved to S3: answered, a; at the source nothing
a link to a file of the same folder, moved to a folder: answered, a link -> a; at the source nothing
a folder that may not be read, copied to S3: answered, a; at the source a dark
a folder that may not be read, moved to S3: answered, a; at the source dark
END
export AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
cat >look.py <<'END'
import logging
import os
import pathlib
import shutil

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
base = pathlib.Path(os.environ["PLACE"])


def names(root):
    found = []
    for path in sorted(root.rglob("*")) if root.exists() else ():
        if path.is_symlink() and not path.is_dir() and root.name == "to":
            found.append(f"{path.relative_to(root)} -> {os.readlink(path)}")
        elif not path.is_dir() or path.is_symlink() or path.name == "dark":
            found.append(f"{path.relative_to(root)}")
    return " ".join(found) or "nothing"


def tried(kind, verb, to_s3):
    here, there = base / "from", base / "to"
    for each in (here, there, base / "other"):
        if (each / "dark").exists():
            (each / "dark").chmod(0o755)
        shutil.rmtree(each, ignore_errors=True)
    for entry in s3.list_objects_v2(Bucket="bucket").get("Contents", ()):
        s3.delete_object(Bucket="bucket", Key=entry["Key"])
    here.mkdir()
    (here / "a").write_text("1")
    (base / "other").mkdir()
    for name in "xy":
        (base / "other" / name).write_text("2")
    if kind.startswith("a link to a folder"):
        (here / "link").symlink_to(base / "other")
    elif kind.startswith("a link"):
        (here / "link").symlink_to("a")
    else:
        (here / "dark").mkdir()
        (here / "dark/z").write_text("3")
        (here / "dark").chmod(0)
    event = {
        "source_path": f"{here}/",
        "destination_path": "s3://bucket/up/" if to_s3 else f"{there}/",
        "retain_source_data": verb == "copied",
    }
    try:
        DataSyncHandler.get_handler()(event, Context())
        answer = "answered"
    except Exception as error:
        answer = type(error).__name__
    listed = s3.list_objects_v2(Bucket="bucket", Prefix="up/").get("Contents", ())
    come = " ".join(entry["Key"][3:] for entry in listed) if to_s3 else names(there)
    place = "S3" if to_s3 else "a folder"
    print(f"{kind}, {verb} to {place}: {answer}, {come}; at the source {names(here)}")


tried("a link to a folder with 2 files", "copied", True)
tried("a link to a folder with 2 files", "copied", False)
tried("a link to a folder with 2 files", "moved", True)
tried("a link to a file of the same folder", "moved", False)
tried("a folder that may not be read", "copied", True)
tried("a folder that may not be read", "moved", True)
server.stop()
END
mkdir place
as=()
if [ "$(id -u)" = 0 ]; then  # who may read everything sees nothing of it
  chmod 755 "$tmp"
  chown 65534:65534 place
  as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi
PLACE="$tmp/place" PYTHONDONTWRITEBYTECODE=1 "${as[@]}" venv/bin/python -W ignore look.py >seen 2>/dev/null
sed -i "/^Starting a new Thread/d" seen
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
