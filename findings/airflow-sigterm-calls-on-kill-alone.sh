#!/usr/bin/env bash
# A task of Airflow that is sent SIGTERM while it runs.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'apache-airflow==3.3.2'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'apache-airflow==3.3.2'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' apache-airflow
cd "$tmp"
cat >expected <<'END'
on_kill was called
execute went on to its end
the state of the run: success
END
venv/bin/python -W ignore - >seen <<'END'
import os
import subprocess
import sys
from pathlib import Path

Path("dags").mkdir()
Path("dags/told.py").write_text('''
import os, signal, threading, time
from airflow.sdk import DAG, BaseOperator

class Told(BaseOperator):
    def execute(self, context):
        threading.Timer(1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        try:
            for _ in range(30):
                time.sleep(0.1)
            print("seen: execute went on to its end")
        except BaseException as error:
            print("seen: execute heard", type(error).__name__)
            raise

    def on_kill(self):
        print("seen: on_kill was called")

with DAG(dag_id="told", schedule=None) as dag:
    Told(task_id="told")

if __name__ == "__main__":
    print("seen: the state of the run:", dag.test().state)
''')
env = os.environ | {
    "AIRFLOW_HOME": str(Path("home").absolute()),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_FOLDER": str(Path("dags").absolute()),
}
subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], env=env, check=True, capture_output=True)
done = subprocess.run([sys.executable, "dags/told.py"], env=env, capture_output=True, text=True, timeout=120)
for line in done.stdout.splitlines():
    if line.startswith("seen: "):
        print(line.removeprefix("seen: "))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
