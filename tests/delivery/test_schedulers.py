"""The examples for schedulers: a task that is cancelled gives the lock back, and the next try goes on.

Against stand-ins that do with SIGTERM what the real ones do; and against the real ones, each in an
environment of its own, which takes minutes and a package index:

    python -m pytest tests/delivery/test_schedulers.py -m long
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
import waiting
from delivery.conftest import Delivery, content, make_data

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "schedulers"
REAL = {"airflow": "apache-airflow==3.3.2", "prefect": "prefect==3.9.1"}
SCRIPTS = {"airflow": "airflow_dag.py", "prefect": "prefect_flow.py"}

AIRFLOW = '''
"""Airflow 3: SIGTERM calls on_kill, and raises nothing."""
import os, re, signal, sys

class DAG:
    current = None

    def __init__(self, dag_id, schedule, params=None):
        self.params, self.tasks = dict(params or {}), []

    def __enter__(self):
        DAG.current = self
        return self

    def __exit__(self, *_):
        DAG.current = None

    def test(self, run_conf):
        self.params.update(run_conf)
        self.state = "success"
        for task in self.tasks:
            for name in task.template_fields:
                filled = re.sub(r"{{ params.(\\w+) }}", lambda m: self.params[m[1]], getattr(task, name))
                setattr(task, name, filled)
            signal.signal(signal.SIGTERM, lambda *_: task.on_kill())
            try:
                task.execute({})
            except AirflowException as error:
                print(type(error).__name__, error, file=sys.stderr)
                self.state = "failed"
        return self

class BaseOperator:
    template_fields = ()

    def __init__(self, *, task_id):
        self.task_id = task_id
        DAG.current.tasks.append(self)

    def on_kill(self):
        pass

class AirflowException(Exception):
    pass

class AirflowFailException(AirflowException):
    pass
'''
PREFECT = '''
"""Prefect 3: SIGTERM raises what is no Exception in the main thread, and the process ends by the signal."""
import os, signal

class TerminationSignal(BaseException):
    pass

def task(**_):
    return lambda call: call

def flow(call):
    def run(*arguments):
        def terminate(*_):
            raise TerminationSignal
        before = signal.signal(signal.SIGTERM, terminate)
        try:
            return call(*arguments)
        except TerminationSignal:
            signal.signal(signal.SIGTERM, before)
            os.kill(os.getpid(), signal.SIGTERM)
    return run
'''

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to send")


def stand_in(name: str, folder: Path) -> tuple[str, dict[str, str]]:
    """Python, and an environment in which there is something by the scheduler's name."""
    package = folder / "stand-in" / name
    package.mkdir(parents=True)
    if name == "airflow":
        (package / "__init__.py").touch()
        (package / "sdk").mkdir()
        (package / "sdk" / "__init__.py").write_text(AIRFLOW)
        (package / "sdk" / "exceptions.py").write_text(
            "from airflow.sdk import AirflowException, AirflowFailException\n"
        )
    else:
        (package / "__init__.py").write_text(PREFECT)
    return sys.executable, {"PYTHONPATH": str(package.parent)}


def real(name: str, folder: Path) -> tuple[str, dict[str, str]]:
    """Python with the scheduler itself."""
    venv.create(folder / "venv", with_pip=True)
    python = str(folder / "venv" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", REAL[name], f"{ROOT}[sandbox]"], check=True)
    home = folder / "home"
    home.mkdir()
    env = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES),
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    }
    if name == "airflow":
        subprocess.run([python, "-m", "airflow", "db", "migrate"], env={**os.environ, **env}, check=True)
    return python, env


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["airflow", "prefect"])
@pytest.mark.parametrize("made", [stand_in, pytest.param(real, marks=pytest.mark.long)])
def test_a_task_that_is_cancelled_gives_the_lock_back_and_the_next_one_goes_on(
    delivery: Delivery, tmp_path: Path, name: str, made: Callable[[str, Path], tuple[str, dict[str, str]]]
) -> None:
    data = make_data(tmp_path / "data", 120)
    python, more = made(name, tmp_path)
    env = {**os.environ, "UPLOAD_CLIENT_PROFILE": str(delivery.receiver.sandbox.profile), **more}
    command = [python, str(EXAMPLES / SCRIPTS[name]), delivery.dataset, delivery.delivery_id, str(data)]

    said = tmp_path / "said"

    def start(**settings: str) -> subprocess.Popen[bytes]:
        # Not a pipe: a server that Prefect leaves behind would keep it open.
        with said.open("wb") as file:
            return subprocess.Popen(
                command, env={**env, **settings}, cwd=tmp_path, stdout=file, stderr=subprocess.STDOUT
            )

    cancelled = start(UPLOAD_CLIENT_MAX_RATE="2kB")
    waiting.until(
        lambda: len(delivery.landed()) >= 3 or cancelled.poll() is not None, 300, why=said.read_text
    )
    assert cancelled.poll() is None, said.read_text()
    cancelled.send_signal(signal.SIGTERM)
    cancelled.wait(timeout=60)
    assert cancelled.returncode == (1 if name == "airflow" else -signal.SIGTERM), said.read_text()
    assert delivery.lock()["state"] == "released"
    assert len(delivery.landed()) < 120
    again = start()
    again.wait(timeout=300)
    assert again.returncode == 0, said.read_text()
    assert delivery.landed() == content(data)
