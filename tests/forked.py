"""Processes of the program, forked from one that has loaded it already (`preloaded`).

To load it takes longer than most of what tests have it do. What is about starting, signals or being killed is
tested with processes started as a person starts them.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import multiprocessing.connection
import multiprocessing.context
import multiprocessing.forkserver
import multiprocessing.process
import multiprocessing.reduction
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

__all__ = ["Popen", "can_fork", "popen_of", "run"]

_READ_AT_ITS_START = ("PYTHON", "LC_", "LANG", "TZ", "MALLOC", "LD_")
"""Variables that only a new interpreter heeds."""


def can_fork() -> bool:
    """Whether this system forks processes."""
    return "forkserver" in multiprocessing.get_all_start_methods()


def _context() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["preloading"])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *filter(None, [before])])
    try:
        multiprocessing.forkserver.ensure_running()  # it is not told `sys.path` by every Python
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
    return context


def _where() -> dict[str, Any]:
    server = vars(multiprocessing.forkserver._forkserver)
    return {name: server.get(name) for name in ("_forkserver_address", "_forkserver_authkey")}


def _fork_from(where: Mapping[str, Any]) -> None:
    """Have this process fork from what its parent was forked from, and start no such server of its own."""
    server = multiprocessing.forkserver._forkserver
    vars(server).update(where, ensure_running=lambda: None)
    multiprocessing.forkserver.ensure_running = server.ensure_running


def _take_over(streams: Sequence[int], env: Mapping[str, str]) -> None:
    """Make of a fork what a new process finds: its three streams, its environment, its time zone."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, errors="backslashreplace", buffering=1)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(env)
    time.tzset()


class Popen:
    """As much of `subprocess.Popen` as a sandbox asks of it.

    The command is ``[sys.executable, "-m", module, argument]``.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        stdin: int,
        stdout: int,
        stderr: Any,
        env: Mapping[str, str],
        text: bool = False,
        start_new_session: bool = False,
    ) -> None:
        assert list(command[:2]) == [sys.executable, "-m"]
        assert stdin == stdout == subprocess.PIPE
        self.args = command
        self.returncode: int | None = None
        self._lock = threading.Lock()
        with contextlib.ExitStack() as theirs:
            given, to_it = os.pipe()
            theirs.callback(os.close, given)
            from_it, answers = os.pipe()
            theirs.callback(os.close, answers)
            self.stdin = os.fdopen(to_it, "w" if text else "wb")
            self.stdout = os.fdopen(from_it, "r" if text else "rb")
            # A daemon: where a test does not end it, it ends with this process.
            self._process = _context().Process(
                target=_become,
                args=(command[2:], env, _Streams(given, answers, stderr), start_new_session, _where()),
                daemon=True,
            )
            self._process.start()
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Its exit code, if it has ended."""
        with self._lock:
            if self.returncode is None:
                self.returncode = self._process.exitcode
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        multiprocessing.connection.wait([self._process.sentinel], timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return code

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        if self.poll() is None:
            self._process.kill()


def popen_of(fork: Any) -> SimpleNamespace:
    """What a module of the sandbox takes for `subprocess`, its processes made by `fork`."""
    return SimpleNamespace(Popen=fork, PIPE=subprocess.PIPE, TimeoutExpired=subprocess.TimeoutExpired)


class _Streams:
    """Three open files on their way to a fork."""

    def __init__(self, *files: Any) -> None:
        self._files = files

    def __reduce__(self) -> tuple[Any, ...]:
        numbers = (one if isinstance(one, int) else one.fileno() for one in self._files)
        return _received, tuple(multiprocessing.reduction.DupFd(number) for number in numbers)


def _received(*files: Any) -> tuple[int, ...]:
    return tuple(one.detach() for one in files)


def _become(
    command: Sequence[str],
    env: Mapping[str, str],
    streams: tuple[int, ...],
    start_new_session: bool,
    where: Mapping[str, Any],
) -> None:
    _fork_from(where)
    if start_new_session:
        os.setsid()
    _take_over(streams, env)
    multiprocessing.process.current_process()._config["daemon"] = False  # which could start none itself
    module, argument = command
    sys.argv = [module, argument]

    from upload_client.sandbox import functions

    functions.subprocess = popen_of(Popen)
    main = importlib.import_module(module).main
    sys.exit(main(Path(argument) if module.endswith(".server") else argument))


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
        not can_fork()
        or any(name.startswith(_READ_AT_ITS_START) for name in more)
        or threading.current_thread() is not threading.main_thread()  # which may have rights of its own
    ):
        return subprocess.run(
            command, env={**os.environ, **more}, cwd=cwd, capture_output=True, text=True, encoding="utf-8",
            timeout=timeout, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    context = _context()
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
    writing = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    _take_over(
        (os.open(os.devnull, os.O_RDONLY), os.open(out, writing, 0o600), os.open(err, writing, 0o600)), env
    )
    os.chdir(cwd)
    sys.argv = ["upload-client", *command[3:]]
    sys.orig_argv = list(command)

    from upload_client.cli.app import main

    code = main()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    sys.exit(code)
