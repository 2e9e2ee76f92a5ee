#!/usr/bin/env bash
# A pattern with ! for a file inside a folder that is excluded.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'pathspec==1.1.1' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(pathspec) '
cd "$tmp"
cat >expected <<'END'
['raw/', '!raw/keep.csv']: git keeps [], GitIgnoreSpec keeps ['raw/keep.csv']
['raw/', '!*.csv']: git keeps [], GitIgnoreSpec keeps ['raw/keep.csv']
['raw/*', '!raw/keep.csv']: git keeps ['raw/keep.csv'], GitIgnoreSpec keeps ['raw/keep.csv']
END
venv/bin/python -W ignore - >seen <<'END'
import subprocess
from pathlib import Path

from pathspec import GitIgnoreSpec

for number, (lines, files) in enumerate(
    [
        (["raw/", "!raw/keep.csv"], ["raw/keep.csv", "raw/x.bin"]),
        (["raw/", "!*.csv"], ["raw/keep.csv", "raw/x.bin"]),
        (["raw/*", "!raw/keep.csv"], ["raw/keep.csv", "raw/x.bin"]),
    ]
):
    folder = Path(str(number))
    subprocess.run(["git", "init", "-q", folder], check=True)
    (folder / ".gitignore").write_text("\n".join(lines) + "\n")
    for name in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    listed = ["git", "-C", folder, "ls-files", "--others", "--exclude-per-directory=.gitignore"]
    git = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    spec = GitIgnoreSpec.from_lines(lines)
    print(f"{lines}: git keeps {sorted(set(git) & set(files))},", end=" ")
    print(f"GitIgnoreSpec keeps {[name for name in files if not spec.match_file(name)]}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
