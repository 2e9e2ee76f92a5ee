"""Where this process has too many files open, a file is opened a little later, and is not to blame."""

from __future__ import annotations

import errno
import threading

import pytest

from upload_client.transfer import file_steps
from upload_client.transfer.dataroot import DataRoot
from upload_client.transfer.engine import TransferEngine, TransferTask


class Scarce(DataRoot):
    """A folder whose files open only at the third attempt."""

    def __init__(self, path, number):
        super().__init__(path)
        self.number = number
        self.attempts = {}
        self.mutex = threading.Lock()

    def open(self, path):
        with self.mutex:
            self.attempts[path] = self.attempts.get(path, 0) + 1
            if self.attempts[path] < 3:
                raise OSError(self.number, "Too many open files")
        return super().open(path)


@pytest.mark.parametrize("name", ["direct", "boto3"])
@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_a_file_that_cannot_be_opened_for_want_of_descriptors_waits(
    moto_bucket, tmp_path, monkeypatch, name, number
):
    monkeypatch.setattr(file_steps, "_SCARCE", 0.01)
    for n in range(20):
        (tmp_path / f"{n}.bin").write_bytes(b"x" * (n * 30_000))
    made = TransferEngine(Scarce(tmp_path, number), moto_bucket, n_threads=8, engine=name)
    for n in range(20):
        made.submit(TransferTask(n, f"{n}.bin", f"{n}.bin", f"{n}.bin", size=n * 30_000))
    outcomes = []
    while made.in_flight:
        outcomes += made.poll(1.0)[1]
    made.close()
    assert sorted(outcome.row for outcome in outcomes) == list(range(20))
    assert [outcome.error for outcome in outcomes if not outcome.ok] == []
