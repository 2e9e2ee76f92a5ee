"""File names are bytes: they arrive as they are on disk, whatever the locale of whoever delivers says."""

from __future__ import annotations

import concurrent.futures
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from delivery.conftest import Delivery, content
from faults.conftest import client_of

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere Python takes names for UTF-8 always"
)

NAMES = ["Größe.csv", "日本.csv", "Maße/ä b.csv", "plain.csv"]
C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.fixture(scope="session")
def latin_1(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment of a process whose locale is Latin-1."""
    folder = tmp_path_factory.mktemp("locales")
    if shutil.which("localedef") is None:
        pytest.skip("no localedef: no Latin-1 locale can be made (Debian: apt-get install locales)")
    subprocess.run(
        ["localedef", "-i", "de_DE", "-f", "ISO-8859-1", folder / "latin"], check=False, capture_output=True
    )
    environment = {"LOCPATH": str(folder), "LC_ALL": "latin", "PYTHONUTF8": "0"}
    if encoding_in(environment) != "iso8859-1":
        pytest.skip("no Latin-1 locale can be made (Debian: apt-get install locales)")
    return environment


def encoding_in(environment: dict[str, str]) -> str:
    program = "import sys; print(sys.getfilesystemencoding())"
    made = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **environment}, capture_output=True, check=True
    )
    return made.stdout.decode("ascii").strip()


@pytest.fixture(params=[pytest.param("C", marks=pytest.mark.long), "Latin-1"])
def elsewhere(request: pytest.FixtureRequest) -> dict[str, str]:
    """Environment of a process that does not take file names for UTF-8."""
    environment = C if request.param == "C" else request.getfixturevalue("latin_1")
    assert encoding_in(environment) != "utf-8"
    return environment


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder whose own name is not ASCII, with such files."""
    folder = tmp_path / "Übergabe"
    for number, name in enumerate(NAMES):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"n\n{number}\n")
    return folder


def test_names_arrive_as_they_are_on_disk_and_are_so_everywhere(
    delivery: Delivery, data: Path, elsewhere: dict[str, str]
) -> None:
    said = delivery.run("--source", data, env=elsewhere)
    assert said.exit_code == 0, said
    assert sorted(content(data)) == sorted(NAMES)
    assert delivery.landed() == content(data)
    assert {event["relpath"] for event in said.events if event["kind"] == "file"} <= set(NAMES)
    state = pd.read_csv(said.summary["state_csv"], dtype=str, keep_default_na=False)
    assert sorted(state["relpath"]) == sorted(NAMES)
    assert sorted(state["abspath"]) == sorted(str(data / name) for name in NAMES)
    receipt = next(delivery.receiver.output.glob("*.receipt.json"))
    listed = json.loads(receipt.read_text(encoding="utf-8"))
    assert all(name in json.dumps(listed, ensure_ascii=False) for name in NAMES)
    # Who goes on with another locale finds the same files.
    again = delivery.run("--source", data)
    assert (again.exit_code, again.summary["files_sent"]) == (0, 0), again
    words = [*delivery.command()[:3], "verify", str(receipt), "--source", str(data)]
    verified = subprocess.run(words, capture_output=True, check=False)
    assert verified.returncode == 0, verified.stderr.decode(errors="replace")


def test_an_index_and_its_patterns_spell_names_as_they_are_on_disk(
    delivery: Delivery, data: Path, tmp_path: Path, elsewhere: dict[str, str]
) -> None:
    def index(*more: str, environment: dict[str, str]) -> str:
        target = tmp_path / "index.csv"
        target.unlink(missing_ok=True)
        words = [*delivery.command()[:3], "index", str(data), "-o", str(target), *more]
        made = subprocess.run(words, env={**os.environ, **environment}, capture_output=True, check=False)
        assert made.returncode == 0, made.stderr
        return target.read_text(encoding="utf-8")

    assert index(environment=elsewhere) == index(environment={})
    only = index("--include", "Grö*", "--include", "Maße/", environment=elsewhere)
    assert only == index("--include", "Grö*", "--include", "Maße/", environment={})
    assert only.count("\n") == 3
    index(environment=elsewhere)
    said = delivery.run("--source", data, "--index", tmp_path / "index.csv", env=elsewhere)
    assert said.exit_code == 0, said
    assert delivery.landed() == content(data)


def test_a_name_that_is_not_utf_8_is_refused_for_what_it_is(
    delivery: Delivery, data: Path, elsewhere: dict[str, str]
) -> None:
    (data / os.fsdecode(b"Gr\xf6\xdfe.csv")).write_text("n\n1\n")  # as it is spelled in Latin-1
    said = delivery.run("--source", data, env=elsewhere)
    assert said.exit_code == 2, said
    assert "Gr\\udcf6\\udcdfe.csv" in said.stderr
    assert "not valid Unicode" in said.stderr
    assert delivery.landed() == {}


def test_workers_with_another_locale_find_the_files(
    delivery: Delivery, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in C.items():
        monkeypatch.setenv(name, value)
    workers = concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    with workers as executor:
        assert executor.submit(sys.getfilesystemencoding).result() == "ascii"
        with client_of(delivery, data, executor=executor, n_threads=2) as client:
            outcome = client.run()
    assert outcome.exit_code == 0, outcome
    assert delivery.landed() == content(data)


def test_what_is_printed_into_a_file_is_utf_8(data: Path, tmp_path: Path, elsewhere: dict[str, str]) -> None:
    (data / "plain.csv").rename(data / "größer.csv")
    words = [sys.executable, "-m", "upload_client", "expectations", "infer", str(data)]
    drafts = [
        subprocess.run(words, env={**os.environ, **environment}, capture_output=True, check=False)
        for environment in (elsewhere, {})
    ]
    assert drafts[0].returncode == 0, drafts[0].stderr
    assert drafts[0].stdout == drafts[1].stdout


def test_all_that_is_written_and_read_may_lie_in_a_folder_of_such_a_name(
    delivery: Delivery, data: Path, elsewhere: dict[str, str], tmp_path: Path
) -> None:
    """Paths that are typed, and those that stand in a file, for this program and for other libraries."""
    out = tmp_path / "Größe"
    out.mkdir()

    def run(*words: object) -> str:
        line = [*delivery.command()[:3], *map(str, words)]
        done = subprocess.run(
            line, env={**os.environ, **elsewhere}, cwd=out, capture_output=True, check=False
        )
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == 0, said
        assert "\\udc" not in said
        assert "\\x" not in said
        return said

    assert "Liste ü.csv: 4 files" in run("index", data, "-o", "Liste ü.csv")
    said = delivery.run(
        *("--source", data, "--index", out / "Liste ü.csv", "--output-dir", out),
        *("--log-file", out / "Verlauf ö.log", "--report", out / "Bericht ß.html"),
        env=elsewhere,
    )
    assert said.exit_code == 0, said
    assert Path(said.summary["state_csv"]).parent == out
    receipt = next(out.glob("*.receipt.json")).rename(out / "Quittung ä.json")
    run("verify", receipt, "--source", data, "-o", "Unterschied ü.csv")
    run("expectations", "infer", data, "-o", "Erwartung ä.yaml")
    run("expectations", "check", data, "--expectations", "Erwartung ä.yaml")
    (out / "Plän.yaml").write_text(
        "store: sqlite:///Störe.sqlite\njobs:\n  one: {every: 1h, read: {file: Liste ü.csv},"
        " write: {file: Köpie.csv}}\n",
        encoding="utf-8",
    )
    run("schedule", "once", "Plän.yaml", "one", "--log-file", "Schedül.log")
    assert "succeeded" in run("schedule", "show", "Plän.yaml")
    written = {path.name for path in out.iterdir()}
    assert written >= {"Bericht ß.html", "Köpie.csv", "Schedül.log", "Störe.sqlite", "Unterschied ü.csv"}
    assert {"Verlauf ö.log", "Erwartung ä.yaml"} <= written


def test_a_program_of_ones_own_scans_names_as_they_are_on_disk(data: Path, elsewhere: dict[str, str]) -> None:
    program = (
        "import sys; from upload_client.index import scan; print(ascii(scan(sys.argv[1])['path'].tolist()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, data],
        env={**os.environ, **elsewhere},
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().strip() == ascii(sorted(NAMES, key=lambda name: name.encode()))
