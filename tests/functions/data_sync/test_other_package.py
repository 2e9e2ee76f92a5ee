"""The same requests of data sync, answered by us and by the public package of these functions, on one S3.

Where answers differ, the difference stands here: docs/data-sync.md tells why.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from upload_client.functions import data_sync

pytestmark = pytest.mark.long

PACKAGE = "aibs-informatics-aws-lambda==1.1.0"
PROGRAM = """
import importlib, json, logging, sys
logging.disable(logging.CRITICAL)
homes = ["aibs_informatics_aws_lambda.handlers.data_sync." + each for each in ("operations", "file_system")]
class Context:
    function_name = "f"; memory_limit_in_mb = 128; aws_request_id = "r"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:f"
answers = []
for name, event in json.load(sys.stdin):
    try:
        found = next(vars(home)[name] for home in map(importlib.import_module, homes) if name in vars(home))
        answers.append({"answer": found.get_handler()(event, Context())})
    except Exception as error:
        answers.append({"error": type(error).__name__})
print("\\n" + json.dumps(answers))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter that has that package."""
    if given := os.environ.get("UPLOAD_CLIENT_TEST_OTHER_PYTHON"):
        return given
    folder = tmp_path_factory.mktemp("other")
    uv = shutil.which("uv")
    subprocess.run([uv, "venv", "-q", folder] if uv else [sys.executable, "-m", "venv", folder], check=True)
    found = next(path for path in (folder / "bin/python", folder / "Scripts/python.exe") if path.exists())
    install = [uv, "pip", "install", "--python", found] if uv else [found, "-m", "pip", "install"]
    if subprocess.run([*install, "-q", PACKAGE], check=False).returncode:
        pytest.skip(f"{PACKAGE} cannot be installed here")
    return str(found)


@pytest.fixture
def s3(moto_server: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    made = boto3.client("s3", endpoint_url=moto_server, region_name="us-east-1")
    for bucket in ("src", "ours", "theirs"):
        made.create_bucket(Bucket=bucket)
    yield made
    for bucket in ("src", "ours", "theirs"):
        for entry in made.list_objects_v2(Bucket=bucket).get("Contents", ()):
            made.delete_object(Bucket=bucket, Key=entry["Key"])
        made.delete_bucket(Bucket=bucket)


class Both:
    """The same questions to both sides."""

    def __init__(self, python: str) -> None:
        self._python = python

    def theirs(self, *asked: tuple[str, Any]) -> list[Any]:
        done = subprocess.run(
            [self._python, "-c", PROGRAM], input=json.dumps(asked), capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout.splitlines()[-1])

    def ours(self, *asked: tuple[str, Any]) -> list[Any]:
        answers = []
        for name, event in asked:
            try:
                answers.append({"answer": getattr(data_sync, name).get_handler()(event)})
            except Exception as error:  # noqa: BLE001 - its kind is what is compared
                answers.append({"error": error})
        return answers


@pytest.fixture
def both(python: str) -> Both:
    return Both(python)


TREE = {"a.csv": b"1", "b/c.csv": b"22", "b/d/e.txt": b"333", "b/d/f.csv": b"4444", "g": b"55555"}


def put(s3, bucket: str, files: dict[str, bytes], prefix: str = "run1/") -> None:
    for path, content in files.items():
        s3.put_object(Bucket=bucket, Key=prefix + path, Body=content)


def objects(s3, bucket: str) -> dict[str, bytes]:
    entries = s3.list_objects_v2(Bucket=bucket).get("Contents", ())
    return {entry["Key"]: s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read() for entry in entries}


def files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def write(root: Path, tree: dict[str, bytes]) -> None:
    for path, content in tree.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)


VARIANTS: list[dict[str, Any]] = [
    {},
    {"delete": False},
    {"filter_config": {"include": [r".*\.csv"]}, "delete": False},
    {"filter_config": {"include": r".*\.csv", "exclude": [r"b/d/.*"]}},
    {"size_only": True},
    {"force": True, "delete": False},
]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_syncs_end_alike_in_all_directions(s3, both: Both, tmp_path: Path, options: dict[str, Any]) -> None:
    put(s3, "src", TREE)
    write(tmp_path / "src", TREE)
    old = {"old": b"x", "a.csv": b"other"}
    for side in ("ours", "theirs"):
        put(s3, side, old, "up/")
        write(tmp_path / side, {"old": b"x"})  # it fetches nothing over a file that is there

    def requests(side: str) -> list[tuple[str, Any]]:
        pairs = [(f"{tmp_path}/src", f"s3://{side}/up/"), ("s3://src/run1/", f"{tmp_path}/{side}")]
        return [
            ("DataSyncHandler", {"source_path": source, "destination_path": target, **options})
            for source, target in pairs
        ]

    ours, theirs = both.ours(*requests("ours")), both.theirs(*requests("theirs"))
    assert all("answer" in each for each in (*ours, *theirs)), (ours, theirs)
    assert objects(s3, "ours") == objects(s3, "theirs")
    assert files(tmp_path / "ours") == files(tmp_path / "theirs")


def test_from_bucket_to_bucket_they_end_alike(s3, both: Both) -> None:
    put(s3, "src", TREE)
    asked = {"source_path": "s3://src/run1/", "filter_config": {"exclude": "g"}}
    ours = both.ours(("DataSyncHandler", {**asked, "destination_path": "s3://ours/x/"}))
    theirs = both.theirs(("DataSyncHandler", {**asked, "destination_path": "s3://theirs/x/"}))
    assert "answer" in ours[0]
    assert "answer" in theirs[0]
    assert objects(s3, "ours") == objects(s3, "theirs")


def test_what_is_missing_is_the_same_error(s3, both: Both, tmp_path: Path) -> None:
    put(s3, "src", TREE)
    asked = [
        {"source_path": "s3://src/none/", "destination_path": str(tmp_path / "x")},
        {"source_path": "s3://src/none/", "destination_path": "s3://ours/x/"},
        {"source_path": str(tmp_path / "none"), "destination_path": "s3://ours/x/"},
    ]
    asked += [{**each, "fail_if_missing": False, "include_detailed_response": True} for each in asked]
    events = [("DataSyncHandler", each) for each in asked]
    ours, theirs = both.ours(*events), both.theirs(*events)
    for mine, other in zip(ours[:3], theirs[:3], strict=True):
        assert isinstance(mine["error"], FileNotFoundError)
        assert other["error"] == "FileNotFoundError"
    for mine, other in zip(ours[3:], theirs[3:], strict=True):
        assert mine["answer"]["result"] == other["answer"]["result"]


def test_what_was_sent_is_counted_here_and_what_is_there_is_counted_there(
    s3, both: Both, tmp_path: Path
) -> None:
    write(tmp_path / "src", TREE)
    asked = {"source_path": f"{tmp_path}/src", "include_detailed_response": True}
    for side in (both.ours, both.theirs):
        name = "ours" if side == both.ours else "theirs"
        event = ("DataSyncHandler", {**asked, "destination_path": f"s3://{name}/up/"})
        first, again = (answer["answer"]["result"] for answer in side(event, event))
        assert first == {"bytes_transferred": 15, "files_transferred": 5}
        nothing = {"bytes_transferred": 0, "files_transferred": 0}
        assert again == (nothing if name == "ours" else first)


@pytest.mark.parametrize("limit", [1, 4, 6, 9, 1000])
def test_a_tree_is_cut_into_the_same_pieces(s3, both: Both, limit: int) -> None:
    put(s3, "src", TREE)
    event = {
        "source_path": "s3://src/run1/",
        "destination_path": "s3://ours/up/",
        "batch_size_bytes_limit": limit,
        "filter_config": {"exclude": "a.csv"},
    }
    answers = [side(("PrepareBatchDataSyncHandler", event))[0]["answer"] for side in (both.ours, both.theirs)]

    def pieces(answer: dict[str, Any]) -> list[list[tuple[str, str, str]]]:
        names = ("source_path", "destination_path", "filter_root")
        return sorted(
            sorted(tuple(each[name] for name in names) for each in batch["requests"])
            for batch in answer["requests"]
        )

    assert pieces(answers[0]) == pieces(answers[1])


ODD: dict[str, dict[str, int]] = {
    "names that sort in another way than folders": dict.fromkeys(
        ("a b", "a-b/x", "a.b/x", "a/b", "a/B", "é/x", "A", "a0"), 3
    ),
    "one file larger than all else": {"big": 10**9, "s/t": 1, "s/u": 2},
    "one file below many folders": {"d/" * 30 + "f": 5, "x": 1},
    "files of no bytes": {f"z{n}": 0 for n in range(5)},
    "folders of nothing": {"f": 3, "e/": 0, "g/h/": 0, "i/j/k/": 0},
}
"""Trees of files with their bytes; what ends in a slash is an empty folder."""


@pytest.mark.parametrize("tree", ODD.values(), ids=ODD)
def test_odd_trees_of_files_are_cut_counted_and_listed_alike_but_for_the_slash(
    both: Both, tmp_path: Path, tree: dict[str, int]
) -> None:
    root = tmp_path / "src"
    for path, size in tree.items():
        if path.endswith("/"):
            (root / path).mkdir(parents=True)
            continue
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        with (root / path).open("wb") as file:
            file.truncate(size)
    asked: list[tuple[str, Any]] = [
        (
            "PrepareBatchDataSyncHandler",
            {
                "source_path": f"{root}/",
                "destination_path": f"{tmp_path}/to/",
                "batch_size_bytes_limit": limit,
            },
        )
        for limit in (1, 5, 100, 10**12)
    ]
    asked += [(name, {"path": f"{root}/"}) for name in ("GetDataPathStatsHandler", "ListDataPathsHandler")]
    found = []
    for side in (both.ours, both.theirs):
        *prepared, stats, listed = (each["answer"] for each in side(*asked))
        batches = [
            sorted(
                sorted(
                    (each["source_path"].rstrip("/"), each["destination_path"].rstrip("/")) for each in one
                )
                for one in (batch["requests"] for batch in answer["requests"])
            )
            for answer in prepared
        ]
        below = {path: one["size_bytes"] for path, one in stats["children"].items()}
        whole = stats["path_stats"]
        found.append((batches, whole["size_bytes"], whole["object_count"], below, sorted(listed["paths"])))
    assert found[0] == found[1]


ODD_KEYS: dict[str, tuple[str, ...]] = {
    "an object that is a folder of others as well": ("x", "x/y"),
    "names that are empty": ("/a", "b//c", "d"),
    "an object with content that is named as a folder": ("m/", "m/n"),
}


@pytest.mark.parametrize("keys", ODD_KEYS.values(), ids=ODD_KEYS)
def test_of_odd_keys_all_are_in_the_pieces_here_and_some_are_lost_there(
    s3, both: Both, keys: tuple[str, ...]
) -> None:
    put(s3, "src", {key: key.encode() for key in keys})
    event = {"source_path": "s3://src/run1/", "batch_size_bytes_limit": 1}
    (ours,) = both.ours(("PrepareBatchDataSyncHandler", {**event, "destination_path": "s3://ours/run1/"}))
    for batch in ours["answer"]["requests"]:
        assert "answer" in both.ours(("BatchDataSyncHandler", batch))[0]
    assert objects(s3, "ours") == {f"run1/{key}": key.encode() for key in keys}
    (theirs,) = both.theirs(("PrepareBatchDataSyncHandler", {**event, "destination_path": "s3://x/run1/"}))
    named = [one["source_path"] for batch in theirs["answer"]["requests"] for one in batch["requests"]]
    lost = [key for key in keys if not f"s3://src/run1/{key}".startswith(tuple(named))]
    assert lost


def test_batches_are_counted_alike(s3, both: Both, tmp_path: Path) -> None:
    put(s3, "src", TREE)
    results = []
    for side, name in ((both.ours, "ours"), (both.theirs, "theirs")):
        batch = [
            {"source_path": "s3://src/run1/b/", "destination_path": f"{tmp_path}/{name}/b"},
            {"source_path": "s3://src/none/", "destination_path": f"{tmp_path}/{name}/c"},
            {"source_path": "s3://src/run1/g", "destination_path": f"{tmp_path}/{name}/g"},
        ]
        batch = [{**each, "include_detailed_response": True} for each in batch]
        s3.put_object(Bucket=name, Key="batch.json", Body=json.dumps(batch).encode())
        asked = [
            ("BatchDataSyncHandler", {"requests": f"s3://{name}/batch.json", "allow_partial_failure": True}),
            ("BatchDataSyncHandler", {"requests": batch}),
            ("BatchDataSyncHandler", {**batch[2], "force": True}),
        ]
        results.append(side(*asked))
    ours, theirs = results
    assert ours[0]["answer"]["result"] == theirs[0]["answer"]["result"]
    assert [each["source_path"] for each in ours[0]["answer"]["failed_requests"]] == ["s3://src/none/"]
    assert isinstance(ours[1]["error"], FileNotFoundError)
    assert theirs[1]["error"] == "FileNotFoundError"
    assert ours[2]["answer"]["result"] == theirs[2]["answer"]["result"]
    assert files(tmp_path / "ours") == files(tmp_path / "theirs")


def test_stats_and_lists_are_alike_but_for_the_bucket(s3, both: Both, tmp_path: Path) -> None:
    put(s3, "src", TREE)
    write(tmp_path / "src", TREE)
    for path in ("s3://src/run1/", f"{tmp_path}/src"):
        bucket = "s3://src/" if path.startswith("s3:") else ""
        asked = [
            ("GetDataPathStatsHandler", {"path": path}),
            ("ListDataPathsHandler", {"path": path}),
            # Relative to the path here; there, in S3, relative to the bucket.
            ("ListDataPathsHandler", {"path": path, "include": [r"(run1/)?b/.*"], "exclude": r"(run1/)?b/d"}),
        ]
        ours, theirs = (
            [each["answer"] for each in answers] for answers in (both.ours(*asked), both.theirs(*asked))
        )

        def sums(stats: dict[str, Any]) -> tuple[int, int]:
            return stats["size_bytes"], stats["object_count"]

        assert sums(ours[0]["path_stats"]) == sums(theirs[0]["path_stats"]) == (15, 5)
        assert {name: sums(each) for name, each in ours[0]["children"].items()} == {
            name: sums(each) for name, each in theirs[0]["children"].items()
        }
        assert ours[1]["paths"] == sorted(bucket + each for each in theirs[1]["paths"])
        assert set(ours[2]["paths"]) - {ours[0]["path"] + "b/"} == {
            bucket + each for each in theirs[2]["paths"] if not each.endswith("b/")
        }


def test_a_file_that_is_there_is_replaced_here_and_an_error_there(s3, both: Both, tmp_path: Path) -> None:
    put(s3, "src", {"a": b"new"})
    for side, name in ((both.ours, "ours"), (both.theirs, "theirs")):
        write(tmp_path / name, {"a": b"longer"})
        target = {"source_path": "s3://src/run1/", "destination_path": f"{tmp_path}/{name}"}
        answer = side(("DataSyncHandler", target))[0]
        assert ("answer" in answer) == (name == "ours")
    assert files(tmp_path / "ours") == {"a": b"new"}
    assert files(tmp_path / "theirs") == {"a": b"longer"}


def test_what_is_stale_is_found_alike(both: Both, tmp_path: Path) -> None:
    write(tmp_path / "src", TREE)
    for days, path in enumerate(sorted(TREE), 1):
        os.utime(tmp_path / "src" / path, (10**9 - days * 86400,) * 2)
    now = "2001-09-09T01:46:40+00:00"
    asked = [
        ("OutdatedDataPathScannerHandler", {"path": f"{tmp_path}/src", "current_time": now, **options})
        for options in (
            {"days_since_last_accessed": 2.5},
            {"days_since_last_accessed": 2.5, "min_size_bytes_allowed": 10},
            {"days_since_last_accessed": 2.5, "max_depth": 1},
            {"days_since_last_accessed": 0.5, "min_depth": 2},
            {"days_since_last_accessed": 100},
        )
    ]
    ours, theirs = both.ours(*asked), both.theirs(*asked)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine["answer"]["paths"] == other["answer"]["paths"]


def test_removing_is_alike_but_for_what_never_was(both: Both, tmp_path: Path) -> None:
    answers = []
    for side, name in ((both.ours, "ours"), (both.theirs, "theirs")):
        write(tmp_path / name, TREE)
        paths = [f"{tmp_path}/{name}/{each}" for each in ("b", "g", "never")]
        answers.append(side(("RemoveDataPathsHandler", {"paths": [*paths, "s3://src/x"]}))[0]["answer"])
    ours, theirs = answers
    assert ours["size_bytes_removed"] == theirs["size_bytes_removed"] == 14
    assert [Path(each).name for each in ours["paths_removed"]] == ["b", "g"]
    assert [Path(each).name for each in theirs["paths_removed"]] == ["b", "g", "never"]
    assert files(tmp_path / "ours") == files(tmp_path / "theirs") == {"a.csv": b"1"}


def test_json_files_are_written_and_read_alike(s3, both: Both, tmp_path: Path) -> None:
    for side, name in ((both.ours, "ours"), (both.theirs, "theirs")):
        content = {"b": [1, None], "a": "ü"}
        for path in (f"{tmp_path}/{name}/deep/x.json", f"s3://{name}/x.json"):
            answers = side(
                ("PutJSONToFileHandler", {"path": path, "content": content}),
                ("GetJSONFromFileHandler", {"path": path}),
            )
            assert answers == [{"answer": {"path": path}}, {"answer": {"content": content}}]
    assert (tmp_path / "ours/deep/x.json").read_text() == (tmp_path / "theirs/deep/x.json").read_text()
