"""The functions of data sync, called as AWS Lambda calls them."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from upload_client.errors import DeliveryError, UsageError
from upload_client.functions import data_sync
from upload_client.functions.data_sync import get_s3_scratch_key, operations, to_local, to_s3
from upload_client.functions.data_sync.paths import efs_mounts, place_of
from upload_client.functions.errors import InvalidRequest, Unanswerable
from upload_client.transfer import send_files
from upload_client.transfer.download import fetch_files

from .conftest import World


@pytest.fixture(params=["real"])
def store(request: pytest.FixtureRequest) -> SimpleNamespace:
    """The store that checks checksums."""
    return SimpleNamespace(name="real", endpoint_url=request.getfixturevalue("real_s3"), endpoints={})


def ask(name: str, event, context=None):
    return getattr(data_sync, name).get_handler()(event, context)


TREE = {"a.csv": "1", "b/c.csv": "22", "b/d/e.txt": "333", "g": "4444"}


def fill(world: World, prefix: str = "run1/") -> None:
    for path, content in TREE.items():
        world.put(prefix + path, content)


@pytest.mark.parametrize("where", ["the event", "the list", "the URI"])
def test_one_request_by_itself_is_a_batch_of_one(world: World, where: str) -> None:
    fill(world)
    request = {"source_path": world.uri("run1/"), "destination_path": world.path("dst/")}
    world.put("request.json", json.dumps(request))
    event = {
        "the event": request,
        "the list": {"requests": request, "allow_partial_failure": True},
        "the URI": {"requests": world.uri("request.json")},
    }[where]
    answer = ask("BatchDataSyncHandler", event)
    assert answer["result"] == {
        "bytes_transferred": 10,
        "files_transferred": 4,
        "total_requests_count": 1,
        "successful_requests_count": 1,
        "failed_requests_count": 0,
    }
    assert answer["failed_requests"] == []
    assert world.files("dst") == TREE


def test_a_sync_that_is_prepared_of_a_folder_without_files_empties_no_destination(world: World) -> None:
    (world.folder / "src").mkdir()
    fill(world)
    request = {"source_path": world.path("src/"), "destination_path": world.uri("run1/")}
    (batch,) = ask("PrepareBatchDataSyncHandler", request)["requests"]
    with pytest.raises(ValueError, match="has no files, and all 4 of"):
        ask("BatchDataSyncHandler", batch)
    assert len(world.bucket.ls("run1/")) == 4
    (batch,) = ask("PrepareBatchDataSyncHandler", request | {"allow_empty_source": True})["requests"]
    ask("BatchDataSyncHandler", batch)
    assert not world.bucket.ls("run1/")


def test_a_batch_goes_on_after_a_failure_only_if_it_may(world: World) -> None:
    fill(world)
    batch = [
        {"source_path": world.uri("none/"), "destination_path": world.path("x/")},
        {"source_path": world.uri("run1/b/"), "destination_path": world.path("y/")},
    ]
    with pytest.raises(FileNotFoundError):
        ask("BatchDataSyncHandler", {"requests": batch})
    world.put("batch.json", json.dumps(batch))
    answer = ask("BatchDataSyncHandler", {"requests": world.uri("batch.json"), "allow_partial_failure": True})
    assert (answer["result"]["successful_requests_count"], answer["result"]["failed_requests_count"]) == (
        1,
        1,
    )
    assert [each["source_path"] for each in answer["failed_requests"]] == [world.uri("none/")]
    assert world.files("y") == {"c.csv": "22", "d/e.txt": "333"}
    world.put("wrong.json", '[{"source_path": 1}]')
    with pytest.raises(InvalidRequest, match="is no list of data sync requests"):
        ask("BatchDataSyncHandler", {"requests": world.uri("wrong.json")})


def test_single_files_of_one_folder_are_synced_at_once_and_told_one_by_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(world)
    world.put("x/a.csv", "older", world.other)
    world.write("y/a.csv", "1")
    syncs: list[str] = []
    real = operations.run_sync
    monkeypatch.setattr(
        operations,
        "run_sync",
        lambda request, warn: [syncs.append(request.source_path), real(request, warn)][1],
    )
    for below in (world.uri("x/", world.other), world.path("y/")):
        batch = [
            {"source_path": world.uri(f"run1/{path}"), "destination_path": below + path}
            for path in ("a.csv", "b/c.csv", "none", "b/d/e.txt")
        ]
        with pytest.raises(FileNotFoundError, match="none"):
            ask("BatchDataSyncHandler", {"requests": [*batch[:2], batch[2]]})
        answer = ask("BatchDataSyncHandler", {"requests": batch, "allow_partial_failure": True})
        assert answer["result"] == {
            "bytes_transferred": 3,
            "files_transferred": 1,
            "total_requests_count": 4,
            "successful_requests_count": 3,
            "failed_requests_count": 1,
        }
        assert [each["source_path"] for each in answer["failed_requests"]] == [world.uri("run1/none")]
    assert {*syncs} == {world.uri("run1/none")}  # what is not there is looked at by itself
    expected = {path: content for path, content in TREE.items() if path != "g"}
    assert world.objects(world.other, "x/") == expected
    assert world.files("y") == expected


@pytest.mark.parametrize("given", [True, False, None])
@pytest.mark.parametrize("wrapped", [True, False])
def test_one_request_by_itself_may_fail_as_one_of_a_list_may(world: World, given, wrapped) -> None:
    one = {"source_path": world.uri("none/"), "destination_path": world.uri("x/", world.other)}
    event = {"requests": one} if wrapped else one
    event = {**event, "allow_partial_failure": given}
    if not given:
        with pytest.raises(FileNotFoundError):
            ask("BatchDataSyncHandler", event)
        return
    answer = ask("BatchDataSyncHandler", event)
    assert (answer["result"]["failed_requests_count"], len(answer["failed_requests"])) == (1, 1)


def test_of_files_synced_at_once_one_that_fails_stops_no_other_that_may_go_on(world: World) -> None:
    fill(world)
    world.write("dst/b/c.csv/file", "in the way")  # of a file, a folder
    world.write("dst/b/d", "in the way")  # of a folder, a file
    batch = [
        {
            "source_path": world.uri(f"run1/{path}"),
            "destination_path": world.path(f"dst/{path}"),
            "size_only": path == "g",
        }
        for path in ("a.csv", "b/c.csv", "b/d/e.txt", "g")
    ]
    answer = ask("BatchDataSyncHandler", {"requests": batch, "allow_partial_failure": True})
    assert sorted(each["source_path"] for each in answer["failed_requests"]) == [
        world.uri("run1/b/c.csv"),
        world.uri("run1/b/d/e.txt"),
    ]
    assert answer["result"]["files_transferred"] == answer["result"]["successful_requests_count"] == 2
    with pytest.raises((DeliveryError, OSError)):
        ask("BatchDataSyncHandler", {"requests": batch})


def test_files_that_are_moved_at_once_leave_their_folders(world: World) -> None:
    for path, content in TREE.items():
        world.write(f"src/{path}", content)
    move = {"retain_source_data": False, "fail_if_missing": False}
    batch = [
        {"source_path": world.path(f"src/{path}"), "destination_path": world.uri(f"dst/{path}"), **move}
        for path in ("a.csv", "b/c.csv", "b/d/e.txt")
    ]
    for n in (3, 0):  # the second time all of them were moved before
        answer = ask("BatchDataSyncHandler", {"requests": batch})
        assert (answer["result"]["files_transferred"], answer["result"]["successful_requests_count"]) == (
            n,
            3,
        )
    assert world.files("src") == {"g": "4444"}
    assert Path(world.path("src/b/d/")).is_dir()


def test_a_batch_has_no_more_files_than_it_may(world: World) -> None:
    fill(world)
    event = {"source_path": world.uri("run1/"), "destination_path": world.uri("x/", world.other)}
    batches = ask("PrepareBatchDataSyncHandler", {**event, "batch_size_objects_limit": 2})["requests"]
    cut = [[each["source_path"].partition("run1/")[2] for each in batch["requests"]] for batch in batches]
    assert cut == [["b/"], ["a.csv", "g"]]


def test_null_means_what_a_missing_field_means(world: World) -> None:
    world.write("src/a", "1")
    event = {"source_path": world.path("src/"), "destination_path": world.path("dst/")}
    nulls = {"max_concurrency": None, "delete": None, "remote_to_local_config": None, "filter_config": None}
    assert ask("DataSyncHandler", {**event, **nulls})["result"]["files_transferred"] == 1
    assert ask("DataSyncHandler", {**event, **nulls}) == ask("DataSyncHandler", event)
    with pytest.raises(InvalidRequest, match="source_path"):
        ask("DataSyncHandler", {**event, "source_path": None})
    assert ask("OutdatedDataPathScannerHandler", {"path": world.path("src/"), "current_time": None})


@pytest.mark.parametrize(
    ("asked", "n", "small"), [(None, 25, 100), (1, 1, 1), (25, 25, 100), (26, 26, 26), (300, 300, 300)]
)
def test_no_more_requests_are_under_way_than_were_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch, asked: int | None, n: int, small: int
) -> None:
    sent: dict[str, int] = {}
    fetched: dict[str, int] = {}

    def sending(*args: Any, **options: Any) -> Any:
        sent.update(options)
        return send_files(*args, **options)

    def fetching(*args: Any, **options: Any) -> Any:
        fetched.update(options)
        return fetch_files(*args, **options)

    monkeypatch.setattr(to_s3, "send_files", sending)
    monkeypatch.setattr(to_local, "fetch_files", fetching)
    world.write("src/a", "1")
    limit = {} if asked is None else {"max_concurrency": asked}
    ask("DataSyncHandler", {"source_path": world.path("src/"), "destination_path": world.uri("x/"), **limit})
    ask("DataSyncHandler", {"source_path": world.uri("x/"), "destination_path": world.path("dst/"), **limit})
    assert (sent["n_threads"], sent["n_threads"] * sent["small_for_one"]) == (n, small)
    assert fetched["n_threads"] == small


@pytest.mark.parametrize("name", ["DataSyncHandler", "ListDataPathsHandler"])
def test_what_is_no_regular_expression_is_told_with_its_field(name: str) -> None:
    event = {"path": "x", "include": "(", "source_path": "x", "destination_path": "y"}
    with pytest.raises(InvalidRequest, match=r"include: '\(' is no regular expression: missing \)"):
        ask(name, {**event, "filter_config": {"include": ["a", "("]}})


@pytest.mark.parametrize("path", ["/data/\ud800", "s3://bucket/\udc80"])
def test_a_path_that_no_system_can_have_is_told_with_its_field(path: str, world: World) -> None:
    with pytest.raises(InvalidRequest, match="path: a path has a character that nothing can have"):
        ask("GetDataPathStatsHandler", {"path": path})


def test_what_is_wrong_is_told_without_the_words_of_pydantic() -> None:
    with pytest.raises(InvalidRequest) as told:
        ask("BatchDataSyncHandler", {"requests": [{"source_path": ""}]})
    assert str(told.value) == (
        "the event is no BatchDataSyncRequest: requests.0.source_path: a path is empty, or has a NUL"
        " character; requests.0.destination_path: Field required; requests: Input should be a valid string"
    )


def test_json_is_what_others_take_for_json(world: World) -> None:
    world.write("nan.json", "[NaN]")
    with pytest.raises(UsageError, match="is no JSON"):
        ask("GetJSONFromFileHandler", {"path": world.path("nan.json")})
    with pytest.raises(InvalidRequest, match="is no JSON"):
        ask("PutJSONToFileHandler", '{"content": Infinity, "path": "x"}')
    ask("PutJSONToFileHandler", {"content": None, "path": world.path("null.json")})
    assert ask("GetJSONFromFileHandler", {"path": world.path("null.json")}) == {"content": None}
    for path in (world.uri(""), world.uri("x/"), world.path("x/")):
        with pytest.raises(UsageError, match="is a folder"):
            ask("PutJSONToFileHandler", {"content": 1, "path": path})
        with pytest.raises(UsageError, match="is a folder"):
            ask("GetJSONFromFileHandler", {"path": path})


def test_names_that_are_not_utf_8_are_told_apart_and_not_where_no_json_can_hold_them(
    tmp_path: Path, context: object
) -> None:
    for name in (b"caf\xe9", b"caf\xe8", b"s\xff/x"):
        path = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118 - names that are bytes
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120 - likewise
        with open(path, "wb") as file:  # noqa: PTH123 - likewise
            file.write(name)
    stats = ask("GetDataPathStatsHandler", {"path": str(tmp_path)})
    assert sorted(stats["children"]) == ["caf\udce8", "caf\udce9", "s\udcff"]
    listed = json.loads(json.dumps(ask("ListDataPathsHandler", {"path": str(tmp_path)})))["paths"]
    for name in ("GetDataPathStatsHandler", "ListDataPathsHandler"):
        with pytest.raises(Unanswerable, match="is not UTF-8"):  # the runtime of AWS Lambda would end
            ask(name, {"path": str(tmp_path)}, context)
    mirror = {"source_path": f"{tmp_path}/", "destination_path": f"{tmp_path}-2/"}
    assert ask("DataSyncHandler", mirror)["result"]["files_transferred"] == 3
    assert ask("RemoveDataPathsHandler", {"paths": listed[1:]})["size_bytes_removed"] == 12


def test_what_stands_for_a_folder_is_copied_within_s3(world: World) -> None:
    world.put("run1/empty/", "")
    fill(world)
    sync = {"source_path": world.uri("run1/"), "destination_path": world.uri("run1/", world.other)}
    answer = ask("DataSyncHandler", {**sync, "retain_source_data": False})
    assert answer["result"]["files_transferred"] == 5
    assert world.objects(world.other, "run1/") == {**TREE, "empty/": ""}
    assert world.objects(world.bucket, "run1/") == {}


@pytest.mark.parametrize("written", [True, False])
def test_what_was_prepared_ends_as_one_sync_would(world: World, written: bool) -> None:
    fill(world)
    event = {
        "source_path": world.uri("run1"),
        "destination_path": world.uri("up/here", world.other),
        "source_path_prefix": "",
        "filter_config": {"exclude": "g"},
        "batch_size_bytes_limit": 3,
    }
    if written:
        event["temporary_request_payload_path"] = world.uri("payload")
    batches = ask("PrepareBatchDataSyncHandler", event)["requests"]
    assert len(batches) == 2  # b/d/ fills one; what is left is put together
    if written:
        assert [each["requests"] for each in batches] == [
            world.uri(f"payload/request_{number}.json") for number in range(2)
        ]
    for batch in batches:
        ask("BatchDataSyncHandler", batch)
    expected = {path: content for path, content in TREE.items() if path != "g"}
    assert world.objects(world.other, "up/here/") == expected
    assert ask("DataSyncHandler", {**event, "filter_config": None})["result"]["files_transferred"] == 1


def test_a_batch_of_moves_that_is_run_again_takes_what_it_has_moved_for_done(world: World) -> None:
    for name in ("a/x", "b/y"):
        world.write(f"src/{name}", name)
    request = {
        "source_path": world.path("src/"),
        "destination_path": world.uri("dst/"),
        "retain_source_data": False,
        "batch_size_bytes_limit": 3,
    }
    batches = ask("PrepareBatchDataSyncHandler", request)["requests"]
    assert len(batches) == 2
    assert [ask("BatchDataSyncHandler", batches[0])["result"]["files_transferred"] for _ in range(2)] == [
        1,
        0,
    ]
    ask("BatchDataSyncHandler", batches[1])
    assert world.objects(world.bucket, "dst/") == {"a/x": "a/x", "b/y": "b/y"}
    never = {"source_path": world.path("gone/"), "destination_path": world.uri("other/")}
    missing = ask("PrepareBatchDataSyncHandler", {**request, **never})
    with pytest.raises(FileNotFoundError):
        ask("BatchDataSyncHandler", missing["requests"][0])


def test_what_filters_keep_nothing_of_is_not_prepared(world: World) -> None:
    fill(world)
    event = {
        "source_path": world.uri("run1/"),
        "destination_path": world.path("x/"),
        "filter_config": {"include": "nothing"},
    }
    with pytest.raises(ValueError, match="keep none of the 4 files"):
        ask("PrepareBatchDataSyncHandler", event)
    assert len(ask("PrepareBatchDataSyncHandler", {**event, "fail_if_missing": False})["requests"]) == 1
    missing = {"source_path": world.uri("none"), "destination_path": world.path("x")}
    only = ask("PrepareBatchDataSyncHandler", missing)["requests"][0]["requests"][0]
    assert only["source_path"] == world.uri("none/")


def test_a_single_object_is_prepared_as_itself(world: World) -> None:
    fill(world)
    event = {"source_path": world.uri("run1/g"), "destination_path": world.path("x/")}
    (batch,) = ask("PrepareBatchDataSyncHandler", event)["requests"]
    ask("BatchDataSyncHandler", batch)
    assert world.files("x") == {"g": "4444"}


def test_nodes_are_batched_by_their_bytes() -> None:
    class Node:
        def __init__(self, size_bytes: int) -> None:
            self.size_bytes = size_bytes

    nodes = [Node(size) for size in (1, 30, 9, 4)]
    batches = operations.PrepareBatchDataSyncHandler.build_node_batches(nodes, 10)
    assert [[node.size_bytes for node in batch] for batch in batches] == [[30], [9, 1], [4]]


def test_json_goes_to_the_scratch_folder_where_no_path_is_given(
    world: World, monkeypatch: pytest.MonkeyPatch, context
) -> None:
    content = {"b": 1, "a": ["ü", None]}
    with pytest.raises(ValueError, match="DEFAULT_BUCKET_NAME"):
        ask("PutJSONToFileHandler", {"content": content}, context)
    monkeypatch.setenv("DEFAULT_BUCKET_NAME", world.bucket.name)
    path = ask("PutJSONToFileHandler", {"content": content}, context)["path"]
    key = get_s3_scratch_key(content={"a": ["ü", None], "b": 1}, unique_id="request-1")
    assert path == world.uri(key)
    tags = world.bucket.client.get_object_tagging(Bucket=world.bucket.name, Key=key)["TagSet"]
    assert tags == [{"Key": "time-to-live", "Value": "scratch"}]
    assert ask("GetJSONFromFileHandler", {"path": path}) == {"content": content}
    ask("PutJSONToFileHandler", {"content": content, "path": world.uri("kept.json")}, context)
    assert not world.bucket.client.get_object_tagging(Bucket=world.bucket.name, Key="kept.json")["TagSet"]
    assert get_s3_scratch_key("x.json", unique_id="u") == "scratch/u/x.json"
    assert get_s3_scratch_key() != get_s3_scratch_key()


def test_json_files_of_this_machine_are_made_with_their_folders(world: World) -> None:
    path = world.path("deep/er/x.json")
    assert ask("PutJSONToFileHandler", {"content": [1], "path": path}) == {"path": path}
    assert ask("GetJSONFromFileHandler", {"path": path}) == {"content": [1]}
    Path(path).write_text("{")
    with pytest.raises(UsageError, match="is no JSON"):
        ask("GetJSONFromFileHandler", {"path": path})
    for missing in (world.path("none.json"), world.uri("none.json")):
        with pytest.raises(FileNotFoundError):
            ask("GetJSONFromFileHandler", {"path": missing})


def test_paths_are_listed_whole_with_folders(world: World) -> None:
    fill(world)
    world.put("run10/x", "1")  # begins alike, and is no part of it
    root = world.uri("run1/")
    paths = ask("ListDataPathsHandler", {"path": world.uri("run1")})["paths"]
    assert paths == [root + each for each in ("", "a.csv", "b/", "b/c.csv", "b/d/", "b/d/e.txt", "g")]
    found = ask("ListDataPathsHandler", {"path": root, "include": "b/", "exclude": ["b/d"]})["paths"]
    assert found == [root + "b/", root + "b/c.csv"]
    assert ask("ListDataPathsHandler", {"path": root + "g"})["paths"] == [root + "g"]
    for path, content in TREE.items():
        world.write(f"run1/{path}", content)
    here = world.path("run1/")
    assert ask("ListDataPathsHandler", {"path": here.rstrip("/")})["paths"] == [
        path.replace(root, here) for path in paths
    ]


def test_an_empty_folder_that_an_object_stands_for_is_listed_and_not_counted(world: World) -> None:
    for key in ("run1/", "run1/e/", "run1/f/", "run1/f/g/"):
        world.put(key, "")
    world.put("run1/f/x", "1")
    root = world.uri("run1/")
    found = ask("ListDataPathsHandler", {"path": root})["paths"]
    assert found == [root + each for each in ("", "e/", "f/", "f/g/", "f/x")]
    stats = ask("GetDataPathStatsHandler", {"path": root})
    assert (stats["path_stats"]["object_count"], list(stats["children"])) == (1, ["f"])
    answer = ask("RemoveDataPathsHandler", {"paths": found[:0:-1], "allow_s3": True})
    assert answer == {
        "size_bytes_removed": 1,
        "paths_removed": [root + each for each in ("f/x", "f/g/", "f/", "e/")],
    }


def test_what_is_below_a_path_is_counted(world: World) -> None:
    fill(world)
    answer = ask("GetDataPathStatsHandler", {"path": world.uri("run1")})
    assert answer["path"] == world.uri("run1/")
    stats = answer["path_stats"]
    assert (stats["size_bytes"], stats["object_count"]) == (10, 4)
    assert (
        abs(datetime.fromisoformat(stats["last_modified"]).timestamp() - datetime.now(UTC).timestamp()) < 600
    )
    assert {name: each["object_count"] for name, each in answer["children"].items()} == {
        "a.csv": 1,
        "b": 2,
        "g": 1,
    }
    nothing = ask("GetDataPathStatsHandler", {"path": world.path("none")})
    assert (nothing["path_stats"]["object_count"], nothing["children"]) == (0, {})


def test_stale_paths_are_answered_sorted(world: World) -> None:
    for days, path in enumerate(sorted(TREE), 1):
        os.utime(world.write(f"run1/{path}", TREE[path]), (10**9 - days * 86400,) * 2)
    event = {
        "path": world.path("run1"),
        "days_since_last_accessed": 1.5,
        "current_time": "2001-09-09T01:46:40Z",
    }
    assert ask("OutdatedDataPathScannerHandler", event)["paths"] == [
        world.path("run1/b/"),
        world.path("run1/g"),
    ]
    assert ask("OutdatedDataPathScannerHandler", {**event, "min_size_bytes_allowed": 7})["paths"] == [
        world.path("run1/g")
    ]


def test_paths_are_removed_and_what_is_gone_is_no_error(world: World) -> None:
    fill(world)
    for path, content in TREE.items():
        world.write(f"run1/{path}", content)
    outside = world.write("outside", "x")
    Path(world.folder, "run1/link").symlink_to(outside)
    paths = [world.path(each) for each in ("run1/b", "run1/link", "run1/none")] + [world.uri("run1/b/")]
    answer = ask("RemoveDataPathsHandler", {"paths": paths})
    assert answer["paths_removed"] == paths[:2]
    assert outside.exists()
    assert world.files("run1") == {"a.csv": "1", "g": "4444"}
    answer = ask("RemoveDataPathsHandler", {"paths": [*paths[3:], world.uri("run1/none")], "allow_s3": True})
    assert answer == {"size_bytes_removed": 5, "paths_removed": paths[3:]}
    assert world.objects(world.bucket, "run1/") == {"a.csv": "1", "g": "4444"}


def test_a_file_is_no_folder_whatever_is_asked_of_its_name_with_a_slash(world: World) -> None:
    world.put("a.csv", "1")
    world.write("a.csv", "1")
    world.write("folder/b", "1")
    Path(world.folder, "link").symlink_to(world.path("folder"))
    for named in (world.uri("a.csv/"), world.path("a.csv/")):
        assert ask("ListDataPathsHandler", {"path": named})["paths"] == [named]  # as of what is not there
        assert ask("GetDataPathStatsHandler", {"path": named})["path_stats"]["object_count"] == 0
        event = {"path": named, "current_time": "2099-01-01T00:00:00Z"}
        assert ask("OutdatedDataPathScannerHandler", event)["paths"] == []
        answer = ask("RemoveDataPathsHandler", {"paths": [named], "allow_s3": True})
        assert answer == {"size_bytes_removed": 0, "paths_removed": []}
    assert world.objects(world.bucket) == {"a.csv": "1"}
    link = world.path("link/")
    assert ask("RemoveDataPathsHandler", {"paths": [link]})["paths_removed"] == [link]  # not what it leads to
    assert world.files("") == {"a.csv": "1", "folder/b": "1"}


@pytest.mark.parametrize(
    "path",
    ["/", "s3://bucket", "s3://bucket/", "efs://fs-0123456789abcdef0:/", "efs://fs-0123456789abcdef0/./"],
)
def test_all_there_is_is_not_removed(path: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EFS_MOUNT_POINTS", json.dumps({"fs-0123456789abcdef0": f"{world.folder}/"}))
    victim = world.write("a", "1")
    with pytest.raises(UsageError, match="it is all there is"):
        ask("RemoveDataPathsHandler", {"paths": [str(victim), path], "allow_s3": True})
    assert victim.exists()


@pytest.mark.parametrize("path", ["", "mnt", "mnt/", "link/efs", "mnt/../mnt/efs"])
def test_no_folder_is_removed_below_which_all_of_a_file_system_is_mounted(
    path: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = world.write("mnt/efs/a", "1")
    Path(world.folder, "link").symlink_to(world.path("mnt"))
    monkeypatch.setenv("EFS_MOUNT_POINTS", json.dumps({"fs-0123456789abcdef0": world.path("link/efs")}))
    with pytest.raises(UsageError, match="it is all there is"):
        ask("RemoveDataPathsHandler", {"paths": [world.path(path)]})
    assert victim.exists()
    assert ask("RemoveDataPathsHandler", {"paths": [world.path("link")]})["paths_removed"]
    assert victim.exists()


def test_efs_is_found_by_its_mounts(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    whole, part = world.path("efs"), world.path("shared")
    mounts = {"fs-0123456789abcdef0": whole, "fs-0123456789abcdef0:/shared": part}
    monkeypatch.setenv("EFS_MOUNT_POINTS", json.dumps(mounts))
    uri = "efs://fs-0123456789abcdef0"
    assert place_of(f"{uri}:/a/b").path == f"{whole}/a/b"
    assert place_of(f"{uri}/a/b").path == f"{whole}/a/b"
    assert place_of(f"{uri}:/shared/x").path == f"{part}/x"
    assert place_of(f"{uri}:/shared2/x").path == f"{whole}/shared2/x"
    assert place_of(uri).path == whole
    for wrong in (f"{uri}:/../x", "efs://fs-99999999/x", "efs://other/x", "ftp://x/y"):
        with pytest.raises(UsageError):
            place_of(wrong)
    world.write("efs/src/a", "1")
    answer = ask("DataSyncHandler", {"source_path": f"{uri}:/src/", "destination_path": world.uri("dst/")})
    assert answer["result"]["files_transferred"] == 1
    assert ask("ListDataPathsHandler", {"path": f"{uri}:/src"})["paths"] == [f"{uri}:/src/", f"{uri}:/src/a"]


@pytest.mark.parametrize("text", ["{", "[]", '{"x": "/mnt"}', '{"fs-01234567": "mnt"}', '{"fs-01234567": 1}'])
def test_mount_points_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="EFS_MOUNT_POINTS"):
        efs_mounts({"EFS_MOUNT_POINTS": text})


def test_mounts_by_the_name_of_the_file_system_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "mounts"
    table.write_text(
        "proc /proc proc rw 0 0\n"
        "fs-01234567.efs.us-east-1.amazonaws.com:/ /mnt/with\\040blank nfs4 rw 0 0\n"
        "fs-01234567.efs.us-east-1.amazonaws.com:/sub /mnt/sub nfs4 rw 0 0\n"
    )
    monkeypatch.setattr("upload_client.functions.data_sync.paths._MOUNTS", str(table))
    assert efs_mounts({}) == [("fs-01234567", "sub", "/mnt/sub"), ("fs-01234567", "", "/mnt/with blank")]


def test_the_names_are_there_and_loaded_late() -> None:
    import subprocess

    program = (
        "import sys, upload_client.functions.data_sync as d;"
        "print(sorted({'boto3', 'pydantic', 'aws_lambda_powertools'} & set(sys.modules)), dir(d) != [])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[] True\n"
    for name in data_sync.__all__:
        assert getattr(data_sync, name)
    with pytest.raises(AttributeError):
        data_sync.Other  # noqa: B018


def test_where_the_environment_says_where_s3_is_nothing_of_boto3_is_loaded(world: World) -> None:
    import subprocess

    program = (
        "import json, sys\n"
        "from upload_client.cli.functions import main\n"
        "name = 'upload_client.functions.data_sync.DataSyncHandler'\n"
        "for each in json.loads(sys.argv[1]):\n"
        "    assert main(['--handler', name, '--payload', json.dumps(each)]) == 0\n"
        "name = 'upload_client.functions.data_sync.GetJSONFromFileHandler'\n"
        "assert main(['--handler', name, '--payload', json.dumps({'path': sys.argv[2]})]) == 0\n"
        "print(sorted({'boto3', 'botocore.session', 'urllib3', 'http.client'} & set(sys.modules)))"
    )
    for number in range(3):
        world.write(f"here/{number}", str(number))
    ways = [
        (world.path("here/"), world.uri("there/")),
        (world.uri("there/"), world.path("back/")),
        (world.uri("there/"), world.uri("copy/", world.other)),
        (world.path("here/"), world.uri("there/")),
        (world.uri("there/1"), world.path("single")),
        (world.path("here/2"), world.uri("single")),
        (world.uri("single"), world.uri("single", world.other)),
        (world.uri("single"), world.path("none/")),
    ]
    world.put("list.json", json.dumps({"a": [1, None]}))
    asked = json.dumps([{"source_path": source, "destination_path": target} for source, target in ways])
    command = [sys.executable, "-c", program, asked, world.uri("list.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *answers, loaded = done.stdout.splitlines()
    *answers, content = answers
    sent = [json.loads(answer)["result"]["files_transferred"] for answer in answers]
    assert sent == [3, 3, 3, 0, 1, 1, 1, 1]
    assert json.loads(content) == {"content": {"a": [1, None]}}
    assert loaded == "[]"
    assert world.files("back") == {"0": "0", "1": "1", "2": "2"}
    assert world.files("none") == {"single": "2"}
    assert len(world.objects(world.other)) == 4
