"""Whatever is read may be a pipe, or standard input: it is read once, to its end."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import boto3
import pytest
import trustme

from upload_client.s3.network import ca_bundle
from upload_client.support.inputs import as_file, kept, one_reader, opened, read_once

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a shell of POSIX")


@pytest.fixture
def shell(tmp_path):
    """Run a line of bash, in which `$U` is the program."""

    def shell(line: str, **given: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "U": f"{sys.executable} -m upload_client", **given}
        return subprocess.run(
            ["bash", "-c", line],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return shell


def test_a_pipe_of_any_length_is_read_to_its_end_and_may_be_read_again(tmp_path):
    content = b"0123456789" * 100_000
    read, write = os.pipe()

    def fill():
        with os.fdopen(write, "wb") as file:
            file.write(content)

    threading.Thread(target=fill, daemon=True).start()
    with opened(f"/dev/fd/{read}", "x") as file:
        first = file.read(10)
        file.seek(0)
        assert first + file.read()[10:] == content
    os.close(read)
    (tmp_path / "file").write_bytes(content)
    assert read_once(tmp_path / "file", "x", limit=7) == content[:7]
    with as_file(tmp_path / "file", "x") as path:
        assert path == tmp_path / "file"
    with pytest.raises(FileNotFoundError), as_file(tmp_path / "none", "x") as path:
        path.open()


def test_standard_input_has_one_reader():
    one_reader(index=Path("-"), exclude_from=(Path("x"),), profile=None)
    with pytest.raises(ValueError, match="--index and --exclude-from cannot both be read"):
        one_reader(index=Path("-"), exclude_from=(Path("/dev/stdin"),))


def test_patterns_come_from_standard_input_or_a_substituted_process(shell, data, tmp_path):
    for way in (
        "echo b/ | $U index data -o x.csv --exclude-from -",
        "$U index data -o x.csv --exclude-from <(echo b/)",
    ):
        said = shell(way)
        assert said.returncode == 0, said.stderr
        assert [line.split(",")[0] for line in (tmp_path / "x.csv").read_text().splitlines()] == [
            "path",
            "a.csv",
        ]


def test_a_profile_comes_from_a_pipe_and_is_asked_for_twice(shell, tmp_path):
    program = (
        "import sys; from upload_client.settings import load_settings, where_from; p = sys.argv[1];"
        "print(load_settings(profile=p).username, where_from(profile=p)[p])"
    )
    for way in (
        f"{sys.executable} -c '{program}' <(cat profile)",
        f"cat profile | {sys.executable} -c '{program}' -",
    ):
        (tmp_path / "profile").write_text('username = "maria"\n')
        said = shell(way)
        assert said.stdout == "maria ('username',)\n", said.stderr


def test_a_document_of_expectations_comes_from_a_pipe(shell, data):
    document = "version: 1\ntypes:\n  - {name: all, files: '**'}\n"
    for way in (
        'echo "$DOCUMENT" | $U expectations check data --expectations -',
        '$U expectations check data --expectations <(echo "$DOCUMENT")',
    ):
        said = shell(way, DOCUMENT=document)
        assert "3 of 3 files as expected" in said.stdout, said.stderr
    said = shell('echo "files: x" | $U expectations check data --expectations -')
    assert said.returncode == 2
    assert "/tmp" not in said.stderr


def test_two_things_cannot_be_standard_input(run):
    said = run("--dataset", "D", "--delivery-id", "Y", "--index", "-", "--exclude-from", "-")
    assert said.code == 2
    assert "--index and --exclude-from cannot both be read from standard input" in said.err


def test_what_others_open_again_and_again_is_kept_as_a_file(tmp_path):
    pipe = tmp_path / "known_hosts"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=(b"x" * 100_000,), daemon=True).start()
    assert [kept(pipe, "x").stat().st_size for _ in range(2)] == [100_000, 100_000]
    (tmp_path / "file").write_text("x")
    assert kept(tmp_path / "file", "x") == tmp_path / "file"


def test_certificates_to_trust_may_come_from_a_pipe(tmp_path):

    pipe = tmp_path / "ca.pem"
    os.mkfifo(pipe)
    content = trustme.CA().cert_pem.bytes()
    threading.Thread(target=pipe.write_bytes, args=(content,), daemon=True).start()
    session = boto3.Session()
    assert [Path(ca_bundle(session, str(pipe)) or "").read_bytes() for _ in range(2)] == [content] * 2


def test_where_there_is_no_room_for_a_copy_the_folder_of_temporary_files_is_named(monkeypatch, tmp_path):
    class Full(io.BytesIO):
        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.SpooledTemporaryFile", lambda _: Full())
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=(b"x",), daemon=True).start()
    with pytest.raises(OSError, match="No space left") as caught, opened(pipe, "x"):
        pass
    assert caught.value.filename == tempfile.gettempdir()
