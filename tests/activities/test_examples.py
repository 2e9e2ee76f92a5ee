"""The examples of activities: they are what they claim to be."""

from __future__ import annotations

import ast
import configparser
import importlib.util
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest
import yaml

from upload_client.activities import Activity, EmailFailureHandler, EmailSuccessHandler, S3Client
from upload_client.activities.schedule.document import load
from upload_client.cli.app import main
from upload_client.cli.schedule import schedule
from upload_client.core.exits import ExitCode
from upload_client.core.schedule import may_help
from upload_client.errors import Interrupted, LoginRefused, NotReachable

from .conftest import MAIL_PASSWORD, USER

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "activities"


@pytest.fixture
def modules(monkeypatch):
    """Where modules are found is as it was, afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_the_schedule_can_run_as_it_stands(modules, monkeypatch, tmp_path, capsys):
    for path in EXAMPLES.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "archive.toml").write_text(
        'username = "maria"\nuser_pool_id = "eu-central-1_x"\nuser_pool_client_id = "y"\n'
        'identity_pool_id = "eu-central-1:11111111-2222-3333-4444-555555555555"\nregion = "eu-central-1"\n',
        encoding="utf-8",
    )
    path = tmp_path / "schedule.yaml"
    outbox = tmp_path / "outbox"
    outbox.mkdir()
    password = tmp_path / "bin" / "pass"  # it prints the passwords; nothing runs it here
    password.parent.mkdir()
    password.touch(0o700)
    monkeypatch.setenv("PATH", str(password.parent), prepend=os.pathsep)
    path.write_text(path.read_text("utf-8").replace("/data/outbox", str(outbox)), encoding="utf-8")
    assert main(["schedule", "check", str(path)]) == 0, capsys.readouterr()
    said = capsys.readouterr().out
    assert "all 3 jobs can run" in said
    assert "02:30 is there twice" in said


def test_customers_are_written_to_s3_and_a_link_is_mailed(
    modules, monkeypatch, store, s3, make_bucket, mail_server, trusted
):
    made = make_bucket()
    box = mail_server(tls="starttls")
    here = {
        "host": "localhost",
        "port": box.port,
        "user": USER,
        "password_command": [sys.executable, "-c", f"print({MAIL_PASSWORD!r})"],
        "context": trusted,
    }
    spec = importlib.util.spec_from_file_location("customers", EXAMPLES / "customers.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    monkeypatch.setattr(example, "S3Client", lambda: S3Client("any", "any", endpoint_url=store.endpoint_url))
    for handler in (EmailSuccessHandler, EmailFailureHandler):
        monkeypatch.setattr(
            example, handler.__name__, lambda handler=handler, **options: handler(**{**options, **here})
        )
    delivery = example.DeliveryActivity
    monkeypatch.setattr(
        example, "DeliveryActivity", lambda a, b, told: delivery(a, b, {**told, "bucket": made.name})
    )
    assert example.main() == 0
    ((recipients, mail),) = box.mails
    assert recipients == ["maria@example.org"]
    assert "X-Amz-Signature=" in mail.get_content()
    (entry,) = s3.list_objects_v2(Bucket=made.name)["Contents"]
    head = s3.head_object(Bucket=made.name, Key=entry["Key"])
    assert head["Metadata"]["generated-by"] == "customers.py"
    body = s3.get_object(Bucket=made.name, Key=entry["Key"])["Body"].read()
    assert body == b"0,Customer 0\r\n1,Customer 1\r\n2,Customer 2\r\n"


# --- Airflow: parsed, not run ---


class AirflowException(Exception):  # noqa: N818 - Airflow's name
    pass


class AirflowFailException(AirflowException):
    pass


@pytest.fixture
def dag(monkeypatch):
    """The DAG, as whoever reads the file gets it, with a stand-in for Airflow; what was loaded for it."""
    dags = []

    class Dag:
        def __init__(self, dag_id, **options):
            self.dag_id, self.options, self.tasks = dag_id, options, []

        def __enter__(self):
            dags.append(self)
            return self

        def __exit__(self, *_):
            pass

    class Operator:
        template_fields = ()

        def __init__(self, *, task_id):
            self.task_id = task_id
            dags[-1].tasks.append(self)

    sdk, exceptions = types.ModuleType("airflow.sdk"), types.ModuleType("airflow.sdk.exceptions")
    sdk.DAG, sdk.BaseOperator = Dag, Operator
    exceptions.AirflowException, exceptions.AirflowFailException = AirflowException, AirflowFailException
    for module in (types.ModuleType("airflow"), sdk, exceptions):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    space = runpy.run_path(str(EXAMPLES / "airflow_dag.py"))
    assert dags == [space["dag"]]
    return space["dag"], space


def test_the_dag_is_parsed_and_loads_nothing_of_ours_each_time_it_is_read(dag):
    made, _ = dag
    assert made.options["schedule"] == "30 2 * * *"
    (task,) = made.tasks
    assert task.delivery_id == "{{ ds }}"
    assert set(task.template_fields) <= vars(task).keys()
    tree = ast.parse((EXAMPLES / "airflow_dag.py").read_text(encoding="utf-8"))
    at_the_top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not [node for node in at_the_top if "upload_client" in ast.unparse(node)]


@pytest.mark.parametrize("error", [NotReachable("away"), LoginRefused("no"), Interrupted(), None])
def test_the_task_fails_for_good_where_a_person_is_needed(dag, monkeypatch, error):
    made, space = dag
    (task,) = made.tasks
    delivered = {"headline": "all valid", "receipt": "r", "files_valid": 6, "problems": ""}

    class Delivery(Activity):
        def start(self):
            self.metadata.update(delivered)
            if error is not None:
                raise error

    monkeypatch.setattr("upload_client.activities.ClientActivity", lambda make: Delivery())
    if error is None:
        assert task.execute({})["files_valid"] == 6
        return
    with pytest.raises(AirflowException) as caught:
        task.execute({})
    assert isinstance(caught.value, AirflowFailException) is isinstance(error, LoginRefused)
    assert f"exit code {int(error.exit_code)}: " in str(caught.value)
    assert int(ExitCode.INTERRUPTED) in space["TRY_AGAIN"]


def test_the_task_tries_again_what_a_schedule_tries_again(dag):
    _, space = dag
    again = {int(code) for code in ExitCode if may_help(int(code))}
    assert space["TRY_AGAIN"] == again | {int(ExitCode.INTERRUPTED)}


def test_a_task_that_is_killed_has_its_delivery_end_in_order(dag):
    made, _ = dag
    (task,) = made.tasks
    task.on_kill()  # before it has begun
    task._activity = Activity()
    task.on_kill()
    with pytest.raises(Interrupted):
        task._activity.check_stopped()


# --- the pages ---


@pytest.mark.parametrize("page", ["docs/how-to/nightly.md", "docs/reference/schedule.md"])
def test_each_schedule_of_a_page_can_be_read(page, tmp_path):
    text = (ROOT / page).read_text(encoding="utf-8")
    shown = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    assert shown
    first = shown[0]["jobs"]
    for content in shown:
        # What is to be added to the first one is shown without what that has already.
        jobs = {name: first.get(name, {}) | job for name, job in content["jobs"].items()}
        path = tmp_path / "schedule.yaml"
        path.write_text(yaml.safe_dump(content | {"jobs": jobs}), encoding="utf-8")
        assert set(load(path).schedule.jobs) == set(jobs)


def test_the_lines_of_a_crontab_name_the_program_by_its_path():
    """The search path of cron has neither a virtual environment nor `/opt`."""
    text = (ROOT / "docs/how-to/nightly.md").read_text(encoding="utf-8")
    lines = re.findall(r"^(?:@reboot|(?:[\d*]+ ){5}) *(.+)$", text, re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        program, group, command, *arguments = shlex.split(line.partition(" >>")[0])
        assert (Path(program).is_absolute(), group) == (True, schedule.name)
        schedule.commands[command].make_context("cron", arguments)


# --- systemd ---


def test_the_unit_starts_a_command_that_there_is_and_is_the_one_of_the_docs():
    text = (EXAMPLES / "upload-client-schedule.service").read_text(encoding="utf-8")
    unit = configparser.ConfigParser(strict=True)
    unit.optionxform = str
    unit.read_string(text)
    program, *arguments = shlex.split(unit["Service"]["ExecStart"])
    assert Path(program).name == "upload-client"
    assert arguments[0] == schedule.name
    schedule.commands[arguments[1]].make_context("run", arguments[2:])
    assert unit["Service"]["Restart"] == "on-failure"  # 0: nothing is to come any more
    in_docs = re.search(
        r"```ini\n(.*?)```", (ROOT / "docs/how-to/nightly.md").read_text(encoding="utf-8"), re.DOTALL
    )[1]
    settings = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert settings == [line for line in in_docs.splitlines() if line]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_systemd_understands_the_unit(tmp_path):
    text = (EXAMPLES / "upload-client-schedule.service").read_text(encoding="utf-8")
    path = tmp_path / "upload-client-schedule.service"
    path.write_text(
        text.replace("/opt/upload-client/bin/upload-client", sys.executable).replace(
            "User=delivery", "User=root"
        )
    )
    done = subprocess.run(
        ["systemd-analyze", "verify", path], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


# --- without the extra ---


WITHOUT = """
import importlib.abc, sys

EXTRAS = "apscheduler cronsim sqlalchemy tenacity requests paramiko".split()

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in EXTRAS:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""


def without_the_extra(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"{WITHOUT}{code}", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


CLI = "from upload_client.cli.app import main; sys.exit(main(sys.argv[1:]))"
SCHEDULE = "jobs: {a: {every: 1h, read: {text: x}, write: {file: x}}}"
COMMANDS = {"run": [], "show": [], "check": [], "once": ["a"]}


@pytest.mark.parametrize("command", COMMANDS)
def test_without_the_extra_each_command_says_what_to_install(tmp_path, command):
    path = tmp_path / "s.yaml"
    path.write_text(SCHEDULE, encoding="utf-8")
    done = without_the_extra(CLI, "schedule", command, path, *COMMANDS[command])
    assert done.returncode == 2, done.stderr
    assert "pip install 'upload-client[activities]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_extra_help_is_there_and_what_needs_none_of_it_works(tmp_path):
    assert without_the_extra(CLI, "schedule", "run", "--help").returncode == 0
    code = (
        "from upload_client.activities import *; "
        "ActivityRunner(DeliveryActivity('words', LocalFileWriter(sys.argv[1]), {'filename': 'x'})).run()"
    )
    done = without_the_extra(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "x").read_text() == "words"


@pytest.mark.parametrize(
    ("code", "extra"),
    [
        ("DataSource('https://example.org/x').get_reader()", "activities"),
        ("RetryingActivity(Activity()).start()", "activities"),
        ("SftpClient('h').connect()", "sftp"),
    ],
)
def test_without_an_extra_python_says_what_to_install(code, extra):
    done = without_the_extra(f"from upload_client.activities import *\n{code}")
    assert f"pip install 'upload-client[{extra}]'" in done.stderr.splitlines()[-1]
