"""``upload-client receipt export``: a receipt in the forms of others."""

from __future__ import annotations

import csv
import hashlib
import json

import pytest

from upload_client.receipts.export import FORMS


@pytest.fixture
def receipt(data, tmp_path):
    from cli.test_verify import receipt_of

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
    from cli.test_verify import receipt_of

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
