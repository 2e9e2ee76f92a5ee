"""Ctrl-C, SIGTERM and a closed terminal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import waiting

from upload_client.cli.signals import interruptible

# It waits in pieces, as the program does: a signal that comes just before a lock is waited for is looked at
# when that wait ends.
PROGRAM = """
import signal, sys, threading

def wait():
    for _ in range(600):
        threading.Event().wait(0.1)

IGNORED = ()
for name in {"SIGHUP", "SIGINT"} - set(IGNORED):  # ignored under nohup, but not in a terminal
    if hasattr(signal, name):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
from upload_client.cli.signals import interruptible
with interruptible():
    try:
        print("ready", flush=True)
        wait()
    except KeyboardInterrupt:
        print("ending", flush=True)
        wait()
"""


def test_the_first_signal_interrupts_and_afterwards_all_is_as_it_was():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(signal.SIGTERM)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.skipif(sys.platform == "win32", reason="has no signals to send to a process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_the_process_at_once(number):
    child = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    child.send_signal(number)
    assert child.stdout.readline() == "ending\n"
    child.send_signal(number)
    assert child.wait(timeout=120) == 130
    child.stdout.close()


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signals")
@pytest.mark.parametrize("name", ["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU"])
def test_a_closed_terminal_or_a_schedulers_warning_ends_it_in_order_however_often_it_is_told(name):
    child = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    child.send_signal(getattr(signal, name))
    assert child.stdout.readline() == "ending\n"
    child.send_signal(getattr(signal, name))
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=120) == 130
    child.stdout.close()


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGHUP")
def test_a_closed_terminal_is_nothing_to_who_was_started_with_nohup():
    ignoring = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    tried = 'signal.raise_signal(signal.SIGHUP); print("on", flush=True); raise SystemExit(7)'
    program = ignoring + PROGRAM.replace(" wait()\n", f" {tried}\n", 1)
    program = program.replace("IGNORED = ()", 'IGNORED = ("SIGHUP",)')
    child = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (child.stdout.split(), child.returncode) == (["ready", "on"], 7)


@pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo-terminals")
def test_an_end_at_once_gives_the_cursor_back():
    import pty

    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)
    child.stdout.readline()
    child.send_signal(signal.SIGINT)
    child.stdout.readline()
    child.send_signal(signal.SIGINT)
    child.wait(timeout=120)
    child.stdout.close()
    said = os.read(ours, 100)
    assert b"\x1b[?25h" in said
    assert b"stopped at once" in said
    os.close(ours)


@pytest.mark.skipif(sys.platform == "win32", reason="has no Ctrl-Z")
def test_ctrl_z_gives_the_terminal_to_the_shell():
    import pty

    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env={**os.environ, "TERM": "xterm"},
        process_group=0,  # of its own, but in this session: else the kernel does not let it stop
    )
    os.close(theirs)
    child.stdout.readline()
    child.send_signal(signal.SIGTSTP)
    assert os.WIFSTOPPED(os.waitpid(child.pid, os.WUNTRACED)[1])
    assert os.read(ours, 100).endswith(b"\x1b[?25h\r \x1b[J\r")
    child.send_signal(signal.SIGCONT)
    child.send_signal(signal.SIGINT)
    child.stdout.readline()
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=120) == 130
    child.stdout.close()
    os.close(ours)


COMMANDS = [
    ("upload_client", "receipt", "show", "PIPE"),
    ("upload_client", "verify", "PIPE", "--source", "."),
    ("upload_client", "index", ".", "--exclude-from", "PIPE"),
    ("upload_client", "expectations", "check", ".", "--expectations", "PIPE"),
    ("upload_client", "receiver", "serve", "PIPE"),
    ("upload_client.cli.functions", "--handler", "json.dumps", "--payload-file", "PIPE"),
]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes with names")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:3]))
def test_every_command_ends_in_order_and_says_so(tmp_path, words, name):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    module, *arguments = [str(pipe) if word == "PIPE" else word for word in words]
    program = ["-m", module] if module == "upload_client" else ["-c", FUNCTIONS]
    child = subprocess.Popen(
        [sys.executable, *program, *arguments],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with waiting.killed_after(child), pipe.open("w"):  # that waits until it reads there
        child.send_signal(getattr(signal, name))
        out, said = child.communicate(timeout=120)
    assert (child.returncode, out) == (130, "")
    assert re.fullmatch(r"error: interrupted\nhint: Run the same command again.*\n", said.lstrip("\n")), said
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


FUNCTIONS = "import sys; from upload_client.cli.functions import main; sys.exit(main())"

FORKING = """
import os, signal, time
from upload_client.cli.signals import interruptible
with interruptible():
    child = os.fork()
    if not child:
        print("ready", flush=True)
        time.sleep(60)
        os._exit(1)
    ended = os.waitpid(child, 0)[1]
print(os.WTERMSIG(ended), flush=True)
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="does not say who is forked")
def test_a_process_that_was_forked_ends_by_its_signal_as_others_do(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", FORKING], stdout=subprocess.PIPE, text=True)
    with waiting.killed_after(child):
        assert child.stdout.readline() == "ready\n"
        [forked] = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
        os.kill(int(forked), signal.SIGTERM)
        assert child.communicate(timeout=60)[0] == f"{int(signal.SIGTERM)}\n"


STOPPING = """
import os, threading
from upload_client.cli.signals import stopping

def stop():
    os.write(1, b"is to stop\\n")  # it may come within a print

with stopping(stop):
    print("ready", flush=True)
    for _ in range(600):
        threading.Event().wait(0.1)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no signals to send to a process")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_who_serves_is_stopped_by_the_first_signal_and_ended_by_the_second(name):
    child = subprocess.Popen([sys.executable, "-c", STOPPING], stdout=subprocess.PIPE, text=True)
    with waiting.killed_after(child):
        assert child.stdout.readline() == "ready\n"
        child.send_signal(getattr(signal, name))
        assert child.stdout.readline() == "is to stop\n"
        if name == "SIGHUP":  # which the shell and the kernel may both send
            child.send_signal(signal.SIGHUP)
            assert child.stdout.readline() == "is to stop\n"
        child.send_signal(signal.SIGTERM)
        assert child.communicate()[0] == ""
    assert child.returncode == 130


WAITING = """
import signal, threading
from upload_client.cli.signals import stopping

stopped = threading.Event()
with stopping(stopped.set):
    with stopped._cond:  # as whoever begins to wait for it, or ends to
        signal.raise_signal(signal.SIGTERM)
    print(stopped.wait(60))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signals")
def test_who_serves_is_stopped_whatever_the_signal_interrupts():
    child = subprocess.Popen([sys.executable, "-c", WAITING], stdout=subprocess.PIPE, text=True)
    with waiting.killed_after(child, 60):
        assert child.communicate()[0] == "True\n"


def test_a_block_within_another_one_is_a_part_of_it():
    with interruptible() as is_asked:
        with pytest.raises(KeyboardInterrupt), interruptible() as is_asked_inside:
            signal.raise_signal(signal.SIGTERM)
        assert (is_asked(), is_asked_inside()) == (True, True)


LOADING = """
import sys

class Interrupting:
    def find_spec(self, name, path, target=None):
        if name in ("upload_client.cli.app", "upload_client.cli.functions"):
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
from upload_client import __main__
sys.exit(getattr(__main__, sys.argv[1])())
"""


@pytest.mark.parametrize("name", ["main", "handle_lambda_request"])
def test_ctrl_c_while_the_program_is_still_being_loaded_is_no_crash(name):
    done = subprocess.run([sys.executable, "-c", LOADING, name], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "error: interrupted\nhint: Run the same command again: nothing had begun.\n"
