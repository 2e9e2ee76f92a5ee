"""A list that comes through a pipe is read whole."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from upload_client.index.manifests import read_manifest

LINES = 20_000  # 400 KB: more than a pipe holds, and than is looked at to tell what kind of list it is


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name here")
def test_a_list_from_a_pipe_is_read_whole(tmp_path):
    pipe = tmp_path / "list"
    os.mkfifo(pipe)

    def write():
        with pipe.open("w") as file:
            file.write("path\n" + "".join(f"folder/{n:08}.csv\n" for n in range(LINES)))

    writer = threading.Thread(target=write)
    writer.start()
    found, _ = read_manifest(pipe, tmp_path)
    writer.join(30)
    assert len(found) == LINES
    assert found.paths[-1] == f"folder/{LINES - 1:08}.csv"


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
@pytest.mark.skipif(sys.platform == "win32", reason="no /dev/stdin there")
def test_a_list_from_standard_input_is_read_whole(tmp_path, name):
    code = (
        "import sys; from pathlib import Path; from upload_client.index.manifests import read_manifest\n"
        f"print(len(read_manifest(Path({name!r}), Path('.'))[0]))"
    )
    lines = "path\n" + "".join(f"folder/{n:08}.csv\n" for n in range(LINES))
    done = subprocess.run(
        [sys.executable, "-c", code], input=lines, capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert (done.stdout, done.stderr) == (f"{LINES}\n", "")
