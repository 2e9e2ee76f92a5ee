"""A class with two models is a function for AWS Lambda."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from examples import Between, Count, Counted, Counter, GetNamed, Page, Sums
from upload_client.functions import LambdaHandler
from upload_client.functions.errors import InvalidRequest
from upload_client.support import secrets


def test_the_models_are_found_in_the_type_arguments():
    assert (Counter.get_request_cls(), Counter.get_response_cls()) == (Count, Counted)


def test_they_are_found_through_generic_classes_that_stand_between():
    assert Sums.get_request_cls() is Page[int]
    assert Sums.get_response_cls() == dict[str, int]


def test_they_are_found_in_a_class_below_another_function():
    class Below(GetNamed):
        pass

    assert Below.get_request_cls() is GetNamed.get_request_cls()


class Later(BaseModel):
    n: int


class Forward(LambdaHandler["Later", "Later"]):
    def handle(self, request: Later) -> Later:
        return request


def test_models_that_are_named_by_a_text_are_found_in_the_module():
    assert Forward.get_request_cls() is Later


@pytest.mark.parametrize("cls", [LambdaHandler, Between, type("Bare", (LambdaHandler,), {})])
def test_a_class_that_names_no_models_says_so(cls):
    with pytest.raises(TypeError, match=r"\(LambdaHandler\[Request, Response\]\)"):
        cls.get_request_cls()


def test_it_answers_json_and_leaves_out_what_is_none(context):
    assert Counter.get_handler()({"words": ["a", "b"]}, context) == {"n": 2}
    assert Sums.get_handler()({"rows": [1, "2"]}, context) == {"sum": 3}


def test_no_answer_is_an_answer(context):
    assert Counter.get_handler()({"words": []}, context) is None


def test_arguments_reach_the_constructor_of_each_new_instance(context):
    made = []

    class Noted(Counter):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            made.append(self)

    function = Noted.get_handler(at_least=5)
    assert function({"words": ["a"]}, context) == {"n": 5}
    function({"words": ["a"]}, context)
    assert len({id(one) for one in made}) == 2
    assert made[0].context is context


def test_it_needs_no_context():
    assert Counter.get_handler()({"words": ["a"]}) == {"n": 1}


@pytest.mark.parametrize("as_bytes", [False, True])
def test_an_event_may_be_json_text_or_a_file(tmp_path, context, as_bytes):
    function = Counter.get_handler()
    text = json.dumps({"words": ["a"]})
    path = tmp_path / "event.json"
    path.write_text(text)
    for event in (text, str(path), f"  {text}"):
        assert function(event.encode() if as_bytes else event, context) == {"n": 1}


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ("{nothing", "begins like it"),
        ("nowhere.json", "neither JSON nor a file"),
        ("a\0b", "neither JSON nor a file"),
        ("s3://bucket", "no s3://bucket/key"),
        ("[" * 100_000, "begins like it"),
        ({"words": 1}, "the event is no Count: words: "),
        ({}, "words: Field required"),
        (None, "the event is no Count"),
        ([1], "the event is no Count"),
    ],
    ids=lambda one: str(one)[:30],
)
def test_what_is_no_event_of_it_is_told_in_a_sentence(event, why, context):
    with pytest.raises(InvalidRequest, match=why) as told:
        Counter.get_handler()(event, context)
    assert told.value.__cause__ is None
    assert len(str(told.value)) < 1200


def test_what_a_wrong_event_holds_is_told_to_nobody(context, printed):
    with pytest.raises(InvalidRequest) as told:
        Counter.get_handler()({"words": "hunter2-hunter2", "password": {"x": "hunter2-hunter2"}}, context)
    assert "hunter2" not in str(told.value) + json.dumps(printed())


def test_many_mistakes_are_counted(context):
    with pytest.raises(InvalidRequest, match="and 95 more"):
        Counter.get_handler()({"words": list(range(100))}, context)


def test_an_event_is_logged_at_debug_alone_and_without_secrets(context, printed):
    function = Counter.get_handler()
    function({"words": ["needle"], "password": "hunter2"}, context)
    assert "needle" not in json.dumps(printed())
    Counter.get_logger().setLevel(logging.DEBUG)
    function({"words": ["needle"], "password": "hunter2"}, context)
    (line,) = [line for line in printed() if line.get("message") == "event"]
    assert line["event"] == {"words": ["needle"], "password": "***"}
    assert line["aws_request_id"] == "request-1"
    assert line["service"] == "Counter"


def test_no_secret_that_is_known_stands_in_a_line_not_even_of_a_traceback(context, printed):
    secrets.remember("known-secret")
    with pytest.raises(RuntimeError):
        Counter.get_handler()({"words": [], "fail": True, "password": "known-secret"}, context)
    (line,) = [line for line in printed() if "exception" in line]
    assert "cannot count with ***" in line["exception"]
    assert "known-secret" not in json.dumps(line)


def test_where_who_calls_has_the_exception_the_log_has_no_traceback(printed):
    with pytest.raises(RuntimeError):
        Counter.get_handler()({"words": [], "fail": True})
    assert not any("exception" in line for line in printed())


def test_metrics_are_written_when_an_invocation_ends_however_it_ends(context, printed):
    function = Counter.get_handler()
    function({"words": ["a", "b"]}, context)
    with pytest.raises(RuntimeError):
        function({"words": ["a"], "fail": True}, context)
    lines = [line for line in printed() if "_aws" in line]
    assert [line["Words"] for line in lines] == [[2.0], [1.0]]
    assert lines[0]["service"] == "Counter"
    assert lines[0]["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "upload-client"


def test_success_failure_and_duration_have_the_given_names(printed):
    handler = Counter()
    start = datetime.now(UTC)
    handler.add_success_metric("Copy")
    handler.add_failure_metric("Move")
    handler.add_duration_metric(start, start + timedelta(seconds=1.5), "Copy")
    handler.add_duration_metric()
    handler.metrics.write()
    (line,) = printed()
    said = {name: value for name, value in line.items() if isinstance(value, list)}
    assert 0 <= said.pop("Duration")[0] < 600_000
    assert said == {
        "CopySuccess": [1.0],
        "CopyFailure": [0.0],
        "MoveSuccess": [0.0],
        "MoveFailure": [1.0],
        "CopyDuration": [1500.0],
    }


def message(n: int, body: object) -> dict:
    return {"messageId": str(n), "body": body if isinstance(body, str) else json.dumps(body)}


GOOD, BAD, SKIP, BROKEN = {"words": ["a"]}, {"words": ["a"], "fail": True}, {"skip": 1}, "no json"
bodies = st.lists(st.sampled_from([GOOD, BAD, SKIP, BROKEN]), min_size=1, max_size=6)
shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)


@shared
@given(bodies)
def test_of_a_queue_the_messages_that_failed_come_again_and_no_others(context, bodies):
    failed = [str(n) for n, body in enumerate(bodies) if body in (BAD, BROKEN)]
    event = {"Records": [message(n, body) for n, body in enumerate(bodies)]}
    function = Counter.get_sqs_batch_handler()
    if len(failed) == len(bodies):
        with pytest.raises(Exception, match=f"all {len(failed)} records failed"):
            function(event, context)
    else:
        items = function(event, context)["batchItemFailures"]
        assert [item["itemIdentifier"] for item in items] == failed


@shared
@given(bodies)
def test_of_a_fifo_queue_nothing_is_done_after_the_first_failure(context, bodies):
    done = []

    class Noted(Counter):
        def handle(self, request):
            done.append(request)
            return super().handle(request)

    first = next((n for n, body in enumerate(bodies) if body in (BAD, BROKEN)), len(bodies))
    event = {"Records": [message(n, body) for n, body in enumerate(bodies)]}
    function = Noted.get_sqs_batch_handler(queue_type="fifo")
    if first == 0:
        with pytest.raises(Exception, match="records failed"):
            function(event, context)
    else:
        items = function(event, context)["batchItemFailures"]
        assert [item["itemIdentifier"] for item in items] == [str(n) for n in range(first, len(bodies))]
    assert len(done) == sum(body is GOOD for body in bodies[:first]) + (bodies[first : first + 1] == [BAD])


def test_a_failed_batch_repeats_no_words_of_its_messages(context):
    event = {"Records": [message(1, {**BAD, "password": "hunter2"})]}
    with pytest.raises(Exception, match="all 1 records failed") as told:
        Counter.get_sqs_batch_handler()(event, context)
    assert "hunter2" not in str(told.value)


def test_of_a_batch_that_failed_the_first_reason_of_ours_is_told_with_what_helps(context):
    event = {"Records": [message(1, BROKEN), message(2, BAD)]}
    with pytest.raises(
        Exception, match="all 2 records failed; the first: the body of the message is no JSON"
    ) as e:
        Counter.get_sqs_batch_handler()(event, context)
    assert e.value.__notes__ == [InvalidRequest.hint]


def test_changes_in_a_table_are_taken_one_by_one(context):
    def change(n, words):
        return {
            "eventName": "INSERT",
            "dynamodb": {"SequenceNumber": n, "NewImage": {"words": {"S": words} if words else {"N": "1"}}},
        }

    function = Counter.get_dynamodb_stream_handler()
    answer = function({"Records": [change("10", "a b"), change("11", None), change("12", "c")]}, context)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "11"}]}


def test_who_gives_no_way_to_read_a_change_is_told(context):
    with pytest.raises(NotImplementedError, match="Sums has no deserialize_dynamodb_record"):
        Sums.deserialize_dynamodb_record(None)


def test_the_detail_of_an_event_is_the_request(context):
    function = Counter.get_eventbridge_handler()
    assert function({"detail-type": "t", "detail": {"words": ["a"]}}, context) == {"n": 1}
    with pytest.raises(InvalidRequest, match="no detail"):
        function({"words": ["a"]}, context)


@pytest.mark.parametrize("event", [{}, [], {"Records": None}])
def test_what_is_no_batch_is_refused(event, context):
    with pytest.raises(InvalidRequest, match="no Records"):
        Counter.get_sqs_batch_handler()(event, context)


@pytest.mark.parametrize(
    "function",
    [
        Counter.get_sqs_batch_handler(),
        Counter.get_sqs_batch_handler(queue_type="fifo"),
        Counter.get_dynamodb_stream_handler(),
    ],
)
def test_of_no_records_none_has_failed(context, function):
    assert function({"Records": []}, context) == {"batchItemFailures": []}


def test_there_are_two_types_of_queues():
    with pytest.raises(ValueError, match="neither 'standard' nor 'fifo'"):
        Counter.get_sqs_batch_handler(queue_type="lifo")
