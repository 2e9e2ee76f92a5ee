"""People with a folder each, who share one prefix of one store."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import checking_store
import pytest

from upload_client import Bucket
from upload_client.synchrony import S3Connection, SyncOutcome
from upload_client.synchrony.books import table
from upload_client.synchrony.view import JsonView

FAR_AWAY = 10_000_000_000


class Person:
    """Somebody with a folder, who shares it at a bucket's prefix."""

    def __init__(self, folder: Path, name: str, bucket: Bucket, session) -> None:
        self.folder = folder
        self.name = name
        self.bucket = bucket
        self.session = session
        self.said: list[dict] = []

    def write(self, path: str, text: str | bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)

    def delete(self, path: str) -> None:
        (self.folder / path).unlink()

    def files(self) -> dict[str, str]:
        """All that lies in the folder, but for the books."""
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes().decode("utf-8", "backslashreplace")
            for path in self.folder.rglob("*")
            if path.is_file() and ".S3" not in path.relative_to(self.folder).parts
        }

    def connection(self, **options) -> S3Connection:
        self.said = []
        view = JsonView("S3", lambda line: self.said.append(json.loads(line)))
        if "prompt" in options:
            options["view"] = view
        return S3Connection(
            self.folder,
            self.bucket.name,
            self.bucket.prefix.rstrip("/"),
            self.name,
            self.session,
            endpoint_url=self.bucket.client.meta.endpoint_url,
            **{"view": view, **options},
        )

    def sync(self, **options) -> SyncOutcome:
        connection = self.connection(**({"yes": True} | options))
        connection.establish_connection()
        return connection.synchronize()

    def told(self, kind: str) -> list[dict]:
        return [line for line in self.said if line["kind"] == kind]


@pytest.fixture
def person(tmp_path, bucket, session) -> Callable[..., Person]:
    """Makes people: ``person("Anna")``."""

    def make(name: str, at: Bucket = bucket) -> Person:
        return Person(tmp_path / name, name, at, session)

    return make


def shared(bucket: Bucket) -> dict[str, str]:
    """All that lies at the prefix, but for the books."""
    return {
        key: bucket.read(key).decode("utf-8", "backslashreplace")
        for key in bucket.ls()
        if not key.startswith(".S3/")
    }


def versions(bucket: Bucket) -> dict:
    return table(bucket.read(".S3/versions.csv"), "versions.csv")


def books_agree(bucket: Bucket) -> bool:
    """Whether the table names exactly what is listed, with the MD5 of each."""
    import hashlib

    found = {
        key: hashlib.md5(bucket.read(key), usedforsecurity=False).hexdigest()
        for key in bucket.ls()
        if not key.startswith(".S3/")
    }
    return found == {path: row.md5 for path, row in versions(bucket).items()}


def read_as_others_do(data: bytes) -> list[dict[str, str]]:
    """A table as a reader of the old form has it: by its columns, rows with an empty cell dropped."""
    rows = csv.DictReader(io.StringIO(data.decode()))
    columns = ("File", "Edited By", "Time Edited", "Checksum")
    return [{name: row[name] for name in columns} for row in rows if all(row[name] for name in columns)]


def answers(*lines: str) -> Callable[[str], str]:
    """A person who types these, and has been asked nothing else."""
    left = list(lines)

    def prompt(question: str) -> str:
        prompt.asked.append(question)
        assert left, f"nobody expected to be asked: {question}"
        return left.pop(0)

    prompt.asked = []
    prompt.left = left
    return prompt


def posix_only() -> pytest.MarkDecorator:
    return pytest.mark.skipif(os.name == "nt", reason="needs POSIX")


@pytest.fixture
def real_bucket(real_s3, session):
    """An empty bucket of this test alone, with a prefix, at the store that checks."""
    import secrets

    from upload_client.s3.clients import S3Endpoint, s3_client

    client = s3_client(session, S3Endpoint(real_s3), pool=64)
    made = Bucket(f"test-{secrets.token_hex(8)}", prefix="team/trees/", client=client)
    client.create_bucket(Bucket=made.name)
    checking_store.make_room(real_s3, made.name)
    yield made
    for key in made.ls():
        made.rm(key)
    client.delete_bucket(Bucket=made.name)
    client.close()


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a command line here: ``run("sync", "x").code, .out, .err``. Nobody is there to be asked."""
    import sys
    from types import SimpleNamespace

    from upload_client.cli.app import main

    with open(os.devnull) as nobody:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdin", nobody)

        def run(*arguments):
            code = main([str(argument) for argument in arguments])
            said = capsys.readouterr()
            return SimpleNamespace(code=code, out=said.out, err=said.err)

        yield run
