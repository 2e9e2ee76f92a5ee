"""The identity of a lock's writer: this run, this machine, this process; and whether a process still runs.

What a platform does not tell is None, never a guess: a lock is taken from a dead process only where it is
certain that it is dead.
"""

from __future__ import annotations

import functools
import os
import secrets
import string
import subprocess
import sys
from pathlib import Path

from upload_client.core.lease import ProcessIdentity

_PROC = Path("/proc")


def new_agent_id() -> str:
    """Make the name of a run: 11 random lowercase letters."""
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(11))


def current_process() -> ProcessIdentity:
    """Tell which process on which machine this is."""
    machine_id, boot_id, namespace = _machine()
    pid = os.getpid()  # asked each time: it changes in a fork
    return ProcessIdentity(machine_id, boot_id, namespace, pid, _start_time(pid))


def is_running(pid: int, started: str | None) -> bool:
    """Whether that very process runs here now. In doubt it does.

    Args:
        pid: Its id, in this machine's (and container's) table of processes.
        started: Its start time as `current_process` told it, None if it is unknown.
    """
    if sys.platform == "win32":  # there os.kill would end the process
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass  # it exists, and is somebody else's
    if started is None:
        return True
    now = _start_time(pid)
    return now is None or now == started


@functools.cache
def _machine() -> tuple[str | None, str | None, str | None]:
    """Identity of the machine's installation, of its present boot, and of the table of processes."""
    # Lambda resumes copies of one snapshot in many places: what tells machines apart elsewhere may be equal
    # there. On Windows nothing known here is new at each boot and differs between clones.
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        return None, None, None
    if sys.platform == "linux":
        machine_id = _text(Path("/etc/machine-id")) or _text(Path("/var/lib/dbus/machine-id"))
        boot_id = _text(_PROC / "sys/kernel/random/boot_id")
        # The time namespace too, where there are any: start times are told relative to it.
        processes, times = (_link(_PROC / "self/ns" / name) for name in ("pid", "time"))
        return machine_id, boot_id, processes and f"{processes} {times}"
    if sys.platform == "darwin":
        report = _output("ioreg", "-rd1", "-c", "IOPlatformExpertDevice") or ""
        machine_id = next(
            (line.split('"')[-2] for line in report.splitlines() if '"IOPlatformUUID"' in line), None
        )
        return machine_id, _output("sysctl", "-n", "kern.bootsessionuuid"), "the only one"
    return None, None, None


def _start_time(pid: int) -> str | None:
    """When a process started, in the platform's own terms; None if it cannot be determined.

    A process that has ended and is only waiting to be buried has the start time "ended".
    """
    if sys.platform == "linux":
        stat = _text(_PROC / str(pid) / "stat")
        if stat is None:
            return None
        # The second field, the name, may hold anything: blanks, parentheses, newlines. See proc_pid_stat(5).
        fields = stat[stat.rindex(")") + 1 :].split()
        state, n_threads, started = fields[0], fields[17], fields[19]
        return "ended" if state in {"Z", "X"} and int(n_threads) <= 1 else started
    if sys.platform == "darwin":
        return _output("ps", "-o", "lstart=", "-p", str(pid))
    return None


def _text(path: Path) -> str | None:
    """Read a small file; None if it is not there, not readable or empty."""
    try:
        return path.read_text("utf-8", "replace").strip() or None
    except OSError:
        return None


def _link(path: Path) -> str | None:
    try:
        return str(path.readlink())
    except OSError:
        return None


def _output(*command: str) -> str | None:
    """Ask a tool of the system, in no language and time zone but the neutral ones."""
    try:
        answered = subprocess.run(  # noqa: S603 - fixed words and a number
            command,
            capture_output=True,
            check=True,
            encoding="utf-8",
            errors="replace",
            env=os.environ | {"LC_ALL": "C", "TZ": "UTC"},
            timeout=5,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answered.stdout.strip() or None
