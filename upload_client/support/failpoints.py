"""Places where a test can have this process die, as if somebody had pulled the plug.

``UPLOAD_CLIENT_FAILPOINT=name`` ends the process, with no clean-up of any kind, when it gets to the place of
that name; ``name:3`` when it gets there for the third time. ``UPLOAD_CLIENT_FAILPOINT_LOG=FILE`` notes down
each place as it is passed, one name a line, so that a test knows which there are.

There is one before and one after every request and every local write. A request's are called
``before:PutObject:owned`` and ``after:PutObject:owned``: the operation, and what kind of key it is about
(`kind_of`; nothing where it is about no key, as in ``before:Invoke``). A write's are ``before:write:.csv``,
``between:write:.csv`` (written, and not yet under its name) and ``after:write:.csv``.

Where neither variable is set nothing is hooked into anything, and no request costs more for it.
"""

from __future__ import annotations

import os
import re
import signal
import threading
from collections import Counter
from typing import Any, NoReturn


def _order(text: str) -> tuple[str, int]:
    """The place where to die, and at which time of getting there."""
    name, _, nth = text.rpartition(":")
    return (name, int(nth)) if nth.isdigit() else (text, 1)


_WHERE, _NTH = _order(os.environ.get("UPLOAD_CLIENT_FAILPOINT", ""))
_LOG = os.environ.get("UPLOAD_CLIENT_FAILPOINT_LOG", "")

ARMED = bool(_WHERE or _LOG)
"""Whether this process was started to die, or to note down where it could."""

# By the layout of the control bucket (`upload_client.core.layout`); what fits nothing has landed.
_KINDS = (
    ("owned", re.compile(r"(\A|/)owned\Z")),
    ("probe", re.compile(r"(\A|/)probe/[^/]+\Z")),
    ("client-log", re.compile(r"/log/client/")),
    ("validator-log", re.compile(r"/log/validator/")),
    ("index", re.compile(r"/index/([0-9]{8}\.csv)?\Z")),
    ("receipt", re.compile(r"/receipt/([0-9]{8}\.json)?\Z")),
    ("checkpoint", re.compile(r"/checkpoint/([0-9]{10})?\Z")),
)

_mutex = threading.Lock()
_reached: Counter[str] = Counter()


def kind_of(key: str) -> str:
    """The kind of object that a key (or the prefix of a listing) is about."""
    return next((kind for kind, pattern in _KINDS if pattern.search(key)), "landing")


def reach(name: str) -> None:
    """The process has got to this place. It goes no further if that is what it was started for."""
    if not ARMED:
        return
    with _mutex:
        _reached[name] += 1
        if _LOG:
            with open(_LOG, "a", encoding="utf-8") as file:  # noqa: PTH123 - a name from the environment
                file.write(name + "\n")
        if name == _WHERE and _reached[name] == _NTH:
            _die()


def watch(client: Any) -> None:  # noqa: ANN401 - each service has a client class of its own, made at run time
    """Have every request of a boto3 client pass a place before and after it."""
    if not ARMED:
        return
    about = "upload_client.failpoint"

    def note(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
        key = params.get("Key", params.get("Prefix"))
        context[about] = "" if key is None else f":{kind_of(str(key))}"

    def before(model: Any, context: dict[str, Any], **_: object) -> None:  # noqa: ANN401 - botocore's
        reach(f"before:{model.name}{context.get(about, '')}")

    def after(model: Any, context: dict[str, Any], **_: object) -> None:  # noqa: ANN401 - botocore's
        reach(f"after:{model.name}{context.get(about, '')}")

    client.meta.events.register_first("before-parameter-build.*.*", note)
    client.meta.events.register_last("before-call.*.*", before)
    client.meta.events.register_first("after-call.*.*", after)


def _die() -> NoReturn:
    if hasattr(signal, "SIGKILL"):
        os.kill(os.getpid(), signal.SIGKILL)
        threading.Event().wait()  # the signal is on its way
    os._exit(137)  # Windows: no signal, and no clean-up either
