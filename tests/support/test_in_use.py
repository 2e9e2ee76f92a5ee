"""What a run reads and writes itself is known, whatever it is called."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from upload_client.support.in_use import InUse

linux = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")

ASK = """
import json, os, sys
from pathlib import Path
from upload_client.support.in_use import files_in_use
in_use = files_in_use()
found = {path.name: in_use.what(path.stat()) for path in Path(sys.argv[1]).iterdir()}
print(json.dumps(found), file=sys.stderr)
"""


def asked(folder: Path, command: str) -> dict[str, str | None]:
    """What a script that is called by a shell says of the files in a folder."""
    (folder / "ask.py").write_text(ASK)
    env = {**os.environ, "PYTHON": sys.executable, "FOLDER": str(folder)}
    done = subprocess.run(
        ["bash", "-c", command], env=env, cwd=folder, capture_output=True, text=True, check=True
    )
    return json.loads(done.stderr or (folder / "err").read_text())


def test_a_file_is_known_by_any_of_its_names(tmp_path):
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    (tmp_path / "copy").write_text("x")
    in_use = InUse(
        [(str(tmp_path / "a"), "the profile"), (str(tmp_path / "nowhere"), "x"), (str(tmp_path), "x")]
    )
    assert in_use.what((tmp_path / "b").stat()) == "the profile"
    assert in_use.what((tmp_path / "copy").stat()) is None
    assert in_use.what(tmp_path.stat()) is None
    closer = {entry.name for entry in os.scandir(tmp_path) if in_use.may_be(entry)}
    assert {"a", "b"} <= closer
    assert not any(InUse().may_be(entry) for entry in os.scandir(tmp_path))


@linux
def test_where_output_goes_is_known_by_file_and_through_pipes(tmp_path):
    found = asked(tmp_path, '"$PYTHON" "$FOLDER/ask.py" "$FOLDER" > out 2> err')
    assert found["out"] == "where standard output goes"
    assert found["err"] == "where standard error goes"
    assert found["ask.py"] == "a script that has called this program"
    found = asked(
        tmp_path, 'touch other; "$PYTHON" "$FOLDER/ask.py" "$FOLDER" 2> err | cat | tee log >> more'
    )
    assert found["log"] == found["more"] == "where output of this run is piped to"
    assert found["other"] is None


@linux
def test_a_script_that_a_shell_has_open_is_not_taken_for_what_is_open_here_under_that_number(tmp_path):
    (tmp_path / "job.sh").write_text('"$PYTHON" "$FOLDER/ask.py" "$FOLDER" 3< data.csv\n')
    (tmp_path / "data.csv").touch()
    found = asked(tmp_path, "bash /dev/fd/3 3< job.sh; exit 0")
    assert found["data.csv"] is None
    assert found["job.sh"] == "a script that has called this program"


@linux
def test_the_script_of_a_job_is_known_and_what_it_works_on_is_not(tmp_path):
    (tmp_path / "job.sh").write_text('for f in $1; do "$PYTHON" "$FOLDER/ask.py" "$FOLDER"; done\n')
    (tmp_path / "data.csv").touch()
    found = asked(tmp_path, "bash -x job.sh data.csv 2> trace; tail -n 1 trace > err; exit 0")
    assert found["job.sh"] == "a script that has called this program"
    assert found["data.csv"] is None
    found = asked(tmp_path, '"$PYTHON" "$FOLDER/ask.py" "$FOLDER"; exit 0')
    assert found["job.sh"] is None


@linux
def test_what_follows_a_command_on_the_command_line_is_no_script(tmp_path):
    (tmp_path / "data.csv").touch()
    found = asked(tmp_path, """bash -c '"$PYTHON" "$FOLDER/ask.py" "$FOLDER"; exit 0' data.csv; exit 0""")
    assert found["data.csv"] is None
