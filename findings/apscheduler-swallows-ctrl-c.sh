#!/usr/bin/env bash
# Ctrl-C in the moment in which APScheduler starts a job.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'apscheduler==3.11.3'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'apscheduler==3.11.3'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' apscheduler
cd "$tmp"
cat >expected <<'END'
Ctrl-C while a job is started: nothing is raised, the scheduler goes on
the job, which has not run, is due in 24 hours
END
venv/bin/python -W ignore - >seen <<'END'
import logging
import os
import signal
from datetime import UTC, datetime

from apscheduler.executors.base import BaseExecutor
from apscheduler.schedulers.base import BaseScheduler

logging.disable(logging.CRITICAL)


class Scheduler(BaseScheduler):
    def wakeup(self):
        pass

    def shutdown(self, wait=True):
        super().shutdown(wait)


class Executor(BaseExecutor):
    def submit_job(self, job, run_times):
        os.kill(os.getpid(), signal.SIGINT)  # somebody types Ctrl-C just now
        for _ in range(1000):
            pass
        print("submitted")

    def _do_submit_job(self, job, run_times):
        pass


def nightly():
    pass


scheduler = Scheduler(timezone="UTC", executors={"default": Executor()})
scheduler.start()
scheduler.add_job(nightly, "interval", hours=24, next_run_time=datetime.now(UTC))
job = scheduler.get_jobs()[0]
try:
    scheduler._process_jobs()
    print("Ctrl-C while a job is started: nothing is raised, the scheduler goes on")
except KeyboardInterrupt:
    print("Ctrl-C while a job is started: KeyboardInterrupt")
hours = (scheduler.get_jobs()[0].next_run_time - datetime.now(UTC)).total_seconds() / 3600
print(f"the job, which has not run, is due in {hours:.0f} hours")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
