#!/usr/bin/env bash
# A chunk of Zarr that a server refuses or fails to give, for GDAL, Zarr and TensorStore.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python=
for candidate in python3.12 python3.13 "$HOME"/.pyenv/versions/3.1[23]*/bin/python; do # Zarr 3.4 wants this one
  if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] < (3, 12))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[[ -n $python ]] || { echo "Python 3.12 is not here" >&2; exit 1; }
packages=('rasterio==1.5.2' 'zarr==3.4.2' 'tensorstore==0.1.86' 'fsspec==2026.9.0' 'aiohttp==3.14.5' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p "$python" "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  "$python" -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))
import rasterio; print("GDAL", rasterio.__gdal_version__)' rasterio zarr tensorstore fsspec numpy
cat >expected <<'END'
the third chunk of 1 2 3 4, as it is: GDAL 1 2 3 4; Zarr 1 2 3 4; TensorStore 1 2 3 4
404: GDAL 1 2 0 4; Zarr 1 2 0 4; TensorStore 1 2 0 4
403: GDAL 1 2 0 4; Zarr refused; TensorStore refused
401: GDAL 1 2 0 4; Zarr refused; TensorStore refused
400: GDAL 1 2 0 4; Zarr refused; TensorStore refused
429: GDAL 1 2 0 4; Zarr refused; TensorStore waits
500: GDAL 1 2 0 4; Zarr refused; TensorStore waits
503: GDAL 1 2 0 4; Zarr refused; TensorStore waits
503, also when GDAL tries again: GDAL 1 2 0 4; Zarr refused; TensorStore waits
empty: GDAL 1 2 0 4; Zarr refused; TensorStore refused
without content, 204: GDAL 1 2 0 4; Zarr refused; TensorStore 1 2 0 4
another page, with 200: GDAL 1 2 1414087749 4; Zarr refused; TensorStore refused
END
cat >read.py <<'END'
import sys

import rasterio

with rasterio.open(sys.argv[1]) as file:
    print(*file.read(1).ravel())
END
AWS_EC2_METADATA_DISABLED=true venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import http.server
import os
import re
import subprocess
import sys
import threading

import numpy
import tensorstore
import zarr
from zarr.storage import FsspecStore

array = zarr.create_array("array.zarr", shape=(4,), chunks=(1,), dtype="int32", fill_value=0, zarr_format=2, compressors=None)
array[:] = numpy.array([1, 2, 3, 4], "int32")
fault = ""


class Store(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, code, body=b"", **headers):
        self.send_response(code)
        for name, value in {"Content-Length": len(body), "Accept-Ranges": "bytes", **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_GET(self):
        name = self.path.lstrip("/").split("?")[0]
        if name.endswith("/2") and fault:
            code = re.search(r"\d{3}", fault)
            return self.answer(int(code[0]) if code else 200, b"EDIT" * 3 if fault.startswith("another") else b"")
        if not os.path.isfile(name):
            return self.answer(404)
        body = open(name, "rb").read()
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            begin, end = int(asked[1]), min(int(asked[2] or len(body)), len(body) - 1)
            return self.answer(206, body[begin : end + 1], Content_Range=f"bytes {begin}-{end}/{len(body)}")
        return self.answer(200, body)

    do_HEAD = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
threading.Thread(target=server.serve_forever, daemon=True).start()
place = f"http://127.0.0.1:{server.server_port}/array.zarr"


def by_gdal():
    again = {"GDAL_HTTP_MAX_RETRY": "2", "GDAL_HTTP_RETRY_DELAY": "0.1"} if "again" in fault else {}
    run = subprocess.run([sys.executable, "-W", "ignore", "read.py", f'ZARR:"/vsicurl/{place}"'], env={**os.environ, **again}, capture_output=True, text=True)
    return run.stdout.strip() or "refused"


def by_zarr():
    try:
        return " ".join(map(str, zarr.open_array(FsspecStore.from_url(place), mode="r")[:]))
    except Exception:
        return "refused"


def by_tensorstore():
    try:
        opened = tensorstore.open({"driver": "zarr", "kvstore": place + "/"}, open=True).result()
        return " ".join(map(str, opened.read().result(timeout=3)))
    except TimeoutError:
        return "waits"
    except ValueError:
        return "refused"


for kind in (
    "", "404", "403", "401", "400", "429", "500", "503", "503, also when GDAL tries again",
    "empty", "without content, 204", "another page, with 200",
):
    fault = kind
    words = kind or "the third chunk of 1 2 3 4, as it is"
    print(f"{words}: GDAL {by_gdal()}; Zarr {by_zarr()}; TensorStore {by_tensorstore()}", flush=True)
os._exit(0)
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
