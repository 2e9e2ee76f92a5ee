"""The receiver's document through a whole delivery: refused at the start, checked before it, judged by."""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path

import forked
import pytest
import yaml

from upload_client.expectations.infer import infer
from upload_client.sandbox import Sandbox

pytest.importorskip("pyarrow")
pytest.importorskip("astropy")
pytest.importorskip("asdf")


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as made:
        yield made


@pytest.fixture
def delivery(sandbox, tmp_path):
    """A delivery of its own name, with a document of the receiver's: ``delivery(document, *arguments)``."""
    name = f"d{secrets.token_hex(4)}"

    def run(document: str | None, *arguments: str | Path):
        if document is not None:
            key = f"toy/{name}/expectations.yaml"
            sandbox.client("s3").put_object(Bucket=sandbox.control_bucket, Key=key, Body=document.encode())
        first = [arguments[0]] if arguments[0] == "check" else []
        rest = arguments[len(first) :]
        done = forked.run(
            [
                *(sys.executable, "-m", "upload_client", *first, "--profile", str(sandbox.profile)),
                *("--dataset", "toy", "--delivery-id", name, "--json", *map(str, rest)),
            ],
            cwd=tmp_path,
        )
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    return run


def drafted(folder: Path) -> str:
    files = [(path.relative_to(folder).as_posix(), path.stat().st_size) for path in folder.rglob("*.*")]
    return infer(folder, files)


def test_good_files_are_judged_valid_by_a_document_drafted_of_them(delivery, toy):
    code, events, said = delivery(drafted(toy / "data"), "--source", toy / "data")
    assert code == 0, said
    assert events[-1]["counts"]["valid"] == 6


def test_a_document_that_has_changed_leaves_verdicts_as_they_are_and_the_provider_is_told(delivery, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.csv").write_text("x\n1\n")
    told = []
    for document, more in (
        ("version: 1\ntypes: [{name: tables, files: '*.csv'}]\n", None),
        (None, None),
        ("version: 1\ntypes: [{name: tables, files: '*.csv', bytes: {max: 1}}]\n", None),
        (None, "b.csv"),
    ):
        if more:
            (data / more).write_text("")
        code, events, said = delivery(document, "--source", data, "--output-dir", tmp_path)
        assert code == 0, said
        told.append(sum(each.get("code") == "expectations_changed" for each in events))
    assert told == [0, 0, 1, 1]


def test_a_fast_label_is_the_document_of_a_delivery(delivery, toy, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for folder in ("data", "bad_data"):
        (data / f"{folder}.parquet").write_bytes((toy / folder / "parquet" / "data_0.parquet").read_bytes())
    label = yaml.safe_load((toy / "toy-1.yml").read_text())
    schema = [{"name": "a", "dtype": "i4"}, {"name": "b_0", "dtype": "f8"}]
    label["filetypes"]["data_parquet"]["objects"] = [{"schema": schema}]
    label["delivery_meta"]["global_validation_options"] = {"missing_filetypes_ok": True}
    code, events, said = delivery(yaml.safe_dump(label), "--source", data)
    assert code == 3, said
    assert (events[-1]["counts"]["valid"], events[-1]["counts"]["invalid"]) == (1, 1)


def test_each_bad_file_is_judged_invalid_with_what_is_wrong_and_where(delivery, toy, tmp_path):
    data = tmp_path / "data"
    for path in (toy / "bad_data").glob("*/*.*"):  # content alone: the shared folders are read-only
        (data / path.parent.name).mkdir(parents=True, exist_ok=True)
        (data / path.parent.name / path.name).write_bytes(path.read_bytes())
    # One that breaks its reader down, before others that are judged by the next one.
    head = b"#ASDF 1.0.0\n#ASDF_STANDARD 1.5.0\n%YAML 1.1\n--- !<tag:stsci.edu:asdf/core/asdf-1.1.0>\nx: "
    (data / "a.asdf").write_bytes(head + b"[" * 100_000)
    (data / "z.parquet").write_bytes((toy / "data" / "parquet" / "data_0.parquet").read_bytes())
    code, events, said = delivery(drafted(toy / "data"), "--source", data, "--output-dir", tmp_path)
    assert code == 3, said
    assert (events[-1]["counts"]["invalid"], events[-1]["counts"]["valid"]) == (7, 1)
    (dump,) = tmp_path.glob("*.csv")
    import pandas as pd

    frame = pd.read_csv(dump, dtype=str, keep_default_na=False).set_index("relpath")
    messages = frame["message"].to_dict()
    if sys.platform == "linux":  # a newer PyYAML refuses it by itself
        assert messages["a.asdf"].startswith(
            ("reading it as asdf makes its reader break", "it does not open")
        )
    for path, place in (
        ("parquet/data_0.parquet", "column 'a'"),
        ("fits/data_0.fits", "HDU TABLE, column 'a'"),
        ("asdf/data_0.asdf", "data.table.columns[name=a].data"),
    ):
        assert messages[path] == f"{place}: int64 where int32 is expected"
    for path in ("parquet/data_1.parquet", "fits/data_1.fits", "asdf/data_1.asdf"):
        assert messages[path].count("float32 where float64 is expected") == 2


ZARR = """
version: 1
types:
  - name: cubes
    files: "**/*.zarr/**"
    content: {format: zarr, arrays: [{name: t, dtype: float32, min: 0, max: 99, complete: true}]}
"""


@pytest.mark.heavy
def test_of_a_folder_of_zarr_the_chunk_that_is_damaged_missing_or_one_too_many_is_told(delivery, tmp_path):
    zarr, np = pytest.importorskip("zarr"), pytest.importorskip("numpy")
    pytest.importorskip("numcodecs")
    data = tmp_path / "data"
    group = zarr.open_group(data / "a.zarr", mode="w", zarr_format=3)
    values = np.arange(90, dtype="f4").reshape(9, 10)
    values[7, 7] = 1000
    compressors = zarr.codecs.GzipCodec()
    group.create_array("t", shape=(9, 10), chunks=(3, 5), dtype="f4", compressors=compressors)[...] = values
    chunks = data / "a.zarr/t/c"
    (chunks / "0/0").write_bytes((chunks / "0/0").read_bytes()[:-9])
    (chunks / "1/1").rename(chunks / "1/2")
    code, events, said = delivery(ZARR, "--source", data, "--output-dir", tmp_path)
    assert code == 3, said
    assert (events[-1]["counts"]["invalid"], events[-1]["counts"]["valid"]) == (4, 4)
    (dump,) = tmp_path.glob("*.csv")
    import pandas as pd

    frame = pd.read_csv(dump, dtype=str, keep_default_na=False).set_index("relpath")
    messages = {path: message for path, message in frame["message"].to_dict().items() if message}
    assert messages.pop("a.zarr/t/c/2/1") == "array 't': 1000.0 in element [7, 7] is above 99"
    assert "this chunk is none of its 3 by 2: it lies outside" in messages.pop("a.zarr/t/c/1/2")
    assert "does not open as zarr: it is cut" in messages.pop("a.zarr/t/c/0/0")
    ((path, missing),) = messages.items()
    assert path == "a.zarr/t/zarr.json"
    assert "1 chunk of 6 is not in the delivery: 'a.zarr/t/c/1/1'" in missing
    # What is sent again is judged again, and the metadata with what it promises.
    zarr.open_group(data / "a.zarr")["t"][...] = values.clip(max=99)
    (chunks / "1/2").unlink()
    code, _, said = delivery(None, "--source", data, "--output-dir", tmp_path)
    assert code == 0, said


DOCUMENT = """
version: 1
delivery:
  required: [manifest.json]
  forbidden: ["*.tmp"]
types:
  - name: tables
    files: "*.csv"
    count: {min: 2}
    content: {format: csv, columns: [{name: x, type: integer}]}
  - {name: manifest, files: manifest.json}
"""


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.csv").write_text("x\n1\n")
    (folder / "b.csv").write_text("x\n2\n")
    (folder / "manifest.json").write_text("{}")
    return folder


def test_what_as_a_whole_is_not_the_delivery_is_refused_before_a_file_is_sent(delivery, sandbox, data):
    (data / "manifest.json").rename(data / "x.tmp")
    (data / "b.csv").unlink()
    code, events, said = delivery(DOCUMENT, "--source", data)
    assert code == 13
    for sentence in (
        "no file matches 'manifest.json', which is required (not_expected)",
        "x.tmp: forbidden by '*.tmp' (not_expected)",
        "type 'tables' has 1 file, where there should be 2 files at least (not_expected)",
    ):
        assert sentence in said
    assert events[-1]["counts"]["ready"] == 2


@pytest.mark.long
def test_a_document_that_is_none_is_refused_and_said_to_be_the_receivers(delivery, data):
    code, _, said = delivery("version: 1\ntypes: [{name: a, fils: x}]", "--source", data)
    assert code == 13
    assert "(misconfigured)" in said
    assert "types[0].fils: there is no such key here" in said


@pytest.mark.long
def test_check_content_judges_by_the_receivers_document_where_it_can_be_read(delivery, data):
    (data / "b.csv").write_text("x\nhello\n")
    code, events, said = delivery(DOCUMENT, "check", "--source", data, "--content")
    found = json.dumps(events)
    assert code != 0, said
    assert "1 of 3 files is not as the receiver expects" in found
    assert "'hello' in row 1 is no integer" in found
