"""A file that has taken over its reader gets nowhere: each way out is closed, most of them twice."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from upload_client.validator import confinement, readers
from upload_client.validator.confinement import ATTEMPTS, environment
from upload_client.validator.readers import Confinement, ReaderWorkers, Undecided

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the means")


def have(measures: str, *, more: str = "") -> tuple[list[str], list[str]]:
    """What a process can do that has taken these measures, and which of them it was refused."""
    code = f"""
    import json
    from upload_client.validator import confinement as c
    refused = []
    for take in [{measures}]:
        try:
            take()
        except c.Forbidden as error:
            refused.append(str(error))
    {more}
    print(json.dumps([c.try_out(), refused]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "KEY": "x"},
    )
    can, refused = json.loads(done.stdout)
    return can, refused


def test_without_any_measure_all_of_it_can_be_done():
    can, _ = have("")
    assert can == list(ATTEMPTS)  # or the tests below would show nothing


@pytest.mark.parametrize(
    ("measure", "closes"),
    [
        ("lambda: c._limit(2**31)", {"write files"}),
        ("c._leave_network", {"make connections", "send packets"}),
        ("c._drop_capabilities", set()),
        ("c._landlock", {"look into the validator", "read other files", "write files", "make connections"}),
        ("c._seccomp", {"make connections", "send packets", "start processes", "limit the validator"}),
    ],
)
def test_each_measure_alone_closes_its_ways(measure, closes):
    can, refused = have(measure)
    if refused:
        pytest.skip(f"not here: {refused[0]}")
    assert closes.isdisjoint(can)
    assert set(can) >= set(ATTEMPTS) - closes - {"look into the validator"}


def test_all_together_leave_nothing_open():
    with ReaderWorkers(1) as reader_workers:
        found = reader_workers.confinement()
    if found.missing:
        pytest.skip(f"not here: {found}")
    assert found.can == ()
    assert str(found) == f"cannot {', '.join(ATTEMPTS)}"


def test_what_is_missing_is_said():
    told = str(Confinement(("read other files",), {"landlock": "Function not implemented"}))
    assert "; CAN read other files; without landlock (Function not implemented)" in told
    assert str(Confinement(tuple(ATTEMPTS), {})) == "can do all that this program can"


def test_a_measure_that_the_system_refuses_is_named_and_the_others_are_taken(monkeypatch):
    def refuse() -> None:
        raise confinement.Forbidden("Operation not permitted")

    taken = []
    monkeypatch.setattr(confinement, "_limit", taken.append)
    monkeypatch.setattr(confinement, "_leave_network", refuse)
    monkeypatch.setattr(confinement, "_drop_capabilities", refuse)
    monkeypatch.setattr(confinement, "_landlock", lambda files: taken.extend(["landlock", *files]))
    monkeypatch.setattr(confinement, "_seccomp", lambda: taken.append("seccomp"))
    refused = "Operation not permitted"
    assert confinement.confine(7, ["/reference"]) == {
        "limits": "",
        "network namespace": refused,
        "capabilities": refused,
        "landlock": "",
        "seccomp": "",
    }
    assert taken == [7, "landlock", "/reference", "seccomp"]
    monkeypatch.setattr(sys, "platform", "darwin")
    assert set(confinement.confine(7).values()) == {"", "it is Linux's"}
    assert confinement.try_out() == list(ATTEMPTS)  # nothing prevents it: nothing else is claimed


def test_nobody_but_root_looks_into_a_process_that_starts_readers():
    """As where the validator is no root, and the system has no Landlock: then this alone hides its keys."""
    code = """
    import ctypes, os
    from pathlib import Path
    from upload_client.validator.confinement import forbid_dumps

    def child_reads() -> bool:
        child = os.fork()
        if not child:
            try:
                os._exit(0 if b"KEY=x" in Path(f"/proc/{os.getppid()}/environ").read_bytes() else 2)
            except PermissionError:
                os._exit(1)
        return not os.waitpid(child, 0)[1]

    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # as after the start of a program
    print(child_reads())
    forbid_dumps()
    print(child_reads())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "KEY": "x"},
    )
    assert done.stdout.split() == ["True", "False"]


def test_whoever_starts_a_reader_cannot_be_looked_into(tmp_path):
    code = """
    import ctypes
    from upload_client.validator.readers import ReaderWorkers
    libc = ctypes.CDLL(None)
    before = libc.prctl(3, 0, 0, 0, 0)
    with ReaderWorkers(1) as reader_workers:
        reader_workers.confinement()
    print(before, libc.prctl(3, 0, 0, 0, 0))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout.split() == ["1", "0"]


def test_a_reader_has_the_variables_it_needs_and_no_other(monkeypatch):
    for name in (
        "AWS_SECRET_ACCESS_KEY",
        "aws_session_token",
        "UPLOAD_CLIENT_VALIDATOR",
        "DATABASE_URL",
        "HOME",
    ):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert "secret" not in environment().values()
    assert environment()["LC_ALL"] == "C.UTF-8"
    with ReaderWorkers(1) as reader_workers:
        reader_workers.confinement()
        ((_, process),) = reader_workers._pool._idle
        seen = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
    names = {one.partition(b"=")[0].decode() for one in seen if one}
    assert names <= confinement._KEPT | {"PYTHONPATH", "OMP_NUM_THREADS"}
    assert b"secret" not in b"".join(seen)


@pytest.mark.parametrize("name", ["json", "pickle", "numpy", "upload_client"])
def test_nothing_is_imported_from_the_folder_in_which_it_is_started(tmp_path, monkeypatch, name):
    (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    with ReaderWorkers(1) as reader_workers:
        assert reader_workers.confinement() is not None
    assert not (tmp_path / "ran").exists()


def test_what_libraries_print_goes_nowhere(capfd):
    from upload_client.expectations.model import Fits

    data = b"SIMPLE  =                    T" + b"\0" * 5000  # astropy warns of it
    with ReaderWorkers(1) as reader_workers, pytest.raises(readers.Unreadable):
        reader_workers.judge(
            Fits.model_validate({"format": "fits"}), "fits", len(data), lambda o, n: data[o : o + n]
        )
    assert capfd.readouterr() == ("", "")


def test_a_reader_that_cannot_be_started_is_no_fault_of_any_file(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with (
        ReaderWorkers(1) as reader_workers,
        pytest.raises(Undecided, match="no reader worker can be started here"),
    ):
        reader_workers.open("fits", 9, lambda _offset, n: bytes(n))
    monkeypatch.setattr(sys, "executable", "/bin/there-is-none")
    with ReaderWorkers(1) as reader_workers, pytest.raises(Undecided, match="here: No such file"):
        reader_workers.open("fits", 9, lambda _offset, n: bytes(n))


def test_the_first_reader_worker_says_what_it_can_do_and_no_other(monkeypatch):
    told = []
    with ReaderWorkers(2, on_first=told.append) as reader_workers:
        assert not told  # none is started where none is needed
        first = reader_workers._take()
        second = reader_workers._take()
        assert told == [first.confinement]
        for each in (first, second):
            reader_workers._pool.keep(reader_workers, each)


def test_a_check_of_the_receivers_own_reads_what_the_receiver_names(tmp_path):
    folder = tmp_path / "reference"
    folder.mkdir()
    for path in (folder / "table.csv", tmp_path / "other.csv"):
        path.write_text("a,b")
    code = f"""
    import sys
    from upload_client.validator import confinement as c
    c._landlock([{str(folder)!r}, "/"])  # nobody means all there is
    print(open({str(folder / "table.csv")!r}).read())
    open({str(tmp_path / "other.csv")!r})
    """
    try:
        confinement._landlock_version()
    except confinement.Forbidden as error:
        pytest.skip(f"not here: {error}")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr.splitlines()[-1].partition(":")[0]) == ("a,b\n", "PermissionError")


def test_ctrl_c_is_not_blamed_on_the_file_that_is_read_just_then(tmp_path):
    """In a terminal the whole group gets the signal; the validator is to end in order."""
    code = """
    import io, os, signal
    from pathlib import Path
    import numpy as np
    from astropy.io import fits
    from upload_client.validator.readers import ReaderWorkers
    signal.signal(signal.SIGINT, lambda *_: None)
    made = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(np.arange(9))]).writeto(made)
    data = made.getvalue()
    with ReaderWorkers(1) as reader_workers:
        def read(offset, n):
            os.killpg(0, signal.SIGINT)
            return data[offset : offset + n]
        for _ in range(20):
            reader_workers.open("fits", len(data), read)
    print("all opened")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    assert done.stdout == "all opened\n", done.stderr


def test_a_reader_worker_has_no_terminal():
    with ReaderWorkers(1) as reader_workers:
        reader_workers.confinement()
        ((_, process),) = reader_workers._pool._idle
        assert os.getsid(process.pid) == process.pid != os.getsid(0)


def test_its_programs_refuse_the_same_calls_on_both_architectures():
    for which, (machine, audit) in enumerate(confinement._ARCHITECTURES.items()):
        program = confinement._program(audit, which, 1)
        assert len(program) < 4096, machine  # the kernel's limit
        # No step leads beyond the end, and the last one decides.
        for at, (_, if_so, if_not, _) in enumerate(program):
            assert at + 1 + max(if_so, if_not) < len(program) or at == len(program) - 1
        refused = {number for number in (pair[which] for pair in confinement._REFUSED.values()) if number}
        assert {step[3] for step in program} >= refused
    assert platform.machine() in confinement._ARCHITECTURES


def test_threads_may_be_started_and_it_may_abort():
    code = """
    import os, signal, threading
    from upload_client.validator import confinement as c
    c._seccomp()
    ran = []
    thread = threading.Thread(target=lambda: ran.append(1))
    thread.start()
    thread.join()
    print(ran, flush=True)
    try:
        os.kill(os.getppid(), 0)
    except PermissionError:
        print("not others", flush=True)
    os.abort()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["[1]", "not others"]
    assert done.returncode == -6


def test_it_limits_schedules_and_shares_with_no_other_process():
    """Of itself it may; of the validator it might, but for the filter."""
    code = """
    import ctypes, errno, os, resource
    from upload_client.validator import confinement as c

    libc = ctypes.CDLL(None, use_errno=True)
    calls = {
        "prlimit": lambda pid: resource.prlimit(pid, resource.RLIMIT_CORE),
        "affinity": lambda pid: os.sched_setaffinity(pid, os.sched_getaffinity(0)),
        "scheduler": lambda pid: os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0)),
        "parameter": lambda pid: os.sched_setparam(pid, os.sched_param(0)),
    }

    def may(call, pid):
        try:
            call(pid)
        except PermissionError:
            return False
        return True

    def shared():  # by a key that nobody has; nothing is made
        asked = (libc.shmget(77, 1, 0), libc.semget(77, 1, 0), libc.msgget(77, 0))
        return asked == (-1, -1, -1) and ctypes.get_errno()

    def nicer(pid):
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid))

    everybody = (0, os.getpid(), os.getppid())
    print(all(may(call, pid) for call in calls.values() for pid in everybody), may(nicer, os.getppid()))
    print(errno.errorcode[shared()])
    c._seccomp()
    print([[may(call, pid) for pid in everybody] for call in calls.values()], may(nicer, os.getppid()))
    print(errno.errorcode[shared()])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    before = ["True True", "ENOENT"]
    afterwards = [f"{[[True, True, False]] * 4} False", "EPERM"]
    assert done.stdout.splitlines() == before + afterwards, done.stderr
