#!/usr/bin/env bash
# Two loggers of one service, each with a handler and a level of its own, as two functions in one module make them.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
venv=$tmp/venv
python3 -m venv "$venv"
"$venv/bin/pip" install -q --disable-pip-version-check 'aws-lambda-powertools==3.37.0' 2>/dev/null
"$venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^aws.lambda.powertools '

cat >"$tmp/expected" <<'END'
logging's own: a second handler gets the line: True
first logger: its handler gets its line: True
second logger: its handler gets its line: False
second logger: the first one's handler gets its line: True
second logger: level is the one that was given: False
second logger: append_keys: AttributeError
END
"$venv/bin/python" - >"$tmp/seen" <<'END'
import io
import logging

from aws_lambda_powertools import Logger

plain = logging.getLogger("plain")
streams = io.StringIO(), io.StringIO()
for stream in streams:
    plain.addHandler(logging.StreamHandler(stream))
plain.warning("line")
print("logging's own: a second handler gets the line:", "line" in streams[1].getvalue())

one, two = io.StringIO(), io.StringIO()
first = Logger(service="s", level="INFO", logger_handler=logging.StreamHandler(one))
first.info("of the first")
print("first logger: its handler gets its line:", "of the first" in one.getvalue())
second = Logger(service="s", level="DEBUG", logger_handler=logging.StreamHandler(two))
second.info("of the second")
print("second logger: its handler gets its line:", "of the second" in two.getvalue())
print("second logger: the first one's handler gets its line:", "of the second" in one.getvalue())
print("second logger: level is the one that was given:", second.log_level == logging.DEBUG)
try:
    second.append_keys(request="r")
    print("second logger: append_keys: done")
except Exception as error:
    print("second logger: append_keys:", type(error).__name__)
END
cat "$tmp/seen"
diff "$tmp/expected" "$tmp/seen" || { echo "it is no longer so" >&2; exit 1; }
