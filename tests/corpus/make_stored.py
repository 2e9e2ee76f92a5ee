r"""Makes the files in ``stored``: by the libraries of their fields, which the tests do not ask for.

    pip install eccodes==2.50.0 mcap==1.6.0 uproot==5.7.7 cdflib==1.3.16 psims==1.4.0 \
        fpdf2==2.8.9 pikepdf==10.18.0 fastavro==1.13.1 scipy==1.17.1 pyhdf==0.11.7 py7zr==1.1.4 \
        soundfile==0.14.0 pyedflib==0.1.42 pymseed==1.0.1 segyio==1.9.14 pynrrd==1.1.3 SimpleITK==2.5.7 \
        pyshp==3.1.6 pyBigWig==0.3.29 tfrecord==1.14.6 safetensors==0.8.0
    python tests/corpus/make_stored.py

They are small, and kept, so that the tests open what these libraries have written wherever they run.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "stored"


def grib() -> None:
    import eccodes

    for name, sample in (("one.grib", "regular_ll_sfc_grib1"), ("two.grib2", "regular_ll_sfc_grib2")):
        with Path(name).open("wb") as file:
            for _ in range(2):
                made = eccodes.codes_grib_new_from_samples(sample)
                eccodes.codes_write(made, file)
                eccodes.codes_release(made)


def mcap() -> None:
    from mcap.writer import CompressionType, Writer

    for name, packing, sums in (
        ("zstd.mcap", CompressionType.ZSTD, False),
        ("plain.mcap", CompressionType.NONE, True),
    ):
        with Path(name).open("wb") as file:
            writer = Writer(file, chunk_size=500, compression=packing, enable_data_crcs=sums)
            writer.start()
            schema = writer.register_schema(name="S", encoding="jsonschema", data=b"{}")
            channel = writer.register_channel(schema_id=schema, topic="t", message_encoding="json")
            for n in range(40):
                writer.add_message(
                    channel_id=channel, log_time=n, publish_time=n, data=b'{"n":%d,"x":%d}' % (n, n * 7919)
                )
            writer.finish()


def root() -> None:
    import uproot

    with uproot.recreate("tree.root") as file:
        file["t"] = {"x": np.arange(200, dtype="f8")}
    with uproot.update("tree.root") as file:  # which leaves gaps between its records
        file["h"] = np.histogram(np.arange(100))


def cdf() -> None:
    from cdflib.cdfwrite import CDF

    for name, spec in (("plain.cdf", {}), ("packed.cdf", {"Compressed": 6}), ("sum.cdf", {"Checksum": True})):
        file = CDF(name, cdf_spec=spec)
        file.write_globalattrs({"Title": {0: "a test"}})
        about = {"Variable": "v", "Data_Type": 45, "Num_Elements": 1, "Rec_Vary": True, "Dim_Sizes": []}
        file.write_var({**about, "Compress": 0}, var_data=np.arange(1, 200, dtype="f8"))
        file.close()


def mzml() -> None:
    from psims.mzml import MzMLWriter

    with MzMLWriter(Path("indexed.mzML").open("wb"), close=True) as out:
        out.controlled_vocabularies()
        out.file_description(["MS1 spectrum"])
        out.software_list([{"id": "s", "version": "1", "params": ["python-psims"]}])
        out.instrument_configuration_list([out.InstrumentConfiguration(id="IC1", component_list=[])])
        out.data_processing_list([out.DataProcessing([], id="DP1")])
        with out.run(id="r", instrument_configuration="IC1"), out.spectrum_list(count=3):
            for n in range(3):
                about = ["MS1 Spectrum", {"ms level": 1}]
                out.write_spectrum(np.arange(9.0) + n, np.arange(9.0), id=f"scan={n + 1}", params=about)


def pdf() -> None:
    import pikepdf
    from fpdf import FPDF

    made = FPDF()
    for n in range(3):
        made.add_page()
        made.set_font("Helvetica", size=12)
        made.cell(0, 6, f"page {n}")
    made.output("plain.pdf")
    with pikepdf.open("plain.pdf") as file:
        file.save("linear.pdf", linearize=True)
        file.save("streams.pdf", object_stream_mode=pikepdf.ObjectStreamMode.generate)


def avro() -> None:
    import fastavro

    schema = {
        "type": "record",
        "name": "r",
        "fields": [{"name": "n", "type": "int"}, {"name": "t", "type": "string"}],
    }
    rows = [{"n": n, "t": f"text {n * 7919}"} for n in range(80)]
    for name, codec in (("plain.avro", "null"), ("deflate.avro", "deflate"), ("snappy.avro", "snappy")):
        with Path(name).open("wb") as file:
            fastavro.writer(file, schema, rows, codec=codec, sync_interval=300)


def matlab() -> None:
    from scipy.io import savemat

    content = {"a": np.arange(60.0).reshape(6, 10), "t": "a text", "s": {"x": 1}}
    savemat("five.mat", content)
    savemat("packed.mat", content, do_compression=True)
    del content["s"]
    savemat("four.mat", content, format="4")


def hdf4() -> None:
    from pyhdf.SD import SD, SDC

    file = SD("four.hdf", SDC.WRITE | SDC.CREATE)
    for name, packed in (("plain", False), ("packed", True)):
        made = file.create(name, SDC.INT16, (20, 30))
        if packed:
            made.setcompress(SDC.COMP_DEFLATE, 5)
        made[:] = np.arange(600, dtype="i2").reshape(20, 30)
        made.endaccess()
    file.end()


def archives() -> None:
    import py7zr

    with py7zr.SevenZipFile("archive.7z", "w") as archive:
        archive.writestr(bytes(range(256)) * 3, "a.bin")


def signals() -> None:
    import pyedflib
    import segyio
    import soundfile
    from pymseed import MS3TraceList

    wave = np.sin(np.arange(3000) / 9)
    soundfile.write("tone.flac", wave, 8000)
    soundfile.write("long.wav", wave[:500], 8000, format="RF64")
    for name, kind in (("plain.edf", pyedflib.FILETYPE_EDF), ("plain.bdf", pyedflib.FILETYPE_BDF)):
        file = pyedflib.EdfWriter(name, 1, file_type=kind)
        about = {
            "label": "one",
            "dimension": "uV",
            "sample_frequency": 100,
            "transducer": "",
            "prefilter": "",
        }
        limits = {"physical_max": 2, "physical_min": -2, "digital_max": 9999, "digital_min": -9999}
        file.setSignalHeaders([{**about, **limits}])
        file.writeSamples([wave[:500]])
        file.close()
    for name, version in (("two.mseed", 2), ("three.mseed", 3)):
        traces = MS3TraceList()
        traces.add_data(
            sourceid="FDSN:XX_STA__B_H_Z",
            data_samples=[n * 7919 % 1000 for n in range(1500)],
            sample_type="i",
            sample_rate=40.0,
            starttime_str="2024-01-01T00:00:00Z",
        )
        traces.to_file(name, overwrite=True, format_version=version, max_record_length=512)
    spec = segyio.spec()
    spec.format, spec.samples, spec.tracecount = 5, range(20), 4
    with segyio.create("traces.sgy", spec) as file:
        for n in range(4):
            file.trace[n] = np.arange(20, dtype="f4") + n


def volumes() -> None:
    import nrrd
    import SimpleITK

    values = np.arange(600, dtype="i2").reshape(10, 10, 6)
    for name, encoding in (("plain.nrrd", "raw"), ("packed.nrrd", "gzip")):
        nrrd.write(name, values, {"encoding": encoding})
    for name, packed in (("plain.mha", False), ("packed.mha", True)):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values), name, packed)


def shapes() -> None:
    import shapefile

    with shapefile.Writer("points.shp") as writer:
        writer.field("n", "N")
        for n in range(20):
            writer.point(n, n * 7919 % 100)
            writer.record(n)


def others() -> None:
    import pyBigWig
    from safetensors.numpy import save_file
    from tfrecord import TFRecordWriter

    file = pyBigWig.open("signal.bw", "w")
    file.addHeader([("one", 10_000)])
    places = list(range(0, 1000, 10))
    file.addEntries(["one"] * 100, places, ends=[n + 5 for n in places], values=[n / 7 for n in places])
    file.close()
    writer = TFRecordWriter("records.tfrecord")
    for n in range(9):
        writer.write({"n": (n, "int"), "bytes": (bytes(range(60 + n)), "byte")})
    writer.close()
    save_file({"a": np.arange(60, dtype="f4"), "b": np.arange(9)}, "plain.safetensors")


if __name__ == "__main__":
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    os.chdir(FOLDER)
    for make in (
        grib,
        mcap,
        root,
        cdf,
        mzml,
        pdf,
        avro,
        matlab,
        hdf4,
        archives,
        signals,
        volumes,
        shapes,
        others,
    ):
        make()
