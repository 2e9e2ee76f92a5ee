"""Parquet, FITS and ASDF open in processes of their own, which no file can misuse."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from upload_client.validator.content import Unreadable
from upload_client.validator.readers import Limits, ReaderWorkers

TOY = Path(__file__).resolve().parents[3] / "shared" / "data" / "fast-toy"

pytest.importorskip("pyarrow")
pytest.importorskip("astropy")
pytest.importorskip("asdf")


def make(kind: str) -> bytes:
    """A small file of that kind, by its own library."""
    import numpy as np

    data = io.BytesIO()
    if kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"x": list(range(5000))}), data)
    elif kind == "fits":
        from astropy.io import fits

        image = fits.ImageHDU(np.arange(10_000.0))
        fits.HDUList([fits.PrimaryHDU(), image, fits.ImageHDU(np.arange(10_000.0))]).writeto(data)
    else:
        import asdf

        asdf.AsdfFile({"x": np.arange(10_000.0), "name": "toy"}).write_to(data)
    return data.getvalue()


KINDS = ["parquet", "fits", "asdf"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_library_wrote_opens(reader_workers, kind):
    data = make(kind)
    reader_workers.open(kind, len(data), lambda offset, n: data[offset : offset + n])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", ["cut", "empty", "zeros", "text"])
def test_what_is_damaged_does_not(reader_workers, kind, damage):
    data = make(kind)
    data = {"cut": data[:-6000], "empty": b"", "zeros": bytes(len(data)), "text": b"hello\n" * 999}[damage]
    with pytest.raises(Unreadable, match=f"does not open as {kind}"):
        reader_workers.open(kind, len(data), lambda offset, n: data[offset : offset + n])


@pytest.mark.parametrize("path", sorted(TOY.glob("*/*/*.*")), ids=lambda path: "/".join(path.parts[-3:]))
def test_files_that_somebody_else_made_open(reader_workers, path):
    data = path.read_bytes()
    reader_workers.open(path.suffix[1:], len(data), lambda offset, n: data[offset : offset + n])


def test_there_are_such_files():
    if not TOY.exists():
        pytest.skip("the shared data is not there")
    assert len(list(TOY.glob("*/*/*.*"))) == 12


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process' memory reliably")
def test_a_file_that_would_fill_the_memory_does_not_open_and_the_next_one_does(reader_workers):
    import asdf
    import numpy as np

    data = io.BytesIO()
    asdf.AsdfFile({"x": np.zeros(1000)}).write_to(data, all_array_compression="zlib")
    bomb = bytearray(data.getvalue())
    # The block's header promises 3 GiB once it is decompressed (ASDF standard, "Blocks").
    says = bomb.index(b"\xd3BLK") + 4 + 2 + 4 + 4 + 8 + 8
    bomb[says : says + 8] = (3 << 30).to_bytes(8, "big")
    with pytest.raises(Unreadable, match="takes too much memory"):
        reader_workers.open("asdf", len(bomb), lambda offset, n: bytes(bomb[offset : offset + n]))
    sound = make("asdf")
    reader_workers.open("asdf", len(sound), lambda offset, n: sound[offset : offset + n])


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1_500_000_000,) * 2)
from pathlib import Path
from upload_client.expectations.findings import Undecided
from upload_client.validator.content import Unreadable
from upload_client.validator.readers import ReaderWorkers

data = Path(sys.argv[1]).read_bytes()
with ReaderWorkers(1) as reader_workers:
    try:
        reader_workers.open("asdf", len(data), lambda offset, n: data[offset : offset + n])
    except (Unreadable, Undecided) as error:
        print(isinstance(error, Undecided), error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process' memory reliably")
def test_a_file_is_not_to_blame_where_there_is_less_memory_than_it_may_take(tmp_path):
    import asdf
    import numpy as np

    path = tmp_path / "large.asdf"  # 1.8 GB, which it may have
    asdf.AsdfFile({"x": np.zeros(1000)}).write_to(path, all_array_compression="zlib")
    data = bytearray(path.read_bytes())
    says = data.index(b"\xd3BLK") + 4 + 2 + 4 + 4 + 8 + 8
    data[says : says + 8] = (1_800_000_000).to_bytes(8, "big")
    path.write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("True it takes too much memory, and here is less than a file may take"), (
        done.stdout + done.stderr
    )


def test_a_file_that_takes_too_long_is_given_up():
    # The process waits for bytes that do not come: to it, and to the clock, that is one long readers.
    sound = b"RIFF\x28\0\0\0WAVEdata\4\0\0\0" + bytes(4)
    with ReaderWorkers(1, Limits(wall_seconds=2)) as reader_workers:
        # No library is loaded for it, which on a busy machine alone takes as long.
        reader_workers.open("wav", len(sound), lambda offset, n: sound[offset : offset + n])
        process = reader_workers._take()
        reader_workers._pool.keep(reader_workers, process)

        def never(_offset: int, n: int) -> bytes:
            process.wait()
            return bytes(n)

        with pytest.raises(Unreadable, match="takes longer than 2 seconds"):
            reader_workers.open("wav", 10_000, never)


def test_what_reading_raises_passes_through_and_the_next_file_opens():
    class LostError(Exception):
        pass

    def lose(_offset: int, _n: int) -> bytes:
        raise LostError

    data = make("fits")
    with ReaderWorkers(1) as reader_workers:
        with pytest.raises(LostError):
            reader_workers.open("fits", len(data), lose)
        reader_workers.open("fits", len(data), lambda offset, n: data[offset : offset + n])


def test_a_message_from_a_library_is_made_safe(reader_workers):
    data = b"\x1b[31mSIMPLE  =                    T\x1b" + b" " * 5000
    with pytest.raises(Unreadable) as caught:
        reader_workers.open("fits", len(data), lambda offset, n: data[offset : offset + n])
    assert "\x1b" not in str(caught.value)


def test_closing_ends_every_process():
    with ReaderWorkers(1) as reader_workers:
        data = make("parquet")
        reader_workers.open("parquet", len(data), lambda offset, n: data[offset : offset + n])
        ((_, process),) = reader_workers._pool._idle
        assert process.poll() is None
    assert process.poll() is not None
    assert os.name == "nt" or process.returncode == -9
