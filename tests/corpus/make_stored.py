r"""Makes the files in ``stored``: by the libraries of their fields, which the tests do not ask for.

    pip install eccodes==2.50.0 mcap==1.6.0 uproot==5.7.7 cdflib==1.3.16 psims==1.4.0 \
        fpdf2==2.8.9 pikepdf==10.18.0 fastavro==1.13.1 scipy==1.17.1 pyhdf==0.11.7 py7zr==1.1.4 \
        soundfile==0.14.0 pyedflib==0.1.42 pymseed==1.0.1 segyio==1.9.14 pynrrd==1.1.3 SimpleITK==2.5.7 \
        pyshp==3.1.6 pyBigWig==0.3.29 tfrecord==1.14.6 safetensors==0.8.0 \
        pyreadstat==1.3.7 pyreadr==0.5.8 xlwt==1.3.0 av==18.1.0 meshio==5.3.5 numpy-stl==4.1.1 pye57==0.4.19 \
        mrcfile==1.5.4 pylibCZIrw==6.1.0 flowio==1.4.0 gemmi==0.7.5 pyogrio==0.13.0 osmium==4.3.2 \
        pmtiles==3.8.1 duckdb==2.0.1 vortex-data==0.93.0 gguf==0.19.0 onnx==1.23.2 \
        rasterio==1.4.4 nibabel==5.4.2 pybv==0.8.1 pyimzML==1.5.5
    python tests/corpus/make_stored.py

They are small, and kept, so that the tests open what these libraries have written wherever they run.
"""

from __future__ import annotations

import os
import shutil
import sys
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


def spss() -> None:
    import pandas as pd
    import pyreadstat

    frame = pd.DataFrame({"n": [1.5 * i for i in range(60)], "word": [f"w{i}" * 3 for i in range(60)]})
    labels = {"variable_value_labels": {"n": {0.0: "none", 1.5: "some"}}, "column_labels": ["a", "b"]}
    pyreadstat.write_sav(frame, "table.sav", **labels)
    pyreadstat.write_sav(frame, "packed.sav", row_compress=True, **labels)
    pyreadstat.write_sav(frame, "table.zsav", compress=True, **labels)
    pyreadstat.write_xport(frame, "table.xpt", file_format_version=5)
    pyreadstat.write_xport(frame, "eight.xpt", file_format_version=8)
    for version, name in ((12, "twelve.dta"), (8, "eight.dta"), (10, "ten.dta")):
        pyreadstat.write_dta(frame, name, version=version, variable_value_labels={})


def r() -> None:
    import pandas as pd
    import pyreadr

    frame = pd.DataFrame({"n": range(60), "word": [f"w{i}" for i in range(60)]})
    pyreadr.write_rds("table.rds", frame, compress="gzip")
    pyreadr.write_rdata("table.RData", frame, df_name="a", compress="gzip")


def office() -> None:
    import xlwt

    book = xlwt.Workbook()
    sheet = book.add_sheet("a")
    for i in range(40):
        sheet.write(i, 0, i)
        sheet.write(i, 1, f"w{i}")
    book.save("book.xls")


def recordings() -> None:
    import av
    import soundfile

    for name, codec in (
        ("moving.mp4", "mpeg4"),
        ("moving.mov", "mpeg4"),
        ("moving.avi", "mpeg4"),
        ("moving.mkv", "mpeg4"),
    ):
        with av.open(name, "w") as out:
            stream = out.add_stream(codec, rate=5)
            stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
            for i in range(5):
                frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), 40 * i, "u1"), format="rgb24")
                out.mux(stream.encode(frame))
            out.mux(stream.encode())
    soundfile.write("tone.ogg", np.sin(np.arange(1000) / 9), 8000)


def meshes() -> None:
    import meshio
    import pye57
    from stl import mesh

    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], "f8")
    cells = [("triangle", np.array([[0, 1, 2], [0, 1, 3], [1, 2, 3]]))]
    meshio.Mesh(points, cells).write("mesh.ply", binary=True)
    meshio.Mesh(points, cells).write("text.ply", binary=False)
    meshio.Mesh(points, cells).write("text.stl", file_format="stl", binary=False)
    made = mesh.Mesh(np.zeros(8, mesh.Mesh.dtype))
    made.vectors[:] = np.arange(72).reshape(8, 3, 3)
    made.save("mesh.stl")
    cloud = pye57.E57("points.e57", mode="w")
    cloud.write_scan_raw({f"cartesian{axis}": np.arange(50) / 7 for axis in "XYZ"})
    cloud.close()


def laboratory() -> None:
    import flowio
    import gemmi
    import mrcfile
    from pylibCZIrw import czi

    with mrcfile.new("density.mrc") as file:
        file.set_data(np.arange(4 * 5 * 6, dtype="f4").reshape(4, 5, 6))
    with czi.create_czi("planes.czi") as document:
        for plane in range(2):
            document.write(
                data=np.arange(64, dtype="u2").reshape(8, 8, 1), plane={"C": 0, "T": plane, "Z": 0}
            )
    with Path("cells.fcs").open("wb") as file:
        flowio.create_fcs(file, [float(i) for i in range(300)], ["FSC", "SSC", "FL1"])
    mtz = gemmi.Mtz(with_base=True)
    mtz.spacegroup = gemmi.SpaceGroup("P 1")
    mtz.set_cell_for_all(gemmi.UnitCell(10, 10, 10, 90, 90, 90))
    mtz.add_dataset("a")
    mtz.add_column("F", "F")
    mtz.set_data(np.arange(80, dtype="f4").reshape(20, 4))
    mtz.write_to_file("reflections.mtz")


def maps() -> None:
    import osmium
    import pyogrio
    from pmtiles.tile import Compression, TileType, zxy_to_tileid
    from pmtiles.writer import Writer

    geometry = np.array([b"\1\1\0\0\0" + np.array([i, i / 3], "<f8").tobytes() for i in range(40)], object)
    fields = [np.arange(40), np.array([f"w{i}" for i in range(40)], object)]
    how = {"field_data": fields, "fields": np.array(["n", "word"], object), "geometry_type": "Point"}
    pyogrio.raw.write("points.fgb", geometry, **how, crs="EPSG:4326")
    pyogrio.raw.write("scattered.fgb", geometry, **how, crs="EPSG:4326", SPATIAL_INDEX="NO")
    pyogrio.raw.write("lines.geojsons", geometry, **how, driver="GeoJSONSeq", crs="EPSG:4326", RS="YES")
    with osmium.SimpleWriter("town.osm.pbf") as writer:
        for i in range(1, 40):
            writer.add_node(osmium.osm.mutable.Node(id=i, location=(i / 9, 1.0), tags={"a": f"w{i}"}))
        writer.add_way(osmium.osm.mutable.Way(id=1, nodes=[1, 2, 3]))
    with Path("tiles.pmtiles").open("wb") as file:
        writer = Writer(file)
        for i in range(4):
            writer.write_tile(zxy_to_tileid(1, i % 2, i // 2), bytes(range(40 + i)))
        header = {"tile_type": TileType.PNG, "tile_compression": Compression.NONE, "center_zoom": 0}
        corners = {f"{side}_{axis}_e7": 0 for side in ("min", "max", "center") for axis in ("lon", "lat")}
        writer.finalize(header | corners, {"name": "a"})


def databases() -> None:
    import duckdb
    import pyarrow as pa
    import vortex

    with duckdb.connect("table.duckdb", config={"default_block_size": 16384}) as connection:
        connection.execute("create table t as select range n from range(100)")
    vortex.io.write(vortex.array(pa.table({"n": list(range(60))})), "table.vortex")


def models() -> None:
    import gguf
    import onnx
    from onnx import helper

    writer = gguf.GGUFWriter("tensors.gguf", "llama")
    writer.add_array("words", ["a", "b"])
    writer.add_tensor("x", np.arange(64, dtype="f4"))
    writer.add_tensor("y", np.zeros((2, 34), "u1"), raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, 3]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "a", [x], [y])
    onnx.save(helper.make_model(graph), "model.onnx")


def structures() -> None:
    import biotite.structure as molecules
    from biotite.structure.io import save_structure

    frames = molecules.AtomArrayStack(7, 30)
    frames.coord = np.random.default_rng(1).normal(size=(7, 30, 3)).astype("f4") * 10
    frames.chain_id[:], frames.res_name[:], frames.res_id[:] = "A", "ALA", np.arange(30) // 5 + 1
    frames.atom_name[:], frames.element[:] = ["N", "CA", "C", "O", "CB"] * 6, ["N", "C", "C", "O", "C"] * 6
    frames.box = np.stack([np.eye(3, dtype="f4") * 50] * 7)
    for name in ("frames.xtc", "frames.trr", "frames.dcd", "structure.pdb", "structure.bcif"):
        save_structure(name, frames)


def logs() -> None:
    from nptdms import ChannelObject, RootObject, TdmsWriter
    from segy.factory import SegyFactory
    from segy.standards import get_segy_standard

    with TdmsWriter("log.tdms", index_file=True) as writer:
        for run in range(3):
            channels = [
                ChannelObject("g", "a", np.arange(50.0) * run),
                ChannelObject("g", "b", np.arange(50, dtype="i4")),
            ]
            writer.write_segment([RootObject(properties={"run": run}), *channels])
    factory = SegyFactory(spec=get_segy_standard(2.1), sample_interval=2000, samples_per_trace=25)
    samples = factory.create_trace_sample_template(6)
    samples[:] = np.arange(150).reshape(6, 25)
    traces = factory.create_traces(factory.create_trace_header_template(6), samples)
    head = factory.create_textual_header() + factory.create_binary_header()
    Path("second.sgy").write_bytes(head + traces)


def pairs() -> None:
    """What describes values that lie in another file, and these."""
    import nibabel
    import nrrd
    import rasterio
    import SimpleITK
    from pybv import write_brainvision
    from pyimzml.ImzMLWriter import ImzMLWriter

    values = np.arange(600, dtype="i2").reshape(10, 10, 6)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values), "volume.mhd")
    nrrd.write("values.nhdr", values, {"encoding": "raw"}, detached_header=True)
    nibabel.save(nibabel.Nifti1Pair(values, np.eye(4)), "brain.img")
    events = [{"onset": 5, "description": 1}]
    write_brainvision(
        data=np.arange(90).reshape(3, 30) * 1e-6,
        sfreq=100,
        ch_names=["a", "b", "c"],
        fname_base="signal",
        folder_out=".",
        events=events,
    )
    with ImzMLWriter("spots.imzML") as writer:
        for i in range(3):
            writer.addSpectrum(np.arange(20.0), np.arange(20.0) * i, (i + 1, 1))
    how = {"width": 8, "height": 5, "count": 2, "dtype": "float32"}
    for name, driver in (("scene.dat", "ENVI"), ("grid.bil", "EHdr")):
        with rasterio.open(name, "w", driver=driver, **how) as file:
            file.write(np.arange(80, dtype="f4").reshape(2, 5, 8))


def grids() -> None:
    """Zarr with chunks of different lengths and codecs of its newer versions, which need Python 3.12."""
    import tempfile
    import zipfile

    import zarr
    from zarr.codecs import BytesCodec, CastValue, ScaleOffset

    values = np.arange(13 * 21).reshape(13, 21) + 100
    small = CastValue(data_type="int16")
    gap = {"encode": [("NaN", 65535)], "decode": [(65535, "NaN")]}
    regular, wide = {"chunks": (6, 8)}, {"chunks": (6, 8), "dtype": "f8"}
    arrays = {
        "rect": {"chunks": [[5, 5, 3], [10, 11]]},
        "rect_rle": {"chunks": [[4, 4, 4, 1], [7, 7, 7]]},
        "rect_mixed": {"chunks": [6, [10, 11]]},
        "rect_plain": {"chunks": [[5, 5, 3], [10, 11]], "compressors": None},
        "rect_shard": {"chunks": (1, 1), "shards": [[5, 5, 3], [10, 11]]},
        "rect_shard2": {"chunks": (1, 1), "shards": [[6, 7], [7, 14]]},
        "so_f": wide | {"filters": [ScaleOffset(offset=100, scale=2)]},
        "so_i": regular | {"filters": [ScaleOffset(offset=100, scale=2)]},
        "cast": wide | {"filters": [small]},
        "cast_so": wide | {"filters": [ScaleOffset(offset=100, scale=2), small]},
        "cast_big": wide | {"filters": [small], "serializer": BytesCodec(endian="big")},
        "shard_cast": {"chunks": (3, 4), "shards": (6, 8), "filters": [small], "dtype": "f8"},
        "nan": wide | {"filters": [CastValue(data_type="uint16", scalar_map=gap)], "fill_value": np.nan},
    }
    with tempfile.TemporaryDirectory() as folder, zarr.config.set({"array.rectilinear_chunks": True}):
        group = zarr.open_group(f"{folder}/g.zarr", mode="w", zarr_format=3)
        for name, how in arrays.items():
            array = group.create_array(name, shape=values.shape, **{"dtype": "i4"} | how)
            array[...] = values
            if name == "nan":
                array[2, 3] = np.nan
        with zipfile.ZipFile(FOLDER.with_name("zarr-3.4.zip"), "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(Path(folder).rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(folder).as_posix())


def blocks() -> None:
    """Arrays of N5."""
    import tempfile
    import zipfile

    import tensorstore

    values = (np.arange(13 * 21).reshape(13, 21) + 100).astype("u2")
    packings = {name: {"type": name} for name in ("raw", "gzip", "bzip2", "xz", "zstd")}
    packings["zlib"] = {"type": "gzip", "useZlib": True}
    packings["blosc"] = {"type": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1}
    with tempfile.TemporaryDirectory() as folder:
        for name, packing in packings.items():
            metadata = {"dataType": "uint16", "dimensions": [13, 21], "blockSize": [6, 8]}
            how = {"driver": "n5", "metadata": metadata | {"compression": packing}}
            how["kvstore"] = {"driver": "file", "path": f"{folder}/g.n5/in/{name}"}
            tensorstore.open(how, create=True).result().write(values).result()
        with zipfile.ZipFile(FOLDER.with_name("n5.zip"), "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(Path(folder).rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(folder).as_posix())


if __name__ == "__main__":
    if sys.argv[1:] in (["grids"], ["blocks"]):
        globals()[sys.argv[1]]()
        sys.exit()
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
        spss,
        r,
        office,
        recordings,
        meshes,
        laboratory,
        maps,
        databases,
        models,
        structures,
        logs,
    ):
        make()
    pairs_folder = FOLDER.with_name("pairs")
    shutil.rmtree(pairs_folder, ignore_errors=True)
    pairs_folder.mkdir()
    os.chdir(pairs_folder)
    pairs()
