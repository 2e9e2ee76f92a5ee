"""Each option that names a file to read takes a pipe and standard input just as a file."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import NamedTuple

import click
import pytest

import upload_client.cli.app  # noqa: F401 - adds the commands
from upload_client.cli.deliver import deliver
from upload_client.core.receipt import Delivered, IndexNamed, LogTail, ReceiptHead, encode_receipt
from upload_client.receipts.store import local_copy
from upload_client.support import inputs

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a pipe with a name")

LONG = 100_000  # bytes: more than a pipe holds
TABLE = "path,will_transfer\n" + "x,false\n" * (LONG // 8) + "the/last,true\n"
PATTERNS = "# pattern\n" * (LONG // 10) + "the/last\\\n"
TOML = "# a comment\n" * (LONG // 12) + "the_last = 1\n"
SERVED = (
    "# a comment\n" * (LONG // 12) + "serve = {the_last = 1}\ncontrol_bucket = 'c'\nlanding_bucket = 'l'\n"
)
TABLE_SCHEMA = '{"fields": [' + " " * LONG + '{"name": "the_last", "type": "string"}]}'
YAML = "# a comment\n" * (LONG // 12) + "the_last: 1\n"
DELIVERY = ("--dataset", "D", "--delivery-id", "Y")


class Case(NamedTuple):
    """A command line with `{}` for the file, what is in that, and what is said of its last line."""

    line: tuple[str, ...]
    content: str
    says: str = "the_last"
    code: int = 2


CASES = {
    ("", "index"): Case((*DELIVERY, "--source", "data", "--index", "{}"), TABLE, "'the/last'"),
    ("check", "index"): Case(
        ("check", *DELIVERY, "--source", "data", "--index", "{}"), TABLE, "'the/last'"
    ),
    **{
        (command, "exclude_from"): Case((command, *rest, "--exclude-from", "{}"), PATTERNS, "the/last")
        for command, rest in {
            "": (*DELIVERY, "--source", "data"),
            "check": (*DELIVERY, "--source", "data"),
            "index": ("data", "-o", "x.csv"),
            "verify": ("r.json", "--source", "data"),
        }.items()
    },
    **{
        (f"expectations {command}", "exclude_from"): Case(
            ("expectations", command, "data", *rest, "--exclude-from", "{}"), PATTERNS, "the/last"
        )
        for command, rest in {"infer": (), "check": ("--expectations", "e.yaml")}.items()
    },
    ("index", "profile"): Case(("index", "s3://bucket/x", "-o", "x.csv", "--profile", "{}"), TOML),
    **{
        (command, "profile"): Case((command, *DELIVERY, "--profile", "{}"), TOML)
        for command in ("", "check", "status", "report")
    },
    ("receiver serve", "configuration"): Case(("receiver", "serve", "{}"), SERVED),
    **{
        (f"receiver {command}", "on"): Case(("receiver", command, *rest, "--on", "{}"), SERVED)
        for command, rest in {
            "list": (),
            "policy": DELIVERY,
            "probe": DELIVERY,
            "invite": (*DELIVERY, "--user", "maria"),
            "revoke": DELIVERY,
            "show": DELIVERY,
            "operator-policy": ("--for", "serve"),
            "close": DELIVERY,
            "remove": (*DELIVERY, "--because", "expired"),
            "repair": DELIVERY,
            "sign": DELIVERY,
            "validate": DELIVERY,
            "hand-over": (*DELIVERY, "--to", "s3://archive/x/"),
        }.items()
    },
    ("unlock", "profile"): Case(("unlock", *DELIVERY, "--steal", "x", "--profile", "{}"), TOML),
    ("verify", "profile"): Case(("verify", "r.json", "--online", "--profile", "{}"), TOML),
    ("receipt fetch", "profile"): Case(("receipt", "fetch", *DELIVERY, "--profile", "{}"), TOML),
    ("receipt export", "receipt_file"): Case(
        ("receipt", "export", "{}", "--as", "csv", "-o", "x.csv"), "", "x.csv", 0
    ),
    ("receipt show", "receipt_file"): Case(("receipt", "show", "{}"), "", "receipt of D/Y", 0),
    ("receipt date", "receipt_file"): Case(
        ("receipt", "date", "{}", "--tsa", "http://127.0.0.1:9"), "", "a time-stamp lies beside its receipt"
    ),
    ("verify", "tsa_certificates"): Case(
        ("verify", "r.json", "--tsa-cert", "{}"), "nonsense", "holds no certificate in PEM"
    ),
    ("verify", "key_files"): Case(("verify", "r.json", "--key", "{}"), "nonsense", "holds no public key"),
    ("verify", "signature"): Case(("verify", "r.json", "--signature", "{}"), "{}", "no payload", 3),
    ("verify", "against"): Case(("verify", "r.json", "--against", "{}"), "", "the same files", 0),
    ("verify", "receipt"): Case(("verify", "{}"), "", "receipt of D/Y (staging): 1,000 files", 0),
    ("expectations check", "document"): Case(
        ("expectations", "check", "data", "--expectations", "{}"), YAML
    ),
    ("expectations import", "schema"): Case(
        ("expectations", "import", "{}"), TABLE_SCHEMA, "the_last", 0
    ),
    ("expectations export", "document"): Case(
        ("expectations", "export", "{}", "--to", "frictionless"), YAML
    ),
    **{
        (f"schedule {command}", "file"): Case(("schedule", command, "{}", *rest), YAML)
        for command, rest in {"run": (), "once": ("job",), "show": (), "check": ()}.items()
    },
}  # fmt: skip

PRIVATE_KEYS = {"signing_key", "key", "key_name"}  # which nobody hands through a pipe
WRITTEN = {"report", "log_file", "output", "profile_out"}
FOLDERS = {"source", "output_dir", "folder"}
TEXTS = {
    "patterns",
    *("dataset", "delivery_id", "include", "exclude", "max_rate", "patience", "dask", "s3_endpoint"),
    *("buckets", "threads", "page", "steal", "user", "email", "stack", "region", "shard", "job", "moment"),
    *(
        "to",
        "name",
        "select",
        "expect",
        "expect_last",
        "files",
        "tsa",
        "topic",
        "hand_over",
        "endpoint",
        "note",
    ),
}


def parameters(command: click.Command, words: tuple[str, ...] = ()) -> set[tuple[str, str]]:
    """Command and name of each parameter that could name a file."""
    found = {
        (" ".join(words), parameter.name or "")
        for parameter in command.params
        if isinstance(parameter.type, click.Path | click.File)
        or (isinstance(parameter.type, click.types.StringParamType) and not getattr(parameter, "is_flag", 0))
    }
    for name, inner in getattr(command, "commands", {}).items():
        found |= parameters(inner, (*words, name))
    return found


def test_every_parameter_that_names_a_file_to_read_is_tried_here():
    made = ("receiver key make", "file")
    others = PRIVATE_KEYS | WRITTEN | FOLDERS | TEXTS
    assert {found for found in parameters(deliver) if found[1] not in others} - {made} == CASES.keys()


@pytest.fixture
def receipt(tmp_path) -> str:
    """A receipt of a thousand files, more than a pipe holds, as ``r.json`` and as text."""
    when = "2026-01-02T03:04:05.678Z"
    files = [
        Delivered(f"{n:05}", 1, "6Le+Qw==", "ab" * 16, None, "1-0", when, when, "v") for n in range(1000)
    ]
    head = ReceiptHead(
        *("D", "Y", "staging", 1, "a", when, 1000, 1000, "s3://l/D/Y/", "s3://c/D/Y/"),
        *(IndexNamed("staging/index/00000001.csv", "0" * 64), LogTail(0, "1" * 64), (LogTail(0, "2" * 64),)),
        *((), ()),
    )
    with local_copy(head, tmp_path) as copy:
        for _ in copy.of(encode_receipt(head, files)):
            pass
    (tmp_path / "e.yaml").write_text("version: 1\ntypes: [{name: all, files: '*'}]\n")
    (tmp_path / "r.tsr").write_text("a time-stamp")
    os.replace(copy.path, tmp_path / "r.json")  # noqa: PTH105
    return (tmp_path / "r.json").read_text()


@pytest.fixture
def standard_input():
    """Have standard input give this, once."""
    kept, threads = os.dup(0), []

    def give(content: bytes) -> None:
        read, write = os.pipe()
        os.dup2(read, 0)
        os.close(read)

        def fill():
            with contextlib.suppress(BrokenPipeError), os.fdopen(write, "wb") as file:
                file.write(content)

        threads.append(threading.Thread(target=fill, daemon=True))
        threads[-1].start()

    yield give
    os.dup2(kept, 0)
    os.close(kept)
    for thread in threads:
        thread.join(10)


@pytest.mark.parametrize("way", ["pipe", "-"])
@pytest.mark.parametrize("what", CASES, ids=" ".join)
def test_it_is_read_to_its_end_whatever_it_comes_from(
    what, way, tmp_path, data, receipt, monkeypatch, run, standard_input
):
    case = CASES[what]
    content = (case.content or receipt).encode()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(inputs, "_kept", {})
    name = way
    if way == "pipe":
        name = str(tmp_path / "given.toml")
        os.mkfifo(name)
        threading.Thread(target=(tmp_path / "given.toml").write_bytes, args=(content,), daemon=True).start()
    else:
        standard_input(content)
    said = run(*(name if word == "{}" else word for word in case.line if word))
    assert case.says in said.out + said.err
    assert said.code == case.code, said
