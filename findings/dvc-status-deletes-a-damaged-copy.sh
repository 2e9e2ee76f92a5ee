#!/usr/bin/env bash
# A remote whose copy of a file has been damaged by its storage, looked at.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('dvc==3.67.1')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%=*}"
cd "$tmp"
export DVC_NO_ANALYTICS=1
mkdir project remote
cd project
cat >../expected <<'END'
before: 1 file in the remote
dvc status --cloud: exit 0
it says that data.csv is missing, and nothing else
after it: 0 files in the remote
END
dvc() { ../venv/bin/dvc "$@"; }
remote() { find ../remote -type f | wc -l; }
{
  dvc init -q --no-scm
  dvc remote add -q -d archive ../remote
  seq 1 1000 >data.csv
  dvc add -q data.csv
  dvc push -q
  copy=$(find ../remote -type f)
  chmod u+w "$copy"
  printf x | dd of="$copy" bs=1 seek=100 conv=notrunc status=none # one byte of 3,893
  rm -r .dvc/cache data.csv
  echo "before: $(remote) file in the remote"
  said=$(dvc status --cloud 2>../said) && echo "dvc status --cloud: exit 0"
  grep -q 'missing: *data.csv' <<<"$said" && ! grep -qiE 'remov|delet|corrupt' ../said && ! grep -qiE 'remov|corrupt' <<<"$said" &&
    echo "it says that data.csv is missing, and nothing else"
  echo "after it: $(remote) files in the remote"
} >../seen
cat ../seen
diff ../expected ../seen || { echo "it is no longer so" >&2; exit 1; }
