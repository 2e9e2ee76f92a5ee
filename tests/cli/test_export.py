"""``upload-client receipt export``: a receipt in the forms of others."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from cli.test_verify import receipt_of
from core.test_receipt import file, head
from late import late

from upload_client.core import checksums
from upload_client.core.receipt import DeliveredBy, encode_receipt
from upload_client.receipts.export import FORMS


@pytest.fixture
def receipt(data, tmp_path):
    return receipt_of(data, tmp_path)[0]


def test_a_spreadsheet_has_a_row_for_each_file(run, receipt, data, tmp_path):
    said = run("receipt", "export", receipt, "--as", "csv", "-o", tmp_path / "x.csv", "--source", data)
    assert said.code == 0, said
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == ["a.csv", "b/c.json", "b/d.txt"]
    assert [row["sha256"] for row in rows] == [
        hashlib.sha256((data / row["path"]).read_bytes()).hexdigest() for row in rows
    ]
    assert rows[0]["version_id"] == ""


def test_a_name_that_a_spreadsheet_would_take_for_a_formula_is_none(run, data, tmp_path):
    (data / "=1+1").touch()
    receipt = receipt_of(data, tmp_path)[0]
    assert run("receipt", "export", receipt, "--as", "csv", "-o", tmp_path / "x.csv").code == 0
    assert '"\'=1+1"' in (tmp_path / "x.csv").read_text("utf-8")


def test_a_data_package_names_each_file_once(run, receipt, data, tmp_path):
    out = tmp_path / "datapackage.json"
    assert run("receipt", "export", receipt, "--as", "frictionless", "-o", out, "--source", data).code == 0
    package = json.loads(out.read_text("utf-8"))
    assert package["name"] == "d_y"
    assert {each["path"]: each["bytes"] for each in package["resources"]} == {
        "a.csv": 4,
        "b/c.json": 2,
        "b/d.txt": 0,
    }
    assert len({each["name"] for each in package["resources"]}) == 3
    assert all(each["hash"].startswith("sha256:") for each in package["resources"])


def test_a_crate_says_what_made_it_and_what_is_in_it(run, receipt, tmp_path):
    out = tmp_path / "ro-crate-metadata.json"
    assert run("receipt", "export", receipt, "--as", "ro-crate", "-o", out).code == 0
    graph = {entity["@id"]: entity for entity in json.loads(out.read_text("utf-8"))["@graph"]}
    assert graph["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    assert [part["@id"] for part in graph["./"]["hasPart"]] == ["a.csv", "b/c.json", "b/d.txt"]
    assert {each for each, entity in graph.items() if entity["@type"] == "File"} == {
        "a.csv",
        "b/c.json",
        "b/d.txt",
    }
    assert graph["#delivery"]["result"] == {"@id": "./"}


def test_a_bag_holds_the_data_the_receipt_and_their_hashes(run, receipt, data, tmp_path):
    bag = tmp_path / "bag"
    assert run("receipt", "export", receipt, "--as", "bagit", "-o", bag, "--source", data).code == 0
    for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        for line in (bag / manifest).read_text("utf-8").splitlines():
            digest, path = line.split("  ")
            assert hashlib.sha256((bag / path).read_bytes()).hexdigest() == digest
    named = (bag / "manifest-sha256.txt").read_text("utf-8")
    assert {path.relative_to(bag).as_posix() for path in (bag / "data").rglob("*") if path.is_file()} == {
        line.split("  ")[1] for line in named.splitlines()
    }
    assert (bag / "receipt.json").read_bytes() == receipt.read_bytes()
    assert "Payload-Oxum: 6.3" in (bag / "bag-info.txt").read_text("utf-8")
    assert run("receipt", "export", receipt, "--as", "bagit", "-o", bag, "--source", data).code == 2


@pytest.mark.parametrize("form", FORMS)
def test_data_that_are_not_as_delivered_are_refused_and_nothing_is_left(run, receipt, data, tmp_path, form):
    (data / "b" / "c.json").write_text("[]")
    before = sorted(tmp_path.iterdir())
    said = run("receipt", "export", receipt, "--as", form, "-o", tmp_path / "out", "--source", data)
    assert said.code == 2
    assert "b/c.json: has CRC32" in said.err
    assert sorted(tmp_path.iterdir()) == before


def test_nothing_is_replaced_unless_that_is_wanted(run, receipt, tmp_path):
    mine = tmp_path / "mine.csv"
    mine.write_text("mine")
    assert run("receipt", "export", receipt, "--as", "csv", "-o", mine).code == 2
    assert mine.read_text() == "mine"
    assert run("receipt", "export", receipt, "--as", "csv", "-o", mine, "--force").code == 0


def test_a_bag_without_data_is_refused(run, receipt, tmp_path):
    assert "--source DIR" in run("receipt", "export", receipt, "--as", "bagit", "-o", tmp_path / "bag").err


NAMES = (
    "a.csv",
    "b/c d.json",
    "b/ä ü.txt",
    "empty.bin",
    "=1+1.csv",
    'it\'s "q" & <x>.txt',
    " lead.txt",
    "#q?.txt",
)


@pytest.fixture
def odd(tmp_path):
    """Files with names that forms spell in ways of their own, and their receipt by schema 2."""
    rows = []
    for name in sorted(NAMES, key=str.encode):
        content = b"x,y\n1,2\n" if name.endswith(".csv") else name.encode() * (name != "empty.bin")
        (tmp_path / "odd" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "odd" / name).write_bytes(content)
        crc32, sha256 = checksums.encode(checksums.crc32(content)), hashlib.sha256(content).hexdigest()
        rows.append(replace(file(name, len(content), crc32=crc32), sha256=sha256, opened="csv"))

    def receipt(login: str | None = "maria") -> Path:
        said = head(rows, delivered_by=DeliveredBy(login, login and "her-laptop"))
        path = tmp_path / "odd.receipt.json"
        path.write_bytes(b"".join(encode_receipt(said, rows)))
        return path

    return receipt, tmp_path / "odd"


def test_bagit_finds_the_bag_valid(run, odd, tmp_path):
    bagit = late("bagit")
    receipt, source = odd
    said = run("receipt", "export", receipt(), "--as", "bagit", "-o", tmp_path / "bag", "--source", source)
    assert said.code == 0, said
    bagit.Bag(str(tmp_path / "bag")).validate()
    (tmp_path / "bag" / "data" / "a.csv").write_text("x,y\n1,3\n")
    with pytest.raises(bagit.BagValidationError):
        bagit.Bag(str(tmp_path / "bag")).validate()


def test_frictionless_finds_the_package_valid(run, odd):
    frictionless = late("frictionless")
    receipt, source = odd
    out = source / "datapackage.json"
    assert run("receipt", "export", receipt(), "--as", "frictionless", "-o", out).code == 0
    found = frictionless.Package(str(out)).validate()
    assert found.valid, found.flatten(["message"])
    (source / "a.csv").write_text("x,y\n1,3\n")
    assert not frictionless.Package(str(out)).validate().valid


# What frictionless takes for a table, or for a document of its own, by the name; none of them is a good one.
TAKEN_FOR_MORE = (
    *(
        "ragged.csv",
        "empty.csv",
        "latin.tsv",
        "a.parquet",
        "a.parq",
        "a.xlsx",
        "a.xls",
        "a.ods",
        "a.jsonl",
        "a.db",
    ),
    *("a.ndjson", "a.sav", "a.schema.json", "a.resource.json", "a.datapackage.json", "a.dialect.json"),
)


def test_frictionless_holds_files_against_the_package_whatever_it_takes_them_for(run, tmp_path):
    frictionless = late("frictionless")
    source, out = tmp_path / "source", tmp_path / "source" / "datapackage.json"
    source.mkdir()
    for name in TAKEN_FOR_MORE:
        (source / name).write_bytes(b"a,a\n1\n\n\xe4,2,3\n" * (name != "empty.csv"))
    receipt = receipt_of(source, tmp_path)[0]
    export = ("receipt", "export", receipt, "--as", "frictionless", "-o", out, "--source", source)
    assert run(*export).code == 0
    found = frictionless.Package(str(out)).validate()
    assert found.valid, found.flatten(["name", "message"])
    for name in TAKEN_FOR_MORE:
        if content := (source / name).read_bytes():
            (source / name).write_bytes(content.replace(b"1", b"2"))
    found = frictionless.Package(str(out)).validate()
    assert {task.place for task in found.tasks if not task.valid} == {*TAKEN_FOR_MORE} - {"empty.csv"}


@pytest.mark.parametrize("name", [".hidden", "~x", "file:x", "a\nb"])
def test_a_name_that_no_data_package_can_hold_is_refused_with_what_to_do(run, data, tmp_path, name):
    (data / name).touch()
    receipt = receipt_of(data, tmp_path)[0]
    said = run("receipt", "export", receipt, "--as", "frictionless", "-o", tmp_path / "datapackage.json")
    assert (said.code, "no data package can name" in said.err, "hint: Write another form" in said.err) == (
        2,
        True,
        True,
    )
    assert not (tmp_path / "datapackage.json").exists()


def test_rocrate_reads_the_crate_and_finds_each_file_in_it(run, odd):
    receipt, source = odd
    out = source / "ro-crate-metadata.json"
    assert run("receipt", "export", receipt(), "--as", "ro-crate", "-o", out).code == 0
    crate = late("rocrate.rocrate").ROCrate(str(source))
    files = {each["name"]: each for each in crate.get_by_type("File")}
    assert files.keys() == set(NAMES)
    assert "b/ä%20ü.txt" in {each.id for each in files.values()}  # letters stay as they are
    assert files["a.csv"]["encodingFormat"] == "text/csv"
    assert all(len(each["sha256"]) == 64 for each in files.values())
    assert crate.dereference("#delivery")["agent"]["name"] == "maria"
    (software,) = crate.get_by_type("SoftwareApplication")
    assert software["url"].startswith("urn:upload-client:")  # RO-Crate 1.2 requires one


@pytest.mark.parametrize("form", FORMS)
def test_no_form_tells_a_person_whom_the_receipt_does_not(run, odd, tmp_path, form):
    receipt, source = odd
    said = run("receipt", "export", receipt(None), "--as", form, "-o", tmp_path / "out", "--source", source)
    assert said.code == 0, said
    files = (
        [tmp_path / "out"]
        if form != "bagit"
        else [each for each in (tmp_path / "out").rglob("*") if each.is_file()]
    )
    assert not any(
        word in each.read_bytes() for each in files for word in (b"maria", b"her-laptop", b"#provider")
    )


@pytest.mark.parametrize("form", FORMS)
def test_a_folder_whose_symlinks_were_followed_is_exported_as_it_was_delivered(
    run, receipt, data, tmp_path, form
):
    linked = tmp_path / "linked"
    linked.mkdir()
    for path in data.iterdir():
        (linked / path.name).symlink_to(path)
    asked = ("receipt", "export", receipt, "--as", form, "--source", linked)
    assert run(*asked, "-o", tmp_path / "refused").code == 2
    assert not (tmp_path / "refused").exists()
    assert run(*asked, "-o", tmp_path / "out", "--symlinks", "follow").code == 0
    if form == "bagit":
        copies = [path for path in (tmp_path / "out" / "data").rglob("*") if not path.is_dir()]
        assert not any(path.is_symlink() for path in copies)
