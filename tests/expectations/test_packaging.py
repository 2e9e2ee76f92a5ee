"""What a manifest promises is there and is so: packages made by the field's own libraries, then damaged."""

from __future__ import annotations

import hashlib
import json
import shutil
import tracemalloc
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.expectations import packaging
from upload_client.expectations.packaging import Listed, judge, payloads
from upload_client.preflight import packages
from upload_client.preflight.packages import check_packages

np = pytest.importorskip("numpy")


def files_of(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def said(folder: Path, **how) -> dict[str, str]:
    """What is said of each manifest."""
    return {path: what for path, what, _ in check_packages(folder, files_of(folder), **how)}


def wrong(folder: Path, **how) -> dict[str, str]:
    return {path: what for path, what, kept in check_packages(folder, files_of(folder), **how) if not kept}


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


KEYS = (
    *("@graph", "@type", "@id", "File", "resources", "path", "extrapaths", "hash", "bytes", "conformsTo"),
    *("distribution", "contentUrl", "zarr_format", "node_type", "shape", "chunks", "dtype", "compressor"),
    *("chunk_grid", "chunk_key_encoding", "codecs", "configuration", "name", "chunk_shape", "data_type"),
)


def json_of(inner):
    return st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)


# --- BagIt -------------------------------------------------------------------------------------


@pytest.fixture
def bag(tmp_path):
    bagit = pytest.importorskip("bagit")
    folder = tmp_path / "in" / "bag"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.txt", "b 100%.bin", "sub/ü.dat"):
        (folder / name).write_bytes(name.encode() * 40)
    bagit.make_bag(str(folder), {"Contact-Name": "N. N."}, checksums=["md5", "sha256"])
    assert wrong(folder.parent) == {}
    return folder


def test_a_bag_is_whole_as_the_library_makes_it(bag):
    told = said(bag.parent)
    assert told["bag/manifest-sha256.txt"] == "BagIt manifest: 3 files there, 3 checksums compared"
    assert told["bag/tagmanifest-md5.txt"] == "tag manifest: 4 files there, 4 checksums compared"


def test_a_file_of_a_bag_that_is_missing_changed_or_too_much_is_noticed(bag):
    whole = bag.with_name("whole")
    shutil.copytree(bag, whole)
    (bag / "data/a.txt").unlink()
    assert wrong(bag)["manifest-sha256.txt"].endswith("'data/a.txt' is not in the delivery")
    assert "should be below 'data/'" in wrong(bag)["bag-info.txt"]
    assert wrong(bag, complete=False) == {}  # of a sample nothing is missing
    flip(whole / "data/sub/ü.dat")
    assert wrong(whole)["manifest-md5.txt"].endswith("'data/sub/ü.dat' has another md5 than it says")
    shutil.copytree(whole / "data/sub", whole / "data/more")
    assert "1 file below 'data/' is not named in it" in wrong(whole)["manifest-sha256.txt"]


def test_a_tag_file_that_was_changed_is_noticed(bag):
    (bag / "bag-info.txt").write_text((bag / "bag-info.txt").read_text() + "External-Identifier: x\n")
    assert list(wrong(bag)) == ["tagmanifest-md5.txt", "tagmanifest-sha256.txt"]


def test_a_declaration_that_is_none_or_stands_alone_is_noticed(bag):
    (bag / "bagit.txt").write_text("BagIt-Version: one\n")
    assert "no declaration of a bag" in wrong(bag)["bagit.txt"]
    for name in ("manifest-md5.txt", "manifest-sha256.txt"):
        (bag / name).unlink()
    (bag / "bagit.txt").write_text("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    assert "there is no manifest beside it" in wrong(bag)["bagit.txt"]


def test_a_holey_bag_may_lack_what_is_to_be_fetched(bag):
    (bag / "data/a.txt").unlink()
    (bag / "fetch.txt").write_text("https://example.org/a.txt 200 data/a.txt\n")
    assert list(wrong(bag)) == []  # nor does Payload-Oxum count what is still to come


def shared_bag(folder: Path, version: str) -> None:
    """A bag of which each manifest names one of two files."""
    (folder / "data").mkdir()
    for name, algorithm in (("a", "md5"), ("b", "sha256")):
        (folder / "data" / name).write_text(name)
        digest = hashlib.new(algorithm, name.encode()).hexdigest()
        (folder / f"manifest-{algorithm}.txt").write_text(f"{digest}  data/{name}\n")
    declared = f"BagIt-Version: {version}\nTag-File-Character-Encoding: UTF-8\n"
    (folder / "bagit.txt").write_text(declared)


def test_manifests_of_a_bag_may_share_its_files_up_to_version_0_97(tmp_path):
    shared_bag(tmp_path, "0.97")
    assert wrong(tmp_path) == {}
    (tmp_path / "data/c").write_text("c")
    assert list(wrong(tmp_path)) == ["manifest-md5.txt", "manifest-sha256.txt"]


def test_each_manifest_of_a_bag_names_all_files_from_version_1_on(tmp_path):
    shared_bag(tmp_path, "1.0")
    for said_of in wrong(tmp_path).values():
        assert "1 file below 'data/' is not named in it" in said_of
    assert len(wrong(tmp_path)) == 2


def test_a_file_that_three_manifests_name_is_read_once(tmp_path, monkeypatch):
    bagit = pytest.importorskip("bagit")
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "b.txt").write_text("y")
    bagit.make_bag(str(tmp_path), checksums=["md5", "sha256", "sha512"])
    read = []
    once = packages._Folder._read
    monkeypatch.setattr(packages._Folder, "_read", lambda *how: read.append(how[1]) or once(*how))
    assert wrong(tmp_path) == {}
    assert len([path for path in read if path.startswith("data/")]) == 2
    assert len(read) == len(set(read))
    flip(tmp_path / "data/a.txt")
    assert sorted(path for path in wrong(tmp_path) if not path.startswith("tag")) == [
        f"manifest-{name}.txt" for name in ("md5", "sha256", "sha512")
    ]


def test_a_bag_is_whole_where_names_are_not_as_its_manifest_spells_them(tmp_path):
    bagit = pytest.importorskip("bagit")
    (tmp_path / "a%25b.txt").write_text("x")  # the library writes a percent sign as it is
    (tmp_path / "c%0Ad.txt").write_text("x")
    (tmp_path / unicodedata.normalize("NFD", "ä.txt")).write_text("x")
    bagit.make_bag(str(tmp_path), checksums=["sha256"])
    manifest = tmp_path / "manifest-sha256.txt"
    (tmp_path / "tagmanifest-sha256.txt").unlink()
    manifest.write_text(unicodedata.normalize("NFC", manifest.read_text()))
    assert wrong(tmp_path) == {}
    assert said(tmp_path)["manifest-sha256.txt"] == "BagIt manifest: 3 files there, 3 checksums compared"


def test_a_bag_may_have_other_checksums_and_encodings_than_are_compared_here(tmp_path):
    bagit = pytest.importorskip("bagit")
    (tmp_path / "a.txt").write_text("x")
    bagit.make_bag(str(tmp_path), checksums=["sha3_256"])
    assert wrong(tmp_path) == {}
    (tmp_path / "manifest-md5.txt").write_bytes(b"0" * 32 + b"  data/\xe4.txt\n")
    (tmp_path / "bag-info.txt").write_bytes(b"Contact-Name: \xe4\nPayload-Oxum: 2.1\n")
    (tmp_path / "tagmanifest-sha3_256.txt").unlink()
    assert said(tmp_path)["manifest-md5.txt"] == "BagIt manifest; it is not in UTF-8, and was not looked at"
    assert list(wrong(tmp_path)) == ["bag-info.txt"]


def test_the_files_of_all_bags_are_counted_in_one_pass():
    files = {
        "bagit.txt": 1,
        "data/x": 1,
        "b/bagit.txt": 1,
        "b/data/y": 2,
        "b/data/data/z": None,
        "c/data/d": 4,
    }
    files |= {"data/in/bagit.txt": 5, "data/in/data/w": 6, "b/mydata/q": 7}
    counts = payloads(iter(files.items()), files.__contains__)
    assert counts == {"data/": (3, 12), "b/data/": (2, None), "data/in/data/": (1, 6)}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("ro-crate-metadata.json", b'{"@graph":[' + b"{}," * 2_000_000 + b"{}]}"),
        ("datapackage.json", b'{"a":"' + b"a" * 33_554_432 + b'"}'),
        (".zarray", b"[" * 2_000_001),
        ("a.xml", b'<x xmlns="http://pds.nasa.gov/pds4/pds/v1">' + b"<a>" * 1_000_000),
    ],
    ids=["values", "bytes", "depth", "elements"],
)
def test_what_would_take_much_memory_is_not_held_against_the_delivery(name, data):
    judged = judge(name, data, Nothing())
    assert judged is not None
    assert "not held against the delivery: it has more than" in judged.summary
    assert not judged.findings.n


def test_a_bag_of_more_files_than_are_looked_for_is_no_broken_one(monkeypatch):
    monkeypatch.setattr(packaging, "_MAX_PROMISES", 2)
    lines = b"".join(b"0" * 32 + b"  data/%d\n" % n for n in range(3))
    names = [f"data/{n}" for n in range(3)]
    judged = judge("manifest-md5.txt", lines, Nothing("bagit.txt", *names))
    assert judged.summary == "BagIt manifest not held against the delivery: it promises more than 2 files"
    assert not judged.findings.n
    assert judge("manifest-md5.txt", lines, Nothing("bagit.txt", *names[1:])).findings.n


@pytest.mark.parametrize(
    ("name", "data"),
    [("manifest-md5.txt", b"\n" * 2**24), ("bag-info.txt", b"Payload-Oxum\n" + b" " * 2**24)],
)
def test_a_list_of_a_bag_is_read_without_a_copy(name, data):
    tracemalloc.start()
    judge(name, data, Nothing("bagit.txt"))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**23


class Nothing:
    """A delivery without files, but for those that are named."""

    complete = True
    in_vain = 10**6

    def __init__(self, *paths: str) -> None:
        self.paths = paths

    def find(self, path):
        return Listed(1) if path in self.paths else None

    def below(self, _folder):
        return None

    def content(self, _path, _most):
        return None

    def remember(self, *_said):
        return

    def digests(self, _path, _algorithms):
        return {}


@pytest.mark.parametrize(
    "shape", [["9" * 4000] * 65, ["2"] * 65, [str(2**63)]], ids=["long", "many", "large"]
)
def test_an_array_of_more_axes_or_longer_ones_than_there_are_is_none(shape):
    axes = ",".join(shape).encode()
    ones = b",".join([b"1"] * len(shape))
    data = b'{"zarr_format":2,"shape":[%b],"chunks":[%b],"dtype":"<f8","compressor":null}' % (axes, ones)
    judged = judge(".zarray", data, Nothing())
    assert judged is not None
    assert "cannot be" in str(judged.findings)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), json_of, max_leaves=12))
@pytest.mark.parametrize(
    "name", ["ro-crate-metadata.json", "datapackage.json", "croissant.json", "zarr.json", ".zarray"]
)
def test_whatever_a_description_says_it_is_judged(name, content):
    judge(name, json.dumps(content).encode(), Nothing())


def test_a_list_of_checksums_without_a_bag_promises_nothing(tmp_path):
    (tmp_path / "manifest-sha256.txt").write_text("00  data/x\n")
    assert said(tmp_path) == {}


# --- descriptions ------------------------------------------------------------------------------


def test_an_ro_crate_is_held_against_its_files(tmp_path):
    crate_of = pytest.importorskip("rocrate.rocrate")
    folder = tmp_path / "crate"
    source = tmp_path / "x y.csv"
    source.write_text("a\n1\n")
    crate = crate_of.ROCrate()
    sum_ = hashlib.sha256(source.read_bytes()).hexdigest()
    crate.add_file(source, properties={"contentSize": "4", "sha256": sum_})
    crate.add_file("https://example.org/elsewhere.csv", fetch_remote=False)
    crate.add_directory(tmp_path / "nothing", "nothing/") if (tmp_path / "nothing").mkdir() is None else None
    crate.write(folder)
    assert said(folder) == {"ro-crate-metadata.json": "RO-Crate: 1 file there, 1 checksum compared"}
    (folder / "x y.csv").write_text("a\n12\n")
    assert "'x y.csv' has 5 bytes where it says 4" in wrong(folder)["ro-crate-metadata.json"]
    (folder / "x y.csv").write_text("a\n2\n")
    assert "another sha256" in wrong(folder)["ro-crate-metadata.json"]
    (folder / "x y.csv").unlink()
    assert "'x y.csv' is not in the delivery" in wrong(folder)["ro-crate-metadata.json"]


def test_what_a_crate_has_elsewhere_is_not_looked_for(tmp_path):
    (tmp_path / "12 µ.csv").write_text("x")
    named = (
        "https://example.org/a",
        "nas:/a",
        "urn:a",
        "#a",
        "_:a",
        "mailto:a@example.org",
        "./12%20µ.csv",
    )
    graph = [{"@id": name, "@type": "File"} for name in (*named, "12 µ.csv")]
    (tmp_path / "ro-crate-metadata.json").write_text(json.dumps({"@graph": graph}))
    assert said(tmp_path) == {"ro-crate-metadata.json": "RO-Crate: 2 files there"}


def test_a_part_of_a_file_that_a_crate_names_is_looked_for_as_the_file(tmp_path):
    (tmp_path / "a.csv").write_text("x")
    (tmp_path / "b#2.csv").write_text("x")
    graph = [{"@id": name, "@type": "File", "contentSize": "1"} for name in ("a.csv#row=1", "b#2.csv")]
    (tmp_path / "ro-crate-metadata.json").write_text(json.dumps({"@graph": graph}))
    assert said(tmp_path) == {"ro-crate-metadata.json": "RO-Crate: 2 files there"}
    (tmp_path / "a.csv").unlink()
    assert "'a.csv' is not in the delivery" in wrong(tmp_path)["ro-crate-metadata.json"]


def test_a_pattern_in_a_data_package_promises_no_file_of_that_name(tmp_path):
    (tmp_path / "a.csv").write_text("x")
    (tmp_path / "b[1].csv").write_text("x")
    resources = [{"name": "all", "path": ["*.csv", "b[1].csv"]}]
    (tmp_path / "datapackage.json").write_text(json.dumps({"resources": resources}))
    assert said(tmp_path) == {"datapackage.json": "data package: 1 file there"}


def test_a_data_package_is_held_against_its_files(tmp_path):
    frictionless = pytest.importorskip("frictionless")
    for name in ("a.csv", "b.csv", "c.csv"):
        (tmp_path / name).write_text("x\n1\n")
    how = {"basepath": str(tmp_path)}
    resources = [
        frictionless.Resource(path="a.csv", **how),
        frictionless.Resource(path="b.csv", extrapaths=["c.csv"], **how),
    ]
    package = frictionless.Package(name="survey", resources=resources, basepath=str(tmp_path))
    package.infer(stats=True)
    package.to_json(str(tmp_path / "datapackage.json"))
    assert said(tmp_path) == {"datapackage.json": "data package: 3 files there, 1 checksum compared"}
    (tmp_path / "a.csv").write_text("x\n2\n")
    assert "'a.csv' has another sha256 than it says" in wrong(tmp_path)["datapackage.json"]
    (tmp_path / "c.csv").unlink()
    assert "'c.csv' is not in the delivery" in wrong(tmp_path)["datapackage.json"]


def test_a_croissant_is_held_against_its_files_and_other_metadata_is_none(tmp_path):
    def described(**file) -> None:
        said = {"@type": "cr:FileObject", "@id": "f", "contentUrl": "data/a.csv", **file}
        inside = {"@type": "cr:FileObject", "@id": "g", "contentUrl": "b.csv", "containedIn": {"@id": "f"}}
        several = {"@type": "cr:FileSet", "@id": "s", "includes": "*.csv"}
        content = {
            "conformsTo": "http://mlcommons.org/croissant/1.0",
            "distribution": [said, inside, several],
        }
        (tmp_path / "croissant.json").write_text(json.dumps({"@type": "sc:Dataset", **content}))

    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.csv").write_text("x\n1\n")
    (tmp_path / "metadata.json").write_text("[1]")
    described(contentSize="4 B", md5=hashlib.md5(b"x\n1\n").hexdigest())
    assert said(tmp_path) == {"croissant.json": "Croissant: 1 file there, 1 checksum compared"}
    described(sha256="https://github.com/mlcommons/croissant/issues/80")  # as there is none
    assert wrong(tmp_path) == {}
    described(sha256="0" * 64)
    assert "another sha256" in wrong(tmp_path)["croissant.json"]
    described(contentUrl="../../x")
    assert "leads out of the delivery" in wrong(tmp_path)["croissant.json"]


# --- PDS4 --------------------------------------------------------------------------------------

LABEL = """<?xml version="1.0" encoding="UTF-8"?>
<Product_Observational xmlns="http://pds.nasa.gov/pds4/pds/v1">
  <Identification_Area>
    <logical_identifier>urn:nasa:pds:x:y:z</logical_identifier><version_id>1.0</version_id>
    <title>t</title><information_model_version>1.22.0.0</information_model_version>
    <product_class>Product_Observational</product_class>
  </Identification_Area>
  <File_Area_Observational>
    <File><file_name>a.dat</file_name>{file}</File>
    <Array_2D_Image>
      <offset unit="byte">16</offset><axes>2</axes><axis_index_order>Last Index Fastest</axis_index_order>
      <Element_Array><data_type>IEEE754LSBSingle</data_type></Element_Array>
      <Axis_Array><axis_name>Line</axis_name><elements>6</elements><sequence_number>1</sequence_number></Axis_Array>
      <Axis_Array><axis_name>Sample</axis_name><elements>5</elements><sequence_number>2</sequence_number></Axis_Array>
    </Array_2D_Image>
    <Table_Binary>
      <offset unit="byte">136</offset><records>3</records>
      <Record_Binary><fields>1</fields><groups>0</groups><record_length unit="byte">4</record_length>
        <Field_Binary><name>n</name><field_number>1</field_number>
          <field_location unit="byte">1</field_location>
          <data_type>SignedMSB4</data_type><field_length unit="byte">4</field_length></Field_Binary>
      </Record_Binary>
    </Table_Binary>
  </File_Area_Observational>
</Product_Observational>
"""


@pytest.fixture
def product(tmp_path):
    data = b"\0" * 16 + np.arange(30, dtype="<f4").tobytes() + np.arange(3, dtype=">i4").tobytes()
    (tmp_path / "a.dat").write_bytes(data)
    md5 = hashlib.md5(data).hexdigest()
    file = f'<file_size unit="byte">{len(data)}</file_size><md5_checksum>{md5}</md5_checksum>'
    (tmp_path / "a.xml").write_text(LABEL.format(file=file))
    return tmp_path


def test_a_label_is_held_against_its_data_as_the_library_reads_it(product):
    pds4_tools = pytest.importorskip("pds4_tools")
    read = pds4_tools.read(str(product / "a.xml"), quiet=True)
    assert [one.data.shape for one in read] == [(6, 5), (3,)]
    assert said(product) == {"a.xml": "PDS4 label: 1 file there, 1 checksum compared"}


def test_data_that_is_cut_changed_or_missing_is_noticed_by_its_label(product):
    whole = (product / "a.dat").read_bytes()
    (product / "a.dat").write_bytes(whole[:-1])
    assert "'a.dat' has 147 bytes where it says 148" in wrong(product)["a.xml"]
    (product / "a.xml").write_text(LABEL.format(file=""))
    assert "'a.dat' has 147 bytes where it needs 148 at least" in wrong(product)["a.xml"]
    (product / "a.dat").unlink()
    assert "'a.dat' is not in the delivery" in wrong(product)["a.xml"]


def test_a_label_that_is_cut_is_noticed_and_xml_of_others_is_none(product):
    text = (product / "a.xml").read_text()
    (product / "a.xml").write_text(text[:-30])
    assert "not whole XML" in wrong(product)["a.xml"]
    (product / "a.xml").write_text("<!DOCTYPE x [<!ENTITY a 'b'>]>" + text.partition("?>")[2])
    assert "has a document type" in wrong(product)["a.xml"]
    (product / "a.xml").write_text(
        text.replace("<Identification_Area>", "<!-- no <!DOCTYPE --><Identification_Area>")
    )
    assert wrong(product) == {}
    (product / "a.xml").write_text("<x>&y;")
    assert said(product) == {}


# --- Zarr --------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("how", ["packed", "plain", "shards"])
def test_an_array_of_zarr_is_held_against_its_chunks(tmp_path, version, how):
    zarr = pytest.importorskip("zarr")
    if version == 2 and how == "shards":
        pytest.skip("there are none")
    options = {"packed": {}, "plain": {"compressors": None}, "shards": {"shards": (4, 4)}}[how]
    group = zarr.open_group(tmp_path / "g.zarr", mode="w", zarr_format=version)
    array = group.create_array("a", shape=(8, 10), chunks=(2, 2), dtype="i4", **options)
    array[:4] = 1
    group.create_array("scalar", shape=(), dtype="f8")[()] = 3.0
    group.create_array("empty", shape=(0,), chunks=(1,), dtype="f8")
    # Zarr up to 3.1 made chunks of nothing, later ones read them alone
    meta = tmp_path / "g.zarr/empty" / ("zarr.json" if version == 3 else ".zarray")
    told = json.loads(meta.read_text())
    if version == 3:
        told["chunk_grid"]["configuration"]["chunk_shape"] = [0]
    else:
        told["chunks"] = [0]
    meta.write_text(json.dumps(told))
    zarr.consolidate_metadata(tmp_path / "g.zarr")
    assert wrong(tmp_path) == {}
    name = "zarr.json" if version == 3 else ".zarray"
    told = said(tmp_path)[f"g.zarr/a/{name}"]
    n_there, n = (3, 6) if how == "shards" else (10, 20)
    assert f"{n_there} of {n} chunks are there, the others are the fill value" in told
    chunk = next(
        path for path in sorted((tmp_path / "g.zarr/a").rglob("*")) if path.is_file() and "0" in path.name
    )
    chunk.write_bytes(chunk.read_bytes()[:-1] if how == "plain" else b"")
    assert "bytes where it" in wrong(tmp_path)[f"g.zarr/a/{name}"]
    (tmp_path / "g.zarr/scalar" / name).unlink()
    of_all = "g.zarr/zarr.json" if version == 3 else "g.zarr/.zmetadata"
    assert f"'g.zarr/scalar/{name}' is not in the delivery" in wrong(tmp_path)[of_all]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("zarr.json", {"zarr_format": 2}, "its zarr_format is 2, and not 3"),
        (".zarray", {"zarr_format": 2, "shape": [3]}, "it lacks what it should have ('chunks')"),
        (".zarray", {"zarr_format": 2, "shape": [3], "chunks": [0]}, "cannot be"),
        (".zarray", {"zarr_format": 2, "shape": [3], "chunks": [1, 1]}, "do not go together"),
        ("zarr.json", [], "it is no JSON object"),
        (".zattrs", [], "it is no JSON object"),
        ("datapackage.json", {"resources": []}, "it has no resources"),
        ("ro-crate-metadata.json", {}, "it has no @graph"),
    ],
    ids=str,
)
def test_metadata_that_cannot_be_is_refused(tmp_path, name, content, says):
    (tmp_path / name).write_text(json.dumps(content))
    assert says in wrong(tmp_path)[name]


def test_of_an_array_of_more_chunks_than_anybody_has_the_first_are_looked_for(tmp_path):
    array = {
        "zarr_format": 2,
        "shape": [10**9],
        "chunks": [1],
        "dtype": "<f8",
        "compressor": {},
        "filters": None,
    }
    (tmp_path / ".zarray").write_text(json.dumps(array))
    (tmp_path / "7").write_bytes(b"x")
    told = said(tmp_path)[".zarray"]
    assert "1 of 10,008 chunks are there" in told
    assert "999,989,992 more were not looked for" in told
    array["chunks"] = [10**4]
    (tmp_path / ".zarray").write_text(json.dumps(array))
    for number in range(0, 100_001, 9_000):
        (tmp_path / str(number)).write_bytes(b"x")
    assert "13 of 100,000 chunks are there, the others are the fill value" in said(tmp_path)[".zarray"]


def test_many_arrays_that_name_more_chunks_than_there_are_take_no_time_of_others():
    array = {"zarr_format": 2, "shape": [10**9], "chunks": [1], "dtype": "<f8", "compressor": {}}
    data = json.dumps(array | {"filters": None}).encode()
    listing = Nothing()
    listing.in_vain, asked = 25_000, []
    find = listing.find
    listing.find = lambda path: asked.append(path) or find(path)
    for number in range(100):
        judge(f"{number}.zarr/.zarray", data, listing)
    assert len(asked) == 25_000 + 97 * 16  # a few of each are looked for all the same


@pytest.mark.parametrize(
    "pointer",
    [
        "/annex/objects/SHA256E-s5--486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7.dat\n",
        "version https://git-lfs.github.com/spec/v1\noid sha256:486e\nsize 5\n",
    ],
    ids=["git-annex", "Git LFS"],
)
def test_a_file_that_was_never_fetched_is_a_problem_and_a_warning(tmp_path, pointer):
    from upload_client.index import scan
    from upload_client.index.accidents import notice
    from upload_client.index.files import files_of

    (tmp_path / "a.dat").write_text(pointer)
    (tmp_path / "b.dat").write_text("world")
    assert "fetch the file itself (git lfs pull, datalad get)" in wrong(tmp_path)["a.dat"]
    assert notice(files_of(scan(tmp_path)), tmp_path) == []
    (tmp_path / ".gitattributes").write_text("* annex.largefiles=anything\n")
    (accident,) = notice(files_of(scan(tmp_path)), tmp_path)
    assert "pointers of Git LFS" in str(accident)
    assert "a.dat" in str(accident)


def looked_at(folder: Path):
    """The finding of `check --content` about all files of a folder."""
    from types import SimpleNamespace

    from upload_client.index import Choice
    from upload_client.preflight.files import look_at_content
    from upload_client.preflight.run import Data

    files = sorted(path for path in folder.rglob("*") if path.is_file())
    data = Data(
        [path.relative_to(folder).as_posix() for path in files], [path.stat().st_size for path in files]
    )
    order = SimpleNamespace(content=True, choice=Choice(), transfer_type="staging")
    (found,) = look_at_content(SimpleNamespace(data=data, request=order, report=lambda _: None), folder, None)
    return found


def test_what_to_do_about_pointers_is_said_and_of_others_that_they_are_to_be_fixed(tmp_path):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 5\n"
    (tmp_path / "bagit.txt").write_text("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    (tmp_path / "manifest-md5.txt").write_text(pointer)  # which is no manifest, either
    (tmp_path / "a.json").write_text(pointer)  # nor is this JSON
    found = looked_at(tmp_path)
    assert len(found.details) == 2
    assert all("only a pointer" in detail for detail in found.details)
    assert "Fix" not in found.todo
    (tmp_path / "b.json").write_text("{")
    found = looked_at(tmp_path)
    assert len(found.details) == 3
    assert "Fetch what the pointers stand for" in found.todo
    assert "Fix the others" in found.todo


PAIRS = Path(__file__).parents[1] / "corpus" / "pairs"
DESCRIBED = {
    "brain.hdr": ("brain.img", True),
    "grid.hdr": ("grid.bil", False),
    "scene.hdr": ("scene.dat", False),
    "signal.vhdr": ("signal.eeg", True),
    "spots.imzML": ("spots.ibd", True),
    "values.nhdr": ("values.raw", True),
    "volume.mhd": ("volume.raw", True),
}


@pytest.mark.parametrize("header", DESCRIBED)
def test_a_header_is_held_against_the_file_with_its_values(tmp_path, header):
    (name, is_named), folder = DESCRIBED[header], tmp_path / "in"
    shutil.copytree(PAIRS, folder)
    assert wrong(tmp_path) == {}
    assert " there" in said(tmp_path)[f"in/{header}"]
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[:-1])
    assert set(wrong(tmp_path)) == {f"in/{header}"}
    (folder / name).unlink()
    if is_named:  # ENVI and ESRI do not say how it is called
        assert f"'in/{name}' is not in the delivery" in wrong(tmp_path)[f"in/{header}"]
        assert wrong(tmp_path, complete=False) == {}
    else:
        assert wrong(tmp_path) == {}


def test_a_description_in_a_header_of_envi_may_have_any_line_in_it(tmp_path):
    header = (PAIRS / "scene.hdr").read_text().partition("\n")[2]
    (tmp_path / "scene.hdr").write_text("ENVI\ndescription = {\n  cut from\n  lines = 999999\n}\n" + header)
    shutil.copy(PAIRS / "scene.dat", tmp_path / "scene.dat")
    assert wrong(tmp_path) == {}
    (tmp_path / "scene.dat").write_bytes((PAIRS / "scene.dat").read_bytes()[:-1])
    assert set(wrong(tmp_path)) == {"scene.hdr"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_a_header_names_its_file_in_utf_8_or_as_windows_writes_it(tmp_path, encoding):
    header = (PAIRS / "signal.vhdr").read_text("utf-8-sig").replace("signal.eeg", "müller.eeg")
    (tmp_path / "signal.vhdr").write_bytes(header.encode(encoding))
    shutil.copy(PAIRS / "signal.vmrk", tmp_path / "signal.vmrk")
    shutil.copy(PAIRS / "signal.eeg", tmp_path / "müller.eeg")
    assert wrong(tmp_path) == {}
    (tmp_path / "müller.eeg").write_bytes((PAIRS / "signal.eeg").read_bytes()[:-1])
    assert set(wrong(tmp_path)) == {"signal.vhdr"}


ENVI = "ENVI\nsamples = 4\nlines = 3\nbands = 2\ndata type = 2\n"
MHD = "DimSize = 3 2\nElementDataFile = b\n"
ENOUGH = [  # a header, what it says, the file that it describes, and bytes which that has to have
    ("a.hdr", ENVI, "a.img", 48),
    ("a.hdr", ENVI + "header offset = 5\n", "a.img", 53),
    ("a.hdr", ENVI.replace("data type = 2", "data type = 99"), "a.img", 0),
    ("a.hdr", ENVI.replace("data type = 2\n", ""), "a.img", 0),
    ("a.hdr", ENVI + "file compression = 1\n", "a.img", 0),
    ("a.hdr", "nrows 3\nncols 5\n", "a.bil", 15),
    ("a.hdr", "nrows 3\nncols 5\nnbits 1\n", "a.bil", 3),
    ("a.hdr", "nrows 3\nncols 5\nnbands 2\nnbits 16\nskipbytes 7\n", "a.bil", 67),
    ("a.hdr", "nrows 3\nncols 5\ncellsize 1\n", "a.flt", 60),
    ("a.nhdr", "NRRD0004\ntype: short\nsizes: 3 2\nencoding: raw\nbyte skip: 4\ndata file: b\n", "b", 16),
    ("a.nhdr", "NRRD0004\ntype: short\nsizes: 3 2\nencoding: gzip\ndata file: b\n", "b", 0),
    ("a.nhdr", "NRRD0004\ntype: block\nsizes: 3 2\nencoding: raw\ndata file: b\n", "b", 0),
    ("a.mhd", MHD + "ElementType = MET_SHORT\n", "b", 12),
    ("a.mhd", MHD + "ElementType = MET_SHORT\nCompressedData = True\n", "b", 0),
    ("a.mhd", MHD + "ElementNumberOfChannels = 3\nElementType = MET_INT\nHeaderSize = -1\n", "b", 72),
]


@pytest.mark.parametrize(("header", "text", "name", "n"), ENOUGH)
def test_a_header_says_how_many_bytes_its_file_has_at_least(tmp_path, header, text, name, n):
    (tmp_path / header).write_text(text)
    (tmp_path / name).write_bytes(bytes(n))
    assert wrong(tmp_path) == {}
    if n:
        (tmp_path / name).write_bytes(bytes(n - 1))
        assert set(wrong(tmp_path)) == {header}


def test_a_byte_of_imzml_that_was_changed_is_told_by_the_checksum_in_it(tmp_path):
    for name in ("spots.imzML", "spots.ibd"):
        shutil.copy(PAIRS / name, tmp_path / name)
    data = bytearray((tmp_path / "spots.ibd").read_bytes())
    data[99] ^= 1
    (tmp_path / "spots.ibd").write_bytes(data)
    assert "'spots.ibd' has another sha1 than it says" in wrong(tmp_path)["spots.imzML"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.hdr", b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 2 +X 2\n"),
        ("a.hdr", b"!INTERFILE :=\nname of data file := a.i33\n"),
        ("a.hdr", b"ENVI\nfile type = ENVI Meta File\n"),
        ("a.hdr", b"#ifndef A_HDR\n#define A_HDR\n#endif\n"),
        ("a.mhd", b"ObjectType = Image\nElementDataFile = slice%03d.raw 1 9 1\n"),
        ("a.mhd", b"ObjectType = Image\nDimSize = 1\nElementType = MET_CHAR\nElementDataFile = LOCAL\n\0"),
        ("a.nhdr", b"NRRD0004\ntype: uchar\nsizes: 2\nencoding: raw\ndata file: LIST\na\nb\n"),
        ("a.vhdr", b"a text"),
    ],
)
def test_what_else_is_called_as_a_header_promises_nothing(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    assert said(tmp_path) == {}


@pytest.mark.parametrize("header", DESCRIBED)
@given(data=st.data())
def test_damaged_headers_are_told_of_or_promise_something_else(header, data):
    whole = bytearray((PAIRS / header).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    judge(header, bytes(whole[: data.draw(st.integers(0, len(whole)))]), Nothing())  # whatever it says
