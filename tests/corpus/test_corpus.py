"""Files as their libraries make them open; cut, changed or with zeros at their end they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpus.makers import MAKERS, cuts, flips, zeroed
from corpus.opened import opened

WITHOUT_END = {
    *("table.csv", "calls.vcf", "reads.fastq"),  # a text ends anywhere; what is left are whole lines
    *("image.fits", "pages.tif"),  # what is cut is padding
    "tree.asdf",  # what is cut is the index of its blocks, which may be left out
    "deflated.dcm",  # its last bytes are padding, or say again that it ends
    "points.laz",  # the table at its end is packed, and its length not told
}
WITH_CHECKSUMS = {
    *("table.csv.gz", "table.csv.bz2", "table.csv.xz", "data.zip", "data.tar.gz", "table.parquet"),
    *("image.fits", "image.fits.gz", "tree.asdf", "volume.nii.gz", "reads.bam", "reads.cram"),
    "packed.tif",
    *("calls.vcf.gz", "calls.bcf", "reads.fastq.gz"),
}


@pytest.mark.parametrize("name", MAKERS)
def test_what_its_library_has_made_opens(name):
    assert opened(name, MAKERS[name]()) == ""


@pytest.mark.parametrize("name", [name for name in MAKERS if name not in WITHOUT_END])
def test_what_is_cut_does_not_open(name):
    data = MAKERS[name]()
    assert [len(cut) for cut in cuts(data, 5) if not opened(name, cut)] == []


@pytest.mark.parametrize("name", sorted(WITH_CHECKSUMS))
def test_what_has_checksums_does_not_open_with_a_byte_changed_or_zeros_at_its_end(name):
    data = MAKERS[name]()
    damaged = [one for damage in (flips, zeroed) for one in damage(data, 4) if one != data]
    assert [i for i, one in enumerate(damaged) if not opened(name, one)] == []


def test_a_directory_of_dicom_files_opens():
    pytest.importorskip("pydicom")
    from pydicom.data import get_testdata_file

    path = get_testdata_file("DICOMDIR-empty.dcm", download=False)
    if path is None:
        pytest.skip("pydicom brings no such file any more")
    assert opened("a.dcm", Path(path).read_bytes()) == ""
