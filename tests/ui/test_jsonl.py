"""JSON lines, for programs."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import settings as limits
from ui.strategies import a_delivery

from upload_client.events import FileChanged, Health, Message, Planned, Progress
from upload_client.support.clock import Clock
from upload_client.ui.jsonl import JsonlReporter


class Noon(Clock):
    def wall(self):
        return 1767355200.25


def lines(stream):
    return JsonlReporter(stream=stream, clock=Noon())


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


def test_each_event_is_one_object_and_the_last_is_the_summary(delivery, shown):
    found = objects(shown(delivery, lines))
    assert [one["kind"] for one in found] == [
        *("phase", "message", "phase", "connected", "planned", "phase", "phase"),
        *("file", "file", "file"),
        *("progress", "health", "message", "progress", "summary"),
    ]
    assert all(one["schema_version"] == 1 and one["t"] == "2026-01-02T12:00:00.250Z" for one in found)
    assert found[0]["phase"] == "connecting"
    assert found[10]["in_flight"] == [
        {"relpath": "a.fits", "bytes_done": 2**20, "size": 2**22, "parts_done": 1, "parts": 4}
    ]
    assert found[-1] == {
        "schema_version": 1,
        "kind": "summary",
        "t": "2026-01-02T12:00:00.250Z",
        "exit_code": 4,
        "counts": {
            "ready": 0,
            "pending": 0,
            "failed": 1,
            "transferring": 1,
            "done": 1,
            "valid": 996,
            "invalid": 1,
        },
        "bytes_sent": 2**30,
        "files_sent": 899,
        "seconds": 60.0,
        "state_csv": "upload-client_survey_d1_20260102T030405Z.csv",
        "headline": "996 of 1,000 files valid; 1 invalid; 1 not transferred",
        "hint": "",
        "problems": [
            {
                "state": "failed",
                "reason": "may not be read: permission denied",
                "todo": "Make it readable for you, then run the command again.",
                "n": 1,
                "relpaths": ["b.fits"],
                "code": "unreadable",
            },
            {
                "state": "invalid",
                "reason": "not a FITS file",
                "todo": "Fix the file.",
                "n": 1,
                "relpaths": ["c.fits"],
                "code": None,
            },
        ],
        "receipt": None,
        "receipt_file": None,
        "receipt_sha256": None,
        "code": None,
        "left_out": {},
        "requests": 0,
        "not_opened": {},
    }


def test_health_is_told_every_30_seconds_and_when_it_changes(shown):
    def at(seconds, validator="working", trouble=None):
        return Health(
            lease_left=300.0 - seconds,
            validator=validator,
            validator_heard=1.0,
            trouble=trouble,
            seconds=seconds,
        )

    told = objects(shown([at(n / 10) for n in range(650)], lines))
    assert [one["seconds"] for one in told] == [0, 30, 60]
    told = objects(
        shown([at(0.0), at(0.1, "silent"), at(0.2, "silent"), at(0.3, "silent", "no answer")], lines)
    )
    assert [one["seconds"] for one in told] == [0, 0.1, 0.3]


def test_a_file_is_told_of_when_it_has_come_to_something(delivery, shown):
    told = [
        (one["relpath"], one["state"], one["message"])
        for one in objects(shown(delivery, lines))
        if one["kind"] == "file"
    ]
    assert told == [
        ("b.fits", "failed", "may not be read: permission denied"),
        ("c.fits", "invalid", "not a FITS file"),
        ("d.fits", "valid", None),
    ]


def test_how_far_it_is_is_told_at_most_every_second(shown):
    def at(seconds):
        return Progress(counts={}, bytes_sent=0, bytes_total=1, files_sent=0, seconds=seconds)

    assert len(objects(shown([at(n / 100) for n in range(1000)], lines))) == 10


@pytest.mark.parametrize("text", ["\x1b[2J", "a\r\nb", "\u202e", "銀河", '"', "\\", "[/]"])
def test_paths_and_messages_are_exact_and_the_line_is_ascii(shown, text):
    written = shown([FileChanged(text, "failed", text)], lines)
    assert written.isascii()
    assert written[:-1].isprintable()
    (one,) = objects(written)
    assert (one["relpath"], one["message"]) == (text, text)


def test_a_lone_surrogate_is_made_visible_for_readers_that_refuse_it(shown):
    (one,) = objects(shown([Message("a\udcff", "info")], lines))
    assert one["text"] == "a\\udcff"


def test_counts_of_any_mapping_are_written(shown):
    counts = MappingProxyType({"new": 3})
    (one,) = objects(shown([Planned(counts=counts, n_files=3, n_bytes=1)], lines))
    assert one["counts"] == {"new": 3}


@limits(max_examples=40)
@given(a_delivery)
def test_any_delivery_is_json_for_a_strict_reader_and_ends_in_its_summary(delivery):
    stream = io.StringIO()
    reporter = lines(stream)
    for event in delivery:
        reporter.handle(event)
    reporter.close()
    found = objects(stream.getvalue())
    json.dumps(found, ensure_ascii=False).encode("utf-8")
    assert [one["kind"] for one in found].index("summary") == len(found) - 1


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe's other end closes differently there")
def test_a_reader_that_leaves_does_not_end_a_delivery(tmp_path):
    """As in ``upload-client --json | head -1``."""
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\n"
        "from upload_client.events import Message\n"
        "from upload_client.ui.jsonl import JsonlReporter\n"
        "reporter = JsonlReporter()\n"
        "for n in range(20_000):\n"
        "    reporter.handle(Message(str(n), 'info'))\n"
        "print('delivered', file=sys.stderr)\n",
        encoding="utf-8",
    )
    writer = subprocess.Popen(
        [sys.executable, str(program)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert json.loads(writer.stdout.readline())["text"] == "0"
    writer.stdout.close()
    assert writer.stderr.read() == "delivered\n"
    writer.stderr.close()
    assert writer.wait() == 0
