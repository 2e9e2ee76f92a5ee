"""Syncs between folders of this machine and buckets of a store that checks checksums."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from upload_client import Bucket


@dataclass
class World:
    """A folder, two buckets, and what was warned of."""

    folder: Path
    bucket: Bucket
    other: Bucket
    warnings: list[str] = field(default_factory=list)

    def write(self, path: str, content: str | bytes) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def put(self, key: str, content: str | bytes, bucket: Bucket | None = None) -> None:
        (bucket or self.bucket).put(key, content.encode() if isinstance(content, str) else content)

    def files(self, below: str) -> dict[str, str]:
        root = self.folder / below
        return {
            path.relative_to(root).as_posix(): path.read_text(errors="backslashreplace")
            for path in root.rglob("*")
            if path.is_file()
        }

    def objects(self, bucket: Bucket, below: str = "") -> dict[str, str]:
        return {
            info.key.removeprefix(below): bucket.read(info.key).decode(errors="backslashreplace")
            for info in bucket.list(below)
        }

    def uri(self, key: str = "", bucket: Bucket | None = None) -> str:
        return f"s3://{(bucket or self.bucket).name}/{key}"

    def path(self, path: str) -> str:
        return str(self.folder / path) + "/" * path.endswith("/")

    def sync(self, source: str, target: str, **options):
        from upload_client.functions.data_sync.models import DataSyncRequest
        from upload_client.functions.data_sync.sync import run_sync

        self.warnings.clear()
        request = DataSyncRequest(source_path=source, destination_path=target, **options)
        return run_sync(request, self.warnings.append)


@pytest.fixture
def world(
    tmp_path: Path, make_bucket: Callable[..., Bucket], store, monkeypatch: pytest.MonkeyPatch
) -> World:
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.endpoint_url)
    return World(tmp_path, make_bucket(), make_bucket())
