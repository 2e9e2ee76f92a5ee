#!/usr/bin/env bash
# To delete, move and read the folder `run` of a bucket, beside `run-1` and `run.csv`, by libraries of paths and of tables.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('s3path==0.6.5' 'universal-pathlib==0.3.10' 's3fs==2026.9.0' 'awswrangler==3.17.1' 'pandas<3' 'cloudpathlib==0.26.0' 'moto[s3,server]==5.2.5')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' s3path universal-pathlib s3fs awswrangler cloudpathlib moto boto3
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
at first: run-1/1.csv run.csv run/1.csv run/a/2.csv
s3path, rmdir of run, which holds two files: done; left:
s3path, rename of run to new: done; left: new-1/1.csv new.csv new/1.csv new/a/2.csv
s3path, touch of run.csv, which holds 7 bytes: done, it holds 0; left: run-1/1.csv run.csv run/1.csv run/a/2.csv
UPath, rename of run to new: done; left: run-1/1.csv run.csv run/1.csv run/a/2.csv
UPath, unlink of run: done; left: run-1/1.csv run.csv run/1.csv run/a/2.csv
UPath, touch of run.csv, which holds 7 bytes: done, it holds 7; left: run-1/1.csv run.csv run/1.csv run/a/2.csv
s3fs, mv of run to new, recursive: FileNotFoundError; left: new/1.csv new/a/2.csv run-1/1.csv run.csv run/1.csv run/a/2.csv
awswrangler, rows of run: run-1/1.csv run.csv run/1.csv run/a/2.csv; left: run-1/1.csv run.csv run/1.csv run/a/2.csv
awswrangler, overwritten is the data set run: done; left: run-1/1.csv run.csv run/….csv
awswrangler, deleted is run: done; left:
cloudpathlib, rmtree of run: done; left: run-1/1.csv run.csv
END
venv/bin/python -W ignore - "$port" >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import os
import re
import sys
import time

os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1", "AWS_CONFIG_FILE": "/nowhere"}
place = os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{sys.argv[1]}"

import awswrangler
import boto3
import pandas
import s3fs
import s3path
from botocore.exceptions import BotoCoreError, ClientError
from cloudpathlib import S3Client
from upath import UPath

s3 = boto3.client("s3")
for _ in range(120):
    try:
        s3.create_bucket(Bucket="landing")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)
keys = ("run-1/1.csv", "run.csv", "run/1.csv", "run/a/2.csv")
print("at first:", *keys)


def there():
    return [found["Key"] for found in s3.list_objects_v2(Bucket="landing").get("Contents", [])]


def tried(words, act):
    for key in there():
        s3.delete_object(Bucket="landing", Key=key)
    for key in keys:
        s3.put_object(Bucket="landing", Key=key, Body=key.encode())
    s3fs.S3FileSystem.clear_instance_cache()
    try:
        said = act()
        said = said if isinstance(said, str) else "done"
    except FileNotFoundError as error:
        said = type(error).__name__
    print(f"{words}: {said}; left:", *(re.sub(r"[0-9a-f]{32}", "…", key) for key in there()))


def path(key):
    return s3path.S3Path(f"/landing/{key}")


def upath(key):
    return UPath(f"s3://landing/{key}")


def touched(one):
    one.touch()
    return f"done, it holds {s3.head_object(Bucket='landing', Key='run.csv')['ContentLength']}"


tried("s3path, rmdir of run, which holds two files", lambda: path("run").rmdir())
tried("s3path, rename of run to new", lambda: path("run").rename(path("new")))
tried("s3path, touch of run.csv, which holds 7 bytes", lambda: touched(path("run.csv")))
tried("UPath, rename of run to new", lambda: upath("run").rename(upath("new")))
tried("UPath, unlink of run", lambda: upath("run").unlink())
tried("UPath, touch of run.csv, which holds 7 bytes", lambda: touched(upath("run.csv")))
tried("s3fs, mv of run to new, recursive", lambda: s3fs.S3FileSystem().mv("landing/run", "landing/new", recursive=True))
tried("awswrangler, rows of run", lambda: " ".join(sorted(awswrangler.s3.read_csv("s3://landing/run", header=None)[0])))
table = pandas.DataFrame({"a": [1]})
tried("awswrangler, overwritten is the data set run", lambda: awswrangler.s3.to_csv(table, "s3://landing/run", dataset=True, mode="overwrite"))
tried("awswrangler, deleted is run", lambda: awswrangler.s3.delete_objects("s3://landing/run"))
tried("cloudpathlib, rmtree of run", lambda: S3Client(endpoint_url=place).CloudPath("s3://landing/run").rmtree())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
