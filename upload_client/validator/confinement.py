"""The confinement of a process that reads other people's files, whatever a file makes of it.

Each measure is taken where the system has it, and nothing relies on one alone. What then holds is not
inferred from what was asked of the kernel, but tried: see `try_out`. All of it is Linux's; elsewhere there is
only what the environment leaves out. Numbers of system calls, flags and structures are the kernel's:

- prctl(2), capset(2), unshare(2), setrlimit(2);
- Landlock: https://docs.kernel.org/userspace-api/landlock.html;
- seccomp: https://docs.kernel.org/userspace-api/seccomp_filter.html.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import socket
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

_KEPT = frozenset(
    {
        *("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ"),
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "PYTHONUTF8", "PYTHONDONTWRITEBYTECODE"),
        *("SYSTEMROOT", "WINDIR"),  # without which Windows starts no Python
    }
)
"""Variables that a reader gets. All else stays here: it may be a key, or the way to one."""

_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 4, 38, 22
_SECCOMP_MODE_FILTER = 2
_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_THREAD = 0x10000000, 0x40000000, 0x10000
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_READ = (1 << 2) | (1 << 3)  # files, folders

_SYSTEM = (
    *(
        "/lib",
        "/lib64",
        "/usr/lib",
        "/usr/lib64",
        "/usr/local/lib",
        "/usr/share/zoneinfo",
        "/usr/share/locale",
    ),
    *("/etc/ld.so.cache", "/etc/localtime", "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"),
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/sys/vm", "/sys/devices/system"),
)
"""The files that libraries are made of, and look at."""
_MAX_FILES = 256


class Forbidden(Exception):  # noqa: N818 — it reads as what it says
    """The system does not let this measure be taken."""


def environment() -> dict[str, str]:
    """The variables of a reader, beside those that say where its modules are."""
    return {name: value for name, value in os.environ.items() if name.upper() in _KEPT}


def forbid_dumps() -> None:
    """Let no process but root's look into this one: its memory and its environment hold the keys."""
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def confine(memory: int, files: Sequence[str] = ()) -> dict[str, str]:
    """Give up, for good, what reading a file does not need. Call it before the first thread.

    Args:
        memory: bytes that this process may have, its libraries included.
        files: files and folders that may be read, beside what Python and its libraries are made of.

    Returns:
        For each measure, by name, the empty text, or why it could not be taken.
    """
    measures: dict[str, Callable[[], object]] = {
        "limits": lambda: _limit(memory),
        "network namespace": _leave_network,
        "capabilities": _drop_capabilities,
        "landlock": lambda: _landlock(files),
        "seccomp": _seccomp,
    }
    found = {}
    for name, take in measures.items():
        if sys.platform != "linux" and name != "limits":
            found[name] = "it is Linux's"
            continue
        try:
            take()
        except (Forbidden, OSError, ImportError, AttributeError, ValueError) as error:
            found[name] = str(error) or type(error).__name__
        else:
            found[name] = ""
    return found


def has_less(memory: int) -> bool:
    """Whether this process may have fewer bytes than that, by limits of who has started it (`ulimit -v`)."""
    try:
        import resource  # noqa: PLC0415 — POSIX only
    except ImportError:
        return False
    numbers = [getattr(resource, name) for name in ("RLIMIT_AS", "RLIMIT_DATA") if hasattr(resource, name)]
    limits = [resource.getrlimit(number)[0] for number in numbers]
    return any(limit != resource.RLIM_INFINITY and limit < memory for limit in limits)


# --- the measures ---


def _limit(memory: int) -> None:
    """Memory, and no dumps; no file may be written, and few may be open."""
    import resource  # noqa: PLC0415 — POSIX only

    limits = {
        "RLIMIT_DATA": memory,
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NOFILE": _MAX_FILES,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_NPROC": _n_processes() + _MAX_FILES,
    }
    refused = []
    for name, limit in limits.items():
        number = getattr(resource, name, None)
        if number is None:
            continue
        _, hard = resource.getrlimit(number)
        least = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        try:
            resource.setrlimit(number, (least, least))
        except (OSError, ValueError) as error:
            refused.append(f"{name}: {error}")
    if refused:
        raise Forbidden("; ".join(refused))


def _n_processes() -> int:
    """Processes and threads of this user, of whom the limit counts all."""
    n = 0
    for entry in Path("/proc").iterdir() if sys.platform == "linux" else ():
        with contextlib.suppress(OSError, ValueError):
            if entry.name.isdigit() and entry.stat().st_uid == os.getuid():
                n += int((entry / "stat").read_text().rpartition(")")[2].split()[17])  # proc(5): num_threads
    return n


def _leave_network() -> None:
    """Be in a network of one's own, with nothing in it. Who is not root needs a user namespace for that."""
    libc = _libc()
    if libc.unshare(_CLONE_NEWNET) and libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET):
        raise _refusal()


def _drop_capabilities() -> None:
    """Have no power over what is others'; and none can be got by starting a program."""
    libc = _libc()
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3; this process
    _check(libc.capset(header, (ctypes.c_uint32 * 6)()))


def _landlock(files: Sequence[str] = ()) -> None:
    """Open no file but those that Python and its libraries are made of, write none, use no port."""
    libc = _libc()
    version = _landlock_version()
    n_rights = {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)
    handled = struct.pack(
        "=QQQ", (1 << n_rights) - 1, 0b11 if version >= 4 else 0, 0b11 if version >= 6 else 0
    )
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = libc.syscall(_LANDLOCK_CREATE, handled, ctypes.c_size_t(size), 0)
    if rules < 0:
        raise _refusal()
    try:
        for path in _readable(files):
            with contextlib.suppress(OSError), _opened(path) as opened:
                rights = _LANDLOCK_READ if Path(path).is_dir() else 1 << 2
                rule = struct.pack("=Qi", rights, opened)
                _check(libc.syscall(_LANDLOCK_ADD, rules, 1, rule, 0))
        _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _check(libc.syscall(_LANDLOCK_RESTRICT, rules, 0))
    finally:
        os.close(rules)


def _landlock_version() -> int:
    version = int(_libc().syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1))
    if version < 1:
        raise _refusal()
    return version


def _readable(files: Sequence[str]) -> Iterator[str]:
    """Give the paths of what a reader worker is made of, and of `files`; never all, nor a whole home."""
    own = (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, *sys.path)
    libraries = os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    found = {os.path.realpath(path) for path in (*own, *libraries, *_SYSTEM, *files) if path}
    yield from found - {os.sep, os.path.realpath(Path("~").expanduser())}


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        yield opened
    finally:
        os.close(opened)


# Numbers on x86_64 and aarch64: /usr/include/asm/unistd_64.h, asm-generic/unistd.h.
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # AUDIT_ARCH_*
_REFUSED: Mapping[str, tuple[int | None, int | None]] = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "tkill": (200, 130),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "chroot": (161, 51),
    "pivot_root": (155, 41),
    "open_by_handle_at": (304, 265),
    "bpf": (321, 280),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "semctl": (66, 191),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
}
_CLONE, _CLONE3, _KILL, _TGKILL = (56, 220), (435, 435), (62, 129), (234, 131)
_OF_ONESELF: Mapping[str, tuple[int, int]] = {
    "prlimit64": (302, 261),
    "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
}
"""System calls that name a process first, and may name this one: by 0, or by its number."""
_ALLOW, _EPERM, _ENOSYS = 0x7FFF0000, 0x00050001, 0x00050026
_LOAD, _EQUAL, _AT_LEAST, _HAS_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NR, _ARCH, _FIRST_ARGUMENT = 0, 4, 16  # places in struct seccomp_data


def _seccomp() -> None:
    """Make no connection, start no program or process; look into no other, limit and signal none."""
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise Forbidden(f"not for {machine}")
    which = list(_ARCHITECTURES).index(machine)
    program = _program(_ARCHITECTURES[machine], which, os.getpid())
    steps = b"".join(struct.pack("=HBBI", *step) for step in program)
    held = ctypes.create_string_buffer(steps, len(steps))
    filters = struct.pack("@HxxxxxxP", len(program), ctypes.addressof(held))
    libc = _libc()
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _check(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, filters, 0, 0))


def _program(architecture: int, which: int, pid: int) -> list[tuple[int, int, int, int]]:
    """The filter, in steps: operation, how many steps to pass over if so, if not, and a number."""
    steps = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _EPERM),
        (_LOAD, 0, 0, _NR),
        (_AT_LEAST, 0, 1, 0x40000000),  # x86_64's other set of numbers
        (_RETURN, 0, 0, _EPERM),
    ]
    for numbers in _REFUSED.values():
        if (number := numbers[which]) is not None:
            steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _EPERM)]
    # A C library that is told that there is no clone3 takes clone, whose flags can be looked at.
    steps += [(_EQUAL, 0, 1, _CLONE3[which]), (_RETURN, 0, 0, _ENOSYS)]
    steps += [
        *((_EQUAL, 0, 4, _CLONE[which]), (_LOAD, 0, 0, _FIRST_ARGUMENT)),
        *((_HAS_BIT, 1, 0, _CLONE_THREAD), (_RETURN, 0, 0, _EPERM), (_RETURN, 0, 0, _ALLOW)),
    ]
    for number in (_KILL[which], _TGKILL[which]):  # oneself, as abort does
        steps += [
            *((_EQUAL, 0, 4, number), (_LOAD, 0, 0, _FIRST_ARGUMENT)),
            *((_EQUAL, 1, 0, pid), (_RETURN, 0, 0, _EPERM), (_RETURN, 0, 0, _ALLOW)),
        ]
    for numbers in _OF_ONESELF.values():
        steps += [
            *((_EQUAL, 0, 5, numbers[which]), (_LOAD, 0, 0, _FIRST_ARGUMENT)),
            *((_EQUAL, 2, 0, 0), (_EQUAL, 1, 0, pid), (_RETURN, 0, 0, _EPERM), (_RETURN, 0, 0, _ALLOW)),
        ]
    return [*steps, (_RETURN, 0, 0, _ALLOW)]


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(answer: int) -> None:
    if answer:
        raise _refusal()


def _refusal() -> Forbidden:
    number = ctypes.get_errno()
    return Forbidden(os.strerror(number))


# --- attempts at what must not be possible ---


def _read_parent() -> None:
    Path(f"/proc/{os.getppid()}/environ").read_bytes()


def _read_file() -> None:
    list(Path(os.sep).iterdir())


def _write_file() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"x")
        file.flush()


def _connect() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), 1):
        pass


def _send() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        found.sendto(b"x", found.getsockname())  # to itself: nothing leaves this machine


def _limit_parent() -> None:
    import resource  # noqa: PLC0415 — POSIX only

    resource.prlimit(os.getppid(), resource.RLIMIT_CORE)  # asked; who may ask may set as well


def _start() -> None:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)


ATTEMPTS: Mapping[str, Callable[[], None]] = {
    "look into the validator": _read_parent,
    "read other files": _read_file,
    "write files": _write_file,
    "make connections": _connect,
    "send packets": _send,
    "start processes": _start,
    "limit the validator": _limit_parent,
}
"""The attempts that a reader would make which a file has taken over, each in harmless form."""


def try_out() -> list[str]:
    """Try all of it; give what can be done, which is what is not prevented here."""
    if sys.platform != "linux":  # nothing is
        return list(ATTEMPTS)
    can = []
    for name, attempt in ATTEMPTS.items():
        try:
            attempt()
        except (OSError, AttributeError, NotImplementedError):
            continue
        can.append(name)
    return can
