"""The command line in a process of its own, forked from one that has loaded the program already.

To load it takes longer than most of what tests have it do. What is about starting, signals or being killed is
tested with processes started as a person starts them.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["run"]

_LOADED = (
    "upload_client.client",
    "upload_client.index.taking",
    "upload_client.cli.deliver",
    "boto3",
    "rich.live",
)
_READ_AT_ITS_START = ("PYTHON", "LC_", "LANG", "TZ", "MALLOC", "LD_")
"""Variables that only a new interpreter heeds."""


def run(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 240,
) -> subprocess.CompletedProcess[str]:
    """Run ``[sys.executable, "-m", "upload_client", …]`` to its end, as `subprocess.run` does.

    Args:
        command: the command.
        env: variables besides those of this process.
        cwd: where; None: here.
        timeout: seconds after which it is killed.
    """
    command = list(map(str, command))
    assert command[:3] == [sys.executable, "-m", "upload_client"]
    more = dict(env or {})
    if (
        "forkserver" not in multiprocessing.get_all_start_methods()
        or any(name.startswith(_READ_AT_ITS_START) for name in more)
        or threading.current_thread() is not threading.main_thread()  # which may have rights of its own
    ):
        return subprocess.run(
            command, env={**os.environ, **more}, cwd=cwd, capture_output=True, text=True, encoding="utf-8",
            timeout=timeout, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LOADED)
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        child = context.Process(
            target=_main, args=(command, {**os.environ, **more}, os.fspath(cwd or Path.cwd()), out, err)
        )
        child.start()
        child.join(timeout)
        if child.exitcode is None:
            child.kill()
            child.join()
            raise subprocess.TimeoutExpired(command, timeout, out.read_text(), err.read_text())
        return subprocess.CompletedProcess(
            command, child.exitcode, out.read_text("utf-8"), err.read_text("utf-8")
        )


def _main(command: list[str], env: Mapping[str, str], cwd: str, out: Path, err: Path) -> None:
    for path, number in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, errors="backslashreplace")  # noqa: SIM115
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv = ["upload-client", *command[3:]]
    sys.orig_argv = list(command)

    from upload_client.cli.app import main

    code = main()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    sys.exit(code)
