"""Runs one handler of the package that ours is compared with, in its own environment.

Reads ``{"handler", "event"}`` from standard input, writes ``{"answer"}`` or ``{"error"}`` as its last line.
"""

import importlib
import json
import sys

asked = json.load(sys.stdin)
module, _, name = asked["handler"].rpartition(".")
try:
    handler = getattr(importlib.import_module(module), name)

    class Context:
        function_name = "f"
        memory_limit_in_mb = 128
        invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:f"
        aws_request_id = "r"

    answer = {"answer": handler.get_handler()(asked["event"], Context())}
except Exception as error:  # noqa: BLE001 - whatever it raises is its answer
    answer = {"error": f"{type(error).__name__}: {error}"}
print("\n" + json.dumps(answer))
