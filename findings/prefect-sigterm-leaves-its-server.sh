#!/usr/bin/env bash
# What is left of a Prefect flow that was sent SIGTERM, when no server was configured?
set -euo pipefail
tmp=$(mktemp -d)
left=
trap '[[ -z $left ]] || kill $left 2>/dev/null || true; sleep 1; rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'prefect==3.9.1' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(prefect|uvicorn) '
cd "$tmp"
export PREFECT_HOME=$tmp/home PREFECT_SERVER_ANALYTICS_ENABLED=false
export PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS=240
cat >flow.py <<'END'
import pathlib
import sys
import time

from prefect import flow


@flow
def waiting(seconds: float) -> None:
    pathlib.Path("begun").touch()
    time.sleep(seconds)


waiting(float(sys.argv[1]))
END

servers() { pgrep -f "^$tmp/venv/bin/python -m uvicorn" || true; }

ended() {
    for _ in {1..60}; do
        [[ -n $(servers) ]] || { echo no; return; }
        sleep 0.5
    done
    echo yes
}

venv/bin/python flow.py 1 >log 2>&1
echo "after a flow that has come to its end, its temporary server runs: $(ended)" | tee seen
rm begun
venv/bin/python flow.py 300 >>log 2>&1 &
flow=$!
for _ in {1..600}; do [[ ! -e begun ]] || break; sleep 0.5; done
kill -TERM $flow
wait $flow || true
echo "after a flow that was sent SIGTERM, thirty seconds later:          $(ended)" | tee -a seen
left=$(servers)
cat >expected <<'END'
after a flow that has come to its end, its temporary server runs: no
after a flow that was sent SIGTERM, thirty seconds later:          yes
END
diff expected seen || { tail -20 log >&2; echo "it is no longer so" >&2; exit 1; }
