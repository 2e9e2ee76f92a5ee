"""``upload-client expectations`` as people and programs call it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest

from upload_client.cli.app import main

pytest.importorskip("pyarrow")


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = main(["expectations", *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    (folder / "x").mkdir(parents=True)
    for n in range(12):
        (folder / "x" / f"{n:02}.csv").write_text("a,b\n1,2.5\n")
    (folder / "notes.txt").write_text("hello")
    return folder


def test_a_draft_is_written_and_accepts_its_sample(run, data):
    code, out, err = run("infer", data, "-o", "agreed.yaml")
    assert (code, out) == (0, "")
    assert "agreed.yaml: drafted from 13 files; read it before use" in err
    code, out, err = run("check", data, "--expectations", "agreed.yaml")
    assert (code, out, err) == (0, "13 of 13 files as expected\n", "")


def test_what_a_delivery_leaves_out_is_neither_drafted_from_nor_judged(run, data):
    """The same options say which files are meant."""
    code, _, err = run("infer", data, "-o", "agreed.yaml", "--exclude", "*.txt")
    assert code == 0
    assert "drafted from 12 files" in err
    assert run("check", data, "--expectations", "agreed.yaml")[0] == 3
    assert run("check", data, "--expectations", "agreed.yaml", "--exclude", "notes.txt") == (
        0,
        "12 of 12 files as expected\n",
        "",
    )


def test_files_that_symlinks_lead_to_are_judged_where_they_are_followed(run, data, tmp_path):
    (tmp_path / "elsewhere.csv").write_text("a,b\n3,4.5\n")
    (data / "x" / "12.csv").symlink_to(tmp_path / "elsewhere.csv")
    (data / "bag").mkdir()
    (data / "bag" / "bagit.txt").write_text("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    digest = hashlib.md5((tmp_path / "elsewhere.csv").read_bytes()).hexdigest()
    (data / "bag" / "manifest-md5.txt").write_text(f"{digest}  data/a.csv\n")
    (data / "bag" / "data").mkdir()
    (data / "bag" / "data" / "a.csv").symlink_to(tmp_path / "elsewhere.csv")
    assert run("infer", data, "-o", "agreed.yaml", "--symlinks", "follow")[0] == 0
    code, out, err = run("check", data, "--expectations", "agreed.yaml", "--symlinks", "follow")
    assert (code, out, err) == (0, "17 of 17 files as expected\n", "")


def test_a_draft_goes_to_stdout_and_over_no_file_that_is_there(run, data, tmp_path):
    (tmp_path / "agreed.yaml").write_text("mine")
    code, _, err = run("infer", data, "-o", "agreed.yaml")
    assert code == 2
    assert "agreed.yaml is there" in err
    assert (tmp_path / "agreed.yaml").read_text() == "mine"
    assert run("infer", data, "-o", "agreed.yaml", "--force")[0] == 0
    assert run("infer", data)[1] == (tmp_path / "agreed.yaml").read_text()


def test_failures_are_grouped_by_reason_and_ten_are_named(run, data):
    run("infer", data, "-o", "agreed.yaml")
    for n in range(11):
        (data / "x" / f"{n:02}.csv").write_text(f"a,b\nx{n},2.5\n")
    (data / "what\u202e.bin").write_text("")
    code, out, _ = run("check", data, "--expectations", "agreed.yaml")
    assert code == 3
    assert "  11 files: column 'a': 'x0' in row 1 is no integer\n" in out
    assert "      x/09.csv\n      and 1 more\n" in out
    assert "x/10.csv" not in out
    assert "  1 file: no type of files that is expected here has such a name\n      what\\u202e.bin\n" in out
    assert out.endswith("2 of 14 files as expected\n")


def test_a_program_gets_one_object(run, data):
    run("infer", data, "-o", "agreed.yaml")
    (data / "x" / "00.csv").write_text("a,b\nx,2.5\n")
    code, out, _ = run("check", data, "--expectations", "agreed.yaml", "--json")
    said = json.loads(out)
    assert code == said["exit_code"] == 3
    assert (said["n_files"], said["n_wrong"], said["n_undecided"], said["delivery"]) == (13, 1, 0, [])
    (problem,) = said["problems"]
    assert problem == {"reason": "column 'a': 'x' in row 1 is no integer", "n": 1, "paths": ["x/00.csv"]}


def test_the_delivery_as_a_whole_is_judged_unless_it_is_a_sample(run, data, tmp_path):
    (tmp_path / "agreed.yaml").write_text("version: 1\ndelivery: {required: [m.json], others: allow}\n")
    code, out, _ = run("check", data, "--expectations", "agreed.yaml")
    assert code == 3
    assert "no file matches 'm.json', which is required" in out
    assert run("check", data, "--expectations", "agreed.yaml", "--sample")[0] == 0


def test_a_document_that_is_none_is_told_with_line_and_key(run, data, tmp_path):
    (tmp_path / "agreed.yaml").write_text("version: 1\ntypes: [{name: a, fils: x}]\n")
    code, _, err = run("check", data, "--expectations", "agreed.yaml")
    assert code == 2
    assert "line 2, types[0].fils: there is no such key here; did you mean 'files'?" in err


def test_what_cannot_be_judged_here_is_told_apart_from_what_is_wrong(run, data, tmp_path):
    (tmp_path / "agreed.yaml").write_text(
        "version: 1\ntypes:\n"
        "  - {name: a, files: '*.txt', content: {format: custom, check: nobody-has-it}}\n"
        "  - {name: b, files: '*.csv'}\n"
    )
    code, out, _ = run("check", data, "--expectations", "agreed.yaml")
    assert code == 5
    assert (
        "Files that cannot be judged here\n  1 file: it could not be judged: the check 'nobody-has-it'" in out
    )
    assert "Types of which" not in out


def test_a_check_that_is_not_installed_is_named_although_no_file_is_of_its_type(run, data, tmp_path):
    (tmp_path / "agreed.yaml").write_text(
        "version: 1\ntypes:\n"
        "  - {name: a, files: '*.mseed', content: {format: custom, check: nobody-has-it}}\n"
        "  - {name: b, files: ['*.csv', '*.txt', '*.json']}\n"
        "  - {name: c, files: '*.tsv', content: {format: tsv}}\n"
    )
    code, out, _ = run("check", data, "--expectations", "agreed.yaml")
    why = "the check 'nobody-has-it' is not installed here (entry points 'upload_client.checks')"
    assert code == 0
    assert f"Types of which no file is here, and none could be judged a: {why} 1" in " ".join(out.split())
    said = json.loads(run("check", data, "--expectations", "agreed.yaml", "--json")[1])
    assert said["lacking"] == [{"type": "a", "reason": why}]


@pytest.mark.parametrize("words", ["--help", "infer --help", "check --help"])
def test_help_imports_nothing_heavy(words):
    program = f"""
import sys
from upload_client.cli.app import main
main(["expectations", *{words.split()}])
heavy = set("pandas numpy boto3 botocore pydantic rich yaml pyarrow".split())
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_small_file_is_looked_at_without_what_takes_longer_to_load_than_that(tmp_path):
    """Pandas, which pyarrow loads where it makes an array of Python's values; and what reaches AWS."""
    pytest.importorskip("pyarrow")
    (tmp_path / "sample").mkdir()
    (tmp_path / "sample" / "a.csv").write_text("id,flux,name\n1,0.5,a\n2,,b\n3,1.25,\n")
    others = ["boto3", "pyarrow.parquet", "astropy.io", "asdf", "PIL", "upload_client.preflight.sequence"]
    program = f"""
import io, sys
from upload_client.cli.app import main
assert main(["expectations", "infer", "sample", "-o", "agreed.yaml"]) == 0
assert main(["expectations", "check", "sample", "--expectations", "agreed.yaml"]) == 0
from upload_client.expectations.content import judge
from upload_client.expectations.document import load_file
from pathlib import Path
content = load_file(Path("agreed.yaml")).types[0].content
data = Path("sample/a.csv").read_bytes()
assert judge(content, io.BytesIO(data), len(data), max_unpacked=10**6).n == 0
print(sorted({{"pandas", *{others[:1] + others[2:]}}} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr[-2000:]


AGREED = """
version: 1
types:
  - name: tables
    files: "*.csv"
    content:
      format: csv
      rows: {min: 1}
      columns: [{name: a, type: integer, unit: m}]
  - {name: rest, files: "*.bin", content: {format: opaque}}
"""


def test_a_schema_is_made_of_a_document_and_a_document_of_it_and_what_is_lost_is_said(run, tmp_path):
    from upload_client.expectations.document import load

    (tmp_path / "agreed.yaml").write_text(AGREED)
    to_file = ("export", "agreed.yaml", "--to", "frictionless", "-o", "schema.json")
    assert run(*to_file) == (
        0,
        "",
        (
            "column 'a': unit (is not in the schema)\n"
            "rows: it is no part of a Table Schema (is not in the schema)\n"
        ),
    )
    assert run(*to_file)[0] == 2  # it is there already
    code, out, err = run("import", "schema.json", "--files", "x/*.csv")
    assert (code, err) == (0, "")
    assert load(out.encode(), "x").types[0].files == ("x/*.csv",)
    code, _, err = run("export", "agreed.yaml", "--to", "pandera", "--type", "rest")
    assert code == 2
    assert "the type 'rest' has no columns: of its content the document says the format opaque" in err
    (tmp_path / "more.yaml").write_text(
        AGREED.replace("*.bin, content: {format: opaque}", "x").replace("opaque", "tsv")
    )
    code, _, err = run("export", "more.yaml", "--to", "pandera")
    assert code == 2
    assert "say which type of files (--type); those with a schema: tables, rest" in err


def test_a_label_is_read_as_a_document(run, tmp_path):
    pytest.importorskip("re2")
    from upload_client.expectations.document import load

    (tmp_path / "label.yml").write_text(
        "dataset: toy\ndelivery_id: 1\ntime: {delivery_start_date: 2026-11-14}\n"
        "delivery_meta: {schema_version: 0.1.0}\n"
        "filetypes:\n  a: {filename: 'x.*', ignore: true}\n"
    )
    code, out, err = run("import", "label.yml", "-o", "agreed.yaml")
    assert (code, out) == (0, "")
    assert err.startswith(
        "line 6, filetypes.a.ignore: files that are not uploaded are the provider's to choose"
    )
    assert load((tmp_path / "agreed.yaml").read_bytes(), "x").types[0].paths == ("x.*",)
    code, _, err = run("check", tmp_path, "--expectations", "label.yml")
    assert code == 2
