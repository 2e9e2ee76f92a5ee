"""A file that changes while a run finds out where it starts."""

import os

from faults.memory import MemoryBucket, MemoryStore, VirtualClock

from upload_client.core import checksums
from upload_client.core.files import FileLedger
from upload_client.core.history import DeliveryHistory
from upload_client.delivery.plan import make_plan
from upload_client.s3.bucket import ObjectInfo
from upload_client.transfer.dataroot import DataRoot

CONTENT, CHANGED = b"the first", b"the other"


class Landing(MemoryBucket):
    """It holds what an earlier run sent and could not announce."""

    def head(self, key):
        body, written = self.store.objects[key]
        crc32 = checksums.encode(checksums.crc32(body))
        return ObjectInfo(key, len(body), "0" * 32, written, crc32)


class Root(DataRoot):
    """As soon as a file has been opened, another takes its place."""

    def open(self, path):
        file = super().open(path)
        other = self.path / "other"
        other.write_bytes(CHANGED)
        os.utime(other, ns=(2, 2))
        other.replace(self.path / path)
        return file


def test_its_new_time_does_not_vouch_for_its_old_content(tmp_path):
    (tmp_path / "a").write_bytes(CONTENT)
    os.utime(tmp_path / "a", ns=(1, 1))
    landing = Landing(MemoryStore(VirtualClock()))
    landing.put("a", CONTENT)
    ledger = FileLedger(["a"], abspaths=f"{tmp_path}/", max_retries=1)
    make_plan(
        ledger,
        DeliveryHistory(ledger.rows),
        epoch=2,
        root=Root(tmp_path),
        sources=None,
        landing=landing,
        resend_invalid=False,
        n_threads=1,
    )
    assert ledger.state(0) == "done"
    assert ledger.upload(0).crc32 == checksums.encode(checksums.crc32(CONTENT))
    assert ledger.upload(0).mtime_ns == 1
